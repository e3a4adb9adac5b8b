//! What is asked.

use std::sync::Arc;

use crate::filter::condition::Condition;
use crate::filter::sort::SortKeys;
use crate::model::id::DocumentId;

/// What is asked of a collection. Rows come in the order of their sort values, and where those are equal, of their ids.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) condition: Arc<Condition>,
    pub(crate) sort: SortKeys,
    pub(crate) skip: u64,
    pub(crate) limit: Option<u64>,
    /// Only what comes after it.
    pub(crate) after: Option<Position>,
    pub(crate) unreadable: Unreadable,
    /// Whether what cannot be read and stands nowhere has been told of before, by what the cursor is from.
    pub(crate) told: bool,
    /// How many bytes a sort in memory may take.
    pub(crate) sort_limit: usize,
}

impl Spec {
    /// How many rows are given or skipped at most; `None`: all.
    pub(crate) fn wanted(&self) -> Option<usize> {
        let wanted = self.limit?.saturating_add(self.skip);
        Some(usize::try_from(wanted).unwrap_or(usize::MAX))
    }
}

/// A place in the order of rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// As [`SortKeys::write`] gives them.
    pub(crate) values: Vec<u8>,
    pub(crate) id: DocumentId,
}

/// What a query does about documents that it cannot read, because they are damaged or no steps bring them into the program's shape, and that may be meant. One
/// that is not meant, because of something that the steps leave alone, is passed over like any other.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Unreadable {
    /// Each is an `Err` among the results, which go on after it: at its place in their order, or before all others where that place depends on what cannot
    /// be read; a damaged one that is met while results stream in the order of an index, where its entry is.
    /// Calls that give one value, such as `to_vec` and `count`, fail with the first.
    #[default]
    Yield,
    /// As above, and the first ends the results.
    Fail,
    /// They are left out, and [counted](crate::Results::skipped).
    Skip,
}
