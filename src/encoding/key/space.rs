//! The spaces of the tree, and spans of keys within them.

use crate::encoding::key::error::KeyError;

/// The first byte of every key.
pub(crate) const VERSION: u8 = 0x01;

/// The key that every group of commits writes.
pub(crate) const META_KEY: [u8; 2] = [VERSION, Space::Meta as u8];

/// The second byte of every key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Space {
    Meta = 0x00,
    Catalog = 0x01,
    Census = 0x02,
    Documents = 0x10,
    Entries = 0x20,
    Reservations = 0x21,
    Reverse = 0x22,
    States = 0x23,
    Marks = 0x24,
}

impl Space {
    pub(crate) const fn prefix(self) -> [u8; 2] {
        [VERSION, self as u8]
    }

    /// Every key of this space.
    pub(crate) fn span(self) -> Span {
        Span::prefix(&self.prefix())
    }
}

/// The space `key` belongs to, and what follows it.
pub(crate) fn parse(key: &[u8]) -> Result<(Space, &[u8]), KeyError> {
    match key {
        [VERSION, space, rest @ ..] => match space {
            0x00 if rest.is_empty() => Ok((Space::Meta, rest)),
            0x00 => Err(KeyError::Trailing { bytes: rest.len() }),
            0x01 => Ok((Space::Catalog, rest)),
            0x02 => Ok((Space::Census, rest)),
            0x10 => Ok((Space::Documents, rest)),
            0x20 => Ok((Space::Entries, rest)),
            0x21 => Ok((Space::Reservations, rest)),
            0x22 => Ok((Space::Reverse, rest)),
            0x23 => Ok((Space::States, rest)),
            0x24 => Ok((Space::Marks, rest)),
            found => Err(KeyError::Space { found: *found }),
        },
        [] | [VERSION] => Err(KeyError::Truncated),
        [found, ..] => Err(KeyError::Version { found: *found }),
    }
}

/// What follows the prefix of `space` in `key`.
pub(super) fn within(key: &[u8], space: Space) -> Result<&[u8], KeyError> {
    let (found, rest) = parse(key)?;
    if found == space { Ok(rest) } else { Err(KeyError::Space { found: found as u8 }) }
}

/// Keys from `start` (included) to `end` (excluded). Every span of PivotDB's has an end, since no key starts with `FF`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

impl Span {
    /// Every key that starts with `prefix`, which starts with [`VERSION`].
    pub(crate) fn prefix(prefix: &[u8]) -> Self {
        Self { start: prefix.to_vec(), end: after_prefix(prefix.to_vec()) }
    }

    /// Whether no key can be within.
    pub(crate) fn is_empty(&self) -> bool {
        self.end <= self.start
    }
}

/// The least key above all keys that start with `prefix`.
pub(super) fn after_prefix(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if let Some(next) = last.checked_add(1) {
            prefix.push(next);
            break;
        }
    }
    prefix
}

/// Takes `N` bytes off the front of `bytes`.
pub(super) fn take<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), KeyError> {
    bytes.split_first_chunk().map(|(first, rest)| (*first, rest)).ok_or(KeyError::Truncated)
}

/// Fails unless `rest` is empty.
pub(super) fn end(rest: &[u8]) -> Result<(), KeyError> {
    if rest.is_empty() { Ok(()) } else { Err(KeyError::Trailing { bytes: rest.len() }) }
}

/// Splits `key`, whose last bytes are `rest`, into the key of the head and the chunk number that `rest` holds; 0 where it
/// holds nothing.
pub(super) fn split_chunk<'a>(key: &'a [u8], rest: &[u8]) -> Result<(&'a [u8], u32), KeyError> {
    if rest.is_empty() {
        return Ok((key, 0));
    }
    let number = <[u8; 4]>::try_from(rest).map_err(|_| KeyError::Trailing { bytes: rest.len() })?;
    match u32::from_be_bytes(number) {
        0 => Err(KeyError::ChunkZero),
        number => Ok((key.strip_suffix(rest).unwrap_or(key), number)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spaces_parse_back() {
        for space in [
            Space::Catalog,
            Space::Census,
            Space::Documents,
            Space::Entries,
            Space::Reservations,
            Space::Reverse,
            Space::States,
            Space::Marks,
        ] {
            let key = [&space.prefix()[..], b"rest"].concat();
            assert_eq!(parse(&key), Ok((space, &b"rest"[..])));
        }
        assert_eq!(parse(&META_KEY), Ok((Space::Meta, &[][..])));
        assert_eq!(parse(&[1, 0, 0]), Err(KeyError::Trailing { bytes: 1 }));
        assert_eq!(parse(&[2, 0]), Err(KeyError::Version { found: 2 }));
        assert_eq!(parse(&[1, 0x25]), Err(KeyError::Space { found: 0x25 }));
        assert_eq!(parse(&[1]), Err(KeyError::Truncated));
        assert_eq!(within(&META_KEY, Space::Census), Err(KeyError::Space { found: 0 }));
    }

    proptest! {
        #[test]
        fn a_prefix_span_holds_what_starts_with_it(
            prefix in vec(prop_oneof![Just(0_u8), Just(0xff), any::<u8>()], 0..4),
            key in vec(prop_oneof![Just(0_u8), Just(0xff), any::<u8>()], 0..6),
        ) {
            let prefix = [&[VERSION][..], &prefix].concat();
            let span = Span::prefix(&prefix);
            for key in [[&[VERSION][..], &key].concat(), [&prefix[..], &key].concat()] {
                prop_assert_eq!(span.start <= key && key < span.end, key.starts_with(&prefix));
            }
            prop_assert!(!span.is_empty());
        }
    }
}
