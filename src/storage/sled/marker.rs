//! The marker: what makes a directory a store.

use std::fmt;

use crate::storage::sled::options::valid_segment_size;

/// The format number this release writes, and the largest it reads.
pub(crate) const FORMAT: u64 = 0;

/// What the marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) segment_size: usize,
}

/// Why a marker says nothing that this release could use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MarkerError {
    Newer(u64),
    Damaged(&'static str),
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pivotdb {FORMAT}\nbackend sled\nsegment_size {}", self.segment_size)
    }
}

impl Marker {
    /// More is no marker.
    pub(super) const MAX_BYTES: u64 = 64 << 10;

    /// Reads a marker. The first line decides whether the rest is looked at. Names this release does not know are passed over:
    /// a change of meaning raises the number.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, MarkerError> {
        let text = str::from_utf8(bytes).map_err(|_| MarkerError::Damaged("the marker is not text"))?;
        let mut lines = text.lines();
        let format = lines
            .next()
            .and_then(|line| line.strip_prefix("pivotdb "))
            .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|number| number.parse::<u64>().ok())
            .ok_or(MarkerError::Damaged("the marker does not begin with a format number"))?;
        if format > FORMAT {
            return Err(MarkerError::Newer(format));
        }
        let mut backend = None;
        let mut segment_size = None;
        for line in lines {
            let known = match line.split_once(' ') {
                Some(("backend", value)) => backend.replace(value).is_some(),
                Some(("segment_size", value)) => segment_size.replace(value).is_some(),
                _ => false,
            };
            if known {
                return Err(MarkerError::Damaged("the marker says something twice"));
            }
        }
        if backend != Some("sled") {
            return Err(MarkerError::Damaged("the marker names no backend of this format"));
        }
        let segment_size = segment_size
            .and_then(|value| value.parse().ok())
            .filter(|size| valid_segment_size(*size))
            .ok_or(MarkerError::Damaged("the marker has no segment size that is possible"))?;
        Ok(Self { segment_size })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_read_as_it_was_written() {
        let marker = Marker { segment_size: 8 << 20 };
        assert_eq!(marker.to_string(), "pivotdb 0\nbackend sled\nsegment_size 8388608\n");
        assert_eq!(Marker::parse(marker.to_string().as_bytes()), Ok(marker));
    }

    #[test]
    fn tells_newer_from_damaged() {
        let parse = |text: &str| Marker::parse(text.as_bytes());
        assert_eq!(parse("pivotdb 1"), Err(MarkerError::Newer(1)));
        assert_eq!(parse("pivotdb 18446744073709551615\n\0"), Err(MarkerError::Newer(u64::MAX)));
        assert!(parse("pivotdb 0\nbackend sled\nmood fine\n\nsegment_size 4194304").is_ok());
        for damaged in [
            "",
            "pivotdb",
            "pivotdb +1",
            "pivotdb -1",
            "pivotdb 0",
            "pivotdb 0\nbackend sled",
            "pivotdb 0\nsegment_size 4194304",
            "pivotdb 0\nbackend sled\nsegment_size 4194305",
            "pivotdb 0\nbackend sled\nsegment_size 1",
            "pivotdb 0\nbackend sled\nsegment_size 18446744073709551616",
            "pivotdb 0\nbackend sled\nbackend sled\nsegment_size 4194304",
            "pivotdb 0\nbackend paper\nsegment_size 4194304",
        ] {
            assert!(matches!(parse(damaged), Err(MarkerError::Damaged(_))), "{damaged:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Marker::parse(&bytes);
            let _ = Marker::parse(&[b"pivotdb 0\n", bytes.as_slice()].concat());
        }
    }
}
