//! Putting commits together into one batch: conditions, counters, pre-images, the meta key.

use std::collections::{BTreeMap, HashMap};

use crate::encoding::key::space::META_KEY;
use crate::model::time::Timestamp;
use crate::storage::backend::{Backend, BackendError, Batch};
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Check, Commit, Expected, Reads};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::meta::Meta;

/// What the committer carries from group to group.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    pub(crate) meta: Meta,
    /// The counters seen so far, as they are in the backend.
    counters: HashMap<Bytes, i64>,
}

impl Tail {
    pub(crate) fn new(meta: Meta) -> Self {
        Self { meta, counters: HashMap::new() }
    }
}

/// A group while it is being put together.
pub(crate) struct Group<'a> {
    backend: &'a dyn Backend,
    tail: &'a mut Tail,
    writes: BTreeMap<Bytes, Option<Bytes>>,
    counters: HashMap<Bytes, i64>,
    /// What the backend holds at the keys looked at so far.
    stored: HashMap<Bytes, Option<Bytes>>,
}

/// A group ready to be applied.
pub(crate) struct Sealed {
    pub(crate) batch: Batch,
    pub(crate) pre_images: Vec<(Bytes, Option<Bytes>)>,
    pub(crate) meta: Meta,
    counters: HashMap<Bytes, i64>,
}

impl Sealed {
    /// Makes the group the tail, once it has been applied.
    pub(crate) fn adopt(self, tail: &mut Tail) {
        tail.meta = self.meta;
        tail.counters.extend(self.counters);
    }
}

impl<'a> Group<'a> {
    pub(crate) fn new(backend: &'a dyn Backend, tail: &'a mut Tail) -> Self {
        Self { backend, tail, writes: BTreeMap::new(), counters: HashMap::new(), stored: HashMap::new() }
    }

    /// Takes a commit into the group, or leaves the group as it was. Whether what it has read was still so when the group began is
    /// for the caller to say.
    pub(crate) fn admit(&mut self, commit: Commit) -> Result<(), StorageError> {
        if commit.reads.as_ref().is_some_and(|reads| self.changes(reads)) {
            return Err(StorageError::Conflict);
        }
        for (position, check) in commit.checks.iter().enumerate() {
            if !self.holds(check)? {
                return Err(StorageError::CheckFailed { check: position });
            }
        }
        let mut counted = Vec::with_capacity(commit.deltas.len());
        for (key, delta) in commit.deltas {
            let value = self
                .counter(&key)?
                .checked_add(delta)
                .filter(|value| *value >= 0)
                .ok_or(StorageError::CounterUnderflow)?;
            counted.push((key, value));
        }
        for key in commit.writes.keys() {
            self.stored(key)?;
        }
        self.counters.extend(counted);
        self.writes.extend(commit.writes);
        Ok(())
    }

    /// The batch of the whole group; `None` if it changes nothing.
    pub(crate) fn seal(mut self) -> Option<Sealed> {
        for (key, value) in &self.counters {
            let before = self.tail.counters.get(key).copied().unwrap_or_default();
            self.stored.insert(key.clone(), encode_counter(before));
            self.writes.insert(key.clone(), encode_counter(*value));
        }
        let mut meta = self.tail.meta;
        let mut pre_images = Vec::with_capacity(self.writes.len());
        let stored = &mut self.stored;
        self.writes.retain(|key, value| {
            let before = stored.remove(key).flatten();
            if let Some(before) = &before {
                meta.digest.remove(key, before);
                meta.keys = meta.keys.saturating_sub(1);
            }
            if let Some(value) = value {
                meta.digest.add(key, value);
                meta.keys = meta.keys.saturating_add(1);
            }
            let changes = before.is_some() || value.is_some();
            if changes {
                pre_images.push((key.clone(), before));
            }
            changes
        });
        if self.writes.is_empty() {
            return None;
        }
        meta.sequence = meta.sequence.saturating_add(1);
        meta.applied_at = Timestamp::now().as_micros();
        meta.group_keys = u32::try_from(self.writes.len()).unwrap_or(u32::MAX);
        self.writes.insert(Bytes::from(META_KEY.as_slice()), Some(Bytes::from(meta.encode())));
        Some(Sealed { batch: Batch { writes: self.writes }, pre_images, meta, counters: self.counters })
    }

    /// Whether the group so far changes any of it.
    fn changes(&self, reads: &Reads) -> bool {
        let touched = || self.writes.keys().chain(self.counters.keys());
        touched().any(|key| reads.keys.contains(key) || reads.ranges.iter().any(|range| range.contains(key)))
    }

    fn holds(&mut self, check: &Check) -> Result<bool, BackendError> {
        if let Expected::Unchanged(read) = &check.expected
            && read.sequence == self.tail.meta.sequence
            && !self.stored.contains_key(&check.key)
        {
            // Nothing has been committed since it was read.
            self.stored.insert(check.key.clone(), read.value.clone());
        }
        let current = match self.writes.get(&check.key) {
            Some(written) => written.as_ref(),
            None => self.stored(&check.key)?,
        };
        Ok(match &check.expected {
            Expected::Absent => current.is_none(),
            Expected::Unchanged(read) => match (current, &read.value) {
                (None, None) => true,
                (Some(current), Some(read)) => current.same(read) || current == read,
                _ => false,
            },
        })
    }

    fn stored(&mut self, key: &Bytes) -> Result<Option<&Bytes>, BackendError> {
        if !self.stored.contains_key(key) {
            let value = self.backend.get(key)?;
            self.stored.insert(key.clone(), value);
        }
        Ok(self.stored.get(key).and_then(Option::as_ref))
    }

    fn counter(&mut self, key: &Bytes) -> Result<i64, BackendError> {
        if let Some(value) = self.counters.get(key).or_else(|| self.tail.counters.get(key)) {
            return Ok(*value);
        }
        let value = self.backend.get(key)?.as_deref().map_or(0, decode_counter);
        self.tail.counters.insert(key.clone(), value);
        Ok(value)
    }
}

/// Counters at zero take no key.
pub(crate) fn encode_counter(value: i64) -> Option<Bytes> {
    (value != 0).then(|| Bytes::from(value.to_le_bytes().as_slice()))
}

/// The value of a counter from its bytes; 0 for what is not a counter.
pub(crate) fn decode_counter(bytes: &[u8]) -> i64 {
    bytes.try_into().map_or(0, i64::from_le_bytes)
}
