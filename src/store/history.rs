//! What a program should know of the histories of its kinds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::catalog::catalog::Catalog;
use crate::encoding::key::census::{self, CensusKey};
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::evolution::history::{History, NoWay, Recorded, Relation};
use crate::model::stamp::Stamp;
use crate::record::kind::Kind;
use crate::storage::commit::engine::Engine;
use crate::storage::commit::group::decode_counter;
use crate::stored::entries::Entries;
use crate::stored::state::Held;

/// Something a program should know of the history of a kind although nothing has failed; see [`Store::warnings`](crate::Store::warnings).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Another definition of the steps had been declared, by which no document was stored, and has been dropped: as when a step is
    /// edited while the program is being written.
    BranchReplaced {
        /// Name of the kind.
        kind: String,
        /// After the step.
        stamp: Stamp,
        /// Name of the step.
        step: String,
    },
    /// Documents are stored by another definition of the steps. They are brought down by it to where the two part, and up by the steps of this program.
    OtherBranch {
        /// Name of the kind.
        kind: String,
        /// The stamp they are stored at.
        stamp: Stamp,
        /// Name of the step that leads there.
        step: String,
        /// How many.
        documents: u64,
    },
    /// This program cannot read these documents in its shape, since steps are not known or cannot be undone. Reading
    /// one of them gives [`HistoryDiverged`](ErrorKind::HistoryDiverged).
    Diverged {
        /// Name of the kind.
        kind: String,
        /// The stamp they are stored at.
        stamp: Stamp,
        /// How many.
        documents: u64,
        /// Why.
        reason: String,
    },
    /// An entry of the catalog is damaged. The store goes on without it: see [what a damaged catalog
    /// stops](crate::documentation::design#damage-of-the-catalog).
    Damaged {
        /// What the entry is about, as far as its key tells.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An index that was made by a call is on something that the steps of this program take away, or its filter speaks of it. It is kept up for programs from before
    /// them, as far as that can be done, and this program has none; [`drop_index`](crate::Collection::drop_index) drops it.
    IndexLeftBehind {
        /// Name of the kind.
        kind: String,
        /// Name of the index.
        index: String,
        /// The step that takes it away.
        step: String,
    },
    /// The build of an index has failed, so that queries do not use it; [`IndexState::Failed`](crate::IndexState::Failed) says when that is so.
    /// [`Collection::indexes`](crate::Collection::indexes) lists the documents that are in the way; once they are changed,
    /// [`rebuild_index`](crate::Collection::rebuild_index) builds it anew.
    IndexFailed {
        /// Name of the collection.
        collection: String,
        /// Name of the index.
        index: String,
        /// How many documents have a value that was another one's already when the build came to them, as [`IndexInfo`](crate::IndexInfo) says it.
        duplicates: u64,
        /// Why, if not because of duplicates.
        failure: Option<String>,
    },
}

impl Warning {
    /// The kind it is of.
    pub(crate) fn kind(&self) -> Option<&str> {
        match self {
            Self::BranchReplaced { kind, .. }
            | Self::OtherBranch { kind, .. }
            | Self::Diverged { kind, .. }
            | Self::IndexLeftBehind { kind, .. } => Some(kind),
            Self::Damaged { .. } | Self::IndexFailed { .. } => None,
        }
    }

    /// Whether it is of something that has been done, and not of how documents are.
    pub(crate) fn is_of_steps(&self) -> bool {
        matches!(self, Self::BranchReplaced { .. } | Self::IndexLeftBehind { .. })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BranchReplaced { kind, stamp, step } => {
                write!(
                    f,
                    "a step has been replaced that no document had crossed: kind {kind:?}, stamp {stamp}, step {step:?}"
                )
            }
            Self::OtherBranch { kind, stamp, step, documents } => {
                write!(
                    f,
                    "documents are on another branch: kind {kind:?}, stamp {stamp}, step {step:?}, documents {documents}"
                )
            }
            Self::Diverged { kind, stamp, documents, reason } => {
                write!(
                    f,
                    "documents cannot be read: {reason}: kind {kind:?}, stamp {stamp}, documents {documents}"
                )
            }
            Self::Damaged { entry, reason } => {
                write!(f, "the catalog is damaged: entry {entry}: {reason}")
            }
            Self::IndexLeftBehind { kind, index, step } => {
                write!(
                    f,
                    "an index is on what a step takes away, and was left behind: kind {kind:?}, index {index:?}, step {step:?}"
                )
            }
            Self::IndexFailed { collection, index, duplicates, failure } => {
                write!(
                    f,
                    "the build of an index has failed: collection {collection:?}, index {index:?}, duplicates {duplicates}"
                )?;
                failure.as_ref().map_or(Ok(()), |failure| write!(f, ": {failure}"))
            }
        }
    }
}

/// How a stamp stands to the program's own steps.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The shape this program reads and writes.
    Current,
    /// The program's steps lead on from there.
    Older,
    /// Steps of another program lead there from the current one.
    Newer,
    /// Other steps than the program's own lead there.
    OtherBranch,
    /// Nothing is known of how it came to be.
    Unknown,
}

impl From<Relation> for Standing {
    fn from(to_current: Relation) -> Self {
        match to_current {
            Relation::Same => Self::Current,
            Relation::Ancestor => Self::Older,
            Relation::Descendant => Self::Newer,
            Relation::Diverged => Self::OtherBranch,
            Relation::Unknown => Self::Unknown,
        }
    }
}

/// A stamp of a kind, and the step that leads to it; see [`Store::history`](crate::Store::history).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The stamp.
    pub stamp: Stamp,
    /// The stamp before the step; `None` at schema version 1.
    pub parent: Option<Stamp>,
    /// Name of the step.
    pub step: Option<String>,
    /// Why the step [redefines](crate::Evolution::redefine) another, if it does.
    pub redefines: Option<String>,
    /// How it stands to the program's own steps.
    pub standing: Standing,
    /// How many documents are stored at it.
    pub documents: u64,
}

/// The counters of a collection, by kind and stamp.
pub(crate) fn counters(held: &Held, collection: u32) -> Result<Vec<(CensusKey, u64)>, Error> {
    let mut entries = Entries::within(held, census::collection_span(collection));
    let mut counters = Vec::new();
    while let Some((key, value)) = entries.next()? {
        counters.push((CensusKey::parse(&key)?, u64::try_from(decode_counter(&value)).unwrap_or(0)));
    }
    Ok(counters)
}

pub(crate) fn missing_kind(number: u32) -> Error {
    Error::new(ErrorKind::Corrupt, "a document has a kind that is not in the catalog")
        .with_detail("number", number)
}

/// Every step that any program has declared for the kind, under whichever of its names.
pub(crate) fn recorded(catalog: &Catalog, number: u32) -> Vec<Recorded> {
    let numbers = std::iter::once(number).chain(catalog.family(number));
    numbers.flat_map(|number| catalog.recorded(number)).collect()
}

/// How many documents of the kind, under whichever of its names, are stored at which stamp.
fn census(held: &Held, catalog: &Catalog, kind: &Kind) -> Result<BTreeMap<Stamp, u64>, Error> {
    let mut census = BTreeMap::new();
    let family = catalog.family(kind.number());
    for (_, collection) in catalog.collections() {
        for (CensusKey { kind: counted, stamp, .. }, documents) in counters(held, collection)? {
            if counted == kind.number() || family.contains(&counted) {
                let sum: &mut u64 = census.entry(stamp).or_default();
                *sum = sum.saturating_add(documents);
            }
        }
    }
    Ok(census)
}

/// Every stamp of a kind that is known or has documents.
pub(crate) fn report(held: &Held, catalog: &Catalog, kind: &Kind) -> Result<Vec<HistoryEntry>, Error> {
    let census = census(held, catalog, kind)?;
    let entries = kind.with_history(|history| {
        let mut standings: BTreeMap<Stamp, Standing> =
            history.stamps().into_iter().map(|(stamp, relation)| (stamp, relation.into())).collect();
        for stamp in census.keys().filter(|stamp| !history.knows(**stamp)) {
            standings.insert(*stamp, Standing::Unknown);
        }
        let entry = |(stamp, standing)| HistoryEntry {
            stamp,
            parent: history.parent(stamp),
            step: history.step_name(stamp).map(str::to_owned),
            redefines: history.redefinition(stamp).map(str::to_owned),
            standing,
            documents: census.get(&stamp).copied().unwrap_or_default(),
        };
        standings.into_iter().map(entry).collect()
    });
    Ok(entries)
}

/// What is to be said of a kind that has just been declared. Branches that no document is on are dropped.
pub(crate) fn review(engine: &Engine, catalog: &Catalog, kind: &Kind) -> Result<Vec<Warning>, Error> {
    let census = census(&Held::Snapshot(Arc::new(engine.snapshot())), catalog, kind)?;
    let (name, current) = (kind.name().to_string(), kind.current());
    let mut warnings = Vec::new();
    for (stamp, documents) in &census {
        let (stamp, documents, kind_name) = (*stamp, *documents, name.clone());
        if let Err(reason) = kind.check_way(stamp, current) {
            let reason = match reason {
                // The stamp is said anyway.
                NoWay::Unknown { .. } => "no program has recorded how this stamp came to be".to_owned(),
                reason => reason.to_string(),
            };
            warnings.push(Warning::Diverged { kind: kind_name, stamp, documents, reason });
        } else if kind.relation(stamp, current) == Relation::Diverged {
            let step = kind.with_history(|history| step_name(history, stamp));
            warnings.push(Warning::OtherBranch { kind: kind_name, stamp, step, documents });
        }
    }
    let branch: Vec<_> = kind.with_history(|history| {
        let diverged = |stamp: &Stamp| history.relation(*stamp, current) == Relation::Diverged;
        let in_use = |stamp: &Stamp| {
            let leads_on =
                |used| matches!(history.relation(*stamp, used), Relation::Same | Relation::Ancestor);
            census.keys().any(|used| leads_on(*used))
        };
        let stamps = history.stamps().into_iter().map(|(stamp, _)| stamp);
        let unused = stamps.filter(|stamp| diverged(stamp) && !in_use(stamp));
        unused.map(|stamp| (stamp, step_name(history, stamp))).collect()
    });
    let numbers: Vec<_> = std::iter::once(kind.number()).chain(catalog.family(kind.number())).collect();
    let steps: Vec<_> = numbers
        .iter()
        .flat_map(|number| branch.iter().map(|(stamp, _)| (*number, *stamp)))
        .filter(|(number, stamp)| catalog.has_step(*number, *stamp))
        .collect();
    if steps.is_empty() {
        return Ok(warnings);
    }
    let mut counters = Vec::new();
    for (_, collection) in catalog.collections() {
        counters.extend(steps.iter().map(|(kind, stamp)| {
            CensusKey { collection, kind: *kind, stamp: *stamp }.encode().as_slice().to_vec()
        }));
    }
    if catalog.forget_steps(engine, &steps, &counters)? {
        let dropped = branch.into_iter().filter(|(stamp, _)| steps.iter().any(|(_, step)| step == stamp));
        warnings.extend(dropped.map(|(stamp, step)| Warning::BranchReplaced {
            kind: name.clone(),
            stamp,
            step,
        }));
    }
    Ok(warnings)
}

fn step_name(history: &History, stamp: Stamp) -> String {
    history.step_name(stamp).unwrap_or_default().to_owned()
}
