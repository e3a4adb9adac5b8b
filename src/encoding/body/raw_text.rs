//! A body as JSON text, for serde_json's `RawValue`.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::ser::{Error, Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::encoding::body::error::BodyError;
use crate::encoding::body::magic;
use crate::encoding::body::raw::{Raw, View, malformed_value};

/// Shows the value to a `RawValue`'s visitor, which takes a map of one member whose value is the text.
pub(super) fn visit<'de, V: Visitor<'de>>(
    raw: Raw<'_>,
    depth: usize,
    visitor: V,
) -> Result<V::Value, BodyError> {
    // `Text` recurses.
    raw.check_depth(depth)?;
    // All that can still be wrong with the value is that it is malformed.
    let text = serde_json::to_string(&Text(raw)).map_err(|_| malformed_value())?;
    visitor.visit_map(OneMember { text: Some(text) })
}

struct Text<'a>(Raw<'a>);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.view().map_err(S::Error::custom)? {
            View::Null => serializer.serialize_unit(),
            View::Bool(bool) => serializer.serialize_bool(bool),
            View::Unsigned(n) => serializer.serialize_u64(n),
            View::Negative(n) => serializer.serialize_i64(n),
            View::Float(float) => serializer.serialize_f64(float),
            View::String(string) => serializer.serialize_str(string),
            View::Array(elements) => {
                let mut array = serializer.serialize_seq(None)?;
                for element in elements {
                    array.serialize_element(&Text(element.map_err(S::Error::custom)?))?;
                }
                array.end()
            }
            View::Object(entries) => {
                self.0.check_keys().map_err(S::Error::custom)?;
                let mut object = serializer.serialize_map(None)?;
                for entry in entries {
                    let (key, value) = entry.map_err(S::Error::custom)?;
                    object.serialize_entry(key, &Text(value))?;
                }
                object.end()
            }
        }
    }
}

struct OneMember {
    text: Option<String>,
}

impl<'de> MapAccess<'de> for OneMember {
    type Error = BodyError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, BodyError> {
        match self.text {
            Some(_) => seed.deserialize(BorrowedStrDeserializer::new(magic::RAW_VALUE)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, BodyError> {
        seed.deserialize(self.text.take().unwrap_or_default().into_deserializer())
    }
}
