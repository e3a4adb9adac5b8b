//! The checksum of each value.

use crate::encoding::envelope::error::EnvelopeError;
use crate::encoding::envelope::header::ENVELOPE_FORMAT;

/// The checksum of the head: over the record's key, the number 0, the envelope format and `rest`, which is header and payload.
pub(super) fn of_head(key: &[u8], rest: &[u8]) -> u32 {
    of_chunk(key, 0, &[], rest)
}

/// The checksum of chunk `number`. That `header` is part of it ties a chunk to its head.
pub(super) fn of_chunk(key: &[u8], number: u32, header: &[u8], part: &[u8]) -> u32 {
    let [a, b, c, d] = number.to_be_bytes();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&[a, b, c, d, ENVELOPE_FORMAT]);
    if !header.is_empty() {
        hasher.update(header);
    }
    hasher.update(part);
    hasher.finalize()
}

/// The checksum a value carries, and what follows it.
pub(super) fn carried(value: &[u8]) -> Result<(u32, &[u8]), EnvelopeError> {
    match value {
        [ENVELOPE_FORMAT, a, b, c, d, rest @ ..] => Ok((u32::from_le_bytes([*a, *b, *c, *d]), rest)),
        [] | [ENVELOPE_FORMAT, ..] => Err(EnvelopeError::Truncated),
        [found, ..] => Err(EnvelopeError::Format { found: *found }),
    }
}
