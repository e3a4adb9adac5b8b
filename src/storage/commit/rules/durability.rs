//! What reaches the medium, when, and what is left of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::storage::backend::{Backend, Batch, Direction, KeyRange};
use crate::storage::commit::commit::Durability;
use crate::storage::commit::engine::{Engine, Medium};
use crate::storage::commit::gate::lock;
use crate::storage::commit::group::decode_counter;
use crate::storage::commit::options::Options;
use crate::storage::commit::puppet::{Call, PATIENCE, Puppet};
use crate::storage::commit::rules::support::{MOMENT, get, put, scan, unhurried};

#[test]
fn applied_means_visible_before_durable_and_a_reader_can_wait() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    puppet.hold(Call::Sync);
    thread::scope(|scope| {
        let writer = scope.spawn(|| engine.commit(put(b"k", b"v"), Durability::Immediate));
        puppet.wait_hanging(Call::Sync, 1);
        let read = engine.read(b"k").unwrap();
        assert_eq!((read.sequence, read.value.as_deref()), (1, Some(&b"v"[..])));
        assert!(!writer.is_finished());
        let reader = scope.spawn(|| engine.wait_durable(1));
        thread::sleep(MOMENT);
        assert!(!reader.is_finished() && !writer.is_finished());
        puppet.release(Call::Sync);
        reader.join().unwrap().unwrap();
        writer.join().unwrap().unwrap();
    });
    assert_eq!(puppet.log().1, 1);
}

#[test]
fn immediate_returns_after_the_sync() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    thread::scope(|scope| {
        for n in 0..4_u8 {
            let (puppet, engine) = (&puppet, &engine);
            scope.spawn(move || {
                for round in 0..50_u8 {
                    let key = [n, round, 0];
                    engine.commit(put(&key, b"v"), Durability::Immediate).unwrap();
                    let (log, synced) = puppet.log();
                    assert!(log[..synced].iter().any(|batch| batch.writes.contains_key(key.as_slice())));
                }
            });
        }
    });
}

#[test]
fn buffered_returns_after_the_apply() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    puppet.hold(Call::Sync);
    engine.commit(put(b"k", b"v"), Durability::Buffered).unwrap();
    assert_eq!(get(&engine, b"k"), Some(b"v".to_vec()));
    assert_eq!((puppet.count(Call::Flush), puppet.log().1), (0, 0));
    puppet.release(Call::Sync);
    engine.flush().unwrap();
    assert_eq!(puppet.log().1, 1);
}

#[test]
fn buffered_commits_reach_the_medium_by_themselves() {
    let puppet = Puppet::new();
    let engine = puppet.engine(Options { buffered_window: Duration::from_millis(5), ..Options::default() });
    for n in 0..10_u8 {
        engine.commit(put(&[n], b"v"), Durability::Buffered).unwrap();
        let committed = Instant::now();
        while puppet.log().1 <= usize::from(n) {
            assert!(committed.elapsed() < PATIENCE, "commit {n} does not reach the medium by itself");
            thread::sleep(Duration::from_millis(1));
        }
    }
    assert!(engine.figures().unwrap().synced == 10);
    engine.close().unwrap();
}

#[test]
fn buffered_commits_are_held_back_while_the_medium_is_behind() {
    let puppet = Puppet::new();
    let engine = puppet.engine(Options { buffered_window: Duration::from_millis(20), ..Options::default() });
    let made = AtomicUsize::new(0);
    puppet.hold(Call::Sync);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3_u8)
            .map(|n| {
                let (engine, made) = (&engine, &made);
                scope.spawn(move || {
                    while made.load(Ordering::Relaxed) < 1_000_000 {
                        engine.commit(put(&[n], b"v"), Durability::Buffered).unwrap();
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        puppet.wait_hanging(Call::Sync, 1);
        // No more than two windows' worth are acknowledged while the sync hangs, however long it does.
        let still = || {
            let before = made.load(Ordering::Relaxed);
            thread::sleep(MOMENT);
            made.load(Ordering::Relaxed) == before
        };
        while !still() {}
        assert!(still() && writers.iter().all(|writer| !writer.is_finished()));
        let before = made.load(Ordering::Relaxed);
        puppet.release(Call::Sync);
        while made.load(Ordering::Relaxed) < before + 10 {
            thread::yield_now();
        }
        made.store(1_000_000, Ordering::Relaxed);
    });
    // The control: nobody is held back where the window is long.
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    puppet.hold(Call::Sync);
    for n in 0..100_u8 {
        engine.commit(put(&[n], b"v"), Durability::Buffered).unwrap();
    }
    puppet.release(Call::Sync);
}

/// What a power cut may leave: whatever prefix of the applies the medium has, but at least what has been synced. Each is a
/// whole store, with every commit up to its sequence and none beyond, and has all that was acknowledged as durable.
#[test]
fn what_survives_is_a_prefix_of_commits() {
    let puppet = Puppet::new();
    let engine = puppet.engine(Options { buffered_window: Duration::from_millis(1), ..Options::default() });
    let commits = std::sync::Mutex::new(Vec::new());
    thread::scope(|scope| {
        for n in 10..14_u8 {
            let (engine, commits, puppet) = (&engine, &commits, &puppet);
            scope.spawn(move || {
                for round in 0..40_u8 {
                    let durability = if (n + round).is_multiple_of(3) {
                        Durability::Immediate
                    } else {
                        Durability::Buffered
                    };
                    let mut commit = put(&[n, round], &[n]);
                    commit.put([n, round, 1].as_slice(), [round].as_slice());
                    commit.count(b"count".as_slice(), 2);
                    if let Some(before) = round.checked_sub(5) {
                        commit.remove([n, before].as_slice());
                    }
                    let sequence = engine.commit(commit, durability).unwrap();
                    let synced = puppet.log().1;
                    lock(commits).push((sequence, n, round, durability == Durability::Immediate, synced));
                }
            });
        }
    });
    let commits = commits.into_inner().unwrap();
    let (log, _) = puppet.log();
    for survive in 0..=log.len() {
        let backend: Arc<dyn Backend> = puppet.rest_after(survive);
        let reopened = Engine::open(backend, Medium::Volatile, Options::default(), false).unwrap();
        let sequence = reopened.published();
        assert_eq!(sequence, survive as u64, "one sequence for each group");
        let made: Vec<_> = commits.iter().filter(|commit| commit.0 <= sequence).collect();
        assert_eq!(get(&reopened, b"count").as_deref().map_or(0, decode_counter), 2 * made.len() as i64);
        let mut keys: BTreeSet<Vec<u8>> = made.iter().map(|(_, n, round, ..)| vec![*n, *round, 1]).collect();
        for (_, n, round, ..) in &made {
            if !made.iter().any(|other| (other.1, other.2) == (*n, round + 5)) {
                keys.insert(vec![*n, *round]);
            }
        }
        let snapshot = reopened.snapshot();
        let range = KeyRange { start: vec![10], end: Some(vec![14]) };
        let found = scan(&snapshot, &range, Direction::Forward, 100).into_iter().map(|(key, _)| key.to_vec());
        let found: BTreeSet<Vec<u8>> = found.collect();
        assert_eq!(found, keys, "after {survive} groups");
    }
    let durable: Vec<_> = commits.iter().filter(|commit| commit.3).collect();
    assert!(durable.iter().all(|(sequence, .., synced)| *sequence <= *synced as u64));
    println!("prefixes: {} groups, {} commits, {} of them durable", log.len(), commits.len(), durable.len());
    assert!(durable.len() > 40 && log.len() > 20);
}

/// sled stalls every reader when it applies and flushes at once. What may overlap the next apply is the sync alone.
#[test]
fn apply_and_flush_are_never_made_at_once_and_only_the_sync_overlaps() {
    const WRITERS: u8 = 6;
    let puppet = Puppet::new();
    for call in [Call::Apply, Call::Flush, Call::Sync] {
        puppet.delay(call, Duration::from_millis(if call == Call::Sync { 3 } else { 1 }));
    }
    let engine = puppet.engine(Options { buffered_window: Duration::from_millis(2), ..Options::default() });
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let engine = &engine;
            scope.spawn(move || {
                let durability = if writer % 2 == 0 { Durability::Immediate } else { Durability::Buffered };
                for n in 0..60_u8 {
                    engine.commit(put(&[writer, n], b"v"), durability).unwrap();
                    if n % 16 == 0 {
                        engine.flush().unwrap();
                    }
                }
            });
        }
    });
    engine.close().unwrap();
    let made = [Call::Apply, Call::Flush, Call::Sync].map(|call| puppet.count(call));
    assert!(made.iter().all(|made| *made > 10), "{made:?}");
    assert!(puppet.overlapped(Call::Apply, Call::Sync), "nothing overlapped");
    for (one, other) in [
        (Call::Apply, Call::Apply),
        (Call::Apply, Call::Flush),
        (Call::Flush, Call::Flush),
        (Call::Flush, Call::Sync),
        (Call::Sync, Call::Sync),
    ] {
        assert!(!puppet.overlapped(one, other), "{one:?} beside {other:?}");
    }
    // The control: without the gate it is noticed.
    let puppet = Puppet::new();
    puppet.hold(Call::Flush);
    thread::scope(|scope| {
        scope.spawn(|| puppet.flush());
        puppet.wait_hanging(Call::Flush, 1);
        puppet.apply(&Batch::default()).unwrap();
        puppet.release(Call::Flush);
    });
    assert!(puppet.overlapped(Call::Apply, Call::Flush));
}
