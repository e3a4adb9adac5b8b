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

    /// Poisons, unless something did before; gives the first cause.
    pub(crate) fn set(
        &self,
        failure: Failure,
        message: &'static str,
        source: Option<BackendError>,
    ) -> Arc<Poison> {
        Arc::clone(self.0.get_or_init(|| Arc::new(Poison { failure, message, source })))
    }

    pub(crate) fn set_backend(&self, message: &'static str, source: BackendError) -> Arc<Poison> {
        self.set(source.failure, message, Some(source))
    }
}
