//! Documents that are written with headers of the caller's.

use std::sync::Arc;

use crate::encoding::envelope::header::Header;
use crate::encoding::envelope::record::{Draft, Head, Sealed};
use crate::encoding::key::census::CensusKey;
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::index::covered::is_of;
use crate::index::indexes::Gate;
use crate::index::source::Source;
use crate::index::upkeep::{Kept, Obstacle};
use crate::model::id::DocumentId;
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Commit, Durability, Expected, Read};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::snapshot::Snapshot;
use crate::store::inner::Inner;
use crate::store::retry::{TRIES, pause_after};
use crate::store::upkeep::{Upkeep, as_record};
use crate::stored::{read, write};

/// What to do where an id is taken.
const GO_ON: &str = "with overwrite_existing it is written over, with skip_existing passed over";

/// A document on its way into the store.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// What the caller calls it by.
    pub(crate) place: u64,
    pub(crate) collection: u32,
    /// The collection's name.
    pub(crate) collection_name: Arc<str>,
    pub(crate) id: DocumentId,
    /// Of the document's head.
    pub(crate) key: Vec<u8>,
    pub(crate) header: Header,
    pub(crate) complement: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Incoming {
    fn named(&self, error: Error) -> Error {
        error.with_collection(&self.collection_name).with_id(&self.id)
    }
}

/// What becomes of a document whose id is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Refuse,
    Skip,
    /// It replaces what is there, which must be of its own kind.
    Overwrite,
    /// It replaces what is there, with its own times. Its revision is its own as well, unless that would hide from those who compare
    /// revisions that the document has changed.
    Restore {
        /// What is there must be of the same kind.
        same_kind: bool,
    },
}

/// What became of documents.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) written: u64,
    pub(crate) skipped: u64,
    /// Which were refused, and why.
    pub(crate) refused: Vec<(u64, Error)>,
}

/// Writes the documents, whose ids all differ, in one commit, or in several where that exceeds the limit of a commit. One refusal more than
/// `patience` is the last: what stands after that document is not written. Does not wait for the medium.
pub(crate) fn load(
    inner: &Arc<Inner>,
    documents: &[Incoming],
    existing: Existing,
    patience: usize,
) -> Result<Loaded> {
    let keys: Vec<_> = documents.iter().map(|document| document.key.as_slice()).collect();
    for tries in 1..=TRIES {
        // From here on until the commit is applied, what is to be kept up stays the same.
        let gate = inner.indexes.enter();
        let snapshot = inner.engine.snapshot();
        let (sequence, values) = (snapshot.sequence(), snapshot.get_many(&keys)?);
        let mut plan = Plan {
            inner,
            gate: &gate,
            snapshot: &snapshot,
            commit: Commit::default(),
            loaded: Loaded::default(),
            obstacle: None,
        };
        for (document, value) in documents.iter().zip(values) {
            if let Err(error) = plan.take(document, Read { sequence, value }, existing) {
                plan.loaded.refused.push((document.place, document.named(error)));
                if plan.loaded.refused.len() > patience {
                    break;
                }
            }
        }
        let Plan { commit, loaded, obstacle, .. } = plan;
        drop(snapshot);
        if let Some(obstacle) = obstacle {
            drop(gate);
            inner.clear(obstacle)?;
            continue;
        }
        if loaded.written == 0 {
            return Ok(loaded);
        }
        let applied = inner.engine.apply(commit);
        drop(gate);
        match applied.and_then(|sequence| inner.engine.wait(sequence, Durability::Buffered)) {
            Ok(()) => return Ok(loaded),
            Err(StorageError::CheckFailed { .. }) => pause_after(tries),
            Err(error @ StorageError::TooLarge { .. }) => match documents {
                [only] => {
                    let refused = vec![(only.place, only.named(error.into()))];
                    return Ok(Loaded { refused, ..Loaded::default() });
                }
                _ => return load_halves(inner, documents, existing, patience),
            },
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::new(ErrorKind::Conflict, "others keep writing the documents").with_detail("tries", TRIES))
}

fn load_halves(
    inner: &Arc<Inner>,
    documents: &[Incoming],
    existing: Existing,
    patience: usize,
) -> Result<Loaded> {
    let (first, second) = documents.split_at(documents.len() / 2);
    let mut loaded = load(inner, first, existing, patience)?;
    let Some(patience) = patience.checked_sub(loaded.refused.len()) else { return Ok(loaded) };
    let rest = load(inner, second, existing, patience)?;
    loaded.written += rest.written;
    loaded.skipped += rest.skipped;
    loaded.refused.extend(rest.refused);
    Ok(loaded)
}

/// A commit that is being made.
struct Plan<'p> {
    inner: &'p Inner,
    gate: &'p Gate<'p>,
    snapshot: &'p Snapshot,
    commit: Commit,
    loaded: Loaded,
    /// What must be done for an index first.
    obstacle: Option<Obstacle>,
}

impl Plan<'_> {
    /// Takes a document in; after an error everything is as before.
    fn take(&mut self, document: &Incoming, found: Read, existing: Existing) -> Result<()> {
        let header = match &found.value {
            None => {
                let sealed = seal(document, &document.header)?;
                self.keep_up(document, None, &sealed)?;
                self.put(document, sealed, 0, Expected::Absent);
                document.header
            }
            Some(value) => {
                let same_kind = match existing {
                    Existing::Refuse => {
                        let error = Error::new(ErrorKind::AlreadyExists, "a document with this id exists");
                        return Err(error.with_advice(GO_ON));
                    }
                    Existing::Skip => {
                        self.loaded.skipped += 1;
                        return Ok(());
                    }
                    Existing::Overwrite => true,
                    Existing::Restore { same_kind } => same_kind,
                };
                let before = Head::decode(&document.key, value)?;
                if same_kind && !is_of(&**self.inner, document.header.kind, before.header.kind) {
                    let error = Error::new(ErrorKind::KindMismatch, "the document there is of another kind")
                        .with_advice("give the new one another id, or delete the one that is there");
                    let found = self.inner.catalog.kind_name(before.header.kind);
                    return Err(found.into_iter().fold(error, |error, kind| error.with_document_kind(&kind)));
                }
                let header = header_over(document.header, &before.header, existing);
                let (sealed, chunks_before) = (seal(document, &header)?, before.chunks());
                self.keep_up(document, Some(value), &sealed)?;
                self.count(document.collection, &before.header, -1);
                self.put(document, sealed, chunks_before, Expected::Unchanged(found));
                header
            }
        };
        self.count(document.collection, &header, 1);
        self.loaded.written += 1;
        Ok(())
    }

    /// What the write changes in indexes. After an error the commit is as before.
    fn keep_up(&mut self, document: &Incoming, before: Option<&Bytes>, sealed: &Sealed) -> Result<()> {
        let upkeep =
            Upkeep::new(self.gate, document.collection, Source::Live(&self.inner.engine, Some(&self.commit)));
        if !upkeep.is_needed() {
            return Ok(());
        }
        let before =
            before.map(|value| read::with_chunks(self.snapshot, &document.key, value)).transpose()?;
        let after = as_record(&document.key, sealed)?;
        let mut changes = Commit::default();
        match upkeep.run(self.inner, &document.id, before.as_ref(), Some(&after), &mut changes)? {
            Kept::Up => {
                self.commit.checks.extend(changes.checks);
                self.commit.writes.extend(changes.writes);
            }
            Kept::Not(obstacle) => self.obstacle = Some(obstacle),
        }
        Ok(())
    }

    fn put(&mut self, document: &Incoming, sealed: Sealed, chunks_before: u32, expected: Expected) {
        self.commit.check(document.key.as_slice(), expected);
        write::put(&mut self.commit, document.key.clone(), sealed, chunks_before);
    }

    fn count(&mut self, collection: u32, header: &Header, delta: i64) {
        let census = CensusKey { collection, kind: header.kind, stamp: header.stamp };
        self.commit.count(census.encode().as_slice(), delta);
    }
}

/// The header of a document that replaces another one.
fn header_over(new: Header, before: &Header, existing: Existing) -> Header {
    let next = before.revision.next();
    match existing {
        Existing::Restore { .. } => Header { revision: new.revision.max(next), ..new },
        _ => Header { revision: next, created: before.created, ..new },
    }
}

fn seal(document: &Incoming, header: &Header) -> Result<Sealed> {
    let (draft, mut value) = Draft::begin(header, &document.complement, document.body.len())?;
    value.extend_from_slice(&document.body);
    Ok(draft.seal(&document.key, value)?)
}
