//! How long a reader may have to wait while others write: the longest `get` of one thread, while a second one commits
//! durably and a third one loads documents.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pivotdb::{Collection, Durability, Store};

use crate::data::{COLLECTION, directory};
use crate::documents::{Sample, User};
use crate::ids::Ids;
use crate::raw::Raw;
use crate::table::{Table, time};

/// Documents that are there to be read.
const READ: u64 = 10_000;

/// The ids of what is committed durably begin here, and end before what is loaded.
const COMMITTED: u64 = 1 << 32;
const LOADED: u64 = 1 << 40;

/// As many documents as PivotDB's bulk load commits at once.
const BATCH: u64 = 256;

/// Both sides with a cache that holds what is read and a part of what is loaded.
const CACHE: u64 = 512 << 20;

#[derive(Debug, Default, Clone, Copy)]
struct Gets {
    number: u64,
    above_1_ms: u64,
    above_10_ms: u64,
    longest: Duration,
}

/// What three threads did at the same time.
#[derive(Debug)]
struct Outcome {
    alone: Gets,
    gets: Gets,
    commits: u64,
    loaded: u64,
    took: Duration,
}

/// Loads `documents` with PivotDB, and lets the raw backend load for as long.
pub fn run<R: Raw>(documents: u64, table: &mut Table) {
    let pivotdb = pivotdb::<R>(documents);
    let raw = raw::<R>(pivotdb.took);
    tell(&format!("PivotDB on {}", R::NAME), &pivotdb, table);
    tell(R::NAME, &raw, table);
    let ratio = pivotdb.gets.longest.as_secs_f64() / raw.gets.longest.as_secs_f64();
    table.remark(format!("RATIO {} 150B {ratio:.3}", R::workload("stall")));
}

fn tell(side: &str, outcome: &Outcome, table: &mut Table) {
    let Outcome { alone, gets, commits, loaded, took } = outcome;
    let nanoseconds = |time: Duration| time.as_secs_f64() * 1e9;
    table.remark(format!(
        "STALL {side}: longest get {} of {}, {} above 1 ms, {} above 10 ms; meanwhile {commits} durable commits and {loaded} documents loaded, \
         in {}; with nobody writing {}",
        time(nanoseconds(gets.longest)),
        gets.number,
        gets.above_1_ms,
        gets.above_10_ms,
        time(nanoseconds(*took)),
        time(nanoseconds(alone.longest)),
    ));
}

fn pivotdb<R: Raw>(documents: u64) -> Outcome {
    let directory = directory();
    let builder = R::choose(Store::builder()).cache_capacity(CACHE);
    let store = builder.open(directory.path().join("pivotdb")).expect("a store opens");
    let users: Collection<User> = store.collection(COLLECTION).expect("a collection is made");
    let load = |from: u64, number: u64, stop: &AtomicBool| {
        let mut bulk = users.bulk().expect("a load begins");
        for n in (from..from + number).take_while(|_| !stop.load(Ordering::Relaxed)) {
            bulk.insert_with_id(n, &User::make(n)).expect("a document is inserted");
        }
        bulk.finish().expect("a load ends")
    };
    load(0, READ, &AtomicBool::new(false));
    together(
        |id| users.get(id).expect("it can be read").is_some(),
        |n| {
            let durable = users.clone().with_durability(Durability::Immediate);
            durable.insert_with_id(COMMITTED + n, &User::make(n)).expect("a document is inserted");
        },
        |stop| load(LOADED, documents, stop),
        None,
    )
}

fn raw<R: Raw>(limit: Duration) -> Outcome {
    let directory = directory();
    let raw = R::open(&directory.path().join("raw"), CACHE);
    let insert = |n: u64, value: &User| {
        let text = serde_json::to_vec(value).expect("it is JSON");
        raw.insert(&n.to_be_bytes(), &text);
    };
    (0..READ).for_each(|n| insert(n, &User::make(n)));
    raw.sync();
    together(
        |id| {
            raw.get(&id.to_be_bytes())
                .map(|text| serde_json::from_slice::<User>(&text).expect("it is a user"))
                .is_some()
        },
        |n| {
            insert(COMMITTED + n, &User::make(n));
            raw.sync();
        },
        |stop| {
            let mut loaded = 0;
            while !stop.load(Ordering::Relaxed) {
                raw.apply_batch((loaded..loaded + BATCH).map(|n| {
                    let text = serde_json::to_vec(&User::make(n)).expect("it is JSON");
                    ((LOADED + n).to_be_bytes(), text)
                }));
                loaded += BATCH;
            }
            loaded
        },
        Some(limit),
    )
}

/// Reads, commits and loads at the same time, until the load has ended or the time is up.
fn together(
    get: impl Fn(u64) -> bool + Sync,
    commit: impl Fn(u64) + Sync,
    load: impl FnOnce(&AtomicBool) -> u64 + Send,
    limit: Option<Duration>,
) -> Outcome {
    let (stop, ended, commits) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
    let alone = {
        let until = Instant::now() + Duration::from_secs(1);
        read(&get, || Instant::now() >= until)
    };
    let begun = Instant::now();
    let (gets, loaded) = thread::scope(|scope| {
        let reader = scope.spawn(|| read(&get, || ended.load(Ordering::Relaxed)));
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                commit(commits.fetch_add(1, Ordering::Relaxed));
            }
        });
        let loader = scope.spawn(|| load(&stop));
        while !loader.is_finished() {
            if limit.is_some_and(|limit| begun.elapsed() >= limit) {
                stop.store(true, Ordering::Relaxed);
            }
            thread::sleep(Duration::from_millis(5));
        }
        ended.store(true, Ordering::Relaxed);
        (reader.join().expect("nobody panicked"), loader.join().expect("nobody panicked"))
    });
    Outcome { alone, gets, commits: commits.into_inner(), loaded, took: begun.elapsed() }
}

fn read(get: &impl Fn(u64) -> bool, ended: impl Fn() -> bool) -> Gets {
    let (mut gets, mut ids) = (Gets::default(), Ids::below(READ));
    while !ended() {
        let begun = Instant::now();
        assert!(get(ids.next_id()), "it is there");
        let took = begun.elapsed();
        gets.number += 1;
        gets.above_1_ms += u64::from(took > Duration::from_millis(1));
        gets.above_10_ms += u64::from(took > Duration::from_millis(10));
        gets.longest = gets.longest.max(took);
    }
    gets
}
