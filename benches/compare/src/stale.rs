//! Documents of an old shape, beside the same ones in today's.

use pivotdb::{Collection, Durability, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::chain::Chain;
use crate::data::{CACHE, directory};
use crate::documents::Sample;

/// The same documents three times.
pub struct Stale<T> {
    pub collection: Collection<T>,
    /// In the old shape, as text.
    pub texts: Vec<Vec<u8>>,
    _directory: TempDir,
}

impl<T: Sample> Stale<T> {
    /// Documents in the old shape under 0, 1 ..., and in today's under the numbers after them.
    #[must_use]
    pub fn load(chain: &Chain, documents: u64) -> Self {
        let directory = directory();
        let builder = Store::builder().durability(Durability::Buffered).cache_capacity(CACHE);
        let store = builder.open(directory.path().join("store")).expect("a store opens");
        let evolution = chain.evolution();
        let untyped: Collection<Value> =
            store.collection_with("documents", "kind", &evolution).expect("the steps make sense");
        let old = untyped.view::<Value>(1).expect("there is a schema version 1");
        let mut texts = Vec::new();
        let bulk = |collection: &Collection<Value>| collection.bulk().expect("a bulk load begins");
        let (mut stale, mut current) = (bulk(&old), bulk(&untyped));
        for id in 0..documents {
            let sample = serde_json::to_value(T::make(id)).expect("it is JSON");
            let aged = chain.aged(sample);
            stale.insert_with_id(id, &aged).expect("a document is inserted");
            texts.push(serde_json::to_vec(&aged).expect("it is JSON"));
        }
        stale.finish().expect("they are written");
        for id in 0..documents {
            let document = untyped.require(id).expect("it is there");
            current.insert_with_id(documents + id, &document).expect("a document is inserted");
        }
        current.finish().expect("they are written");
        let collection = store.collection_with("documents", "kind", &evolution).expect("the same steps");
        Self { collection, texts, _directory: directory }
    }

    /// The document with this number, in today's shape.
    #[must_use]
    pub fn get(&self, id: u64) -> T {
        self.collection.require(id).expect("it can be read").into_value()
    }
}
