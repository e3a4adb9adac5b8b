//! Documents that are inserted together.

use std::sync::Arc;

use serde::Serialize;

use crate::encoding::body::ser::append_body;
use crate::encoding::envelope::header::Header;
use crate::encoding::envelope::record::{Draft, Sealed};
use crate::encoding::key::census::CensusKey;
use crate::encoding::key::document;
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::model::id::DocumentId;
use crate::model::revision::Revision;
use crate::model::time::Timestamp;
use crate::record::kind::Kind;
use crate::storage::commit::commit::{Commit, Expected};
use crate::storage::commit::error::StorageError;
use crate::store::collection::{Collection, foreign, read_only};
use crate::store::session::Session;
use crate::stored::write;

/// A guess at the size of a body that is not known yet; saves allocations.
const USUAL_BODY: usize = 512;

/// New documents of one kind on their way into one commit.
#[derive(Debug)]
pub(crate) struct Inserts {
    kind: Arc<Kind>,
    now: Timestamp,
    commit: Commit,
    bytes: usize,
    ids: Vec<DocumentId>,
}

impl Inserts {
    pub(crate) fn new(kind: &Arc<Kind>) -> Self {
        Self {
            kind: Arc::clone(kind),
            now: Timestamp::now(),
            commit: Commit::default(),
            bytes: 0,
            ids: Vec::new(),
        }
    }

    /// How many documents have been added.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// How many bytes the keys and values of their records have.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a document; after an error everything is as before.
    pub(crate) fn add<T: Serialize>(
        &mut self,
        collection: &Collection<T>,
        id: DocumentId,
        value: &T,
    ) -> Result<()> {
        let key = collection.key(&id)?;
        if self.commit.writes.contains_key(key.as_slice()) {
            return Err(collection.at(&id, taken()));
        }
        let sealed = self.seal(collection, &key, value).map_err(|error| collection.at(&id, error))?;
        let chunk_key = if sealed.chunks.is_empty() { 0 } else { document::chunk_key(&key, 1).len() };
        let chunks = sealed.chunks.iter().map(|chunk| chunk_key.saturating_add(chunk.len())).sum::<usize>();
        let bytes =
            [self.bytes, key.len(), sealed.head.len()].into_iter().fold(chunks, usize::saturating_add);
        // At once, and not when they are committed: those that are to come may have no end.
        let limit = collection.inner.commit_limit;
        if bytes > limit {
            return Err(collection.at(&id, StorageError::TooLarge { bytes, limit }.into()));
        }
        self.bytes = bytes;
        self.commit.check(key.as_slice(), Expected::Absent);
        write::put(&mut self.commit, key, sealed, 0);
        self.ids.push(id);
        Ok(())
    }

    fn seal<T: Serialize>(&self, collection: &Collection<T>, key: &[u8], value: &T) -> Result<Sealed> {
        let header = Header {
            kind: self.kind.number(),
            stamp: self.kind.current(),
            revision: Revision::FIRST,
            created: self.now,
            updated: self.now,
        };
        let (draft, mut buffer) = Draft::begin(&header, &[], USUAL_BODY)?;
        append_body(&mut buffer, value, collection.inner.limits)?;
        Ok(draft.seal(key, buffer)?)
    }

    /// Inserts all of them or none, and gives their ids.
    pub(crate) fn commit<T>(mut self, collection: &Collection<T>) -> Result<Vec<DocumentId>> {
        let census =
            CensusKey { collection: collection.number, kind: self.kind.number(), stamp: self.kind.current() };
        self.commit.count(census.encode().as_slice(), i64::try_from(self.ids.len()).unwrap_or(i64::MAX));
        match &collection.session {
            Session::Live => collection.inner.insiders.check_outside()?,
            Session::Transaction(transaction) => {
                for (check, id) in self.commit.checks.iter().zip(&self.ids) {
                    let there =
                        transaction.get(&check.key).map_err(|error| collection.at(id, error.into()))?;
                    if there.is_some() {
                        return Err(collection.at(id, taken()));
                    }
                }
                transaction.stage(self.commit)?;
                return Ok(self.ids);
            }
            Session::Snapshot(_) => return Err(read_only().with_collection(collection.name())),
            Session::Foreign => return Err(foreign().with_collection(collection.name())),
        }
        match collection.inner.engine.commit(self.commit, collection.durability) {
            Ok(_) => Ok(self.ids),
            Err(StorageError::CheckFailed { check }) => Err(match self.ids.get(check) {
                Some(id) => collection.at(id, taken()),
                None => taken().with_collection(collection.name()),
            }),
            Err(error) => Err(match self.ids.as_slice() {
                [only] => collection.at(only, error.into()),
                _ => Error::from(error).with_collection(collection.name()),
            }),
        }
    }
}

fn taken() -> Error {
    Error::new(ErrorKind::AlreadyExists, "a document with this id exists")
}
