//! sled as a backend.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::storage::backend::{
    Backend, BackendError, Batch, Direction, Failure, KeyRange, MAX_KEY, MAX_VALUE, Page, PageLimit,
};
use crate::storage::bytes::Bytes;
use crate::storage::directory::closing::drop_elsewhere;
use crate::storage::directory::lock::{DirectoryLock, Waiting};
use crate::storage::sled::error::{panicked, translate};
use crate::storage::sled::key::{original, stored};
use crate::storage::sled::through::write_through;

/// The default tree of one sled database. Every call into sled is guarded: a panic is an error of that call.
pub(crate) struct SledBackend {
    /// Always there, until it is dropped.
    database: Option<::sled::Db>,
    /// A handle of our own on sled's data file: sled's `flush` does not put data on the medium, and whoever does must be
    /// told of every failed write, also of one that a sync of sled's own thread has been told of.
    data: File,
    overflow: PathBuf,
    pace: Pace,
    /// Whether a sync has failed: the system tells only one of those who ask, and afterwards nobody. Held during each, so that none is told of another's.
    sync_failed: Mutex<bool>,
    close_timeout: Duration,
    lock: Arc<DirectoryLock>,
}

/// How far the medium is behind, which only matters where writes do not go through to it, and sled's own log.
#[derive(Debug)]
struct Pace {
    through: bool,
    /// Bytes of sled's log that have been written at most, but for what sled does by itself ...
    logged: AtomicU64,
    /// ... of which so many had been at the last flush.
    drained: AtomicU64,
    /// Bytes of keys and values that have been applied ...
    applied: AtomicU64,
    /// ... of which so many had been at the last flush, ...
    flushed: AtomicU64,
    /// ... and so many at the last flush before a sync.
    synced: AtomicU64,
}

/// Where writes do not go through, so many bytes are applied at most between two syncs, or one batch. sled's log grows by about four times
/// as much, and a segment is used again no earlier than two segments after the one that took over what was in it.
const MOST_BEHIND: u64 = 1 << 20;

/// So much of sled's log is under way at most between two flushes, or what one batch makes: four segments of it.
///
/// Each segment is written by a task on one of sled's seven threads, and takes the lock of its table of segments at the end. Whoever needs a new segment at the end of
/// the file holds that lock while he waits for the file to have been shortened, which is a task too. With seven segments before that one, nobody goes on, ever again.
const MOST_UNDER_WAY: u64 = 16 << 20;

/// What a batch may add to the log: keys and values, and for each key its part of a page that is written anew.
fn log_bytes(bytes: u64, keys: usize) -> u64 {
    bytes.saturating_mul(4).saturating_add((keys as u64).saturating_mul(1 << 10))
}

impl Pace {
    fn new(through: bool) -> Self {
        let [logged, drained, applied, flushed, synced] = [const { AtomicU64::new(0) }; 5];
        Self { through, logged, drained, applied, flushed, synced }
    }

    /// How much of the log may be under way.
    fn under_way(&self) -> u64 {
        self.logged.load(Ordering::Relaxed).saturating_sub(self.drained.load(Ordering::Relaxed))
    }

    /// Whether what is under way has to end before so much is added.
    fn is_ahead(&self, log: u64) -> bool {
        let under_way = self.under_way();
        under_way > 0 && under_way.saturating_add(log) > MOST_UNDER_WAY
    }

    /// Whether a batch of so many bytes may be applied now.
    fn allows(&self, bytes: u64) -> bool {
        let behind = self.applied.load(Ordering::Relaxed).saturating_sub(self.synced.load(Ordering::Relaxed));
        self.through || behind == 0 || behind.saturating_add(bytes) <= MOST_BEHIND
    }

    #[cfg(test)]
    fn behind(&self) -> u64 {
        self.applied.load(Ordering::Relaxed) - self.synced.load(Ordering::Relaxed)
    }

    fn note_applied(&self, bytes: u64, log: u64) {
        self.applied.fetch_add(bytes, Ordering::Relaxed);
        self.logged.fetch_add(log, Ordering::Relaxed);
    }

    fn note_flushed(&self, applied: u64, logged: u64) {
        self.flushed.fetch_max(applied, Ordering::Relaxed);
        self.drained.fetch_max(logged, Ordering::Relaxed);
    }

    fn note_synced(&self, flushed: u64) {
        self.synced.fetch_max(flushed, Ordering::Relaxed);
    }
}

impl SledBackend {
    pub(super) fn new(
        database: ::sled::Db,
        directory: &Path,
        close_timeout: Duration,
        lock: Arc<DirectoryLock>,
    ) -> Result<Self, BackendError> {
        let data = OpenOptions::new()
            .write(true)
            .open(directory.join("db"))
            .map_err(|error| BackendError::io("sled's data file could not be opened", error))?;
        let through = write_through(&data)
            .map_err(|error| BackendError::io("sled's data file could not be synced", error))?;
        let (overflow, pace) = (directory.join("blobs"), Pace::new(through));
        Ok(Self {
            database: Some(database),
            data,
            overflow,
            pace,
            sync_failed: Mutex::new(false),
            close_timeout,
            lock,
        })
    }

    /// How many pages sled has put into files of their own, which it never syncs: what they hold does not survive a power cut.
    /// None, as long as keys and values keep to their bounds.
    pub(crate) fn overflow_files(&self) -> Result<usize, BackendError> {
        match fs::read_dir(&self.overflow) {
            Ok(entries) => Ok(entries.count()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(BackendError::io("sled's directory of large pages could not be read", error)),
        }
    }

    /// Brings the medium so near that a batch of so many bytes may be applied.
    fn catch_up(&self, bytes: u64) -> Result<(), BackendError> {
        if self.pace.allows(bytes) {
            return Ok(());
        }
        // A sync that is under way has to end first in any case, and mostly it is enough. If it is not, this takes as long as two.
        drop(self.sync_failed.lock().unwrap_or_else(PoisonError::into_inner));
        if self.pace.allows(bytes) {
            return Ok(());
        }
        self.flush()?;
        self.sync()
    }

    /// Calls into sled; a panic there is an error.
    fn guarded<T>(
        &self,
        work: impl FnOnce(&::sled::Db) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        let Some(database) = &self.database else {
            return Err(BackendError::new(Failure::Broken, "the backend is being dropped"));
        };
        // What a panic leaves half done is sled's own state: the caller writes no more after an error of a write,
        // and a read changes nothing that another one relies on.
        catch_unwind(AssertUnwindSafe(|| work(database))).unwrap_or_else(|payload| Err(panicked(&*payload)))
    }
}

impl Backend for SledBackend {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        self.guarded(|database| Ok(database.get(stored(key)).map_err(translate)?.map(Bytes::from)))
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        if range.is_empty() {
            return Ok(Page { entries: Vec::new(), complete: true });
        }
        self.guarded(|database| {
            let start = Bound::Included(stored(&range.start));
            let end = range.end.as_deref().map_or(Bound::Unbounded, |end| Bound::Excluded(stored(end)));
            let entries = database.range((start, end));
            let entry = |entry: ::sled::Result<_>| {
                let (key, value): (::sled::IVec, ::sled::IVec) = entry.map_err(translate)?;
                Ok((original(key)?, Bytes::from(value)))
            };
            // One end only: sled's iterator loses its place when both are used.
            match direction {
                Direction::Forward => Page::collect(entries.map(entry), limit),
                Direction::Backward => Page::collect(entries.rev().map(entry), limit),
            }
        })
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        let mut changes = ::sled::Batch::default();
        let mut bytes = 0;
        for (key, value) in &batch.writes {
            // Beyond these bounds a page of them might not fit into sled's log.
            if key.len() > MAX_KEY || value.as_ref().is_some_and(|value| value.len() > MAX_VALUE) {
                return Err(BackendError::new(
                    Failure::TooLarge,
                    "a key or a value is larger than the backend takes",
                ));
            }
            bytes += (key.len() + value.as_ref().map_or(0, |value| value.len())) as u64;
            match value {
                Some(value) => changes.insert(&*stored(key), value.clone()),
                None => changes.remove(&*stored(key)),
            }
        }
        let log = log_bytes(bytes, batch.writes.len());
        self.catch_up(bytes)?;
        if self.pace.is_ahead(log) {
            self.flush()?;
        }
        self.guarded(|database| database.apply_batch(changes).map_err(translate))?;
        self.pace.note_applied(bytes, log);
        Ok(())
    }

    fn flush(&self) -> Result<(), BackendError> {
        let [applied, logged] =
            [&self.pace.applied, &self.pace.logged].map(|count| count.load(Ordering::Relaxed));
        self.guarded(|database| database.flush().map(drop).map_err(translate))?;
        self.pace.note_flushed(applied, logged);
        Ok(())
    }

    fn sync(&self) -> Result<(), BackendError> {
        let mut failed = self.sync_failed.lock().unwrap_or_else(PoisonError::into_inner);
        if *failed {
            return Err(BackendError::new(Failure::Io, "an earlier sync has failed"));
        }
        let flushed = self.pace.flushed.load(Ordering::Relaxed);
        self.data.sync_data().map_err(|error| {
            *failed = true;
            BackendError::io("the data file could not be synced", error)
        })?;
        self.pace.note_synced(flushed);
        Ok(())
    }

    fn flush_syncs(&self) -> bool {
        self.pace.through
    }

    fn size_on_disk(&self) -> Option<u64> {
        self.guarded(|database| database.size_on_disk().map_err(translate)).ok()
    }

    fn inspect(&self) -> Result<Vec<String>, BackendError> {
        Ok(match self.overflow_files()? {
            0 => Vec::new(),
            files => {
                vec![format!("{files} files in blobs, where what is written does not survive a power cut")]
            }
        })
    }
}

impl fmt::Debug for SledBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledBackend").field("overflow", &self.overflow).finish_non_exhaustive()
    }
}

impl Drop for SledBackend {
    /// sled flushes when it is dropped and joins its thread. On a medium that no longer answers, or after a panic of that
    /// thread, neither ends, and an unwritable file makes it panic. So it is dropped elsewhere; the directory stays
    /// locked until it is gone.
    fn drop(&mut self) {
        let Some(database) = self.database.take() else { return };
        let lock = Arc::clone(&self.lock);
        let data = self.data.try_clone();
        let patience = self.close_timeout;
        drop_elsewhere(database, patience, move || {
            // Tasks on sled's I/O threads may hold its file, and sled's lock on it, a little longer.
            if let Ok(data) = data {
                let mut waiting = Waiting::new(patience);
                while matches!(data.try_lock(), Err(TryLockError::WouldBlock)) && waiting.again() {}
            }
            drop(lock);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::storage::directory::testing::{batch, create};

    #[test]
    fn where_writes_do_not_go_through_a_sync_is_never_far() {
        let directory = tempfile::tempdir().unwrap();
        let mut backend = create::<SledBackend>(&directory.path().join("store")).backend;
        let large = || batch((0..30_u8).map(|key| ([key], Some(vec![key; 10_000]))));
        for through in [false, true] {
            backend.pace = Pace::new(through);
            for number in 1..=12 {
                backend.apply(&large()).unwrap();
                assert_eq!(backend.pace.behind() <= MOST_BEHIND, !through || number < 4, "after {number}");
            }
        }
        // A batch may be larger, and then nothing is behind when it comes.
        backend.pace = Pace::new(false);
        backend.apply(&large()).unwrap();
        let huge = batch((0..100_u8).map(|key| ([key], Some(vec![key; 20_000]))));
        for _ in 0..2 {
            backend.apply(&huge).unwrap();
            assert_eq!(backend.pace.behind(), 100 * 20_001);
        }
        backend.apply(&batch([(b"small", Some(b"x"))])).unwrap();
        assert_eq!(backend.pace.behind(), 6);
    }

    /// With more than seven segments of sled's log under way, it may wait for itself for ever.
    #[test]
    fn no_more_than_some_of_the_log_is_under_way() {
        let directory = tempfile::tempdir().unwrap();
        let backend = create::<SledBackend>(&directory.path().join("store")).backend;
        let mut flushes = 0;
        for number in 0..200_u32 {
            let before = backend.pace.drained.load(Ordering::Relaxed);
            let keys = number % 7 * 60;
            backend.apply(&batch((0..=keys).map(|key| (key.to_be_bytes(), Some(vec![1; 1000]))))).unwrap();
            flushes += usize::from(backend.pace.drained.load(Ordering::Relaxed) > before);
            assert!(backend.pace.under_way() <= MOST_UNDER_WAY, "after {number}");
        }
        assert!((3..100).contains(&flushes), "{flushes} flushes");
        // Of one that is larger nothing is under way when it comes.
        backend.apply(&batch((0..200_u8).map(|key| ([key], Some(vec![key; 30_000]))))).unwrap();
        assert_eq!(backend.pace.under_way(), log_bytes(200 * 30_001, 200));
        backend.apply(&batch([(b"small", Some(b"x"))])).unwrap();
        assert_eq!(backend.pace.under_way(), log_bytes(6, 1));
    }

    /// Each apply that came up to the bound made a sync of its own, after having waited for the one that was under way: twice as long as a sync may take.
    #[test]
    fn an_apply_waits_for_the_sync_under_way_and_makes_none_of_its_own_where_that_is_enough() {
        let directory = tempfile::tempdir().unwrap();
        let mut backend = create::<SledBackend>(&directory.path().join("store")).backend;
        backend.pace = Pace::new(false);
        let large = || batch((0..90_u8).map(|key| ([key], Some(vec![key; 10_000]))));
        let flushed = |backend: &SledBackend| backend.pace.flushed.load(Ordering::Relaxed);
        for enough in [true, false] {
            backend.apply(&large()).unwrap();
            let before = flushed(&backend);
            std::thread::scope(|scope| {
                let under_way = backend.sync_failed.lock().unwrap();
                let (theirs, batch, (begins, begun)) = (&backend, large(), mpsc::channel());
                let apply = scope.spawn(move || {
                    begins.send(()).unwrap();
                    theirs.apply(&batch)
                });
                begun.recv().unwrap();
                std::thread::sleep(Duration::from_millis(50));
                assert!(!apply.is_finished());
                if enough {
                    backend.pace.note_synced(backend.pace.applied.load(Ordering::Relaxed));
                }
                drop(under_way);
                apply.join().unwrap().unwrap();
            });
            assert_eq!(flushed(&backend) == before, enough, "whether it has flushed and synced by itself");
            assert!(backend.pace.behind() <= MOST_BEHIND);
        }
    }
}
