//! Unsigned LEB128 in its shortest form: seven bits a byte, the lowest first, the high bit set on all but the last.

/// The longest form, that of [`u64::MAX`].
pub(super) const MAX_LEN: usize = 10;

/// How many bytes a number takes.
#[inline]
pub(super) const fn len(n: u64) -> usize {
    // `| 1`, so that zero has one significant bit as well.
    ((n | 1).ilog2() as usize) / 7 + 1
}

/// A tag and `n`, and how many bytes of the array they take.
#[inline]
pub(super) fn encode_after(tag: u8, mut n: u64) -> ([u8; MAX_LEN + 1], usize) {
    let mut bytes = [tag; MAX_LEN + 1];
    let mut len = 1;
    for byte in bytes.iter_mut().skip(1) {
        len += 1;
        *byte = n as u8 | 0x80;
        n >>= 7;
        if n == 0 {
            *byte &= 0x7f;
            break;
        }
    }
    (bytes, len)
}

/// Appends `n`.
#[inline]
pub(super) fn push(buffer: &mut Vec<u8>, n: u64) {
    if n < 0x80 {
        buffer.push(n as u8);
    } else {
        push_long(buffer, n);
    }
}

fn push_long(buffer: &mut Vec<u8>, n: u64) {
    let (bytes, len) = encode_after(0, n);
    buffer.extend_from_slice(bytes.get(1..len).unwrap_or_default());
}

/// Reads a number from the front of `bytes`; `None` when it is cut short, too large, or longer than it needs to be.
#[inline]
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some(u64::from(first));
    }
    take_long(bytes)
}

fn take_long(bytes: &mut &[u8]) -> Option<u64> {
    // The length of most containers.
    if let [low, high @ 1..0x80, rest @ ..] = *bytes {
        *bytes = rest;
        return Some(u64::from(low & 0x7f) | u64::from(*high) << 7);
    }
    let mut n = 0;
    for (index, &byte) in bytes.iter().take(MAX_LEN).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * index as u32;
        if shift == 63 && bits > 1 {
            return None;
        }
        n |= bits << shift;
        if byte < 0x80 {
            // A last byte of zero adds nothing: there was a shorter form.
            if byte == 0 && index > 0 {
                return None;
            }
            *bytes = bytes.get(index + 1..)?;
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trips(bits in 0..=64_u32, n: u64) {
            let n = n.checked_shr(bits).unwrap_or(0);
            let mut buffer = Vec::new();
            push(&mut buffer, n);
            prop_assert_eq!(buffer.len(), len(n));
            buffer.push(0xaa);
            let mut rest = buffer.as_slice();
            prop_assert_eq!(take(&mut rest), Some(n));
            prop_assert_eq!(rest, &[0xaa]);
        }

        #[test]
        fn only_the_shortest_form_is_read(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut rest = bytes.as_slice();
            if let Some(n) = take(&mut rest) {
                let mut again = Vec::new();
                push(&mut again, n);
                prop_assert_eq!(again.as_slice(), &bytes[..bytes.len() - rest.len()]);
            }
        }
    }

    #[test]
    fn the_edges() {
        for n in [0, 0x7f, 0x80, 0x3fff, 0x4000, u64::MAX >> 1, u64::MAX] {
            let mut buffer = Vec::new();
            push(&mut buffer, n);
            assert_eq!(take(&mut buffer.as_slice()), Some(n));
        }
        for malformed in [
            &[][..],
            &[0x80],
            &[0x80, 0x00],
            &[0xff, 0x80, 0x00],
            &[0xff; 10],
            &[0xff; 11],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
        ] {
            assert_eq!(take(&mut &*malformed), None, "{malformed:?}");
        }
    }
}
