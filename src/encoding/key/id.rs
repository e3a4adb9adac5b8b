//! Ids as bytes that sort as the ids do.

use std::str;

use uuid::Uuid;

use crate::encoding::key::error::KeyError;
use crate::encoding::key::{escape, space};
use crate::model::id::{DocumentId, IdView};

const NEGATIVE: u8 = 0x10;
const NATURAL: u8 = 0x11;
const UUID: u8 = 0x20;
const TEXT: u8 = 0x30;

/// Appends `id`. No encoded id is a prefix of another.
///
/// # Errors
/// [`KeyError::LongText`] alone.
pub(crate) fn write(id: &DocumentId, out: &mut Vec<u8>) -> Result<(), KeyError> {
    match id.view() {
        // Two's complement keeps the order of numbers of one sign.
        IdView::Negative(n) => {
            out.push(NEGATIVE);
            out.extend_from_slice(&n.to_be_bytes());
        }
        IdView::Natural(n) => {
            out.push(NATURAL);
            out.extend_from_slice(&n.to_be_bytes());
        }
        IdView::Uuid(uuid) => {
            out.push(UUID);
            out.extend_from_slice(uuid.as_bytes());
        }
        IdView::Text(text) if text.len() > DocumentId::MAX_TEXT => {
            return Err(KeyError::LongText { bytes: text.len() });
        }
        IdView::Text(text) => {
            out.push(TEXT);
            escape::write(text.as_bytes(), out);
        }
    }
    Ok(())
}

/// The id at the start of `bytes`, and what follows it. Accepts exactly what [`write()`] gives.
pub(crate) fn read(bytes: &[u8]) -> Result<(DocumentId, &[u8]), KeyError> {
    let ([kind], bytes) = space::take(bytes)?;
    match kind {
        NEGATIVE => {
            let (n, rest) = space::take(bytes)?;
            let n = i64::from_be_bytes(n);
            if n < 0 { Ok((n.into(), rest)) } else { Err(KeyError::IdSign) }
        }
        NATURAL => {
            let (n, rest) = space::take(bytes)?;
            Ok((u64::from_be_bytes(n).into(), rest))
        }
        UUID => {
            let (uuid, rest) = space::take(bytes)?;
            Ok((Uuid::from_bytes(uuid).into(), rest))
        }
        TEXT => {
            let (text, rest) = escape::read(bytes)?;
            let text = str::from_utf8(&text).map_err(|_| KeyError::Utf8)?;
            if text.len() > DocumentId::MAX_TEXT {
                return Err(KeyError::StoredText { bytes: text.len() });
            }
            Ok((text.into(), rest))
        }
        found => Err(KeyError::IdType { found }),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn ids() -> impl Strategy<Value = DocumentId> {
        prop_oneof![
            any::<i64>().prop_map(DocumentId::from),
            any::<u64>().prop_map(DocumentId::from),
            (-3_i64..3).prop_map(DocumentId::from),
            prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(i64::MIN + 1)].prop_map(DocumentId::from),
            prop_oneof![Just(u64::MAX), Just(u64::MAX - 1), Just(1 << 63)].prop_map(DocumentId::from),
            any::<u128>().prop_map(|n| Uuid::from_u128(n).into()),
            (0_u128..3).prop_map(|n| Uuid::from_u128(n).into()),
            ".{0,12}".prop_map(DocumentId::from),
            "[\0\u{1}a\u{7f}\u{80}\u{ff}\u{10ffff}]{0,5}".prop_map(DocumentId::from),
            (1020_usize..=DocumentId::MAX_TEXT, "[\0a]").prop_map(|(n, c)| c.repeat(n).into()),
        ]
    }

    pub(crate) fn written(id: &DocumentId) -> Vec<u8> {
        let mut out = Vec::new();
        write(id, &mut out).unwrap();
        out
    }

    #[test]
    fn examples() {
        assert_eq!(written(&DocumentId::from(-1)), [0x10, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(written(&DocumentId::from(258)), [0x11, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(written(&DocumentId::from("a\0")), [0x30, b'a', 0, 0xff, 0, 1]);
        let long = DocumentId::from("x".repeat(1025));
        assert_eq!(write(&long, &mut Vec::new()), Err(KeyError::LongText { bytes: 1025 }));
        assert_eq!(read(&[0x10, 0, 0, 0, 0, 0, 0, 0, 0]), Err(KeyError::IdSign));
        assert_eq!(read(&[0x30, 0xff, 0, 1]), Err(KeyError::Utf8));
        assert_eq!(read(&[0x40]), Err(KeyError::IdType { found: 0x40 }));
        let stored = [&[0x30][..], &[b'x'; 1025], &[0, 1]].concat();
        assert_eq!(read(&stored), Err(KeyError::StoredText { bytes: 1025 }));
        assert_eq!(read(&[]), Err(KeyError::Truncated));
    }

    proptest! {
        #[test]
        fn keeps_order_and_identity(a in ids(), b in ids(), after in vec(any::<u8>(), 0..5)) {
            let (wa, wb) = (written(&a), written(&b));
            prop_assert_eq!(wa.cmp(&wb), a.cmp(&b));
            prop_assert_eq!(wa.starts_with(&wb), a == b, "prefix");
            let more = [wa.as_slice(), &after].concat();
            prop_assert_eq!(read(&more), Ok((a, after.as_slice())));
            for cut in 0..wa.len() {
                prop_assert_eq!(read(&wa[..cut]), Err(KeyError::Truncated));
            }
        }

        #[test]
        fn reads_any_bytes_or_refuses(
            kind in prop_oneof![Just(0x10_u8), Just(0x11), Just(0x20), Just(0x30), any::<u8>()],
            bytes in vec(prop_oneof![Just(0_u8), Just(1), Just(0xff), 0x20..0x7f_u8, any::<u8>()], 0..40),
        ) {
            let bytes = [&[kind][..], &bytes].concat();
            if let Ok((id, rest)) = read(&bytes) {
                prop_assert_eq!([written(&id).as_slice(), rest].concat(), bytes);
            }
        }
    }
}
