//! redb's file in a store directory.

use std::fs::OpenOptions;
use std::sync::Arc;
use std::time::Duration;

use ::redb::backends::FileBackend;

use crate::storage::directory::directory::{Directory, sync_file};
use crate::storage::directory::error::OpenError;
use crate::storage::directory::lock::Waiting;
use crate::storage::directory::marker::Marker;
use crate::storage::directory::open::{Held, Resident};
use crate::storage::redb::backend::{RedbBackend, Refusal};
use crate::storage::redb::error::translate;
use crate::storage::redb::medium::Medium;
use crate::storage::redb::options::RedbOptions;

impl Resident for RedbBackend {
    const NAME: &'static str = "redb";
    type Options = RedbOptions;

    fn validate(options: &RedbOptions) -> Result<(), OpenError> {
        options.validate()
    }

    fn settings(_: &RedbOptions) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn make(held: &Held, _: &Marker, options: &RedbOptions) -> Result<Self, OpenError> {
        open_redb(held, options, true)
    }

    fn open(held: &Held, _: &Marker, options: &RedbOptions) -> Result<Self, OpenError> {
        let directory = &held.directory;
        // redb would make a new database of it, and say nothing.
        match directory.redb().metadata() {
            Ok(metadata) if metadata.len() > 0 => open_redb(held, options, false),
            Ok(_) => Err(directory.damaged("the database file is empty")),
            Err(_) => Err(directory.damaged("the database file is missing")),
        }
    }

    fn sync_made(&self, directory: &Directory) -> Result<(), OpenError> {
        sync_file(&directory.redb()).map_err(OpenError::io(&directory.redb()))
    }
}

fn open_redb(held: &Held, options: &RedbOptions, make: bool) -> Result<RedbBackend, OpenError> {
    let directory = &held.directory;
    let path = directory.redb();
    let failed =
        |source| OpenError::Backend { directory: directory.given(), backend: RedbBackend::NAME, source };
    // Nobody else opens a store without our lock. Who holds redb's is a program that opens the file itself.
    let mut wait = Waiting::new(held.place.lock_timeout.max(Duration::from_secs(1)));
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(make)
            .truncate(false)
            .open(&path)
            .map_err(OpenError::io(&path))?;
        let file = FileBackend::new(file).map_err(|error| failed(translate(error)))?;
        let lock = Some(Arc::clone(&held.lock));
        match RedbBackend::open(Medium::new(file), options, held.place.close_timeout, lock) {
            Ok(backend) => return Ok(backend),
            Err(Refusal::Failed(error)) => return Err(failed(error)),
            Err(Refusal::Locked) => {
                if !wait.again() {
                    return Err(OpenError::Locked { directory: directory.given() });
                }
            }
        }
    }
}
