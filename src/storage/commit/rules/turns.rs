//! Whose turn it is: groups, and those who are favoured.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use crate::storage::commit::commit::{Commit, Durability};
use crate::storage::commit::gate::Gate;
use crate::storage::commit::options::Options;
use crate::storage::commit::puppet::{PATIENCE, Puppet};
use crate::storage::commit::rules::support::{MOMENT, get, in_one_group, put, unhurried};

/// A commit of so many keys of so many bytes.
fn large(name: u8, keys: usize, bytes: usize) -> Commit {
    let mut commit = Commit::default();
    for n in 0..keys {
        let n = u16::try_from(n).unwrap().to_be_bytes();
        commit.put([&[b'k', name][..], &n].concat(), vec![name; bytes]);
    }
    commit
}

/// The groups that come of these commits, if all wait when the gate opens: for each, of which commit it has how many keys.
fn groups(commits: Vec<Commit>) -> Vec<BTreeMap<u8, usize>> {
    let puppet = Puppet::new();
    let engine = puppet.engine(unhurried());
    assert!(in_one_group(&puppet, &engine, commits).iter().all(Result::is_ok));
    let batches = puppet.log().0.into_iter().map(|batch| {
        let mut keys = BTreeMap::new();
        for name in batch.writes.keys().filter(|key| key.starts_with(b"k")).map(|key| key[1]) {
            *keys.entry(name).or_default() += 1;
        }
        keys
    });
    batches.filter(|keys: &BTreeMap<u8, usize>| !keys.is_empty()).collect()
}

#[test]
fn a_group_is_capped_and_a_commit_is_never_split() {
    let options = Options::default();
    assert_eq!((options.group_keys, options.group_bytes), (256, 1 << 20));
    let sizes = |groups: &[BTreeMap<u8, usize>]| groups.iter().map(|group| group.len()).collect::<Vec<_>>();
    // By keys: sixteen commits of sixteen are one group; by bytes: three of 300 KiB, and not four.
    let by_keys = groups((0..20).map(|name| large(name, 16, 1)).collect());
    assert_eq!(sizes(&by_keys), [16, 4]);
    let by_bytes = groups((0..5).map(|name| large(name, 30, 10 << 10)).collect());
    assert_eq!(sizes(&by_bytes), [3, 2]);
    // One that is larger than a group is one by itself.
    let commits =
        vec![large(0, 1, 1), large(1, 600, 1), large(2, 1, 1), large(3, 150, 10 << 10), large(4, 1, 1)];
    let whole = groups(commits);
    assert_eq!(whole, [(0, 1), (1, 600), (2, 1), (3, 150), (4, 1)].map(|of| BTreeMap::from([of])));
    for groups in [by_keys, by_bytes, whole] {
        let mut seen = BTreeSet::new();
        assert!(groups.iter().flat_map(BTreeMap::keys).all(|name| seen.insert(*name)), "{groups:?}");
    }
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
