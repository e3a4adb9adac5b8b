//! What is asked of the committer.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::storage::bytes::Bytes;
use crate::storage::commit::digest::StateDigest;
use crate::storage::commit::ranges::Ranges;

/// When a commit returns. Either way others see it as soon as it is made;
/// [`durable_reads`](crate::Collection::durable_reads) waits until it is also durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// After the commit is on the medium: it survives a killed process and a power cut. Costs a sync of the
    /// disk, shared with whoever commits at the same moment.
    #[default]
    Immediate,
    /// After the commit is visible. A killed process or a power cut can undo it, always together with everything committed
    /// after it. The store begins to sync at least once in every [buffered window](crate::Builder::buffered_window), and
    /// earlier for a commit that is [`Immediate`](Self::Immediate) or a [flush](crate::Store::flush); while a sync takes longer, it holds buffered
    /// commits back. So what is missing in the end is never more than what was acknowledged during two windows.
    Buffered,
}

/// Whether a commit changes what the store means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Class {
    /// It may: whoever has read what it changes has read something else than is so now.
    #[default]
    Logical,
    /// It does not: it says the same in other bytes, as when documents are rewritten at a newer stamp or an index is built. It
    /// invalidates nobody's reads, except of keys that the reader writes as well, since such a write was made from the old
    /// bytes. It is itself refused if anything it has read has changed, in whatever class.
    Neutral,
}

/// Changes to make together, and what must still hold when they are made. Cheap to clone: values are shared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Commit {
    pub(crate) class: Class,
    pub(crate) checks: Vec<Check>,
    /// What a transaction has read.
    pub(crate) reads: Option<Reads>,
    /// The new value of each key; `None` removes it.
    pub(crate) writes: BTreeMap<Bytes, Option<Bytes>>,
    /// What to add to each counter; these never conflict.
    pub(crate) deltas: BTreeMap<Bytes, i64>,
    /// What of the meta key is not as it should be.
    pub(crate) correction: Correction,
}

/// What the meta key must say more than it says, where what the store holds is not what was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Correction {
    pub(crate) keys: i64,
    pub(crate) digest: StateDigest,
}

impl Correction {
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.keys = self.keys.wrapping_add(other.keys);
        self.digest.go_beyond(other.digest);
        self
    }
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
        add(&mut self.deltas, counter.into(), delta);
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

/// Adds to a counter among `deltas`; one to which nothing is added in the end is not among them.
pub(crate) fn add(deltas: &mut BTreeMap<Bytes, i64>, counter: Bytes, delta: i64) {
    match deltas.entry(counter) {
        Entry::Vacant(entry) if delta != 0 => {
            entry.insert(delta);
        }
        Entry::Vacant(_) => {}
        Entry::Occupied(mut entry) => {
            let sum = entry.get().saturating_add(delta);
            if sum == 0 {
                entry.remove();
            } else {
                entry.insert(sum);
            }
        }
    }
}

/// What was read at `sequence`, which must be registered until the commit is made. The commit fails if any of it has changed since.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reads {
    pub(crate) sequence: u64,
    pub(crate) keys: BTreeSet<Bytes>,
    pub(crate) ranges: Ranges,
}

impl Reads {
    /// Whether `key` was read: by itself, or as one of a range.
    pub(crate) fn cover(&self, key: &[u8]) -> bool {
        self.keys.contains(key) || self.ranges.contains(key)
    }
}

/// A condition on one key.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) key: Bytes,
    pub(crate) expected: Expected,
}

#[derive(Debug, Clone)]
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
