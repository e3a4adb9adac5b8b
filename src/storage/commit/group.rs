//! Putting commits together into one batch: conditions, counters, pre-images, the meta key.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::encoding::key::space::META_KEY;
use crate::model::time::Timestamp;
use crate::storage::backend::{Backend, BackendError, Batch};
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Check, Class, Commit, Correction, Expected};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::meta::Meta;
use crate::storage::commit::overlay::Replaced;

/// What the committer carries from group to group.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    pub(crate) meta: Meta,
    /// The counters seen so far, as they are in the backend.
    counters: BTreeMap<Bytes, i64>,
}

impl Tail {
    pub(crate) fn new(meta: Meta) -> Self {
        Self { meta, counters: BTreeMap::new() }
    }
}

/// A group while it is being put together.
pub(crate) struct Group<'a> {
    backend: &'a dyn Backend,
    tail: &'a mut Tail,
    keys: BTreeMap<Bytes, Key>,
    counters: BTreeMap<Bytes, Counter>,
    correction: Correction,
}

/// A key that the group has looked at.
struct Key {
    /// What the backend holds.
    stored: Option<Bytes>,
    write: Option<Write>,
}

struct Write {
    value: Option<Bytes>,
    /// Whether any of the commits that write the key is logical.
    logically: bool,
}

impl Key {
    /// What the group so far leaves there.
    fn current(&self) -> Option<&Bytes> {
        self.write.as_ref().map_or(self.stored.as_ref(), |write| write.value.as_ref())
    }
}

#[derive(Clone, Copy)]
struct Counter {
    value: i64,
    /// What logical commits have added to it. Not the same as whether it has changed: a document that is inserted at one stamp while
    /// another is rewritten from that stamp to the next leaves the first counter as it was.
    logically: i64,
}

/// A group ready to be applied.
pub(crate) struct Sealed {
    pub(crate) batch: Batch,
    pub(crate) replaced: Vec<Replaced>,
    pub(crate) meta: Meta,
    counters: BTreeMap<Bytes, Counter>,
}

impl Sealed {
    /// Makes the group the tail, once it has been applied.
    pub(crate) fn adopt(self, tail: &mut Tail) {
        tail.meta = self.meta;
        tail.counters.extend(self.counters.into_iter().map(|(key, counter)| (key, counter.value)));
    }
}

impl<'a> Group<'a> {
    pub(crate) fn new(backend: &'a dyn Backend, tail: &'a mut Tail) -> Self {
        let (keys, counters) = (BTreeMap::new(), BTreeMap::new());
        Self { backend, tail, keys, counters, correction: Correction::default() }
    }

    /// Takes a commit into the group, or leaves the group as it was. Whether what it has read was still so when the group began is
    /// for the caller to say.
    pub(crate) fn admit(&mut self, commit: Commit) -> Result<(), StorageError> {
        if self.changes_reads_of(&commit) {
            return Err(StorageError::Conflict);
        }
        let logical = commit.class == Class::Logical;
        for (position, check) in commit.checks.iter().enumerate() {
            if !self.holds(check)? {
                return Err(StorageError::CheckFailed { check: position });
            }
        }
        let mut counted = Vec::with_capacity(commit.deltas.len());
        for (key, delta) in commit.deltas {
            let mut counter = self.counter(&key)?;
            let value = counter.value.checked_add(delta).filter(|value| *value >= 0);
            counter.value = value.ok_or(StorageError::CounterUnderflow)?;
            if logical {
                counter.logically = counter.logically.saturating_add(delta);
            }
            counted.push((key, counter));
        }
        for key in commit.writes.keys() {
            self.look_at(key)?;
        }
        self.counters.extend(counted);
        self.correction = self.correction.and(commit.correction);
        for (key, value) in commit.writes {
            if let Some(Key { write, .. }) = self.keys.get_mut(&key) {
                let logically = logical || write.as_ref().is_some_and(|write| write.logically);
                *write = Some(Write { value, logically });
            }
        }
        Ok(())
    }

    /// The batch of the whole group; `None` if it changes nothing.
    pub(crate) fn seal(mut self) -> Option<Sealed> {
        for (key, counter) in &self.counters {
            let before = self.counter_before(key);
            let logically = counter.logically != 0;
            // One that is where it was is written all the same if its readers must learn that it stands for something else.
            if counter.value != before || logically {
                let write = Some(Write { value: encode_counter(counter.value), logically });
                self.keys.insert(key.clone(), Key { stored: encode_counter(before), write });
            }
        }
        let mut meta = self.tail.meta;
        let mut replaced = Vec::with_capacity(self.keys.len());
        let writes = self.keys.into_iter().filter_map(|(key, Key { stored: before, write })| {
            let Write { value, logically } = write?;
            if before.is_none() && value.is_none() {
                return None;
            }
            if let Some(before) = &before {
                meta.digest.remove(&key, before);
                meta.keys = meta.keys.saturating_sub(1);
            }
            if let Some(value) = &value {
                meta.digest.add(&key, value);
                meta.keys = meta.keys.saturating_add(1);
            }
            replaced.push(Replaced { key: key.clone(), before, logically });
            Some((key, value))
        });
        let mut batch = Batch { writes: writes.collect() };
        if batch.writes.is_empty() && self.correction.is_none() {
            return None;
        }
        meta.keys = meta.keys.saturating_add_signed(self.correction.keys);
        meta.digest.go_beyond(self.correction.digest);
        meta.sequence = meta.sequence.saturating_add(1);
        meta.applied_at = Timestamp::now().as_micros();
        meta.group_keys = u32::try_from(batch.writes.len()).unwrap_or(u32::MAX);
        batch.writes.insert(Bytes::from(META_KEY.as_slice()), Some(Bytes::from(meta.encode())));
        Some(Sealed { batch, replaced, meta, counters: self.counters })
    }

    /// Whether the group so far changes anything that `commit` relies on having read.
    fn changes_reads_of(&self, commit: &Commit) -> bool {
        let Some(reads) = &commit.reads else { return false };
        let neutral = commit.class == Class::Neutral;
        let writes = || {
            let written =
                self.keys.iter().filter_map(|(key, looked_at)| Some((key, looked_at.write.as_ref()?)));
            written.into_iter().any(|(key, write)| {
                (write.logically || neutral || commit.writes.contains_key(key)) && reads.cover(key)
            })
        };
        let counters = || {
            self.counters.iter().any(|(key, counter)| {
                let changed =
                    counter.logically != 0 || (neutral && counter.value != self.counter_before(key));
                changed && reads.cover(key)
            })
        };
        writes() || counters()
    }

    fn holds(&mut self, check: &Check) -> Result<bool, BackendError> {
        if let Expected::Unchanged(read) = &check.expected
            && read.sequence == self.tail.meta.sequence
        {
            // Nothing has been committed since it was read.
            let key = || Key { stored: read.value.clone(), write: None };
            self.keys.entry(check.key.clone()).or_insert_with(key);
        }
        let current = self.look_at(&check.key)?.current();
        Ok(match &check.expected {
            Expected::Absent => current.is_none(),
            Expected::Unchanged(read) => match (current, &read.value) {
                (None, None) => true,
                (Some(current), Some(read)) => current.same(read) || current == read,
                _ => false,
            },
        })
    }

    fn look_at(&mut self, key: &Bytes) -> Result<&Key, BackendError> {
        match self.keys.entry(key.clone()) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(Key { stored: self.backend.get(key)?, write: None })),
        }
    }

    /// The counter as the group so far leaves it.
    fn counter(&mut self, key: &Bytes) -> Result<Counter, BackendError> {
        if let Some(counter) = self.counters.get(key) {
            return Ok(*counter);
        }
        if !self.tail.counters.contains_key(key) {
            let value = self.backend.get(key)?.as_deref().map_or(0, decode_counter);
            self.tail.counters.insert(key.clone(), value);
        }
        Ok(Counter { value: self.counter_before(key), logically: 0 })
    }

    /// The counter before the group; it must have been looked at.
    fn counter_before(&self, key: &Bytes) -> i64 {
        self.tail.counters.get(key).copied().unwrap_or_default()
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
