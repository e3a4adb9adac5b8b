//! A raw sled database with the keys and values of a PivotDB store, and what one put of PivotDB's writes to it.

use std::sync::{Arc, Mutex};

use pivotdb::backend::{Backend, BackendError, Batch, Bytes, Direction, Failure, KeyRange, Page, PageLimit};
use pivotdb::{Durability, Store};
use tempfile::TempDir;

use crate::data::{CACHE, COLLECTION, directory};
use crate::documents::Sample;
use crate::raw::Raw;

/// The database, and how PivotDB writes to it.
#[derive(Debug)]
pub struct Mirror {
    pub raw: Arc<Raw>,
    shape: Shape,
    _directory: TempDir,
}

/// What one put of a document that is there writes.
#[derive(Debug, Clone)]
struct Shape {
    /// The document's key without the number it ends with, and the document's value.
    document: (Vec<u8>, Vec<u8>),
    /// Keys that every put writes.
    others: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Mirror {
    /// Has PivotDB load the documents through a backend that passes everything on to sled as it is.
    pub fn load<T: Sample>(documents: u64) -> Self {
        let directory = directory();
        let raw = Arc::new(Raw::open(directory.path(), CACHE));
        let recorder = Arc::new(Recorder { raw: Arc::clone(&raw), last: Mutex::default() });
        let builder = Store::builder().durability(Durability::Buffered);
        let store = builder.open_backend(Arc::<Recorder>::clone(&recorder)).expect("a store opens");
        let collection = store.collection::<T>(COLLECTION).expect("a collection is made");
        let mut bulk = collection.bulk().expect("a load begins");
        for id in 0..documents {
            bulk.insert_with_id(id, &T::make(id)).expect("a document is inserted");
        }
        bulk.finish().expect("a load ends");
        let (id, mut value) = (documents / 2, T::make(documents / 2));
        value.touch();
        collection.put(id, &value).expect("a document is put");
        store.close().expect("a store closes");
        let last = std::mem::take(&mut *recorder.last.lock().expect("nobody panicked"));
        // As on the other sides: read once before it is measured.
        assert!(raw.database.iter().all(|entry| entry.is_ok()));
        Self { shape: Shape::of(last, id), raw, _directory: directory }
    }

    /// Keys and bytes of one put.
    pub fn describe(&self) -> String {
        let Shape { document: (key, value), others } = &self.shape;
        let others = others.iter().map(|(key, value)| format!("{} + {}", key.len(), value.len()));
        let all: Vec<_> =
            [format!("{} + {}", key.len() + 8, value.len())].into_iter().chain(others).collect();
        format!("{} keys ({} bytes)", all.len(), all.join(", "))
    }

    /// Who writes as PivotDB does, without it.
    pub fn writer(&self) -> Writer<'_> {
        Writer { raw: &self.raw, shape: self.shape.clone(), count: 0 }
    }
}

/// Writes keys and bytes like those of PivotDB's puts, another value each time.
#[derive(Debug)]
pub struct Writer<'a> {
    raw: &'a Raw,
    shape: Shape,
    count: u64,
}

impl Writer<'_> {
    /// As many keys and bytes as one put of document `id`, at once.
    pub fn apply_batch(&mut self, id: u64) {
        self.count += 1;
        let mut batch = sled::Batch::default();
        for (key, value) in &mut self.shape.others {
            vary(value, self.count);
            batch.insert(key.as_slice(), value.as_slice());
        }
        let (prefix, value) = &mut self.shape.document;
        vary(value, self.count);
        batch.insert([prefix.as_slice(), &id.to_be_bytes()].concat(), value.as_slice());
        self.raw.database.apply_batch(batch).expect("sled takes a batch");
    }

    /// The document's own key and value alone.
    pub fn insert(&mut self, id: u64) {
        self.count += 1;
        let (prefix, value) = &mut self.shape.document;
        vary(value, self.count);
        let key = [prefix.as_slice(), &id.to_be_bytes()].concat();
        self.raw.database.insert(key, value.as_slice()).expect("sled inserts");
    }
}

fn vary(value: &mut [u8], count: u64) {
    if let Some(start) = value.first_chunk_mut() {
        *start = count.to_le_bytes();
    }
}

impl Shape {
    fn of(batch: Batch, id: u64) -> Self {
        let (mut documents, mut others) = (Vec::new(), Vec::new());
        for (key, value) in &batch.writes {
            let value = value.as_ref().expect("a put removes nothing").to_vec();
            match key.strip_suffix(&id.to_be_bytes()) {
                Some(prefix) => documents.push((prefix.to_vec(), value)),
                None => others.push((key.to_vec(), value)),
            }
        }
        let document = documents.pop().expect("a key ends with the id");
        assert!(documents.is_empty(), "only one does");
        Self { document, others }
    }
}

/// Passes everything on to sled, and keeps the last batch.
#[derive(Debug)]
struct Recorder {
    raw: Arc<Raw>,
    last: Mutex<Batch>,
}

fn failed(error: sled::Error) -> BackendError {
    BackendError::new(Failure::Io, "sled failed").with_source(error)
}

impl Backend for Recorder {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        Ok(self.raw.database.get(key).map_err(failed)?.map(|value| Bytes::from(&*value)))
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        if range.is_empty() {
            return Ok(Page { entries: Vec::new(), complete: true });
        }
        let start = range.start.as_slice();
        let entries = match range.end.as_deref() {
            Some(end) => self.raw.database.range(start..end),
            None => self.raw.database.range(start..),
        };
        let own = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, value) = entry.map_err(failed)?;
            Ok((Bytes::from(&*key), Bytes::from(&*value)))
        };
        match direction {
            Direction::Forward => Page::collect(entries.map(own), limit),
            Direction::Backward => Page::collect(entries.rev().map(own), limit),
        }
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        let mut changes = sled::Batch::default();
        for (key, value) in &batch.writes {
            match value {
                Some(value) => changes.insert(&**key, &**value),
                None => changes.remove(&**key),
            }
        }
        *self.last.lock().expect("nobody panicked") = batch.clone();
        self.raw.database.apply_batch(changes).map_err(failed)
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.raw.database.flush().map(drop).map_err(failed)
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.raw.sync();
        Ok(())
    }
}
