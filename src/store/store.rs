//! Stores.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::error::Result;
use crate::evolution::evolution::Evolution;
use crate::record::kind::{Declaration, Kind};
use crate::storage::commit::commit::Durability;
use crate::store::collection::Collection;
use crate::store::core::Core;
use crate::store::history::{self, HistoryEntry, Warning};
use crate::store::inner::Inner;
use crate::store::stats::{CensusEntry, Stats};
use crate::store::versioned::Versioned;
use crate::stored::state::Held;

/// An open store. A handle: cheap to clone, usable from any thread; the store closes with its last handle, or by
/// [`close`](Self::close).
///
/// ```
/// use pivotdb::Store;
/// use serde_json::json;
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("app.pivot");
/// let store = Store::open(&path)?;
/// let notes = store.documents("notes")?;
/// let id = notes.insert(&json!({"text": "change your mind"}))?;
/// assert_eq!(notes.require(id)?["text"], "change your mind");
/// store.close()?;
/// # Ok::<(), pivotdb::Error>(())
/// ```
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    durability: Durability,
}

impl Store {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { durability: inner.durability, inner: Arc::new(inner) }
    }

    /// A handle whose transactions, and the writes of whose collections, return when `durability` says, whatever the store was opened with.
    ///
    /// ```
    /// # use pivotdb::{Durability, Store};
    /// # use serde_json::json;
    /// # let store = Store::memory()?;
    /// let counters = store.documents("counters")?;
    /// counters.insert_with_id("visits", &json!({"n": 0}))?;
    /// store.clone().with_durability(Durability::Buffered).transaction(|tx| {
    ///     tx.on(&counters).update("visits", |visits| visits["n"] = json!(1))
    /// })?;
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    /// The collection `name`, read and written as `T`; made at its first use. Documents of other kinds in it are not seen.
    ///
    /// # Errors
    /// `InvalidName`; `InvalidEvolution` when the steps of `T` contradict themselves, or the kind has been declared with other steps.
    pub fn collection<T: Versioned>(&self, name: &str) -> Result<Collection<T>> {
        let (evolution, element_keys) = (&T::evolution(), T::element_keys());
        let aliases = T::aliases();
        let collection =
            self.declare(name, Declaration { kind: T::KIND, aliases, evolution, element_keys })?;
        collection.declare_indexes(&T::indexes())?;
        Ok(collection)
    }

    /// As [`collection`](Self::collection), for types of other crates, and steps made at run time.
    ///
    /// # Errors
    /// As [`collection`](Self::collection).
    pub fn collection_with<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        kind: &str,
        evolution: &Evolution,
    ) -> Result<Collection<T>> {
        self.declare(name, Declaration { kind, aliases: &[], evolution, element_keys: &[] })
    }

    fn declare<T>(&self, name: &str, declaration: Declaration<'_>) -> Result<Collection<T>> {
        let Core { engine, catalog, registry, .. } = &**self.inner;
        let number = catalog.collection(engine, name)?;
        let kind = registry.declare(engine, catalog, declaration, false)?;
        self.inner.adopt_indexes(&kind)?;
        Ok(self.handle(name, number, Some(kind)))
    }

    /// The collection `name`, untyped: documents of every kind, each in the newest shape that this program has declared, or as it is stored
    /// where it has declared none.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn documents(&self, name: &str) -> Result<Collection<Value>> {
        let number = self.inner.catalog.collection(&self.inner.engine, name)?;
        Ok(self.handle(name, number, None))
    }

    fn handle<T>(&self, name: &str, number: u32, kind: Option<Arc<Kind>>) -> Collection<T> {
        Collection::new(Arc::clone(&self.inner), name, number, kind).with_durability(self.durability)
    }

    /// Whether this opening made the store, so that it is time for the first documents.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.inner.created
    }

    /// The names of all collections, in order.
    #[must_use]
    pub fn collections(&self) -> Vec<String> {
        self.inner.catalog.collections().into_iter().map(|(name, _)| name).collect()
    }

    /// How many documents the store holds, by collection, kind and stamp. Exact, and of one state of the store. Costs one look at each counter, however
    /// many documents there are.
    ///
    /// # Errors
    /// `InsideTransaction`; `Corrupt` where a collection or a kind in the catalog is damaged; and when the store cannot be read.
    pub fn census(&self) -> Result<Vec<CensusEntry>> {
        self.inner.insiders.check_outside()?;
        self.inner.catalog.check_names()?;
        let held = Held::Snapshot(Arc::new(self.inner.engine.snapshot()));
        let mut census = Vec::new();
        for (name, number) in self.inner.catalog.collections() {
            let collection = Collection::<Value>::new(Arc::clone(&self.inner), &name, number, None);
            census.extend(collection.census_of(&held)?);
        }
        Ok(census)
    }

    /// What the program should know of the histories of its kinds although nothing has failed: branches of steps that were replaced, documents on another
    /// branch, documents that it cannot read, indexes that it has left behind. As it was when each kind was declared; a kind is declared when the store is opened
    /// with it [registered](crate::Builder::register), or else at its first use. First come entries of the catalog that were damaged when the store was opened; last
    /// come indexes whose build has failed by now.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let damaged = self.inner.catalog.damaged().into_iter();
        let damaged =
            damaged.map(|damaged| (damaged.entry, damaged.because)).chain(self.inner.indexes.damaged());
        let damaged = damaged.map(|(entry, reason)| Warning::Damaged { entry, reason });
        damaged.chain(self.inner.registry.warnings()).chain(self.inner.failed_indexes()).collect()
    }

    /// Every stamp of a kind that is known, in order, with the step that leads to it: those of this program, and those that others have
    /// recorded in the store. Nothing where there is no such kind. Costs one look at each census counter.
    ///
    /// ```
    /// # use pivotdb::{Evolution, Op, Standing, Store};
    /// # use serde_json::Value;
    /// # let store = Store::memory()?;
    /// let steps = Evolution::new().step("say it in full", [Op::rename("name", "full_name")]);
    /// store.collection_with::<Value>("users", "user", &steps)?;
    /// let history = store.history("user")?;
    /// assert_eq!(history[1].step.as_deref(), Some("say it in full"));
    /// assert_eq!(history[1].standing, Standing::Current);
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InsideTransaction`, and when the store cannot be read.
    pub fn history(&self, kind: &str) -> Result<Vec<HistoryEntry>> {
        self.inner.insiders.check_outside()?;
        let Core { engine, catalog, registry, .. } = &**self.inner;
        let Some(number) = catalog.find_kind(kind) else { return Ok(Vec::new()) };
        let held = Held::Snapshot(Arc::new(engine.snapshot()));
        history::report(&held, catalog, &*registry.resolve(catalog, number)?)
            .map_err(|error| error.with_document_kind(kind))
    }

    /// Waits until everything committed so far is on the medium.
    ///
    /// # Errors
    /// `CommitOutcomeUnknown` when the sync fails; `Poisoned`; `Closed`.
    pub fn flush(&self) -> Result<()> {
        Ok(self.inner.engine.flush()?)
    }

    /// Waits until everything is on the medium and gives the files up, so that they can be opened again. Every handle on the store, of
    /// collections too, answers `Closed` from then on. Closing twice is no error.
    ///
    /// # Errors
    /// As [`flush`](Self::flush); the store is closed all the same.
    pub fn close(&self) -> Result<()> {
        self.inner.worker.stop();
        Ok(self.inner.engine.close()?)
    }

    /// What the store is doing.
    ///
    /// # Errors
    /// `Closed`.
    pub fn stats(&self) -> Result<Stats> {
        let figures = self.inner.engine.figures()?;
        Ok(Stats {
            sequence: figures.meta.sequence,
            synced_sequence: figures.synced,
            keys: figures.meta.keys,
            digest: figures.meta.digest.number(),
            size_on_disk: figures.size_on_disk,
            commits: figures.commits,
            groups: figures.groups,
            syncs: figures.syncs,
            failed_checks: figures.failed_checks,
            overlay_bytes: figures.overlay_bytes,
            snapshots: figures.snapshots,
        })
    }

    /// What maintenance works on.
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("durability", &self.durability).finish_non_exhaustive()
    }
}
