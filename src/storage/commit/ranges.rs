//! Sets of keys made of ranges.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::storage::backend::KeyRange;

/// What a range costs beside the bytes of its ends; an estimate.
const OVERHEAD: usize = 64;

/// Ranges of keys that neither overlap nor touch, so that what is scanned again costs nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranges {
    /// The end of each range by its start; `None`: no end.
    ends: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
}

impl Ranges {
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// An estimate of the memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        let up_to_key = (Bound::Unbounded, Bound::Included(key));
        let before = self.ends.range::<[u8], _>(up_to_key).next_back();
        before.is_some_and(|(_, end)| end.as_deref().is_none_or(|end| key < end))
    }

    pub(crate) fn insert(&mut self, range: KeyRange) {
        if range.is_empty() {
            return;
        }
        let KeyRange { mut start, mut end } = range;
        let up_to_start = (Bound::Unbounded, Bound::Included(start.as_slice()));
        if let Some((first, first_end)) = self.ends.range_mut::<[u8], _>(up_to_start).next_back() {
            if !ends_before(first_end.as_deref(), end.as_deref()) {
                return;
            }
            if first_end.as_ref().is_some_and(|first_end| *first_end >= start) {
                start.clone_from(first);
            }
        }
        while let Some((next, next_end)) =
            self.ends.range::<[u8], _>((Bound::Included(start.as_slice()), Bound::Unbounded)).next()
            && end.as_ref().is_none_or(|end| next <= end)
        {
            let next = next.clone();
            if ends_before(end.as_deref(), next_end.as_deref()) {
                end.clone_from(next_end);
            }
            if let Some(next_end) = self.ends.remove(&next) {
                self.bytes -= cost(&next, next_end.as_deref());
            }
        }
        self.bytes += cost(&start, end.as_deref());
        self.ends.insert(start, end);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = KeyRange> {
        self.ends.iter().map(|(start, end)| KeyRange { start: start.clone(), end: end.clone() })
    }
}

/// Whether a range that ends at `a` ends before one that ends at `b`.
fn ends_before(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(a), Some(b)) => a < b,
    }
}

fn cost(start: &[u8], end: Option<&[u8]>) -> usize {
    OVERHEAD + start.len() + end.map_or(0, <[u8]>::len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bound() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0..3_u8, 0..3)
    }

    proptest! {
        #[test]
        fn has_what_any_of_its_ranges_has(
            ranges in prop::collection::vec((bound(), prop::option::of(bound())), 0..8),
        ) {
            let ranges: Vec<_> = ranges.into_iter().map(|(start, end)| KeyRange { start, end }).collect();
            let mut set = Ranges::default();
            for range in &ranges {
                set.insert(range.clone());
            }
            for key in (0..4_u8).flat_map(|a| (0..4_u8).flat_map(move |b| [vec![], vec![a], vec![a, b], vec![a, b, 0]])) {
                let within = ranges.iter().any(|range| range.contains(&key));
                prop_assert_eq!(set.contains(&key), within, "{:?}", key);
                prop_assert_eq!(set.iter().any(|range| range.contains(&key)), within);
            }
            let merged: Vec<_> = set.iter().collect();
            for pair in merged.windows(2) {
                prop_assert!(pair[0].end.as_ref().is_some_and(|end| *end < pair[1].start), "{:?}", merged);
            }
            let bytes: usize = merged.iter().map(|range| cost(&range.start, range.end.as_deref())).sum();
            prop_assert_eq!(set.bytes(), bytes);
        }
    }

    #[test]
    fn a_scan_that_goes_on_stays_one_range() {
        let mut set = Ranges::default();
        for n in 0..1000_u16 {
            set.insert(KeyRange { start: vec![], end: Some(n.to_be_bytes().to_vec()) });
        }
        for n in (1000..2000_u16).rev() {
            set.insert(KeyRange { start: n.to_be_bytes().to_vec(), end: Some(vec![0xff]) });
        }
        assert_eq!(set.ends.len(), 2);
        assert_eq!(set.bytes(), 2 * OVERHEAD + 5);
    }
}
