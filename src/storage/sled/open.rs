//! sled's files in a store directory.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::storage::backend::BackendError;
use crate::storage::directory::directory::{Directory, sync_directory, sync_file};
use crate::storage::directory::error::OpenError;
use crate::storage::directory::lock::Waiting;
use crate::storage::directory::marker::Marker;
use crate::storage::directory::open::{Held, Resident};
use crate::storage::sled::backend::SledBackend;
use crate::storage::sled::error::{panicked, translate};
use crate::storage::sled::options::{SledOptions, valid_segment_size};
use crate::storage::sled::through::write_through;

const SEGMENT_SIZE: &str = "segment_size";

impl Resident for SledBackend {
    const NAME: &'static str = "sled";
    type Options = SledOptions;

    fn validate(options: &SledOptions) -> Result<(), OpenError> {
        options.validate()
    }

    fn settings(options: &SledOptions) -> Vec<(&'static str, String)> {
        vec![(SEGMENT_SIZE, options.segment_size.to_string())]
    }

    fn make(held: &Held, _: &Marker, options: &SledOptions) -> Result<Self, OpenError> {
        open_sled(held, options.segment_size, options)
    }

    fn open(held: &Held, marker: &Marker, options: &SledOptions) -> Result<Self, OpenError> {
        let directory = &held.directory;
        let segment_size = marker
            .setting(SEGMENT_SIZE)
            .map_err(|error| directory.unreadable(error))?
            .and_then(|value| value.parse().ok())
            .filter(|size| valid_segment_size(*size))
            .ok_or_else(|| directory.damaged("the marker has no segment size that is possible"))?;
        // sled would make a new database in its place, and say nothing.
        if !data(directory).is_file() {
            return Err(directory.damaged("the database file is missing"));
        }
        // What recovery writes goes through already, and what it reads is there to stay.
        File::open(data(directory))
            .and_then(|file| write_through(&file))
            .map_err(OpenError::io(&data(directory)))?;
        remove_leftovers(directory)?;
        open_sled(held, segment_size, options)
    }

    fn sync_made(&self, directory: &Directory) -> Result<(), OpenError> {
        for path in [data(directory), directory.sled().join("conf")] {
            sync_file(&path).map_err(OpenError::io(&path))?;
        }
        sync_directory(&directory.sled()).map_err(OpenError::io(&directory.sled()))
    }
}

/// sled's data file.
fn data(directory: &Directory) -> PathBuf {
    directory.sled().join("db")
}

/// Removes the snapshots that sled was writing when it was killed. It takes them for finished ones, and fails at every
/// opening until they are gone.
fn remove_leftovers(directory: &Directory) -> Result<(), OpenError> {
    let sled = directory.sled();
    for entry in fs::read_dir(&sled).map_err(OpenError::io(&sled))? {
        let entry = entry.map_err(OpenError::io(&sled))?;
        let name = entry.file_name();
        let leftover =
            name.to_str().is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating"));
        if leftover {
            fs::remove_file(entry.path()).map_err(OpenError::io(&entry.path()))?;
        }
    }
    Ok(())
}

fn open_sled(held: &Held, segment_size: usize, options: &SledOptions) -> Result<SledBackend, OpenError> {
    let directory = &held.directory;
    let failed = |source: BackendError| OpenError::Backend {
        directory: directory.given(),
        backend: SledBackend::NAME,
        source,
    };
    // Nobody else opens a store without our lock. Who holds sled's is what an earlier handle of this process left running,
    // for a moment; or a program that opens `sled/` itself.
    let mut wait = Waiting::new(held.place.lock_timeout.max(Duration::from_secs(1)));
    let database = loop {
        let config = ::sled::Config::new()
            .path(directory.sled())
            .cache_capacity(options.cache_capacity)
            .segment_size(segment_size)
            .flush_every_ms(u64::try_from(options.flush_every.as_millis()).ok());
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(database)) => break database,
            Ok(Err(error)) if is_locked(&error) => {
                if !wait.again() {
                    return Err(OpenError::Locked { directory: directory.given() });
                }
            }
            Ok(Err(error)) => return Err(failed(translate(error))),
            Err(payload) => return Err(failed(panicked(&*payload))),
        }
    };
    SledBackend::new(database, &directory.sled(), held.place.close_timeout, Arc::clone(&held.lock))
        .map_err(failed)
}

fn is_locked(error: &::sled::Error) -> bool {
    matches!(error, ::sled::Error::Io(source) if source.to_string().starts_with("could not acquire lock"))
}
