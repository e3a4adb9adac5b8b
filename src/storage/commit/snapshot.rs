//! Reading one state of the store while others write.

use std::iter::Peekable;
use std::sync::Arc;

use crate::storage::backend::{Direction, KeyRange, Page, PageLimit};
use crate::storage::bytes::Bytes;
use crate::storage::commit::error::StorageError;
use crate::storage::commit::meta::Meta;
use crate::storage::commit::shared::Shared;

/// The store as it was after one commit. Holds what is overwritten meanwhile alive, within the overlay's bound.
#[derive(Debug)]
pub(crate) struct Snapshot {
    shared: Arc<Shared>,
    sequence: u64,
}

impl Snapshot {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let sequence = shared.register();
        Self { shared, sequence }
    }

    /// With what the meta key says of the state: the key itself has no history.
    pub(crate) fn with_meta(shared: Arc<Shared>) -> (Self, Meta) {
        let meta = shared.register_with_meta();
        (Self { shared, sequence: meta.sequence }, meta)
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.shared.read_at(self.sequence, key)
    }

    pub(crate) fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, StorageError> {
        let mut values = self.shared.with_backend(|backend| Ok(backend.get_many(keys)?))?;
        let overlay = self.shared.overlay();
        self.shared.check_live(&overlay, self.sequence)?;
        for (key, value) in keys.iter().zip(&mut values) {
            if let Some(image) = overlay.at(self.sequence, key) {
                *value = image;
            }
        }
        Ok(values)
    }

    /// A page as [`Backend::page`](crate::storage::backend::Backend::page) gives it, of this state; it may exceed the limit by what was
    /// overwritten or removed meanwhile, and has an entry unless it is complete.
    pub(crate) fn page(
        &self,
        range: &KeyRange,
        direction: Direction,
        limit: PageLimit,
    ) -> Result<Page, StorageError> {
        let mut rest = range.clone();
        loop {
            let mut page = self.shared.with_backend(|backend| Ok(backend.page(&rest, direction, limit)?))?;
            // A page that is neither complete nor gets anywhere would be asked for again and again.
            page.complete |= page.entries.is_empty();
            let covered = covered(&rest, direction, &page);
            let entries = self.correct(page.entries, direction, &covered)?;
            if page.complete || !entries.is_empty() {
                return Ok(Page { entries, complete: page.complete });
            }
            match direction {
                Direction::Forward => rest.start = covered.end.unwrap_or_default(),
                Direction::Backward => rest.end = Some(covered.start),
            }
        }
    }

    /// Replaces, removes and adds what has been overwritten, added and removed in `covered` since this state.
    fn correct(
        &self,
        entries: Vec<(Bytes, Bytes)>,
        direction: Direction,
        covered: &KeyRange,
    ) -> Result<Vec<(Bytes, Bytes)>, StorageError> {
        let overlay = self.shared.overlay();
        self.shared.check_live(&overlay, self.sequence)?;
        Ok(merge(entries, direction, overlay.range_at(self.sequence, covered)))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.shared.release(self.sequence);
    }
}

/// The part of `range` that `page` speaks for.
pub(crate) fn covered(range: &KeyRange, direction: Direction, page: &Page) -> KeyRange {
    let last = page.entries.last().filter(|_| !page.complete);
    match (direction, last) {
        (_, None) => range.clone(),
        (Direction::Forward, Some((key, _))) => {
            // The least key above `key`.
            let mut end = key.to_vec();
            end.push(0);
            KeyRange { start: range.start.clone(), end: Some(end) }
        }
        (Direction::Backward, Some((key, _))) => KeyRange { start: key.to_vec(), end: range.end.clone() },
    }
}

/// Entries in their direction, corrected by ascending `images`: an image overrules the entry of its key, and `None` removes it.
pub(crate) fn merge<'a>(
    entries: Vec<(Bytes, Bytes)>,
    direction: Direction,
    images: impl Iterator<Item = (&'a Bytes, &'a Option<Bytes>)>,
) -> Vec<(Bytes, Bytes)> {
    let mut images = images.peekable();
    if images.peek().is_none() {
        return entries;
    }
    match direction {
        Direction::Forward => merge_ascending(entries.into_iter(), images),
        Direction::Backward => {
            let mut merged = merge_ascending(entries.into_iter().rev(), images);
            merged.reverse();
            merged
        }
    }
}

fn merge_ascending<'a>(
    entries: impl Iterator<Item = (Bytes, Bytes)>,
    mut images: Peekable<impl Iterator<Item = (&'a Bytes, &'a Option<Bytes>)>>,
) -> Vec<(Bytes, Bytes)> {
    let mut merged = Vec::new();
    for entry in entries {
        while let Some((key, value)) = images.next_if(|(key, _)| **key < entry.0) {
            merged.extend(value.clone().map(|value| (key.clone(), value)));
        }
        match images.next_if(|(key, _)| **key == entry.0) {
            Some((key, value)) => merged.extend(value.clone().map(|value| (key.clone(), value))),
            None => merged.push(entry),
        }
    }
    merged.extend(images.filter_map(|(key, value)| Some((key.clone(), value.clone()?))));
    merged
}
