//! JSON text that a value serializes itself as: that of serde_json's `RawValue`.

use std::borrow::Cow;

use json_event_parser::{JsonEvent, SliceJsonParser};

use crate::encoding::body::error::BodyError;
use crate::encoding::body::number::Number;
use crate::encoding::body::writer::{Mark, Writer};

/// Writes the value that `text` stands for. Does not recurse.
pub(super) fn write(text: &str, writer: &mut Writer) -> Result<(), BodyError> {
    let mut open = Vec::new();
    walk(text, writer, &mut open)
        .map_err(|error| open.iter().rev().fold(error, |error, container| container.locate(error)))
}

/// On an error, `open` are the containers around it.
fn walk<'t>(text: &'t str, writer: &mut Writer, open: &mut Vec<Container<'t>>) -> Result<(), BodyError> {
    let mut parser = SliceJsonParser::new(text.as_bytes());
    loop {
        let event = parser.parse_next().map_err(BodyError::refused)?;
        if let Some(Container { at: At::Element { read }, .. }) = open.last_mut()
            && event != JsonEvent::EndArray
        {
            *read += 1;
        }
        match event {
            JsonEvent::Null => writer.null()?,
            JsonEvent::Boolean(bool) => writer.bool(bool)?,
            JsonEvent::String(string) => writer.string(&string)?,
            JsonEvent::Number(number) => Number::parse(&number)?.write(writer)?,
            JsonEvent::StartArray => {
                open.push(Container { mark: writer.begin_array()?, at: At::Element { read: 0 } });
            }
            JsonEvent::StartObject => {
                open.push(Container {
                    mark: writer.begin_object()?,
                    at: At::Member { key: Cow::Borrowed("") },
                });
            }
            JsonEvent::ObjectKey(key) => {
                writer.key(&key)?;
                if let Some(container) = open.last_mut() {
                    container.at = At::Member { key };
                }
            }
            JsonEvent::EndArray | JsonEvent::EndObject => {
                if let Some(container) = open.pop() {
                    writer.end(container.mark)?;
                }
            }
            JsonEvent::Eof => return Ok(()),
        }
    }
}

struct Container<'t> {
    mark: Mark,
    at: At<'t>,
}

/// The child that was read last.
enum At<'t> {
    Element { read: usize },
    Member { key: Cow<'t, str> },
}

impl Container<'_> {
    fn locate(&self, error: BodyError) -> BodyError {
        match &self.at {
            At::Element { read } => error.under_index(read.saturating_sub(1)),
            At::Member { key } => error.under_key(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::body::error::Fault;
    use crate::encoding::body::limits::Limits;
    use crate::encoding::body::node::Node;
    use crate::encoding::body::testing::any_value;

    fn encode(text: &str) -> Result<Vec<u8>, BodyError> {
        let mut writer = Writer::new(Limits::default());
        write(text, &mut writer)?;
        writer.finish()
    }

    proptest! {
        #[test]
        fn text_gives_the_bytes_of_its_value(value in any_value()) {
            let bytes = Node::from_value(value.clone()).unwrap().to_bytes(Limits::default()).unwrap();
            prop_assert_eq!(encode(&value.to_string()).unwrap(), bytes.clone());
            prop_assert_eq!(encode(&serde_json::to_string_pretty(&value).unwrap()).unwrap(), bytes);
        }
    }

    #[test]
    fn what_is_refused_and_where() {
        for (text, path) in [
            (r#"{"a": [0, 1e400]}"#, "/a/1"),
            (r#"[[], [18446744073709551616]]"#, "/1/0"),
            (r#"{"a": {"k": 1, "k": 2}, "b": 3}"#, "/a/k"),
        ] {
            let error = encode(text).unwrap_err();
            assert_eq!(error.path(), path, "{text}");
            assert!(
                matches!(error.fault(), Fault::NotRepresentable { .. } | Fault::DuplicateKey),
                "{error:?}"
            );
        }
        assert!(matches!(encode(&"[".repeat(100_000)).unwrap_err().fault(), Fault::TooDeep { limit: 128 }));
        for text in ["", "1 2", "[1", "tru", "{\"a\"}"] {
            assert!(matches!(encode(text).unwrap_err().fault(), Fault::Refused { .. }), "{text}");
        }
    }
}
