//! Pre-images of what has been overwritten: gives snapshots over a backend that has none.
//!
//! A reader at sequence *s* reads the backend first and the overlay second. The committer records the
//! pre-image of each key before it applies a group, so whatever the reader finds in the backend, the first
//! pre-image replaced after *s* corrects it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use crate::storage::backend::KeyRange;
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Class, Commit, Reads};

/// What a group is about to replace.
#[derive(Debug)]
pub(crate) struct Replaced {
    pub(crate) key: Bytes,
    /// What the key holds; `None`: nothing.
    pub(crate) before: Option<Bytes>,
    /// Whether a logical commit replaces it, and not only neutral ones.
    pub(crate) logically: bool,
}

impl Replaced {
    /// What its image will cost.
    pub(crate) fn cost(&self) -> usize {
        cost(&self.key, self.before.as_ref())
    }
}

/// What a key held before a group replaced it. `None`: nothing.
#[derive(Debug)]
struct PreImage {
    replaced_at: u64,
    /// Whether this group, or a later one whose image has been left out, did so by a logical commit.
    logically: bool,
    value: Option<Bytes>,
}

/// What an image costs beside the bytes of key and value: both, in the map and in the list of its group, the heads of four allocations,
/// and the room that maps and lists keep free. An estimate, so that the budget means memory.
const ENTRY_OVERHEAD: usize =
    2 * size_of::<Bytes>() + size_of::<Vec<PreImage>>() + size_of::<PreImage>() + 96;

#[derive(Debug, Default)]
pub(crate) struct Overlay {
    /// Ascending `replaced_at` for each key, never empty.
    entries: BTreeMap<Bytes, Vec<PreImage>>,
    /// Of which keys there is an image of each group, ascending; so that dropping costs what is dropped.
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

    /// What only this reader needed goes with [`prune`](Self::prune).
    pub(crate) fn release(&mut self, sequence: u64) {
        let holders = if self.expired.contains_key(&sequence) { &mut self.expired } else { &mut self.live };
        if let Some(count) = holders.get_mut(&sequence) {
            *count -= 1;
            if *count == 0 {
                holders.remove(&sequence);
            }
        }
    }

    pub(crate) fn is_live(&self, sequence: u64) -> bool {
        self.live.contains_key(&sequence)
    }

    pub(crate) fn is_expired(&self, sequence: u64) -> bool {
        self.expired.contains_key(&sequence)
    }

    /// Records what the group `sequence` is about to replace.
    pub(crate) fn record(&mut self, sequence: u64, replaced: Vec<Replaced>) {
        let keys = replaced.iter().map(|replaced| replaced.key.clone()).collect();
        self.groups.push_back((sequence, keys));
        let bytes = &mut self.bytes;
        let images = replaced.into_iter().map(|Replaced { key, before: value, logically }| {
            *bytes += cost(&key, value.as_ref());
            (key, PreImage { replaced_at: sequence, logically, value })
        });
        if self.entries.is_empty() {
            // Without readers it is always so: ascending keys make a map faster than one after the other.
            self.entries = images.map(|(key, image)| (key, vec![image])).collect();
        } else {
            for (key, image) in images {
                self.entries.entry(key).or_insert_with(|| Vec::with_capacity(1)).push(image);
            }
        }
    }

    /// Forgets up to `at_most` images that no live snapshot can ask for. Gives whether there may be more.
    pub(crate) fn prune(&mut self, published: u64, at_most: usize) -> bool {
        let oldest = self.live.first_key_value().map_or(published, |(sequence, _)| *sequence);
        if self.groups.back().is_none_or(|(sequence, _)| *sequence <= oldest) && self.entries.len() <= at_most
        {
            // Without readers it is always so: nobody can ask for anything.
            self.entries.clear();
            self.groups.clear();
            self.bytes = 0;
            return false;
        }
        for _ in 0..at_most {
            let Some((_, keys)) = self.groups.front_mut().filter(|(sequence, _)| *sequence <= oldest) else {
                return false;
            };
            let Some(key) = keys.pop() else {
                self.groups.pop_front();
                continue;
            };
            let Some(images) = self.entries.get_mut(&key) else { continue };
            let dropped = images.iter().take_while(|image| image.replaced_at <= oldest).count();
            for image in images.drain(..dropped) {
                self.bytes -= cost(&key, image.value.as_ref());
            }
            if images.is_empty() {
                self.entries.remove(&key);
            }
        }
        true
    }

    /// Gives the oldest snapshot up if the images exceed `budget`; [`prune`](Self::prune) then takes what only that one needed.
    pub(crate) fn expire(&mut self, budget: usize) -> bool {
        if self.bytes <= budget {
            return false;
        }
        let Some((sequence, holders)) = self.live.pop_first() else { return false };
        *self.expired.entry(sequence).or_default() += holders;
        true
    }

    /// What `key` held at `sequence`, if it has been replaced since: the outer `None` says that the backend's answer stands.
    pub(crate) fn at(&self, sequence: u64, key: &[u8]) -> Option<Option<Bytes>> {
        first_after(self.entries.get(key)?, sequence).map(|image| image.value.clone())
    }

    /// Whether anything that `commit` relies on has been replaced since it was read.
    pub(crate) fn has_replaced(&self, commit: &Commit, reads: &Reads) -> bool {
        if self.is_empty() {
            return false;
        }
        let neutral = commit.class == Class::Neutral;
        let replaced = |images: &[PreImage]| {
            let since = images.iter().rev().take_while(|image| image.replaced_at > reads.sequence);
            since.into_iter().any(|image| image.logically || neutral)
        };
        let key = |key: &Bytes| self.entries.get(key).is_some_and(|images| replaced(images));
        let keys = || {
            // Whichever are fewer.
            if self.entries.len() < reads.keys.len() {
                self.entries.iter().any(|(key, images)| reads.keys.contains(key) && replaced(images))
            } else {
                reads.keys.iter().any(key)
            }
        };
        let ranges =
            || reads.ranges.iter().any(|range| self.within(&range).any(|(_, images)| replaced(images)));
        // A write was made from the bytes that were read.
        let inputs =
            || commit.writes.keys().any(|key| reads.cover(key) && self.at(reads.sequence, key).is_some());
        keys() || ranges() || inputs()
    }

    /// The keys of `range` that have been replaced since `sequence`, with what they held, ascending.
    pub(crate) fn range_at<'a>(
        &'a self,
        sequence: u64,
        range: &KeyRange,
    ) -> impl Iterator<Item = (&'a Bytes, &'a Option<Bytes>)> {
        self.within(range)
            .filter_map(move |(key, images)| first_after(images, sequence).map(|image| (key, &image.value)))
    }

    fn within<'a>(&'a self, range: &KeyRange) -> impl Iterator<Item = (&'a Bytes, &'a Vec<PreImage>)> {
        let start = Bound::Included(range.start.as_slice());
        let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let within = (!range.is_empty()).then(|| self.entries.range::<[u8], _>((start, end)));
        within.into_iter().flatten()
    }

    /// Of each key the newest group replaced, drops the image if no live snapshot lies between it and the one before it:
    /// only the oldest image after each snapshot is ever asked for.
    pub(crate) fn thin_newest(&mut self) {
        if self.groups.len() < 2 {
            return;
        }
        let Self { entries, groups, live, bytes, .. } = self;
        let Some((_, keys)) = groups.back_mut() else { return };
        keys.retain(|key| {
            let Some(images) = entries.get_mut(key) else { return false };
            let [.., before, newest] = images.as_mut_slice() else { return true };
            if live.range(before.replaced_at..newest.replaced_at).next().is_some() {
                return true;
            }
            // Whoever has read the key before must go on to learn of it.
            before.logically |= newest.logically;
            *bytes -= cost(key, newest.value.as_ref());
            images.pop();
            false
        });
        if keys.is_empty() {
            groups.pop_back();
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
        let replaced = images.iter().map(|(key, value)| Replaced {
            key: bytes(key),
            before: value.map(bytes),
            logically: true,
        });
        overlay.record(sequence, replaced.collect());
    }

    /// What the committer does once a group is published.
    fn settle(overlay: &mut Overlay, published: u64, budget: usize) {
        overlay.thin_newest();
        while overlay.prune(published, 1) || overlay.expire(budget) {}
    }

    fn release(overlay: &mut Overlay, sequence: u64, published: u64) {
        overlay.release(sequence);
        while overlay.prune(published, 1) {}
    }

    #[test]
    fn nothing_stays_without_a_reader() {
        let mut overlay = Overlay::default();
        group(&mut overlay, 1, &[("a", None), ("b", Some("x"))]);
        assert_eq!(overlay.at(0, b"b"), Some(Some(bytes("x"))), "a group in flight is kept");
        settle(&mut overlay, 1, usize::MAX);
        assert!(overlay.is_empty());
        assert_eq!(overlay.bytes(), 0);
    }

    #[test]
    fn a_snapshot_sees_what_was() {
        let mut overlay = Overlay::default();
        overlay.register(1);
        group(&mut overlay, 2, &[("a", Some("one"))]);
        settle(&mut overlay, 2, usize::MAX);
        group(&mut overlay, 3, &[("a", Some("two")), ("b", None)]);
        settle(&mut overlay, 3, usize::MAX);
        assert_eq!(overlay.at(1, b"a"), Some(Some(bytes("one"))));
        assert_eq!(overlay.at(1, b"b"), Some(None));
        assert_eq!(overlay.at(3, b"a"), None, "nothing replaced since");
        let range: Vec<_> = overlay.range_at(1, &KeyRange::all()).map(|(key, _)| key.clone()).collect();
        assert_eq!(range, [bytes("a"), bytes("b")]);
        release(&mut overlay, 1, 3);
        assert!(overlay.is_empty());
        assert_eq!(overlay.bytes(), 0);
    }

    #[test]
    fn only_the_oldest_image_after_each_snapshot_is_kept() {
        let mut overlay = Overlay::default();
        overlay.register(1);
        for sequence in 2..100 {
            group(&mut overlay, sequence, &[("hot", Some("value"))]);
            settle(&mut overlay, sequence, usize::MAX);
        }
        assert_eq!(overlay.entries[b"hot".as_slice()].len(), 1);
        overlay.register(99);
        for sequence in 100..200 {
            group(&mut overlay, sequence, &[("hot", Some("later"))]);
            settle(&mut overlay, sequence, usize::MAX);
        }
        assert_eq!(overlay.entries[b"hot".as_slice()].len(), 2);
        assert_eq!(overlay.at(1, b"hot"), Some(Some(bytes("value"))));
        assert_eq!(overlay.at(99, b"hot"), Some(Some(bytes("later"))));
        release(&mut overlay, 1, 199);
        assert_eq!(overlay.entries[b"hot".as_slice()].len(), 1);
        assert_eq!(overlay.at(99, b"hot"), Some(Some(bytes("later"))));
        release(&mut overlay, 99, 199);
        assert!(overlay.is_empty() && overlay.groups.is_empty() && overlay.bytes() == 0);
    }

    #[test]
    fn a_hot_key_leaves_no_trail() {
        let mut overlay = Overlay::default();
        overlay.register(1);
        for sequence in 2..1000 {
            group(&mut overlay, sequence, &[("hot", Some("value"))]);
            settle(&mut overlay, sequence, usize::MAX);
        }
        assert_eq!(overlay.groups.len(), 1);
        assert_eq!(overlay.bytes(), cost(b"hot", Some(&bytes("value"))));
    }

    #[test]
    fn past_the_budget_the_oldest_snapshot_expires() {
        let mut overlay = Overlay::default();
        overlay.register(1);
        group(&mut overlay, 2, &[("a", Some("value"))]);
        settle(&mut overlay, 2, usize::MAX);
        overlay.register(2);
        group(&mut overlay, 3, &[("b", Some("value"))]);
        let budget = cost(b"b", Some(&bytes("value")));
        settle(&mut overlay, 3, budget);
        assert!(overlay.is_expired(1) && !overlay.is_expired(2));
        assert_eq!(overlay.at(2, b"b"), Some(Some(bytes("value"))));
        assert!(overlay.bytes() <= budget);
        release(&mut overlay, 1, 3);
        release(&mut overlay, 2, 3);
        assert!(overlay.is_empty() && overlay.expired.is_empty() && overlay.snapshots() == 0);
    }
}
