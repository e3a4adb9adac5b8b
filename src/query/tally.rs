//! What a query has cost.

/// What a query has looked at so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) keys: u64,
    pub(crate) documents: u64,
    pub(crate) upcast: u64,
    pub(crate) unreadable: u64,
    pub(crate) rows: u64,
    /// In how many of the documents there is something, for each path that is asked for.
    pub(crate) paths: Vec<u64>,
}

impl Tally {
    /// What has been looked at since is looked at again: it has cost what it has, and nothing has been found yet but `before`.
    pub(crate) fn forget_findings(&mut self, before: Self) {
        let Self { unreadable, rows, paths, .. } = before;
        (self.unreadable, self.rows, self.paths) = (unreadable, rows, paths);
    }
}
