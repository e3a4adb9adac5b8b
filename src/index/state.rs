//! How far a generation has come.

use std::fmt;

use serde_json::{Value, json};

use crate::catalog::entry;
use crate::encoding::key::index;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::model::id::DocumentId;
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::Commit;
use crate::stored::record::Record;
use crate::stored::write;

/// What an index is good for.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IndexState {
    /// Old documents are still being entered. Writes keep it up; queries use it as far as it has come, and look at the other documents themselves.
    ///
    /// Ends with the build: [`Readable`](Self::Readable) or [`Failed`](Self::Failed).
    Building,
    /// Complete. Writes keep it up; queries use it.
    ///
    /// Ends when it is dropped, disabled, or unmaintained. And where a rename has taken a unique index along, by a single write through a [view](crate::Collection::view) of a former schema version that has
    /// what the index would not hold under the new name: another one is made in its place before the write. Where there are more documents than
    /// [`index_at_once`](crate::Builder::index_at_once), that one is [`Building`](Self::Building) first, and does not hold the values of old documents that the build has not come past. [`while_building`](crate::Index::while_building)
    /// says what becomes of writes until then.
    Readable,
    /// At the end of the build there were documents with values of others in a unique index, and it lists them; or one that has what a unique index cannot have, so that its values would
    /// not be held, such as lists at two paths or more than 1,000 elements; or there was one that cannot be entered since that would take more than a commit may hold. It says which. Writes keep it up and are checked as far as values are held; queries do not use it.
    ///
    /// Ends by [`rebuild_index`](crate::Collection::rebuild_index), once what was in the way is gone, or when it is dropped.
    Failed,
    /// A program has written that could not keep it up, since it lacks the steps. Nobody uses it.
    ///
    /// Ends when a program declares it again, which builds it anew, or when it is dropped.
    Unmaintained,
    /// Switched off: writes do not keep it up and queries do not use it.
    ///
    /// Ends by [`rebuild_index`](crate::Collection::rebuild_index), or when it is dropped.
    Disabled,
    /// On its way out: its entries are being removed.
    Dropped,
}

impl IndexState {
    const ALL: [Self; 6] =
        [Self::Building, Self::Readable, Self::Failed, Self::Unmaintained, Self::Disabled, Self::Dropped];

    const fn text(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Readable => "readable",
            Self::Failed => "failed",
            Self::Unmaintained => "unmaintained",
            Self::Disabled => "disabled",
            Self::Dropped => "dropped",
        }
    }

    /// Whether writes keep it up.
    pub(crate) const fn is_maintained(self) -> bool {
        matches!(self, Self::Building | Self::Readable | Self::Failed)
    }

    /// Whether there is something to do about it.
    pub(crate) const fn is_unfinished(self) -> bool {
        matches!(self, Self::Building | Self::Dropped)
    }

    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn of_number(number: u8) -> Self {
        Self::ALL.into_iter().find(|state| state.number() == number).unwrap_or(Self::Dropped)
    }
}

impl fmt::Display for IndexState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A generation's state as it is stored, with the build's progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) state: IndexState,
    /// The sequence that had been published when it got there.
    pub(crate) since: u64,
    /// The build has come past this document; `None`: past none.
    pub(crate) frontier: Option<DocumentId>,
    /// The build ends with this document, the last one that there was when it began: those beyond have been entered by who has written them. `None`: it has not
    /// begun, or there was none.
    pub(crate) until: Option<DocumentId>,
    /// How many documents the build has come past.
    pub(crate) documents: u64,
    /// How many of them have values that another one holds.
    pub(crate) duplicates: u64,
    /// Why the build has failed, if that is not because of duplicates. It has come as far as the frontier.
    pub(crate) failure: Option<String>,
}

impl Status {
    pub(crate) fn new(state: IndexState, since: u64) -> Self {
        Self { state, since, frontier: None, until: None, documents: 0, duplicates: 0, failure: None }
    }

    /// Puts it into a commit.
    pub(crate) fn put(&self, commit: &mut Commit, generation: u32) -> Result<(), Error> {
        let hex = |id: &DocumentId| {
            let bytes = index::id_bytes(id)?;
            Ok::<_, Error>(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        };
        let mut json = json!({
            "state": self.state.text(),
            "since": self.since,
            "frontier": self.frontier.as_ref().map(hex).transpose()?,
            "documents": self.documents,
            "duplicates": self.duplicates,
        });
        if let Some(json) = json.as_object_mut() {
            json.extend(self.until.as_ref().map(hex).transpose()?.map(|id| ("until".to_owned(), id.into())));
            json.extend(self.failure.as_deref().map(|failure| ("failure".to_owned(), failure.into())));
        }
        let key = index::state(generation);
        let sealed = entry::seal(&key, json)?;
        write::put(commit, key, sealed, 0);
        Ok(())
    }

    /// What [`put`](Self::put) has put.
    pub(crate) fn read(generation: u32, value: &Bytes) -> Result<Self, Error> {
        let record = Record::whole(&index::state(generation), value)?.ok_or_else(malformed)?;
        Self::of_json(&entry::open(&record)?).ok_or_else(malformed)
    }

    fn of_json(json: &Value) -> Option<Self> {
        let state = json.get("state")?.as_str()?;
        let id = |json: &Value| {
            let hex = json.as_str()?;
            let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok());
            index::read_id(&bytes.collect::<Option<Vec<_>>>()?).ok()
        };
        let frontier = match json.get("frontier")? {
            Value::Null => None,
            frontier => Some(id(frontier)?),
        };
        let until = match json.get("until") {
            None => None,
            Some(until) => Some(id(until)?),
        };
        Some(Self {
            state: IndexState::ALL.into_iter().find(|known| known.text() == state)?,
            since: json.get("since")?.as_u64()?,
            frontier,
            until,
            documents: json.get("documents")?.as_u64()?,
            duplicates: json.get("duplicates")?.as_u64()?,
            failure: json.get("failure").and_then(Value::as_str).map(str::to_owned),
        })
    }
}

fn malformed() -> Error {
    Error::new(ErrorKind::Corrupt, "the state of an index is malformed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back() {
        for (state, frontier) in
            IndexState::ALL.into_iter().zip([None, Some(7.into()), Some("a\0".into())].into_iter().cycle())
        {
            let failure = frontier.as_ref().map(|id| format!("{id}"));
            let until = frontier.clone();
            let status =
                Status { frontier, until, documents: 3, duplicates: 1, failure, ..Status::new(state, 9) };
            let mut commit = Commit::default();
            status.put(&mut commit, 5).unwrap();
            let value = commit.writes.values().next().unwrap().clone().unwrap();
            assert_eq!(Status::read(5, &value).unwrap(), status);
            assert!(Status::read(6, &value).is_err(), "the checksum covers the key");
            assert_eq!(IndexState::of_number(state.number()), state);
        }
    }
}
