//! The meta key: what every group writes beside its own keys.

use crate::storage::commit::digest::StateDigest;

const FORMAT: u8 = 0;
const LENGTH: usize = 49;

/// The state of the tree after a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Meta {
    pub(crate) sequence: u64,
    /// Microseconds since 1970 UTC.
    pub(crate) applied_at: i64,
    pub(crate) group_keys: u32,
    /// Keys in the tree, the meta key not counted.
    pub(crate) keys: u64,
    pub(crate) digest: StateDigest,
}

impl Meta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(FORMAT);
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend(self.applied_at.to_le_bytes());
        bytes.extend(self.group_keys.to_le_bytes());
        bytes.extend(self.keys.to_le_bytes());
        bytes.extend(self.digest.number().to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// `None` where the bytes are not a meta value.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let (format, rest) = content.split_first()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (applied_at, rest) = rest.split_first_chunk()?;
        let (group_keys, rest) = rest.split_first_chunk()?;
        let (keys, rest) = rest.split_first_chunk()?;
        let (digest, rest) = rest.split_first_chunk()?;
        (*format == FORMAT && rest.is_empty()).then(|| Self {
            sequence: u64::from_le_bytes(*sequence),
            applied_at: i64::from_le_bytes(*applied_at),
            group_keys: u32::from_le_bytes(*group_keys),
            keys: u64::from_le_bytes(*keys),
            digest: StateDigest::from_number(u128::from_le_bytes(*digest)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_finds_every_flip() {
        let meta = Meta {
            sequence: 7,
            applied_at: -3,
            group_keys: 12,
            keys: 99,
            digest: StateDigest::from_number(u128::MAX - 5),
        };
        let bytes = meta.encode();
        assert_eq!(bytes.len(), LENGTH);
        assert_eq!(Meta::decode(&bytes), Some(meta));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Meta::decode(&flipped), None, "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(Meta::decode(&bytes[..length]), None);
        }
    }
}
