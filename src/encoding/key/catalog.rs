//! Keys of the catalog. Names hold no control characters (`crate::model::name`), and no record has as many chunks
//! as would make the first byte of a chunk number another than zero: so a zero byte ends a name.

use std::str;

use crate::encoding::key::census::read_stamp;
use crate::encoding::key::error::KeyError;
use crate::encoding::key::space::{self, Space, Span};
use crate::model::stamp::Stamp;

/// What an entry of the catalog is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum CatalogKey<'a> {
    Collection(&'a str),
    Kind(&'a str),
    Step {
        kind: u32,
        stamp: Stamp,
    },
    /// Of an index; 0 is what numbers them.
    Generation(u32),
}

/// A part of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Section {
    Collections = 0x01,
    Kinds = 0x02,
    Steps = 0x03,
    Generations = 0x04,
}

impl Section {
    /// All entries of the section, chunks included.
    pub(crate) fn span(self) -> Span {
        Span::prefix(&self.prefix())
    }

    const fn prefix(self) -> [u8; 3] {
        let [version, space] = Space::Catalog.prefix();
        [version, space, self as u8]
    }
}

impl<'a> CatalogKey<'a> {
    /// The key of the entry's record. Names are checked by those who take them from users.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Collection(name) => named(Section::Collections, name),
            Self::Kind(name) => named(Section::Kinds, name),
            Self::Step { kind, stamp } => [
                &Section::Steps.prefix()[..],
                &kind.to_be_bytes(),
                &stamp.schema_version.to_be_bytes(),
                &stamp.fingerprint.get().to_be_bytes(),
            ]
            .concat(),
            Self::Generation(number) => [&Section::Generations.prefix()[..], &number.to_be_bytes()].concat(),
        }
    }

    /// The entry, and the number of the chunk; 0 for the head.
    pub(crate) fn parse(key: &'a [u8]) -> Result<(Self, u32), KeyError> {
        let ([section], rest) = space::take(space::within(key, Space::Catalog)?)?;
        let (entry, rest) = match section {
            0x01 => name(rest).map(|(name, rest)| (Self::Collection(name), rest))?,
            0x02 => name(rest).map(|(name, rest)| (Self::Kind(name), rest))?,
            0x03 => {
                let (kind, rest) = space::take(rest)?;
                let (stamp, rest) = read_stamp(rest)?;
                (Self::Step { kind: u32::from_be_bytes(kind), stamp }, rest)
            }
            0x04 => {
                let (number, rest) = space::take(rest)?;
                (Self::Generation(u32::from_be_bytes(number)), rest)
            }
            found => return Err(KeyError::Section { found }),
        };
        let (_, chunk) = space::split_chunk(key, rest)?;
        Ok((entry, chunk))
    }
}

fn named(section: Section, name: &str) -> Vec<u8> {
    [&section.prefix()[..], name.as_bytes()].concat()
}

fn name(bytes: &[u8]) -> Result<(&str, &[u8]), KeyError> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (name, rest) = bytes.split_at_checked(end).ok_or(KeyError::Truncated)?;
    let name = str::from_utf8(name).map_err(|_| KeyError::Utf8)?;
    if name.is_empty() { Err(KeyError::Name) } else { Ok((name, rest)) }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::key::document::chunk_key;
    use crate::model::stamp::Fingerprint;

    #[test]
    fn examples() {
        assert_eq!(CatalogKey::Collection("ab").encode(), [1, 1, 1, b'a', b'b']);
        assert_eq!(CatalogKey::parse(&[1, 1, 2, b'k']), Ok((CatalogKey::Kind("k"), 0)));
        assert_eq!(CatalogKey::parse(&[1, 1, 2]), Err(KeyError::Name));
        assert_eq!(CatalogKey::parse(&[1, 1, 9, b'k']), Err(KeyError::Section { found: 9 }));
        assert_eq!(CatalogKey::parse(&[1, 1, 1, b'a', 0, 0, 0]), Err(KeyError::Trailing { bytes: 3 }));
        assert_eq!(CatalogKey::parse(&[1, 1, 3, 0, 0, 0, 1]), Err(KeyError::Truncated));
    }

    /// Step, as owned parts: a number, a schema version, a fingerprint; or a section and a name.
    fn entries() -> impl Strategy<Value = (u8, String, Stamp)> {
        let number = || prop_oneof![0..3_u32, any::<u32>()];
        (
            0..4_u8,
            prop_oneof!["[ a!\u{e9}]{1,4}", "\\PC{1,20}"],
            number(),
            prop_oneof![0..3_u64, any::<u64>()],
        )
            .prop_map(|(section, name, schema_version, fingerprint)| {
                (section, name, Stamp { schema_version, fingerprint: Fingerprint::new(fingerprint) })
            })
    }

    fn entry((section, name, stamp): &(u8, String, Stamp)) -> CatalogKey<'_> {
        match section {
            0 => CatalogKey::Collection(name),
            1 => CatalogKey::Kind(name),
            2 => CatalogKey::Generation(stamp.schema_version),
            _ => CatalogKey::Step { kind: stamp.schema_version ^ 1, stamp: *stamp },
        }
    }

    proptest! {
        #[test]
        fn entries_parse_back_and_chunks_follow_their_head(a in entries(), b in entries(), chunk in 1..0x00ff_ffff_u32) {
            let (a, b) = (entry(&a), entry(&b));
            let (ka, kb) = (a.encode(), b.encode());
            prop_assert_eq!(CatalogKey::parse(&ka), Ok((a, 0)));
            let chunked = chunk_key(&ka, chunk);
            prop_assert_eq!(CatalogKey::parse(&chunked), Ok((a, chunk)));
            prop_assert_eq!(ka.cmp(&kb), a.cmp(&b));
            if ka < kb {
                prop_assert!(ka < chunked && chunked < kb);
            }
        }

        #[test]
        fn parses_any_bytes_or_refuses(
            section in prop_oneof![1..6_u8, any::<u8>()],
            rest in vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..24),
        ) {
            let bytes = [&[1, 1, section][..], &rest].concat();
            if let Ok((entry, chunk)) = CatalogKey::parse(&bytes) {
                let head = entry.encode();
                prop_assert_eq!(if chunk == 0 { head } else { chunk_key(&head, chunk) }, bytes);
            }
        }
    }
}
