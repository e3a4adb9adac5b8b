//! Writing documents.

use std::borrow::Borrow;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::encoding::body::de::from_body;
use crate::encoding::body::noting::Notes;
use crate::encoding::body::raw::Raw;
use crate::encoding::body::ser::{append_body, to_body};
use crate::encoding::envelope::header::Header;
use crate::encoding::envelope::record::{Draft, Sealed};
use crate::encoding::key::census::CensusKey;
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::index::source::Source;
use crate::index::upkeep::{Kept, Obstacle};
use crate::model::id::DocumentId;
use crate::model::revision::Revision;
use crate::model::stamp::Stamp;
use crate::model::time::Timestamp;
#[cfg(feature = "json-patch")]
use crate::record::json_patch;
use crate::record::kind::Kind;
use crate::record::patch;
use crate::record::rewrite::{Edit, Rewritten, rewrite};
use crate::record::view::View;
use crate::storage::commit::commit::{Commit, Expected};
use crate::storage::commit::error::StorageError;
use crate::store::collection::{Collection, foreign, read_only};
use crate::store::document::Document;
use crate::store::inserts::Inserts;
use crate::store::retry::{TRIES, pause_after};
use crate::store::session::Session;
use crate::store::upkeep::{Upkeep, as_record};
use crate::stored::read::{self, Latest};
use crate::stored::record::Record;
use crate::stored::state::Held;
use crate::stored::write;

/// A document that is about to be changed.
struct Existing {
    kind: Arc<Kind>,
    view: View,
}

/// What is stored of a document after a change, as the program sees it, and its kind.
type Stored = (Arc<Kind>, View);

/// What a change comes to.
#[expect(clippy::large_enum_variant, reason = "nearly always the large one, and never kept")]
enum Prepared {
    /// A commit, and what is stored after it.
    Ready(Commit, Option<Stored>),
    /// First something must be done for an index.
    Not(Obstacle),
}

/// What becomes of a document.
enum Change {
    /// Nothing.
    Keep,
    Write {
        kind: Arc<Kind>,
        rewritten: Rewritten,
    },
    Delete,
}

impl<T: Serialize> Collection<T> {
    /// Inserts a document under a new random id (UUID v7: ids sort by the time they were made), and gives the id.
    ///
    /// With [`Durability::Immediate`](crate::Durability::Immediate), the default on disk, it costs a sync of the disk, which takes as long as the disk
    /// takes: a thread that inserts one document after the other makes as many per second as the disk makes syncs. Threads that insert at
    /// the same time share syncs. For many documents [`insert_many`](Self::insert_many) commits them
    /// together; [`Durability::Buffered`](crate::Durability::Buffered) does not wait; [`bulk`](Self::bulk) is made for loading.
    ///
    /// # Errors
    /// `NotRepresentable`, `TooDeep` or `TooLarge` when the value cannot be stored; `UniqueViolation`, `NotIndexable` or `IndexBuilding` when an index does
    /// not take it; `KindRequired` when the collection is untyped and holds several kinds, or one with steps that this program has not declared;
    /// `InvalidOption` on the handle of a snapshot; and what a commit can fail with: `Io`, `OutOfSpace`, `Poisoned`, `CommitOutcomeUnknown`, `Closed`.
    pub fn insert(&self, value: &T) -> Result<DocumentId> {
        let id = DocumentId::random();
        self.insert_with_id(&id, value)?;
        Ok(id)
    }

    /// Inserts a document under an id of the caller's.
    ///
    /// # Errors
    /// `AlreadyExists` when there is a document with this id, of whatever kind; `InvalidId` when the id is too long; otherwise
    /// as [`insert`](Self::insert).
    pub fn insert_with_id(&self, id: impl Into<DocumentId>, value: &T) -> Result<()> {
        let mut inserts = Inserts::new(&self.kind_of_new()?);
        inserts.add(self, id.into(), value)?;
        inserts.commit(self).map(drop)
    }

    /// Inserts documents under new random ids, all or none, in one commit; gives their ids.
    ///
    /// # Errors
    /// `TooLarge` when together they exceed the limit of a commit; otherwise as [`insert`](Self::insert).
    pub fn insert_many<I>(&self, values: I) -> Result<Vec<DocumentId>>
    where
        I: IntoIterator,
        I::Item: Borrow<T>,
    {
        let mut inserts = Inserts::new(&self.kind_of_new()?);
        for value in values {
            inserts.add(self, DocumentId::random(), value.borrow())?;
        }
        inserts.commit(self)
    }

    /// Writes a whole document, whatever was there: fields the value does not have are gone. Gives the new revision.
    ///
    /// The document is stored in the shape this handle writes in, also where a newer program had written it, or the handle is a [view](Self::view): what only other
    /// schema versions have room for is gone too.
    ///
    /// # Errors
    /// `KindMismatch` when the document is of a kind this collection does not see; otherwise as [`insert`](Self::insert).
    pub fn overwrite(&self, id: impl Into<DocumentId>, value: &T) -> Result<Revision> {
        let id = id.into();
        let body = self.encode(&id, value)?;
        let stored = self.change_stored(&id, |record| {
            let (kind, stamp) = match record {
                Some(record) => {
                    let kind = self.must_see(&id, record)?;
                    let stamp = kind.shape_of(record.header.stamp);
                    (kind, stamp)
                }
                None => {
                    let kind = self.kind_of_new()?;
                    let stamp = kind.current();
                    (kind, stamp)
                }
            };
            Ok(Change::Write {
                kind,
                rewritten: Rewritten { stamp, body: body.clone(), complement: Vec::new() },
            })
        })?;
        Ok(revision(stored))
    }

    /// The body of `value`.
    fn encode(&self, id: &DocumentId, value: &T) -> Result<Vec<u8>> {
        to_body(value, self.inner.limits).map_err(|error| self.at(id, error.into()))
    }
}

impl<T: Serialize + DeserializeOwned> Collection<T> {
    /// Inserts the document, or writes the difference between it and what is there: fields of the stored document that the type does not
    /// know stay. Gives the revision, which is the old one if nothing differs.
    ///
    /// # Errors
    /// As [`insert`](Self::insert); where there is a document: `KindMismatch`, and as [`get`](Self::get).
    pub fn put(&self, id: impl Into<DocumentId>, value: &T) -> Result<Revision> {
        let id = id.into();
        let after = self.encode(&id, value)?;
        let stored = self.change(&id, |existing| match existing {
            None => {
                let kind = self.kind_of_new()?;
                let rewritten =
                    Rewritten { stamp: kind.current(), body: after.clone(), complement: Vec::new() };
                Ok(Change::Write { kind, rewritten })
            }
            Some(existing) => {
                let (value, notes) = existing.view.decode_noting::<T>(&existing.kind)?;
                let before = to_body(&value, self.inner.limits)?;
                self.difference(&id, &existing, &notes, &before, &after)
            }
        })?;
        Ok(revision(stored))
    }

    /// Changes a document in place, and gives it as it is afterwards. `change` sees the newest state, and may be called
    /// again when others write the document meanwhile. Only what it changes is written; if it changes nothing, nothing is.
    ///
    /// ```
    /// # use pivotdb::Store;
    /// # use serde_json::json;
    /// # let store = Store::memory()?;
    /// let counters = store.documents("counters")?;
    /// counters.insert_with_id("visits", &json!({"n": 0}))?;
    /// let visits = counters.update("visits", |visits| visits["n"] = json!(1))?;
    /// assert_eq!((visits["n"].as_u64(), visits.revision().get()), (Some(1), 2));
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound`; `KindMismatch`; as [`get`](Self::get) and [`insert`](Self::insert); `HistoryDiverged` when a newer program wrote the document and
    /// the change cannot be carried into its shape; `StepFailed` when it would not come back from there; `Conflict` after very many collisions.
    pub fn update(&self, id: impl Into<DocumentId>, mut change: impl FnMut(&mut T)) -> Result<Document<T>> {
        self.try_update(id, |value| {
            change(value);
            Ok(())
        })
    }

    /// As [`update`](Self::update), with a change that may fail; then nothing is written. [`Error::abort`] carries an error of
    /// the caller's own.
    ///
    /// # Errors
    /// What `change` gives; otherwise as [`update`](Self::update).
    pub fn try_update(
        &self,
        id: impl Into<DocumentId>,
        mut change: impl FnMut(&mut T) -> Result<()>,
    ) -> Result<Document<T>> {
        let id = id.into();
        let mut changed = None;
        let stored = self.change(&id, |existing| {
            let existing = existing.ok_or_else(|| self.not_found(&id))?;
            let (mut value, notes) = existing.view.decode_noting::<T>(&existing.kind)?;
            let mut bodies = to_body(&value, self.inner.limits)?;
            let length = bodies.len();
            change(&mut value)?;
            append_body(&mut bodies, &value, self.inner.limits)?;
            changed = Some(value);
            let (before, after) = bodies.split_at(length);
            self.difference(&id, &existing, &notes, before, after)
        })?;
        match (changed, stored) {
            (Some(value), Some((kind, view))) => Ok(Document::new(id, Arc::clone(kind.name()), view, value)),
            _ => Err(self.not_found(&id)),
        }
    }

    /// Writes a document back that was read before, if nobody has written it since; and brings its revision up to date.
    ///
    /// # Errors
    /// `Conflict` when somebody has, also by deleting it and inserting another one, and when it was read in a shape that is not that of
    /// this handle; `NotFound` when it has been deleted; otherwise as [`update`](Self::update).
    pub fn replace(&self, document: &mut Document<T>) -> Result<()> {
        let id = document.id().clone();
        let stored = self.change(&id, |existing| {
            let existing = existing.ok_or_else(|| self.not_found(&id))?;
            check_same(document.view(), &existing.view)?;
            let (before, notes) = existing.view.decode_noting::<T>(&existing.kind)?;
            let before = to_body(&before, self.inner.limits)?;
            let after = to_body(&document.value, self.inner.limits)?;
            self.difference(&id, &existing, &notes, &before, &after)
        })?;
        if let Some((_, view)) = stored {
            document.refresh(view);
        }
        Ok(())
    }

    /// Applies a JSON Merge Patch (RFC 7396) to the document as this program sees it, and gives the result: null removes a
    /// member, objects are patched member by member, everything else replaces what was there.
    ///
    /// ```
    /// # use pivotdb::Store;
    /// # use serde_json::json;
    /// # let store = Store::memory()?;
    /// let users = store.documents("users")?;
    /// users.insert_with_id("ada", &json!({"name": "Ada", "contact": {"phone": "1", "fax": "2"}}))?;
    /// let ada = users.merge_patch("ada", &json!({"contact": {"fax": null, "mail": "a@b.c"}}))?;
    /// assert_eq!(*ada, json!({"name": "Ada", "contact": {"phone": "1", "mail": "a@b.c"}}));
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Mismatch` when the result does not fit the type, and nothing is written; otherwise as [`update`](Self::update).
    pub fn merge_patch(&self, id: impl Into<DocumentId>, patch: &Value) -> Result<Document<T>> {
        let id = id.into();
        let limits = self.inner.limits;
        let patch = to_body(patch, limits).map_err(|error| self.at(&id, error.into()))?;
        self.patch(id, |body| Ok(patch::merge_patch(body, Raw::new(&patch)?, limits)?))
    }

    /// Applies a JSON Patch (RFC 6902), its `test` operations included, to the document as this program sees it, and gives the
    /// result. All operations are carried out or none. `test` compares numbers by their value, so that `1` is `1.0`, and exactly.
    ///
    /// ```
    /// # use pivotdb::Store;
    /// # use serde_json::json;
    /// # let store = Store::memory()?;
    /// let users = store.documents("users")?;
    /// users.insert_with_id("ada", &json!({"name": "Ada", "tags": ["math"]}))?;
    /// let ada = users.json_patch("ada", &json!([
    ///     {"op": "test", "path": "/name", "value": "Ada"},
    ///     {"op": "add", "path": "/tags/-", "value": "engine"},
    /// ]))?;
    /// assert_eq!(ada["tags"], json!(["math", "engine"]));
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidPatch` when `patch` is not one; naming operation and path, `PatchFailed` when an operation cannot be carried out, and `TooLarge` or `TooDeep` when the
    /// document is beyond the limits after it, whatever the next ones do; otherwise as [`merge_patch`](Self::merge_patch).
    #[cfg(feature = "json-patch")]
    pub fn json_patch(&self, id: impl Into<DocumentId>, patch: &Value) -> Result<Document<T>> {
        let id = id.into();
        let patch = json_patch::parse(patch).map_err(|error| self.at(&id, error))?;
        self.patch(id, |body| json_patch::apply(body, &patch, self.inner.limits))
    }

    fn patch(&self, id: DocumentId, patch: impl Fn(Raw<'_>) -> Result<Vec<u8>>) -> Result<Document<T>> {
        let mut patched = None;
        let stored = self.change(&id, |existing| {
            let existing = existing.ok_or_else(|| self.not_found(&id))?;
            let before = Raw::new(existing.view.body())?;
            let after = patch(before)?;
            patched = Some(from_given(Raw::new(&after)?)?);
            self.difference(&id, &existing, &Notes::silent(before), before.bytes(), &after)
        })?;
        match (patched, stored) {
            (Some(value), Some((kind, view))) => Ok(Document::new(id, Arc::clone(kind.name()), view, value)),
            _ => Err(self.not_found(&id)),
        }
    }

    fn difference(
        &self,
        id: &DocumentId,
        existing: &Existing,
        notes: &Notes<'_>,
        before: &[u8],
        after: &[u8],
    ) -> Result<Change> {
        let Existing { kind, view } = existing;
        let limits = self.inner.limits;
        let reread = |body: Raw<'_>| to_body(&from_body::<T>(body).ok()?, limits).ok();
        let edit = Edit { notes, before, after, reread: &reread };
        let rewritten = rewrite(kind, id, view, &edit, limits)?;
        Ok(rewritten.map_or(Change::Keep, |rewritten| Change::Write { kind: Arc::clone(kind), rewritten }))
    }
}

/// A value of a body that the caller has given.
pub(crate) fn from_given<T: DeserializeOwned>(body: Raw<'_>) -> Result<T> {
    let value = from_body(body);
    value.map_err(|error| {
        Error::from(error).with_advice("nothing was written; the value does not fit the type")
    })
}

impl<T> Collection<T> {
    /// Deletes a document; gives whether there was one.
    ///
    /// # Errors
    /// `KindMismatch` when the document is of a kind this collection does not see, and what a commit can fail with.
    pub fn delete(&self, id: impl Into<DocumentId>) -> Result<bool> {
        let id = id.into();
        let mut found = false;
        self.change_stored(&id, |record| {
            found = record.is_some();
            match record {
                Some(record) => self.must_see(&id, record).map(|_| Change::Delete),
                None => Ok(Change::Keep),
            }
        })?;
        Ok(found)
    }

    /// Changes the document as `decide` says, which sees it in the program's shape, and repeats that when others write it meanwhile.
    /// Gives the record that is stored afterwards.
    fn change(
        &self,
        id: &DocumentId,
        mut decide: impl FnMut(Option<Existing>) -> Result<Change>,
    ) -> Result<Option<Stored>> {
        self.change_stored(id, |record| {
            let Some(record) = record else { return decide(None) };
            let kind = self.must_see(id, record)?;
            let name = Arc::clone(kind.name());
            let existing = View::of(&kind, id, record.clone(), self.inner.limits)
                .map(|view| Existing { kind, view })
                .and_then(|existing| decide(Some(existing)));
            existing.map_err(|error| error.in_kind(&name, record.header.stamp))
        })
    }

    fn change_stored(
        &self,
        id: &DocumentId,
        mut decide: impl FnMut(Option<&Record>) -> Result<Change>,
    ) -> Result<Option<Stored>> {
        let at = |error| self.at(id, error);
        let key = self.key(id)?;
        match &self.session {
            Session::Live => self.inner.insiders.check_outside().map_err(at)?,
            Session::Transaction(transaction) => {
                let held = Held::Transaction(Arc::clone(transaction));
                loop {
                    let record = self.fetch(&key).map_err(at)?;
                    let change = decide(record.as_ref()).inspect_err(|error| {
                        if error.is_conflict() {
                            transaction.doom();
                        }
                    });
                    let gate = self.inner.indexes.enter();
                    let upkeep = Upkeep::new(&gate, self.number, Source::Held(&held));
                    let prepared =
                        self.prepare(id, &key, record, change.map_err(at)?, &upkeep).map_err(at)?;
                    drop(gate);
                    match prepared {
                        Prepared::Ready(commit, after) => {
                            transaction.stage(commit).map_err(|error| at(error.into()))?;
                            return Ok(after);
                        }
                        Prepared::Not(obstacle) => self.inner.clear(obstacle).map_err(at)?,
                    }
                }
            }
            Session::Snapshot(_) => return Err(at(read_only())),
            Session::Foreign => return Err(at(foreign())),
        }
        for tries in 1..=TRIES {
            let Latest { read, record } = read::latest(&self.inner.engine, &key).map_err(at)?;
            let change = decide(record.as_ref()).map_err(at)?;
            // From here on until the commit is applied, what is to be kept up stays the same.
            let gate = self.inner.indexes.enter();
            let upkeep = Upkeep::new(&gate, self.number, Source::Live(&self.inner.engine, None));
            let (mut commit, after) = match self.prepare(id, &key, record, change, &upkeep).map_err(at)? {
                Prepared::Ready(commit, after) => (commit, after),
                Prepared::Not(obstacle) => {
                    drop(gate);
                    self.inner.clear(obstacle).map_err(at)?;
                    continue;
                }
            };
            if commit.writes.is_empty() {
                return Ok(after);
            }
            commit.check(key.as_slice(), Expected::Unchanged(read));
            let applied = self.inner.engine.apply(commit);
            drop(gate);
            match applied.and_then(|sequence| self.inner.engine.wait(sequence, self.durability)) {
                Ok(()) => return Ok(after),
                Err(StorageError::CheckFailed { .. }) => pause_after(tries),
                Err(error) => return Err(at(error.into())),
            }
        }
        let error = Error::new(ErrorKind::Conflict, "others keep writing the document");
        Err(at(error.with_detail("tries", TRIES)))
    }

    /// The commit that makes `change`, and what is stored after it; fails before the commit where the program could not read that.
    fn prepare(
        &self,
        id: &DocumentId,
        key: &[u8],
        before: Option<Record>,
        change: Change,
        upkeep: &Upkeep<'_>,
    ) -> Result<Prepared> {
        let mut commit = Commit::default();
        let after = match change {
            Change::Keep => match before {
                Some(record) => {
                    let kind = self.must_see(id, &record)?;
                    let view = View::of(&kind, id, record, self.inner.limits)?;
                    Some((kind, view))
                }
                None => None,
            },
            Change::Delete => {
                if let Some(record) = &before {
                    write::remove(&mut commit, key.to_vec(), record.chunks);
                    self.count_down(&mut commit, &record.header);
                    if let Kept::Not(obstacle) =
                        upkeep.run(&self.inner, id, Some(record), None, &mut commit)?
                    {
                        return Ok(Prepared::Not(obstacle));
                    }
                }
                None
            }
            Change::Write { kind, rewritten } => {
                // What stays at its stamp also stays under the name of its kind, of which the stamp is one.
                let known = before.as_ref().filter(|record| record.header.stamp == rewritten.stamp);
                let number = known.map_or(kind.number(), |record| record.header.kind);
                let header = header_after(before.as_ref(), number, rewritten.stamp);
                let sealed = seal(key, &header, &rewritten)?;
                let chunked = if sealed.chunks.is_empty() { None } else { Some(as_record(key, &sealed)?) };
                let chunks_before = before.as_ref().map_or(0, |record| record.chunks);
                let head = write::put(&mut commit, key.to_vec(), sealed, chunks_before);
                let written = chunked.unwrap_or_else(|| {
                    Record::sealed(key, header, head, rewritten.complement.len(), rewritten.body.len())
                });
                if let Some(record) = &before {
                    self.count_down(&mut commit, &record.header);
                }
                self.count_up(&mut commit, &header);
                let kept = upkeep.run(&self.inner, id, before.as_ref(), Some(&written), &mut commit)?;
                if let Kept::Not(obstacle) = kept {
                    return Ok(Prepared::Not(obstacle));
                }
                let view = View::of(&kind, id, written, self.inner.limits)?;
                Some((kind, view))
            }
        };
        Ok(Prepared::Ready(commit, after))
    }

    fn count_up(&self, commit: &mut Commit, header: &Header) {
        self.count_by(commit, header, 1);
    }

    fn count_down(&self, commit: &mut Commit, header: &Header) {
        self.count_by(commit, header, -1);
    }

    fn count_by(&self, commit: &mut Commit, header: &Header, delta: i64) {
        let key = CensusKey { collection: self.number, kind: header.kind, stamp: header.stamp };
        commit.count(key.encode().as_slice(), delta);
    }
}

/// The revision of what is stored.
fn revision(stored: Option<Stored>) -> Revision {
    stored.map_or(Revision::FIRST, |(_, view)| view.record().header.revision)
}

/// Fails unless `found` is the document that was `read`, as it was, in the same shape. A document that was deleted and
/// inserted again may have the same revision; it does not have the same times.
fn check_same(read: &View, found: &View) -> Result<()> {
    let (before, now) = (read.record().header, found.record().header);
    let identity = |header: Header| (header.revision, header.kind, header.created, header.updated);
    let message = if identity(before) != identity(now) {
        "the document has been written since it was read"
    } else if read.stamp() != found.stamp() {
        "the document was read in another shape"
    } else {
        return Ok(());
    };
    let error = Error::new(ErrorKind::Conflict, message);
    Err(error.with_detail("read", before.revision).with_detail("found", now.revision))
}

fn header_after(before: Option<&Record>, kind: u32, stamp: Stamp) -> Header {
    let now = Timestamp::now();
    match before {
        Some(Record { header, .. }) => {
            Header { kind, stamp, revision: header.revision.next(), created: header.created, updated: now }
        }
        None => Header { kind, stamp, revision: Revision::FIRST, created: now, updated: now },
    }
}

fn seal(key: &[u8], header: &Header, rewritten: &Rewritten) -> Result<Sealed> {
    let (draft, mut value) = Draft::begin(header, &rewritten.complement, rewritten.body.len())?;
    value.extend_from_slice(&rewritten.body);
    Ok(draft.seal(key, value)?)
}
