//! Texts of any length inside keys: their bytes in order, `00` written `00 FF`, ended by `00 01`.
//!
//! The end sorts below every continuation, so a text sorts before the texts it is a prefix of, and no
//! written text is a prefix of another.

use std::borrow::Cow;

use crate::encoding::key::error::KeyError;

const ESCAPED: u8 = 0xff;
const END: u8 = 0x01;

pub(super) fn write(text: &[u8], out: &mut Vec<u8>) {
    let mut parts = text.split(|byte| *byte == 0);
    if let Some(first) = parts.next() {
        out.extend_from_slice(first);
    }
    for part in parts {
        out.extend_from_slice(&[0, ESCAPED]);
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&[0, END]);
}

/// The text at the start of `bytes`, and what follows it. Copies only where something was escaped.
pub(super) fn read(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), KeyError> {
    let mut text = Cow::Borrowed(&[][..]);
    let mut rest = bytes;
    loop {
        let zero = rest.iter().position(|byte| *byte == 0).ok_or(KeyError::Truncated)?;
        let (part, from_zero) = rest.split_at_checked(zero).ok_or(KeyError::Truncated)?;
        if text.is_empty() {
            text = Cow::Borrowed(part);
        } else {
            text.to_mut().extend_from_slice(part);
        }
        match from_zero {
            [_, END, after @ ..] => return Ok((text, after)),
            [_, ESCAPED, after @ ..] => {
                text.to_mut().push(0);
                rest = after;
            }
            [_, found, ..] => return Err(KeyError::Escape { found: *found }),
            _ => return Err(KeyError::Truncated),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn written(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write(text, &mut out);
        out
    }

    /// Few letters, so that prefixes and zeros are common.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            vec(prop_oneof![Just(0), Just(1), Just(2), Just(0xfe), Just(0xff)], 0..6),
            vec(any::<u8>(), 0..20)
        ]
    }

    #[test]
    fn examples() {
        assert_eq!(written(b""), [0, 1]);
        assert_eq!(written(b"a\0"), [b'a', 0, 0xff, 0, 1]);
        assert_eq!(read(&[0, 2]), Err(KeyError::Escape { found: 2 }));
        assert_eq!(read(b"ab"), Err(KeyError::Truncated));
        assert_eq!(read(&[b'a', 0]), Err(KeyError::Truncated));
        assert!(matches!(read(&[b'a', 0, 1, 9]), Ok((Cow::Borrowed(b"a"), [9]))));
    }

    proptest! {
        #[test]
        fn keeps_order_and_content(a in texts(), b in texts(), after in vec(any::<u8>(), 0..4)) {
            let (wa, wb) = (written(&a), written(&b));
            prop_assert_eq!(wa.cmp(&wb), a.cmp(&b));
            prop_assert_eq!(wa.starts_with(&wb), a == b);
            let with_more = [wa.as_slice(), &after].concat();
            prop_assert_eq!(read(&with_more), Ok((Cow::Owned(a), after.as_slice())));
        }

        #[test]
        fn reads_any_bytes_or_refuses(bytes in texts()) {
            if let Ok((text, rest)) = read(&bytes) {
                prop_assert_eq!([written(&text).as_slice(), rest].concat(), bytes);
            }
        }
    }
}
