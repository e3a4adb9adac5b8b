//! Commits that change no meaning beside those that do: as settling and index builds will be.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use pivotdb::testing::isolation::{self, Validation};
use pivotdb::{Collection, Durability, Store};
use serde_json::{Value, json};

use crate::chance::{Chance, times};
use crate::report::Report;
use crate::stores::{Place, disks, memory, on_disk, slow};

const DOCUMENTS: i32 = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settling {
    Neutral,
    /// As any other commit.
    Logical,
    /// Without looking whether the document has changed meanwhile.
    Blind,
}

/// Rewrites a document as it is. Gives whether it was not refused.
fn settle(store: &Store, data: &Collection<Value>, id: i32, how: Settling) -> bool {
    let transaction = store.begin().unwrap();
    let mine = transaction.on(data);
    let value = mine.require(id).unwrap().into_value();
    thread::yield_now();
    mine.overwrite(id, &value).unwrap();
    let outcome = match how {
        Settling::Neutral => isolation::commit_neutrally(&transaction),
        Settling::Logical => isolation::commit(&transaction, Validation::Everything),
        Settling::Blind => isolation::commit(&transaction, Validation::Nothing),
    };
    match outcome {
        Ok(_) => true,
        Err(error) if error.is_conflict() => false,
        Err(error) => panic!("{error}"),
    }
}

#[derive(Default)]
struct Found {
    settled: usize,
    settling_refused: usize,
    reports_refused: usize,
    increments_lost: u64,
}

/// Two threads settle, two increment, two read everything in transactions and write what they have read elsewhere.
fn run(place: &Place, name: &str, how: Settling, reports: usize, increments: bool) -> Found {
    let store = &place.store;
    let data = store.documents(name).unwrap();
    let other = store.documents(&format!("{name}, reports")).unwrap();
    for id in 0..DOCUMENTS {
        data.insert_with_id(id, &json!(0)).unwrap();
    }
    let done = AtomicBool::new(false);
    let (settled, settling_refused, incremented) =
        (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let reports_refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..2 {
            let (data, done, settled, settling_refused) = (&data, &done, &settled, &settling_refused);
            scope.spawn(move || {
                let mut chance = Chance::new(7_000 + thread);
                while !done.load(Ordering::Relaxed) {
                    let made = settle(store, data, chance.id(DOCUMENTS), how);
                    if made { settled } else { settling_refused }.fetch_add(1, Ordering::Relaxed);
                }
            });
            let incremented = &incremented;
            if increments {
                scope.spawn(move || {
                    let mut chance = Chance::new(7_100 + thread);
                    while !done.load(Ordering::Relaxed) {
                        data.update(chance.id(DOCUMENTS), |n| *n = json!(n.as_u64().unwrap() + 1)).unwrap();
                        incremented.fetch_add(1, Ordering::Relaxed);
                        chance.pause();
                    }
                });
            }
        }
        let reporters: Vec<_> = (0..2)
            .map(|thread| {
                let (data, other, reports_refused, settled) = (&data, &other, &reports_refused, &settled);
                scope.spawn(move || {
                    for n in 0..reports {
                        let before = settled.load(Ordering::Relaxed);
                        let transaction = store.begin().unwrap();
                        let mine = transaction.on(data);
                        let sum: u64 = mine.iter().map(|n| n.unwrap().as_u64().unwrap()).sum();
                        let (count, one) = (mine.count().unwrap(), mine.exists(n as i64 % 20).unwrap());
                        // Somebody settles something between reading and committing.
                        while settled.load(Ordering::Relaxed) == before {
                            thread::yield_now();
                        }
                        transaction.on(other).put(thread, &json!([sum, count, one])).unwrap();
                        if transaction.commit().is_err_and(|error| error.is_conflict()) {
                            reports_refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        for reporter in reporters {
            reporter.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    let sum: u64 = data.iter().map(|n| n.unwrap().as_u64().unwrap()).sum();
    Found {
        settled: settled.into_inner(),
        settling_refused: settling_refused.into_inner(),
        reports_refused: reports_refused.into_inner(),
        increments_lost: (incremented.into_inner() as u64).abs_diff(sum),
    }
}

fn hunt(name: &str, place: &Place, reports: usize) {
    let quiet = run(place, "nobody else writes", Settling::Neutral, reports, false);
    let mut report = Report { runs: quiet.settled, ..Report::default() };
    if quiet.reports_refused > 0 {
        report.violations.push(format!("{} reports refused for what means nothing", quiet.reports_refused));
    }
    let busy = run(place, "others increment", Settling::Neutral, reports, true);
    report.runs += busy.settled;
    if busy.increments_lost > 0 {
        report.violations.push(format!("{} increments lost", busy.increments_lost));
    }
    let logical = run(place, "the first control", Settling::Logical, reports, false);
    let blind = run(place, "the second control", Settling::Blind, reports, true);
    report.caught = logical.reports_refused.min(usize::try_from(blind.increments_lost).unwrap());
    let more = format!(
        "{} refused, since the document had changed; as other commits they refuse {} reports of {}, unchecked they lose {} increments",
        quiet.settling_refused + busy.settling_refused,
        logical.reports_refused,
        2 * reports,
        blind.increments_lost,
    );
    report.tell(name, &more);
}

#[test]
fn settling_disturbs_nobody_and_loses_nothing() {
    hunt("neutral commits, in memory", &memory(), times(1_000));
}

#[test]
fn settling_disturbs_nobody_and_loses_nothing_in_groups() {
    hunt("neutral commits, in groups", &slow(), times(300));
}

#[test]
fn settling_disturbs_nobody_and_loses_nothing_on_disk() {
    for disk in disks() {
        hunt(&format!("neutral commits, on {}", disk.name), &on_disk(disk, Durability::Buffered), times(300));
    }
}
