//! The checksum of each value.

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
    hasher.update(header);
    hasher.update(part);
    hasher.finalize()
}
