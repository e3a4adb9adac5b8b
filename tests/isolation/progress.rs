//! Many threads on one document: everybody gets there.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pivotdb::{Collection, Durability};
use serde_json::{Value, json};

use crate::chance::times;
use crate::report::Report;
use crate::stores::{Place, disks, memory, on_disk, slow};

const THREADS: usize = 16;
/// For how long a transaction waits for others to write, which they do at once where they can. Less than they are held back for at most.
const PATIENCE: Duration = Duration::from_millis(20);
/// Of a try that lasts longer it is not known whether the others are still held back when it commits: 250 ms from before it began.
const STALLED: Duration = Duration::from_millis(100);

/// Threads that leave a processor to nobody are not run beside each other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn increment(n: &mut Value) {
    *n = json!(n.as_u64().unwrap() + 1);
}

fn hunt(name: &str, place: &Place, increments: usize) {
    let store = &place.store;
    let (mut report, mut told) = (Report::default(), Vec::new());
    for transactions in [false, true] {
        let hot = store.documents(if transactions { "by transactions" } else { "by updates" }).unwrap();
        hot.insert_with_id(1, &json!(0)).unwrap();
        let before = store.stats().unwrap();
        let worst = AtomicUsize::new(0);
        let step = |hot: &Collection<Value>| {
            let mut tries = 0;
            if transactions {
                store
                    .transaction(|transaction| {
                        tries += 1;
                        transaction.on(hot).update(1, increment).map(drop)
                    })
                    .unwrap();
            } else {
                let changed = hot.update(1, |n| {
                    tries += 1;
                    increment(n);
                });
                changed.unwrap();
            }
            worst.fetch_max(tries, Ordering::Relaxed);
        };
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| (0..increments).for_each(|_| step(&hot)));
            }
        });
        let made = THREADS * increments;
        report.runs += made;
        let found = hot.require(1).unwrap();
        if found.as_u64() != Some(made as u64) || found.revision().get() != made as u64 + 1 {
            report.violations.push(format!(
                "{} after {made} increments, revision {}",
                *found,
                found.revision()
            ));
        }
        let retries = store.stats().unwrap().failed_checks - before.failed_checks;
        let how = if transactions { "transactions" } else { "updates" };
        told.push(format!("{how}: {retries} retries, at most {} tries", worst.into_inner()));
    }
    // The control: without repetition some are refused, so that there was something to repeat.
    let hot = store.documents("refused").unwrap();
    hot.insert_with_id(1, &json!(0)).unwrap();
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..increments.max(100) {
                    let transaction = store.begin().unwrap();
                    let mine = transaction.on(&hot);
                    mine.update(1, increment).unwrap();
                    thread::yield_now();
                    let outcome = transaction.commit();
                    refused.fetch_add(
                        usize::from(outcome.is_err_and(|error| error.is_conflict())),
                        Ordering::Relaxed,
                    );
                }
            });
        }
    });
    report.caught = refused.into_inner();
    report.tell(name, &told.join("; "));
}

#[test]
fn everybody_gets_there() {
    let _alone = alone();
    hunt("16 threads on one document, in memory", &memory(), times(500));
}

#[test]
fn everybody_gets_there_in_groups() {
    let _alone = alone();
    hunt("16 threads on one document, in groups", &slow(), times(50));
}

#[test]
fn everybody_gets_there_on_disk() {
    let _alone = alone();
    for disk in disks() {
        let name = format!("16 threads on one document, on {}", disk.name);
        hunt(&format!("{name}, buffered"), &on_disk(disk, Durability::Buffered), times(100));
        hunt(&format!("{name}, durable"), &on_disk(disk, Durability::Immediate), times(5));
    }
}

/// A transaction beside others that write to what it reads whenever it is run, unless they are held back: by itself it would be refused for ever.
#[test]
fn a_long_one_gets_there_too() {
    let _alone = alone();
    let place = memory();
    let store = &place.store;
    let hot = store.documents("hot").unwrap().with_durability(Durability::Buffered);
    hot.insert_with_id(1, &json!(0)).unwrap();
    let (done, updates) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut most, mut made, mut stalls) = (0, 0, 0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    hot.update(1, increment).unwrap();
                    updates.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..times(5) {
            let (mut tries, mut since) = (0, Instant::now());
            let outcome = store.transaction(|transaction| {
                // Where this thread gets no time, the bound has passed, and what follows is counted anew.
                if since.elapsed() > STALLED {
                    (most, tries) = (most.max(tries), 0);
                    stalls += 1;
                }
                tries += 1;
                since = Instant::now();
                let hot = transaction.on(&hot);
                let n = hot.require(1)?.as_u64().unwrap();
                // Three, since some may have been made before this began, and not been counted yet.
                let (before, began) = (updates.load(Ordering::Relaxed), Instant::now());
                while updates.load(Ordering::Relaxed) < before + 3 && began.elapsed() < PATIENCE {
                    thread::yield_now();
                }
                hot.overwrite(1, &json!(n + 1)).map(drop)
            });
            most = most.max(tries);
            made += usize::from(outcome.is_ok());
        }
        done.store(true, Ordering::Relaxed);
    });
    let updates = updates.into_inner();
    let all = times(5);
    println!(
        "long transactions beside 2 writers: {made} of {all} made, at most {most} tries, {stalls} stalls, {updates} updates beside"
    );
    assert_eq!(hot.require(1).unwrap().as_u64().unwrap(), (made + updates) as u64);
    assert_eq!(made, all);
    assert!(most < 200, "{most} tries");
}
