//! What a query does, and what that has cost.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::index::impact::Impact;
use crate::index::state::IndexState;

/// What a query does, and what that has cost; made by [`Query::explain`](crate::Query::explain). Its text is for people, and may change with any release.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The way to the documents: `scan`, or what of which index is read.
    pub plan: String,
    /// The index, its generation, and the state of that, where one is used.
    pub index: Option<UsedIndex>,
    /// Every index of the collection, and what the steps since it was made mean for it.
    pub indexes: Vec<ConsideredIndex>,
    /// Whether the results have been sorted in memory.
    pub sorted: bool,
    /// Why indexes that there are have not been used, and what else is worth knowing.
    pub notes: Vec<String>,
    /// Index entries that have been read.
    pub keys_examined: u64,
    /// Documents that have been looked at.
    pub documents_examined: u64,
    /// How many of those had to be upcast.
    pub documents_upcast: u64,
    /// How many of those could not be read.
    pub documents_unreadable: u64,
    /// Results.
    pub documents_returned: u64,
    /// In how many of the documents that have been looked at there was something, for each path of the filter.
    pub paths: Vec<(String, u64)>,
    /// How long it took.
    pub time: Duration,
}

/// An index that a query has used.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedIndex {
    /// Its name.
    pub name: String,
    /// The number of its generation.
    pub generation: u32,
    /// The state of the generation.
    pub state: String,
}

/// An index that a query has used, or has not.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsideredIndex {
    /// Its name.
    pub name: String,
    /// The number of its generation.
    pub generation: u32,
    /// The state of the generation.
    pub state: IndexState,
    /// Whether the query has used it. If not, the notes of the explanation say why, unless the steps do.
    pub used: bool,
    /// What the steps mean for it that lead from the shape in which it was made to the one in which the query sees documents; `None` where none lead there:
    /// it was made by a newer program, or one on another branch.
    pub impact: Option<Impact>,
}

impl ConsideredIndex {
    fn to_json(&self) -> Value {
        let impact = match &self.impact {
            None => Value::Null,
            Some(Impact::Untouched) => json!("untouched"),
            Some(Impact::Renamed { paths }) => {
                json!({"renamed": paths.iter().map(ToString::to_string).collect::<Vec<_>>()})
            }
            Some(Impact::Rebuild { step }) => json!({"rebuild": step}),
            Some(Impact::LeftBehind { step }) => json!({"left_behind": step}),
        };
        let (name, generation, state) = (&self.name, self.generation, self.state.to_string());
        json!({"name": name, "generation": generation, "state": state, "used": self.used, "impact": impact})
    }
}

impl fmt::Display for ConsideredIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = if self.used { "used" } else { "not used" };
        write!(f, "index {:?}, generation {}, {}, {used}; ", self.name, self.generation, self.state)?;
        match &self.impact {
            None => f.write_str("made for a newer program, or on another branch"),
            Some(Impact::Untouched) => f.write_str("no step has touched its paths"),
            Some(Impact::Renamed { paths }) => {
                f.write_str("steps have renamed its paths, to")?;
                paths.iter().try_for_each(|path| write!(f, " {:?}", path.to_string()))
            }
            Some(Impact::Rebuild { step }) => write!(f, "the step {step:?} has it built anew"),
            Some(Impact::LeftBehind { step }) => write!(f, "the step {step:?} takes away what it is on"),
        }
    }
}

impl Explanation {
    /// The same as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let index = self
            .index
            .as_ref()
            .map(|index| json!({"name": index.name, "generation": index.generation, "state": index.state}));
        let paths: serde_json::Map<_, _> =
            self.paths.iter().map(|(path, count)| (path.clone(), (*count).into())).collect();
        json!({
            "plan": self.plan,
            "index": index,
            "indexes": self.indexes.iter().map(ConsideredIndex::to_json).collect::<Vec<_>>(),
            "sorted": self.sorted,
            "notes": self.notes,
            "keys_examined": self.keys_examined,
            "documents_examined": self.documents_examined,
            "documents_upcast": self.documents_upcast,
            "documents_unreadable": self.documents_unreadable,
            "documents_returned": self.documents_returned,
            "paths": paths,
            "microseconds": u64::try_from(self.time.as_micros()).unwrap_or(u64::MAX),
        })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan: {}", self.plan)?;
        if let Some(index) = &self.index {
            writeln!(f, "index: {:?}, generation {}, {}", index.name, index.generation, index.state)?;
        }
        if self.sorted {
            writeln!(f, "sorted in memory")?;
        }
        writeln!(
            f,
            "examined: {} keys, {} documents, {} of them upcast, {} unreadable",
            self.keys_examined, self.documents_examined, self.documents_upcast, self.documents_unreadable
        )?;
        writeln!(f, "returned: {} documents in {:?}", self.documents_returned, self.time)?;
        for (path, count) in &self.paths {
            writeln!(f, "path {path:?}: seen in {count} documents")?;
        }
        self.indexes.iter().try_for_each(|index| writeln!(f, "{index}"))?;
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}
