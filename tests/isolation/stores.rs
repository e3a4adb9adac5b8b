//! Stores to test on.

use std::sync::Arc;
use std::time::Duration;

use pivotdb::backend::MemoryBackend;
use pivotdb::testing::fault::{FaultBackend, Operation};
use pivotdb::{Durability, Store};

use crate::backends::{BACKENDS, Site, Tested};

/// A store, and what must live as long.
pub(crate) struct Place {
    pub(crate) store: Store,
    _site: Option<Site>,
}

pub(crate) fn memory() -> Place {
    Place { store: Store::memory().unwrap(), _site: None }
}

/// In memory, where a commit takes long enough for others to queue, and so to share the next group.
pub(crate) fn slow() -> Place {
    let (backend, faults) = FaultBackend::new(MemoryBackend::new());
    faults.delay(Operation::Apply, Duration::from_micros(100));
    let builder = Store::builder().durability(Durability::Buffered);
    Place { store: builder.open_backend(Arc::new(backend)).unwrap(), _site: None }
}

/// The backends of this build that keep stores on disk.
pub(crate) fn disks() -> impl Iterator<Item = Tested> {
    BACKENDS.iter().copied().filter(|backend| backend.entry.is_some())
}

pub(crate) fn on_disk(backend: Tested, durability: Durability) -> Place {
    let site = backend.site();
    Place { store: site.open(&Store::builder().durability(durability)), _site: Some(site) }
}
