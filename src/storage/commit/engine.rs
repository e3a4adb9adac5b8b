//! The engine: a backend with commits, sequence numbers, snapshots and durability.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::encoding::key::space::META_KEY;
use crate::storage::backend::{Backend, BackendError, Batch};
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Commit, Durability, Read};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::gate::{Pending, Turn, lock};
use crate::storage::commit::group::Group;
use crate::storage::commit::meta::Meta;
use crate::storage::commit::options::Options;
use crate::storage::commit::shared::Shared;
use crate::storage::commit::snapshot::Snapshot;
use crate::storage::commit::syncer::{Syncer, guarded};
use crate::storage::commit::transaction::Transaction;
use crate::storage::watermark::{Mark, Watermark};

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
    shared: Arc<Shared>,
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
        let shared = Arc::new(Shared::new(backend, meta, options));
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

    /// The store as it is now, to be changed if nobody else changes what is read of it.
    pub(crate) fn begin(&self) -> Transaction {
        Transaction::new(&self.shared)
    }

    /// Makes the changes of `commit`, all or none; gives the sequence from which on they are seen.
    pub(crate) fn commit(&self, commit: Commit, durability: Durability) -> Result<u64, StorageError> {
        let bytes = commit.bytes();
        let limit = self.shared.options.commit_bytes;
        if bytes > limit {
            return Err(StorageError::TooLarge { bytes, limit });
        }
        self.shared.check_writable()?;
        let sequence = self.shared.with_backend(|backend| self.queue(commit, backend))?;
        if self.persistent {
            match durability {
                Durability::Immediate => self.shared.wait_synced(sequence)?,
                Durability::Buffered => self.shared.hold_back()?,
            }
        }
        Ok(sequence)
    }

    /// Waits until everything committed so far is on the medium.
    pub(crate) fn flush(&self) -> Result<(), StorageError> {
        self.shared.with_backend(|_| Ok(()))?;
        self.shared.check_writable()?;
        if self.persistent { self.shared.wait_synced(self.shared.published()) } else { Ok(()) }
    }

    /// Flushes, ends the thread, and gives the backend up; everything after it fails with `Closed`.
    pub(crate) fn close(&self) -> Result<(), StorageError> {
        let flushed = match self.flush() {
            Err(StorageError::Closed) => return Ok(()),
            other => other,
        };
        let stopped = lock(&self.syncer).take().is_none_or(|mut syncer| syncer.stop());
        // Waits for reads and commits in progress. The backend's files are free when this returns.
        drop(self.shared.backend.write().unwrap_or_else(PoisonError::into_inner).take());
        flushed?;
        if stopped { Ok(()) } else { Err(StorageError::OutcomeUnknown(self.shared.poison_overdue())) }
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
            meta: lock(&shared.tail).meta,
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

    fn queue(&self, commit: Commit, backend: &dyn Backend) -> Result<u64, StorageError> {
        let shared = &self.shared;
        let pending = Pending::new(commit);
        // Two deadlines: an apply may have to wait for a flush that takes one.
        let give_up_at = Instant::now() + shared.options.sync_deadline * 2;
        let stop = || shared.poison.get().is_some();
        let take = |queue: &mut VecDeque<Arc<Pending>>| self.take_group(queue);
        let mut enqueue = true;
        loop {
            match shared.gate.turn(&pending, enqueue, give_up_at, stop, take) {
                Turn::Done(outcome) => return outcome,
                Turn::Lead(members) => {
                    self.lead(members, backend);
                    shared.gate.leave();
                }
                Turn::GivenUp { untouched } => {
                    let cause = shared.poison.get().unwrap_or_else(|| shared.poison_overdue());
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
        if overlay.has_replaced(reads) { Err(StorageError::Conflict) } else { Ok(()) }
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
        shared.shield(sequence, std::mem::take(&mut sealed.pre_images));
        match guarded(|| backend.apply(&sealed.batch)) {
            Ok(()) => {
                sealed.adopt(&mut tail);
                shared.publish(sequence);
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
                let cause = shared.poison.set_backend("an apply failed", error);
                shared.sync_done.notify_all();
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
    use std::time::Duration;

    use super::*;
    use crate::storage::backend::{Direction, Failure, KeyRange, Page, PageLimit};
    use crate::storage::commit::commit::Expected;
    use crate::storage::memory::MemoryBackend;

    const LIMIT: PageLimit = PageLimit { entries: 3, bytes: 1 << 20 };

    /// A medium whose next write or sync can be told to fail, panic or hang.
    #[derive(Debug, Default)]
    struct FaultyMedium {
        memory: MemoryBackend,
        fail_apply: AtomicBool,
        panic_sync: AtomicBool,
        hang_sync: AtomicBool,
    }

    impl Backend for FaultyMedium {
        fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
            self.memory.get(key)
        }

        fn page(
            &self,
            range: &KeyRange,
            direction: Direction,
            limit: PageLimit,
        ) -> Result<Page, BackendError> {
            self.memory.page(range, direction, limit)
        }

        fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
            if self.fail_apply.load(Ordering::Relaxed) {
                // Half of it, as a torn batch would leave it.
                let writes = batch.writes.iter().take(1).map(|(k, v)| (k.clone(), v.clone())).collect();
                self.memory.apply(&Batch { writes })?;
                return Err(BackendError { failure: Failure::Io, message: "planted", source: None });
            }
            self.memory.apply(batch)
        }

        fn flush(&self) -> Result<(), BackendError> {
            Ok(())
        }

        fn sync(&self) -> Result<(), BackendError> {
            assert!(!self.panic_sync.load(Ordering::Relaxed), "planted");
            while self.hang_sync.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        }
    }

    fn engine(backend: &Arc<FaultyMedium>, options: Options) -> Engine {
        backend.memory.apply(&first_batch()).unwrap();
        let backend: Arc<dyn Backend> = Arc::clone(backend) as _;
        Engine::open(backend, Medium::Persistent(None), options, false).unwrap()
    }

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

    #[test]
    fn a_failed_apply_poisons_and_reads_go_on_at_the_last_published_state() {
        let backend = Arc::new(FaultyMedium::default());
        let engine = engine(&backend, Options::default());
        move_together(&engine, 1);
        backend.fail_apply.store(true, Ordering::Relaxed);
        let mut commit = put(b"ka", b"torn....");
        commit.put(b"kz".as_slice(), b"torn....".as_slice());
        assert!(matches!(
            engine.commit(commit, Durability::Immediate),
            Err(StorageError::OutcomeUnknown(cause)) if cause.source.is_some()
        ));
        backend.fail_apply.store(false, Ordering::Relaxed);
        assert!(matches!(
            engine.commit(put(b"x", b"y"), Durability::Immediate),
            Err(StorageError::Poisoned(_))
        ));
        assert!(matches!(engine.flush(), Err(StorageError::Poisoned(_))));
        assert!(whole(&scan(&engine.snapshot(), Direction::Forward)));
        assert_eq!(engine.read(b"ka").unwrap().value.as_deref(), Some(&1_u64.to_le_bytes()[..]));
        assert!(matches!(engine.close(), Err(StorageError::Poisoned(_))));
        assert!(matches!(engine.read(b"ka"), Err(StorageError::Closed)));
    }

    #[test]
    fn a_panic_in_a_sync_poisons() {
        let backend = Arc::new(FaultyMedium::default());
        let engine = engine(&backend, Options::default());
        backend.panic_sync.store(true, Ordering::Relaxed);
        assert!(matches!(
            engine.commit(put(b"k", b"v"), Durability::Immediate),
            Err(StorageError::OutcomeUnknown(_))
        ));
        assert!(matches!(
            engine.commit(put(b"k", b"w"), Durability::Buffered),
            Err(StorageError::Poisoned(_))
        ));
    }

    #[test]
    fn a_sync_past_its_deadline_releases_everybody() {
        let backend = Arc::new(FaultyMedium::default());
        let deadline = Duration::from_millis(50);
        let engine = engine(
            &backend,
            Options {
                sync_deadline: deadline,
                buffered_window: Duration::from_millis(5),
                ..Options::default()
            },
        );
        backend.hang_sync.store(true, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for n in 0..4_u8 {
                let engine = &engine;
                scope.spawn(move || {
                    let durability =
                        if n.is_multiple_of(2) { Durability::Immediate } else { Durability::Buffered };
                    // Buffered ones are held back once the window has passed twice, then released by the deadline.
                    while engine.commit(put(&[n], b"v"), durability).is_ok() {}
                });
            }
        });
        assert!(matches!(
            engine.commit(put(b"k", b"v"), Durability::Buffered),
            Err(StorageError::Poisoned(_))
        ));
        assert_eq!(engine.read(&[0]).unwrap().value.as_deref(), Some(b"v".as_slice()));
        assert!(engine.close().is_err());
        backend.hang_sync.store(false, Ordering::Relaxed);
    }

    #[test]
    fn buffered_commits_reach_the_medium_by_themselves() {
        let backend = Arc::new(FaultyMedium::default());
        let engine =
            engine(&backend, Options { buffered_window: Duration::from_millis(5), ..Options::default() });
        let sequence = engine.commit(put(b"k", b"v"), Durability::Buffered).unwrap();
        while engine.figures().unwrap().synced < sequence {
            std::thread::sleep(Duration::from_millis(1));
        }
        engine.close().unwrap();
        engine.close().unwrap();
    }

    #[test]
    fn an_oversized_commit_is_refused() {
        let backend = Arc::new(FaultyMedium::default());
        let engine = engine(&backend, Options { commit_bytes: 100, ..Options::default() });
        assert!(matches!(
            engine.commit(put(b"k", &[0; 100]), Durability::Immediate),
            Err(StorageError::TooLarge { bytes: 101, limit: 100 })
        ));
        engine.commit(put(b"k", &[0; 99]), Durability::Immediate).unwrap();
    }

    #[test]
    fn a_snapshot_past_the_budget_expires_and_says_so() {
        let backend = Arc::new(FaultyMedium::default());
        let engine = engine(&backend, Options { overlay_bytes: 1000, ..Options::default() });
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
        assert!(matches!(snapshot.get(b"k"), Err(StorageError::SnapshotExpired { limit: 1000 })));
        assert!(snapshot.page(&KeyRange::all(), Direction::Forward, LIMIT).is_err());
        assert!(engine.snapshot().get(b"k").is_ok());
    }
}
