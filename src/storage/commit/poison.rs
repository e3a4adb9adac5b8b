//! The first failed write, after which none is tried.

use std::sync::{Arc, OnceLock};

use crate::storage::backend::{BackendError, Failure};
use crate::storage::commit::error::Poison;

#[derive(Debug, Default)]
pub(crate) struct PoisonCell(OnceLock<Arc<Poison>>);

impl PoisonCell {
    pub(crate) fn get(&self) -> Option<Arc<Poison>> {
        self.0.get().cloned()
    }

    /// Poisons, unless something did before; gives the first cause. Wakes nobody: that is the shared state's to do.
    pub(super) fn set(
        &self,
        failure: Failure,
        message: &'static str,
        source: Option<BackendError>,
    ) -> Arc<Poison> {
        Arc::clone(self.0.get_or_init(|| Arc::new(Poison { failure, message, source })))
    }
}
