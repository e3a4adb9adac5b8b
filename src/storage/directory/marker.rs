//! The marker: what makes a directory a store.

use std::fmt;

/// The format number this release writes, and the largest it reads.
pub(crate) const FORMAT: u64 = 0;

/// What the marker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Which backend keeps the store's bytes.
    pub(in crate::storage) backend: String,
    /// What that backend has to know before it opens its files.
    settings: Vec<(String, String)>,
}

/// Why a marker says nothing that this release could use.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::storage) enum MarkerError {
    Newer(u64),
    Damaged(&'static str),
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pivotdb {FORMAT}\nbackend {}", self.backend)?;
        self.settings.iter().try_for_each(|(name, value)| writeln!(f, "{name} {value}"))
    }
}

impl Marker {
    /// More is no marker.
    pub(in crate::storage) const MAX_BYTES: u64 = 64 << 10;

    pub(in crate::storage) fn new(backend: &str, settings: &[(&str, String)]) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Self { backend: backend.to_owned(), settings: settings.collect() }
    }

    /// Reads a marker. The first line decides whether the rest is looked at. Names that nobody asks for are passed over:
    /// a change of meaning raises the number.
    pub(in crate::storage) fn parse(bytes: &[u8]) -> Result<Self, MarkerError> {
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
        let settings = lines.filter_map(|line| line.split_once(' '));
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut marker = Self { backend: String::new(), settings };
        let named = |backend: &&str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=64).contains(&backend.len()) && backend.bytes().all(plain)
        };
        marker.backend = marker
            .setting("backend")?
            .filter(named)
            .ok_or(MarkerError::Damaged("the marker names no backend"))?
            .to_owned();
        marker.settings.retain(|(name, _)| name != "backend");
        Ok(marker)
    }

    /// What the marker says of `name`; saying it twice is damage.
    pub(in crate::storage) fn setting(&self, name: &str) -> Result<Option<&str>, MarkerError> {
        let mut values = self.settings.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(String::as_str)),
            (_, Some(_)) => Err(MarkerError::Damaged("the marker says something twice")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_read_as_it_was_written() {
        let marker = Marker::new("sled", &[("segment_size", "8388608".into())]);
        assert_eq!(marker.to_string(), "pivotdb 0\nbackend sled\nsegment_size 8388608\n");
        assert_eq!(Marker::parse(marker.to_string().as_bytes()), Ok(marker));
    }

    #[test]
    fn tells_newer_from_damaged() {
        let parse = |text: &str| Marker::parse(text.as_bytes());
        assert_eq!(parse("pivotdb 1"), Err(MarkerError::Newer(1)));
        assert_eq!(parse("pivotdb 18446744073709551615\n\0"), Err(MarkerError::Newer(u64::MAX)));
        let marker = parse("pivotdb 0\nmood fine\nbackend paper\n\nsize 1\nmood bad").unwrap();
        assert_eq!((marker.backend.as_str(), marker.setting("size")), ("paper", Ok(Some("1"))));
        assert_eq!(marker.setting("weight"), Ok(None));
        assert!(matches!(marker.setting("mood"), Err(MarkerError::Damaged(_))));
        for damaged in [
            "",
            "pivotdb",
            "pivotdb +1",
            "pivotdb -1",
            "pivotdb 0",
            "pivotdb 0\nbackend",
            "pivotdb 0\nbackend ",
            "pivotdb 0\nbackend pa per",
            "pivotdb 0\nsegment_size 4194304",
            "pivotdb 0\nbackend sled\nbackend sled\nsegment_size 4194304",
        ] {
            assert!(matches!(parse(damaged), Err(MarkerError::Damaged(_))), "{damaged:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Marker::parse(&bytes);
            let _ = Marker::parse(&[b"pivotdb 0\n", bytes.as_slice()].concat());
            let _ = Marker::parse(&[b"pivotdb 0\nbackend sled\n", bytes.as_slice()].concat());
        }
    }
}
