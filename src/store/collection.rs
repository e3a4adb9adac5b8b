//! Collections.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde_json::Value;

use crate::encoding::envelope::header::Header;
use crate::encoding::key::census::{self, CensusKey};
use crate::encoding::key::document;
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::evolution::evolution::Evolution;
use crate::index::covered;
use crate::model::id::DocumentId;
use crate::record::kind::{Declaration, Kind};
use crate::storage::backend::{Direction, KeyRange};
use crate::storage::commit::commit::Durability;
use crate::store::core::Core;
use crate::store::history::{counters, missing_kind};
use crate::store::inner::Inner;
use crate::store::session::Session;
use crate::store::stats::CensusEntry;
use crate::stored::read::{self, Latest};
use crate::stored::record::Record;
use crate::stored::state::{Held, Walk};

/// A named set of documents, read and written as `T`. A handle: cheap to clone, usable from any thread.
///
/// A typed collection ([`Store::collection`](crate::Store::collection)) sees the documents of one kind, upcast to the
/// program's schema version. An untyped one ([`Store::documents`](crate::Store::documents)) sees every kind.
pub struct Collection<T> {
    pub(crate) inner: Arc<Inner>,
    pub(crate) name: Arc<str>,
    pub(crate) number: u32,
    /// `None`: of every kind.
    pub(crate) kind: Option<Arc<Kind>>,
    pub(crate) durability: Durability,
    /// Whether reads wait until what they have seen is on the medium.
    durable_reads: bool,
    pub(crate) session: Session,
    value: PhantomData<fn() -> T>,
}

impl<T> Collection<T> {
    pub(crate) fn new(inner: Arc<Inner>, name: &str, number: u32, kind: Option<Arc<Kind>>) -> Self {
        let durability = inner.durability;
        Self {
            inner,
            name: name.into(),
            number,
            kind,
            durability,
            durable_reads: false,
            session: Session::Live,
            value: PhantomData,
        }
    }

    /// The collection's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A handle whose writes return when `durability` says, whatever the store's default is. What is written in a transaction
    /// is committed as [the transaction's handle](crate::Store::with_durability) says.
    ///
    /// ```
    /// # use pivotdb::{Durability, Store};
    /// # use serde_json::json;
    /// # let store = Store::memory()?;
    /// let events = store.documents("events")?.with_durability(Durability::Buffered);
    /// events.insert(&json!({"kind": "click"}))?;
    /// store.flush()?;
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// A handle whose reads wait until what they give is on the medium. Others see a commit as soon as it is made, which is
    /// before it is durable: whoever acts on what he has read where no power cut can take it back, such as on a message sent or money
    /// paid out, reads so.
    ///
    /// A read waits for everything that had been committed when it was made, which costs a sync of the disk, shared with whoever
    /// waits at the moment, or nothing where that has been synced already. In a snapshot and in a transaction it waits for what
    /// that has seen. A store in memory waits for nothing.
    ///
    /// ```
    /// # use pivotdb::Store;
    /// # use serde_json::json;
    /// # let store = Store::memory()?;
    /// let orders = store.documents("orders")?.durable_reads();
    /// orders.insert_with_id(1, &json!({"paid": true}))?;
    /// assert_eq!(orders.require(1)?["paid"], true);
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// Reads through it give `CommitOutcomeUnknown` when the sync fails, or had failed before: what was read may then be gone when the
    /// store is opened again.
    #[must_use]
    pub fn durable_reads(mut self) -> Self {
        self.durable_reads = true;
        self
    }

    /// The same documents in the shape of an earlier schema version of this program's, read and written as `V`. What is changed through a view
    /// is stored at the stamp the document has; new documents are stored at the view's, and so is what is [overwritten](Self::overwrite): then fields that the view
    /// has no room for are gone, those kept for other schema versions included.
    ///
    /// ```
    /// # use pivotdb::{Evolution, Op, Store};
    /// # use serde_json::{Value, json};
    /// # let store = Store::memory()?;
    /// let steps = Evolution::new().step("say it in full", [Op::rename("name", "full_name")]);
    /// let users = store.collection_with::<Value>("users", "user", &steps)?;
    /// users.insert_with_id(1, &json!({"full_name": "Ada", "age": 36}))?;
    /// let v1 = users.view::<Value>(1)?;
    /// assert_eq!(v1.require(1)?["name"], "Ada");
    /// v1.update(1, |ada| ada["name"] = json!("Ada King"))?;
    /// assert_eq!(*users.require(1)?, json!({"full_name": "Ada King", "age": 36}));
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidOption` when the program's steps do not lead through the schema version; `KindRequired` when the collection is untyped.
    pub fn view<V>(&self, schema_version: u32) -> Result<Collection<V>> {
        let kind = self.kind.as_ref().ok_or_else(|| {
            let error =
                Error::new(ErrorKind::KindRequired, "a view is of one kind, and the collection of every");
            error.with_advice(ONE_KIND).with_collection(&self.name)
        })?;
        let Core { registry, catalog, .. } = &**self.inner;
        let seen = kind.at(schema_version, |seen| registry.follow(catalog, seen)).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidOption,
                "the program's steps do not lead through this schema version",
            )
            .with_collection(&self.name)
            .with_document_kind(kind.name())
            .with_detail("schema version", schema_version)
            .with_detail("least", 1)
            .with_detail("most", kind.current().schema_version)
            .with_advice("choose one in between")
        })?;
        Ok(self.seen_as(seen))
    }

    /// How many documents the collection has: of the type's kind, or of every kind where it is untyped. Exact. Costs one look at each
    /// of the collection's census counters, however many documents there are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count(&self) -> Result<u64> {
        Ok(self.counted()?.0)
    }

    /// As [`count`](Self::count), and whether all these documents are stored in the shape that this handle reads them in.
    pub(crate) fn counted(&self) -> Result<(u64, bool)> {
        let held = self.held()?;
        self.answer_for_census(&held)?;
        let (mut count, mut as_stored) = (0_u64, true);
        for (counter, documents) in self.counters(&held)?.into_iter().filter(|(_, documents)| *documents > 0)
        {
            let stamp = counter.stamp;
            as_stored &= match &self.kind {
                Some(kind) => {
                    if !self.is_of(kind, counter.kind).map_err(|error| error.in_collection(&self.name))? {
                        continue;
                    }
                    kind.shape_of(stamp) == stamp
                }
                // What is not in the catalog is told where it is read.
                None => {
                    let kind = self.inner.registry.resolve(&self.inner.catalog, counter.kind);
                    kind.is_ok_and(|kind| kind.shape_of(stamp) == stamp)
                }
            };
            count += documents;
        }
        Ok((count, as_stored))
    }

    /// The collection's documents by kind and stamp, exactly.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn census(&self) -> Result<Vec<CensusEntry>> {
        let held = self.held()?;
        self.answer_for_census(&held)?;
        self.census_of(&held)
    }

    /// A transaction has read the whole census of the collection.
    fn answer_for_census(&self, held: &Held) -> Result<()> {
        let span = census::collection_span(self.number);
        let all = KeyRange { start: span.start, end: Some(span.end) };
        Ok(Walk::new(held.clone(), all, Direction::Forward)?.ended()?)
    }

    /// The census of one state. A transaction does not answer for it.
    pub(crate) fn census_of(&self, held: &Held) -> Result<Vec<CensusEntry>> {
        let counters = self.counters(held)?.into_iter();
        let entry = |(CensusKey { kind, stamp, .. }, documents)| {
            let kind = self.inner.catalog.kind_name(kind).ok_or_else(|| missing_kind(kind))?;
            Ok(CensusEntry { collection: self.name.to_string(), kind, stamp, documents })
        };
        counters.map(entry).collect::<Result<_>>().map_err(|error| error.in_collection(&self.name))
    }

    fn counters(&self, held: &Held) -> Result<Vec<(CensusKey, u64)>> {
        counters(held, self.number).map_err(|error| error.in_collection(&self.name))
    }

    /// The same collection in another session of the store `inner`.
    pub(crate) fn within(&self, inner: &Arc<Inner>, session: Session) -> Self {
        let session = if Arc::ptr_eq(inner, &self.inner) { session } else { Session::Foreign };
        Self { session, ..self.clone() }
    }

    /// The same collection, its documents seen in the shape `kind` says.
    pub(crate) fn seen_as<V>(&self, kind: Arc<Kind>) -> Collection<V> {
        Collection { kind: Some(kind), ..self.read_as() }
    }

    /// The same documents, read and written as `V`.
    pub(crate) fn read_as<V>(&self) -> Collection<V> {
        Collection {
            inner: Arc::clone(&self.inner),
            name: Arc::clone(&self.name),
            number: self.number,
            kind: self.kind.clone(),
            durability: self.durability,
            durable_reads: self.durable_reads,
            session: self.session.clone(),
            value: PhantomData,
        }
    }

    /// The state that reads of more than one key are of.
    pub(crate) fn held(&self) -> Result<Held> {
        let held = self.state()?;
        self.wait_durable(held.sequence()?)?;
        Ok(held)
    }

    /// The same, durable or not.
    pub(crate) fn state(&self) -> Result<Held> {
        match &self.session {
            Session::Live => {
                self.inner.insiders.check_outside()?;
                Ok(Held::Snapshot(Arc::new(self.inner.engine.snapshot())))
            }
            Session::Snapshot(snapshot) => Ok(Held::Snapshot(Arc::clone(snapshot))),
            Session::Transaction(transaction) => Ok(Held::Transaction(Arc::clone(transaction))),
            Session::Foreign => Err(foreign()),
        }
    }

    /// Waits, where the handle's reads shall be durable, until the commits up to `sequence` are.
    pub(crate) fn wait_durable(&self, sequence: u64) -> Result<()> {
        if self.durable_reads {
            self.inner.engine.wait_durable(sequence)?;
        }
        Ok(())
    }

    /// Fails where the handle does not write to the store directly.
    pub(crate) fn check_live(&self) -> Result<()> {
        let error = match &self.session {
            Session::Live => {
                self.inner.insiders.check_outside()?;
                return Ok(self.inner.engine.check_open()?);
            }
            Session::Transaction(_) => Error::new(
                ErrorKind::InvalidOption,
                "what makes commits of its own cannot be part of a transaction",
            )
            .with_advice("call it before or after the transaction, on the store's collection"),
            Session::Snapshot(_) => read_only(),
            Session::Foreign => foreign(),
        };
        Err(error.with_collection(&self.name))
    }

    /// The record at `key`.
    pub(crate) fn fetch(&self, key: &[u8]) -> Result<Option<Record>> {
        if matches!(self.session, Session::Live) {
            self.inner.insiders.check_outside()?;
            let Latest { read, record } = read::latest(&self.inner.engine, key)?;
            self.wait_durable(read.sequence)?;
            return Ok(record);
        }
        read::at(&self.held()?, key)
    }

    /// The key of a document in this collection.
    pub(crate) fn key(&self, id: &DocumentId) -> Result<Vec<u8>> {
        document::key(self.number, id).map_err(|error| self.at(id, error.into()))
    }

    /// The kind of a record, if this handle sees it.
    pub(crate) fn sees(&self, record: &Record) -> Result<Option<Arc<Kind>>> {
        self.sees_header(&record.header)
    }

    /// As [`sees`](Self::sees), where only the header is there.
    pub(crate) fn sees_header(&self, header: &Header) -> Result<Option<Arc<Kind>>> {
        self.sees_kind(header.kind)
    }

    fn sees_kind(&self, stored: u32) -> Result<Option<Arc<Kind>>> {
        match &self.kind {
            Some(kind) => Ok(self.is_of(kind, stored)?.then(|| Arc::clone(kind))),
            None => self.inner.registry.resolve(&self.inner.catalog, stored).map(Some),
        }
    }

    /// Whether documents that are stored under the kind number `stored` are of `kind`: it may be the number of another of its names. Those of a kind whose
    /// name is damaged are so where the catalog still knows that it is one of them.
    pub(crate) fn is_of(&self, kind: &Kind, stored: u32) -> Result<bool> {
        if kind.number() == stored {
            return Ok(true);
        }
        match self.inner.registry.resolve(&self.inner.catalog, stored) {
            Ok(other) => Ok(other.number() == kind.number()),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                Ok(covered::is_of(&**self.inner, stored, kind.number()))
            }
            Err(error) => Err(error),
        }
    }

    /// As [`sees`](Self::sees), for writes: `KindMismatch` where the handle does not see it.
    pub(crate) fn must_see(&self, id: &DocumentId, record: &Record) -> Result<Arc<Kind>> {
        self.must_see_kind(id, record.header.kind)
    }

    /// As [`must_see`](Self::must_see), of the kind number that a document is stored under.
    pub(crate) fn must_see_kind(&self, id: &DocumentId, stored: u32) -> Result<Arc<Kind>> {
        let unseen = || match self.inner.catalog.kind_name(stored) {
            Some(found) => Error::new(ErrorKind::KindMismatch, "the document is of another kind")
                .with_document_kind(&found),
            None => missing_kind(stored),
        };
        let kind = self.sees_kind(stored).and_then(|kind| kind.ok_or_else(unseen));
        kind.map_err(|error| self.at(id, error))
    }

    /// The kind of a new document.
    pub(crate) fn kind_of_new(&self) -> Result<Arc<Kind>> {
        match &self.session {
            Session::Live | Session::Transaction(_) => {}
            Session::Snapshot(_) => return Err(read_only().with_collection(&self.name)),
            Session::Foreign => return Err(foreign().with_collection(&self.name)),
        }
        if let Some(kind) = &self.kind {
            return Ok(Arc::clone(kind));
        }
        let kind = self.inner.catalog.kind(&self.inner.engine, &self.only_kind()?)?;
        let kind = self.inner.registry.resolve(&self.inner.catalog, kind)?;
        if !kind.is_declared() && !self.inner.catalog.recorded(kind.number()).is_empty() {
            let error = Error::new(
                ErrorKind::KindRequired,
                "the kind has steps that this program has not declared, so that its newest shape is not known",
            );
            return Err(error.with_collection(&self.name).with_document_kind(kind.name()));
        }
        Ok(kind)
    }

    /// The name of the collection's only kind, or of the collection where there is none yet.
    fn only_kind(&self) -> Result<String> {
        // A transaction that answered for what it reads here would conflict with every insert into the collection.
        let mut names = Vec::new();
        for (counter, _) in self.counters(&self.state()?)? {
            let kind = self.inner.registry.resolve(&self.inner.catalog, counter.kind);
            let name = kind.map_err(|error| error.in_collection(&self.name))?.name().to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        match names.as_slice() {
            [] => Ok(self.name.to_string()),
            [only] => Ok(only.clone()),
            [_, _, ..] => {
                let error = Error::new(ErrorKind::KindRequired, "the collection holds several kinds");
                Err(error
                    .with_advice(ONE_KIND)
                    .with_collection(&self.name)
                    .with_detail("kinds", names.join(", ")))
            }
        }
    }

    /// `error`, with where it happened.
    pub(crate) fn at(&self, id: &DocumentId, error: Error) -> Error {
        error.in_document(&self.name, id)
    }
}

/// What to do where a call is about one kind.
const ONE_KIND: &str = "use a typed collection, or one of collection_with";

pub(crate) fn read_only() -> Error {
    Error::new(ErrorKind::InvalidOption, "a snapshot cannot be written to")
        .with_advice("write through the store's collection")
}

pub(crate) fn foreign() -> Error {
    Error::new(
        ErrorKind::InvalidOption,
        "the collection belongs to another store than the transaction or snapshot",
    )
    .with_advice("use a collection of the same store")
}

impl Collection<Value> {
    /// Declares, at run time, how the kind of this collection's documents evolves: the kind named like the collection, or its only kind.
    /// May be called again with further steps. Returns at once: documents are upcast when they are read.
    ///
    /// ```
    /// # use pivotdb::{Evolution, Op, Store};
    /// # use serde_json::json;
    /// let store = Store::memory()?;
    /// let runs = store.documents("runs")?;
    /// let id = runs.insert(&json!({"acc": 0.91}))?;
    /// runs.evolve(Evolution::new().step("say it in full", [Op::rename("acc", "accuracy")]))?;
    /// assert_eq!(runs.require(id)?["accuracy"], 0.91);
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidEvolution` when the steps contradict themselves, or do not begin with those declared before; `KindRequired`
    /// when the collection holds several kinds; `InvalidOption` on the handle of a transaction or snapshot.
    pub fn evolve(&self, evolution: Evolution) -> Result<()> {
        self.check_live()?;
        let (inner, name) = (&self.inner, self.only_kind()?);
        let declaration = Declaration { kind: &name, aliases: &[], evolution: &evolution, element_keys: &[] };
        let kind = inner.registry.declare(&inner.engine, &inner.catalog, declaration, true)?;
        inner.adopt_indexes(&kind)
    }
}

impl<T> Clone for Collection<T> {
    fn clone(&self) -> Self {
        self.read_as()
    }
}

impl<T> fmt::Debug for Collection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.as_ref().map(|kind| kind.name());
        f.debug_struct("Collection").field("name", &self.name).field("kind", &kind).finish_non_exhaustive()
    }
}
