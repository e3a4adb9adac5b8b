//! Bodies to JSON text.

use std::io;

use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::{Raw, View};
use crate::encoding::text::error::PrintError;

/// Writes `body` as compact JSON text: members in their order, floats in the shortest form that reads back to the same bits and with
/// a point or an exponent, so that [`parse`](crate::encoding::text::parse::parse) gives the same bytes again. Many small writes: `out` should be buffered.
pub(crate) fn print(body: Raw<'_>, out: &mut impl io::Write) -> Result<(), PrintError> {
    print_within(body, Limits::MAX_DEPTH, out)
}

fn print_within(body: Raw<'_>, depth: usize, out: &mut impl io::Write) -> Result<(), PrintError> {
    let deeper =
        || depth.checked_sub(1).ok_or_else(|| BodyError::new(Fault::TooDeep { limit: Limits::MAX_DEPTH }));
    match body.view()? {
        View::Null => scalar(&(), out),
        View::Bool(bool) => scalar(&bool, out),
        View::Unsigned(n) => scalar(&n, out),
        View::Negative(n) => scalar(&n, out),
        View::Float(float) => scalar(&float, out),
        View::String(text) => scalar(text, out),
        View::Array(elements) => {
            let depth = deeper()?;
            let mut before = b"[";
            for (index, element) in elements.enumerate() {
                bytes(before, out)?;
                before = b",";
                let element = element.map_err(|error| error.under_index(index))?;
                print_within(element, depth, out)
                    .map_err(|error| error.within(|error| error.under_index(index)))?;
            }
            bytes(if before == b"[" { b"[]" } else { b"]" }, out)
        }
        View::Object(members) => {
            let depth = deeper()?;
            let mut before = b"{";
            for member in members {
                let (key, value) = member?;
                bytes(before, out)?;
                before = b",";
                scalar(key, out)?;
                bytes(b":", out)?;
                print_within(value, depth, out)
                    .map_err(|error| error.within(|error| error.under_key(key)))?;
            }
            bytes(if before == b"{" { b"{}" } else { b"}" }, out)
        }
    }
}

fn bytes(bytes: &[u8], out: &mut impl io::Write) -> Result<(), PrintError> {
    out.write_all(bytes).map_err(PrintError::Io)
}

/// serde_json escapes texts and formats numbers. It can fail on `out` alone.
fn scalar(scalar: &(impl serde::Serialize + ?Sized), out: &mut impl io::Write) -> Result<(), PrintError> {
    serde_json::to_writer(out, scalar).map_err(|error| PrintError::Io(error.into()))
}

impl PrintError {
    fn within(self, place: impl FnOnce(BodyError) -> BodyError) -> Self {
        match self {
            Self::Body(error) => Self::Body(place(error)),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::text::parse::{Duplicates, parse};

    fn printed(body: &[u8]) -> String {
        let mut out = Vec::new();
        print(Raw::new(body).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn parsed(text: &str) -> Vec<u8> {
        parse(text.as_bytes(), Duplicates::Refuse, Limits::default(), 1).unwrap()
    }

    #[test]
    fn what_is_written_is_compact_and_exact() {
        let text = r#"{"a":[],"b":{},"c":[1,-2,1.0,-0.0,0.1,5e-324,18446744073709551615,[null]],"":"\u0001\"é","d":{"x":true,"y":false}}"#;
        assert_eq!(printed(&parsed(text)), text);
    }

    #[test]
    fn failures_tell_what_failed() {
        struct Full;
        impl io::Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for text in ["1", "[1]", "{\"a\":1}"] {
            let body = parsed(text);
            let error = print(Raw::new(&body).unwrap(), &mut Full).unwrap_err();
            assert!(
                matches!(error, PrintError::Io(error) if error.kind() == io::ErrorKind::StorageFull),
                "{text}"
            );
        }
        // {"a": [<not UTF-8>]}
        let body = [0x08, 6, 1, b'a', 0x07, 2, 0x41, 0xff];
        let error = print(Raw::new(&body).unwrap(), &mut Vec::new()).unwrap_err();
        assert!(matches!(error, PrintError::Body(error) if error.path() == "/a/0"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Any bytes that are a body, made by chance from what bodies are made of.
        #[test]
        fn text_reads_back_to_the_same_bytes(body in crate::encoding::text::testing::bodies()) {
            let text = printed(&body);
            prop_assert_eq!(parsed(&text), body);
            // And serde_json takes it for JSON.
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}
