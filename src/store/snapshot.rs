//! Reading one state of the store.

use std::fmt;
use std::sync::Arc;

use crate::storage::commit::snapshot::Snapshot as Held;
use crate::store::collection::Collection;
use crate::store::inner::Inner;
use crate::store::session::Session;
use crate::store::store::Store;

/// The store as it was when the snapshot was taken, whatever is written meanwhile. What is overwritten is kept in memory for it, within
/// [`overlay_limit`](crate::Builder::overlay_limit); past it the oldest snapshot fails with `SnapshotExpired`.
///
/// ```
/// # use pivotdb::Store;
/// # use serde_json::json;
/// # let store = Store::memory()?;
/// let notes = store.documents("notes")?;
/// notes.insert_with_id(1, &json!("before"))?;
/// let snapshot = store.snapshot()?;
/// notes.overwrite(1, &json!("after"))?;
/// assert_eq!(*snapshot.on(&notes).require(1)?, json!("before"));
/// # Ok::<(), pivotdb::Error>(())
/// ```
#[derive(Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
    held: Arc<Held>,
}

impl Store {
    /// The store as it is now. Costs nothing that grows with the number of documents.
    ///
    /// # Errors
    /// `InsideTransaction`.
    pub fn snapshot(&self) -> crate::error::error::Result<Snapshot> {
        let inner = self.inner();
        inner.insiders.check_outside()?;
        Ok(Snapshot { inner: Arc::clone(inner), held: Arc::new(inner.engine.snapshot()) })
    }
}

impl Snapshot {
    /// `collection` as it was. Its writes fail.
    #[must_use]
    pub fn on<T>(&self, collection: &Collection<T>) -> Collection<T> {
        collection.within(&self.inner, Session::Snapshot(Arc::clone(&self.held)))
    }

    /// The last commit it sees.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.held.sequence()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("sequence", &self.sequence()).finish_non_exhaustive()
    }
}
