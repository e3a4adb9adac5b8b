//! sled as a backend.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::storage::backend::{
    Backend, BackendError, Batch, Direction, Failure, KeyRange, MAX_KEY, MAX_VALUE, Page, PageLimit,
};
use crate::storage::bytes::Bytes;
use crate::storage::directory::closing::drop_elsewhere;
use crate::storage::directory::lock::{DirectoryLock, Waiting};
use crate::storage::sled::error::{panicked, translate};
use crate::storage::sled::key::{original, stored};

/// The default tree of one sled database. Every call into sled is guarded: a panic is an error of that call.
pub(crate) struct SledBackend {
    /// Always there, until it is dropped.
    database: Option<::sled::Db>,
    /// A handle of our own on sled's data file: sled's `flush` does not put data on the medium, and whoever does must be
    /// told of every failed write, also of one that a sync of sled's own thread has been told of.
    data: File,
    overflow: PathBuf,
    close_timeout: Duration,
    lock: Arc<DirectoryLock>,
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
        let overflow = directory.join("blobs");
        Ok(Self { database: Some(database), data, overflow, close_timeout, lock })
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
        for (key, value) in &batch.writes {
            // Beyond these bounds a page of them might not fit into sled's log.
            if key.len() > MAX_KEY || value.as_ref().is_some_and(|value| value.len() > MAX_VALUE) {
                return Err(BackendError::new(
                    Failure::TooLarge,
                    "a key or a value is larger than the backend takes",
                ));
            }
            match value {
                Some(value) => changes.insert(&*stored(key), value.clone()),
                None => changes.remove(&*stored(key)),
            }
        }
        self.guarded(|database| database.apply_batch(changes).map_err(translate))
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.guarded(|database| database.flush().map(drop).map_err(translate))
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.data.sync_data().map_err(|error| BackendError::io("the data file could not be synced", error))
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
