//! How a redb store is opened.

use crate::storage::directory::error::OpenError;

/// How a redb store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedbOptions {
    /// Bytes of pages redb keeps in memory, half of which may be pages that are not written yet.
    pub(crate) cache_capacity: u64,
    /// Whether each sync also writes which pages are free. Opening after a crash then takes milliseconds; otherwise redb reads
    /// and checks the whole file. Costs a second sync each time.
    pub(crate) quick_recovery: bool,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self { cache_capacity: 64 << 20, quick_recovery: false }
    }
}

impl RedbOptions {
    pub(super) fn validate(&self) -> Result<(), OpenError> {
        if self.cache_capacity < 1 << 20 || usize::try_from(self.cache_capacity).is_err() {
            return Err(OpenError::Option { option: "cache_capacity", value: self.cache_capacity });
        }
        Ok(())
    }
}
