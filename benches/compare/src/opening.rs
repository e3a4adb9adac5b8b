//! Opening a store that has been closed, with everything in it.

use std::iter::repeat_with;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pivotdb::backend::MemoryBackend;
use pivotdb::{Durability, Store};
use tempfile::TempDir;

use crate::data::{COLLECTION, directory};
use crate::documents::Sample;
use crate::mirror::copy;
use crate::raw::Raw;

/// PivotDB's, by default.
const CACHE: u64 = 64 << 20;

/// The same keys and values on both sides.
#[derive(Debug)]
pub struct Opening<R> {
    directory: TempDir,
    backend: PhantomData<R>,
}

impl<R: Raw> Opening<R> {
    /// Both sides are opened once before they are measured: sled then reads all that has been written since it was opened last.
    pub fn new<T: Sample>(documents: u64) -> Self {
        let opening = Self { directory: directory(), backend: PhantomData };
        load::<T>(opening.store(), documents);
        let memory = Arc::new(MemoryBackend::new());
        load::<T>(
            Store::builder().open_backend(Arc::<MemoryBackend>::clone(&memory)).expect("a store opens"),
            documents,
        );
        copy(&memory, &opening.open_raw());
        opening.pivotdb(1);
        opening.raw(1);
        opening
    }

    pub fn pivotdb(&self, times: u64) -> Duration {
        measured(times, || self.store(), |store| store.close().expect("a store closes"))
    }

    pub fn raw(&self, times: u64) -> Duration {
        measured(times, || self.open_raw(), drop)
    }

    fn store(&self) -> Store {
        let builder = R::choose(Store::builder()).durability(Durability::Buffered);
        builder.open(self.directory.path().join("pivotdb")).expect("a store opens")
    }

    fn open_raw(&self) -> R {
        R::open(&self.directory.path().join("raw"), CACHE)
    }
}

fn load<T: Sample>(store: Store, documents: u64) {
    let mut bulk =
        store.collection::<T>(COLLECTION).expect("a collection is made").bulk().expect("a load begins");
    for id in 0..documents {
        bulk.insert_with_id(id, &T::make(id)).expect("a document is inserted");
    }
    bulk.finish().expect("a load ends");
    store.close().expect("a store closes");
}

/// What opening takes; closing is not measured.
fn measured<S>(times: u64, open: impl Fn() -> S, close: impl Fn(S)) -> Duration {
    let once = || {
        let begun = Instant::now();
        let opened = open();
        let took = begun.elapsed();
        close(opened);
        took
    };
    repeat_with(once).take(usize::try_from(times).expect("it fits")).sum()
}
