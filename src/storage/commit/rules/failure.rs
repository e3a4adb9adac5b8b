//! What fails, hangs, or is too large.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::storage::backend::{Direction, KeyRange, MAX_VALUE};
use crate::storage::commit::commit::{Class, Commit, Durability, Reads};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::gate::lock;
use crate::storage::commit::options::Options;
use crate::storage::commit::puppet::{Act, Call, PATIENCE, Puppet};
use crate::storage::commit::rules::support::{
    ALL, MOMENT, commit_as, count, get, impatient, must_end, put, scan, unhurried,
};

#[test]
fn a_failed_write_leaves_the_outcome_unknown_and_poisons() {
    for (call, act) in
        [Call::Apply, Call::Flush, Call::Sync].into_iter().flat_map(|c| [(c, Act::Fail), (c, Act::Panic)])
    {
        let puppet = Puppet::new();
        let engine = puppet.engine(unhurried());
        engine.commit(put(b"a", b"old"), Durability::Immediate).unwrap();
        let snapshot = engine.snapshot();
        puppet.plan(call, act);
        let mut commit = put(b"a", b"new");
        commit.put(b"bb".as_slice(), b"new".as_slice());
        let outcome = engine.commit(commit, Durability::Immediate);
        assert!(matches!(outcome, Err(StorageError::OutcomeUnknown(_))), "{call:?} {act:?} {outcome:?}");
        // Reads go on at the last published sequence: after a failed apply without, otherwise with the commit.
        let applied = call != Call::Apply;
        let value = |new: bool| Some(if new { b"new".to_vec() } else { b"old".to_vec() });
        assert_eq!(
            (get(&engine, b"a"), get(&engine, b"bb")),
            (value(applied), applied.then(|| b"new".to_vec()))
        );
        assert_eq!(engine.published(), 1 + u64::from(applied));
        assert_eq!(snapshot.get(b"a").unwrap().as_deref(), Some(&b"old"[..]));
        let late = engine.snapshot();
        assert_eq!(late.get(b"a").unwrap().map(|value| value.to_vec()), value(applied));
        assert_eq!(scan(&late, &KeyRange::prefix(b"bb"), Direction::Backward, 1).len(), usize::from(applied));
        // Writes are refused, and none is tried.
        let applies = puppet.count(Call::Apply);
        for durability in [Durability::Immediate, Durability::Buffered] {
            let refused = engine.commit(put(b"x", b"y"), durability);
            assert!(matches!(refused, Err(StorageError::Poisoned(_))), "{refused:?}");
        }
        let transaction = engine.begin();
        transaction.stage(put(b"x", b"y")).unwrap();
        assert!(matches!(commit_as(&engine, &transaction, Class::Logical), Err(StorageError::Poisoned(_))));
        assert!(matches!(engine.flush(), Err(StorageError::Poisoned(_))));
        assert_eq!(puppet.count(Call::Apply), applies);
        assert!(matches!(engine.close(), Err(StorageError::Poisoned(_))));
        assert!(engine.close().is_ok(), "closed all the same");
    }
}

#[test]
fn the_first_cause_is_the_one_that_is_told() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    puppet.plan(Call::Flush, Act::Fail);
    let told = |outcome: Result<u64, StorageError>| match outcome {
        Err(StorageError::OutcomeUnknown(cause) | StorageError::Poisoned(cause)) => cause.message,
        other => panic!("{other:?}"),
    };
    assert_eq!(told(engine.commit(put(b"a", b"v"), Durability::Immediate)), "a flush failed");
    engine.shared.poison_overdue();
    assert_eq!(told(engine.commit(put(b"a", b"v"), Durability::Immediate)), "a flush failed");
}

#[test]
fn past_the_deadline_everybody_is_released() {
    let puppet = Puppet::new();
    let options = Options {
        sync_deadline: Duration::from_millis(300),
        buffered_window: Duration::from_millis(5),
        ..Options::default()
    };
    let engine = Arc::new(puppet.engine(options));
    puppet.hold(Call::Flush);
    let waiting: Vec<_> = (0..6_u8)
        .map(|n| {
            let engine = Arc::clone(&engine);
            let durability = if n.is_multiple_of(2) { Durability::Immediate } else { Durability::Buffered };
            thread::spawn(move || while engine.commit(put(&[n], b"v"), durability).is_ok() {})
        })
        .collect();
    must_end(move || waiting.into_iter().for_each(|waiting| waiting.join().unwrap()));
    assert!(matches!(engine.commit(put(b"k", b"v"), Durability::Buffered), Err(StorageError::Poisoned(_))));
    engine.snapshot().get(b"k").unwrap();
    let theirs = Arc::clone(&engine);
    assert!(must_end(move || theirs.close()).is_err());
    puppet.release(Call::Flush);
}

#[test]
fn drop_decides_nothing() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    engine.commit(put(b"k", b"v"), Durability::Buffered).unwrap();
    drop(engine);
    assert_eq!((puppet.count(Call::Flush), puppet.count(Call::Sync)), (0, 0));
}

#[test]
fn poisoning_waits_for_those_who_are_about_to_wait() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    puppet.plan(Call::Apply, Act::Fail);
    thread::scope(|scope| {
        // As somebody who has looked for poison and is about to wait: without this he would sleep through it.
        let about_to_wait = lock(&engine.shared.sync);
        let (told, outcome) = mpsc::channel();
        let engine = &engine;
        scope.spawn(move || told.send(engine.commit(put(b"k", b"v"), Durability::Buffered)));
        assert!(matches!(outcome.recv_timeout(MOMENT), Err(RecvTimeoutError::Timeout)));
        drop(about_to_wait);
        assert!(matches!(outcome.recv_timeout(PATIENCE), Ok(Err(StorageError::OutcomeUnknown(_)))));
    });
}

#[test]
fn close_ends_whatever_hangs() {
    for call in [Call::Get, Call::Page, Call::Apply, Call::Flush, Call::Sync] {
        let puppet = Puppet::new();
        let engine = Arc::new(puppet.engine(impatient()));
        engine.commit(put(b"k", b"v"), Durability::Immediate).unwrap();
        puppet.hold(call);
        let theirs = Arc::clone(&engine);
        let hanging = thread::spawn(move || match call {
            Call::Get => theirs.read(b"k").map(drop),
            Call::Page => theirs.snapshot().page(&KeyRange::all(), Direction::Forward, ALL).map(drop),
            Call::Apply | Call::Flush | Call::Sync => {
                theirs.commit(put(b"k", b"w"), Durability::Immediate).map(drop)
            }
        });
        puppet.wait_hanging(call, 1);
        let theirs = Arc::clone(&engine);
        let closed = must_end(move || theirs.close());
        assert!(closed.is_err(), "{call:?}");
        let theirs = Arc::clone(&engine);
        assert!(must_end(move || theirs.read(b"k")).is_err(), "{call:?}");
        let theirs = Arc::clone(&engine);
        must_end(move || drop(theirs.commit(put(b"k", b"x"), Durability::Buffered)));
        puppet.release(call);
        let _ = hanging.join().unwrap();
        let theirs = Arc::clone(&engine);
        must_end(move || drop(theirs.close()));
    }
}

#[test]
fn drop_ends_whatever_hangs() {
    for call in [Call::Flush, Call::Sync] {
        let puppet = Puppet::new();
        let engine = puppet.engine(Options { buffered_window: Duration::ZERO, ..impatient() });
        puppet.hold(call);
        drop(engine.commit(put(b"k", b"v"), Durability::Buffered));
        puppet.wait_hanging(call, 1);
        must_end(move || drop(engine));
        puppet.release(call);
    }
}

#[test]
fn a_commit_that_meets_a_close_is_made_or_refused() {
    let puppet = Puppet::new();
    let engine = Arc::new(puppet.engine(unhurried()));
    puppet.hold(Call::Apply);
    let theirs = Arc::clone(&engine);
    let commit = thread::spawn(move || theirs.commit(put(b"k", b"v"), Durability::Immediate));
    puppet.wait_hanging(Call::Apply, 1);
    let theirs = Arc::clone(&engine);
    let close = thread::spawn(move || theirs.close());
    // Time enough to close past the commit.
    let begun = Instant::now();
    while begun.elapsed() < MOMENT && !lock(&engine.shared.sync).stopped {
        thread::yield_now();
    }
    puppet.release(Call::Apply);
    // It was applied, so that `Closed`, which says that nothing was written, would be a lie.
    assert!(matches!(commit.join().unwrap(), Ok(1)));
    assert!(close.join().unwrap().is_ok());
    assert_eq!(puppet.log().1, 1, "acknowledged, so synced");
}

#[test]
fn nothing_is_applied_once_a_sync_has_failed() {
    let puppet = Puppet::new();
    let engine = puppet.engine(Options { buffered_window: Duration::ZERO, ..Options::default() });
    puppet.hold(Call::Sync);
    puppet.plan(Call::Sync, Act::Fail);
    thread::scope(|scope| {
        let first = scope.spawn(|| engine.commit(put(b"a", b"v"), Durability::Immediate));
        puppet.wait_hanging(Call::Sync, 1);
        puppet.hold(Call::Get);
        let second = scope.spawn(|| engine.commit(put(b"b", b"v"), Durability::Buffered));
        puppet.wait_hanging(Call::Get, 1);
        puppet.release(Call::Sync);
        assert!(matches!(first.join().unwrap(), Err(StorageError::OutcomeUnknown(_))));
        puppet.release(Call::Get);
        assert!(matches!(second.join().unwrap(), Err(StorageError::Poisoned(_))));
    });
    assert_eq!(puppet.count(Call::Apply), 1);
    assert_eq!(engine.read(b"b").unwrap().value, None);
}

/// What has failed may have been told to the apply alone: a sync after it would succeed and mean nothing.
#[test]
fn nothing_is_synced_once_an_apply_has_failed() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    thread::scope(|scope| {
        puppet.hold(Call::Apply);
        puppet.plan(Call::Apply, Act::Fail);
        let failing = scope.spawn(|| engine.commit(put(b"b", b"v"), Durability::Buffered));
        puppet.wait_hanging(Call::Apply, 1);
        // The syncer waits at the gate from here on.
        let waiting = scope.spawn(|| engine.shared.wait_synced(1));
        let give_up_at = Instant::now() + PATIENCE;
        while lock(&engine.shared.sync).progress.is_none() && Instant::now() < give_up_at {
            thread::yield_now();
        }
        puppet.release(Call::Apply);
        assert!(failing.join().unwrap().is_err() && waiting.join().unwrap().is_err());
    });
    drop(engine);
    assert_eq!((puppet.count(Call::Flush), puppet.count(Call::Sync)), (0, 0));
}

#[test]
fn reads_that_nobody_keeps_checkable_are_a_conflict() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    let snapshot = engine.snapshot();
    let reads =
        Reads { sequence: snapshot.sequence(), keys: [b"k".as_slice().into()].into(), ..Reads::default() };
    engine.commit(put(b"k", b"theirs"), Durability::Buffered).unwrap();
    drop(snapshot);
    let late = Commit { reads: Some(reads), ..put(b"k", b"ours") };
    assert!(matches!(engine.commit(late, Durability::Buffered), Err(StorageError::Conflict)));
}

#[test]
fn options_without_bound_are_taken() {
    let endless =
        Options { buffered_window: Duration::MAX, sync_deadline: Duration::MAX, ..Options::default() };
    let engine = Puppet::new().engine(endless);
    engine.commit(put(b"k", b"v"), Durability::Buffered).unwrap();
    engine.commit(put(b"k", b"w"), Durability::Immediate).unwrap();
    engine.flush().unwrap();
    engine.close().unwrap();
}

#[test]
fn a_counter_that_does_not_change_is_not_written() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    engine.commit(count(b"c", 5), Durability::Buffered).unwrap();
    let reader = engine.begin();
    reader.get(b"c").unwrap();
    reader.stage(put(b"k", b"v")).unwrap();
    let mut both = put(b"l", b"v");
    both.count(b"c".as_slice(), 1);
    both.count(b"c".as_slice(), -1);
    engine.commit(both, Durability::Buffered).unwrap();
    let (log, _) = puppet.log();
    assert!(!log[1].writes.contains_key(b"c".as_slice()), "{:?}", log[1]);
    let mut ended = reader.end().unwrap();
    engine.commit(std::mem::take(&mut ended.commit), Durability::Buffered).unwrap();
}

#[test]
fn a_slow_sync_is_not_one_that_hangs() {
    let puppet = Puppet::new();
    let engine = puppet.engine(Options { sync_deadline: Duration::from_secs(2), ..unhurried() });
    puppet.delay(Call::Sync, Duration::from_millis(1300));
    thread::scope(|scope| {
        let first = scope.spawn(|| engine.commit(put(b"a", b"v"), Durability::Immediate));
        puppet.wait_hanging(Call::Sync, 0);
        while puppet.count(Call::Sync) == 0 {
            thread::yield_now();
        }
        // Waits for the rest of the first sync and the whole of the second: longer than one may take.
        engine.commit(put(b"b", b"v"), Durability::Immediate).unwrap();
        first.join().unwrap().unwrap();
    });
}

#[test]
fn a_long_queue_is_not_one_that_hangs() {
    let puppet = Puppet::new();
    let options = Options { sync_deadline: Duration::from_secs(1), group_keys: 1, ..unhurried() };
    let engine = puppet.engine(options);
    puppet.delay(Call::Apply, Duration::from_millis(300));
    thread::scope(|scope| {
        let commits: Vec<_> = (0..10_u8)
            .map(|n| {
                let engine = &engine;
                scope.spawn(move || engine.commit(put(&[n], b"v"), Durability::Buffered))
            })
            .collect();
        for commit in commits {
            commit.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_read_of_one_key_never_expires() {
    let puppet = Puppet::new();
    let engine = Arc::new(puppet.engine(Options { overlay_bytes: 0, ..unhurried() }));
    engine.commit(put(b"k", b"v"), Durability::Buffered).unwrap();
    let writer = Arc::downgrade(&engine);
    let left = AtomicUsize::new(20);
    let reader = thread::current().id();
    puppet.after_get(move || {
        let mine = thread::current().id() == reader;
        if mine && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
        {
            let engine = writer.upgrade().unwrap();
            let (told, done) = mpsc::channel();
            thread::spawn(move || told.send(engine.commit(put(b"k", b"w"), Durability::Buffered).is_ok()));
            // A commit may have to wait for the read.
            let _ = done.recv_timeout(MOMENT);
        }
    });
    assert!(engine.read(b"k").unwrap().value.is_some());
    assert!(engine.read(b"k").unwrap().value.is_some());
}

#[test]
fn figures_do_not_wait_for_an_apply() {
    let puppet = Puppet::new();
    let engine = Arc::new(puppet.engine(unhurried()));
    puppet.hold(Call::Apply);
    let theirs = Arc::clone(&engine);
    let commit = thread::spawn(move || theirs.commit(put(b"k", b"v"), Durability::Buffered));
    puppet.wait_hanging(Call::Apply, 1);
    let theirs = Arc::clone(&engine);
    let figures = must_end(move || theirs.figures().unwrap());
    assert_eq!(figures.meta.sequence, 0);
    puppet.release(Call::Apply);
    commit.join().unwrap().unwrap();
}

#[test]
fn a_buffered_commit_held_back_by_a_sync_that_fails_is_told() {
    let puppet = Puppet::new();
    let engine = puppet.engine(Options { buffered_window: Duration::from_millis(1), ..Options::default() });
    puppet.hold(Call::Sync);
    puppet.plan(Call::Sync, Act::Fail);
    thread::scope(|scope| {
        let first = scope.spawn(|| engine.commit(put(b"a", b"v"), Durability::Immediate));
        puppet.wait_hanging(Call::Sync, 1);
        thread::sleep(Duration::from_millis(10));
        let second = scope.spawn(|| engine.commit(put(b"b", b"v"), Durability::Buffered));
        thread::sleep(MOMENT);
        assert!(!second.is_finished());
        puppet.release(Call::Sync);
        assert!(matches!(second.join().unwrap(), Err(StorageError::OutcomeUnknown(_))));
        assert!(first.join().unwrap().is_err());
    });
}

#[test]
fn an_oversized_commit_is_refused() {
    let engine = Puppet::new().engine(Options { commit_bytes: 100, ..Options::default() });
    assert!(matches!(
        engine.commit(put(b"k", &[0; 100]), Durability::Immediate),
        Err(StorageError::TooLarge { bytes: 101, limit: 100 })
    ));
    engine.commit(put(b"k", &[0; 99]), Durability::Immediate).unwrap();
}

#[test]
fn what_the_backend_would_refuse_is_refused_without_harm() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    let outcome = engine.commit(put(b"k", &[0; MAX_VALUE + 1]), Durability::Buffered);
    assert!(matches!(outcome, Err(StorageError::TooLarge { .. })), "{outcome:?}");
    engine.commit(put(b"k", &[0; MAX_VALUE]), Durability::Buffered).unwrap();
}

#[test]
fn what_is_read_and_scanned_counts_towards_the_transactions_bound() {
    let engine = Puppet::new().engine(Options { commit_bytes: 10_000, ..unhurried() });
    let reader = engine.begin();
    let refused = (0..1000_u32).find_map(|n| {
        let range =
            KeyRange { start: n.to_be_bytes().to_vec(), end: Some([&n.to_be_bytes()[..], &[0]].concat()) };
        reader.scanned(range).err()
    });
    assert!(matches!(refused, Some(StorageError::TooLarge { .. })), "{refused:?}");
}
