//! A backend that fails when it is told to, and that lets somebody else in while it reads documents.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use pivotdb::backend::{Backend, BackendError, Batch, Bytes, Direction, KeyRange, Page, PageLimit};

/// How a batch fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing of it is written.
    Lost,
    /// All of it is, and nobody is told.
    Made,
}

/// Tells a [`Failing`] what to do; there may be several one after the other, on the same files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Orders>>);

#[derive(Default)]
struct Orders {
    /// After so many batches.
    fault: Option<(u8, Fault)>,
    meanwhile: Option<Box<dyn FnOnce() + Send>>,
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orders").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl Told {
    /// The batch after `passed` others fails.
    pub(crate) fn fail(&self, passed: u8, fault: Fault) {
        self.0.lock().unwrap().fault = Some((passed, fault));
    }

    /// The next time that documents are read, `work` is done before.
    pub(crate) fn meanwhile(&self, work: impl FnOnce() + Send + 'static) {
        self.0.lock().unwrap().meanwhile = Some(Box::new(work));
    }

    /// Nothing more is to be done; whether the fault is still to come.
    pub(crate) fn never_mind(&self) -> bool {
        // What is dropped may hold the store.
        let Orders { fault, meanwhile } = std::mem::take(&mut *self.0.lock().unwrap());
        drop(meanwhile);
        fault.is_some()
    }

    fn next_fault(&self) -> Option<Fault> {
        let fault = &mut self.0.lock().unwrap().fault;
        match fault {
            Some((0, _)) => fault.take().map(|(_, fault)| fault),
            Some((passed, _)) => {
                *passed -= 1;
                None
            }
            None => None,
        }
    }
}

/// Does what it is told.
#[derive(Debug)]
pub(crate) struct Failing {
    inner: Arc<dyn Backend>,
    told: Told,
}

impl Failing {
    pub(crate) fn new(inner: Arc<dyn Backend>, told: &Told) -> Self {
        Self { inner, told: told.clone() }
    }
}

impl Backend for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        self.inner.get(key)
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, BackendError> {
        self.inner.get_many(keys)
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        if range.start.starts_with(&[0x01, 0x10]) {
            let work = self.told.0.lock().unwrap().meanwhile.take();
            work.into_iter().for_each(|work| work());
        }
        self.inner.page(range, direction, limit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        let fault = self.told.next_fault();
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

    fn flush_syncs(&self) -> bool {
        self.inner.flush_syncs()
    }

    fn size_on_disk(&self) -> Option<u64> {
        self.inner.size_on_disk()
    }

    fn inspect(&self) -> Result<Vec<String>, BackendError> {
        self.inner.inspect()
    }
}
