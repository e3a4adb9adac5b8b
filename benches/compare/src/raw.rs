//! What keeps PivotDB's bytes, without PivotDB.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::ops::Deref;
use std::path::Path;

use pivotdb::Builder;
use redb::{Durability, ReadableDatabase};

/// A backend, as a program uses it that has no PivotDB.
pub trait Raw: Debug + Send + Sync + Sized + 'static {
    const NAME: &'static str;
    /// What workloads on it are called, before the name that they have on sled.
    const PREFIX: &'static str;
    type Value: Deref<Target = [u8]>;
    type Values: Iterator<Item = Self::Value>;

    /// Has PivotDB use it.
    fn choose(builder: Builder) -> Builder;

    /// Opens it as PivotDB does.
    fn open(directory: &Path, cache: u64) -> Self;

    fn get(&self, key: &[u8]) -> Option<Self::Value>;

    /// All values, in the order of their keys.
    fn values(&self) -> Self::Values;

    fn insert(&self, key: &[u8], value: &[u8]);

    /// Inserts all of them at once.
    fn apply_batch<K: AsRef<[u8]>, V: AsRef<[u8]>>(&self, entries: impl IntoIterator<Item = (K, V)>);

    /// What makes a commit durable.
    fn sync(&self);

    fn workload(name: &str) -> String {
        format!("{}{name}", Self::PREFIX)
    }
}

/// sled, and the file to sync for durability: sled's `flush` does not wait for the disk.
#[derive(Debug)]
pub struct Sled {
    database: sled::Db,
    data: File,
}

/// PivotDB's own.
const SEGMENT_SIZE: usize = 4 << 20;
const FLUSH_EVERY_MS: u64 = 500;

impl Raw for Sled {
    const NAME: &'static str = "sled";
    const PREFIX: &'static str = "";
    type Value = sled::IVec;
    type Values = std::iter::Map<sled::Iter, fn(sled::Result<(sled::IVec, sled::IVec)>) -> sled::IVec>;

    fn choose(builder: Builder) -> Builder {
        builder.sled()
    }

    fn open(directory: &Path, cache: u64) -> Self {
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

    fn get(&self, key: &[u8]) -> Option<sled::IVec> {
        self.database.get(key).expect("sled reads")
    }

    fn values(&self) -> Self::Values {
        self.database.iter().map(|entry| entry.expect("sled reads").1)
    }

    fn insert(&self, key: &[u8], value: &[u8]) {
        self.database.insert(key, value).expect("sled inserts");
    }

    fn apply_batch<K: AsRef<[u8]>, V: AsRef<[u8]>>(&self, entries: impl IntoIterator<Item = (K, V)>) {
        let mut batch = sled::Batch::default();
        for (key, value) in entries {
            batch.insert(key.as_ref(), value.as_ref());
        }
        self.database.apply_batch(batch).expect("sled takes a batch");
    }

    fn sync(&self) {
        self.database.flush().expect("sled flushes");
        self.data.sync_data().expect("the disk syncs");
    }
}

/// redb with one table. Each read sees what has been committed last, and so is a transaction of its own.
#[derive(Debug)]
pub struct Redb {
    database: redb::Database,
}

const ENTRIES: redb::TableDefinition<&[u8], &[u8]> = redb::TableDefinition::new("entries");

/// A value, where redb keeps it.
pub struct RedbValue(redb::AccessGuard<'static, &'static [u8]>);

impl Deref for RedbValue {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.value()
    }
}

/// Iterates over one transaction.
pub struct RedbValues {
    range: redb::Range<'static, &'static [u8], &'static [u8]>,
}

impl Iterator for RedbValues {
    type Item = RedbValue;

    fn next(&mut self) -> Option<RedbValue> {
        self.range.next().map(|entry| RedbValue(entry.expect("redb reads").1))
    }
}

impl Redb {
    fn table(&self) -> redb::ReadOnlyTable<&'static [u8], &'static [u8]> {
        let transaction = self.database.begin_read().expect("redb begins");
        transaction.open_table(ENTRIES).expect("redb has the table")
    }

    /// Makes a commit that is not durable.
    fn write(&self, change: impl FnOnce(&mut redb::Table<'_, &'static [u8], &'static [u8]>)) {
        let mut transaction = self.database.begin_write().expect("redb begins");
        transaction.set_durability(Durability::None).expect("redb takes it");
        change(&mut transaction.open_table(ENTRIES).expect("redb has the table"));
        transaction.commit().expect("redb commits");
    }
}

impl Raw for Redb {
    const NAME: &'static str = "redb";
    const PREFIX: &'static str = "redb-";
    type Value = RedbValue;
    type Values = RedbValues;

    fn choose(builder: Builder) -> Builder {
        builder.redb()
    }

    fn open(directory: &Path, cache: u64) -> Self {
        fs::create_dir_all(directory).expect("a directory can be made");
        let mut builder = redb::Database::builder();
        builder.set_cache_size(usize::try_from(cache).expect("it fits"));
        let opened = Self { database: builder.create(directory.join("data")).expect("redb opens") };
        opened.write(|_| {});
        opened
    }

    fn get(&self, key: &[u8]) -> Option<RedbValue> {
        self.table().get(key).expect("redb reads").map(RedbValue)
    }

    fn values(&self) -> RedbValues {
        RedbValues { range: self.table().range::<&[u8]>(..).expect("redb reads") }
    }

    fn insert(&self, key: &[u8], value: &[u8]) {
        self.write(|table| drop(table.insert(key, value).expect("redb inserts")));
    }

    fn apply_batch<K: AsRef<[u8]>, V: AsRef<[u8]>>(&self, entries: impl IntoIterator<Item = (K, V)>) {
        self.write(|table| {
            for (key, value) in entries {
                table.insert(key.as_ref(), value.as_ref()).expect("redb inserts");
            }
        });
    }

    fn sync(&self) {
        let transaction = self.database.begin_write().expect("redb begins");
        transaction.commit().expect("the disk syncs");
    }
}
