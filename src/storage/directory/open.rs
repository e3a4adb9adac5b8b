//! Opening a store directory, and making one. Whatever a crash leaves of a creation, the next opening makes a new store of it;
//! the order of the steps is that of section 1 of the format.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::storage::backend::{Backend, Batch};
use crate::storage::directory::directory::{Content, Directory};
use crate::storage::directory::error::OpenError;
use crate::storage::directory::lock::DirectoryLock;
use crate::storage::directory::marker::Marker;
use crate::storage::directory::synced::SideFile;

/// How a store directory is opened, whatever backend is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Whether a store is made where there is none.
    pub(crate) create: bool,
    /// How long to wait for another process, or another handle in this one, to close the store.
    pub(crate) lock_timeout: Duration,
    /// How long dropping the backend may wait for it to wind down. Past it that goes on in the background, and the
    /// directory stays locked until it is done.
    pub(crate) close_timeout: Duration,
}

impl Default for Place {
    fn default() -> Self {
        Self { create: true, lock_timeout: Duration::ZERO, close_timeout: Duration::from_secs(5) }
    }
}

/// A backend whose files are in a store directory.
pub(crate) trait Resident: Backend + Sized {
    /// What the marker calls it.
    const NAME: &'static str;
    /// What it can be told.
    type Options: Default;

    /// Refuses options that are out of their range; before anything is touched.
    fn validate(options: &Self::Options) -> Result<(), OpenError>;

    /// What the marker of a new store shall say.
    fn settings(options: &Self::Options) -> Vec<(&'static str, String)>;

    /// Makes the files of a new store, where there are none.
    fn make(held: &Held, marker: &Marker, options: &Self::Options) -> Result<Self, OpenError>;

    /// Opens the files of a store. Files that are missing are damage.
    fn open(held: &Held, marker: &Marker, options: &Self::Options) -> Result<Self, OpenError>;

    /// Puts on the medium what a flush of a backend just made has left out: its files' names, and what of them is written once.
    fn sync_made(&self, directory: &Directory) -> Result<(), OpenError>;
}

/// An open store directory.
#[derive(Debug)]
pub(crate) struct Opened<B> {
    pub(crate) backend: B,
    pub(crate) side_file: SideFile,
    /// Whether the store has been made just now.
    pub(crate) created: bool,
}

/// What a creation has done. After each of these steps a crash leaves either an unfinished creation or a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) enum Step {
    Locked,
    Cleared,
    SideFileMade,
    BackendMade,
    Applied,
    Flushed,
    Synced,
    MarkerWritten,
    MarkerPlaced,
    NamesSynced,
}

/// A directory that nobody else opens, and what is in it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(in crate::storage) directory: Directory,
    pub(in crate::storage) place: Place,
    pub(in crate::storage) lock: Arc<DirectoryLock>,
    /// `None`: a store is to be made.
    marker: Option<Marker>,
    /// Directories that have a new entry.
    parents: Vec<PathBuf>,
}

impl Held {
    /// Locks `directory` and looks what is there. A store must have been made with one of the backends `accepted`.
    pub(in crate::storage) fn take(
        directory: &Path,
        place: &Place,
        accepted: &[&str],
    ) -> Result<Self, OpenError> {
        let directory = Directory::new(directory)?;
        let no_store = || OpenError::NoStore { directory: directory.given() };
        let accept = |marker: Marker| {
            if accepted.contains(&marker.backend.as_str()) {
                return Ok(marker);
            }
            let (directory, accepted) = (directory.given(), accepted.join(" "));
            Err(OpenError::WrongBackend { directory, made_with: marker.backend, accepted })
        };
        // Looked at twice: before the lock, since taking it makes a file, and under it, since only then does nobody else write.
        let parents = match directory.content()? {
            Content::Absent | Content::Empty if !place.create => return Err(no_store()),
            Content::Absent => directory.make()?,
            Content::Empty | Content::Unfinished => Vec::new(),
            Content::Store(marker) => accept(marker).map(|_| Vec::new())?,
        };
        let lock = DirectoryLock::acquire(&directory.lock(), place.lock_timeout)
            .map_err(OpenError::io(&directory.lock()))?
            .ok_or_else(|| OpenError::Locked { directory: directory.given() })?;
        let marker = match directory.content()? {
            Content::Store(marker) => Some(accept(marker)?),
            _ if !place.create => return Err(no_store()),
            _ => None,
        };
        Ok(Self { directory, place: place.clone(), lock: Arc::new(lock), marker, parents })
    }

    /// The backend that the store was made with; `None`: a store is to be made.
    pub(in crate::storage) fn made_with(&self) -> Option<&str> {
        self.marker.as_ref().map(|marker| marker.backend.as_str())
    }

    /// Opens the store; where there is none, makes one that holds `initial`, and tells `observe` each step of that.
    pub(in crate::storage) fn open<B: Resident>(
        self,
        options: &B::Options,
        initial: &Batch,
        observe: &mut dyn FnMut(Step),
    ) -> Result<Opened<B>, OpenError> {
        let Some(marker) = &self.marker else { return self.create(options, initial, observe) };
        let backend = B::open(&self, marker, options)?;
        let side_file = self.open_side_file()?;
        Ok(Opened { backend, side_file, created: false })
    }

    fn create<B: Resident>(
        &self,
        options: &B::Options,
        initial: &Batch,
        observe: &mut dyn FnMut(Step),
    ) -> Result<Opened<B>, OpenError> {
        let directory = &self.directory;
        let failed = |source| OpenError::Backend { directory: directory.given(), backend: B::NAME, source };
        let marker = Marker::new(B::NAME, &B::settings(options));
        observe(Step::Locked);
        directory.clear()?;
        observe(Step::Cleared);
        let side_file = self.open_side_file()?;
        observe(Step::SideFileMade);
        let backend = B::make(self, &marker, options)?;
        observe(Step::BackendMade);
        backend.apply(initial).map_err(failed)?;
        observe(Step::Applied);
        backend.flush().and_then(|()| backend.sync()).map_err(failed)?;
        observe(Step::Flushed);
        backend.sync_made(directory)?;
        directory.sync_side_file()?;
        observe(Step::Synced);
        directory.write_marker(&marker)?;
        observe(Step::MarkerWritten);
        directory.place_marker()?;
        observe(Step::MarkerPlaced);
        directory.sync_names(&self.parents)?;
        observe(Step::NamesSynced);
        Ok(Opened { backend, side_file, created: true })
    }

    fn open_side_file(&self) -> Result<SideFile, OpenError> {
        let path = self.directory.side_file();
        SideFile::open(&path, Some(Arc::clone(&self.lock))).map_err(OpenError::io(&path))
    }
}

/// Opens the store in `directory`, which must be one of `B` if it is there. Where there is none, and `place` allows it, makes one that
/// holds `initial`.
#[cfg(test)]
pub(crate) fn open<B: Resident>(
    directory: &Path,
    place: &Place,
    options: &B::Options,
    initial: &Batch,
) -> Result<Opened<B>, OpenError> {
    B::validate(options)?;
    Held::take(directory, place, &[B::NAME])?.open(options, initial, &mut |_| {})
}
