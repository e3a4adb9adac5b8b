//! Pre-images of what has been overwritten: gives snapshots over a backend that has none.
//!
//! A reader at sequence *s* reads the backend first and the overlay second. The committer records the
//! pre-image of each key before it applies a group, so whatever the reader finds in the backend, the first
//! pre-image replaced after *s* corrects it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use crate::storage::backend::KeyRange;
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::Reads;

/// What a key held before a group replaced it. `None`: nothing.
#[derive(Debug, Clone)]
struct PreImage {
    replaced_at: u64,
    value: Option<Bytes>,
}

/// What bookkeeping costs beside the bytes themselves; an estimate, so that the budget means memory.
const ENTRY_OVERHEAD: usize = 96;

#[derive(Debug, Default)]
pub(crate) struct Overlay {
    /// Ascending `replaced_at` for each key, never empty.
    entries: BTreeMap<Bytes, Vec<PreImage>>,
    /// Which keys each group replaced, ascending; so that dropping costs what is dropped.
    groups: VecDeque<(u64, Vec<Bytes>)>,
    /// Live snapshots: sequence and how many readers hold it.
    live: BTreeMap<u64, usize>,
    /// Snapshots given up for space whose readers have not noticed yet.
    expired: BTreeMap<u64, usize>,
    bytes: usize,
}

impl Overlay {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// An estimate of the memory held by pre-images.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many snapshots are live.
    pub(crate) fn snapshots(&self) -> usize {
        self.live.values().sum()
    }

    pub(crate) fn register(&mut self, sequence: u64) {
        *self.live.entry(sequence).or_default() += 1;
    }

    pub(crate) fn release(&mut self, sequence: u64, published: u64) {
        let holders = if self.expired.contains_key(&sequence) { &mut self.expired } else { &mut self.live };
        if let Some(count) = holders.get_mut(&sequence) {
            *count -= 1;
            if *count == 0 {
                holders.remove(&sequence);
                self.prune(published);
            }
        }
    }

    pub(crate) fn is_expired(&self, sequence: u64) -> bool {
        self.expired.contains_key(&sequence)
    }

    /// Records what the group `sequence` is about to replace.
    pub(crate) fn record(&mut self, sequence: u64, pre_images: Vec<(Bytes, Option<Bytes>)>) {
        let mut keys = Vec::with_capacity(pre_images.len());
        for (key, value) in pre_images {
            self.bytes += cost(&key, value.as_ref());
            self.entries.entry(key.clone()).or_default().push(PreImage { replaced_at: sequence, value });
            keys.push(key);
        }
        self.groups.push_back((sequence, keys));
    }

    /// Forgets what the group that has just been published and no live snapshot needs; then gives up the oldest snapshots
    /// until the rest fits into `budget`.
    pub(crate) fn settle(&mut self, published: u64, budget: usize) {
        self.thin_newest();
        self.prune(published);
        while self.bytes > budget {
            let Some((sequence, holders)) = self.live.pop_first() else { break };
            *self.expired.entry(sequence).or_default() += holders;
            self.prune(published);
        }
    }

    /// What `key` held at `sequence`, if it has been replaced since: the outer `None` says that the backend's answer stands.
    pub(crate) fn at(&self, sequence: u64, key: &[u8]) -> Option<Option<Bytes>> {
        first_after(self.entries.get(key)?, sequence).map(|image| image.value.clone())
    }

    /// Whether any of it has been replaced since it was read.
    pub(crate) fn has_replaced(&self, reads: &Reads) -> bool {
        let keys = || reads.keys.iter().any(|key| self.at(reads.sequence, key).is_some());
        let ranges =
            || reads.ranges.iter().any(|range| self.range_at(reads.sequence, range).next().is_some());
        !self.is_empty() && (keys() || ranges())
    }

    /// The keys of `range` that have been replaced since `sequence`, with what they held, ascending.
    pub(crate) fn range_at<'a>(
        &'a self,
        sequence: u64,
        range: &KeyRange,
    ) -> impl Iterator<Item = (&'a Bytes, &'a Option<Bytes>)> {
        let start = Bound::Included(range.start.as_slice());
        let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let within = (!range.is_empty()).then(|| self.entries.range::<[u8], _>((start, end)));
        within
            .into_iter()
            .flatten()
            .filter_map(move |(key, images)| first_after(images, sequence).map(|image| (key, &image.value)))
    }

    /// Of each key the newest group replaced, drops the image if no live snapshot lies between it and the one before it:
    /// only the oldest image after each snapshot is ever asked for.
    fn thin_newest(&mut self) {
        let Some((sequence, keys)) = self.groups.back() else { return };
        let sequence = *sequence;
        for key in keys {
            let Some(images) = self.entries.get_mut(key) else { continue };
            let before = images.iter().rev().nth(1).map(|image| image.replaced_at);
            let Some(before) = before else { continue };
            if self.live.range(before..sequence).next().is_none()
                && let Some(dropped) = images.pop()
            {
                self.bytes -= cost(key, dropped.value.as_ref());
            }
        }
    }

    /// Drops every image that no live snapshot can ask for: those replaced at or before the oldest one.
    fn prune(&mut self, published: u64) {
        let oldest = self.live.first_key_value().map_or(published, |(sequence, _)| *sequence);
        while let Some((_, keys)) = self.groups.pop_front_if(|(sequence, _)| *sequence <= oldest) {
            for key in keys {
                let Some(images) = self.entries.get_mut(&key) else { continue };
                let dropped = images.iter().take_while(|image| image.replaced_at <= oldest).count();
                for image in images.drain(..dropped) {
                    self.bytes -= cost(&key, image.value.as_ref());
                }
                if images.is_empty() {
                    self.entries.remove(&key);
                }
            }
        }
    }
}

fn first_after(images: &[PreImage], sequence: u64) -> Option<&PreImage> {
    images.iter().find(|image| image.replaced_at > sequence)
}

fn cost(key: &[u8], value: Option<&Bytes>) -> usize {
    ENTRY_OVERHEAD + key.len() + value.map_or(0, |value| value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::from(text.as_bytes())
    }

    fn group(overlay: &mut Overlay, sequence: u64, images: &[(&str, Option<&str>)]) {
        overlay.record(sequence, images.iter().map(|(key, value)| (bytes(key), value.map(bytes))).collect());
    }

    #[test]
    fn nothing_stays_without_a_reader() {
        let mut overlay = Overlay::default();
        group(&mut overlay, 1, &[("a", None), ("b", Some("x"))]);
        assert_eq!(overlay.at(0, b"b"), Some(Some(bytes("x"))), "a group in flight is kept");
        overlay.settle(1, usize::MAX);
        assert!(overlay.is_empty());
        assert_eq!(overlay.bytes(), 0);
    }

    #[test]
    fn a_snapshot_sees_what_was() {
        let mut overlay = Overlay::default();
        overlay.register(1);
        group(&mut overlay, 2, &[("a", Some("one"))]);
        overlay.settle(2, usize::MAX);
        group(&mut overlay, 3, &[("a", Some("two")), ("b", None)]);
        overlay.settle(3, usize::MAX);
        assert_eq!(overlay.at(1, b"a"), Some(Some(bytes("one"))));
        assert_eq!(overlay.at(1, b"b"), Some(None));
        assert_eq!(overlay.at(3, b"a"), None, "nothing replaced since");
        let range: Vec<_> = overlay.range_at(1, &KeyRange::all()).map(|(key, _)| key.clone()).collect();
        assert_eq!(range, [bytes("a"), bytes("b")]);
        overlay.release(1, 3);
        assert!(overlay.is_empty());
        assert_eq!(overlay.bytes(), 0);
    }

    #[test]
    fn only_the_oldest_image_after_each_snapshot_is_kept() {
        let mut overlay = Overlay::default();
        overlay.register(1);
        for sequence in 2..100 {
            group(&mut overlay, sequence, &[("hot", Some("value"))]);
            overlay.settle(sequence, usize::MAX);
        }
        assert_eq!(overlay.entries[b"hot".as_slice()].len(), 1);
        overlay.register(99);
        for sequence in 100..200 {
            group(&mut overlay, sequence, &[("hot", Some("later"))]);
            overlay.settle(sequence, usize::MAX);
        }
        assert_eq!(overlay.entries[b"hot".as_slice()].len(), 2);
        assert_eq!(overlay.at(1, b"hot"), Some(Some(bytes("value"))));
        assert_eq!(overlay.at(99, b"hot"), Some(Some(bytes("later"))));
        overlay.release(1, 199);
        assert_eq!(overlay.entries[b"hot".as_slice()].len(), 1);
        assert_eq!(overlay.at(99, b"hot"), Some(Some(bytes("later"))));
        overlay.release(99, 199);
        assert!(overlay.is_empty() && overlay.groups.is_empty() && overlay.bytes() == 0);
    }

    #[test]
    fn past_the_budget_the_oldest_snapshot_expires() {
        let mut overlay = Overlay::default();
        overlay.register(1);
        group(&mut overlay, 2, &[("a", Some("value"))]);
        overlay.settle(2, usize::MAX);
        overlay.register(2);
        group(&mut overlay, 3, &[("b", Some("value"))]);
        let budget = cost(b"b", Some(&bytes("value")));
        overlay.settle(3, budget);
        assert!(overlay.is_expired(1) && !overlay.is_expired(2));
        assert_eq!(overlay.at(2, b"b"), Some(Some(bytes("value"))));
        assert!(overlay.bytes() <= budget);
        overlay.release(1, 3);
        overlay.release(2, 3);
        assert!(overlay.is_empty() && overlay.expired.is_empty() && overlay.snapshots() == 0);
    }
}
