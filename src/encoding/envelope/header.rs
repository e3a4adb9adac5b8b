//! The header of a record.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};

use crate::encoding::envelope::error::EnvelopeError;
use crate::model::revision::Revision;
use crate::model::stamp::{Fingerprint, Stamp};
use crate::model::time::Timestamp;

/// The first byte of each value.
pub(super) const ENVELOPE_FORMAT: u8 = 0x00;

/// The only body format there is.
const BODY_FORMAT: u8 = 0x00;

/// No header is longer: at most 5 bytes for each u32, 9 for each u64 and i64, and 10 for all else.
pub(super) const MAX_HEADER: usize = 64;

/// More chunks than the largest body and complement need. A larger number is damage, and not worth as many reads.
pub(super) const MAX_CHUNKS: u32 = 0xffff;

const CONFIG: Configuration<LittleEndian, Varint, Limit<MAX_HEADER>> =
    bincode::config::standard().with_limit::<MAX_HEADER>();

/// What is stored about a document beside its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The number of its kind in the catalog.
    pub(crate) kind: u32,
    /// The shape its body is in.
    pub(crate) stamp: Stamp,
    pub(crate) revision: Revision,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

/// How the bytes after the header are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) complement: u32,
    pub(super) chunks: u32,
}

/// The header's fields in their stored order.
#[derive(bincode::Encode, bincode::Decode)]
struct Stored {
    kind: u32,
    schema_version: u32,
    fingerprint: [u8; 8],
    revision: u64,
    created: i64,
    /// From `created` to `updated`. It wraps, so that any two times can be stored.
    updated_after: i64,
    flags: u8,
    body_format: u8,
    complement: u32,
    chunks: u32,
}

/// A header's bytes.
#[derive(Clone, Copy)]
pub(super) struct HeaderBytes {
    bytes: [u8; MAX_HEADER],
    length: usize,
}

impl HeaderBytes {
    pub(super) fn copy(from: &[u8]) -> Result<Self, EnvelopeError> {
        let mut bytes = [0; MAX_HEADER];
        bytes.get_mut(..from.len()).ok_or(EnvelopeError::Header)?.copy_from_slice(from);
        Ok(Self { bytes, length: from.len() })
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

pub(super) fn encode(header: &Header, layout: Layout) -> Result<HeaderBytes, EnvelopeError> {
    let stored = Stored {
        kind: header.kind,
        schema_version: header.stamp.schema_version,
        fingerprint: header.stamp.fingerprint.get().to_le_bytes(),
        revision: header.revision.get(),
        created: header.created.as_micros(),
        updated_after: header.updated.as_micros().wrapping_sub(header.created.as_micros()),
        flags: 0,
        body_format: BODY_FORMAT,
        complement: layout.complement,
        chunks: layout.chunks,
    };
    let mut bytes = [0; MAX_HEADER];
    let length = bincode::encode_into_slice(stored, &mut bytes, CONFIG).map_err(|_| EnvelopeError::Header)?;
    Ok(HeaderBytes { bytes, length })
}

/// The header at the start of `bytes`, whose checksum has been found right, and its length.
pub(super) fn decode(bytes: &[u8]) -> Result<(Header, Layout, usize), EnvelopeError> {
    let (stored, length): (Stored, usize) =
        bincode::decode_from_slice(bytes, CONFIG).map_err(|_| EnvelopeError::Header)?;
    if stored.flags != 0 {
        return Err(EnvelopeError::Flags { found: stored.flags });
    }
    if stored.body_format != BODY_FORMAT {
        return Err(EnvelopeError::BodyFormat { found: stored.body_format });
    }
    if stored.chunks > MAX_CHUNKS {
        return Err(EnvelopeError::ChunkCount { chunks: stored.chunks });
    }
    let header = Header {
        kind: stored.kind,
        stamp: Stamp {
            schema_version: stored.schema_version,
            fingerprint: Fingerprint::new(u64::from_le_bytes(stored.fingerprint)),
        },
        revision: Revision::new(stored.revision),
        created: Timestamp::from_micros(stored.created),
        updated: Timestamp::from_micros(stored.created.wrapping_add(stored.updated_after)),
    };
    Ok((header, Layout { complement: stored.complement, chunks: stored.chunks }, length))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn headers() -> impl Strategy<Value = Header> {
        let number = || prop_oneof![0..300_u32, any::<u32>(), Just(u32::MAX)];
        let long = || prop_oneof![0..300_u64, any::<u64>(), Just(u64::MAX)];
        let time = || {
            prop_oneof![
                1_700_000_000_000_000..1_800_000_000_000_000_i64,
                any::<i64>(),
                Just(i64::MIN),
                Just(i64::MAX)
            ]
        };
        (number(), number(), long(), long(), time(), time()).prop_map(
            |(kind, schema_version, fingerprint, revision, created, updated)| Header {
                kind,
                stamp: Stamp { schema_version, fingerprint: Fingerprint::new(fingerprint) },
                revision: Revision::new(revision),
                created: Timestamp::from_micros(created),
                updated: Timestamp::from_micros(updated),
            },
        )
    }

    #[test]
    fn every_byte_is_as_the_format_document_says() {
        let header = Header {
            kind: 7,
            stamp: Stamp { schema_version: 300, fingerprint: Fingerprint::new(0x0102_0304_0506_0708) },
            revision: Revision::FIRST,
            created: Timestamp::from_micros(1_700_000_000_000_000),
            updated: Timestamp::from_micros(1_699_999_999_999_999),
        };
        let bytes = encode(&header, Layout { complement: 70_000, chunks: 5 }).unwrap();
        let zigzag = 3_400_000_000_000_000_u64.to_le_bytes();
        let expected = [
            &[7, 251, 44, 1, 8, 7, 6, 5, 4, 3, 2, 1, 1, 253][..],
            &zigzag,
            &[1, 0, 0, 252, 0x70, 0x11, 1, 0, 5],
        ]
        .concat();
        assert_eq!(bytes.as_slice(), expected);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let plain = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        assert!(decode(&plain).is_ok());
        let with = |at: usize, bytes: &[u8]| {
            let mut changed = plain.to_vec();
            changed.splice(at..=at, bytes.iter().copied());
            decode(&changed).unwrap_err()
        };
        assert_eq!(with(13, &[4]), EnvelopeError::Flags { found: 4 });
        assert_eq!(with(14, &[1]), EnvelopeError::BodyFormat { found: 1 });
        assert_eq!(with(16, &[252, 0, 0, 1, 0]), EnvelopeError::ChunkCount { chunks: 0x1_0000 });
        assert_eq!(with(16, &[253, 0, 0, 1, 0, 0, 0, 0, 0]), EnvelopeError::Header);
        assert_eq!(with(0, &[255]), EnvelopeError::Header);
    }

    proptest! {
        #[test]
        fn decodes_to_what_was_encoded(
            header in headers(),
            complement in any::<u32>(),
            chunks in 0..=MAX_CHUNKS,
            after in vec(any::<u8>(), 0..9),
        ) {
            let layout = Layout { complement, chunks };
            let bytes = encode(&header, layout).unwrap();
            let more = [bytes.as_slice(), &after].concat();
            prop_assert_eq!(decode(&more), Ok((header, layout, bytes.as_slice().len())));
            let copy = HeaderBytes::copy(bytes.as_slice()).unwrap();
            prop_assert_eq!(copy.as_slice(), bytes.as_slice());
            for cut in 0..bytes.as_slice().len() {
                prop_assert_eq!(decode(&bytes.as_slice()[..cut]), Err(EnvelopeError::Header));
            }
        }

        #[test]
        fn decodes_any_bytes_or_refuses(bytes in vec(prop_oneof![Just(0_u8), 250..=255_u8, any::<u8>()], 0..80)) {
            if let Ok((header, layout, length)) = decode(&bytes) {
                prop_assert!(length <= MAX_HEADER);
                let again = encode(&header, layout).unwrap();
                prop_assert_eq!(decode(again.as_slice()), Ok((header, layout, again.as_slice().len())));
            }
        }
    }
}
