//! What is asked of the committer.

use std::collections::{BTreeMap, BTreeSet};

use crate::storage::backend::KeyRange;
use crate::storage::bytes::Bytes;

/// When a commit returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// After the commit is on the medium: it survives a killed process and a power cut. Costs a sync of the
    /// disk, shared with whoever commits at the same moment.
    #[default]
    Immediate,
    /// After the commit is visible. It reaches the medium within about twice the
    /// [buffered window](crate::Builder::buffered_window), sooner after a [flush](crate::Store::flush); until then a power
    /// cut or a killed process can undo it, always together with everything committed after it.
    Buffered,
}

/// Changes to make together, and what must still hold when they are made.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    pub(crate) checks: Vec<Check>,
    /// What a transaction has read.
    pub(crate) reads: Option<Reads>,
    /// The new value of each key; `None` removes it.
    pub(crate) writes: BTreeMap<Bytes, Option<Bytes>>,
    /// What to add to each counter; these never conflict.
    pub(crate) deltas: BTreeMap<Bytes, i64>,
}

impl Commit {
    pub(crate) fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.writes.insert(key.into(), Some(value.into()));
    }

    pub(crate) fn remove(&mut self, key: impl Into<Bytes>) {
        self.writes.insert(key.into(), None);
    }

    pub(crate) fn check(&mut self, key: impl Into<Bytes>, expected: Expected) {
        self.checks.push(Check { key: key.into(), expected });
    }

    pub(crate) fn count(&mut self, counter: impl Into<Bytes>, delta: i64) {
        *self.deltas.entry(counter.into()).or_default() += delta;
    }

    /// Keys it may write.
    pub(crate) fn keys(&self) -> usize {
        self.writes.len() + self.deltas.len()
    }

    /// Bytes of its keys and values.
    pub(crate) fn bytes(&self) -> usize {
        self.writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, |value| value.len())).sum()
    }
}

/// What was read at `sequence`, which must be registered until the commit is made. The commit fails if any of it has changed since.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    pub(crate) sequence: u64,
    pub(crate) keys: BTreeSet<Bytes>,
    pub(crate) ranges: Vec<KeyRange>,
}

/// A condition on one key.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) key: Bytes,
    pub(crate) expected: Expected,
}

#[derive(Debug)]
pub(crate) enum Expected {
    /// The key holds nothing.
    Absent,
    /// The key still holds what was read.
    Unchanged(Read),
}

/// What a read of one key found, and at which sequence.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) sequence: u64,
    pub(crate) value: Option<Bytes>,
}
