//! Removing documents that can be neither read nor written.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, PoisonError};

use crate::catalog::catalog::Catalog;
use crate::encoding::envelope::record::Head;
use crate::encoding::key::catalog::CatalogKey;
use crate::encoding::key::census::CensusKey;
use crate::encoding::key::document;
use crate::encoding::key::index::{self, Mark};
use crate::encoding::key::space::{self, META_KEY, Space};
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::index::indexes;
use crate::model::id::DocumentId;
use crate::storage::backend::{Direction, KeyRange};
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Commit, Correction, Expected, Read};
use crate::storage::commit::digest::StateDigest;
use crate::storage::commit::error::StorageError;
use crate::storage::commit::meta::Meta;
use crate::store::collection::Collection;
use crate::store::history::counters;
use crate::store::retry::pause_after;
use crate::store::store::Store;
use crate::stored::entries::Entries;
use crate::stored::record::Record;
use crate::stored::scan::{Found, Scan};
use crate::stored::state::{Held, State as _};

/// How often it is tried while others keep writing the same documents.
const TRIES: u32 = 20;

/// A document that was corrupt and has been removed; see [`Collection::discard_corrupt`].
#[non_exhaustive]
#[derive(Debug)]
pub struct Discarded {
    /// Its id.
    pub id: DocumentId,
    /// Why it could not be read.
    pub error: Error,
    /// All there was of it, byte for byte: the keys of the store and what was at each, the head of the record first, then its chunks.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<T> Collection<T> {
    /// Removes those of the documents with these ids that are corrupt, all in one commit: their records, with what is left of their chunks,
    /// and what indexes have of them. Gives what was removed, byte for byte. Ids without a document, and documents that are sound, stay
    /// as they are, and are not among the answer.
    ///
    /// This is the way out for a document that reads, writes and [`delete`](Self::delete) answer with `Corrupt`, so that nothing is lost without a
    /// word: when the document cannot be had from a backup either, or before it is inserted again from there. Of a document that is sound, and has chunks beside those that
    /// belong to it, only those are removed.
    ///
    /// What kind and stamp such a document had can often not be told, nor what values it had in indexes. So it costs two reads of the whole store:
    /// the census is held against the documents, and indexes are looked through for the ids. If no damaged record is left in the store
    /// then, the number of keys and the state digest are set to what is there. Whatever else had changed behind the
    /// store's back is from then on taken for what was committed: look at what [`Verify`](crate::Verify) finds *before*.
    ///
    /// A handle of one kind removes nothing of a document that says of itself to be of another. Where that can no longer be read, it is taken for one of the
    /// handle's.
    ///
    /// It does not help where the medium itself cannot be read.
    ///
    /// ```
    /// # use pivotdb::Store;
    /// # use serde_json::json;
    /// # let store = Store::memory()?;
    /// let notes = store.documents("notes")?;
    /// notes.insert_with_id(1, &json!("sound"))?;
    /// assert!(notes.discard_corrupt([1, 2])?.is_empty());
    /// assert!(notes.exists(1)?);
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidId`; `KindMismatch` for a corrupt document of a kind this collection does not see, and nothing is removed; `InvalidOption` on the handle of a transaction or snapshot; `Conflict` when others keep writing the documents; `TooLarge` when together
    /// they exceed the limit of a commit; `SnapshotExpired` when others overwrite too much while the store is read; `Corrupt` where keys of documents are damaged, or the medium is;
    /// and what a commit can fail with.
    pub fn discard_corrupt<I>(&self, ids: I) -> Result<Vec<Discarded>>
    where
        I: IntoIterator,
        I::Item: Into<DocumentId>,
    {
        self.check_live()?;
        let ids: BTreeSet<DocumentId> = ids.into_iter().map(Into::into).collect();
        for id in &ids {
            self.key(id)?;
        }
        let _discarding = self.inner.discarding.lock().unwrap_or_else(PoisonError::into_inner);
        for tries in 1..=TRIES {
            let (snapshot, meta) = self.inner.engine.snapshot_with_meta();
            let held = Held::Snapshot(Arc::new(snapshot));
            let mut corrupt = BTreeMap::new();
            for id in &ids {
                let found = examine(&held, self.number, id).map_err(|error| self.at(id, error))?;
                if let Some(kind) = found.as_ref().and_then(|found| found.kind)
                    && self.kind.is_some()
                {
                    self.must_see_kind(id, kind)?;
                }
                corrupt.extend(found.map(|found| (id.clone(), found)));
            }
            if corrupt.is_empty() {
                return Ok(Vec::new());
            }
            let mut commit = self.removal(&held, meta, &corrupt)?;
            // No generation is added until the commit is made.
            let gate = self.inner.indexes.enter();
            for generation in self.inner.indexes.of(self.number) {
                for (mark, id) in [Mark::Unreadable, Mark::Duplicate]
                    .into_iter()
                    .flat_map(|mark| gone(&corrupt).map(move |(id, _)| (mark, id)))
                {
                    // A build may have come past meanwhile.
                    commit.remove(index::mark(generation.number, mark, id)?);
                }
            }
            let applied = self.inner.engine.apply(commit);
            drop(gate);
            match applied.and_then(|sequence| self.inner.engine.wait(sequence, self.durability)) {
                Ok(()) => {
                    let discarded = corrupt.into_iter().map(|(id, found)| Discarded {
                        error: self.at(&id, found.error),
                        entries: found
                            .entries
                            .into_iter()
                            .map(|(key, value)| (key.to_vec(), value.to_vec()))
                            .collect(),
                        id,
                    });
                    return Ok(discarded.collect());
                }
                Err(StorageError::CheckFailed { .. }) => pause_after(tries),
                Err(error) => return Err(Error::from(error).in_collection(&self.name)),
            }
        }
        let error = Error::new(ErrorKind::Conflict, "others keep writing the documents");
        Err(error.with_collection(&self.name).with_detail("tries", TRIES))
    }

    /// The commit that removes what is corrupt in one state of the store.
    fn removal(&self, held: &Held, meta: Meta, corrupt: &BTreeMap<DocumentId, Corrupt>) -> Result<Commit> {
        let mut commit = Commit::default();
        let sequence = held.sequence()?;
        for (id, found) in corrupt {
            let head = self.key(id)?;
            if !found.entries.iter().any(|(key, _)| **key == *head) {
                let value = held.get(&head)?;
                commit.check(head.as_slice(), Expected::Unchanged(Read { sequence, value }));
            }
            for (key, value) in &found.entries {
                let read = Read { sequence, value: Some(value.clone()) };
                commit.check(key.clone(), Expected::Unchanged(read));
                commit.remove(key.clone());
            }
        }
        let surveyed = Surveyed::documents(held, self.number, corrupt)?;
        for counter in surveyed.counters_of(held, self.number, corrupt)? {
            commit.count(counter.encode().as_slice(), -1);
        }
        let of_indexes = self.inner.indexes.all().into_iter();
        let of_indexes = of_indexes.filter(|generation| generation.collection == self.number);
        let generations: BTreeSet<u32> = of_indexes.map(|generation| generation.number).collect();
        let correction = correction(held, meta, surveyed.damaged, |space, key, value| {
            if let Some((generation, id)) = owner(space, key, value)
                && generations.contains(&generation)
                && corrupt.get(&id).is_some_and(|found| found.is_gone)
            {
                commit.remove(key.clone());
            }
        })?;
        commit.correction = correction.unwrap_or_default();
        Ok(commit)
    }
}

impl Store {
    /// Takes what the store holds for what was committed: sets the number of keys and the state digest to what is there. Gives whether they were something else.
    ///
    /// This is the way out where [`Verify`](crate::Verify) finds that keys and values as a whole are not those that were committed, and nothing can
    /// be done about it: a document has been lost, or a catalog entry that was damaged has been dropped. What has changed so can not be told
    /// afterwards any more. Costs two reads of the whole store.
    ///
    /// # Errors
    /// `Corrupt` while there is a damaged record, which has to be [discarded](Collection::discard_corrupt) first; `SnapshotExpired` when others overwrite too much while
    /// the store is read; `InsideTransaction`; and what a commit can fail with.
    pub fn accept_content(&self) -> Result<bool> {
        let inner = self.inner();
        inner.insiders.check_outside()?;
        let _discarding = inner.discarding.lock().unwrap_or_else(PoisonError::into_inner);
        let (snapshot, meta) = inner.engine.snapshot_with_meta();
        let held = Held::Snapshot(Arc::new(snapshot));
        let surveyed = Surveyed::documents(&held, 0, &BTreeMap::new())?;
        let correction = correction(&held, meta, surveyed.damaged, |_, _, _| {})?.ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "records are damaged, so that the content cannot be accepted")
        })?;
        drop(held);
        if correction.is_none() {
            return Ok(false);
        }
        let commit = Commit { correction, ..Commit::default() };
        inner.engine.commit(commit, self.durability())?;
        Ok(true)
    }
}

/// What the meta key must say more for the content to be what it says; `None` where records are damaged, of which `damaged` are known. Shows
/// every key on the way.
fn correction(
    held: &Held,
    meta: Meta,
    mut damaged: u64,
    mut show: impl FnMut(Space, &Bytes, &Bytes),
) -> Result<Option<Correction>> {
    // By the same functions as the store is opened with.
    damaged += u64::try_from(Catalog::read(held)?.damaged().len()).unwrap_or(u64::MAX);
    damaged += indexes::count_damaged(held)?;
    let (mut keys, mut digest) = (0_u64, StateDigest::default());
    let mut entries = Entries::new(held, KeyRange::all());
    while let Some((key, value)) = entries.next()? {
        if *key == META_KEY {
            continue;
        }
        keys = keys.saturating_add(1);
        digest.add(&key, &value);
        match space::parse(&key) {
            Ok((Space::Catalog, _)) => damaged += u64::from(CatalogKey::parse(&key).is_err()),
            Ok((space, _)) => show(space, &key, &value),
            Err(_) => damaged += 1,
        }
    }
    let difference = i128::from(keys) - i128::from(meta.keys);
    let keys = i64::try_from(difference).unwrap_or_default();
    Ok((damaged == 0).then(|| Correction { keys, digest: digest.beyond(meta.digest) }))
}

/// What there is of a document that is corrupt.
struct Corrupt {
    error: Error,
    entries: Vec<(Bytes, Bytes)>,
    /// The number of its kind, where its head can be read.
    kind: Option<u32>,
    /// What its head says that it is counted by, if it is to be counted no longer.
    counter: Option<CensusKey>,
    has_head: bool,
    /// Whether nothing of it stays.
    is_gone: bool,
}

/// Those of which nothing stays.
fn gone(corrupt: &BTreeMap<DocumentId, Corrupt>) -> impl Iterator<Item = (&DocumentId, &Corrupt)> {
    corrupt.iter().filter(|(_, found)| found.is_gone)
}

/// What is corrupt of a document; `None`: nothing, or it is not there.
fn examine(held: &Held, collection: u32, id: &DocumentId) -> Result<Option<Corrupt>> {
    let span = document::id_span(collection, Bound::Included(id), Bound::Included(id))?;
    let (mut head, mut chunks) = (None, BTreeMap::new());
    let mut entries = Entries::within(held, span);
    while let Some((key, value)) = entries.next()? {
        match document::parse(&key).map(|parsed| parsed.chunk) {
            Ok(0) => head = Some((key, value)),
            Ok(chunk) => drop(chunks.insert(chunk, (key, value))),
            // It cannot be said to be this document's.
            Err(_) => {}
        }
    }
    let Some((key, value)) = head else {
        if chunks.is_empty() {
            return Ok(None);
        }
        let error = Error::new(ErrorKind::Corrupt, "chunks of a record have no head");
        let entries = chunks.into_values().collect();
        return Ok(Some(Corrupt {
            error,
            entries,
            kind: None,
            counter: None,
            has_head: false,
            is_gone: true,
        }));
    };
    let record = Record::from_chunks(&key, &value, |number| {
        Ok::<_, Error>(chunks.get(&number).map(|(_, value)| value.clone()))
    });
    match record {
        Ok(record) => {
            let entries: Vec<_> = chunks.split_off(&record.chunks.saturating_add(1)).into_values().collect();
            let error = Error::new(ErrorKind::Corrupt, "a record has chunks that do not belong to it");
            let kind = Some(record.header.kind);
            let corrupt = Corrupt { error, entries, kind, counter: None, has_head: true, is_gone: false };
            Ok((!corrupt.entries.is_empty()).then_some(corrupt))
        }
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            let header = Head::decode(&key, &value).ok().map(|head| head.header);
            let counter =
                header.map(|header| CensusKey { collection, kind: header.kind, stamp: header.stamp });
            let entries = std::iter::once((key, value)).chain(chunks.into_values()).collect();
            let kind = counter.map(|counter| counter.kind);
            Ok(Some(Corrupt { error, entries, kind, counter, has_head: true, is_gone: true }))
        }
        // A newer release has written it.
        Err(error) => Err(error),
    }
}

/// What all documents of a state come to, without those that are to be removed.
#[derive(Default)]
struct Surveyed {
    /// Sound ones of the collection.
    counted: BTreeMap<CensusKey, i64>,
    /// Damaged ones of the collection, without such as have no head, or are sound but for chunks that do not belong to them,
    damaged_here: i64,
    /// and all that is damaged.
    damaged: u64,
}

impl Surveyed {
    fn documents(held: &Held, collection: u32, removed: &BTreeMap<DocumentId, Corrupt>) -> Result<Self> {
        let mut surveyed = Self::default();
        let mut scan = Scan::new(held.clone(), Space::Documents.span(), Direction::Forward)?;
        // The last sound one of the collection: chunks that do not belong to it come after it, by themselves.
        let mut sound = None;
        while let Some(Found { collection: of, id, record }) = scan.next().transpose()? {
            let here = of == collection;
            match record {
                Ok(Record { header, .. }) if here => {
                    let counter = CensusKey { collection, kind: header.kind, stamp: header.stamp };
                    let count = surveyed.counted.entry(counter).or_default();
                    *count = count.saturating_add(1);
                    sound = Some(id);
                }
                Ok(_) => {}
                Err(_) if here && removed.contains_key(&id) => {}
                Err(_) => {
                    surveyed.damaged += 1;
                    if here && sound.as_ref() != Some(&id) {
                        let head = document::key(of, &id)?;
                        surveyed.damaged_here += i64::from(held.get(&head)?.is_some());
                    }
                }
            }
        }
        Ok(surveyed)
    }

    /// The counters that count the documents that are removed, one for each: what its head says, else one that counts more documents than there
    /// are. Of several damaged ones it cannot be told which is counted where; when all are gone all counters are right.
    fn counters_of(
        &self,
        held: &Held,
        collection: u32,
        removed: &BTreeMap<DocumentId, Corrupt>,
    ) -> Result<Vec<CensusKey>> {
        let mut surplus = BTreeMap::new();
        for (counter, stored) in counters(held, collection)? {
            let counted = self.counted.get(&counter).copied().unwrap_or_default();
            surplus.insert(counter, i64::try_from(stored).unwrap_or(i64::MAX).saturating_sub(counted));
        }
        surplus.retain(|_, more| *more > 0);
        let mut chosen = Vec::new();
        let mut take = |surplus: &mut BTreeMap<CensusKey, i64>, counter: CensusKey| {
            let more = surplus.get_mut(&counter).filter(|more| **more > 0);
            more.map(|more| {
                *more -= 1;
                chosen.push(counter);
            })
        };
        // Where the counter has been taken for one of which nothing could be told, that one's is left.
        let untold: Vec<_> = gone(removed)
            .filter(|(_, found)| found.counter.and_then(|counter| take(&mut surplus, counter)).is_none())
            .map(|(_, found)| found.has_head)
            .collect();
        // Those without a head last: others are more likely to be counted.
        for has_head in [true, false] {
            for _ in untold.iter().filter(|untold| **untold == has_head) {
                let all: i64 = surplus.values().fold(0, |sum, more| sum.saturating_add(*more));
                let next = surplus.iter().find(|(_, more)| **more > 0).map(|(counter, _)| *counter);
                if let Some(counter) = next.filter(|_| has_head || all > self.damaged_here) {
                    take(&mut surplus, counter);
                }
            }
        }
        Ok(chosen)
    }
}

/// Of which generation and document a key of an index is.
fn owner(space: Space, key: &[u8], value: &[u8]) -> Option<(u32, DocumentId)> {
    match space {
        Space::Entries => index::parse_entry(key, value).ok().map(|(generation, _, id)| (generation, id)),
        Space::Reservations => {
            let (generation, _) = index::parse_reservation(key).ok()?;
            Some((generation, index::read_id(value).ok()?))
        }
        Space::Reverse => index::parse_reverse(key).ok().map(|(generation, id, _)| (generation, id)),
        Space::Marks => {
            let (generation, _, id) = index::parse_mark(key).ok()?;
            Some((generation, id?))
        }
        _ => None,
    }
}
