//! Keys of maps, read as whatever the map's type has for keys.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use crate::encoding::body::error::BodyError;
use crate::encoding::body::number::{self, Form, Number};

/// Reads a key. Text is what it is; for who asks for one, a number or a bool is what the text stands for, as in serde_json.
#[derive(Clone, Copy)]
pub(super) struct KeyDeserializer<'de>(pub(super) &'de str);

impl<'de> KeyDeserializer<'de> {
    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match Number::parse(self.0) {
            Ok(Number::Unsigned(n)) => visitor.visit_u64(n),
            Ok(Number::Negative(n)) => visitor.visit_i64(n),
            Ok(Number::Float(float)) => visitor.visit_f64(float),
            Err(_) => Err(self.unexpected(&visitor)),
        }
    }

    #[cold]
    fn unexpected<V: Visitor<'de>>(self, visitor: &V) -> BodyError {
        de::Error::invalid_type(Unexpected::Str(self.0), visitor)
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
            self.number(visitor)
        }
    )*};
}

/// Wider than what a body can hold; as keys they are text.
macro_rules! wide_integers {
    ($($method:ident $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
            match (number::form(self.0), self.0.parse()) {
                (Some(Form::Integer), Ok(n)) => visitor.$visit(n),
                _ => Err(self.unexpected(&visitor)),
            }
        }
    )*};
}

macro_rules! floats {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
            match number::form(self.0).map(|_| number::nearest(self.0)) {
                Some(Ok(float)) => visitor.visit_f64(float),
                _ => Err(self.unexpected(&visitor)),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for KeyDeserializer<'de> {
    type Error = BodyError;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        visitor.visit_borrowed_str(self.0)
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    wide_integers! {
        deserialize_i128 visit_i128;
        deserialize_u128 visit_u128;
    }

    floats! { deserialize_f32 deserialize_f64 }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        match self.0 {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        visitor.visit_borrowed_bytes(self.0.as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BodyError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BodyError> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.0))
    }

    forward_to_deserialize_any! {
        char str string unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
