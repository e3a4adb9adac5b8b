//! What a directory is before it is opened, and the names in it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::storage::directory::error::OpenError;
use crate::storage::directory::marker::{Marker, MarkerError};
use crate::storage::directory::synced::SideFile;

const LOCK: &str = "pivotdb.lock";
const MARKER: &str = "pivotdb.format";
const MARKER_TEMPORARY: &str = "pivotdb.format.tmp";
const SIDE_FILE: &str = "pivotdb.synced";
/// Where the backends keep their files. Every build knows all of them, so that an unfinished creation is one whatever
/// backend it was for.
const SLED: &str = "sled";
const REDB: &str = "pivotdb.redb";

/// A directory that is a store, or shall become one.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    /// As the caller wrote it, for errors.
    given: PathBuf,
    /// Absolute, so that no backend follows a change of the working directory.
    path: PathBuf,
}

/// What is there.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::storage) enum Content {
    /// No directory.
    Absent,
    /// An empty directory.
    Empty,
    /// A creation that has not come to its end, or is under way in another process.
    Unfinished,
    /// A store.
    Store(Marker),
}

impl Directory {
    pub(in crate::storage) fn new(given: &Path) -> Result<Self, OpenError> {
        let path = std::path::absolute(given).map_err(OpenError::io(given))?;
        Ok(Self { given: given.to_owned(), path })
    }

    pub(in crate::storage) fn given(&self) -> PathBuf {
        self.given.clone()
    }

    pub(in crate::storage) fn lock(&self) -> PathBuf {
        self.path.join(LOCK)
    }

    pub(in crate::storage) fn side_file(&self) -> PathBuf {
        self.path.join(SIDE_FILE)
    }

    /// The directory of a sled database.
    #[cfg(feature = "sled")]
    pub(in crate::storage) fn sled(&self) -> PathBuf {
        self.path.join(SLED)
    }

    /// The file of a redb database.
    #[cfg(feature = "redb")]
    pub(in crate::storage) fn redb(&self) -> PathBuf {
        self.path.join(REDB)
    }

    /// Looks, and writes nothing.
    pub(in crate::storage) fn content(&self) -> Result<Content, OpenError> {
        let foreign = |found: &OsStr| OpenError::Foreign {
            directory: self.given(),
            found: found.to_string_lossy().into_owned(),
        };
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Absent),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                // It, or what should be a directory that it is in.
                let file = self.given.ancestors().find(|path| path.is_file()).unwrap_or(&self.given);
                return Err(OpenError::NotADirectory { file: file.to_owned() });
            }
            Err(error) => return Err(OpenError::io(&self.given)(error)),
        };
        let mut locked = false;
        let mut marked = false;
        let mut unknown = None;
        let mut anything = None;
        for entry in entries {
            let name = entry.map_err(OpenError::io(&self.given))?.file_name();
            match name.to_str() {
                Some(LOCK) => locked = true,
                Some(MARKER) => marked = true,
                Some(MARKER_TEMPORARY | SIDE_FILE | SLED | REDB) => anything = Some(name),
                _ => unknown = Some(name),
            }
        }
        if marked {
            return self.read_marker().map(Content::Store);
        }
        match unknown.or_else(|| anything.filter(|_| !locked)) {
            Some(found) => Err(foreign(&found)),
            None if !locked => Ok(Content::Empty),
            None => {
                let mark = SideFile::peek(&self.side_file()).map_err(OpenError::io(&self.side_file()))?;
                // A mark is written after a commit. Who made one had a marker, and somebody has taken it away since.
                if mark.is_some_and(|mark| mark.sequence > 0) {
                    return Err(self.damaged("the marker is missing"));
                }
                Ok(Content::Unfinished)
            }
        }
    }

    fn read_marker(&self) -> Result<Marker, OpenError> {
        let path = self.path.join(MARKER);
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(Marker::MAX_BYTES).read_to_end(&mut bytes))
            .map_err(OpenError::io(&path))?;
        Marker::parse(&bytes).map_err(|error| self.unreadable(error))
    }

    pub(in crate::storage) fn unreadable(&self, error: MarkerError) -> OpenError {
        match error {
            MarkerError::Newer(format) => OpenError::NewerFormat { directory: self.given(), format },
            MarkerError::Damaged(damage) => self.damaged(damage),
        }
    }

    pub(in crate::storage) fn damaged(&self, damage: &'static str) -> OpenError {
        OpenError::Damaged { directory: self.given(), damage }
    }

    /// Makes the directory and what is missing above it. Gives the directories that have a new entry.
    pub(in crate::storage) fn make(&self) -> Result<Vec<PathBuf>, OpenError> {
        let missing = self.path.ancestors().take_while(|ancestor| !ancestor.exists());
        let parents = missing.filter_map(Path::parent).map(Path::to_owned).collect();
        fs::create_dir_all(&self.path).map_err(OpenError::io(&self.given))?;
        Ok(parents)
    }

    /// Removes what an unfinished creation has left; the lock file stays.
    pub(in crate::storage) fn clear(&self) -> Result<(), OpenError> {
        for name in [MARKER_TEMPORARY, SIDE_FILE, REDB] {
            let path = self.path.join(name);
            ignore_missing(fs::remove_file(&path)).map_err(OpenError::io(&path))?;
        }
        let sled = self.path.join(SLED);
        ignore_missing(fs::remove_dir_all(&sled)).map_err(OpenError::io(&sled))
    }

    /// Puts the side file on the medium.
    pub(in crate::storage) fn sync_side_file(&self) -> Result<(), OpenError> {
        sync_file(&self.side_file()).map_err(OpenError::io(&self.side_file()))
    }

    /// Writes the marker beside its place and puts it on the medium.
    pub(in crate::storage) fn write_marker(&self, marker: &Marker) -> Result<(), OpenError> {
        let path = self.path.join(MARKER_TEMPORARY);
        File::create(&path)
            .and_then(|mut file| {
                file.write_all(marker.to_string().as_bytes())?;
                file.sync_all()
            })
            .map_err(OpenError::io(&path))
    }

    /// Moves the marker to its place: from here on this is a store.
    pub(in crate::storage) fn place_marker(&self) -> Result<(), OpenError> {
        let path = self.path.join(MARKER);
        fs::rename(self.path.join(MARKER_TEMPORARY), &path).map_err(OpenError::io(&path))
    }

    /// Puts the directory's entries on the medium, and those of its parent and of `parents`.
    pub(in crate::storage) fn sync_names(&self, parents: &[PathBuf]) -> Result<(), OpenError> {
        sync_directory(&self.path).map_err(OpenError::io(&self.path))?;
        for parent in self.path.parent().into_iter().chain(parents.iter().map(PathBuf::as_path)) {
            match sync_directory(parent) {
                // One may enter a directory without being allowed to open it. Then its own file system has to do.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                result => result.map_err(OpenError::io(parent))?,
            }
        }
        Ok(())
    }
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

pub(in crate::storage) fn sync_file(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.sync_all()
}

#[cfg(unix)]
pub(in crate::storage) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere a directory cannot be opened, and the file system keeps its entries by itself.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
pub(in crate::storage) fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
