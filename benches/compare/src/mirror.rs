//! A raw database with the keys and values of a PivotDB store, and what one put of PivotDB's writes to it.

use std::sync::{Arc, Mutex};

use pivotdb::backend::{
    Backend, BackendError, Batch, Bytes, Direction, KeyRange, MemoryBackend, Page, PageLimit,
};
use pivotdb::{Durability, Store};
use tempfile::TempDir;

use crate::data::{CACHE, COLLECTION, directory};
use crate::documents::Sample;
use crate::raw::Raw;

/// The database, and how PivotDB writes to it.
#[derive(Debug)]
pub struct Mirror<R> {
    pub raw: R,
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

impl<R: Raw> Mirror<R> {
    /// Has PivotDB load the documents into memory, and copies what it has written.
    pub fn load<T: Sample>(documents: u64) -> Self {
        let recorder = Arc::new(Recorder { memory: MemoryBackend::new(), last: Mutex::default() });
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
        let directory = directory();
        let raw = R::open(&directory.path().join("raw"), CACHE);
        copy(&recorder.memory, &raw);
        // As on the other sides: read once before it is measured.
        assert!(raw.values().count() as u64 >= documents);
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
    pub fn writer(&self) -> Writer<'_, R> {
        Writer { raw: &self.raw, shape: self.shape.clone(), count: 0 }
    }
}

/// Writes keys and bytes like those of PivotDB's puts, another value each time.
#[derive(Debug)]
pub struct Writer<'a, R> {
    raw: &'a R,
    shape: Shape,
    count: u64,
}

impl<R: Raw> Writer<'_, R> {
    /// As many keys and bytes as one put of document `id`, at once.
    pub fn apply_batch(&mut self, id: u64) {
        self.count += 1;
        self.shape.others.iter_mut().for_each(|(_, value)| vary(value, self.count));
        let (prefix, value) = &mut self.shape.document;
        vary(value, self.count);
        let key = [prefix.as_slice(), &id.to_be_bytes()].concat();
        let others = self.shape.others.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        self.raw.apply_batch(others.chain([(key.as_slice(), value.as_slice())]));
    }

    /// The document's own key and value alone.
    pub fn insert(&mut self, id: u64) {
        self.count += 1;
        let (prefix, value) = &mut self.shape.document;
        vary(value, self.count);
        let key = [prefix.as_slice(), &id.to_be_bytes()].concat();
        self.raw.insert(&key, value);
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

/// All entries, as many at a time as a bulk load writes.
pub fn copy(from: &MemoryBackend, to: &impl Raw) {
    let mut range = KeyRange::all();
    loop {
        let limit = PageLimit { entries: 256, bytes: usize::MAX };
        let page = from.page(&range, Direction::Forward, limit).expect("memory can be read");
        to.apply_batch(page.entries.iter().map(|(key, value)| (&**key, &**value)));
        match page.entries.last() {
            Some((last, _)) if !page.complete => range.start = [last, &[0][..]].concat(),
            _ => break,
        }
    }
    to.sync();
}

/// Passes everything on to memory, and keeps the last batch.
#[derive(Debug)]
struct Recorder {
    memory: MemoryBackend,
    last: Mutex<Batch>,
}

impl Backend for Recorder {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        self.memory.get(key)
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        self.memory.page(range, direction, limit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        *self.last.lock().expect("nobody panicked") = batch.clone();
        self.memory.apply(batch)
    }

    fn flush(&self) -> Result<(), BackendError> {
        Ok(())
    }

    fn sync(&self) -> Result<(), BackendError> {
        Ok(())
    }
}
