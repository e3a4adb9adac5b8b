//! Every rule that the engine promises (the crate's design notes, and section 4 of the design they come from), each by a test
//! of its own name: the overlay, durability, failure. Those of a single structure are tested beside it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::storage::backend::{Backend, Direction, KeyRange, MAX_VALUE, PageLimit};
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Class, Commit, Durability, Expected, Reads};
use crate::storage::commit::engine::{Engine, Medium};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::gate::{Gate, lock};
use crate::storage::commit::group::decode_counter;
use crate::storage::commit::options::Options;
use crate::storage::commit::puppet::{Act, Call, PATIENCE, Puppet};
use crate::storage::commit::snapshot::Snapshot;
use crate::storage::commit::transaction::Transaction;

const MOMENT: Duration = Duration::from_millis(200);
const ALL: PageLimit = PageLimit { entries: usize::MAX, bytes: usize::MAX };
const BOTH: [Direction; 2] = [Direction::Forward, Direction::Backward];

fn put(key: &[u8], value: &[u8]) -> Commit {
    let mut commit = Commit::default();
    commit.put(key, value);
    commit
}

fn count(counter: &[u8], delta: i64) -> Commit {
    let mut commit = Commit::default();
    commit.count(counter, delta);
    commit
}

/// No sync happens unless somebody waits for one.
fn unhurried() -> Options {
    Options { buffered_window: Duration::from_secs(3600), ..Options::default() }
}

fn impatient() -> Options {
    Options { sync_deadline: Duration::from_millis(100), ..unhurried() }
}

/// Runs `work` on a thread of its own and gives what it gives, or fails if that takes too long. The thread is then left behind.
fn must_end<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (told, outcome) = mpsc::channel();
    thread::spawn(move || told.send(work()));
    outcome.recv_timeout(PATIENCE).expect("it hangs")
}

fn get(engine: &Engine, key: &[u8]) -> Option<Vec<u8>> {
    engine.read(key).unwrap().value.map(|value| value.to_vec())
}

fn neutral(commit: Commit) -> Commit {
    Commit { class: Class::Neutral, ..commit }
}

/// Commits what the transaction has written, in a class, if what it has read is still so.
fn commit_as(engine: &Engine, transaction: &Transaction, class: Class) -> Result<u64, StorageError> {
    let mut ended = transaction.end()?;
    let commit = Commit { class, ..std::mem::take(&mut ended.commit) };
    engine.commit(commit, Durability::Buffered)
}

fn is_conflict(outcome: &Result<u64, StorageError>) -> bool {
    matches!(outcome, Err(StorageError::Conflict | StorageError::CheckFailed { .. }))
}

/// Reads everything from `start` to `end`, and consumes it.
fn consume(transaction: &Transaction, start: &[u8], end: &[u8]) {
    let range = KeyRange { start: start.to_vec(), end: Some(end.to_vec()) };
    transaction.page(&transaction.own().unwrap(), &range, Direction::Forward, ALL).unwrap();
    transaction.scanned(range).unwrap();
}

/// Makes these commits in one group, in this order.
fn in_one_group(puppet: &Puppet, engine: &Engine, commits: Vec<Commit>) -> Vec<Result<u64, StorageError>> {
    puppet.hold(Call::Apply);
    thread::scope(|scope| {
        let blocker = scope.spawn(|| engine.commit(put(b"~blocker", b"v"), Durability::Buffered));
        puppet.wait_hanging(Call::Apply, 1);
        let mut members = Vec::new();
        for commit in commits {
            members.push(scope.spawn(move || engine.commit(commit, Durability::Buffered)));
            while engine.shared.gate.queued() < members.len() {
                thread::yield_now();
            }
        }
        puppet.release(Call::Apply);
        blocker.join().unwrap().unwrap();
        members.into_iter().map(|member| member.join().unwrap()).collect()
    })
}

fn scan(snapshot: &Snapshot, range: &KeyRange, direction: Direction, limit: usize) -> Vec<(Bytes, Bytes)> {
    let mut rest = range.clone();
    let mut all = Vec::new();
    loop {
        let page = snapshot.page(&rest, direction, PageLimit { entries: limit, bytes: usize::MAX }).unwrap();
        all.extend(page.entries);
        let Some((last, _)) = all.last().filter(|_| !page.complete) else { return all };
        match direction {
            Direction::Forward => rest.start = [last, &[0][..]].concat(),
            Direction::Backward => rest.end = Some(last.to_vec()),
        }
    }
}

// The overlay

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

// Durability

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
        while puppet.log().1 <= usize::from(n) {
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

// Failure

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

/// A transaction that is refused again and again goes first at last. Nobody else commits meanwhile, for a bounded time, and everybody reads.
#[test]
fn whoever_is_favoured_commits_first_and_readers_do_not_wait() {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    let favoured = || {
        // After one, others have their turn.
        loop {
            if let Some(favour) = engine.favour() {
                return favour;
            }
            thread::yield_now();
        }
    };
    // Where this thread gets no time in between, the bound has passed.
    let made = (0..100_u8).any(|attempt| {
        let (favour, hot) = (favoured(), [b'k', attempt]);
        let alone = engine.favour().is_none();
        let made = thread::scope(|scope| {
            let transaction = engine.begin();
            transaction.get(&hot).unwrap();
            let other = scope.spawn(|| engine.commit(put(&hot, b"other"), Durability::Buffered).unwrap());
            thread::sleep(MOMENT / 10);
            let read = engine.read(&hot).unwrap().value;
            engine.snapshot().get(&hot).unwrap();
            transaction.stage(put(&hot, b"favoured")).unwrap();
            let mut ended = transaction.end().unwrap();
            let commit = std::mem::take(&mut ended.commit);
            let first = engine.apply_with(commit, Some(favour));
            let other = other.join().unwrap();
            first.is_ok_and(|first| alone && read.is_none() && other >= first)
        });
        assert_eq!(get(&engine, &hot).unwrap(), b"other");
        made
    });
    assert!(made, "others get in before the one that is favoured, or beside him another one is");
    // One that does nothing, such as one that waits for another's commit, holds nobody back for ever.
    let (began, idle) = (Instant::now(), favoured());
    engine.commit(put(b"k", b"v"), Durability::Buffered).unwrap();
    assert!(began.elapsed() >= MOMENT && began.elapsed() < PATIENCE);
    drop(idle);
    assert!(engine.close().is_ok());
}

/// Others have their turn for as long as somebody was favoured, and no longer: neither were they passed over where he was still there, nor did they have it for as long
/// as he was.
#[test]
fn after_a_favour_others_have_their_turn_for_as_long_as_they_were_held_back() {
    const FAVOURED: Duration = Duration::from_millis(200);
    let gate = Gate::default();
    // One who stays has been favoured until the bound.
    let begun = Instant::now();
    let stays = gate.favour(FAVOURED).unwrap();
    thread::sleep(FAVOURED + FAVOURED / 10);
    let next = gate.favour(FAVOURED).is_some();
    assert!(!next || begun.elapsed() >= 2 * FAVOURED, "another one at once");
    drop(stays);
    thread::sleep((begun + 3 * FAVOURED).saturating_duration_since(Instant::now()));
    let begun = Instant::now();
    let stays = gate.favour(FAVOURED).unwrap();
    thread::sleep(3 * FAVOURED);
    drop(stays);
    assert!(begun.elapsed() >= 2 * FAVOURED && gate.favour(FAVOURED).is_some(), "nobody for too long");
}
