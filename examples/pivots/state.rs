//! Whether reading writes.

use pivotdb::{CensusEntry, Store};

use crate::pivots::Failable;

/// What pins the content of a store.
pub(crate) struct State {
    digest: u128,
    keys: u64,
    sequence: u64,
    census: Vec<CensusEntry>,
}

impl State {
    pub(crate) fn of(store: &Store) -> Failable<Self> {
        let stats = store.stats()?;
        let census = store.census()?;
        Ok(Self { digest: stats.digest, keys: stats.keys, sequence: stats.sequence, census })
    }

    /// How many documents are stored at another schema version in `after`. That anything else differs is an error.
    pub(crate) fn rewritten_in(&self, after: &Self) -> Failable<u64> {
        let moved: u64 = after
            .census
            .iter()
            .map(|entry| {
                let before = self
                    .census
                    .iter()
                    .find(|before| before.stamp == entry.stamp && before.kind == entry.kind);
                entry.documents.saturating_sub(before.map_or(0, |before| before.documents))
            })
            .sum();
        let same = self.digest == after.digest && self.keys == after.keys && self.sequence == after.sequence;
        if moved == 0 && !same {
            return Err("reading has changed the store".into());
        }
        Ok(moved)
    }
}
