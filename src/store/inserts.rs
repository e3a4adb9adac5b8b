//! Documents that are inserted together.

use std::sync::Arc;

use serde::Serialize;

use crate::encoding::body::ser::append_body;
use crate::encoding::envelope::header::Header;
use crate::encoding::envelope::record::{Draft, Head, Sealed};
use crate::encoding::key::census::CensusKey;
use crate::encoding::key::document;
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::index::indexes::Gate;
use crate::index::source::Source;
use crate::index::upkeep::{Kept, Obstacle};
use crate::model::id::DocumentId;
use crate::model::revision::Revision;
use crate::model::time::Timestamp;
use crate::record::kind::Kind;
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Commit, Expected};
use crate::storage::commit::error::StorageError;
use crate::store::collection::{Collection, foreign, read_only};
use crate::store::retry::{TRIES, pause_after};
use crate::store::session::Session;
use crate::store::upkeep::Upkeep;
use crate::stored::record::Record;
use crate::stored::state::Held;
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
            return Err(collection.at(&id, taken(collection, &key, None)));
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
                        return Err(collection.at(id, taken(collection, &check.key, there.as_ref())));
                    }
                }
                let held = Held::Transaction(Arc::clone(transaction));
                let kept = loop {
                    let gate = collection.inner.indexes.enter();
                    match self.keep_up(collection, &gate, Source::Held(&held))? {
                        Ok(kept) => break kept,
                        Err(obstacle) => {
                            drop(gate);
                            collection.inner.clear(obstacle)?;
                        }
                    }
                };
                transaction.stage(kept.unwrap_or(self.commit))?;
                return Ok(self.ids);
            }
            Session::Snapshot(_) => return Err(read_only().with_collection(collection.name())),
            Session::Foreign => return Err(foreign().with_collection(collection.name())),
        }
        let within = |error: Error| match self.ids.as_slice() {
            [only] => collection.at(only, error),
            _ => error.in_collection(collection.name()),
        };
        for tries in 1..=TRIES {
            // From here on until the commit is applied, what is to be kept up stays the same.
            let gate = collection.inner.indexes.enter();
            let kept = match self.keep_up(collection, &gate, Source::Live(&collection.inner.engine, None))? {
                Ok(kept) => kept,
                Err(obstacle) => {
                    drop(gate);
                    collection.inner.clear(obstacle).map_err(within)?;
                    continue;
                }
            };
            let again = kept.is_some();
            let commit = kept.unwrap_or_else(|| std::mem::take(&mut self.commit));
            let engine = &collection.inner.engine;
            let applied = engine.apply(commit);
            drop(gate);
            match applied.and_then(|sequence| engine.wait(sequence, collection.durability)) {
                Ok(()) => return Ok(self.ids),
                Err(StorageError::CheckFailed { check }) => match self.ids.get(check) {
                    Some(id) => {
                        let key = collection.key(id)?;
                        let there = engine.read(&key).map_err(|error| collection.at(id, error.into()))?;
                        return Err(collection.at(id, taken(collection, &key, there.value.as_ref())));
                    }
                    // Somebody else has taken or given up a value of a unique index in between.
                    None if again => pause_after(tries),
                    None => return Err(taken(collection, &[], None).with_collection(collection.name())),
                },
                Err(error) => return Err(within(error.into())),
            }
        }
        let error = Error::new(ErrorKind::Conflict, "others keep writing the values of a unique index");
        Err(within(error.with_detail("tries", TRIES)))
    }

    /// The commit with what it changes in indexes, `None` where that is nothing; or what must be done for one first.
    fn keep_up<T>(
        &self,
        collection: &Collection<T>,
        gate: &Gate<'_>,
        source: Source<'_>,
    ) -> Result<Result<Option<Commit>, Obstacle>> {
        let upkeep = Upkeep::new(gate, collection.number, source);
        if !upkeep.is_needed() {
            return Ok(Ok(None));
        }
        let mut commit = self.commit.clone();
        for id in &self.ids {
            let key = collection.key(id)?;
            let record = self.record(&key).map_err(|error| collection.at(id, error))?;
            let kept = upkeep.run(&collection.inner, id, None, record.as_ref(), &mut commit);
            if let Kept::Not(obstacle) = kept.map_err(|error| collection.at(id, error))? {
                return Ok(Err(obstacle));
            }
        }
        Ok(Ok(Some(commit)))
    }

    /// The record that is about to be inserted at `key`.
    fn record(&self, key: &[u8]) -> Result<Option<Record>> {
        let written = |key: &[u8]| self.commit.writes.get(key).cloned().flatten();
        let Some(head) = written(key) else { return Ok(None) };
        Record::from_chunks(key, &head, |number| Ok(written(&document::chunk_key(key, number)))).map(Some)
    }
}

/// The id is taken: by the document of which `there` is at `key`, as far as that is known.
fn taken<T>(collection: &Collection<T>, key: &[u8], there: Option<&Bytes>) -> Error {
    let error = Error::new(ErrorKind::AlreadyExists, "a document with this id exists");
    let head = there.and_then(|there| Head::decode(key, there).ok());
    let unseen = head.filter(|head| matches!(collection.sees_header(&head.header), Ok(None)));
    match unseen.and_then(|head| collection.inner.catalog.kind_name(head.header.kind)) {
        Some(kind) => error.with_document_kind(&kind).with_advice(OTHER_KIND),
        None => error,
    }
}

/// What to do where an id is taken by a document that the collection does not see.
const OTHER_KIND: &str = "it is of another kind: use another id, or delete it by a collection of that kind";
