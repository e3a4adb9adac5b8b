//! Inserts into a collection with three indexes, a hundred documents in a transaction, beside SQLite.

use pivotdb::{Collection, Durability, Index, Store};
use tempfile::TempDir;

use crate::asked::Asked;
use crate::data::{CACHE, COLLECTION, directory};
use crate::pairs::{Names, Runner};
use crate::sqlite::{Sqlite, Synchronous};

/// Documents in a transaction.
const BATCH: usize = 100;

/// Both sides, to be filled.
struct Sides<T> {
    store: Store,
    ours: Collection<T>,
    theirs: Sqlite,
    documents: Vec<T>,
    _directory: TempDir,
}

/// `insert-3-indexes`, each commit on the disk when it returns; `insert-3-indexes-buffered`, somewhat later.
pub fn run<T: Asked>(runner: &mut Runner) {
    for (workload, durability, synchronous) in [
        ("insert-3-indexes", Durability::Immediate, Synchronous::Full),
        ("insert-3-indexes-buffered", Durability::Buffered, Synchronous::Normal),
    ] {
        if !runner.scale.wants(workload) {
            continue;
        }
        // More than one batch, and then the same again.
        let Some(documents) = T::documents(BATCH as u64 * 100) else { return };
        let sides = Sides::new(documents, durability, synchronous);
        let (mut ours, mut theirs) = (0, 0);
        runner.measure(
            Names { workload, size: T::SIZE, beside: "sqlite", aim: None },
            |_| {
                sides.insert_ours(ours);
                ours += BATCH;
            },
            |_| {
                sides.insert_theirs(theirs);
                theirs += BATCH;
            },
        );
        let held = sides.theirs.number("SELECT count(*) FROM documents", []);
        assert_eq!(held, sides.ours.count().expect("it is open"), "both have taken the same");
    }
}

impl<T: Asked> Sides<T> {
    fn new(documents: Vec<T>, durability: Durability, synchronous: Synchronous) -> Self {
        let directory = directory();
        let builder = Store::builder().durability(durability).cache_capacity(CACHE);
        let store = builder.open(directory.path().join("pivotdb")).expect("a store opens");
        let ours = store.collection::<T>(COLLECTION).expect("a collection is made");
        let theirs = Sqlite::open(&directory.path().join("sqlite"), synchronous);
        for path in T::indexed() {
            ours.create_index(&Index::on(path)).expect("an index is made");
            theirs.create_index(path);
        }
        Self { store, ours, theirs, documents, _directory: directory }
    }

    /// Documents from number `first` on.
    fn batch(&self, first: usize) -> impl Iterator<Item = (u64, &T)> {
        let document = |number: usize| &self.documents[number % self.documents.len()];
        (first..first + BATCH).map(move |number| (number as u64, document(number)))
    }

    fn insert_ours(&self, first: usize) {
        let inserted = self.store.transaction(|transaction| {
            let ours = transaction.on(&self.ours);
            self.batch(first).try_for_each(|(id, document)| ours.insert_with_id(id, document))
        });
        inserted.expect("documents are inserted");
    }

    fn insert_theirs(&self, first: usize) {
        self.theirs.insert(self.batch(first));
    }
}
