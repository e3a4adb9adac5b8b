//! Programs that come and go on one medium.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pivotdb::backend::{
    Backend, BackendError, Batch, Bytes, Direction, KeyRange, MemoryBackend, Page, PageLimit,
};
use pivotdb::{Builder, Collection, Evolution, IndexInfo, IndexState, Store, Verify};
use serde_json::{Value, json};

/// What programs come and go on.
pub(crate) struct Medium(Arc<MemoryBackend>);

impl Medium {
    pub(crate) fn new() -> Self {
        Self(Arc::new(MemoryBackend::new()))
    }

    /// Without a thread of its own: what is to be done is done by `run`.
    pub(crate) fn open(&self) -> Store {
        Store::builder().background(false).open_backend(self.0.clone()).unwrap()
    }

    /// The same, otherwise as it is told.
    pub(crate) fn open_with(&self, with: impl FnOnce(Builder) -> Builder) -> Store {
        with(Store::builder().background(false)).open_backend(self.0.clone()).unwrap()
    }

    /// Damages the document at a position in the order of keys.
    pub(crate) fn damage_document(&self, position: usize) {
        let range = KeyRange { start: vec![1, 0x10], end: Some(vec![1, 0x11]) };
        let limit = PageLimit { entries: 100, bytes: 1 << 20 };
        let page = self.0.page(&range, Direction::Forward, limit).unwrap();
        let (key, value) = page.entries[position].clone();
        let mut value = value.to_vec();
        *value.last_mut().unwrap() ^= 1;
        self.plant(key, Some(value.into()));
    }

    /// Damages what is at the first key that begins so.
    pub(crate) fn damage(&self, prefix: &[u8]) {
        let range = KeyRange { start: prefix.to_vec(), end: None };
        let limit = PageLimit { entries: 1, bytes: 1 << 20 };
        let page = self.0.page(&range, Direction::Forward, limit).unwrap();
        let (key, value) = page.entries[0].clone();
        assert!(key.starts_with(prefix), "{key:?}");
        let mut value = value.to_vec();
        *value.last_mut().unwrap() ^= 1;
        self.plant(key, Some(value.into()));
    }

    /// With one.
    pub(crate) fn open_with_thread(&self) -> Store {
        Store::builder().open_backend(self.0.clone()).unwrap()
    }

    /// The first key that begins so.
    pub(crate) fn first(&self, prefix: [u8; 2]) -> (Bytes, Bytes) {
        let range = KeyRange { start: prefix.to_vec(), end: None };
        let limit = PageLimit { entries: 1, bytes: 1 << 20 };
        let page = self.0.page(&range, Direction::Forward, limit).unwrap();
        page.entries.into_iter().find(|(key, _)| key.starts_with(&prefix)).unwrap()
    }

    /// Puts something there that no commit has put there.
    pub(crate) fn plant(&self, key: Bytes, value: Option<Bytes>) {
        let mut batch = Batch::default();
        batch.writes.insert(key, value);
        self.0.apply(&batch).unwrap();
    }

    /// A program that knows the kind `thing` with these steps.
    pub(crate) fn things(&self, evolution: &Evolution) -> (Store, Collection<Value>) {
        let store = self.open();
        let things = store.collection_with("things", "thing", evolution).unwrap();
        (store, things)
    }
}

/// A store in memory without a thread of its own.
pub(crate) fn things() -> (Store, Collection<Value>) {
    Medium::new().things(&Evolution::new())
}

/// More documents than are indexed before the call returns.
pub(crate) fn fill(things: &Collection<Value>, documents: u64) {
    let mut bulk = things.bulk().unwrap();
    for n in 0..documents {
        bulk.insert_with_id(n, &json!({"n": n, "m": n % 10, "tags": [n, n + 1]})).unwrap();
    }
    bulk.finish().unwrap();
}

pub(crate) fn index(things: &Collection<Value>, name: &str) -> Option<IndexInfo> {
    things.indexes().unwrap().into_iter().rfind(|index| index.name == name)
}

pub(crate) fn state(things: &Collection<Value>, name: &str) -> Option<IndexState> {
    index(things, name).map(|index| index.state)
}

pub(crate) fn states(things: &Collection<Value>) -> Vec<(String, IndexState)> {
    things.indexes().unwrap().into_iter().map(|index| (index.name, index.state)).collect()
}

/// Entries are what they would be if they were made now.
pub(crate) fn check(store: &Store) {
    let verified = Verify::new(store).run().unwrap();
    assert!(verified.is_sound(), "{:?}", verified.findings);
}

pub(crate) type Meanwhile = Mutex<Option<Box<dyn FnMut() + Send>>>;

fn do_meanwhile(meanwhile: &Meanwhile) {
    let taken = meanwhile.lock().unwrap().take();
    if let Some(mut act) = taken {
        act();
        meanwhile.lock().unwrap().get_or_insert(act);
    }
}

/// A medium that does something whenever documents are paged through, say, and counts the keys of indexes that are written, and reads of documents.
#[derive(Default)]
pub(crate) struct Watched {
    medium: MemoryBackend,
    /// Not called while it runs.
    pub(crate) meanwhile: Meanwhile,
    /// The same, whenever the census is.
    pub(crate) while_counting: Meanwhile,
    /// The same, whenever it is looked up who holds a value.
    pub(crate) while_reserving: Meanwhile,
    index_keys: AtomicUsize,
    document_reads: AtomicUsize,
}

fn is_of_documents(key: &[u8]) -> bool {
    key.starts_with(&[1, 0x10])
}

impl Watched {
    /// How many keys of indexes have been written since this was asked last.
    pub(crate) fn index_keys(&self) -> usize {
        self.index_keys.swap(0, Ordering::SeqCst)
    }

    /// How often documents have been read since this was asked last: single keys, or pages.
    pub(crate) fn document_reads(&self) -> usize {
        self.document_reads.swap(0, Ordering::SeqCst)
    }

    /// Takes the head of the first document away, which has chunks.
    pub(crate) fn behead(&self) {
        let range = KeyRange { start: vec![1, 0x10], end: Some(vec![1, 0x11]) };
        let limit = PageLimit { entries: 2, bytes: 1 << 20 };
        let page = self.medium.page(&range, Direction::Forward, limit).unwrap();
        let (head, chunk) = (&page.entries[0].0, &page.entries[1].0);
        assert!(chunk.starts_with(head));
        let mut batch = Batch::default();
        batch.writes.insert(head.clone(), None);
        self.medium.apply(&batch).unwrap();
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl Backend for Watched {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        self.document_reads.fetch_add(is_of_documents(key).into(), Ordering::SeqCst);
        let got = self.medium.get(key);
        if key.starts_with(&[1, 0x21]) {
            do_meanwhile(&self.while_reserving);
        }
        got
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        self.document_reads.fetch_add(is_of_documents(&range.start).into(), Ordering::SeqCst);
        let page = self.medium.page(range, direction, limit);
        match range.start.get(..2) {
            Some([1, 0x10]) => do_meanwhile(&self.meanwhile),
            Some([1, 0x02]) => do_meanwhile(&self.while_counting),
            _ => {}
        }
        page
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        let of_index = |key: &&Bytes| matches!(key.get(1), Some(0x20..=0x24));
        self.index_keys.fetch_add(batch.writes.keys().filter(of_index).count(), Ordering::SeqCst);
        self.medium.apply(batch)
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.medium.flush()
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.medium.sync()
    }
}
