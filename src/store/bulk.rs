//! Loading many documents.

use std::sync::Arc;

use serde::Serialize;

use crate::error::error::Result;
use crate::error::kind::ErrorKind;
use crate::model::id::DocumentId;
use crate::record::kind::Kind;
use crate::storage::commit::commit::Durability;
use crate::store::collection::Collection;
use crate::store::inserts::Inserts;

/// A commit is made once this many documents are waiting ...
const DOCUMENTS: usize = 256;
/// ... or this many bytes: what the committer takes as one group.
const BYTES: usize = 1 << 20;

/// Inserts documents in commits of some hundred, and waits for the medium once, at the end.
///
/// Not atomic: after an error, or where it is dropped without [`finish`](Self::finish), what has been committed so far stays, and
/// the last few documents added may be missing. Memory: one commit. [`inserted`](Self::inserted) tells the progress; to cancel, stop
/// adding and finish.
///
/// ```
/// # use pivotdb::Store;
/// # use serde_json::json;
/// # let store = Store::memory()?;
/// let points = store.documents("points")?;
/// let mut bulk = points.bulk()?;
/// for n in 0..10_000 {
///     bulk.insert_with_id(n, &json!({"x": n, "y": n * n}))?;
/// }
/// assert_eq!(bulk.finish()?, 10_000);
/// # Ok::<(), pivotdb::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "the last documents are inserted by finish"]
pub struct Bulk<T> {
    collection: Collection<T>,
    kind: Arc<Kind>,
    waiting: Inserts,
    inserted: u64,
}

impl<T: Serialize> Collection<T> {
    /// Begins to load documents.
    ///
    /// # Errors
    /// `KindRequired` when the collection is untyped and holds several kinds; `InvalidOption` on the handle of a transaction or
    /// snapshot.
    pub fn bulk(&self) -> Result<Bulk<T>> {
        self.check_live()?;
        let kind = self.kind_of_new()?;
        let collection = self.clone().with_durability(Durability::Buffered);
        let waiting = Inserts::new(&kind);
        Ok(Bulk { collection, kind, waiting, inserted: 0 })
    }
}

impl<T: Serialize> Bulk<T> {
    /// Adds a document under a new random id, and gives the id.
    ///
    /// # Errors
    /// As [`Collection::insert`]; for documents added before, too, since they are committed together.
    pub fn insert(&mut self, value: &T) -> Result<DocumentId> {
        let id = DocumentId::random();
        self.insert_with_id(&id, value)?;
        Ok(id)
    }

    /// Adds a document under an id of the caller's.
    ///
    /// # Errors
    /// As [`Collection::insert_with_id`]; for documents added before, too, since they are committed together.
    pub fn insert_with_id(&mut self, id: impl Into<DocumentId>, value: &T) -> Result<()> {
        let id = id.into();
        match self.waiting.add(&self.collection, id.clone(), value) {
            Err(error) if error.kind() == ErrorKind::TooLarge && self.waiting.len() > 0 => {
                self.commit()?;
                self.waiting.add(&self.collection, id, value)?;
            }
            added => added?,
        }
        if self.waiting.len() >= DOCUMENTS || self.waiting.bytes() >= BYTES { self.commit() } else { Ok(()) }
    }

    /// How many documents have been committed.
    #[must_use]
    pub fn inserted(&self) -> u64 {
        self.inserted
    }

    /// Commits the rest, waits until everything is on the medium, and gives how many documents were inserted.
    ///
    /// # Errors
    /// As [`Collection::insert`].
    pub fn finish(mut self) -> Result<u64> {
        self.commit()?;
        self.collection.inner.engine.flush()?;
        Ok(self.inserted)
    }

    fn commit(&mut self) -> Result<()> {
        let waiting = std::mem::replace(&mut self.waiting, Inserts::new(&self.kind));
        let documents = waiting.commit(&self.collection)?.len();
        self.inserted = self.inserted.saturating_add(u64::try_from(documents).unwrap_or(u64::MAX));
        Ok(())
    }
}
