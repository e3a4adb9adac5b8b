//! Reads of one state and writes kept back, to be committed if the reads still hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use crate::storage::backend::{Direction, KeyRange, Page, PageLimit};
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Commit, Reads, add};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::gate::lock;
use crate::storage::commit::group::{decode_counter, encode_counter};
use crate::storage::commit::ranges::Ranges;
use crate::storage::commit::shared::Shared;
use crate::storage::commit::snapshot::{Snapshot, covered, merge};

/// What remembering a key that was read costs beside its bytes; an estimate.
const READ_OVERHEAD: usize = 48;

/// An open transaction. Sees its snapshot and its own writes. Nobody else sees the writes before they are committed.
#[derive(Debug)]
pub(crate) struct Transaction {
    limit: usize,
    /// `None` once it has ended.
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    snapshot: Snapshot,
    keys: BTreeSet<Bytes>,
    /// What has been consumed of scans.
    scanned: Ranges,
    own: Own,
    /// Of keys read and of everything written.
    bytes: usize,
    doomed: bool,
}

/// A transaction's own writes, at one moment: those who go on with a scan see what was written when they began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    writes: Arc<BTreeMap<Bytes, Option<Bytes>>>,
    deltas: Arc<BTreeMap<Bytes, i64>>,
}

/// A transaction that has ended: what to commit, and the snapshot that keeps the reads checkable until it is.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) commit: Commit,
    snapshot: Snapshot,
}

impl Ended {
    /// The last commit it has seen.
    pub(crate) fn sequence(&self) -> u64 {
        self.snapshot.sequence()
    }
}

impl Transaction {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let state = State {
            snapshot: Snapshot::new(Arc::clone(shared)),
            keys: BTreeSet::new(),
            scanned: Ranges::default(),
            own: Own::default(),
            bytes: 0,
            doomed: false,
        };
        Self { limit: shared.options.commit_bytes, state: Mutex::new(Some(state)) }
    }

    /// The last commit it sees.
    pub(crate) fn sequence(&self) -> Result<u64, StorageError> {
        self.with(|state| Ok(state.snapshot.sequence()))
    }

    /// What `key` holds here. The commit fails if it has changed by then.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.with(|state| {
            let own = state.own.clone();
            state.get(&own, key, self.limit)
        })
    }

    /// What `key` held when the transaction began, for what the commit does not rest on.
    pub(crate) fn began_with(&self, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.with(|state| state.snapshot.get(key))
    }

    /// As [`get`](Self::get), when the transaction had written `own` and no more.
    pub(crate) fn get_as_of(&self, own: &Own, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.with(|state| state.get(own, key, self.limit))
    }

    /// What the transaction has written so far.
    pub(crate) fn own(&self) -> Result<Own, StorageError> {
        self.with(|state| Ok(state.own.clone()))
    }

    /// A scan has consumed `range`. The commit fails if anything in it has changed by then.
    pub(crate) fn scanned(&self, range: KeyRange) -> Result<(), StorageError> {
        self.with(|state| {
            state.scanned.insert(range);
            state.grow(0, self.limit)
        })
    }

    /// A page of the snapshot with the transaction's `own` writes; records nothing.
    pub(crate) fn page(
        &self,
        own: &Own,
        range: &KeyRange,
        direction: Direction,
        limit: PageLimit,
    ) -> Result<Page, StorageError> {
        self.with(|state| {
            let mut rest = range.clone();
            loop {
                let page = state.snapshot.page(&rest, direction, limit)?;
                let covered = covered(&rest, direction, &page);
                let own = own.within(&covered, &state.snapshot)?;
                let entries = merge(page.entries, direction, own.iter());
                if page.complete || !entries.is_empty() {
                    return Ok(Page { entries, complete: page.complete });
                }
                match direction {
                    Direction::Forward => rest.start = covered.end.unwrap_or_default(),
                    Direction::Backward => rest.end = Some(covered.start),
                }
            }
        })
    }

    /// Adds changes.
    pub(crate) fn stage(&self, changes: Commit) -> Result<(), StorageError> {
        self.with(|state| {
            state.grow(changes.bytes(), self.limit)?;
            if !changes.writes.is_empty() {
                Arc::make_mut(&mut state.own.writes).extend(changes.writes);
            }
            for (counter, delta) in changes.deltas {
                add(Arc::make_mut(&mut state.own.deltas), counter, delta);
            }
            Ok(())
        })
    }

    /// The transaction has met a conflict. Whatever becomes of it in the caller's code, it will not be committed.
    pub(crate) fn doom(&self) {
        if let Some(state) = &mut *lock(&self.state) {
            state.doomed = true;
        }
    }

    pub(crate) fn is_doomed(&self) -> bool {
        lock(&self.state).as_ref().is_some_and(|state| state.doomed)
    }

    /// Ends the transaction. Whoever uses it from now on is told that it is closed.
    pub(crate) fn end(&self) -> Result<Ended, StorageError> {
        let state = lock(&self.state).take().ok_or(StorageError::TransactionClosed)?;
        let State { snapshot, keys, scanned: ranges, own, doomed, .. } = state;
        if doomed {
            return Err(StorageError::Conflict);
        }
        let reads = (!keys.is_empty() || !ranges.is_empty()).then(|| {
            let sequence = snapshot.sequence();
            Reads { sequence, keys, ranges }
        });
        let (writes, deltas) = (Arc::unwrap_or_clone(own.writes), Arc::unwrap_or_clone(own.deltas));
        let commit = Commit { reads, writes, deltas, ..Commit::default() };
        Ok(Ended { commit, snapshot })
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> Result<T, StorageError>) -> Result<T, StorageError> {
        work(lock(&self.state).as_mut().ok_or(StorageError::TransactionClosed)?)
    }
}

impl Own {
    /// The entries in `range`, ascending: writes, and counters of `snapshot` as they would be.
    fn within(
        &self,
        range: &KeyRange,
        snapshot: &Snapshot,
    ) -> Result<BTreeMap<Bytes, Option<Bytes>>, StorageError> {
        if range.is_empty() {
            return Ok(BTreeMap::new());
        }
        let start = std::ops::Bound::Included(range.start.as_slice());
        let end = range.end.as_deref().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let writes = self.writes.range::<[u8], _>((start, end));
        let mut own: BTreeMap<_, _> = writes.map(|(key, value)| (key.clone(), value.clone())).collect();
        for (counter, _) in self.deltas.range::<[u8], _>((start, end)) {
            let value = self.counted(counter, snapshot.get(counter)?);
            own.insert(counter.clone(), value);
        }
        Ok(own)
    }

    /// `value`, with what has been added to it if `key` is a counter.
    fn counted(&self, key: &[u8], value: Option<Bytes>) -> Option<Bytes> {
        match self.deltas.get(key) {
            Some(delta) => encode_counter(value.as_deref().map_or(0, decode_counter).saturating_add(*delta)),
            None => value,
        }
    }
}

impl State {
    fn get(&mut self, own: &Own, key: &[u8], limit: usize) -> Result<Option<Bytes>, StorageError> {
        if let Some(written) = own.writes.get(key) {
            return Ok(written.clone());
        }
        if !self.keys.contains(key) {
            self.grow(READ_OVERHEAD + key.len(), limit)?;
            self.keys.insert(Bytes::from(key));
        }
        let value = self.snapshot.get(key)?;
        Ok(own.counted(key, value))
    }

    fn grow(&mut self, by: usize, limit: usize) -> Result<(), StorageError> {
        self.bytes = self.bytes.saturating_add(by);
        let bytes = self.bytes.saturating_add(self.scanned.bytes());
        if bytes > limit { Err(StorageError::TooLarge { bytes, limit }) } else { Ok(()) }
    }
}
