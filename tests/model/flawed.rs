//! Backends that do not do what they should: one that fails when it is told to, and one that loses some of the entries of indexes that it is given, which is what upkeep
//! with a rule broken would leave behind.

use std::io;
use std::sync::Mutex;

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

/// How the next batch fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing of it is written.
    Lost,
    /// All of it is, and nobody is told.
    Made,
}

/// Fails when it is told to.
#[derive(Debug)]
pub(crate) struct Failing {
    inner: Box<dyn Backend>,
    armed: Mutex<Option<Fault>>,
}

impl Failing {
    pub(crate) fn new(inner: impl Backend + 'static) -> Self {
        Self { inner: Box::new(inner), armed: Mutex::default() }
    }

    pub(crate) fn arm(&self, fault: Fault) {
        *self.armed.lock().unwrap() = Some(fault);
    }

    /// Whether it has failed since it was armed.
    pub(crate) fn disarm(&self) -> bool {
        self.armed.lock().unwrap().take().is_none()
    }
}

impl Backend for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        self.inner.get(key)
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        self.inner.page(range, direction, limit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        let fault = self.armed.lock().unwrap().take();
        if fault != Some(Fault::Lost) {
            self.inner.apply(batch)?;
        }
        match fault {
            None => Ok(()),
            Some(_) => Err(BackendError::io("told to fail", io::Error::other("told to fail"))),
        }
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.inner.flush()
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.inner.sync()
    }
}
