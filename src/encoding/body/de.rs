//! From bytes straight to any `Deserialize`.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, Deserialize, Expected, Unexpected, Visitor};

use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::key::KeyDeserializer;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::magic;
use crate::encoding::body::raw::{Raw, malformed_value, utf8};
use crate::encoding::body::raw_text;
use crate::encoding::body::token::{self, Token};

/// The `T` that the body stands for: what serde_json would read from its text. Texts may be borrowed from the body.
///
/// Safe on any bytes: what is malformed is an error where `T` looks at it, and is passed over where it does not.
pub(crate) fn from_body<'de, T: Deserialize<'de>>(raw: Raw<'de>) -> Result<T, BodyError> {
    T::deserialize(&mut Decoder::new(raw))
}

/// Reads values from the front of `rest`.
pub(super) struct Decoder<'de> {
    pub(super) rest: &'de [u8],
    /// How many more containers may be entered.
    pub(super) depth: usize,
    /// Whether a value has been passed over that the type did not want.
    pub(super) ignored: bool,
}

impl<'de> Decoder<'de> {
    #[inline]
    pub(super) fn new(raw: Raw<'de>) -> Self {
        Self { rest: raw.bytes(), depth: Limits::MAX_DEPTH, ignored: false }
    }

    #[inline]
    fn take(&mut self) -> Result<Token<'de>, BodyError> {
        token::take(&mut self.rest).ok_or_else(malformed_value)
    }

    /// For the children in `content`.
    #[inline]
    fn enter(&self, content: &'de [u8]) -> Result<Self, BodyError> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { rest: content, depth, ignored: false }),
            None => Err(BodyError::new(Fault::TooDeep { limit: Limits::MAX_DEPTH })),
        }
    }

    #[inline]
    fn array<V: Visitor<'de>>(&self, content: &'de [u8], visitor: V) -> Result<V::Value, BodyError> {
        let mut elements = Elements { decoder: self.enter(content)?, read: 0 };
        let value = visitor.visit_seq(&mut elements)?;
        if elements.decoder.rest.is_empty() { Ok(value) } else { Err(too_many(elements.read)) }
    }

    #[inline]
    fn object<V: Visitor<'de>>(
        &self,
        content: &'de [u8],
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        let mut entries = Entries { decoder: self.enter(content)?, key: "", fields, next: 0 };
        let value = visitor.visit_map(&mut entries)?;
        if entries.decoder.rest.is_empty() { Ok(value) } else { Err(unread()) }
    }

    #[inline]
    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, BodyError> {
        match self.take()? {
            Token::Unsigned(n) => visitor.visit_u64(n),
            Token::Negative(n) => visitor.visit_i64(n),
            Token::Float(float) => visitor.visit_f64(float),
            other => Err(unexpected(other, &visitor)),
        }
    }
}

#[cold]
fn too_many(read: usize) -> BodyError {
    BodyError::mismatch(format_args!("the array has more than the {read} elements expected"))
}

#[cold]
pub(super) fn unread() -> BodyError {
    BodyError::mismatch("the object has more members than expected")
}

#[cold]
fn unexpected(token: Token<'_>, expected: &dyn Expected) -> BodyError {
    let unexpected = match token {
        Token::Null => Unexpected::Unit,
        Token::Bool(bool) => Unexpected::Bool(bool),
        Token::Unsigned(n) => Unexpected::Unsigned(n),
        Token::Negative(n) => Unexpected::Signed(n),
        Token::Float(float) => Unexpected::Float(float),
        Token::String(string) => match utf8(string) {
            Ok(string) => Unexpected::Str(string),
            Err(error) => return error,
        },
        Token::Array(_) => Unexpected::Seq,
        Token::Object(_) => Unexpected::Map,
    };
    de::Error::invalid_type(unexpected, expected)
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
            self.number(visitor)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &mut Decoder<'de> {
    type Error = BodyError;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.take()? {
            Token::Null => visitor.visit_unit(),
            Token::Bool(bool) => visitor.visit_bool(bool),
            Token::Unsigned(n) => visitor.visit_u64(n),
            Token::Negative(n) => visitor.visit_i64(n),
            Token::Float(float) => visitor.visit_f64(float),
            Token::String(string) => visitor.visit_borrowed_str(utf8(string)?),
            Token::Array(content) => self.array(content, visitor),
            Token::Object(content) => {
                magic::refuse_mistakable(content)?;
                self.object(content, &[], visitor)
            }
        }
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.take()? {
            Token::Bool(bool) => visitor.visit_bool(bool),
            other => Err(unexpected(other, &visitor)),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.take()? {
            Token::Unsigned(n) => visitor.visit_i128(n.into()),
            Token::Negative(n) => visitor.visit_i128(n.into()),
            other => Err(unexpected(other, &visitor)),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.take()? {
            Token::Unsigned(n) => visitor.visit_u128(n.into()),
            other => Err(unexpected(other, &visitor)),
        }
    }

    #[inline]
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.take()? {
            Token::String(string) => visitor.visit_borrowed_str(utf8(string)?),
            other => Err(unexpected(other, &visitor)),
        }
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.take()? {
            Token::String(string) => visitor.visit_borrowed_bytes(utf8(string)?.as_bytes()),
            Token::Array(content) => self.array(content, visitor),
            other => Err(unexpected(other, &visitor)),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        let mut ahead = self.rest;
        match token::take(&mut ahead) {
            Some(Token::Null) => {
                self.rest = ahead;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.take()? {
            Token::Null => visitor.visit_unit(),
            other => Err(unexpected(other, &visitor)),
        }
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        if name == magic::RAW_VALUE {
            let raw = Raw::take(&mut self.rest).ok_or_else(malformed_value)?;
            return raw_text::visit(raw, self.depth, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.take()? {
            Token::Array(content) => self.array(content, visitor),
            other => Err(unexpected(other, &visitor)),
        }
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, BodyError> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.take()? {
            Token::Object(content) => self.object(content, &[], visitor),
            other => Err(unexpected(other, &visitor)),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        match self.take()? {
            Token::Object(content) => self.object(content, fields, visitor),
            Token::Array(content) => self.array(content, visitor),
            other => Err(unexpected(other, &visitor)),
        }
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        match self.take()? {
            Token::String(string) => visitor.visit_enum(BorrowedStrDeserializer::new(utf8(string)?)),
            Token::Object(content) => {
                let mut variant = Variant { decoder: self.enter(content)?, key: "" };
                let value = visitor.visit_enum(&mut variant)?;
                if variant.decoder.rest.is_empty() { Ok(value) } else { Err(unread()) }
            }
            other => Err(unexpected(other, &visitor)),
        }
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        self.take()?;
        self.ignored = true;
        visitor.visit_unit()
    }
}

/// The elements of an array.
struct Elements<'de> {
    decoder: Decoder<'de>,
    read: usize,
}

impl<'de> de::SeqAccess<'de> for Elements<'de> {
    type Error = BodyError;

    #[inline]
    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, BodyError> {
        if self.decoder.rest.is_empty() {
            return Ok(None);
        }
        match seed.deserialize(&mut self.decoder) {
            Ok(value) => {
                self.read += 1;
                Ok(Some(value))
            }
            Err(error) => Err(error.under_index(self.read)),
        }
    }
}

/// The members of an object.
struct Entries<'de> {
    decoder: Decoder<'de>,
    /// The key that was read last.
    key: &'de str,
    /// The keys that a struct has, and which of them is likely to be next.
    fields: &'static [&'static str],
    next: usize,
}

impl<'de> Entries<'de> {
    /// The text of a key. That of a field is known to be UTF-8, which is quicker compared than checked.
    #[inline]
    fn text(&mut self, key: &'de [u8]) -> Result<&'de str, BodyError> {
        if let Some(field) = self.fields.get(self.next)
            && field.as_bytes() == key
        {
            self.next += 1;
            return Ok(field);
        }
        self.text_out_of_order(key)
    }

    fn text_out_of_order(&mut self, key: &'de [u8]) -> Result<&'de str, BodyError> {
        if let Some(index) = self.fields.iter().position(|field| field.as_bytes() == key) {
            self.next = index + 1;
        }
        utf8(key)
    }
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = BodyError;

    #[inline]
    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, BodyError> {
        if self.decoder.rest.is_empty() {
            return Ok(None);
        }
        let key = token::take_counted(&mut self.decoder.rest).ok_or_else(malformed_value)?;
        self.key = self.text(key)?;
        match seed.deserialize(KeyDeserializer(self.key)) {
            Ok(key) => Ok(Some(key)),
            Err(error) => Err(error.under_key(self.key)),
        }
    }

    #[inline]
    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, BodyError> {
        match seed.deserialize(&mut self.decoder) {
            Ok(value) => Ok(value),
            Err(error) => Err(error.under_key(self.key)),
        }
    }
}

/// A variant and its content, as an object with one member.
struct Variant<'de> {
    decoder: Decoder<'de>,
    key: &'de str,
}

impl<'de> de::EnumAccess<'de> for &mut Variant<'de> {
    type Error = BodyError;
    type Variant = Self;

    #[inline]
    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), BodyError> {
        if self.decoder.rest.is_empty() {
            return Err(BodyError::mismatch("the object that names a variant is empty"));
        }
        self.key = utf8(token::take_counted(&mut self.decoder.rest).ok_or_else(malformed_value)?)?;
        Ok((seed.deserialize(KeyDeserializer(self.key))?, self))
    }
}

impl<'de> Variant<'de> {
    #[cold]
    fn located(&self, error: BodyError) -> BodyError {
        error.under_key(self.key)
    }
}

impl<'de> de::VariantAccess<'de> for &mut Variant<'de> {
    type Error = BodyError;

    #[inline]
    fn unit_variant(self) -> Result<(), BodyError> {
        <()>::deserialize(&mut self.decoder).map_err(|error| self.located(error))
    }

    #[inline]
    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, BodyError> {
        seed.deserialize(&mut self.decoder).map_err(|error| self.located(error))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, BodyError> {
        de::Deserializer::deserialize_seq(&mut self.decoder, visitor).map_err(|error| self.located(error))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        de::Deserializer::deserialize_struct(&mut self.decoder, "", fields, visitor)
            .map_err(|error| self.located(error))
    }
}
