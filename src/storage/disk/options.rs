//! How a store on disk is opened.

use crate::storage::directory::open::{Place, Resident};
#[cfg(feature = "redb")]
use crate::storage::redb::backend::RedbBackend;
#[cfg(feature = "redb")]
use crate::storage::redb::options::RedbOptions;
#[cfg(feature = "sled")]
use crate::storage::sled::backend::SledBackend;
#[cfg(feature = "sled")]
use crate::storage::sled::options::SledOptions;

/// How a store on disk is opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DiskOptions {
    pub(crate) place: Place,
    /// The backend that was asked for by name. Without one, a store is opened with the backend it was made with, and made with
    /// the first of [`BACKENDS`].
    pub(crate) backend: Option<&'static str>,
    #[cfg(feature = "sled")]
    pub(crate) sled: SledOptions,
    #[cfg(feature = "redb")]
    pub(crate) redb: RedbOptions,
}

/// The backends that this program is built with; the first is the default.
pub(crate) const BACKENDS: &[&str] = &[
    #[cfg(feature = "sled")]
    SledBackend::NAME,
    #[cfg(feature = "redb")]
    RedbBackend::NAME,
];

impl DiskOptions {
    #[cfg(feature = "sled")]
    pub(crate) fn choose_sled(&mut self) {
        self.backend = Some(SledBackend::NAME);
    }

    #[cfg(feature = "redb")]
    pub(crate) fn choose_redb(&mut self) {
        self.backend = Some(RedbBackend::NAME);
    }

    /// Bytes of the store that its backend keeps in memory.
    pub(crate) fn set_cache_capacity(&mut self, bytes: u64) {
        #[cfg(feature = "sled")]
        {
            self.sled.cache_capacity = bytes;
        }
        #[cfg(feature = "redb")]
        {
            self.redb.cache_capacity = bytes;
        }
    }
}
