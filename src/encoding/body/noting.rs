//! Reading a body, and noting what the type looks at.
//!
//! A struct says which members it knows before it sees any: [`Deserializer::deserialize_struct`](de::Deserializer::deserialize_struct) is given all names it reads,
//! serde's `alias` among them. A map, an enum, whatever is flattened and whatever is read into a buffer first does not say it.

use serde::de::{self, Deserialize, Visitor};

use crate::encoding::body::de::{Decoder, from_body, unread};
use crate::encoding::body::error::BodyError;
use crate::encoding::body::key::KeyDeserializer;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::magic;
use crate::encoding::body::raw::{Raw, malformed_value, utf8};
use crate::encoding::body::token::{self, Token};

/// The members of a body that a type knows.
#[derive(Debug)]
pub(crate) struct Notes<'de> {
    body: Raw<'de>,
    /// Of the body, if it is an object.
    content: &'de [u8],
    /// The names that the type knows.
    fields: &'static [&'static str],
    /// `None` where the type did not say, or did other than it said.
    known: Option<Vec<Known>>,
}

/// A member that a type knows, and how far into the body it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) key: &'static str,
    pub(crate) start: usize,
    /// Where its value begins.
    pub(crate) value: usize,
    pub(crate) end: usize,
}

impl<'de> Notes<'de> {
    /// What has been read.
    pub(crate) fn body(&self) -> Raw<'de> {
        self.body
    }

    /// The content of the body, if it is an object.
    pub(crate) fn content(&self) -> &'de [u8] {
        self.content
    }

    /// The members that the type knows, in the order of the body; of all others it knows nothing but that they are there. `None` where that cannot be told.
    pub(crate) fn known(&self) -> Option<&[Known]> {
        self.known.as_deref()
    }

    /// All names that the type knows, where it can be told.
    pub(crate) fn fields(&self) -> &'static [&'static str] {
        self.fields
    }

    /// Notes that say nothing.
    pub(crate) const fn silent(body: Raw<'de>) -> Self {
        Self { body, content: &[], fields: &[], known: None }
    }
}

/// As [`from_body`], and what `T` looked at.
pub(crate) fn from_body_noting<'de, T: Deserialize<'de>>(
    raw: Raw<'de>,
) -> Result<(T, Notes<'de>), BodyError> {
    let Token::Object(content) = raw.token() else {
        return Ok((from_body(raw)?, Notes::silent(raw)));
    };
    let mut notes = Notes { content, ..Notes::silent(raw) };
    let value = T::deserialize(Noting { notes: &mut notes })?;
    Ok((value, notes))
}

/// Reads an object that is all of a body.
struct Noting<'n, 'de> {
    notes: &'n mut Notes<'de>,
}

impl<'de> Noting<'_, 'de> {
    /// Without notes.
    fn decoder(&self) -> Decoder<'de> {
        Decoder::new(self.notes.body)
    }
}

/// A type that asks for one of these may look at anything.
macro_rules! without_notes {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, BodyError> {
            self.decoder().$method($($argument,)* visitor)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Noting<'_, 'de> {
    type Error = BodyError;

    without_notes! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    /// An object is not null.
    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        visitor.visit_some(self)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        if name == magic::RAW_VALUE {
            return self.decoder().deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        let mut members = Members {
            length: self.notes.body.bytes().len(),
            decoder: Decoder { rest: self.notes.content, depth: Limits::MAX_DEPTH - 1, ignored: false },
            fields,
            next: 0,
            key: "",
            start: 0,
            field: None,
            known: Some(Vec::with_capacity(fields.len())),
        };
        let value = visitor.visit_map(&mut members)?;
        if !members.decoder.rest.is_empty() {
            return Err(unread());
        }
        self.notes.fields = fields;
        self.notes.known = members.known;
        Ok(value)
    }
}

/// The members of an object that is all of a body.
struct Members<'de> {
    /// Of the body.
    length: usize,
    decoder: Decoder<'de>,
    /// The keys that the struct has, and which of them is likely to be next.
    fields: &'static [&'static str],
    next: usize,
    /// Of the member that is being read: its key, where it begins, and the field it is.
    key: &'de str,
    start: usize,
    field: Option<&'static str>,
    known: Option<Vec<Known>>,
}

impl<'de> Members<'de> {
    /// How much of the body has been read.
    #[inline]
    fn read(&self) -> usize {
        self.length.saturating_sub(self.decoder.rest.len())
    }

    /// The field of this name.
    #[inline]
    fn field(&mut self, key: &[u8]) -> Option<&'static str> {
        let is_it = |field: &&&'static str| field.as_bytes() == key;
        if let Some(field) = self.fields.get(self.next).filter(is_it) {
            self.next += 1;
            return Some(field);
        }
        let at = self.fields.iter().position(|field| field.as_bytes() == key)?;
        self.next = at + 1;
        self.fields.get(at).copied()
    }

    /// Notes the member whose value, which begins at `value`, has just been read.
    #[inline]
    fn note(&mut self, value: usize) {
        let end = self.read();
        match (self.field, self.decoder.ignored, &mut self.known) {
            (Some(key), false, Some(known)) => known.push(Known { key, start: self.start, value, end }),
            (None, true, _) => {}
            // It looks at what it does not know, or does not look at what it knows.
            _ => self.known = None,
        }
    }
}

impl<'de> de::MapAccess<'de> for Members<'de> {
    type Error = BodyError;

    #[inline]
    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, BodyError> {
        if self.decoder.rest.is_empty() {
            return Ok(None);
        }
        self.start = self.read();
        let key = token::take_counted(&mut self.decoder.rest).ok_or_else(malformed_value)?;
        self.field = self.field(key);
        self.key = match self.field {
            Some(field) => field,
            None => utf8(key)?,
        };
        match seed.deserialize(KeyDeserializer(self.key)) {
            Ok(key) => Ok(Some(key)),
            Err(error) => Err(error.under_key(self.key)),
        }
    }

    #[inline]
    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, BodyError> {
        let begins = self.read();
        self.decoder.ignored = false;
        match seed.deserialize(&mut self.decoder) {
            Ok(value) => {
                self.note(begins);
                Ok(value)
            }
            Err(error) => Err(error.under_key(self.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;
    use crate::encoding::body::node::Node;

    /// What `T` knows of a value, if that can be told: each member as it is found at its place.
    fn known<T: DeserializeOwned>(value: Value) -> Option<Value> {
        let body = Node::from_value(value).unwrap().to_bytes(Limits::default()).unwrap();
        let (_, notes) = from_body_noting::<T>(Raw::new(&body).unwrap()).unwrap();
        let members = notes.known()?.iter().map(|known| {
            assert_eq!(
                body[known.start..known.value].strip_prefix(&[known.key.len() as u8]),
                Some(known.key.as_bytes())
            );
            (known.key.to_owned(), Raw::new(&body[known.value..known.end]).unwrap().to_value().unwrap())
        });
        Some(Value::Object(members.collect()))
    }

    #[derive(Deserialize)]
    struct Plain {
        #[serde(alias = "b")]
        _a: u8,
        #[serde(default)]
        _list: Vec<Value>,
    }

    #[derive(Deserialize)]
    struct Wrapped(#[expect(dead_code, reason = "it is read")] Option<Plain>);

    #[derive(Deserialize)]
    #[serde(from = "Plain")]
    struct Made;

    impl From<Plain> for Made {
        fn from(_: Plain) -> Self {
            Self
        }
    }

    #[derive(Deserialize)]
    struct Flat {
        #[serde(flatten)]
        _plain: Plain,
    }

    #[derive(Deserialize)]
    #[serde(tag = "t")]
    enum Tagged {
        X { _a: u8 },
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        X(#[expect(dead_code, reason = "it is read")] Plain),
    }

    #[test]
    fn a_struct_tells_what_it_knows() {
        let value = json!({"u": {"_a": 1}, "_list": [1, {"x": 2}], "b": 3, "w": null});
        let expected = Some(json!({"_list": [1, {"x": 2}], "b": 3}));
        assert_eq!(known::<Plain>(value.clone()), expected);
        assert_eq!(known::<Wrapped>(value.clone()), expected);
        assert_eq!(known::<Made>(value), expected);
        assert_eq!(known::<Plain>(json!({"_a": 1})), Some(json!({"_a": 1})));
    }

    #[test]
    fn others_do_not() {
        let value = json!({"t": "X", "_a": 1});
        assert_eq!(known::<Flat>(value.clone()), None);
        assert_eq!(known::<Tagged>(value.clone()), None);
        assert_eq!(known::<Untagged>(value.clone()), None);
        assert_eq!(known::<BTreeMap<String, Value>>(value.clone()), None);
        assert_eq!(known::<Value>(value), None);
        assert_eq!(known::<Wrapped>(json!(null)), None);
        assert_eq!(known::<Plain>(json!([1, []])), None);
        assert_eq!(known::<u8>(json!(1)), None);
    }
}
