//! What a directory is before it is opened, and the names in it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::storage::sled::error::OpenError;
use crate::storage::sled::marker::{Marker, MarkerError};
use crate::storage::sled::synced::SideFile;

pub(super) const LOCK: &str = "pivotdb.lock";
const MARKER: &str = "pivotdb.format";
const MARKER_TEMPORARY: &str = "pivotdb.format.tmp";
const SIDE_FILE: &str = "pivotdb.synced";
const SLED: &str = "sled";

/// A directory that is a store, or shall become one.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    /// As the caller wrote it, for errors.
    given: PathBuf,
    /// Absolute, so that sled does not follow a change of the working directory.
    path: PathBuf,
}

/// What is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
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
    pub(super) fn new(given: &Path) -> Result<Self, OpenError> {
        let path = std::path::absolute(given).map_err(OpenError::io(given))?;
        Ok(Self { given: given.to_owned(), path })
    }

    pub(super) fn given(&self) -> PathBuf {
        self.given.clone()
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.path.join(LOCK)
    }

    pub(super) fn side_file(&self) -> PathBuf {
        self.path.join(SIDE_FILE)
    }

    pub(super) fn sled(&self) -> PathBuf {
        self.path.join(SLED)
    }

    /// sled's data file.
    pub(super) fn data(&self) -> PathBuf {
        self.sled().join("db")
    }

    /// Looks, and writes nothing.
    pub(super) fn content(&self) -> Result<Content, OpenError> {
        let foreign = |found: &OsStr| OpenError::Foreign {
            directory: self.given(),
            found: found.to_string_lossy().into_owned(),
        };
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Absent),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(foreign(self.path.file_name().unwrap_or_default()));
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
                Some(MARKER_TEMPORARY | SIDE_FILE | SLED) => anything = Some(name),
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
        Marker::parse(&bytes).map_err(|error| match error {
            MarkerError::Newer(format) => OpenError::NewerFormat { directory: self.given(), format },
            MarkerError::Damaged(damage) => self.damaged(damage),
        })
    }

    pub(super) fn damaged(&self, damage: &'static str) -> OpenError {
        OpenError::Damaged { directory: self.given(), damage }
    }

    /// Makes the directory and what is missing above it. Gives the directories that have a new entry.
    pub(super) fn make(&self) -> Result<Vec<PathBuf>, OpenError> {
        let missing = self.path.ancestors().take_while(|ancestor| !ancestor.exists());
        let parents = missing.filter_map(Path::parent).map(Path::to_owned).collect();
        fs::create_dir_all(&self.path).map_err(OpenError::io(&self.given))?;
        Ok(parents)
    }

    /// Removes what an unfinished creation has left; the lock file stays.
    pub(super) fn clear(&self) -> Result<(), OpenError> {
        for name in [MARKER_TEMPORARY, SIDE_FILE] {
            let path = self.path.join(name);
            ignore_missing(fs::remove_file(&path)).map_err(OpenError::io(&path))?;
        }
        ignore_missing(fs::remove_dir_all(self.sled())).map_err(OpenError::io(&self.sled()))
    }

    /// Removes the snapshots that sled was writing when it was killed. It takes them for finished ones, and fails at every
    /// opening until they are gone.
    pub(super) fn remove_leftovers(&self) -> Result<(), OpenError> {
        for entry in fs::read_dir(self.sled()).map_err(OpenError::io(&self.sled()))? {
            let entry = entry.map_err(OpenError::io(&self.sled()))?;
            let name = entry.file_name();
            let leftover =
                name.to_str().is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating"));
            if leftover {
                fs::remove_file(entry.path()).map_err(OpenError::io(&entry.path()))?;
            }
        }
        Ok(())
    }

    /// Puts sled's files on the medium.
    pub(super) fn sync_sled(&self) -> Result<(), OpenError> {
        for path in [self.data(), self.sled().join("conf"), self.side_file()] {
            sync_file(&path).map_err(OpenError::io(&path))?;
        }
        sync_directory(&self.sled()).map_err(OpenError::io(&self.sled()))
    }

    /// Writes the marker beside its place and puts it on the medium.
    pub(super) fn write_marker(&self, marker: Marker) -> Result<(), OpenError> {
        let path = self.path.join(MARKER_TEMPORARY);
        File::create(&path)
            .and_then(|mut file| {
                file.write_all(marker.to_string().as_bytes())?;
                file.sync_all()
            })
            .map_err(OpenError::io(&path))
    }

    /// Moves the marker to its place: from here on this is a store.
    pub(super) fn place_marker(&self) -> Result<(), OpenError> {
        let path = self.path.join(MARKER);
        fs::rename(self.path.join(MARKER_TEMPORARY), &path).map_err(OpenError::io(&path))
    }

    /// Puts the directory's entries on the medium, and those of its parent and of `parents`.
    pub(super) fn sync_names(&self, parents: &[PathBuf]) -> Result<(), OpenError> {
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

fn sync_file(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.sync_all()
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere a directory cannot be opened, and the file system keeps its entries by itself.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
