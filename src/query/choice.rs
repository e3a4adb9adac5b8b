//! Which index a query uses.

use std::fmt;
use std::sync::Arc;

use crate::error::error::Error;
use crate::index::usable::{Progress, Usable};
use crate::query::explanation::UsedIndex;
use crate::query::plan::{Candidate, Component, Way, way};
use crate::query::spec::Spec;
use crate::storage::backend::Direction;

/// An index, and what to read of it.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) usable: Usable,
    pub(crate) way: Way,
}

/// Why an index, which has this name, has not been used, or not to the end.
#[derive(Debug)]
pub(crate) enum Note {
    Unreadable(Arc<str>),
    Empty(Arc<str>),
    Unrelated(Arc<str>),
    LessSpecific(Arc<str>),
    TooMany,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(name) => {
                write!(f, "index {name:?} lacks documents that cannot be read, which a scan comes upon")
            }
            Self::Empty(name) => write!(f, "index {name:?} is being built, and holds no documents yet"),
            Self::Unrelated(name) => {
                write!(f, "index {name:?} has nothing to do with the filter and the sort")
            }
            Self::LessSpecific(name) => write!(f, "index {name:?} is less specific"),
            Self::TooMany => {
                f.write_str("the index leads to more documents than a sort may hold: scanned instead")
            }
        }
    }
}

/// The best of `usable` for `spec`, if any is good for it; and why others are not.
pub(crate) fn choose(spec: &Spec, usable: Vec<Usable>) -> Result<(Option<Choice>, Vec<Note>), Error> {
    let mut best: Option<Choice> = None;
    let mut notes = Vec::new();
    for usable in usable {
        let name = || Arc::clone(&usable.generation.name);
        if usable.unreadable {
            notes.push(Note::Unreadable(name()));
            continue;
        }
        if usable.progress == (Progress::Building { frontier: None }) {
            notes.push(Note::Empty(name()));
            continue;
        }
        match way(&spec.condition, &spec.sort, &candidate(&usable))? {
            None => notes.push(Note::Unrelated(name())),
            Some(way) if best.as_ref().is_none_or(|best| best.way.score < way.score) => {
                best = Some(Choice { usable, way });
            }
            Some(_) => notes.push(Note::LessSpecific(name())),
        }
    }
    Ok((best, notes))
}

fn candidate(usable: &Usable) -> Candidate {
    let definition = &usable.generation.definition;
    let components = usable.routes.iter().zip(&definition.components).enumerate();
    let components = components.map(|(position, (route, component))| Component {
        route: route.clone(),
        descending: component.descending,
        lists: usable.may_have_lists(position),
    });
    Candidate {
        components: components.collect(),
        sparse: definition.sparse,
        unique: definition.unique,
        partial: definition.partial.as_ref().map(|partial| partial.condition.clone()),
        cut: usable.may_be_cut(),
    }
}

impl Choice {
    /// In words.
    pub(crate) fn plan(&self) -> String {
        let ranges = match self.way.ranges.as_slice() {
            [(start, None)] if start.is_empty() => "all entries".to_owned(),
            [_] => "one range".to_owned(),
            ranges => format!("{} ranges", ranges.len()),
        };
        let then = match self.way.in_order {
            None => ", documents in the order of their ids",
            Some(Direction::Forward) => ", forward",
            Some(Direction::Backward) => ", backward",
        };
        let tail = match self.usable.progress {
            Progress::Readable => "",
            Progress::Building { .. } => "; then a scan of what the build has not reached",
        };
        format!("index, {ranges}{then}{tail}")
    }

    pub(crate) fn used(&self) -> UsedIndex {
        let state = match &self.usable.progress {
            Progress::Readable => "readable".to_owned(),
            Progress::Building { frontier: None } => "building".to_owned(),
            Progress::Building { frontier: Some(frontier) } => format!("building, has come to {frontier}"),
        };
        let generation = &self.usable.generation;
        UsedIndex { name: generation.name.to_string(), generation: generation.number, state }
    }
}
