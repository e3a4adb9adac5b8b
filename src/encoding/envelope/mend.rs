//! Makes checksums right, so that tests reach what is behind them.

use crate::encoding::envelope::checksum;
use crate::encoding::envelope::header::{self, ENVELOPE_FORMAT};

/// What is behind the prefix of a value.
fn rest(value: &[u8]) -> &[u8] {
    value.get(5..).unwrap_or_default()
}

fn prefixed(checksum: u32, rest: &[u8]) -> Vec<u8> {
    [&[ENVELOPE_FORMAT][..], &checksum.to_le_bytes(), rest].concat()
}

/// The same values with the formats and checksums that belong to them.
pub(crate) fn mended(key: &[u8], head: &[u8], chunks: &[&[u8]]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let head = rest(head);
    let header = header::decode(head).ok().and_then(|(_, _, length)| head.get(..length)).unwrap_or_default();
    let chunks = chunks.iter().zip(1..).map(|(chunk, number)| {
        let part = rest(chunk);
        prefixed(checksum::of_chunk(key, number, header, part), part)
    });
    (prefixed(checksum::of_head(key, head), head), chunks.collect())
}
