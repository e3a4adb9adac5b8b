//! Indexes as a program declares and sees them.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;

use crate::encoding::key::index::{self as key, Mark};
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::evolution::evolution::Evolution;
use crate::index::build::can_build;
use crate::index::decide::forecast;
use crate::index::declare::{Declared, adopt, anew, declare, has_foreign, here};
use crate::index::definition::{Index, Partial};
use crate::index::error::IndexError;
use crate::index::generation::Generation;
use crate::index::impact::Impact;
use crate::index::indexes::{Building, Context, Kinds as _, status};
use crate::index::outlook::{Outlook, Stored, outlook, stored};
use crate::index::state::{IndexState, Status};
use crate::index::throttle::Throttle;
use crate::index::upkeep::Obstacle;
use crate::index::work::{Worked, build, work};
use crate::model::id::DocumentId;
use crate::query::explanation::ConsideredIndex;
use crate::record::kind::{Declaration, Kind};
use crate::store::collection::Collection;
use crate::store::history::{Warning, recorded};
use crate::store::inner::Inner;
use crate::store::progress::BuildProgress;
use crate::store::store::Store;
use crate::stored::entries::Entries;
use crate::stored::state::Held;
use crate::value::path::Path;

/// The most documents that are listed of a sort.
const LISTED: usize = 100;
/// The most of them that are counted.
const COUNTED: u64 = 1_000;

/// An index of a collection; see [`Collection::indexes`]. How many entries it has, which takes a read of it, says [`Collection::index_entries`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub struct IndexInfo {
    /// What it is called.
    pub name: String,
    /// Tells generations of the same name apart; never used again.
    pub generation: u32,
    /// The paths of its components where this program sees documents; where it sees them differently, those it was made for.
    pub paths: Vec<Path>,
    /// Which of them are sorted from the greatest down.
    pub descending: Vec<bool>,
    /// Whether no two documents may have the same values.
    pub unique: bool,
    /// Whether documents that have nothing at any of the paths are left out.
    pub sparse: bool,
    /// Which documents it has, if not all.
    pub only: Option<Value>,
    /// The names of the kinds it covers.
    pub kinds: Vec<String>,
    /// Whether queries of this program can use it, as far as it has come. If not, it is kept up for others.
    pub current: bool,
    /// What it is good for.
    pub state: IndexState,
    /// The last commit when it got there.
    pub since: u64,
    /// How many documents the build has come past. It need not come past those that have been inserted since it began.
    pub documents: u64,
    /// How many documents of its kinds the collection has.
    pub of_documents: u64,
    /// How many of the documents that the build has come past have a value that was another one's already when the build came to them, and have not been changed since. Beyond 1,000 it is how many the
    /// build has met.
    pub duplicates: u64,
    /// The first 100 of the duplicates. Whose the value is, is not listed: a query by it tells.
    pub duplicate_ids: Vec<DocumentId>,
    /// How many documents have no entries since these cannot be made: they have more values than can be indexed, cannot be read in the shape
    /// that the index is on, or are damaged. Queries look at all documents as long as there is one. At most 1,000 are counted.
    pub unreadable: u64,
    /// The first 100 of the unreadable ones.
    pub unreadable_ids: Vec<DocumentId>,
    /// Why the build has failed, if not because of duplicates: the document it came to, and what was wrong with it.
    pub failure: Option<String>,
}

/// What a new evolution of a kind means for an index; see [`Store::impact`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexImpact {
    /// The collection's name.
    pub collection: String,
    /// What the index is called.
    pub name: String,
    /// The generation it is said of: the newest that is kept up, or an older one that will take its place.
    pub generation: u32,
    /// What the steps mean for it.
    pub impact: Impact,
}

impl Inner {
    /// The program has declared `kind`: takes the indexes along that were made by calls, and warns of those it cannot.
    pub(crate) fn adopt_indexes(&self, kind: &Kind) -> Result<()> {
        let adopted = adopt(self.context(), &self.indexes, kind)?;
        for (generation, step) in adopted.left {
            let (kind, index) = (kind.name().to_string(), generation.name.to_string());
            self.registry.warn(Warning::IndexLeftBehind { kind, index, step });
        }
        adopted.taken.iter().try_for_each(|generation| self.begin_build(generation))?;
        // Some that could not be built before may wait for just this kind.
        if self.indexes.all().iter().any(|generation| generation.live.state() == IndexState::Building) {
            self.worker.wake();
        }
        Ok(())
    }

    /// Of each index that the program goes by and whose build has failed, as far as its state can be read.
    pub(crate) fn failed_indexes(&self) -> Vec<Warning> {
        let mut failed = self.indexes.all();
        failed.retain(|index| index.live.state() == IndexState::Failed && index.live.is_enforced());
        if failed.is_empty() {
            return Vec::new();
        }
        let (held, collections) =
            (Held::Snapshot(Arc::new(self.engine.snapshot())), self.catalog.collections());
        let warning = |generation: Arc<Generation>| {
            let (collection, _) = collections.iter().find(|(_, number)| *number == generation.collection)?;
            let status = status(&held, generation.number).ok()??;
            let (duplicates, _) = duplicates(&held, generation.number, &status).ok()?;
            let (collection, index) = (collection.clone(), generation.name.to_string());
            Some(Warning::IndexFailed { collection, index, duplicates, failure: status.failure })
        };
        failed.into_iter().filter_map(warning).collect()
    }

    /// Does what must be done before a write can be made.
    pub(crate) fn clear(&self, obstacle: Obstacle) -> Result<()> {
        match obstacle {
            Obstacle::Beyond { generation, enforced } => {
                self.indexes.give_up(&self.engine, &generation, enforced)
            }
            Obstacle::Outgrown { generation, flags } => {
                generation.live.flags.set(flags);
                match anew(self.context(), &self.indexes, &generation, false)? {
                    Some(made) if made.number != generation.number => self.begin_build(&made),
                    // It is not known for which stamps, or nothing else would come of it.
                    _ => self.indexes.give_up(&self.engine, &generation, true),
                }
            }
        }
    }

    /// Builds it at once if that is quick, or else begins to.
    pub(crate) fn begin_build(&self, generation: &Arc<Generation>) -> Result<()> {
        if generation.live.state() == IndexState::Building && can_build(self.context(), generation)? {
            let (mut steps, documents) = (0, self.covered(generation)?);
            // Whoever calls waits for it, and is not to be slowed down.
            let context = self.context();
            let building = Building { throttle: Throttle::Off, ..context.building };
            let context = Context { building, ..context };
            // Others may write, and a build that is disturbed goes on in the background.
            while documents <= self.building.at_once
                && generation.live.state() == IndexState::Building
                && steps < 100
            {
                build(context, &self.indexes, generation)?;
                steps += 1;
            }
        }
        self.worker.wake();
        Ok(())
    }
}

impl<T> Collection<T> {
    /// Declares an index. If there is one like it of this name, nothing happens. If there is another one of this name, the new one is built beside it and takes its place once
    /// that is done. Indexes of one name that have no kind in common have nothing to do with each other. Where there are more than a few hundred documents, they are entered in the background, and the call returns at once.
    ///
    /// Where documents have the same value already, the call that declares a unique index succeeds all the same: the index ends [`Failed`](IndexState::Failed), and queries do not use it.
    /// [`Store::warnings`] tells of it, and [`indexes`](Self::indexes) gives the state and `duplicate_ids`; once these are changed, [`rebuild_index`](Self::rebuild_index) builds it anew.
    ///
    /// ```
    /// # use pivotdb::{Index, Store};
    /// # use serde_json::json;
    /// # let store = Store::memory()?;
    /// let users = store.documents("users")?;
    /// users.create_index(&Index::unique("email"))?;
    /// users.insert(&json!({"email": "ada@example.org"}))?;
    /// let error = users.insert(&json!({"email": "ada@example.org"})).unwrap_err();
    /// assert!(error.is_unique_violation());
    /// assert_eq!(error.context().detail("index"), Some("email"));
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidIndex`, `InvalidPath`; `KindRequired` when the collection is untyped and holds several kinds, or one with steps that this program has not declared, and none are named; `InvalidOption` on the
    /// handle of a transaction or snapshot; and what a commit can fail with.
    pub fn create_index(&self, index: &Index) -> Result<()> {
        self.declare_index(index, false).map(drop)
    }

    /// Builds an index anew: one that has failed, whose duplicates are gone by now, or one that is disabled. A typed handle means the one that covers its kind, an
    /// untyped one the newest of this name.
    ///
    /// # Errors
    /// `InvalidIndex` when there is none of this name, or only those of programs that see documents in other shapes, which are left to them, or one whose kinds have its paths under different names here; `KindRequired` when it is of a kind with
    /// steps that this program has not declared; otherwise as [`create_index`](Self::create_index).
    pub fn rebuild_index(&self, name: &str) -> Result<()> {
        self.check_live()?;
        let newest = self.newest(name)?;
        // Older ones may be of another definition.
        let has_it = |own: &Arc<Generation>| *own.name == *name && here(&**self.inner, own).is_some();
        if let Some(own) = self.own_indexes().into_iter().rfind(has_it)
            && let Some(made) = anew(self.inner.context(), &self.inner.indexes, &own, true)?
        {
            return self.inner.begin_build(&made);
        }
        let error =
            if has_foreign(&**self.inner, &newest) { IndexError::Undeclared } else { IndexError::LeftBehind };
        let error = Error::from(error).with_detail("generation", newest.number);
        Err(error.in_collection(&self.name).with_detail("index", name))
    }

    /// Drops an index, with all its generations; gives whether there was one. A typed handle means the one that covers its kind, an untyped one all of this name. What takes
    /// time is done in the background.
    ///
    /// # Errors
    /// `InvalidOption` on the handle of a transaction or snapshot; and what a commit can fail with.
    pub fn drop_index(&self, name: &str) -> Result<bool> {
        self.put_all(name, IndexState::Dropped)
    }

    /// Switches an index off, until it is [built anew](Self::rebuild_index); gives whether there was one. A unique one is not enforced any more. Which one is meant:
    /// as for [`drop_index`](Self::drop_index).
    ///
    /// # Errors
    /// As [`drop_index`](Self::drop_index).
    pub fn disable_index(&self, name: &str) -> Result<bool> {
        self.put_all(name, IndexState::Disabled)
    }

    /// Drops the generations of all indexes, of the kinds that the handle sees, that this program has no use for: those that are kept up for an older or newer one, and those that its type
    /// no longer names. Gives how many. If the other program comes back, it builds its indexes anew. Those of kinds that have steps, and that this program has not declared, stay: it
    /// may yet declare them.
    ///
    /// # Errors
    /// As [`drop_index`](Self::drop_index).
    pub fn drop_superseded_indexes(&self) -> Result<usize> {
        self.check_live()?;
        let _changing = self.inner.indexes.change();
        let mut dropped = 0;
        for generation in self.own_indexes() {
            if has_foreign(&**self.inner, &generation) {
                continue;
            }
            if shape_paths(&self.inner, &generation).is_none() || !generation.live.is_enforced() {
                self.inner.indexes.set_state(&self.inner.engine, &generation, IndexState::Dropped)?;
                dropped += 1;
            }
        }
        self.inner.worker.wake();
        Ok(dropped)
    }

    /// The indexes of the collection, oldest first, each with its state and how far its build has come. Generations of one name stand beside each other
    /// while one takes the place of another, and for programs of other schema versions.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn indexes(&self) -> Result<Vec<IndexInfo>> {
        let held = self.held()?;
        let mut infos = Vec::new();
        for generation in self.inner.indexes.of(self.number) {
            let status = match status(&held, generation.number) {
                Ok(Some(status)) => status,
                Ok(None) => continue,
                Err(error) if error.kind() == ErrorKind::Corrupt => Status::new(IndexState::Unmaintained, 0),
                Err(error) => return Err(error),
            };
            let paths = shape_paths(&self.inner, &generation);
            let state = match (status.state, generation.live.state()) {
                // A snapshot sees what was; what has been given up since is given up.
                (state, now) if now.is_maintained() => state,
                (_, now) => now,
            };
            let of_documents = self.inner.covered_in(&held, &generation)?;
            let (duplicates, duplicate_ids) = duplicates(&held, generation.number, &status)?;
            let (unreadable, unreadable_ids) = marked(&held, generation.number, Mark::Unreadable)?;
            let kinds = generation.kinds.keys().filter_map(|number| {
                let known = self.inner.kind(*number).map(|kind| kind.name().to_string());
                known.ok().or_else(|| self.inner.catalog.kind_name(*number))
            });
            let components = &generation.definition.components;
            infos.push(IndexInfo {
                name: generation.name.to_string(),
                generation: generation.number,
                current: self.is_current(&held, &generation)? && state != IndexState::Unmaintained,
                paths: paths.unwrap_or_else(|| generation.definition.paths()),
                descending: components.iter().map(|component| component.descending).collect(),
                unique: generation.definition.unique,
                sparse: generation.definition.sparse,
                only: generation.definition.partial.as_ref().map(Partial::to_json),
                kinds: kinds.collect(),
                state,
                since: status.since,
                documents: status.documents,
                of_documents,
                duplicates,
                duplicate_ids,
                unreadable,
                unreadable_ids,
                failure: status.failure,
            });
        }
        Ok(infos)
    }

    /// How many entries an index has: that of the handle's kind, or of an untyped one the newest of this name. Counts them: costs a read of the index.
    ///
    /// # Errors
    /// `InvalidIndex` when there is none of this name; and when the store cannot be read.
    pub fn index_entries(&self, name: &str) -> Result<u64> {
        let held = self.held()?;
        let span = key::entry_span(self.newest(name)?.number, &[], None);
        let mut entries = Entries::within(&held, span);
        let mut count = 0_u64;
        while entries.next()?.is_some() {
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    /// Declares the indexes of a type, and lets go of what it has declared before and does no longer.
    pub(crate) fn declare_indexes(&self, indexes: &[Index]) -> Result<()> {
        for index in indexes {
            self.declare_index(index, true)?;
        }
        let Some(kind) = &self.kind else { return Ok(()) };
        for generation in self.inner.indexes.of(self.number) {
            let declared = indexes.iter().any(|index| *index.name() == *generation.name);
            let own = !generation.created && generation.covers_only(&**self.inner, kind.number());
            if own && !declared {
                generation.live.enforce(false);
            }
        }
        Ok(())
    }

    fn declare_index(&self, index: &Index, by_type: bool) -> Result<()> {
        if !by_type {
            self.check_live()?;
        }
        let named = |error: Error| error.in_collection(&self.name);
        index.check().map_err(named)?;
        let kinds = match (&self.kind, index.definition.kinds.as_slice()) {
            (Some(kind), []) => vec![self.inner.kind(kind.number())?],
            (None, []) => vec![self.kind_of_new()?],
            (_, names) => {
                let numbers = names.iter().map(|name| self.inner.catalog.kind(&self.inner.engine, name));
                numbers.map(|number| self.inner.kind(number?)).collect::<Result<_>>()?
            }
        };
        let declared = Declared { collection: self.number, index, kinds: &kinds, created: !by_type };
        let generation =
            declare(self.inner.context(), &self.inner.indexes, declared, false).map_err(named)?;
        self.inner.begin_build(&generation)
    }

    /// What the steps since they were made mean for the generations of the collection, of which a query has used one, or none.
    pub(crate) fn considered(&self, used: Option<u32>) -> Result<Vec<ConsideredIndex>> {
        let held = Held::Snapshot(Arc::new(self.inner.engine.snapshot()));
        let stored = stored(&held, self.number)?;
        let of = self.inner.indexes.of(self.number).into_iter();
        let considered = of.map(|generation| ConsideredIndex {
            name: generation.name.to_string(),
            generation: generation.number,
            state: generation.live.state(),
            used: used == Some(generation.number),
            impact: impact_since(&self.inner, &generation, &stored),
        });
        Ok(considered.collect())
    }

    /// Whether queries of this program can use it. Where it is not known how this program will see documents, they see them as they are stored.
    fn is_current(&self, held: &Held, generation: &Generation) -> Result<bool> {
        let kinds = &**self.inner;
        if !has_foreign(kinds, generation) {
            return Ok(shape_paths(&self.inner, generation).is_some());
        }
        let mut of = 0_usize;
        for (kind, stamp) in self.seen(held)? {
            let Some(covered) = generation.covered(kinds, kind) else { continue };
            of += 1;
            if !covered.shape(stamp).is_some_and(|(position, _)| covered.is_right_at(position)) {
                return Ok(false);
            }
        }
        Ok(of > 0)
    }

    /// Those that have documents which the handle sees.
    fn own_indexes(&self) -> Vec<Arc<Generation>> {
        let sees_it = |generation: &Arc<Generation>| {
            let kind = self.kind.as_ref();
            kind.is_none_or(|kind| generation.covered(&**self.inner, kind.number()).is_some())
        };
        self.inner.indexes.of(self.number).into_iter().filter(sees_it).collect()
    }

    fn newest(&self, name: &str) -> Result<Arc<Generation>> {
        let of = self.own_indexes().into_iter();
        of.filter(|generation| *generation.name == *name)
            .max_by_key(|generation| generation.number)
            .ok_or_else(|| {
                Error::from(IndexError::Unknown).in_collection(&self.name).with_detail("index", name)
            })
    }

    fn put_all(&self, name: &str, state: IndexState) -> Result<bool> {
        self.check_live()?;
        let _changing = self.inner.indexes.change();
        let mut found = false;
        for generation in self.own_indexes() {
            if *generation.name == *name {
                found = true;
                self.inner.indexes.set_state(&self.inner.engine, &generation, state)?;
            }
        }
        self.inner.worker.wake();
        Ok(found)
    }
}

/// How many documents have a value that was another one's already, and the first of them.
fn duplicates(held: &Held, generation: u32, status: &Status) -> Result<(u64, Vec<DocumentId>)> {
    if status.duplicates == 0 {
        return Ok((0, Vec::new()));
    }
    let (marks, ids) = marked(held, generation, Mark::Duplicate)?;
    Ok((if marks < COUNTED { marks } else { status.duplicates.max(marks) }, ids))
}

/// How many documents have a mark, as far as they are counted, and the first of them.
fn marked(held: &Held, generation: u32, mark: Mark) -> Result<(u64, Vec<DocumentId>)> {
    let (mut count, mut ids) = (0, Vec::new());
    let mut marks = Entries::within(held, key::mark_span(generation, mark));
    while count < COUNTED
        && let Some((at, _)) = marks.next()?
    {
        count += 1;
        if ids.len() < LISTED {
            ids.extend(key::parse_mark(&at)?.2);
        }
    }
    Ok((count, ids))
}

/// The paths of a generation where this program sees documents; `None` where it sees them in other shapes.
fn shape_paths(inner: &Inner, generation: &Generation) -> Option<Vec<Path>> {
    here(&**inner, generation).filter(|here| here.right).map(|here| here.paths)
}

/// What the steps have meant for a generation that lead from where it was made to where this program is, of the kind for which they mean most.
fn impact_since(inner: &Inner, generation: &Generation, stored: &Stored) -> Option<Impact> {
    let mut most = Impact::Untouched;
    for (number, shapes) in &generation.kinds {
        let kind = inner.kind(*number).ok()?;
        if !kind.is_declared() {
            continue;
        }
        let made = shapes.first()?;
        // Otherwise it was made for a newer program, which knows.
        let steps = kind.ascent(made.stamp, kind.current())?;
        let impact = match outlook(&**inner, generation, &kind, stored) {
            Outlook::Serves(paths) if paths != made.paths() => Impact::Renamed { paths },
            Outlook::Serves(_) => Impact::Untouched,
            Outlook::GoesOver(_, _, impact) => impact,
            Outlook::Ends(impact) => match generation.definition.impact(&made.paths(), &steps) {
                // These say which step it is.
                known @ (Impact::Rebuild { .. } | Impact::LeftBehind { .. }) => known,
                Impact::Untouched | Impact::Renamed { .. } => impact,
            },
        };
        match (impact, &most) {
            (anew @ (Impact::Rebuild { .. } | Impact::LeftBehind { .. }), _) => return Some(anew),
            (renamed @ Impact::Renamed { .. }, Impact::Untouched) => most = renamed,
            _ => {}
        }
    }
    Some(most)
}

impl Store {
    /// What the steps of `evolution`, which may not have been deployed yet, mean for the indexes of a kind: which go on as they are, which under
    /// other names, and which are built anew. Changes nothing. It is what would be done now: a document that is written meanwhile may have something else done.
    ///
    /// ```
    /// # use pivotdb::{Evolution, Impact, Index, Op, Store};
    /// # use serde_json::Value;
    /// # let store = Store::memory()?;
    /// let users = store.collection_with::<Value>("users", "user", &Evolution::new())?;
    /// users.create_index(&Index::on("mail"))?;
    /// let next = Evolution::new().step("in lower case", [Op::lowercase("mail")]);
    /// let impact = store.impact("user", &next)?;
    /// assert_eq!(impact[0].impact, Impact::Rebuild { step: "in lower case".into() });
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidEvolution`; `InvalidName`; and when the store cannot be read.
    pub fn impact(&self, kind: &str, evolution: &Evolution) -> Result<Vec<IndexImpact>> {
        let inner = self.inner();
        inner.engine.check_open()?;
        let Some(number) =
            inner.catalog.kinds().into_iter().find(|(name, _)| name == kind).map(|(_, number)| number)
        else {
            return Ok(Vec::new());
        };
        let declaration = Declaration { kind, aliases: &[], evolution, element_keys: &[] };
        let planned = Kind::declared(number, &declaration, inner.catalog.collection_names())?;
        let family = inner.catalog.family(number);
        family.iter().filter_map(|of| inner.catalog.kind_name(*of)).for_each(|name| planned.alias(&name));
        planned.learn(recorded(&inner.catalog, number));
        let planned = Arc::new(planned);
        let held = Held::Snapshot(Arc::new(inner.engine.snapshot()));
        let mut impacts = Vec::new();
        for (collection, at) in inner.catalog.collections() {
            let stored = stored(&held, at)?;
            let mut kept_up = inner.indexes.of(at);
            let covers = |of: &Generation| of.covered(&***inner, number).is_some();
            kept_up.retain(|of| of.live.state().is_maintained() && covers(of));
            for (position, newest) in kept_up.iter().enumerate() {
                let of_name = |other: &&Arc<Generation>| other.name == newest.name;
                if kept_up.iter().skip(position + 1).any(|later| of_name(&later)) {
                    continue;
                }
                let generations: Vec<_> = kept_up.iter().filter(of_name).cloned().collect();
                if let Some((generation, impact)) = forecast(&***inner, &generations, &planned, &stored)? {
                    let (name, generation) = (generation.name.to_string(), generation.number);
                    impacts.push(IndexImpact { collection: collection.clone(), name, generation, impact });
                }
            }
        }
        Ok(impacts)
    }

    /// Drops the indexes whose definitions are damaged, of which nobody knows any more what they were; gives how many. [`warnings`](Self::warnings) tells
    /// of them. They are neither used nor kept up, so that their keys only take space, and a unique one is not enforced: declare it again. What
    /// takes time is done in the background.
    ///
    /// # Errors
    /// `InsideTransaction`; and what a commit can fail with.
    pub fn drop_corrupt_indexes(&self) -> Result<usize> {
        let inner = self.inner();
        inner.insiders.check_outside()?;
        inner.engine.check_open()?;
        let _changing = inner.indexes.change();
        let lost = inner.indexes.lost();
        for generation in &lost {
            inner.indexes.set_state(&inner.engine, generation, IndexState::Dropped)?;
        }
        inner.worker.wake();
        Ok(lost.len())
    }

    /// Does what is to be done for indexes, on this thread: builds them, and removes what was dropped. For a store that is opened
    /// without [background work](crate::Builder::background).
    ///
    /// # Errors
    /// `InsideTransaction`; when the store cannot be read or written. What has been done stays, and goes on from there.
    pub fn run(&self) -> Result<()> {
        self.run_with(|_| ControlFlow::Continue(()))
    }

    /// As [`run`](Self::run); calls `progress` after each step of a build, of some dozen documents, and stops when that breaks.
    ///
    /// # Errors
    /// `Cancelled`; otherwise as [`run`](Self::run).
    pub fn run_with(&self, mut progress: impl FnMut(BuildProgress) -> ControlFlow<()>) -> Result<()> {
        while let Some(step) = self.step()? {
            if progress(step).is_break() {
                return Err(Error::new(ErrorKind::Cancelled, "stopped by the caller's progress callback"));
            }
        }
        Ok(())
    }

    /// Does one step of what is to be done for indexes; `None` where that is nothing.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn step(&self) -> Result<Option<BuildProgress>> {
        let inner = self.inner();
        inner.insiders.check_outside()?;
        inner.engine.check_open()?;
        match work(inner.context(), &inner.indexes)? {
            Worked::Idle => Ok(None),
            Worked::Step(step) => inner.progress(&step).map(Some),
        }
    }
}
