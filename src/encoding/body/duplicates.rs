//! Whether an object holds a key twice.

use crate::encoding::body::token;

/// Up to here a key is compared with those before it, beyond it all are sorted.
pub(super) const FEW: usize = 32;

/// A key found twice among the members in `content`; `Err` where the members' own bytes are malformed.
///
/// One pass and no allocation where no two keys fall into the same of 256 classes; a pass over the earlier keys for each that
/// does, up to [`FEW`]; beyond it one more pass where keys ascend, and a sort of 8 bytes a member where they do not.
pub(super) fn find(content: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let mut classes = Classes::default();
    let mut rest = content;
    let mut passed = 0;
    while !rest.is_empty() {
        let (key, _) = token::take_member(&mut rest).ok_or(Malformed)?;
        if classes.insert(key) {
            if passed >= FEW {
                return among_many(content);
            }
            if is_among(key, content, passed) {
                return Ok(Some(key));
            }
        }
        passed += 1;
    }
    Ok(None)
}

/// Whether `key` is one of the first `count` keys.
pub(super) fn is_among(key: &[u8], content: &[u8], count: usize) -> bool {
    let mut rest = content;
    (0..count).any(|_| token::take_member(&mut rest).is_some_and(|(earlier, _)| earlier == key))
}

/// Classes of keys met so far. Two keys in one class need not be equal; two in different classes are not.
#[derive(Debug, Default)]
pub(super) struct Classes([u64; 4]);

impl Classes {
    /// Whether the key's class had been met before. Always inlined: for a key known at compile time little remains.
    #[inline(always)]
    pub(super) fn insert(&mut self, key: &[u8]) -> bool {
        let class = class(key);
        let bit = 1 << (class & 63);
        match self.0.get_mut(usize::from(class >> 6)) {
            Some(word) => {
                let met = *word & bit != 0;
                *word |= bit;
                met
            }
            None => true,
        }
    }
}

/// Cheap and weak: what it mistakes costs a comparison, never an answer.
#[inline(always)]
fn class(key: &[u8]) -> u8 {
    let word = if let (Some(front), Some(back)) = (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        u64::from_le_bytes(*front) ^ u64::from_le_bytes(*back).rotate_left(23)
    } else if let (Some(front), Some(back)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        u64::from(u32::from_le_bytes(*front)) << 32 | u64::from(u32::from_le_bytes(*back))
    } else {
        let byte = |index| key.get(index).copied().map_or(0, u64::from);
        byte(0) | byte(1) << 8 | byte(2) << 16
    };
    ((word ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

#[cold]
fn among_many(content: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    if ascend(content)? {
        return Ok(None);
    }
    // A hash, and where the member begins.
    let mut members: Vec<(u32, u32)> = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let offset = u32::try_from(content.len() - rest.len()).map_err(|_| Malformed)?;
        let (key, _) = token::take_member(&mut rest).ok_or(Malformed)?;
        members.push((hash(key), offset));
    }
    let key_at = |offset: u32| {
        let mut rest = content.get(offset as usize..).unwrap_or_default();
        token::take_counted(&mut rest).unwrap_or_default()
    };
    // Keys decide where hashes do not, so keys chosen to have equal hashes cost no more than a sort by key.
    members
        .sort_unstable_by(|one, other| one.0.cmp(&other.0).then_with(|| key_at(one.1).cmp(key_at(other.1))));
    let twice = members.windows(2).find_map(|pair| match pair {
        [one, other] if one.0 == other.0 && key_at(one.1) == key_at(other.1) => Some(key_at(one.1)),
        _ => None,
    });
    Ok(twice)
}

fn hash(key: &[u8]) -> u32 {
    let (words, rest) = key.as_chunks::<8>();
    let rest = rest.iter().fold(key.len() as u64, |word, &byte| word << 8 | u64::from(byte));
    let mixed = words.iter().fold(rest, |hash, word| {
        (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    });
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// Whether each key is greater than the one before it.
fn ascend(content: &[u8]) -> Result<bool, Malformed> {
    let mut rest = content;
    let mut last: Option<&[u8]> = None;
    while !rest.is_empty() {
        let (key, _) = token::take_member(&mut rest).ok_or(Malformed)?;
        if last.is_some_and(|last| last >= key) {
            return Ok(false);
        }
        last = Some(key);
    }
    Ok(true)
}

/// A member's own bytes are malformed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(keys: &[String]) -> Vec<u8> {
        let mut content = Vec::new();
        for key in keys {
            crate::encoding::body::varint::push(&mut content, key.len() as u64);
            content.extend(key.as_bytes());
            content.push(0x80);
        }
        content
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(keys in prop::collection::vec("[a-c]{0,3}|[a-z]{7,10}", 0..60), distinct: bool) {
            let mut keys = keys;
            if distinct {
                let mut seen = std::collections::HashSet::new();
                keys.retain(|key| seen.insert(key.clone()));
            }
            let mut seen = std::collections::HashSet::new();
            let twice = keys.iter().any(|key| !seen.insert(key));
            let content = object(&keys);
            let found = find(&content).unwrap();
            prop_assert_eq!(found.is_some(), twice);
            if let Some(found) = found {
                prop_assert!(keys.iter().filter(|key| key.as_bytes() == found).count() > 1);
            }
        }
    }

    #[test]
    fn finds_one_pair_among_many() {
        let mut keys: Vec<String> =
            (0..5000_u32).map(|n| format!("{}", n.wrapping_mul(0x9e37_79b1))).collect();
        assert_eq!(find(&object(&keys)), Ok(None));
        keys.swap(1, 4000);
        keys[4999] = keys[17].clone();
        assert_eq!(find(&object(&keys)), Ok(Some(keys[17].as_bytes())));
    }

    #[test]
    fn a_malformed_member_is_told() {
        assert_eq!(find(&[1, b'a']), Err(Malformed));
    }
}
