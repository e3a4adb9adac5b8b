//! redb as a backend.

use std::fmt;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ::redb::{
    AccessGuard, Database, DatabaseError, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable,
    TableDefinition,
};

use crate::storage::backend::{
    Backend, BackendError, Batch, Direction, Failure, KeyRange, MAX_KEY, MAX_VALUE, Page, PageLimit,
};
use crate::storage::bytes::Bytes;
use crate::storage::directory::closing::drop_elsewhere;
use crate::storage::directory::lock::DirectoryLock;
use crate::storage::redb::error::{panicked, translate};
use crate::storage::redb::medium::Medium;
use crate::storage::redb::options::RedbOptions;

/// All entries are in one table.
const ENTRIES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("entries");

type View = ReadOnlyTable<&'static [u8], &'static [u8]>;
type Guard<'a> = AccessGuard<'a, &'static [u8]>;

/// One table of one redb database. A batch is a commit that redb keeps in memory; a flush is a commit that it writes, with all
/// before it; a sync is the sync that redb owes for that (see [`Medium`]). Every call into redb is guarded: a panic is an error of
/// that call.
pub(crate) struct RedbBackend {
    /// Always there, until it is dropped.
    database: Option<Database>,
    /// The table as the last batch left it. Read by everybody, so that a read need not look the table up. It keeps redb from using the
    /// pages of the batch before again until the next one, and no longer.
    view: RwLock<Option<Arc<View>>>,
    medium: Medium,
    /// Whether something has been applied since the last flush.
    unflushed: AtomicBool,
    quick_recovery: bool,
    close_timeout: Duration,
    /// `None` in tests without a directory.
    lock: Option<Arc<DirectoryLock>>,
}

/// Why redb did not open its file.
pub(super) enum Refusal {
    /// Somebody else has it open.
    Locked,
    Failed(BackendError),
}

impl From<BackendError> for Refusal {
    fn from(error: BackendError) -> Self {
        Self::Failed(error)
    }
}

impl RedbBackend {
    /// Opens the database on `medium`; makes one where that is empty.
    pub(super) fn open(
        medium: Medium,
        options: &RedbOptions,
        close_timeout: Duration,
        lock: Option<Arc<DirectoryLock>>,
    ) -> Result<Self, Refusal> {
        let new = medium.length().map_err(unreadable)? == 0;
        let mut builder = Database::builder();
        builder.set_cache_size(usize::try_from(options.cache_capacity).unwrap_or(usize::MAX));
        let redbs = medium.clone();
        let opened = catch_unwind(AssertUnwindSafe(|| builder.create_with_backend(redbs)))
            .map_err(|payload| panicked(&*payload))?;
        let database = opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => Refusal::Locked,
            other => Refusal::Failed(translate(other)),
        })?;
        let backend = Self {
            database: Some(database),
            view: RwLock::new(None),
            medium,
            unflushed: AtomicBool::new(new),
            quick_recovery: options.quick_recovery,
            close_timeout,
            lock,
        };
        backend.guarded(|database| {
            if new {
                let transaction = database.begin_write().map_err(translate)?;
                transaction.open_table(ENTRIES).map_err(translate)?;
                transaction.commit().map_err(translate)?;
            }
            backend.renew_view(database)
        })?;
        // Recovery may have written, and failed.
        backend.medium.check().map_err(unwritable)?;
        Ok(backend)
    }

    /// Calls into redb; a panic there is an error.
    fn guarded<T>(&self, work: impl FnOnce(&Database) -> Result<T, BackendError>) -> Result<T, BackendError> {
        let Some(database) = &self.database else {
            return Err(BackendError::new(Failure::Broken, "the backend is being dropped"));
        };
        // What a panic leaves half done is redb's own state: the caller writes no more after an error of a write,
        // and a read changes nothing that another one relies on.
        catch_unwind(AssertUnwindSafe(|| work(database))).unwrap_or_else(|payload| Err(panicked(&*payload)))
    }

    fn view(&self) -> Result<Arc<View>, BackendError> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner).clone();
        view.ok_or_else(|| BackendError::new(Failure::Broken, "the backend is being dropped"))
    }

    fn renew_view(&self, database: &Database) -> Result<(), BackendError> {
        let view = database.begin_read().map_err(translate)?.open_table(ENTRIES).map_err(translate)?;
        let view = Some(Arc::new(view));
        drop(std::mem::replace(&mut *self.view.write().unwrap_or_else(PoisonError::into_inner), view));
        Ok(())
    }

    /// Calls into redb to write; a write that failed is an error, though redb does not know of it.
    fn writing(&self, work: impl FnOnce(&Database) -> Result<(), BackendError>) -> Result<(), BackendError> {
        self.medium.check().map_err(unwritable)?;
        let written = self.guarded(work);
        self.medium.check().map_err(unwritable)?;
        written
    }
}

fn unwritable(error: io::Error) -> BackendError {
    BackendError::io("the database file could not be written", error)
}

fn unreadable(error: io::Error) -> BackendError {
    BackendError::io("the database file could not be read", error)
}

impl Backend for RedbBackend {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        self.guarded(|_| get(&*self.view()?, key))
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, BackendError> {
        self.guarded(|_| {
            let view = self.view()?;
            keys.iter().map(|key| get(&view, key)).collect()
        })
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        if range.is_empty() {
            return Ok(Page { entries: Vec::new(), complete: true });
        }
        self.guarded(|_| {
            let start = Bound::Included(range.start.as_slice());
            let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let view = self.view()?;
            let entries = ReadableTable::range::<&[u8]>(&*view, (start, end)).map_err(translate)?;
            let entry =
                |(key, value): (Guard<'_>, Guard<'_>)| (Bytes::from(key.value()), Bytes::from(value.value()));
            match direction {
                Direction::Forward => {
                    Page::collect(entries.map(|found| found.map(entry).map_err(translate)), limit)
                }
                Direction::Backward => {
                    Page::collect(entries.rev().map(|found| found.map(entry).map_err(translate)), limit)
                }
            }
        })
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        // redb takes much more. All backends refuse the same.
        let too_large = |(key, value): (&Bytes, &Option<Bytes>)| {
            key.len() > MAX_KEY || value.as_ref().is_some_and(|value| value.len() > MAX_VALUE)
        };
        if batch.writes.iter().any(too_large) {
            return Err(BackendError::new(
                Failure::TooLarge,
                "a key or a value is larger than the backend takes",
            ));
        }
        self.writing(|database| {
            let mut transaction = database.begin_write().map_err(translate)?;
            transaction.set_durability(Durability::None).map_err(translate)?;
            {
                let mut table = transaction.open_table(ENTRIES).map_err(translate)?;
                for (key, value) in &batch.writes {
                    match value {
                        Some(value) => table.insert(&**key, &**value).map_err(translate)?,
                        None => table.remove(&**key).map_err(translate)?,
                    };
                }
            }
            transaction.commit().map_err(translate)?;
            self.unflushed.store(true, Ordering::Relaxed);
            self.renew_view(database)
        })
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.writing(|database| {
            if !self.unflushed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let mut transaction = database.begin_write().map_err(translate)?;
            transaction.set_quick_repair(self.quick_recovery);
            transaction.commit().map_err(translate)?;
            self.unflushed.store(false, Ordering::Relaxed);
            Ok(())
        })
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.medium.sync().map_err(|error| BackendError::io("the database file could not be synced", error))
    }

    fn size_on_disk(&self) -> Option<u64> {
        self.medium.length().ok()
    }
}

fn get(view: &View, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
    let value = ReadableTable::get(view, key).map_err(translate)?;
    Ok(value.map(|value| Bytes::from(value.value())))
}

impl fmt::Debug for RedbBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbBackend").field("medium", &self.medium).finish_non_exhaustive()
    }
}

impl Drop for RedbBackend {
    /// redb writes when it is dropped, and syncs. On a medium that no longer answers that does not end. So it is dropped elsewhere;
    /// the directory stays locked until it is gone.
    fn drop(&mut self) {
        drop(self.view.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        let Some(database) = self.database.take() else { return };
        let lock = self.lock.take();
        drop_elsewhere(database, self.close_timeout, move || drop(lock));
    }
}
