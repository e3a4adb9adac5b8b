//! Durable commits from several threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pivotdb::{Collection, Store};
use tempfile::TempDir;

use crate::data::{COLLECTION, directory};
use crate::documents::{Sample, User};
use crate::raw::Raw;

/// PivotDB's, by default.
const CACHE: u64 = 64 << 20;

/// Empty stores on both sides, to be filled by durable inserts.
pub struct Durable<R> {
    collection: Collection<User>,
    raw: R,
    next: AtomicU64,
    _store: Store,
    _directory: TempDir,
}

impl<R: Raw> Durable<R> {
    #[expect(clippy::new_without_default, reason = "it makes files")]
    pub fn new() -> Self {
        let directory = directory();
        let store =
            R::choose(Store::builder()).open(directory.path().join("pivotdb")).expect("a store opens");
        let collection = store.collection::<User>(COLLECTION).expect("a collection is made");
        let raw = R::open(&directory.path().join("raw"), CACHE);
        Self { collection, raw, next: AtomicU64::new(0), _store: store, _directory: directory }
    }

    /// So many inserts altogether, by so many threads.
    pub fn pivotdb(&self, threads: u64, inserts: u64) -> Duration {
        let begun = Instant::now();
        thread::scope(|scope| {
            for thread in 0..threads {
                let mine = inserts / threads + u64::from(thread < inserts % threads);
                scope.spawn(move || {
                    for _ in 0..mine {
                        let n = self.next.fetch_add(1, Ordering::Relaxed);
                        self.collection.insert_with_id(n, &User::make(n)).expect("a document is inserted");
                    }
                });
            }
        });
        begun.elapsed()
    }

    /// The same on one thread without PivotDB: insert, and what makes that durable.
    pub fn raw(&self, inserts: u64) -> Duration {
        let begun = Instant::now();
        for _ in 0..inserts {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            let text = serde_json::to_vec(&User::make(n)).expect("it is JSON");
            self.raw.insert(&n.to_be_bytes(), &text);
            self.raw.sync();
        }
        begun.elapsed()
    }
}
