//! The anomalies by name: Adya's, and those of Berenson and others, Fekete and others, and Sovran and others.

use pivotdb::{Durability, Evolution, Index};

use crate::chance::{Chance, times};
use crate::interleavings::{Anomaly, LIST, Level, Script, Seen, Step, clear};
use crate::report::Report;
use crate::stores::{Place, disks, memory, on_disk};

/// How many orders in which a fault was found in memory are tried on disk as well.
const TELLING: usize = 5;

fn commits(steps: &'static [Step]) -> Script {
    Script { steps, commits: true }
}

fn gives_up(steps: &'static [Step]) -> Script {
    Script { steps, commits: false }
}

/// Every order in memory, or very many; and some on disk, among them some in which the fault was found in memory: it is to be found in each place.
fn hunt(name: &str, anomaly: &Anomaly) {
    hunt_by(name, anomaly, None);
}

/// The same where documents are found by an index, which is made anew for each order: it knows nothing of earlier ones.
fn hunt_by(name: &str, anomaly: &Anomaly, index: Option<&Index>) {
    let mut report = Report::default();
    let (mut refused, mut places, mut telling) = (0, Vec::new(), Vec::new());
    let mut on = |name: &str, place: &Place, (mut orders, all): (Vec<Vec<usize>>, bool)| {
        let mut caught = 0;
        if !all {
            orders.append(&mut telling.clone());
        }
        let live = match index {
            None => place.store.documents("live").unwrap(),
            // In a transaction a handle that sees all kinds uses none.
            Some(_) => place.store.collection_with("live", "live", &Evolution::new()).unwrap(),
        };
        let anew = || {
            if let Some(index) = index {
                clear(&live);
                live.drop_index(&index.name()).unwrap();
                live.create_index(index).unwrap();
            }
        };
        for order in &orders {
            anew();
            let outcome = anomaly.run(Level::Serializable, &place.store, &live, order);
            report.runs += 1;
            refused += usize::from(anomaly.refused(&outcome));
            if !anomaly.is_serial(&outcome) || anomaly.refused_for_nothing(&outcome) {
                report.violations.push(format!("{order:?}: {outcome:?}"));
            }
            anew();
            let control = anomaly.run(anomaly.control, &place.store, &live, order);
            if !anomaly.is_serial(&control) {
                caught += 1;
                if telling.len() < TELLING {
                    telling.push(order.clone());
                }
            }
        }
        let how = if all { "all" } else { "a sample of" };
        places.push((caught, format!("{how} {} orders {name}, caught in {caught}", orders.len())));
        report.caught += caught;
    };
    let many = times(if index.is_none() { 6000 } else { 1500 });
    on("in memory", &memory(), anomaly.orders(many, &mut Chance::new(1)));
    for disk in disks() {
        let orders = anomaly.orders(times(100), &mut Chance::new(2));
        on(&format!("on {}", disk.name), &on_disk(disk, Durability::Buffered), orders);
    }
    let told: Vec<_> = places.iter().map(|(_, told)| told.as_str()).collect();
    let told = format!("{refused} with one refused, the control {:?}; {}", anomaly.control, told.join("; "));
    report.tell(name, &told);
    assert!(places.iter().all(|(caught, _)| *caught > 0), "{name}: a place where no control was caught");
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

#[test]
fn phantom_through_an_index() {
    hunt_by(
        "phantom through an index",
        &Anomaly {
            initial: &[(1, 1)],
            scripts: vec![
                commits(&[
                    |data, seen| seen.push(data.between(0, 100)),
                    |data, seen: &mut Seen| data.put(10, seen[0]),
                ]),
                commits(&[
                    |data, seen| seen.push(data.between(0, 100)),
                    |data, seen: &mut Seen| data.put(11, seen[0] * 3),
                ]),
                commits(&[|data, seen| seen.push(data.between(0, 100)), |data, _| data.delete(1)]),
            ],
            control: Level::Snapshot,
        },
        Some(&Index::on("v")),
    );
}

/// What is inserted has its entries where nobody has looked, since there were no lists.
#[test]
fn phantom_beside_an_index() {
    hunt_by(
        "phantom beside an index",
        &Anomaly {
            initial: &[],
            scripts: vec![
                commits(&[
                    |data, seen| seen.push(data.between(1, 5)),
                    |data, seen: &mut Seen| data.put(1, LIST + seen[0]),
                ]),
                commits(&[
                    |data, seen| seen.push(data.between(1, 5)),
                    |data, seen: &mut Seen| data.put(2, LIST + seen[0]),
                ]),
            ],
            control: Level::Unvalidated,
        },
        Some(&Index::on("v")),
    );
}

#[test]
fn write_skew_through_an_index() {
    hunt_by(
        "write skew through an index",
        &Anomaly {
            initial: &[(1, 60), (2, 60)],
            scripts: vec![
                commits(&[
                    |data, seen| seen.push(data.between(50, 100)),
                    |data, seen: &mut Seen| {
                        if seen[0] >= 2 {
                            data.put(1, 0);
                        }
                    },
                ]),
                commits(&[
                    |data, seen| seen.push(data.between(50, 100)),
                    |data, seen: &mut Seen| {
                        if seen[0] >= 2 {
                            data.put(2, 0);
                        }
                    },
                ]),
            ],
            control: Level::Snapshot,
        },
        Some(&Index::on("v")),
    );
}

#[test]
fn unique_value_claimed_twice() {
    hunt_by(
        "unique value claimed twice",
        &Anomaly {
            initial: &[],
            scripts: vec![
                commits(&[|data, seen| seen.push(data.claim(1, 5))]),
                commits(&[|data, seen| seen.push(data.claim(2, 5))]),
                commits(&[
                    |data, seen| seen.push(see(data.get(1))),
                    |data, seen| seen.push(see(data.get(2))),
                ]),
            ],
            control: Level::Unvalidated,
        },
        Some(&Index::unique("v")),
    );
}

/// That a value was refused is a read of who held it.
#[test]
fn write_skew_on_a_unique_value() {
    hunt_by(
        "write skew on a unique value",
        &Anomaly {
            initial: &[(1, 5)],
            scripts: vec![
                commits(&[|data, seen| seen.push(see(data.get(3))), |data, _| data.delete(1)]),
                commits(&[
                    |data, seen| seen.push(data.claim(2, 5)),
                    |data, seen: &mut Seen| data.put(3, 10 + seen[0]),
                ]),
            ],
            control: Level::Snapshot,
        },
        Some(&Index::unique("v")),
    );
}
