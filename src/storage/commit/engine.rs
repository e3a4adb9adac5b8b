//! The engine: a backend with commits, sequence numbers, snapshots and durability.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::encoding::key::space::META_KEY;
use crate::storage::backend::{Backend, BackendError, Batch, MAX_KEY, MAX_VALUE};
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Commit, Durability, Read};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::gate::{Favour, Pending, Turn, lock};
use crate::storage::commit::group::Group;
use crate::storage::commit::guard::guarded;
use crate::storage::commit::meta::Meta;
use crate::storage::commit::options::Options;
use crate::storage::commit::shared::Shared;
use crate::storage::commit::snapshot::Snapshot;
use crate::storage::commit::syncer::Syncer;
use crate::storage::commit::transaction::Transaction;
use crate::storage::commit::watch::Watch;
use crate::storage::watermark::{Mark, Watermark};

/// For how long at most others are held back for a commit that has been refused again and again.
const FAVOUR_AT_MOST: Duration = Duration::from_millis(250);

/// Whether what is applied can be made durable.
#[derive(Debug)]
pub(crate) enum Medium {
    /// Lives and dies with the process: nothing is synced.
    Volatile,
    /// Is synced; where there is a watermark, it witnesses what has been.
    Persistent(Option<Box<dyn Watermark>>),
}

#[derive(Debug)]
pub(crate) struct Engine {
    pub(super) shared: Arc<Shared>,
    syncer: Mutex<Option<Syncer>>,
    persistent: bool,
}

/// Figures of a running engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) meta: Meta,
    pub(crate) synced: u64,
    pub(crate) commits: u64,
    pub(crate) groups: u64,
    pub(crate) syncs: u64,
    pub(crate) failed_checks: u64,
    pub(crate) overlay_bytes: usize,
    pub(crate) snapshots: usize,
    pub(crate) size_on_disk: Option<u64>,
}

/// The batch that makes an empty backend a store.
pub(crate) fn first_batch() -> Batch {
    let mut batch = Batch::default();
    batch.writes.insert(Bytes::from(META_KEY.as_slice()), Some(Bytes::from(Meta::default().encode())));
    batch
}

impl Engine {
    /// Starts on a backend that holds [`first_batch`] or more. `accept_loss` opens also where acknowledged commits are missing.
    pub(crate) fn open(
        backend: Arc<dyn Backend>,
        medium: Medium,
        options: Options,
        accept_loss: bool,
    ) -> Result<Self, StorageError> {
        let value = guarded(|| backend.get(&META_KEY))?.ok_or(StorageError::DamagedMeta)?;
        let meta = Meta::decode(&value).ok_or(StorageError::DamagedMeta)?;
        if let Medium::Persistent(Some(watermark)) = &medium {
            compare(&**watermark, &meta, accept_loss)?;
        }
        let shared = Arc::new(Shared::new(backend, meta, options.bounded()));
        let (persistent, syncer) = match medium {
            Medium::Volatile => (false, None),
            Medium::Persistent(watermark) => (true, Some(Syncer::start(&shared, watermark)?)),
        };
        Ok(Self { shared, syncer: Mutex::new(syncer), persistent })
    }

    /// What `key` holds now.
    pub(crate) fn read(&self, key: &[u8]) -> Result<Read, StorageError> {
        self.shared.read(key)
    }

    /// The store as it is now, for as long as the snapshot lives.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::new(Arc::clone(&self.shared))
    }

    /// As [`snapshot`](Self::snapshot), with what the meta key says of that state.
    pub(crate) fn snapshot_with_meta(&self) -> (Snapshot, Meta) {
        Snapshot::with_meta(Arc::clone(&self.shared))
    }

    /// Fails once the store is closed.
    pub(crate) fn check_open(&self) -> Result<(), StorageError> {
        self.shared.with_backend(|_| Ok(()))
    }

    /// To be told before a snapshot that is taken from now on expires. Waits for a group that is being applied.
    pub(crate) fn watch(&self) -> Watch {
        Watch::new(Arc::clone(&self.shared.watches), self.patience())
    }

    /// What is wrong with the medium that no read shows.
    pub(crate) fn inspect(&self) -> Result<Vec<String>, StorageError> {
        self.shared.with_backend(|backend| Ok(backend.inspect()?))
    }

    /// The store as it is now, to be changed if nobody else changes what is read of it.
    pub(crate) fn begin(&self) -> Transaction {
        Transaction::new(&self.shared)
    }

    /// Makes the changes of `commit`, all or none; gives the sequence from which on they are seen.
    pub(crate) fn commit(&self, commit: Commit, durability: Durability) -> Result<u64, StorageError> {
        let sequence = self.apply(commit)?;
        self.wait(sequence, durability)?;
        Ok(sequence)
    }

    /// As [`commit`](Self::commit), without waiting for the medium. Who writes much has to [`wait`](Self::wait) as well.
    pub(crate) fn apply(&self, commit: Commit) -> Result<u64, StorageError> {
        self.apply_with(commit, None)
    }

    /// As [`apply`](Self::apply), with what [`favour`](Self::favour) gave. It ends when the commit has been applied.
    pub(crate) fn apply_with(&self, commit: Commit, favour: Option<Favour<'_>>) -> Result<u64, StorageError> {
        self.check_size(&commit)?;
        self.shared.check_writable()?;
        self.shared.with_backend(|backend| self.queue(commit, backend, favour.as_ref()))
    }

    /// Waits for the medium after `sequence` has been applied, as long as `durability` says.
    pub(crate) fn wait(&self, sequence: u64, durability: Durability) -> Result<(), StorageError> {
        match durability {
            _ if !self.persistent => Ok(()),
            Durability::Immediate => self.shared.wait_synced(sequence),
            Durability::Buffered => self.shared.hold_back(),
        }
    }

    /// Holds other commits back for a little while, so that one that has been refused again and again gets its turn; `None` where
    /// somebody else has it.
    pub(crate) fn favour(&self) -> Option<Favour<'_>> {
        // Nobody who is held back may take this for a medium that hangs.
        self.shared.gate.favour(FAVOUR_AT_MOST.min(self.patience() / 8))
    }

    /// The backend, past everything that keeps readers from seeing half of a commit.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn unshielded(&self) -> Result<Arc<dyn Backend>, StorageError> {
        self.shared.own_backend()
    }

    /// The last sequence that readers see.
    pub(crate) fn published(&self) -> u64 {
        self.shared.published()
    }

    /// Waits until everything committed so far is on the medium.
    pub(crate) fn flush(&self) -> Result<(), StorageError> {
        self.check_open()?;
        self.flush_published()
    }

    /// Waits until everything that a reader of `sequence` has seen is on the medium. Nothing to wait for where nothing is ever synced.
    pub(crate) fn wait_durable(&self, sequence: u64) -> Result<(), StorageError> {
        if self.persistent { self.shared.wait_synced(sequence) } else { Ok(()) }
    }

    /// Flushes, ends the thread, and gives the backend up; everything after it fails with `Closed`. Whatever hangs, this ends within
    /// a few deadlines of a sync.
    pub(crate) fn close(&self) -> Result<(), StorageError> {
        // One at a time: who comes second finds it done.
        let mut syncer = lock(&self.syncer);
        let Some(mut backend) = self.shared.shut() else {
            let cause = self.shared.poison_overdue();
            drop(syncer.take());
            return Err(StorageError::OutcomeUnknown(cause));
        };
        if backend.is_none() {
            return Ok(());
        }
        // Every commit is applied by now, so that this serves whoever still waits for a sync.
        let flushed = self.flush_published();
        let stopped = syncer.take().is_none_or(|mut syncer| syncer.stop());
        // The backend's files are free when this returns.
        drop(backend.take());
        flushed?;
        if stopped { Ok(()) } else { Err(StorageError::OutcomeUnknown(self.shared.poison_overdue())) }
    }

    /// How long whoever waits for a medium waits at most.
    pub(crate) fn patience(&self) -> Duration {
        self.shared.patience()
    }

    fn flush_published(&self) -> Result<(), StorageError> {
        self.shared.check_writable()?;
        self.wait_durable(self.published())
    }

    /// Refuses what the backend may refuse as well: there it would be a failed write.
    fn check_size(&self, commit: &Commit) -> Result<(), StorageError> {
        let refuse = |bytes, limit| Err(StorageError::TooLarge { bytes, limit });
        let limit = self.shared.options.commit_bytes;
        let mut bytes = 0_usize;
        for (key, value) in &commit.writes {
            let length = value.as_ref().map_or(0, |value| value.len());
            if key.len() > MAX_KEY {
                return refuse(key.len(), MAX_KEY);
            }
            if length > MAX_VALUE {
                return refuse(length, MAX_VALUE);
            }
            bytes = bytes.saturating_add(key.len()).saturating_add(length);
        }
        if bytes > limit { refuse(bytes, limit) } else { Ok(()) }
    }

    pub(crate) fn figures(&self) -> Result<Figures, StorageError> {
        let shared = &self.shared;
        let size_on_disk = shared.with_backend(|backend| Ok(backend.size_on_disk()))?;
        let (overlay_bytes, snapshots) = {
            let overlay = shared.overlay();
            (overlay.bytes(), overlay.snapshots())
        };
        let synced = lock(&shared.sync).synced;
        Ok(Figures {
            meta: shared.meta(),
            synced,
            commits: shared.totals.commits.load(Ordering::Relaxed),
            groups: shared.totals.groups.load(Ordering::Relaxed),
            syncs: shared.totals.syncs.load(Ordering::Relaxed),
            failed_checks: shared.totals.failed_checks.load(Ordering::Relaxed),
            overlay_bytes,
            snapshots,
            size_on_disk,
        })
    }

    fn queue(
        &self,
        commit: Commit,
        backend: &dyn Backend,
        favour: Option<&Favour<'_>>,
    ) -> Result<u64, StorageError> {
        let shared = &self.shared;
        let pending = Pending::new(commit, favour);
        let patience = shared.patience();
        let stop = || shared.poisoned().is_some();
        let take = |queue: &mut VecDeque<Arc<Pending>>| self.take_group(queue);
        let mut enqueue = true;
        loop {
            match shared.gate.turn(&pending, enqueue, patience, stop, take) {
                Turn::Done(outcome) => return outcome,
                Turn::Lead(members) => {
                    self.lead(members, backend);
                    shared.gate.leave();
                }
                Turn::GivenUp { untouched } => {
                    let cause = shared.poisoned().unwrap_or_else(|| shared.poison_overdue());
                    return Err(if untouched {
                        StorageError::Poisoned(cause)
                    } else {
                        StorageError::OutcomeUnknown(cause)
                    });
                }
            }
            enqueue = false;
        }
    }

    /// The commits of the next group, first come first served. At least one; a single one is never split.
    fn take_group(&self, queue: &mut VecDeque<Arc<Pending>>) -> Vec<Arc<Pending>> {
        let options = &self.shared.options;
        let (mut keys, mut bytes) = (0_usize, 0_usize);
        let mut members = Vec::new();
        while let Some(next) = queue.front() {
            let (more_keys, more_bytes) = next.size();
            keys = keys.saturating_add(more_keys);
            bytes = bytes.saturating_add(more_bytes);
            if !members.is_empty() && (keys > options.group_keys || bytes > options.group_bytes) {
                break;
            }
            members.extend(queue.pop_front());
        }
        members
    }

    /// Whether what the commit's transaction has read is so at the last published sequence.
    fn still_so(&self, commit: &Commit) -> Result<(), StorageError> {
        let Some(reads) = &commit.reads else { return Ok(()) };
        let overlay = self.shared.overlay();
        self.shared.check_live(&overlay, reads.sequence)?;
        // Whoever has stopped waiting for his commit no longer keeps what it must be checked against.
        if !overlay.is_live(reads.sequence) || overlay.has_replaced(commit, reads) {
            return Err(StorageError::Conflict);
        }
        Ok(())
    }

    /// Commits a group. Every member has its outcome afterwards.
    fn lead(&self, members: Vec<Arc<Pending>>, backend: &dyn Backend) {
        let shared = &self.shared;
        let mut tail = lock(&shared.tail);
        let mut group = Group::new(backend, &mut tail);
        let mut admitted = Vec::with_capacity(members.len());
        for pending in members {
            let Some(commit) = pending.take_commit() else { continue };
            match self.still_so(&commit).and_then(|()| guarded_admit(&mut group, commit)) {
                Ok(()) => admitted.push(pending),
                Err(error) => {
                    if matches!(error, StorageError::CheckFailed { .. } | StorageError::Conflict) {
                        shared.totals.failed_checks.fetch_add(1, Ordering::Relaxed);
                    }
                    pending.finish(Err(error));
                }
            }
        }
        let Some(mut sealed) = group.seal() else {
            let sequence = tail.meta.sequence;
            for pending in admitted {
                pending.finish(Ok(sequence));
            }
            return;
        };
        let sequence = sealed.meta.sequence;
        let _in_flight = shared.warn(&sealed.replaced);
        // A sync may have failed meanwhile. It may also fail from here on: then this apply began before that was known.
        if let Some(cause) = shared.poisoned() {
            for pending in admitted {
                pending.finish(Err(StorageError::Poisoned(Arc::clone(&cause))));
            }
            return;
        }
        shared.shield(sequence, std::mem::take(&mut sealed.replaced));
        match guarded(|| backend.apply(&sealed.batch)) {
            Ok(()) => {
                let meta = sealed.meta;
                sealed.adopt(&mut tail);
                shared.publish(meta);
                if self.persistent {
                    shared.note_applied();
                }
                shared.totals.groups.fetch_add(1, Ordering::Relaxed);
                let members = u64::try_from(admitted.len()).unwrap_or(u64::MAX);
                shared.totals.commits.fetch_add(members, Ordering::Relaxed);
                for pending in admitted {
                    pending.finish(Ok(sequence));
                }
            }
            Err(error) => {
                // The images stay, so that readers go on at the last published sequence whatever has been applied.
                let cause = shared.poison("an apply failed", error);
                for pending in admitted {
                    pending.finish(Err(StorageError::OutcomeUnknown(Arc::clone(&cause))));
                }
            }
        }
    }
}

/// Holds what the backend came back with against what was synced.
fn compare(watermark: &dyn Watermark, meta: &Meta, accept_loss: bool) -> Result<(), StorageError> {
    // A mark that cannot be read is no witness.
    let Ok(Some(mark)) = watermark.read() else { return Ok(()) };
    if mark.sequence == meta.sequence && mark.digest != meta.digest.number() {
        return Err(StorageError::DamagedMeta);
    }
    if mark.sequence <= meta.sequence {
        return Ok(());
    }
    if !accept_loss {
        return Err(StorageError::DataLoss { synced: mark.sequence, found: meta.sequence });
    }
    let accepted = Mark { sequence: meta.sequence, digest: meta.digest.number() };
    watermark.record(accepted).and_then(|()| watermark.sync()).map_err(|error| {
        StorageError::Backend(BackendError::io("the loss could not be noted as accepted", error))
    })
}

/// A panic while a backend is read for one commit fails that commit.
fn guarded_admit(group: &mut Group<'_>, commit: Commit) -> Result<(), StorageError> {
    let mut outcome = Ok(());
    guarded(|| {
        outcome = group.admit(commit);
        Ok(())
    })?;
    outcome
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Ends the thread so that the backend is given up with the last handle. Commits that were applied and not
        // synced stay in the operating system's hands, as documented for `Buffered`.
        if let Some(mut syncer) = lock(&self.syncer).take() {
            syncer.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::storage::backend::{Direction, KeyRange, PageLimit};
    use crate::storage::commit::commit::Expected;
    use crate::storage::memory::MemoryBackend;

    const LIMIT: PageLimit = PageLimit { entries: 3, bytes: 1 << 20 };

    fn volatile() -> Engine {
        let backend = MemoryBackend::default();
        backend.apply(&first_batch()).unwrap();
        Engine::open(Arc::new(backend), Medium::Volatile, Options::default(), false).unwrap()
    }

    fn put(key: &[u8], value: &[u8]) -> Commit {
        let mut commit = Commit::default();
        commit.put(key, value);
        commit
    }

    fn scan(snapshot: &Snapshot, direction: Direction) -> Vec<(Bytes, Bytes)> {
        let mut range = KeyRange::prefix(b"k");
        let mut all = Vec::new();
        loop {
            let page = snapshot.page(&range, direction, LIMIT).unwrap();
            all.extend(page.entries);
            let Some((last, _)) = all.last().filter(|_| !page.complete) else { return all };
            match direction {
                Direction::Forward => range.start = [last, &[0][..]].concat(),
                Direction::Backward => range.end = Some(last.to_vec()),
            }
        }
    }

    #[test]
    fn meta_follows_the_content() {
        let engine = volatile();
        for (key, value) in [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")] {
            engine.commit(put(key, value), Durability::Immediate).unwrap();
        }
        let mut commit = Commit::default();
        commit.remove(b"b".as_slice());
        commit.remove(b"never".as_slice());
        commit.count(b"c".as_slice(), 2);
        assert_eq!(engine.commit(commit, Durability::Buffered).unwrap(), 4);
        let meta = engine.figures().unwrap().meta;
        let mut digest = crate::storage::commit::digest::StateDigest::default();
        digest.add(b"a", b"3");
        digest.add(b"c", &2_i64.to_le_bytes());
        assert_eq!((meta.sequence, meta.keys, meta.digest), (4, 2, digest));
    }

    #[test]
    fn checks_guard_and_change_nothing_when_they_fail() {
        let engine = volatile();
        let before = engine.read(b"k").unwrap();
        engine.commit(put(b"k", b"1"), Durability::Immediate).unwrap();
        let mut late = put(b"other", b"x");
        late.check(b"k".as_slice(), Expected::Unchanged(before));
        assert!(matches!(
            engine.commit(late, Durability::Immediate),
            Err(StorageError::CheckFailed { check: 0 })
        ));
        let mut taken = put(b"k", b"2");
        taken.check(b"k".as_slice(), Expected::Absent);
        assert!(engine.commit(taken, Durability::Immediate).is_err());
        assert_eq!(engine.read(b"other").unwrap().value, None);
        let mut right = put(b"k", b"3");
        right.check(b"k".as_slice(), Expected::Unchanged(engine.read(b"k").unwrap()));
        engine.commit(right, Durability::Immediate).unwrap();
        let mut below = Commit::default();
        below.count(b"n".as_slice(), -1);
        assert!(matches!(engine.commit(below, Durability::Immediate), Err(StorageError::CounterUnderflow)));
    }

    #[test]
    fn compare_and_swap_from_many_threads_loses_nothing() {
        let engine = volatile();
        engine.commit(put(b"n", &0_u64.to_le_bytes()), Durability::Immediate).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        loop {
                            let read = engine.read(b"n").unwrap();
                            let n = u64::from_le_bytes(read.value.as_deref().unwrap().try_into().unwrap());
                            let mut commit = put(b"n", &(n + 1).to_le_bytes());
                            commit.check(b"n".as_slice(), Expected::Unchanged(read));
                            commit.count(b"count".as_slice(), 1);
                            match engine.commit(commit, Durability::Buffered) {
                                Ok(_) => break,
                                Err(StorageError::CheckFailed { .. }) => {}
                                Err(error) => panic!("{error}"),
                            }
                        }
                    }
                });
            }
        });
        for key in [b"n".as_slice(), b"count"] {
            assert_eq!(engine.read(key).unwrap().value.as_deref(), Some(&1600_u64.to_le_bytes()[..]));
        }
    }

    /// Two keys always move together; ten others come and go together.
    fn move_together(engine: &Engine, n: u64) {
        let mut commit = put(b"ka", &n.to_le_bytes());
        commit.put(b"kz".as_slice(), n.to_le_bytes().as_slice());
        for i in 0..10_u8 {
            let key = [b'k', b'm', i];
            if n.is_multiple_of(2) {
                commit.remove(key.as_slice());
            } else {
                commit.put(key.as_slice(), n.to_le_bytes().as_slice());
            }
        }
        engine.commit(commit, Durability::Buffered).unwrap();
    }

    fn whole(entries: &[(Bytes, Bytes)]) -> bool {
        let Some((_, n)) = entries.first() else { return false };
        let odd = n.first().is_some_and(|byte| byte % 2 == 1);
        entries.len() == if odd { 12 } else { 2 } && entries.iter().all(|(_, value)| value == n)
    }

    #[test]
    fn snapshots_see_whole_commits_only_and_stay() {
        let engine = volatile();
        move_together(&engine, 1);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut n = 2;
                while !stop.load(Ordering::Relaxed) {
                    move_together(&engine, n);
                    n += 1;
                }
                n
            });
            let mut torn = 0;
            for round in 0..2000 {
                let snapshot = engine.snapshot();
                let first = scan(&snapshot, Direction::Forward);
                assert!(whole(&first), "round {round}: {first:?}");
                let mut again = scan(&snapshot, Direction::Backward);
                again.reverse();
                assert_eq!(first, again);
                let keys: Vec<&[u8]> = first.iter().map(|(key, _)| &**key).collect();
                let many = snapshot.get_many(&keys).unwrap();
                assert!(first.iter().map(|(_, value)| value).eq(many.iter().flatten()));
                // Control: the backend itself, read page by page, must be caught torn.
                let direct = engine.shared.own_backend().unwrap();
                let mut range = KeyRange::prefix(b"k");
                let mut entries = Vec::new();
                loop {
                    let page = direct.page(&range, Direction::Forward, LIMIT).unwrap();
                    entries.extend(page.entries);
                    let Some((last, _)) = entries.last().filter(|_| !page.complete) else { break };
                    range.start = [last, &[0][..]].concat();
                    let sequence = engine.shared.published();
                    while engine.shared.published() == sequence {
                        std::thread::yield_now();
                    }
                }
                torn += usize::from(!whole(&entries));
            }
            stop.store(true, Ordering::Relaxed);
            assert!(writer.join().unwrap() > 100);
            assert!(torn > 0, "the control was never torn: the test shows nothing");
        });
        assert_eq!(engine.figures().unwrap().overlay_bytes, 0);
    }

    #[test]
    fn reads_never_go_back() {
        let engine = volatile();
        engine.commit(put(b"k", &0_u64.to_be_bytes()), Durability::Buffered).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 1_u64..5000 {
                    engine.commit(put(b"k", &n.to_be_bytes()), Durability::Buffered).unwrap();
                }
                stop.store(true, Ordering::Relaxed);
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut last = None;
                    while !stop.load(Ordering::Relaxed) {
                        let read = engine.read(b"k").unwrap();
                        let snapshot = engine.snapshot();
                        let later = snapshot.get(b"k").unwrap();
                        assert!(last <= read.value && read.value <= later, "{last:?} {read:?} {later:?}");
                        assert!(read.sequence <= snapshot.sequence());
                        last = later;
                    }
                });
            }
        });
    }
}
