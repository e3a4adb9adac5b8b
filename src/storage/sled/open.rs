//! Opening a store directory, and making one. Whatever a crash leaves of a creation, the next opening makes a new store of it;
//! the order of the steps is that of section 1 of the format.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::storage::backend::{Backend, Batch};
use crate::storage::sled::backend::SledBackend;
use crate::storage::sled::directory::{Content, Directory};
use crate::storage::sled::error::{OpenError, panicked, translate};
use crate::storage::sled::lock::{DirectoryLock, Waiting};
use crate::storage::sled::marker::Marker;
use crate::storage::sled::options::SledOptions;
use crate::storage::sled::synced::SideFile;

/// An open store directory.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) backend: SledBackend,
    pub(crate) side_file: SideFile,
    /// Whether the store has been made just now.
    pub(crate) created: bool,
}

/// What a creation has done. After each of these steps a crash leaves either an unfinished creation or a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Locked,
    Cleared,
    SideFileMade,
    SledMade,
    Applied,
    Flushed,
    Synced,
    MarkerWritten,
    MarkerPlaced,
    NamesSynced,
}

/// Opens the store in `directory`. Where there is none, and `options` allow it, makes one that holds `initial`.
pub(crate) fn open(directory: &Path, options: &SledOptions, initial: &Batch) -> Result<Opened, OpenError> {
    open_observed(directory, options, initial, &mut |_| {})
}

/// The same, and tells `observe` each step of a creation.
pub(super) fn open_observed(
    directory: &Path,
    options: &SledOptions,
    initial: &Batch,
    observe: &mut dyn FnMut(Step),
) -> Result<Opened, OpenError> {
    options.validate()?;
    let directory = Directory::new(directory)?;
    let no_store = || OpenError::NoStore { directory: directory.given() };
    // Looked at twice: before the lock, since taking it makes a file, and under it, since only then does nobody else write.
    let parents = match directory.content()? {
        Content::Absent | Content::Empty if !options.create => return Err(no_store()),
        Content::Absent => directory.make()?,
        Content::Empty | Content::Unfinished | Content::Store(_) => Vec::new(),
    };
    let lock = DirectoryLock::acquire(&directory.lock(), options.lock_timeout)
        .map_err(OpenError::io(&directory.lock()))?
        .ok_or_else(|| OpenError::Locked { directory: directory.given() })?;
    let lock = Arc::new(lock);
    match directory.content()? {
        Content::Store(marker) => open_store(&directory, marker, options, lock),
        _ if !options.create => Err(no_store()),
        _ => create(&directory, options, initial, lock, &parents, observe),
    }
}

fn open_store(
    directory: &Directory,
    marker: Marker,
    options: &SledOptions,
    lock: Arc<DirectoryLock>,
) -> Result<Opened, OpenError> {
    // sled would make a new database in its place, and say nothing.
    if !directory.data().is_file() {
        return Err(directory.damaged("the database file is missing"));
    }
    directory.remove_leftovers()?;
    let side_file = open_side_file(directory, &lock)?;
    let backend = open_sled(directory, marker, options, lock)?;
    Ok(Opened { backend, side_file, created: false })
}

fn create(
    directory: &Directory,
    options: &SledOptions,
    initial: &Batch,
    lock: Arc<DirectoryLock>,
    parents: &[PathBuf],
    observe: &mut dyn FnMut(Step),
) -> Result<Opened, OpenError> {
    let failed = |source| OpenError::Sled { directory: directory.given(), source };
    let marker = Marker { segment_size: options.segment_size };
    observe(Step::Locked);
    directory.clear()?;
    observe(Step::Cleared);
    let side_file = open_side_file(directory, &lock)?;
    observe(Step::SideFileMade);
    let backend = open_sled(directory, marker, options, lock)?;
    observe(Step::SledMade);
    backend.apply(initial).map_err(failed)?;
    observe(Step::Applied);
    backend.flush().map_err(failed)?;
    observe(Step::Flushed);
    directory.sync_sled()?;
    observe(Step::Synced);
    directory.write_marker(marker)?;
    observe(Step::MarkerWritten);
    directory.place_marker()?;
    observe(Step::MarkerPlaced);
    directory.sync_names(parents)?;
    observe(Step::NamesSynced);
    Ok(Opened { backend, side_file, created: true })
}

fn open_side_file(directory: &Directory, lock: &Arc<DirectoryLock>) -> Result<SideFile, OpenError> {
    let path = directory.side_file();
    SideFile::open(&path, Some(Arc::clone(lock))).map_err(OpenError::io(&path))
}

fn open_sled(
    directory: &Directory,
    marker: Marker,
    options: &SledOptions,
    lock: Arc<DirectoryLock>,
) -> Result<SledBackend, OpenError> {
    // Nobody else opens a store without our lock. Who holds sled's is what an earlier handle of this process left running,
    // for a moment; or a program that opens `sled/` itself.
    let mut wait = Waiting::new(options.lock_timeout.max(Duration::from_secs(1)));
    let database = loop {
        let config = ::sled::Config::new()
            .path(directory.sled())
            .cache_capacity(options.cache_capacity)
            .segment_size(marker.segment_size)
            .flush_every_ms(u64::try_from(options.flush_every.as_millis()).ok());
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(database)) => break database,
            Ok(Err(error)) if is_locked(&error) => {
                if !wait.again() {
                    return Err(OpenError::Locked { directory: directory.given() });
                }
            }
            Ok(Err(error)) => {
                return Err(OpenError::Sled { directory: directory.given(), source: translate(error) });
            }
            Err(payload) => {
                let source = panicked(&*payload);
                return Err(OpenError::Sled { directory: directory.given(), source });
            }
        }
    };
    SledBackend::new(database, &directory.sled(), options.close_timeout, lock)
        .map_err(|source| OpenError::Sled { directory: directory.given(), source })
}

fn is_locked(error: &::sled::Error) -> bool {
    matches!(error, ::sled::Error::Io(source) if source.to_string().starts_with("could not acquire lock"))
}
