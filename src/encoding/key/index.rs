//! Keys of index generations: entries, reservations, reverse records, states, marks.

use xxhash_rust::xxh3::xxh3_128;

use crate::encoding::key::error::KeyError;
use crate::encoding::key::id;
use crate::encoding::key::space::{self, Space, Span};
use crate::model::id::DocumentId;

/// Values of more bytes are cut.
pub(crate) const MAX_VALUES: usize = 1024;

/// What stands before values and id in an entry's key.
pub(crate) const PREFIX: usize = 6;

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The document has no entries since they cannot be made.
    Unreadable,
    /// The document's values are held by another one.
    Duplicate,
    /// A flag of the generation.
    Flag(u8),
}

impl Mark {
    const fn byte(self) -> u8 {
        match self {
            Self::Unreadable => 0x01,
            Self::Duplicate => 0x02,
            Self::Flag(flag) => flag,
        }
    }
}

/// What of `values` stands in a key, and whether that is not all.
pub(crate) fn cut(values: &[u8]) -> (&[u8], bool) {
    values.get(..MAX_VALUES).map_or((values, false), |kept| (kept, values.len() > MAX_VALUES))
}

/// The key of an entry; `values` are cut already.
pub(crate) fn entry(generation: u32, values: &[u8], id: &DocumentId) -> Result<Vec<u8>, KeyError> {
    let mut key = prefixed(Space::Entries, generation, values.len().saturating_add(24));
    key.extend_from_slice(values);
    id::write(id, &mut key)?;
    Ok(key)
}

/// The value at an entry's key.
pub(crate) fn entry_value(values: &[u8]) -> [u8; 2] {
    u16::try_from(values.len()).unwrap_or(u16::MAX).to_be_bytes()
}

/// Generation, values and id of the entry at `key`.
pub(crate) fn parse_entry<'k>(key: &'k [u8], value: &[u8]) -> Result<(u32, &'k [u8], DocumentId), KeyError> {
    let (generation, rest) = generation_of(key, Space::Entries)?;
    let length = <[u8; 2]>::try_from(value).map_err(|_| KeyError::Truncated)?;
    let (values, rest) =
        rest.split_at_checked(usize::from(u16::from_be_bytes(length))).ok_or(KeyError::Truncated)?;
    let (id, rest) = id::read(rest)?;
    space::end(rest)?;
    Ok((generation, values, id))
}

/// Entries whose values are from `start` (included) to `end` (excluded; `None`: all), also such as were cut.
pub(crate) fn entry_span(generation: u32, start: &[u8], end: Option<&[u8]>) -> Span {
    let prefix = prefixed(Space::Entries, generation, 0);
    let end = match end {
        None => space::after_prefix(prefix.clone()),
        Some(end) => {
            let (kept, is_cut) = cut(end);
            let end = [&prefix, kept].concat();
            if is_cut { space::after_prefix(end) } else { end }
        }
    };
    Span { start: [&prefix, cut(start).0].concat(), end }
}

/// What follows the generation in the key of a reservation of `values`, which are whole.
pub(crate) fn reservation_of(values: &[u8]) -> Vec<u8> {
    if values.len() > MAX_VALUES {
        [&[1][..], &xxh3_128(values).to_be_bytes()].concat()
    } else {
        [&[0][..], values].concat()
    }
}

/// The key of a reservation.
pub(crate) fn reservation(generation: u32, of: &[u8]) -> Vec<u8> {
    let mut key = prefixed(Space::Reservations, generation, of.len());
    key.extend_from_slice(of);
    key
}

/// Generation, and what [`reservation_of`] gave.
pub(crate) fn parse_reservation(key: &[u8]) -> Result<(u32, &[u8]), KeyError> {
    generation_of(key, Space::Reservations)
}

/// The bytes of an id, as a reservation and a frontier hold it.
pub(crate) fn id_bytes(id: &DocumentId) -> Result<Vec<u8>, KeyError> {
    let mut bytes = Vec::with_capacity(20);
    id::write(id, &mut bytes)?;
    Ok(bytes)
}

/// The id of [`id_bytes`].
pub(crate) fn read_id(bytes: &[u8]) -> Result<DocumentId, KeyError> {
    let (id, rest) = id::read(bytes)?;
    space::end(rest)?;
    Ok(id)
}

/// The key of a reverse record.
pub(crate) fn reverse(generation: u32, id: &DocumentId, values: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut key = prefixed(Space::Reverse, generation, values.len().saturating_add(24));
    id::write(id, &mut key)?;
    key.extend_from_slice(values);
    Ok(key)
}

/// All reverse records of a document.
pub(crate) fn reverse_span(generation: u32, id: &DocumentId) -> Result<Span, KeyError> {
    Ok(Span::prefix(&reverse(generation, id, &[])?))
}

/// Generation, id and values of a reverse record.
pub(crate) fn parse_reverse(key: &[u8]) -> Result<(u32, DocumentId, &[u8]), KeyError> {
    let (generation, rest) = generation_of(key, Space::Reverse)?;
    let (id, values) = id::read(rest)?;
    Ok((generation, id, values))
}

/// The key of a generation's state.
pub(crate) fn state(generation: u32) -> Vec<u8> {
    prefixed(Space::States, generation, 4)
}

/// The generation of a state, and the number of the chunk; 0 for the head.
pub(crate) fn parse_state(key: &[u8]) -> Result<(u32, u32), KeyError> {
    let (generation, rest) = generation_of(key, Space::States)?;
    let (_, chunk) = space::split_chunk(key, rest)?;
    Ok((generation, chunk))
}

/// The key of a mark of the generation itself.
pub(crate) fn flag(generation: u32, flag: u8) -> Vec<u8> {
    let mut key = prefixed(Space::Marks, generation, 1);
    key.push(Mark::Flag(flag).byte());
    key
}

/// The key of a mark of a document.
pub(crate) fn mark(generation: u32, mark: Mark, id: &DocumentId) -> Result<Vec<u8>, KeyError> {
    let mut key = prefixed(Space::Marks, generation, 24);
    key.push(mark.byte());
    id::write(id, &mut key)?;
    Ok(key)
}

/// All marks of one sort.
pub(crate) fn mark_span(generation: u32, mark: Mark) -> Span {
    let mut prefix = prefixed(Space::Marks, generation, 1);
    prefix.push(mark.byte());
    Span::prefix(&prefix)
}

/// Generation, mark, and the id if it is of a document.
pub(crate) fn parse_mark(key: &[u8]) -> Result<(u32, Mark, Option<DocumentId>), KeyError> {
    let (generation, rest) = generation_of(key, Space::Marks)?;
    let ([mark], rest) = space::take(rest)?;
    let mark = match mark {
        0x01 => Mark::Unreadable,
        0x02 => Mark::Duplicate,
        flag => {
            space::end(rest)?;
            return Ok((generation, Mark::Flag(flag), None));
        }
    };
    Ok((generation, mark, Some(read_id(rest)?)))
}

/// The generation that a key of any of the spaces is of, as far as it goes.
pub(crate) fn number_of(key: &[u8]) -> Option<u32> {
    let (number, _) = key.get(2..)?.split_first_chunk()?;
    Some(u32::from_be_bytes(*number))
}

/// Everything of a generation in one of the spaces.
pub(crate) fn generation_span(space: Space, generation: u32) -> Span {
    Span::prefix(&prefixed(space, generation, 0))
}

fn prefixed(space: Space, generation: u32, more: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(more.saturating_add(PREFIX));
    key.extend_from_slice(&space.prefix());
    key.extend_from_slice(&generation.to_be_bytes());
    key
}

fn generation_of(key: &[u8], space: Space) -> Result<(u32, &[u8]), KeyError> {
    let (generation, rest) = space::take(space::within(key, space)?)?;
    Ok((u32::from_be_bytes(generation), rest))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::key::id::tests::ids;

    #[test]
    fn bytes_are_as_the_format_document_says() {
        let id = DocumentId::from("a");
        assert_eq!(
            entry(258, &[0x10], &id).unwrap(),
            [1, 0x20, 0, 0, 1, 2, 0x10, 0x30, b'a', 0, 1],
            "an entry"
        );
        assert_eq!(reservation(1, &reservation_of(&[0x10])), [1, 0x21, 0, 0, 0, 1, 0, 0x10]);
        assert_eq!(reservation(1, &reservation_of(&[7; 1025])).len(), 6 + 17);
        assert_eq!(reverse(1, &id, &[0x10]).unwrap(), [1, 0x22, 0, 0, 0, 1, 0x30, b'a', 0, 1, 0x10]);
        assert_eq!(state(1), [1, 0x23, 0, 0, 0, 1]);
        assert_eq!(flag(1, 0x21), [1, 0x24, 0, 0, 0, 1, 0x21]);
        assert_eq!(mark(1, Mark::Unreadable, &id).unwrap(), [1, 0x24, 0, 0, 0, 1, 1, 0x30, b'a', 0, 1]);
        assert_eq!(parse_mark(&flag(1, 0x21)), Ok((1, Mark::Flag(0x21), None)));
    }

    /// Around the bound, and within it.
    fn values() -> impl Strategy<Value = Vec<u8>> {
        let few = || vec(prop_oneof![Just(0_u8), Just(0xff), any::<u8>()], 0..4);
        (prop_oneof![Just(0_usize), 1020..1030_usize], few()).prop_map(|(length, rest)| {
            let mut values = vec![9; length];
            values.extend(rest);
            values
        })
    }

    proptest! {
        #[test]
        fn keys_read_back(generation: u32, whole in values(), id in ids()) {
            let (kept, _) = cut(&whole);
            let key = entry(generation, kept, &id).unwrap();
            prop_assert_eq!(parse_entry(&key, &entry_value(kept)), Ok((generation, kept, id.clone())));
            let key = reverse(generation, &id, kept).unwrap();
            prop_assert_eq!(parse_reverse(&key), Ok((generation, id.clone(), kept)));
            let of = reservation_of(&whole);
            let key = reservation(generation, &of);
            prop_assert_eq!(parse_reservation(&key), Ok((generation, &of[..])));
            let key = mark(generation, Mark::Duplicate, &id).unwrap();
            prop_assert_eq!(parse_mark(&key), Ok((generation, Mark::Duplicate, Some(id))));
            prop_assert_eq!(parse_state(&state(generation)), Ok((generation, 0)));
        }

        /// What is cut is found by every span that the whole is in.
        #[test]
        fn a_span_holds_what_it_should(start in values(), end in values(), whole in values(), id in ids()) {
            // No values that are whole are the beginning of a bound.
            prop_assume!(whole.len() >= MAX_VALUES || !end.starts_with(&whole) || whole == end);
            let within = start <= whole && whole < end;
            let key = entry(7, cut(&whole).0, &id).unwrap();
            let span = entry_span(7, &start, Some(&end));
            let found = span.start <= key && key < span.end;
            prop_assert!(found || !within);
            let all = entry_span(7, &start, None);
            prop_assert!(start > whole || (all.start <= key && key < all.end));
            prop_assert!(entry_span(8, &[], None).start > key);
        }
    }
}
