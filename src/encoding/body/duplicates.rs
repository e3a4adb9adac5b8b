//! Whether an object holds a key twice.

use crate::encoding::body::token;

/// Up to here keys are compared with each other, beyond it they are sorted.
const FEW: usize = 32;

/// The first key found twice among the members in `content`; `Err` where the members' own bytes are malformed.
///
/// One pass and no allocation where keys ascend, or where no two fall into the same of 256 classes; a pass over the
/// earlier keys for each that does, up to [`FEW`]; a sort of 4 bytes a member otherwise.
pub(super) fn find(content: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let mut seen = Classes::default();
    let mut keys: [&[u8]; FEW] = [&[]; FEW];
    let mut ascending = true;
    let mut suspect = false;
    let mut last: Option<&[u8]> = None;
    let mut rest = content;
    let mut index = 0;
    while !rest.is_empty() {
        let (key, _) = token::take_member(&mut rest).ok_or(Malformed)?;
        ascending = ascending && last.is_none_or(|last| last < key);
        last = Some(key);
        if seen.insert(key) {
            suspect = true;
            let earlier = keys.get(..index).unwrap_or_default();
            if earlier.contains(&key) {
                return Ok(Some(key));
            }
        }
        if let Some(slot) = keys.get_mut(index) {
            *slot = key;
        } else if suspect && !ascending {
            return among_many(content);
        }
        index += 1;
    }
    Ok(None)
}

/// Classes of keys met so far. Two keys in one class need not be equal; two in different classes are not.
#[derive(Default)]
pub(super) struct Classes([u64; 4]);

impl Classes {
    /// Whether the key's class had been met before.
    #[inline]
    pub(super) fn insert(&mut self, key: &[u8]) -> bool {
        let hash = hash(key);
        let bit = 1 << (hash & 63);
        match self.0.get_mut((hash >> 6) as usize & 3) {
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
#[inline]
fn hash(key: &[u8]) -> u8 {
    let word = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        (Some(front), Some(back)) => u64::from_le_bytes(*front) ^ u64::from_le_bytes(*back).rotate_left(23),
        _ => key.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    ((word ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

#[cold]
fn among_many(content: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let mut offsets: Vec<u32> = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        offsets.push(u32::try_from(content.len() - rest.len()).map_err(|_| Malformed)?);
        token::take_member(&mut rest).ok_or(Malformed)?;
    }
    let key_at = |offset: u32| {
        let mut rest = content.get(offset as usize..).unwrap_or_default();
        token::take_counted(&mut rest).unwrap_or_default()
    };
    offsets.sort_unstable_by_key(|&offset| key_at(offset));
    let twice = offsets.windows(2).find_map(|pair| match pair {
        &[one, other] if key_at(one) == key_at(other) => Some(key_at(one)),
        _ => None,
    });
    Ok(twice)
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
