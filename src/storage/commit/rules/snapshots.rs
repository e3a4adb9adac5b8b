//! Snapshots, transactions and the overlay they rest on.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::storage::backend::{Backend, Direction, KeyRange, PageLimit};
use crate::storage::commit::commit::{Class, Commit, Durability, Expected};
use crate::storage::commit::engine::Engine;
use crate::storage::commit::error::StorageError;
use crate::storage::commit::group::decode_counter;
use crate::storage::commit::options::Options;
use crate::storage::commit::puppet::{Call, Puppet};
use crate::storage::commit::rules::support::{
    ALL, BOTH, MOMENT, commit_as, consume, count, get, in_one_group, is_conflict, neutral, put, scan,
    unhurried,
};
use crate::storage::commit::snapshot::Snapshot;

#[test]
fn pre_images_are_always_recorded() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    engine.commit(put(b"a", b"old"), Durability::Buffered).unwrap();
    let mut both = put(b"a", b"new");
    both.put(b"bb".as_slice(), b"new".as_slice());
    puppet.hold(Call::Apply);
    thread::scope(|scope| {
        let commit = scope.spawn(|| engine.commit(both, Durability::Buffered));
        puppet.wait_hanging(Call::Apply, 1);
        // Half of it is in the backend, and nobody had a snapshot when it began.
        assert_eq!(puppet.memory.get(b"a").unwrap().as_deref(), Some(&b"new"[..]), "the control");
        assert_eq!((get(&engine, b"a"), get(&engine, b"bb")), (Some(b"old".to_vec()), None));
        let late = engine.snapshot();
        assert_eq!(late.sequence(), 1);
        assert_eq!(scan(&late, &KeyRange::prefix(b"a"), Direction::Forward, 1).len(), 1);
        assert_eq!(late.get(b"a").unwrap().as_deref(), Some(&b"old"[..]));
        puppet.release(Call::Apply);
        commit.join().unwrap().unwrap();
        assert_eq!(late.get(b"a").unwrap().as_deref(), Some(&b"old"[..]));
        assert_eq!(late.get_many(&[b"bb", b"a"]).unwrap()[0], None);
    });
    assert_eq!((get(&engine, b"a"), get(&engine, b"bb")), (Some(b"new".to_vec()), Some(b"new".to_vec())));
}

#[test]
fn a_group_has_one_sequence() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    let commits = (0..5_u8).map(|n| put(&[n], b"v")).collect();
    let outcomes = in_one_group(&puppet, &engine, commits);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(2))), "{outcomes:?}");
    assert_eq!((engine.published(), engine.figures().unwrap().groups), (2, 2));
}

#[test]
fn nothing_stays_without_readers() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    for n in 0..100_u8 {
        engine.commit(put(&[n % 10], &[n]), Durability::Buffered).unwrap();
        assert_eq!(engine.figures().unwrap().overlay_bytes, 0);
    }
    let (one, two) = (engine.snapshot(), engine.begin());
    // More than one step of what is dropped at once.
    for n in 0..3000_u16 {
        engine.commit(put(&n.to_be_bytes(), b"v"), Durability::Buffered).unwrap();
    }
    assert!(engine.figures().unwrap().overlay_bytes > 3000);
    drop((one, two));
    assert_eq!(engine.figures().unwrap().overlay_bytes, 0);
}

#[test]
fn the_backend_is_read_first_and_the_overlay_second() {
    let puppet = Puppet::new();
    let engine = Arc::new(puppet.engine(unhurried()));
    engine.commit(put(b"k", b"old"), Durability::Buffered).unwrap();
    let snapshot = engine.snapshot();
    let (writer, reader) = (Arc::downgrade(&engine), thread::current().id());
    // Between the backend's answer and the overlay's, the key is replaced.
    puppet.after_get(move || {
        if let Some(engine) = writer.upgrade().filter(|_| thread::current().id() == reader) {
            thread::spawn(move || engine.commit(put(b"k", b"new"), Durability::Buffered))
                .join()
                .unwrap()
                .unwrap();
        }
    });
    // The control: the other way round, the reader sees what is newer than its state.
    let image = engine.shared.overlay().at(snapshot.sequence(), b"k");
    let wrong = image.unwrap_or_else(|| {
        engine.shared.with_backend(|backend| Ok(backend.get(b"k")?)).unwrap();
        engine.shared.with_backend(|backend| Ok(backend.get(b"k")?)).unwrap()
    });
    assert_eq!(wrong.as_deref(), Some(&b"new"[..]));
    for _ in 0..3 {
        assert_eq!(snapshot.get(b"k").unwrap().as_deref(), Some(&b"old"[..]));
    }
}

/// Random commits, snapshots and scans against a model: every scan of every snapshot is of the state it was taken in.
#[test]
fn pages_merge_the_interval_they_cover_so_that_deleted_keys_reappear() {
    type Writes = Vec<(u8, Option<u8>)>;
    type Model = BTreeMap<Vec<u8>, Vec<u8>>;
    let (scans, reappeared, vanished) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let writes = || prop::collection::vec((100..112_u8, prop::option::of(any::<u8>())), 1..5);
    let step = (writes(), any::<bool>(), 100..114_u8, 100..114_u8, 1..4_usize);
    let law = |steps: Vec<(Writes, bool, u8, u8, usize)>| {
        let puppet = Puppet::new();
        let engine = puppet.engine(unhurried());
        let mut model = Model::new();
        let mut snapshots: Vec<(Snapshot, Model)> = Vec::new();
        for (writes, take, start, end, limit) in steps {
            if take {
                snapshots.push((engine.snapshot(), model.clone()));
                if snapshots.len() > 3 {
                    snapshots.remove(usize::from(start) % 4);
                }
            }
            let mut commit = Commit::default();
            for (key, value) in writes {
                let key = vec![key; 1 + usize::from(key % 2)];
                match value {
                    Some(value) => {
                        commit.put(key.as_slice(), [value].as_slice());
                        model.insert(key, vec![value]);
                    }
                    None => {
                        commit.remove(key.as_slice());
                        model.remove(&key);
                    }
                }
            }
            engine.commit(commit, Durability::Buffered).unwrap();
            let range = KeyRange { start: vec![start], end: (end < 113).then(|| vec![end]) };
            for ((snapshot, then), direction) in snapshots.iter().flat_map(|held| BOTH.map(|d| (held, d))) {
                let mut found = scan(snapshot, &range, direction, limit);
                if direction == Direction::Backward {
                    found.reverse();
                }
                let found: Vec<_> = found.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
                let expected: Vec<_> = then.iter().filter(|(key, _)| range.contains(key)).collect();
                let expected: Vec<_> = expected.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect();
                prop_assert_eq!(&found, &expected);
                scans.set(scans.get() + 1);
                let missing = |key: &Vec<u8>| !model.contains_key(key);
                reappeared.set(reappeared.get() + found.iter().filter(|(key, _)| missing(key)).count());
                let hidden = model.keys().filter(|key| range.contains(key) && !then.contains_key(*key));
                vanished.set(vanished.get() + hidden.count());
            }
        }
        Ok(())
    };
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&prop::collection::vec(step, 1..30), law).unwrap();
    println!("pages: {} scans, {} keys reappeared, {} hidden", scans.get(), reappeared.get(), vanished.get());
    assert!(scans.get() > 2000 && reappeared.get() > 300 && vanished.get() > 1000);
}

#[test]
fn past_the_budget_the_oldest_snapshot_expires_and_says_so() {
    let engine = Puppet::new().engine(Options { overlay_bytes: 1500, ..Options::default() });
    engine.commit(put(b"k", &[1; 600]), Durability::Buffered).unwrap();
    let snapshot = engine.snapshot();
    engine.commit(put(b"k", &[2; 600]), Durability::Buffered).unwrap();
    assert_eq!(snapshot.get(b"k").unwrap().as_deref(), Some(&[1; 600][..]));
    engine.commit(put(b"l", &[2; 600]), Durability::Buffered).unwrap();
    engine.commit(put(b"l", &[3; 600]), Durability::Buffered).unwrap();
    assert!(snapshot.get(b"k").is_ok(), "the second image of l is newer than every snapshot");
    engine.commit(put(b"m", &[2; 600]), Durability::Buffered).unwrap();
    engine.commit(put(b"n", &[2; 600]), Durability::Buffered).unwrap();
    engine.commit(put(b"o", &[2; 600]), Durability::Buffered).unwrap();
    assert!(matches!(snapshot.get(b"k"), Err(StorageError::SnapshotExpired { limit: 1500 })));
    assert!(snapshot.page(&KeyRange::all(), Direction::Forward, ALL).is_err());
    assert!(engine.snapshot().get(b"k").is_ok());
}

#[test]
fn point_reads_are_validated_and_so_is_absence() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    for (theirs, refused) in [(&b"read"[..], true), (b"absent", true), (b"written", false), (b"other", false)]
    {
        let mine = engine.begin();
        mine.get(b"read").unwrap();
        mine.get(b"absent").unwrap();
        mine.stage(put(b"written", b"mine")).unwrap();
        mine.get(b"written").unwrap();
        engine.commit(put(theirs, b"theirs"), Durability::Buffered).unwrap();
        let outcome = commit_as(&engine, &mine, Class::Logical);
        assert_eq!(is_conflict(&outcome), refused, "{outcome:?}");
        let mut remove = Commit::default();
        remove.remove(b"absent".as_slice());
        engine.commit(remove, Durability::Buffered).unwrap();
    }
}

#[test]
fn ranges_are_validated_as_far_as_they_were_consumed() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    for (theirs, refused) in [(&b"b"[..], true), (b"b5", true), (b"c", false), (b"a", false)] {
        let mine = engine.begin();
        let range = KeyRange { start: b"b".to_vec(), end: Some(b"d".to_vec()) };
        mine.page(&mine.own().unwrap(), &range, Direction::Forward, ALL).unwrap();
        mine.scanned(KeyRange { start: b"b".to_vec(), end: Some(b"c".to_vec()) }).unwrap();
        mine.stage(put(b"x", b"mine")).unwrap();
        engine.commit(put(theirs, b"theirs"), Durability::Buffered).unwrap();
        let outcome = commit_as(&engine, &mine, Class::Logical);
        assert_eq!(is_conflict(&outcome), refused, "{outcome:?}");
    }
}

#[test]
fn reads_are_validated_against_the_group_too() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    let reader = |engine: &Engine, by_range: bool, n: u8| {
        let transaction = engine.begin();
        if by_range {
            consume(&transaction, b"k", b"l");
        } else {
            transaction.get(b"k").unwrap();
        }
        transaction.stage(put(&[n], b"v")).unwrap();
        let ended = transaction.end().unwrap();
        (ended, n)
    };
    for by_range in [false, true] {
        let (mut before, _) = reader(&engine, by_range, 1);
        let (mut after, _) = reader(&engine, by_range, 2);
        let commits =
            vec![std::mem::take(&mut before.commit), put(b"k", b"v"), std::mem::take(&mut after.commit)];
        let outcomes = in_one_group(&puppet, &engine, commits);
        assert!(outcomes[0].is_ok() && outcomes[1].is_ok(), "{outcomes:?}");
        assert!(is_conflict(&outcomes[2]), "what comes before it in its group has changed what it has read");
    }
}

#[test]
fn neutral_commits_do_not_invalidate_logical_reads() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    engine.commit(put(b"k", b"meaning"), Durability::Buffered).unwrap();
    let reader = || {
        let transaction = engine.begin();
        transaction.get(b"k").unwrap();
        consume(&transaction, b"a", b"z");
        transaction.stage(put(b"zz", b"mine")).unwrap();
        transaction
    };
    let mine = reader();
    engine.commit(neutral(put(b"k", b"the same in other bytes")), Durability::Buffered).unwrap();
    commit_as(&engine, &mine, Class::Logical).unwrap();
    // In one group.
    let mine = reader();
    let mut ended = mine.end().unwrap();
    let commits = vec![neutral(put(b"k", b"the same again")), std::mem::take(&mut ended.commit)];
    assert!(in_one_group(&puppet, &engine, commits).iter().all(Result::is_ok));
    // But a logical commit that comes later is not hidden behind it, although its image is left out.
    let mine = reader();
    engine.commit(neutral(put(b"k", b"and again")), Durability::Buffered).unwrap();
    engine.commit(put(b"k", b"another meaning"), Durability::Buffered).unwrap();
    engine.commit(neutral(put(b"k", b"that one in other bytes")), Durability::Buffered).unwrap();
    assert!(is_conflict(&commit_as(&engine, &mine, Class::Logical)));
    // Nor is one that shares its group.
    for neutral_first in [false, true] {
        let mine = reader();
        let mut both = vec![put(b"k", b"yet another"), neutral(put(b"k", b"in other bytes"))];
        if neutral_first {
            both.reverse();
        }
        assert!(in_one_group(&puppet, &engine, both).iter().all(Result::is_ok));
        assert!(is_conflict(&commit_as(&engine, &mine, Class::Logical)));
    }
}

#[test]
fn a_write_made_from_bytes_that_a_neutral_commit_has_replaced_is_refused() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    engine.commit(put(b"k", b"meaning"), Durability::Buffered).unwrap();
    for by_range in [false, true] {
        let writer = || {
            let transaction = engine.begin();
            if by_range {
                consume(&transaction, b"k", b"l");
            } else {
                transaction.get(b"k").unwrap();
            }
            transaction.stage(put(b"k", b"made from what was read")).unwrap();
            transaction
        };
        let mine = writer();
        engine.commit(neutral(put(b"k", b"the same in other bytes")), Durability::Buffered).unwrap();
        assert!(is_conflict(&commit_as(&engine, &mine, Class::Logical)));
        let mut ended = writer().end().unwrap();
        let commits = vec![neutral(put(b"k", b"the same again")), std::mem::take(&mut ended.commit)];
        let outcomes = in_one_group(&puppet, &engine, commits);
        assert!(outcomes[0].is_ok() && is_conflict(&outcomes[1]), "{outcomes:?}");
    }
    // As is one on a condition, which is about bytes.
    let read = engine.read(b"k").unwrap();
    engine.commit(neutral(put(b"k", b"and again")), Durability::Buffered).unwrap();
    let mut update = put(b"k", b"made from what was read");
    update.check(b"k".as_slice(), Expected::Unchanged(read));
    assert!(is_conflict(&engine.commit(update, Durability::Buffered)));
}

#[test]
fn a_neutral_commit_is_refused_if_an_input_has_changed() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    for (class, by_range) in
        [Class::Logical, Class::Neutral].into_iter().flat_map(|c| [(c, false), (c, true)])
    {
        let settling = || {
            let transaction = engine.begin();
            if by_range {
                consume(&transaction, b"k", b"l");
            } else {
                transaction.get(b"k").unwrap();
            }
            transaction.stage(put(b"derived", b"v")).unwrap();
            transaction
        };
        let changed = || Commit { class, ..put(b"k", b"changed") };
        let mine = settling();
        engine.commit(put(b"other", b"v"), Durability::Buffered).unwrap();
        commit_as(&engine, &mine, Class::Neutral).unwrap();
        let mine = settling();
        engine.commit(changed(), Durability::Buffered).unwrap();
        assert!(is_conflict(&commit_as(&engine, &mine, Class::Neutral)), "{class:?}");
        let mut ended = settling().end().unwrap();
        let late = neutral(std::mem::take(&mut ended.commit));
        let outcomes = in_one_group(&puppet, &engine, vec![changed(), late]);
        assert!(outcomes[0].is_ok() && is_conflict(&outcomes[1]), "{class:?} {outcomes:?}");
        let mut conditional = neutral(put(b"derived", b"w"));
        conditional.check(b"k".as_slice(), Expected::Unchanged(engine.read(b"k").unwrap()));
        engine.commit(Commit { class, ..put(b"k", b"changed again") }, Durability::Buffered).unwrap();
        assert!(is_conflict(&engine.commit(conditional, Durability::Buffered)));
    }
}

#[test]
fn blind_counter_deltas_never_conflict_and_reads_of_counters_are_validated() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    engine.commit(count(b"c", 10), Durability::Buffered).unwrap();
    let (one, two) = (engine.begin(), engine.begin());
    for transaction in [&one, &two] {
        transaction.stage(count(b"c", 5)).unwrap();
    }
    let reader = engine.begin();
    assert_eq!(reader.get(b"c").unwrap().as_deref().map(decode_counter), Some(10));
    reader.stage(put(b"k", b"v")).unwrap();
    commit_as(&engine, &one, Class::Logical).unwrap();
    commit_as(&engine, &two, Class::Logical).unwrap();
    assert_eq!(get(&engine, b"c").as_deref().map(decode_counter), Some(20));
    assert!(is_conflict(&commit_as(&engine, &reader, Class::Logical)));
}

/// The sum of the counters of a collection is how many documents it has. A document inserted at the old stamp while another is
/// settled from it leaves the old counter as it was, and the new one is changed by settling alone; and yet there is one more.
#[test]
fn a_count_notices_what_neutral_and_logical_changes_hide_from_each_other() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    let (old, new) = (b"c1".as_slice(), b"c2".as_slice());
    let mut settled = neutral(count(old, -1));
    settled.count(new, 1);
    engine.commit(count(old, 2), Durability::Buffered).unwrap();
    let counting = || {
        let transaction = engine.begin();
        consume(&transaction, b"c", b"d");
        transaction.stage(put(b"k", b"v")).unwrap();
        transaction
    };
    let mine = counting();
    engine.commit(settled, Durability::Buffered).unwrap();
    commit_as(&engine, &mine, Class::Logical).unwrap();
    let mine = counting();
    let mut settled = neutral(count(old, -1));
    settled.count(new, 1);
    let outcomes = in_one_group(&puppet, &engine, vec![count(old, 1), settled]);
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(get(&engine, old).as_deref().map(decode_counter), Some(1), "as before");
    assert!(is_conflict(&commit_as(&engine, &mine, Class::Logical)));
}

#[test]
fn get_many_and_pages_are_of_one_state() {
    let puppet = Puppet::new();
    let engine = Arc::new(puppet.engine(unhurried()));
    let both = |value: &[u8]| {
        let mut commit = put(b"a", value);
        commit.put(b"b".as_slice(), value);
        commit
    };
    engine.commit(both(b"0"), Durability::Buffered).unwrap();
    let (writer, reader) = (Arc::downgrade(&engine), thread::current().id());
    let n = AtomicUsize::new(1);
    puppet.after_get(move || {
        if let Some(engine) = writer.upgrade().filter(|_| thread::current().id() == reader) {
            let value = n.fetch_add(1, Ordering::Relaxed).to_string();
            thread::spawn(move || engine.commit(both(value.as_bytes()), Durability::Buffered))
                .join()
                .unwrap()
                .unwrap();
        }
    });
    let control = puppet.get_many(&[b"a", b"b"]).unwrap();
    assert_ne!(control[0], control[1], "the control: the backend's own answer is torn");
    for _ in 0..3 {
        let many = engine.snapshot().get_many(&[b"a", b"b"]).unwrap();
        assert_eq!(many[0], many[1]);
        let snapshot = engine.snapshot();
        let first =
            snapshot.page(&KeyRange::all(), Direction::Backward, PageLimit { entries: 1, bytes: 1 }).unwrap();
        assert_eq!(first.entries[0].1, snapshot.get(b"a").unwrap().unwrap());
    }
}

/// Nobody had told it, since it came when all others had been told; and with the group it expired at once.
#[test]
fn who_begins_to_watch_while_a_group_is_applied_waits_for_it() {
    let puppet = Puppet::new();
    let engine = puppet.engine(Options { overlay_bytes: 1000, ..unhurried() });
    engine.commit(put(b"k", &[1; 5000]), Durability::Buffered).unwrap();
    puppet.hold(Call::Apply);
    thread::scope(|scope| {
        let writer = scope.spawn(|| engine.commit(put(b"k", b"new"), Durability::Buffered));
        puppet.wait_hanging(Call::Apply, 1);
        let (told, taken) = mpsc::channel();
        let watcher = {
            let engine = &engine;
            scope.spawn(move || {
                let watch = engine.watch();
                let snapshot = engine.snapshot();
                told.send(()).unwrap();
                (watch, snapshot)
            })
        };
        let waited = taken.recv_timeout(MOMENT).is_err();
        puppet.release(Call::Apply);
        writer.join().unwrap().unwrap();
        let (watch, snapshot) = watcher.join().unwrap();
        assert_eq!(snapshot.get(b"k").unwrap().as_deref(), Some(&b"new"[..]));
        assert!(waited && !watch.has_ended());
    });
    // Where nothing is in flight nobody waits, nor after one that was refused.
    assert!(engine.commit(count(b"n", -1), Durability::Buffered).is_err());
    drop(engine.watch());
}
