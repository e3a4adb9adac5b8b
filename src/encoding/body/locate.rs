//! Members of an object that somebody has names for, found in one pass.

use crate::encoding::body::duplicates::{Classes, FEW, is_among};
use crate::encoding::body::error::BodyError;
use crate::encoding::body::members::tag;
use crate::encoding::body::raw::{Kind, Raw, check_keys, key_twice, malformed_value, utf8};
use crate::encoding::body::token::{self, Token};
use crate::encoding::body::varint;

/// Names, each with a number, to be looked for in many objects.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// By hash, or as soon after that as there was room. At least half of it is empty, so every search ends; its length is a power of two.
    table: Box<[Option<Name>]>,
}

#[derive(Debug, Clone)]
struct Name {
    tag: u32,
    number: usize,
    name: Box<str>,
}

/// A member that has been found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    /// Of its name.
    pub(crate) number: usize,
    /// Where in the content of the object its key begins, and where its value ends.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) value: Raw<'a>,
}

impl Names {
    /// The names must differ.
    pub(crate) fn new<'n>(names: impl ExactSizeIterator<Item = (&'n str, usize)>) -> Self {
        let mut table = vec![None; names.len().max(1).saturating_mul(2).next_power_of_two()];
        for (name, number) in names {
            let tag = tag(name.as_bytes());
            let free = probes(tag, table.len()).find(|&at| matches!(table.get(at), Some(None)));
            if let Some(slot) = free.and_then(|at| table.get_mut(at)) {
                *slot = Some(Name { tag, number, name: name.into() });
            }
        }
        Self { table: table.into() }
    }

    #[inline]
    fn find(&self, key: &[u8]) -> Option<usize> {
        let tag = tag(key);
        for at in probes(tag, self.table.len()) {
            let Some(Some(name)) = self.table.get(at) else { return None };
            if name.tag == tag && name.name.as_bytes() == key {
                return Some(name.number);
            }
        }
        None
    }

    /// Adds to `found` the members of `raw` that have one of the names, in the order they stand in, and gives the content of the object. `None`
    /// where `raw` is no object. Checks what opening the object checks, that every key is text and none is there twice; but a name that is there twice is found
    /// twice. Refuses members without a name that have more than `allowed` containers within each other.
    pub(crate) fn locate<'a>(
        &self,
        raw: Raw<'a>,
        allowed: usize,
        found: &mut Vec<Found<'a>>,
    ) -> Result<Option<&'a [u8]>, BodyError> {
        let Token::Object(content) = raw.token() else { return Ok(None) };
        let (mut rest, mut passed, mut checked) = (content, 0_usize, false);
        // Of keys that are no names; those that are equal only each other.
        let mut classes = Classes::default();
        while !rest.is_empty() {
            let start = content.len() - rest.len();
            let key = token::take_counted(&mut rest).ok_or_else(malformed_value)?;
            let value = Raw::take(&mut rest).ok_or_else(malformed_value)?;
            if let Some(number) = self.find(key) {
                found.push(Found { number, start, end: content.len() - rest.len(), value });
            } else {
                if classes.insert(key) && !checked {
                    if passed >= FEW {
                        check_keys(content)?;
                        checked = true;
                    } else if is_among(key, content, passed) {
                        return Err(key_twice(key));
                    }
                }
                if !is_short_ascii(key) {
                    utf8(key)?;
                }
                value.check_depth(allowed)?;
            }
            passed += 1;
        }
        Ok(Some(content))
    }
}

/// Cheaper than a check for UTF-8; `false` says nothing.
#[inline]
fn is_short_ascii(key: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let bits = match (key.len(), key.first_chunk(), key.last_chunk(), key.first_chunk(), key.last_chunk()) {
        (8..=16, Some(front), Some(back), ..) => u64::from_le_bytes(*front) | u64::from_le_bytes(*back),
        (4..8, _, _, Some(front), Some(back)) => {
            u64::from(u32::from_le_bytes(*front) | u32::from_le_bytes(*back))
        }
        (..4, ..) => key.iter().fold(0, |bits, byte| bits | u64::from(*byte)),
        _ => HIGH,
    };
    bits & HIGH == 0
}

/// Where to look for a tag, one place after the other.
#[inline]
fn probes(tag: u32, len: usize) -> impl Iterator<Item = usize> {
    // The tags of similar keys differ in few bits, anywhere.
    let first = (u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize;
    (first..first + len).map(move |at| at & (len - 1))
}

/// Members of an object, encoded beforehand; it may end in the key of one whose value comes next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fragment(Vec<u8>);

impl Fragment {
    /// Adds a key; its value comes next.
    pub(crate) fn push_key(&mut self, key: &str) {
        varint::push(&mut self.0, key.len() as u64);
        self.0.extend_from_slice(key.as_bytes());
    }

    /// Adds a value without parts, which may so be anywhere; whether it was one.
    pub(crate) fn push_scalar(&mut self, value: Raw<'_>) -> bool {
        let scalar = !matches!(value.kind(), Kind::Array | Kind::Object);
        if scalar {
            self.0.extend_from_slice(value.bytes());
        }
        scalar
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::encoding::body::limits::Limits;
    use crate::encoding::body::node::Node;

    #[test]
    fn what_is_ascii() {
        for len in 0..20 {
            let key = vec![b'a'; len];
            assert_eq!(is_short_ascii(&key), len <= 16);
            for at in 0..len {
                let mut other = key.clone();
                other[at] = 0xff;
                assert!(!is_short_ascii(&other));
            }
        }
    }

    proptest! {
        #[test]
        fn what_has_a_name_is_found_where_it_is(
            members in prop::collection::vec(("[a-c]{0,3}|added_[0-9]{1,2}", 0_u64..300), 0..40),
            names in prop::collection::btree_set("[a-c]{0,3}|added_[0-9]{1,2}", 0..40),
        ) {
            let object = members.into_iter().map(|(key, value)| (key, json!(value))).collect::<serde_json::Map<_, _>>();
            let bytes = Node::from_value(object.clone().into()).unwrap().to_bytes(Limits::default()).unwrap();
            let names: Vec<String> = names.into_iter().collect();
            let table = Names::new(names.iter().enumerate().map(|(number, name)| (name.as_str(), number)));
            let mut found = Vec::new();
            let content = table.locate(Raw::new(&bytes).unwrap(), 0, &mut found).unwrap().unwrap();
            let mut again = bytes.clone();
            for member in &found {
                let name = &names[member.number];
                prop_assert_eq!(Node::Raw(member.value).to_value().unwrap(), object[name].clone());
                prop_assert_eq!(&content[member.start + 1..][..name.len()], name.as_bytes());
            }
            prop_assert_eq!(found.len(), names.iter().filter(|name| object.contains_key(*name)).count());
            prop_assert!(found.is_sorted_by_key(|member| member.start));
            // A key twice is found out, whatever it is.
            if let Some(first) = object.keys().next() {
                let mut fragment = Fragment::default();
                fragment.push_key(first);
                prop_assert!(fragment.push_scalar(Raw::new(&[0]).unwrap()));
                let mut twice = content.to_vec();
                twice.extend_from_slice(fragment.bytes());
                again.clear();
                again.push(crate::encoding::body::tag::OBJECT);
                varint::push(&mut again, twice.len() as u64);
                again.extend(twice);
                let (mut twice, raw) = (Vec::new(), Raw::new(&again).unwrap());
                match table.locate(raw, 0, &mut twice) {
                    Ok(_) => prop_assert_eq!(twice.len(), found.len() + 1),
                    Err(_) => prop_assert!(!names.contains(first)),
                }
            }
        }
    }
}
