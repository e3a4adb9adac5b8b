//! The same documents on both sides.

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use pivotdb::{Collection, Durability, Store};
use tempfile::TempDir;

use crate::arguments::Scale;
use crate::contest::Pair;
use crate::documents::Sample;
use crate::duty::on_duty;
use crate::mirror::Mirror;
use crate::raw::Raw;
use crate::table::{Comparison, Row, Table};

/// Holds every data set, on both sides.
pub const CACHE: u64 = 2 << 30;

/// As many documents as PivotDB's bulk load commits at once.
const BATCH: u64 = 256;

/// In how many turns the data are loaded.
const TURNS: u64 = 10;

/// The collection all documents are in.
pub const COLLECTION: &str = "documents";

/// A data set that is made when it is first asked for.
pub struct Data<T, R> {
    scale: Scale,
    loaded: OnceCell<Loaded<T, R>>,
    mirror: OnceCell<Mirror<R>>,
}

/// Documents 0, 1 ... under their numbers.
pub struct Loaded<T, R> {
    pub store: Store,
    pub collection: Collection<T>,
    /// JSON text under eight bytes.
    pub raw: R,
    load: Vec<Pair>,
    _directory: TempDir,
}

/// Where the files go: beside what cargo builds, since a temporary directory may not be on a disk.
pub fn directory() -> TempDir {
    let here = std::env::current_exe().expect("a program has a path");
    tempfile::tempdir_in(here.parent().expect("a file is in a directory")).expect("a directory can be made")
}

impl<T: Sample, R: Raw> Data<T, R> {
    pub fn new(scale: &Scale) -> Self {
        Self { scale: scale.clone(), loaded: OnceCell::new(), mirror: OnceCell::new() }
    }

    pub fn get(&self) -> &Loaded<T, R> {
        self.loaded.get_or_init(|| Loaded::load(self.scale.documents))
    }

    /// A raw database with PivotDB's own keys and values.
    pub fn mirror(&self) -> &Mirror<R> {
        self.mirror.get_or_init(|| Mirror::load::<T>(self.scale.documents))
    }

    /// The documents that are written to, with their ids.
    pub fn hot(&self) -> Vec<(u64, T)> {
        let Scale { documents, hot, .. } = self.scale;
        (0..hot).map(|n| n * (documents / hot)).map(|id| (id, T::make(id))).collect()
    }

    /// Tells what loading took, if it has been done.
    pub fn tell(&self, table: &mut Table) {
        let Some(loaded) = self.loaded.get() else { return };
        let names = ("PivotDB bulk", &*format!("{} apply_batch, 256", R::NAME));
        if let Some(mirror) = self.mirror.get() {
            table.remark(format!("{} {} writes {}", R::workload("PUT"), T::SIZE, mirror.describe()));
        }
        table.add(Row::new(Comparison::Ratio, R::workload("load"), T::SIZE, names, None, &loaded.load));
    }
}

impl<T: Sample, R: Raw> Loaded<T, R> {
    fn load(documents: u64) -> Self {
        let directory = directory();
        let builder = R::choose(Store::builder()).durability(Durability::Buffered).cache_capacity(CACHE);
        let store = builder.open(directory.path().join("pivotdb")).expect("a store opens");
        let collection = store.collection::<T>(COLLECTION).expect("a collection is made");
        let raw = R::open(&directory.path().join("raw"), CACHE);
        let mut load = Vec::new();
        for turn in 0..TURNS {
            let ids = turn * documents / TURNS..(turn + 1) * documents / TURNS;
            let values: Vec<(u64, T)> = ids.map(|id| (id, T::make(id))).collect();
            let operations = values.len() as u64;
            let subject = load_pivotdb(&collection, &values);
            let reference = load_raw(&raw, &values);
            load.push(Pair { operations, subject, reference });
        }
        let loaded = Self { store, collection, raw, load, _directory: directory };
        loaded.warm(documents);
        loaded
    }

    /// Reads everything once: what has been written in pieces is put together by the first who reads it.
    fn warm(&self, documents: u64) {
        let mut found = (0, 0);
        for document in self.collection.iter() {
            document.expect("it can be read");
            found.0 += 1;
        }
        found.1 += self.raw.values().count() as u64;
        assert_eq!(found, (documents, documents));
    }
}

/// Loads documents, and waits for the disk.
pub fn load_pivotdb<T: Sample>(collection: &Collection<T>, values: &[(u64, T)]) -> Duration {
    let begun = Instant::now();
    let mut bulk = collection.bulk().expect("a load begins");
    for (id, value) in values {
        bulk.insert_with_id(*id, value).expect("a document is inserted");
    }
    bulk.finish().expect("a load ends");
    begun.elapsed()
}

/// The same without PivotDB.
pub fn load_raw<T: Sample>(raw: &impl Raw, values: &[(u64, T)]) -> Duration {
    let begun = Instant::now();
    on_duty(raw, |duty| {
        for values in values.chunks(BATCH as usize) {
            let text = |value| serde_json::to_vec(value).expect("it is JSON");
            raw.apply_batch(values.iter().map(|(id, value)| (id.to_be_bytes(), text(value))));
            duty.hold_back();
        }
    });
    begun.elapsed()
}
