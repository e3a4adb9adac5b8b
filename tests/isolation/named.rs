//! The anomalies by name: Adya's, and those of Berenson and others, Fekete and others, and Sovran and others.

use pivotdb::Durability;

use crate::chance::{Chance, times};
use crate::interleavings::{Anomaly, Level, Script, Seen, Step};
use crate::report::Report;
use crate::stores::{Place, disks, memory, on_disk};

fn commits(steps: &'static [Step]) -> Script {
    Script { steps, commits: true }
}

fn gives_up(steps: &'static [Step]) -> Script {
    Script { steps, commits: false }
}

/// Every order in memory, or very many; and some on disk.
fn hunt(name: &str, anomaly: &Anomaly) {
    let mut report = Report::default();
    let mut refused = 0;
    let mut on = |place: &Place, orders: &[Vec<usize>], report: &mut Report| {
        let live = place.store.documents("live").unwrap();
        for order in orders {
            let outcome = anomaly.run(Level::Serializable, &place.store, &live, order);
            report.runs += 1;
            refused += usize::from(anomaly.refused(&outcome));
            if !anomaly.is_serial(&outcome) || anomaly.refused_for_nothing(&outcome) {
                report.violations.push(format!("{order:?}: {outcome:?}"));
            }
            let control = anomaly.run(anomaly.control, &place.store, &live, order);
            report.caught += usize::from(!anomaly.is_serial(&control));
        }
    };
    on(&memory(), &anomaly.orders(times(6000), &mut Chance::new(1)), &mut report);
    for disk in disks() {
        let orders = anomaly.orders(times(100), &mut Chance::new(2));
        on(&on_disk(disk, Durability::Buffered), &orders, &mut report);
    }
    report.tell(
        name,
        &format!("{refused} of them with one refused, {:?} caught {}", anomaly.control, report.caught),
    );
}

fn see(value: Option<i64>) -> i64 {
    value.unwrap_or(-1)
}

#[test]
fn dirty_read() {
    hunt(
        "dirty read",
        &Anomaly {
            initial: &[(1, 0)],
            scripts: vec![
                gives_up(&[|data, _| data.put(1, 5)]),
                commits(&[
                    |data, seen| seen.push(see(data.get(1))),
                    |data, seen: &mut Seen| data.put(2, seen[0]),
                ]),
            ],
            control: Level::Uncommitted,
        },
    );
}

#[test]
fn intermediate_read() {
    hunt(
        "intermediate read",
        &Anomaly {
            initial: &[(1, 0)],
            scripts: vec![
                commits(&[|data, _| data.put(1, 1), |data, _| data.put(1, 2)]),
                commits(&[|data, seen| seen.push(see(data.get(1)))]),
            ],
            control: Level::Uncommitted,
        },
    );
}

#[test]
fn circular_information_flow() {
    hunt(
        "circular information flow",
        &Anomaly {
            initial: &[(1, 0), (2, 0)],
            scripts: vec![
                commits(&[|data, _| data.put(1, 1), |data, seen| seen.push(see(data.get(2)))]),
                commits(&[|data, _| data.put(2, 1), |data, seen| seen.push(see(data.get(1)))]),
            ],
            control: Level::Uncommitted,
        },
    );
}

#[test]
fn non_repeatable_read() {
    hunt(
        "non-repeatable read",
        &Anomaly {
            initial: &[(1, 0)],
            scripts: vec![
                commits(&[
                    |data, seen| seen.push(see(data.get(1))),
                    |data, seen| seen.push(see(data.get(1))),
                ]),
                commits(&[|data, _| data.put(1, 1)]),
            ],
            control: Level::Committed,
        },
    );
}

#[test]
fn read_skew() {
    hunt(
        "read skew",
        &Anomaly {
            initial: &[(1, 50), (2, 50)],
            scripts: vec![
                commits(&[
                    |data, seen| seen.push(see(data.get(1))),
                    |data, seen| seen.push(see(data.get(2))),
                ]),
                commits(&[|data, _| data.put(1, 25), |data, _| data.put(2, 75)]),
            ],
            control: Level::Committed,
        },
    );
}

#[test]
fn lost_update() {
    hunt(
        "lost update",
        &Anomaly {
            initial: &[(1, 0)],
            scripts: vec![
                commits(&[
                    |data, seen| seen.push(see(data.get(1))),
                    |data, seen: &mut Seen| data.put(1, seen[0] + 1),
                ]),
                commits(&[
                    |data, seen| seen.push(see(data.get(1))),
                    |data, seen: &mut Seen| data.put(1, seen[0] + 2),
                ]),
            ],
            control: Level::Unvalidated,
        },
    );
}

#[test]
fn write_skew() {
    hunt(
        "write skew",
        &Anomaly {
            initial: &[(1, 60), (2, 60)],
            scripts: vec![
                commits(&[
                    |data, seen| seen.extend([see(data.get(1)), see(data.get(2))]),
                    |data, seen: &mut Seen| {
                        if seen[0] + seen[1] >= 100 {
                            data.put(1, seen[0] - 100);
                        }
                    },
                ]),
                commits(&[
                    |data, seen| seen.extend([see(data.get(1)), see(data.get(2))]),
                    |data, seen: &mut Seen| {
                        if seen[0] + seen[1] >= 100 {
                            data.put(2, seen[1] - 100);
                        }
                    },
                ]),
            ],
            control: Level::Snapshot,
        },
    );
}

#[test]
fn write_skew_on_absence() {
    hunt(
        "write skew on absence",
        &Anomaly {
            initial: &[],
            scripts: vec![
                commits(&[
                    |data, seen| seen.push(see(data.get(5))),
                    |data, seen: &mut Seen| data.put(6, seen[0] * 10),
                ]),
                commits(&[
                    |data, seen| seen.push(see(data.get(6))),
                    |data, seen: &mut Seen| data.put(5, seen[0] * 10),
                ]),
            ],
            control: Level::Snapshot,
        },
    );
}

#[test]
fn phantom_by_insert() {
    hunt(
        "phantom by insert",
        &Anomaly {
            initial: &[(1, 1)],
            scripts: vec![
                commits(&[|data, seen| seen.push(data.sum()), |data, seen: &mut Seen| data.put(10, seen[0])]),
                commits(&[
                    |data, seen| seen.push(data.sum()),
                    |data, seen: &mut Seen| data.put(11, seen[0] * 3),
                ]),
            ],
            control: Level::Snapshot,
        },
    );
}

#[test]
fn phantom_by_delete() {
    hunt(
        "phantom by delete",
        &Anomaly {
            initial: &[(1, 1), (2, 1)],
            scripts: vec![
                commits(&[|data, seen| seen.push(data.sum()), |data, seen: &mut Seen| data.put(10, seen[0])]),
                commits(&[
                    |data, seen| seen.push(see(data.get(10))),
                    |data, _| data.delete(2),
                    |data, seen: &mut Seen| data.put(11, seen[0]),
                ]),
            ],
            control: Level::Snapshot,
        },
    );
}

#[test]
fn phantom_in_a_count() {
    hunt(
        "phantom in a count",
        &Anomaly {
            initial: &[(1, 1)],
            scripts: vec![
                commits(&[
                    |data, seen| seen.push(data.count()),
                    |data, seen: &mut Seen| data.put(10, seen[0]),
                ]),
                commits(&[
                    |data, seen| seen.push(data.count()),
                    |data, seen: &mut Seen| data.put(11, seen[0]),
                ]),
                commits(&[|data, seen| seen.push(data.count()), |data, _| data.delete(1)]),
            ],
            control: Level::Snapshot,
        },
    );
}

/// Two readers see two writes in different orders.
#[test]
fn long_fork() {
    hunt(
        "long fork",
        &Anomaly {
            initial: &[(1, 0), (2, 0)],
            scripts: vec![
                commits(&[|data, _| data.put(1, 1)]),
                commits(&[|data, _| data.put(2, 1)]),
                commits(&[
                    |data, seen| seen.push(see(data.get(1))),
                    |data, seen| seen.push(see(data.get(2))),
                ]),
                commits(&[
                    |data, seen| seen.push(see(data.get(2))),
                    |data, seen| seen.push(see(data.get(1))),
                ]),
            ],
            control: Level::Committed,
        },
    );
}

/// Fekete, O'Neil and O'Neil, 2004: a reader between two writers sees a state that no serial order explains, unless one of
/// the writers is refused.
#[test]
fn read_only_anomaly() {
    hunt(
        "read-only anomaly",
        &Anomaly {
            initial: &[(1, 0), (2, 0)],
            scripts: vec![
                commits(&[
                    |data, seen| seen.push(data.sum()),
                    |data, seen: &mut Seen| data.put(1, if seen[0] < 10 { -11 } else { -10 }),
                ]),
                commits(&[|data, seen| {
                    seen.push(see(data.get(2)));
                    data.put(2, 20);
                }]),
                commits(&[|data, seen| seen.extend([see(data.get(1)), see(data.get(2))])]),
            ],
            control: Level::Snapshot,
        },
    );
}
