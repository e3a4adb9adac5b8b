//! Places in the results of a query, to go on from.

use std::fmt;
use std::str::FromStr;

use xxhash_rust::xxh3::xxh3_64;

use crate::encoding::key::id;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::model::stamp::{Fingerprint, Stamp};
use crate::query::spec::Position;

/// A place in the results of a query: [`Query::after`](crate::Query::after) goes on behind it, whatever has been written meanwhile, in this process or
/// a later one. Its text form is opaque, and safe in a URL.
///
/// It belongs to one filter and one sort. After a step that touches their paths it is stale, since the values it holds are of another shape.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) asked: u64,
    /// The kinds that were seen, by number, and the shapes they were seen in.
    pub(crate) shapes: Vec<(u32, Stamp)>,
    pub(crate) position: Position,
}

/// The most bytes of sort values that a cursor can have. Its text is twice as long.
pub(crate) const MAX_VALUES: usize = 16 << 10;
/// The most shapes that a cursor can be of.
pub(crate) const MAX_SHAPES: usize = 64;

const FORMAT: u8 = 0;
/// Bytes of the digest at the end.
const DIGEST: usize = 4;

impl Cursor {
    fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&self.asked.to_le_bytes());
        bytes.push(u8::try_from(self.shapes.len()).unwrap_or(u8::MAX));
        for (kind, stamp) in &self.shapes {
            bytes.extend_from_slice(&kind.to_le_bytes());
            bytes.extend_from_slice(&stamp.schema_version.to_le_bytes());
            bytes.extend_from_slice(&stamp.fingerprint.get().to_le_bytes());
        }
        let mut id_bytes = Vec::new();
        id::write(&self.position.id, &mut id_bytes)?;
        bytes.extend_from_slice(&id_bytes);
        bytes.extend_from_slice(&self.position.values);
        let digest = xxh3_64(&bytes).to_le_bytes();
        bytes.extend(digest.into_iter().take(DIGEST));
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (bytes, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
        if !xxh3_64(bytes).to_le_bytes().starts_with(digest) {
            return None;
        }
        let mut rest = bytes;
        if take::<1>(&mut rest)? != [FORMAT] {
            return None;
        }
        let asked = u64::from_le_bytes(take(&mut rest)?);
        let [count] = take(&mut rest)?;
        let mut shapes = Vec::new();
        for _ in 0..count {
            let kind = u32::from_le_bytes(take(&mut rest)?);
            let schema_version = u32::from_le_bytes(take(&mut rest)?);
            let fingerprint = Fingerprint::new(u64::from_le_bytes(take(&mut rest)?));
            shapes.push((kind, Stamp { schema_version, fingerprint }));
        }
        let (id, values) = id::read(rest).ok()?;
        Some(Self { asked, shapes, position: Position { values: values.to_vec(), id } })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.encode().map_err(|_| fmt::Error)?.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({self})")
    }
}

impl FromStr for Cursor {
    type Err = Error;

    /// # Errors
    /// `InvalidCursor` when it is not the text of a cursor.
    fn from_str(text: &str) -> Result<Self, Error> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let byte = |pair: &[u8]| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        bytes
            .and_then(|bytes| Self::decode(&bytes))
            .ok_or_else(|| Error::new(ErrorKind::InvalidCursor, "the text is not that of a cursor"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::model::id::DocumentId;

    proptest! {
        #[test]
        fn reads_back(asked in any::<u64>(), n in any::<u64>(), values in vec(any::<u8>(), 0..20), id in any::<i64>(), text in "[a-z\0]{0,5}", kind in 0..3_u8) {
            let shapes = (0..u32::from(kind)).map(|kind| (kind, Stamp { schema_version: 3, fingerprint: Fingerprint::new(n) })).collect();
            let id = if kind == 1 { DocumentId::from(id) } else { DocumentId::from(text) };
            let cursor = Cursor { asked, shapes, position: Position { values, id } };
            let text = cursor.to_string();
            prop_assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
            let other = format!("{}0", &text[..text.len() - 1]);
            prop_assert!(other == text || other.parse::<Cursor>().is_err());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-fx]{0,60}") {
            if let Err(error) = text.parse::<Cursor>() {
                prop_assert_eq!(error.kind(), ErrorKind::InvalidCursor);
            }
        }
    }
}
