//! What the tests of the rules share.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::storage::backend::{Direction, KeyRange, PageLimit};
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Class, Commit, Durability};
use crate::storage::commit::engine::Engine;
use crate::storage::commit::error::StorageError;
use crate::storage::commit::options::Options;
use crate::storage::commit::puppet::{Call, PATIENCE, Puppet};
use crate::storage::commit::snapshot::Snapshot;
use crate::storage::commit::transaction::Transaction;

pub(super) const MOMENT: Duration = Duration::from_millis(200);
pub(super) const ALL: PageLimit = PageLimit { entries: usize::MAX, bytes: usize::MAX };
pub(super) const BOTH: [Direction; 2] = [Direction::Forward, Direction::Backward];

pub(super) fn put(key: &[u8], value: &[u8]) -> Commit {
    let mut commit = Commit::default();
    commit.put(key, value);
    commit
}

pub(super) fn count(counter: &[u8], delta: i64) -> Commit {
    let mut commit = Commit::default();
    commit.count(counter, delta);
    commit
}

/// No sync happens unless somebody waits for one.
pub(super) fn unhurried() -> Options {
    Options { buffered_window: Duration::from_secs(3600), ..Options::default() }
}

pub(super) fn impatient() -> Options {
    Options { sync_deadline: Duration::from_millis(100), ..unhurried() }
}

/// Runs `work` on a thread of its own and gives what it gives, or fails if that takes too long. The thread is then left behind.
pub(super) fn must_end<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (told, outcome) = mpsc::channel();
    thread::spawn(move || told.send(work()));
    outcome.recv_timeout(PATIENCE).expect("it hangs")
}

pub(super) fn get(engine: &Engine, key: &[u8]) -> Option<Vec<u8>> {
    engine.read(key).unwrap().value.map(|value| value.to_vec())
}

pub(super) fn neutral(commit: Commit) -> Commit {
    Commit { class: Class::Neutral, ..commit }
}

/// Commits what the transaction has written, in a class, if what it has read is still so.
pub(super) fn commit_as(
    engine: &Engine,
    transaction: &Transaction,
    class: Class,
) -> Result<u64, StorageError> {
    let mut ended = transaction.end()?;
    let commit = Commit { class, ..std::mem::take(&mut ended.commit) };
    engine.commit(commit, Durability::Buffered)
}

pub(super) fn is_conflict(outcome: &Result<u64, StorageError>) -> bool {
    matches!(outcome, Err(StorageError::Conflict | StorageError::CheckFailed { .. }))
}

/// Reads everything from `start` to `end`, and consumes it.
pub(super) fn consume(transaction: &Transaction, start: &[u8], end: &[u8]) {
    let range = KeyRange { start: start.to_vec(), end: Some(end.to_vec()) };
    transaction.page(&transaction.own().unwrap(), &range, Direction::Forward, ALL).unwrap();
    transaction.scanned(range).unwrap();
}

/// Makes these commits in one group, in this order.
pub(super) fn in_one_group(
    puppet: &Puppet,
    engine: &Engine,
    commits: Vec<Commit>,
) -> Vec<Result<u64, StorageError>> {
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

pub(super) fn scan(
    snapshot: &Snapshot,
    range: &KeyRange,
    direction: Direction,
    limit: usize,
) -> Vec<(Bytes, Bytes)> {
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
