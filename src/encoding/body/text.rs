//! Values that stand where only text can: keys of maps, and what serde_json's own types hold.

use std::fmt;

use serde::ser::{self, Impossible, Serialize};

use crate::encoding::body::error::BodyError;
use crate::encoding::body::number::Number;
use crate::encoding::body::writer::{Writer, not_finite};
use crate::encoding::body::{json_text, magic};

/// What becomes of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The key of a member.
    Key,
    /// A number, in JSON's grammar.
    Number,
    /// JSON.
    Json,
}

impl Meaning {
    /// What the struct `name` holds, if it is one of serde_json's own.
    #[inline]
    pub(super) fn of_struct(name: &str) -> Option<Self> {
        match name {
            magic::NUMBER => Some(Self::Number),
            magic::RAW_VALUE => Some(Self::Json),
            _ => None,
        }
    }
}

/// Writes a value as text. Of the values that are not text it takes those that serde_json takes as keys.
#[derive(Debug)]
pub(crate) struct TextSerializer<'w> {
    pub(super) writer: &'w mut Writer,
    pub(super) meaning: Meaning,
}

impl TextSerializer<'_> {
    #[inline]
    pub(super) fn reborrow(&mut self) -> TextSerializer<'_> {
        TextSerializer { writer: self.writer, meaning: self.meaning }
    }

    fn displayed(self, value: &dyn fmt::Display) -> Result<(), BodyError> {
        match self.meaning {
            Meaning::Key => self.writer.key_display(value),
            Meaning::Number | Meaning::Json => ser::Serializer::serialize_str(self, &value.to_string()),
        }
    }
}

#[cold]
fn not_text() -> BodyError {
    BodyError::not_representable("a map key that is not text")
}

macro_rules! displayed {
    ($($method:ident($type:ty);)*) => {$(
        fn $method(self, value: $type) -> Result<(), BodyError> {
            self.displayed(&value)
        }
    )*};
}

impl ser::Serializer for TextSerializer<'_> {
    type Ok = ();
    type Error = BodyError;
    type SerializeSeq = Impossible<(), BodyError>;
    type SerializeTuple = Impossible<(), BodyError>;
    type SerializeTupleStruct = Impossible<(), BodyError>;
    type SerializeTupleVariant = Impossible<(), BodyError>;
    type SerializeMap = Impossible<(), BodyError>;
    type SerializeStruct = Impossible<(), BodyError>;
    type SerializeStructVariant = Impossible<(), BodyError>;

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), BodyError> {
        match self.meaning {
            Meaning::Key => self.writer.key(text),
            Meaning::Number => Number::parse(text)?.write(self.writer),
            Meaning::Json => json_text::write(text, self.writer),
        }
    }

    displayed! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
    }

    fn serialize_f32(self, value: f32) -> Result<(), BodyError> {
        if !value.is_finite() {
            return Err(not_finite(value.into()));
        }
        // The digits that serde_json chooses, and no more than 32 bits need.
        let text = serde_json::to_string(&value).map_err(BodyError::refused)?;
        self.serialize_str(&text)
    }

    fn serialize_f64(self, value: f64) -> Result<(), BodyError> {
        if !value.is_finite() {
            return Err(not_finite(value));
        }
        let text = serde_json::to_string(&value).map_err(BodyError::refused)?;
        self.serialize_str(&text)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), BodyError> {
        Err(not_text())
    }

    fn serialize_none(self) -> Result<(), BodyError> {
        Err(not_text())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), BodyError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), BodyError> {
        Err(not_text())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), BodyError> {
        Err(not_text())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), BodyError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), BodyError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), BodyError> {
        Err(not_text())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, BodyError> {
        Err(not_text())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, BodyError> {
        Err(not_text())
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, BodyError> {
        Err(not_text())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, BodyError> {
        Err(not_text())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, BodyError> {
        Err(not_text())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, BodyError> {
        Err(not_text())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, BodyError> {
        Err(not_text())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), BodyError> {
        self.displayed(&format_args!("{value}"))
    }
}
