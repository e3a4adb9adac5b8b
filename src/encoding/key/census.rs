//! Keys of the census: one counter for each collection, kind and stamp.

use crate::encoding::key::error::KeyError;
use crate::encoding::key::space::{self, Space, Span};
use crate::model::stamp::{Fingerprint, Stamp};

/// What a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CensusKey {
    pub(crate) collection: u32,
    pub(crate) kind: u32,
    pub(crate) stamp: Stamp,
}

impl CensusKey {
    pub(crate) fn encode(&self) -> [u8; 22] {
        let mut key = [0; 22];
        let fields = Space::Census
            .prefix()
            .into_iter()
            .chain(self.collection.to_be_bytes())
            .chain(self.kind.to_be_bytes())
            .chain(self.stamp.schema_version.to_be_bytes())
            .chain(self.stamp.fingerprint.get().to_be_bytes());
        for (byte, field) in key.iter_mut().zip(fields) {
            *byte = field;
        }
        key
    }

    pub(crate) fn parse(key: &[u8]) -> Result<Self, KeyError> {
        let rest = space::within(key, Space::Census)?;
        let (collection, rest) = space::take(rest)?;
        let (kind, rest) = space::take(rest)?;
        let (stamp, rest) = read_stamp(rest)?;
        space::end(rest)?;
        Ok(Self { collection: u32::from_be_bytes(collection), kind: u32::from_be_bytes(kind), stamp })
    }
}

/// All counters of a collection.
pub(crate) fn collection_span(collection: u32) -> Span {
    Span::prefix(&[&Space::Census.prefix()[..], &collection.to_be_bytes()].concat())
}

/// Takes a stamp off the front of `bytes`: schema version, then fingerprint.
pub(super) fn read_stamp(bytes: &[u8]) -> Result<(Stamp, &[u8]), KeyError> {
    let (schema_version, rest) = space::take(bytes)?;
    let (fingerprint, rest) = space::take(rest)?;
    let stamp = Stamp {
        schema_version: u32::from_be_bytes(schema_version),
        fingerprint: Fingerprint::new(u64::from_be_bytes(fingerprint)),
    };
    Ok((stamp, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> impl Strategy<Value = CensusKey> {
        let number = || prop_oneof![0..3_u32, any::<u32>()];
        (number(), number(), number(), prop_oneof![0..3_u64, any::<u64>()]).prop_map(
            |(collection, kind, schema_version, fingerprint)| CensusKey {
                collection,
                kind,
                stamp: Stamp { schema_version, fingerprint: Fingerprint::new(fingerprint) },
            },
        )
    }

    #[test]
    fn example() {
        let stamp = Stamp { schema_version: 3, fingerprint: Fingerprint::new(0x0405_0607_0809_0a0b) };
        let key = CensusKey { collection: 1, kind: 2, stamp };
        let bytes = [1, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        assert_eq!(key.encode(), bytes);
        assert_eq!(CensusKey::parse(&bytes[..21]), Err(KeyError::Truncated));
        assert_eq!(CensusKey::parse(&[&bytes[..], &[0]].concat()), Err(KeyError::Trailing { bytes: 1 }));
    }

    proptest! {
        #[test]
        fn keeps_order_and_identity(a in keys(), b in keys()) {
            prop_assert_eq!(a.encode().cmp(&b.encode()), a.cmp(&b));
            prop_assert_eq!(CensusKey::parse(&a.encode()), Ok(a));
            let span = collection_span(b.collection);
            let key = a.encode().to_vec();
            prop_assert_eq!(span.start <= key && key < span.end, a.collection == b.collection);
        }
    }
}
