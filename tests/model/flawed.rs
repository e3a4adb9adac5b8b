//! A backend that loses some of the entries of indexes that it is given: what upkeep with a rule broken would leave behind.

use pivotdb::backend::{
    Backend, BackendError, Batch, Bytes, Direction, KeyRange, MemoryBackend, Page, PageLimit,
};

#[derive(Debug)]
pub(crate) struct Forgetful(MemoryBackend);

impl Default for Forgetful {
    fn default() -> Self {
        Self(MemoryBackend::new())
    }
}

impl Backend for Forgetful {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        self.0.get(key)
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        self.0.page(range, direction, limit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        let mut kept = Batch::default();
        for (key, value) in &batch.writes {
            let is_new_entry = key.starts_with(&[0x01, 0x20]) && value.is_some();
            let digest: u32 = key.iter().map(|byte| u32::from(*byte)).sum();
            if !is_new_entry || !digest.is_multiple_of(4) {
                kept.writes.insert(key.clone(), value.clone());
            }
        }
        self.0.apply(&kept)
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.0.flush()
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.0.sync()
    }
}
