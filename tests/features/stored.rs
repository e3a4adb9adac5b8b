//! A store whose bytes can be looked at.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "they fail the test")]

use std::sync::Arc;

use pivotdb::Store;
use pivotdb::backend::{Backend, Direction, KeyRange, MemoryBackend, PageLimit};

pub(crate) struct Stored {
    backend: Arc<MemoryBackend>,
    pub(crate) store: Store,
}

impl Stored {
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(MemoryBackend::new()))
    }

    fn on(backend: Arc<MemoryBackend>) -> Self {
        let store = Store::builder().open_backend(Arc::<MemoryBackend>::clone(&backend)).unwrap();
        Self { backend, store }
    }

    /// The same bytes, opened anew.
    pub(crate) fn reopened(self) -> Self {
        self.store.close().unwrap();
        drop(self.store);
        Self::on(self.backend)
    }

    /// Fails unless the store's one document has this body.
    #[track_caller]
    pub(crate) fn assert_body(&self, body: &[u8]) {
        self.store.flush().unwrap();
        // Space 0x10 holds documents; the body stands at the end of the value.
        let range = KeyRange::prefix(&[0x01, 0x10]);
        let limit = PageLimit { entries: 10, bytes: 1 << 20 };
        let page = self.backend.page(&range, Direction::Forward, limit).unwrap();
        let [(_, value)] = &page.entries[..] else { panic!("{} entries", page.entries.len()) };
        let stored = &value[value.len().saturating_sub(body.len())..];
        assert!(stored == body, "stored   {stored:02x?}\nexpected {body:02x?}");
    }
}
