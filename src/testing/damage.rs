//! What an open store keeps its bytes in, past everything that keeps them whole: for tests of what is done about damage.

use std::sync::Arc;

use crate::error::error::Result;
use crate::storage::backend::Backend;
use crate::store::store::Store;

/// The backend of the store. What is written to it the store does not know of; nobody may write to the store meanwhile.
///
/// # Errors
/// `Closed`.
pub fn backend(store: &Store) -> Result<Arc<dyn Backend>> {
    Ok(store.inner().engine.unshielded()?)
}
