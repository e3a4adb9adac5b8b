//! Which element of an array is which after a program has changed the array.
//!
//! Elements are compared as the program's type writes them, so what the type does not know plays no part. In turn:
//!
//! 1. Where a key is declared, elements with equal keys are the same. The rest does not apply to elements that have the key.
//! 2. Equal elements at the front and at the back, then the longest common subsequence of what is between. Where that would take more than
//!    [`MAX_CELLS`] steps, equal elements are paired in their order instead.
//! 3. Equal elements elsewhere: they were moved.
//! 4. What is left between two neighbours of the common subsequence, if it is equally many before and after, by position: it was edited
//!    in place. Not where the type does not keep the order of elements, as sets do not.
//!
//! All others are new, or gone. An element that was edited *and* moved, or edited where another was inserted or removed beside it, counts as
//! new unless a key is declared, and an element put in the place of another counts as that one, edited. Rather than let a member the
//! type does not know move to another element, it is given up with its own.

use std::collections::{HashMap, VecDeque};

use crate::encoding::body::error::BodyError;
use crate::encoding::body::raw::{Kind, Raw};
use crate::encoding::merge::same::{Elements, digest, same};

/// Bounds the work of one common subsequence: 256 elements against as many.
const MAX_CELLS: usize = 1 << 16;

/// For each element of `after`, which one of `before` it is. `ordered`: whether position means anything.
pub(super) fn align(
    before: &[Raw<'_>],
    after: &[Raw<'_>],
    key: Option<&str>,
    ordered: bool,
) -> Result<Vec<Option<usize>>, BodyError> {
    let mut pairs = Pairs { of_after: vec![None; after.len()], taken: vec![false; before.len()] };
    if let Some(key) = key {
        pairs.pair_by_key(before, after, key)?;
        let (old, new) = (pairs.left_before(0..before.len()), pairs.left_after(0..after.len()));
        let keyless = |elements: &[Raw<'_>], left: Vec<usize>| {
            let keys = left.into_iter().map(|at| (at, key_of(elements.get(at).copied(), key)));
            keys.filter(|(_, key)| !matches!(key, Ok(Some(_)))).map(|(at, _)| at).collect::<Vec<_>>()
        };
        let (old, new) = (keyless(before, old), keyless(after, new));
        pairs.pair_equal(before, after, &old, &new)?;
        return Ok(pairs.of_after);
    }

    let mut front = 0;
    while let (Some(old), Some(new)) = (before.get(front), after.get(front))
        && same(*old, *new)?
    {
        pairs.pair(front, front);
        front += 1;
    }
    let (mut old_end, mut new_end) = (before.len(), after.len());
    while old_end > front
        && new_end > front
        && let (Some(old), Some(new)) = (before.get(old_end - 1), after.get(new_end - 1))
        && same(*old, *new)?
    {
        old_end -= 1;
        new_end -= 1;
        pairs.pair(old_end, new_end);
    }
    let (old, new) = (front..old_end, front..new_end);
    if old.is_empty() || new.is_empty() {
        return Ok(pairs.of_after);
    }

    let digests = |elements: &[Raw<'_>], range: std::ops::Range<usize>| {
        let elements = elements.get(range).unwrap_or_default().iter();
        elements.map(|element| digest(*element, Elements::InOrder)).collect::<Result<Vec<_>, _>>()
    };
    let (old_digests, new_digests) = (digests(before, old.clone())?, digests(after, new.clone())?);
    let anchors = match common_subsequence(&old_digests, &new_digests) {
        Some(anchors) => anchors,
        None => rising(paired_in_order(&old_digests, &new_digests)),
    };
    let anchors: Vec<_> = anchors.into_iter().map(|(i, j)| (front + i, front + j)).collect();
    for &(i, j) in &anchors {
        pairs.pair(i, j);
    }
    let (left_before, left_after) = (pairs.left_before(old.clone()), pairs.left_after(new.clone()));
    pairs.pair_equal(before, after, &left_before, &left_after)?;
    if !ordered {
        return Ok(pairs.of_after);
    }

    let (mut i, mut j) = (old.start, new.start);
    for (next_i, next_j) in anchors.into_iter().chain([(old.end, new.end)]) {
        let (left_before, left_after) = (pairs.left_before(i..next_i), pairs.left_after(j..next_j));
        if left_before.len() == left_after.len() {
            for (old, new) in left_before.into_iter().zip(left_after) {
                pairs.pair(old, new);
            }
        }
        (i, j) = (next_i + 1, next_j + 1);
    }
    Ok(pairs.of_after)
}

struct Pairs {
    of_after: Vec<Option<usize>>,
    taken: Vec<bool>,
}

impl Pairs {
    fn pair(&mut self, before: usize, after: usize) {
        if let (Some(slot @ None), Some(taken @ false)) =
            (self.of_after.get_mut(after), self.taken.get_mut(before))
        {
            *slot = Some(before);
            *taken = true;
        }
    }

    fn left_before(&self, mut range: std::ops::Range<usize>) -> Vec<usize> {
        range.by_ref().filter(|at| self.taken.get(*at) == Some(&false)).collect()
    }

    fn left_after(&self, mut range: std::ops::Range<usize>) -> Vec<usize> {
        range.by_ref().filter(|at| self.of_after.get(*at) == Some(&None)).collect()
    }

    fn pair_by_key(&mut self, before: &[Raw<'_>], after: &[Raw<'_>], key: &str) -> Result<(), BodyError> {
        let mut places: HashMap<&[u8], VecDeque<usize>> = HashMap::new();
        for (at, element) in before.iter().enumerate() {
            if let Some(key) = key_of(Some(*element), key)? {
                places.entry(key).or_default().push_back(at);
            }
        }
        for (at, element) in after.iter().enumerate() {
            if let Some(key) = key_of(Some(*element), key)?
                && let Some(old) = places.get_mut(key).and_then(VecDeque::pop_front)
            {
                self.pair(old, at);
            }
        }
        Ok(())
    }

    /// Pairs equal elements among those at `old` and `new`, in their order.
    fn pair_equal(
        &mut self,
        before: &[Raw<'_>],
        after: &[Raw<'_>],
        old: &[usize],
        new: &[usize],
    ) -> Result<(), BodyError> {
        if old.is_empty() || new.is_empty() {
            return Ok(());
        }
        let digests = |elements: &[Raw<'_>], places: &[usize]| {
            let elements = places.iter().filter_map(|at| elements.get(*at));
            elements.map(|element| digest(*element, Elements::InOrder)).collect::<Result<Vec<_>, _>>()
        };
        for (i, j) in paired_in_order(&digests(before, old)?, &digests(after, new)?) {
            if let (Some(i), Some(j)) = (old.get(i), new.get(j))
                && let (Some(one), Some(other)) = (before.get(*i), after.get(*j))
                && same(*one, *other)?
            {
                self.pair(*i, *j);
            }
        }
        Ok(())
    }
}

/// The scalar that identifies an element, if it has one.
fn key_of<'a>(element: Option<Raw<'a>>, key: &str) -> Result<Option<&'a [u8]>, BodyError> {
    let Some(element) = element else { return Ok(None) };
    let value = element.get(key)?;
    let scalar = value.filter(|value| !matches!(value.kind(), Kind::Null | Kind::Array | Kind::Object));
    Ok(scalar.map(Raw::bytes))
}

/// The places of a longest common subsequence; `None` where finding it would take too long.
fn common_subsequence(old: &[u64], new: &[u64]) -> Option<Vec<(usize, usize)>> {
    let width = new.len() + 1;
    let cells = old.len().checked_add(1)?.checked_mul(width).filter(|cells| *cells <= MAX_CELLS)?;
    // Of what follows each pair of places, how long it is.
    let mut longest = vec![0_u16; cells];
    let at = |longest: &[u16], i: usize, j: usize| longest.get(i * width + j).copied().unwrap_or(0);
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            let length = if one == other {
                at(&longest, i + 1, j + 1).saturating_add(1)
            } else {
                at(&longest, i + 1, j).max(at(&longest, i, j + 1))
            };
            if let Some(cell) = longest.get_mut(i * width + j) {
                *cell = length;
            }
        }
    }
    let mut places = Vec::new();
    let (mut i, mut j) = (0, 0);
    while let (Some(one), Some(other)) = (old.get(i), new.get(j)) {
        if one == other {
            places.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if at(&longest, i + 1, j) >= at(&longest, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    Some(places)
}

/// Equal ones, the first with the first, the second with the second; by their place in `new`.
fn paired_in_order(old: &[u64], new: &[u64]) -> Vec<(usize, usize)> {
    let mut places: HashMap<u64, VecDeque<usize>> = HashMap::new();
    for (at, digest) in old.iter().enumerate() {
        places.entry(*digest).or_default().push_back(at);
    }
    let pair = |(at, digest)| places.get_mut(digest).and_then(VecDeque::pop_front).map(|old| (old, at));
    new.iter().enumerate().filter_map(pair).collect()
}

/// The most of `pairs`, which rise in their second place, that rise in their first as well.
fn rising(pairs: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    // For each length, the pair with the least first place that a rising sequence of this length ends with; and for each pair the one before it.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    let first = |at: &usize| pairs.get(*at).map(|(first, _)| *first);
    for (at, (i, _)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| first(end) < Some(*i));
        previous.push(length.checked_sub(1).and_then(|before| ends.get(before).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut sequence = Vec::with_capacity(ends.len());
    let mut at = ends.last().copied();
    while let Some(pair) = at {
        sequence.extend(pairs.get(pair));
        at = previous.get(pair).copied().flatten();
    }
    sequence.reverse();
    sequence
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::encoding::merge::testing::body;

    fn aligned(before: &[Value], after: &[Value], key: Option<&str>, ordered: bool) -> Vec<Option<usize>> {
        let bodies = |values: &[Value]| values.iter().cloned().map(body).collect::<Vec<_>>();
        let (before, after) = (bodies(before), bodies(after));
        let before: Vec<_> = before.iter().map(|body| Raw::new(body).unwrap()).collect();
        let after: Vec<_> = after.iter().map(|body| Raw::new(body).unwrap()).collect();
        align(&before, &after, key, ordered).unwrap()
    }

    /// Letters for elements; for each of `after` the letter of `before` it is, `.` for none, and upper case where it was edited.
    fn letters(before: &str, after: &str, ordered: bool) -> String {
        let values = |text: &str| text.chars().map(|c| json!(c)).collect::<Vec<_>>();
        let old = aligned(&values(before), &values(after), None, ordered);
        old.into_iter().map(|old| old.and_then(|old| before.chars().nth(old)).unwrap_or('.')).collect()
    }

    #[test]
    fn by_common_subsequence_then_moves_then_position() {
        for (before, after, expected) in [
            ("", "a", "."),
            ("abc", "abc", "abc"),
            ("abc", "ac", "ac"),
            ("abc", "axbc", "a.bc"),
            ("abc", "cab", "cab"),
            ("abc", "xyz", "abc"),
            ("abc", "xy", ".."),
            ("abcd", "aXcd", "abcd"),
            ("abcd", "0aXcd", ".abcd"),
            ("abcd", "aX0cd", "a..cd"),
            ("abcd", "bdxy", "bd.."),
            ("abcd", "bacX", "bacd"),
            ("aab", "ab", "ab"),
            ("aba", "ab", "ab"),
        ] {
            assert_eq!(letters(before, after, true), expected, "{before} {after}");
        }
        // The first of two equal ones was removed, not the second.
        assert_eq!(
            aligned(&[json!(1), json!(2), json!(1)], &[json!(2), json!(1)], None, true),
            [Some(1), Some(2)]
        );
        assert_eq!(letters("abcd", "bXcy", false), "b.c.");
    }

    #[test]
    fn by_key() {
        let element = |key: Value, n: u32| json!({"k": key, "n": n});
        let before = [
            element(json!(1), 0),
            element(json!("1"), 0),
            json!({"n": 5}),
            element(json!(null), 7),
            element(json!(1), 3),
        ];
        let after = [
            element(json!("1"), 9),
            element(json!(null), 7),
            element(json!(2), 0),
            json!({"n": 5}),
            element(json!(1), 4),
        ];
        assert_eq!(aligned(&before, &after, Some("k"), true), [Some(1), Some(3), None, Some(2), Some(0)]);
    }

    proptest! {
        /// Against the definition: no longer subsequence is in both, and each element is used once.
        #[test]
        fn a_common_subsequence_is_longest(old in vec(0..4_u64, 0..9), new in vec(0..4_u64, 0..9)) {
            let places = common_subsequence(&old, &new).unwrap();
            prop_assert!(places.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
            prop_assert!(places.iter().all(|(i, j)| old[*i] == new[*j]));
            let subsequence = |picked: u32| -> Vec<u64> {
                (0..old.len()).filter(|at| picked >> at & 1 == 1).map(|at| old[at]).collect()
            };
            let is_in_new = |wanted: &[u64]| {
                let mut wanted = wanted.iter().peekable();
                for n in &new {
                    let _ = wanted.next_if_eq(&n);
                }
                wanted.peek().is_none()
            };
            let longest = (0..1 << old.len()).map(subsequence).filter(|wanted| is_in_new(wanted)).map(|wanted| wanted.len()).max();
            prop_assert_eq!(Some(places.len()), longest);
        }

        #[test]
        fn a_rising_sequence_is_longest(firsts in Just((0..9_usize).collect::<Vec<_>>()).prop_shuffle()) {
            let pairs: Vec<_> = firsts.iter().copied().zip(0..).collect();
            let sequence = rising(pairs);
            prop_assert!(sequence.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
            let rises = |picked: &u32| {
                let picked: Vec<_> = (0..9).filter(|at| picked >> at & 1 == 1).map(|at| firsts[at]).collect();
                picked.is_sorted()
            };
            let longest = (0..1_u32 << 9).filter(rises).map(u32::count_ones).max();
            prop_assert_eq!(u32::try_from(sequence.len()).ok(), longest);
        }

        #[test]
        fn each_element_is_used_once(before in vec(0..5_u32, 0..12), after in vec(0..5_u32, 0..12), ordered: bool) {
            let values = |numbers: &[u32]| numbers.iter().map(|n| json!(n)).collect::<Vec<_>>();
            let old = aligned(&values(&before), &values(&after), None, ordered);
            let mut used: Vec<_> = old.iter().flatten().collect();
            let all = used.len();
            used.sort_unstable();
            used.dedup();
            prop_assert_eq!(used.len(), all);
            // Whatever is in both is paired with an equal one as often as can be.
            let equal = old.iter().zip(&after).filter(|(old, new)| old.is_some_and(|old| before[old] == **new)).count();
            let common: usize = (0..5).map(|n| before.iter().filter(|b| **b == n).count().min(after.iter().filter(|a| **a == n).count())).sum();
            prop_assert_eq!(equal, common);
        }
    }
}
