//! A medium that is gone with the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use crate::storage::backend::{Backend, BackendError, Batch, Direction, KeyRange, Page, PageLimit};
use crate::storage::bytes::Bytes;

/// A [`Backend`] in memory. `flush` and `sync` do nothing: nothing outlives it.
#[derive(Debug, Default)]
pub struct MemoryBackend {
    entries: RwLock<BTreeMap<Bytes, Bytes>>,
}

impl MemoryBackend {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

// A poisoned lock is taken all the same: nothing between taking and releasing it runs foreign code, and an
// allocation that fails aborts, so that no panic can leave a batch half applied.
impl Backend for MemoryBackend {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        Ok(self.entries.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        Ok(keys.iter().map(|key| entries.get(*key).cloned()).collect())
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        // `BTreeMap::range` panics on such a range.
        if range.is_empty() {
            return Ok(Page { entries: Vec::new(), complete: true });
        }
        let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let found = entries.range::<[u8], _>((Bound::Included(range.start.as_slice()), end));
        let found = found.map(|(key, value)| Ok((key.clone(), value.clone())));
        match direction {
            Direction::Forward => Page::collect(found, limit),
            Direction::Backward => Page::collect(found.rev(), limit),
        }
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in &batch.writes {
            match value {
                Some(value) => entries.insert(key.clone(), value.clone()),
                None => entries.remove(key),
            };
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), BackendError> {
        Ok(())
    }

    fn sync(&self) -> Result<(), BackendError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(writes: &[(&str, Option<&str>)]) -> Batch {
        let bytes = |text: &str| Bytes::from(text.as_bytes());
        Batch { writes: writes.iter().map(|(key, value)| (bytes(key), value.map(bytes))).collect() }
    }

    #[test]
    fn keeps_what_was_applied_in_order() {
        let backend = MemoryBackend::new();
        backend.apply(&batch(&[("b", Some("2")), ("a", Some("1")), ("c", Some("3"))])).unwrap();
        backend.apply(&batch(&[("b", None), ("d", Some("4"))])).unwrap();
        let page = |range: &KeyRange, direction, entries| {
            let page = backend.page(range, direction, PageLimit { entries, bytes: usize::MAX }).unwrap();
            let keys: Vec<_> = page.entries.iter().map(|(key, _)| key.to_vec()).collect();
            (String::from_utf8(keys.concat()).unwrap(), page.complete)
        };
        assert_eq!(page(&KeyRange::all(), Direction::Forward, 9), ("acd".into(), true));
        assert_eq!(page(&KeyRange::all(), Direction::Backward, 2), ("dc".into(), false));
        assert_eq!(page(&KeyRange::all(), Direction::Forward, 3), ("acd".into(), true));
        let backwards = KeyRange { start: b"z".to_vec(), end: Some(b"a".to_vec()) };
        assert_eq!(page(&backwards, Direction::Forward, 9), (String::new(), true));
        assert_eq!(backend.get(b"b").unwrap(), None);
        assert_eq!(backend.get_many(&[b"d", b"b"]).unwrap(), [Some(Bytes::from(b"4".as_slice())), None]);
    }
}
