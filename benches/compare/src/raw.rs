//! sled without PivotDB.

use std::fs::{File, OpenOptions};
use std::path::Path;

/// A sled database, opened as PivotDB opens its own, and the file to sync for durability: sled's `flush` does not wait
/// for the disk.
#[derive(Debug)]
pub struct Raw {
    pub database: sled::Db,
    data: File,
}

/// PivotDB's own.
const SEGMENT_SIZE: usize = 4 << 20;
const FLUSH_EVERY_MS: u64 = 500;

impl Raw {
    pub fn open(directory: &Path, cache: u64) -> Self {
        let database = sled::Config::new()
            .path(directory)
            .cache_capacity(cache)
            .segment_size(SEGMENT_SIZE)
            .flush_every_ms(Some(FLUSH_EVERY_MS))
            .open()
            .expect("sled opens");
        let data = OpenOptions::new().write(true).open(directory.join("db")).expect("sled has its file");
        Self { database, data }
    }

    /// What a durable commit takes.
    pub fn sync(&self) {
        self.database.flush().expect("sled flushes");
        self.data.sync_data().expect("the disk syncs");
    }
}
