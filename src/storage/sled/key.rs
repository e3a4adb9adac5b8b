//! Keys as sled gets them.
//!
//! sled 0.34.7 steps from a page to its left neighbour by looking up the neighbour's upper bound with the last byte made one
//! smaller and `FF FF FF FF` appended. Where the neighbour holds only keys greater than that, it finds the wrong page, comes
//! back, and panics after a million rounds. Its bounds are prefixes of keys, so ordinary keys do it: the integers below zero
//! end in runs of `FF`, and the page of 0, 1, 2 ... begins right behind them.
//!
//! A key that has no four `FF` in a row cannot do it, so `00` is put behind every third `FF` of a run. The order of keys stays
//! the same: where two keys first differ, the same has been put into both. Few keys have such a run.

use std::borrow::Cow;

use crate::storage::backend::{BackendError, Failure};
use crate::storage::bytes::Bytes;

const RUN: [u8; 3] = [0xff; 3];

/// The form in which sled gets `key`.
pub(super) fn stored(key: &[u8]) -> Cow<'_, [u8]> {
    if !has_run(key) {
        return Cow::Borrowed(key);
    }
    let mut stored = Vec::with_capacity(key.len().saturating_add(key.len() / 3));
    let mut run = 0_u8;
    for &byte in key {
        stored.push(byte);
        run = if byte == 0xff { run.saturating_add(1) } else { 0 };
        if run == 3 {
            stored.push(0);
            run = 0;
        }
    }
    Cow::Owned(stored)
}

/// The key that sled has in the form `stored`.
pub(super) fn original(stored: ::sled::IVec) -> Result<Bytes, BackendError> {
    if !has_run(&stored) {
        return Ok(stored.into());
    }
    let mut key = Vec::with_capacity(stored.len());
    let mut bytes = stored.iter();
    let mut run = 0_u8;
    while let Some(&byte) = bytes.next() {
        key.push(byte);
        run = if byte == 0xff { run.saturating_add(1) } else { 0 };
        if run == 3 {
            if bytes.next() != Some(&0) {
                return Err(BackendError::new(
                    Failure::Corrupt,
                    "a key is not in the form it was written in",
                ));
            }
            run = 0;
        }
    }
    Ok(key.into())
}

fn has_run(key: &[u8]) -> bool {
    // Few keys have such a byte at all.
    key.contains(&0xff) && key.windows(RUN.len()).any(|window| window == RUN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![6 => Just(0xff_u8), 2 => Just(0), 1 => any::<u8>()], 0..24)
    }

    proptest! {
        #[test]
        fn every_key_comes_back(key in keys()) {
            let stored = stored(&key);
            prop_assert_eq!(&*original((&*stored).into()).unwrap(), key.as_slice());
        }

        #[test]
        fn the_order_stays(a in keys(), b in keys(), shared in keys()) {
            let (a, b) = ([shared.clone(), a].concat(), [shared, b].concat());
            prop_assert_eq!(stored(&a).cmp(&stored(&b)), a.cmp(&b));
        }

        #[test]
        fn no_run_is_longer_than_three(key in keys()) {
            prop_assert!(!stored(&key).windows(4).any(|window| window == [0xff; 4]));
        }

        #[test]
        fn any_bytes_are_a_key_or_damage(bytes in keys()) {
            if let Ok(key) = original(bytes.as_slice().into()) {
                prop_assert_eq!(&*stored(&key), bytes.as_slice());
            }
        }
    }

    #[test]
    fn keys_without_a_run_are_as_they_were() {
        for key in [&[][..], &[0xff], &[0xff, 0xff], &[0xff, 0xff, 0, 0xff, 0xff]] {
            assert!(matches!(stored(key), Cow::Borrowed(same) if same == key));
        }
        assert_eq!(&*stored(&[0xff; 7]), [0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0, 0xff]);
        assert!(original((&[0xff_u8; 3][..]).into()).is_err());
    }
}
