//! Many threads on one document: everybody gets there.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pivotdb::{Collection, Durability, Transaction};
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
    let mut report = Report { runs: times(5), ..Report::default() };
    let long = |transaction: &Transaction| {
        let hot = transaction.on(&hot);
        let n = hot.require(1)?.as_u64().unwrap();
        // Three, since some may have been made before this began, and not been counted yet.
        let (before, began) = (updates.load(Ordering::Relaxed), Instant::now());
        while updates.load(Ordering::Relaxed) < before + 3 && began.elapsed() < PATIENCE {
            thread::yield_now();
        }
        hot.overwrite(1, &json!(n + 1)).map(drop)
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    hot.update(1, increment).unwrap();
                    updates.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..report.runs {
            let (mut tries, mut since) = (0, Instant::now());
            let outcome = store.transaction(|transaction| {
                // Where this thread gets no time, the bound has passed, and what follows is counted anew.
                if since.elapsed() > STALLED {
                    (most, tries) = (most.max(tries), 0);
                    stalls += 1;
                }
                tries += 1;
                since = Instant::now();
                long(transaction)
            });
            most = most.max(tries);
            match outcome {
                Ok(()) => made += 1,
                Err(error) => report.violations.push(error.to_string()),
            }
        }
        // The control: where others are not held back it is refused, however often it is tried.
        for _ in 0..20 {
            let transaction = store.begin().unwrap();
            long(&transaction).unwrap();
            match transaction.commit() {
                Err(error) if error.is_conflict() => report.caught += 1,
                outcome => made += usize::from(outcome.is_ok()),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let updates = updates.into_inner();
    let found = hot.require(1).unwrap().as_u64().unwrap();
    if found != (made + updates) as u64 {
        report.violations.push(format!("{found} after {made} and {updates} increments"));
    }
    if most >= 200 {
        report.violations.push(format!("{most} tries"));
    }
    report.tell(
        "long transactions beside 2 writers",
        &format!("at most {most} tries, {stalls} stalls, {updates} updates beside; without favour {} of 20 refused", report.caught),
    );
}

/// What is too late every time is given up; until then a transaction that is too long for being favoured holds others back a few times. It did so with every second try, for
/// minutes.
#[test]
fn what_is_always_too_late_is_given_up_and_seldom_holds_others_back() {
    const TRIES: usize = 1000;
    let _alone = alone();
    let given_up = |error: &pivotdb::Error, tries: usize| {
        assert!(error.is_conflict(), "{error}");
        assert_eq!((error.context().detail("tries"), tries), (Some("1000"), TRIES));
    };
    let place = memory();
    let hot = place.store.documents("hot").unwrap();
    hot.insert_with_id(1, &json!(0)).unwrap();
    let mut tries = 0;
    let error = hot.update(1, |n| {
        tries += 1;
        hot.overwrite(1, &json!(tries)).unwrap();
        *n = json!("late");
    });
    given_up(&error.unwrap_err(), tries);
    let (mut tries, mut held_back) = (0, 0);
    let outcome = place.store.transaction(|transaction| {
        tries += 1;
        let mine = transaction.on(&hot);
        mine.require(1)?;
        // Another thread's, which waits where others are held back, until they are no longer.
        let overwrite = || {
            let began = Instant::now();
            hot.overwrite(1, &json!(tries)).unwrap();
            began.elapsed() >= STALLED
        };
        held_back += usize::from(thread::scope(|scope| scope.spawn(overwrite).join().unwrap()));
        if held_back > 20 {
            return Err(pivotdb::Error::abort(format!("held back {held_back} times in {tries} tries")));
        }
        mine.overwrite(1, &json!("late")).map(drop)
    });
    given_up(&outcome.unwrap_err(), tries);
    println!("always too late: {tries} tries, others held back {held_back} times");
    assert!(held_back > 0, "nobody was held back");
    assert_eq!(*hot.require(1).unwrap(), json!(TRIES));
}
