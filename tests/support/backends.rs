//! The backends that tests of whole stores run on: one list for all of them.

use std::sync::Arc;

use pivotdb::backend::MemoryBackend;
use pivotdb::{Builder, Store};
use tempfile::TempDir;

/// A backend that stores are tested on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tested {
    pub(crate) name: &'static str,
    /// Where it keeps its bytes in a store's directory; `None`: in memory.
    pub(crate) entry: Option<&'static str>,
    /// Makes a builder choose it.
    choose: fn(Builder) -> Builder,
}

/// All that this build has.
pub(crate) const BACKENDS: &[Tested] = &[
    Tested { name: "memory", entry: None, choose: |builder| builder },
    #[cfg(feature = "sled")]
    Tested { name: "sled", entry: Some("sled"), choose: Builder::sled },
    #[cfg(feature = "redb")]
    Tested { name: "redb", entry: Some("pivotdb.redb"), choose: Builder::redb },
];

/// Where a store of such a backend is, to be opened as often as a test likes.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) backend: Tested,
    /// The directory that the store's own is made in.
    pub(crate) directory: TempDir,
    memory: Arc<MemoryBackend>,
}

impl Tested {
    /// A place without a store.
    pub(crate) fn site(self) -> Site {
        let directory = tempfile::tempdir().unwrap();
        Site { backend: self, directory, memory: Arc::new(MemoryBackend::new()) }
    }

    /// `builder`, so that it makes and opens stores with this backend.
    pub(crate) fn chosen(&self, builder: &Builder) -> Builder {
        (self.choose)(builder.clone())
    }
}

impl Site {
    /// Opens the store that is here, or makes it.
    pub(crate) fn try_open(&self, builder: &Builder) -> pivotdb::Result<Store> {
        let builder = self.backend.chosen(builder);
        let path = self.backend.entry.map(|_| self.directory.path().join("test.pivot"));
        #[cfg(any(feature = "sled", feature = "redb"))]
        if let Some(path) = path {
            return builder.open(path);
        }
        #[cfg(not(any(feature = "sled", feature = "redb")))]
        assert!(path.is_none());
        builder.open_backend(Arc::<MemoryBackend>::clone(&self.memory))
    }

    /// The same, which must succeed.
    pub(crate) fn open(&self, builder: &Builder) -> Store {
        let opened = self.try_open(builder);
        assert!(opened.is_ok(), "{}: {}", self.backend.name, opened.unwrap_err());
        opened.unwrap()
    }
}
