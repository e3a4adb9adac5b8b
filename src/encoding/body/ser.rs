//! From any `Serialize` straight to bytes.

use std::fmt;

use serde::ser::{self, Serialize};

use crate::encoding::body::duplicates::Classes;
use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::number::integer_out_of_range;
use crate::encoding::body::text::{Meaning, TextSerializer};
use crate::encoding::body::writer::{Mark, Writer};

/// A guess at the size of a body that is not known yet; saves allocations.
const USUAL_BODY: usize = 512;

/// The body that `value` serializes as: what serde_json would write as text, with three differences. What JSON cannot hold
/// exactly is refused where serde_json would write null, or more digits than it reads back; so is a key that occurs twice;
/// and a float of 32 bits becomes the float of 64 bits that equals it.
pub(crate) fn to_body<T: Serialize + ?Sized>(value: &T, limits: Limits) -> Result<Vec<u8>, BodyError> {
    let mut writer = Writer::after(Vec::with_capacity(USUAL_BODY), limits);
    value.serialize(&mut writer)?;
    writer.finish()
}

/// Appends the body that `value` serializes as. On an error `buffer` is as it was.
pub(crate) fn append_body<T: Serialize + ?Sized>(
    buffer: &mut Vec<u8>,
    value: &T,
    limits: Limits,
) -> Result<(), BodyError> {
    let mut writer = Writer::after(std::mem::take(buffer), limits);
    let result = value.serialize(&mut writer).and_then(|()| writer.check());
    *buffer = if result.is_ok() { writer.into_buffer() } else { writer.into_prefix() };
    result
}

impl<'w> ser::Serializer for &'w mut Writer {
    type Ok = ();
    type Error = BodyError;
    type SerializeSeq = Elements<'w>;
    type SerializeTuple = Elements<'w>;
    type SerializeTupleStruct = Elements<'w>;
    type SerializeTupleVariant = VariantElements<'w>;
    type SerializeMap = Entries<'w>;
    type SerializeStruct = Struct<'w>;
    type SerializeStructVariant = VariantFields<'w>;

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), BodyError> {
        self.bool(value)
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), BodyError> {
        self.integer(value.into())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<(), BodyError> {
        self.integer(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), BodyError> {
        self.integer(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), BodyError> {
        self.integer(value)
    }

    fn serialize_i128(self, value: i128) -> Result<(), BodyError> {
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => self.unsigned(value),
            (_, Ok(value)) => self.integer(value),
            _ => Err(integer_out_of_range()),
        }
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), BodyError> {
        self.unsigned(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), BodyError> {
        self.unsigned(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), BodyError> {
        self.unsigned(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), BodyError> {
        self.unsigned(value)
    }

    fn serialize_u128(self, value: u128) -> Result<(), BodyError> {
        u64::try_from(value).map_err(|_| integer_out_of_range()).and_then(|value| self.unsigned(value))
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), BodyError> {
        self.float(value.into())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), BodyError> {
        self.float(value)
    }

    #[inline]
    fn serialize_char(self, value: char) -> Result<(), BodyError> {
        self.string(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), BodyError> {
        self.string(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), BodyError> {
        let mark = self.begin_array()?;
        for &byte in value {
            self.unsigned(byte.into())?;
        }
        self.end(mark)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), BodyError> {
        self.null()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), BodyError> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), BodyError> {
        self.null()
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), BodyError> {
        self.null()
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), BodyError> {
        self.string(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), BodyError> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), BodyError> {
        let outer = Outer::begin(self, variant)?;
        value.serialize(&mut *self).map_err(|error| error.under_key(variant))?;
        outer.end(self)
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'w>, BodyError> {
        Elements::begin(self)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Elements<'w>, BodyError> {
        self.serialize_seq(None)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Elements<'w>, BodyError> {
        self.serialize_seq(None)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<VariantElements<'w>, BodyError> {
        let outer = Outer::begin(self, variant)?;
        match Elements::begin(self) {
            Ok(elements) => Ok(VariantElements { elements, outer }),
            Err(error) => Err(error.under_key(variant)),
        }
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'w>, BodyError> {
        Ok(Entries { mark: self.begin_object()?, key_at: 0, writer: self })
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Struct<'w>, BodyError> {
        match Meaning::of_struct(name) {
            None => Fields::begin(self).map(Struct::Fields),
            Some(meaning) => Ok(Struct::Text(TextSerializer { writer: self, meaning })),
        }
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<VariantFields<'w>, BodyError> {
        let outer = Outer::begin(self, variant)?;
        match Fields::begin(self) {
            Ok(fields) => Ok(VariantFields { fields, outer }),
            Err(error) => Err(error.under_key(variant)),
        }
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), BodyError> {
        self.display(&format_args!("{value}"))
    }
}

/// The object around the content of a variant.
#[derive(Debug)]
struct Outer {
    mark: Mark,
    variant: &'static str,
}

impl Outer {
    #[inline]
    fn begin(writer: &mut Writer, variant: &'static str) -> Result<Self, BodyError> {
        let mark = writer.begin_object()?;
        writer.key(variant)?;
        Ok(Self { mark, variant })
    }

    #[inline]
    fn end(self, writer: &mut Writer) -> Result<(), BodyError> {
        writer.end_distinct(self.mark)
    }
}

/// The elements of an array.
#[derive(Debug)]
pub(crate) struct Elements<'w> {
    writer: &'w mut Writer,
    mark: Mark,
    written: usize,
}

impl<'w> Elements<'w> {
    #[inline]
    fn begin(writer: &'w mut Writer) -> Result<Self, BodyError> {
        Ok(Self { mark: writer.begin_array()?, written: 0, writer })
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), BodyError> {
        match value.serialize(&mut *self.writer) {
            Ok(()) => {
                self.written += 1;
                Ok(())
            }
            Err(error) => {
                self.writer.fail();
                Err(error.under_index(self.written))
            }
        }
    }

    #[inline]
    fn close(self) -> Result<(), BodyError> {
        self.writer.end_distinct(self.mark)
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident;)*) => {$(
        impl ser::$trait for Elements<'_> {
            type Ok = ();
            type Error = BodyError;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), BodyError> {
                self.element(value)
            }

            #[inline]
            fn end(self) -> Result<(), BodyError> {
                self.close()
            }
        }
    )*};
}

elements! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
}

/// The elements of the array in a variant.
#[derive(Debug)]
pub(crate) struct VariantElements<'w> {
    elements: Elements<'w>,
    outer: Outer,
}

impl ser::SerializeTupleVariant for VariantElements<'_> {
    type Ok = ();
    type Error = BodyError;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), BodyError> {
        self.elements.element(value).map_err(|error| error.under_key(self.outer.variant))
    }

    #[inline]
    fn end(self) -> Result<(), BodyError> {
        let Elements { writer, mark, .. } = self.elements;
        writer.end_distinct(mark)?;
        writer.end_distinct(self.outer.mark)
    }
}

/// The members of a map.
#[derive(Debug)]
pub(crate) struct Entries<'w> {
    writer: &'w mut Writer,
    mark: Mark,
    /// Where the key that waits for its value was written.
    key_at: usize,
}

impl ser::SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = BodyError;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), BodyError> {
        self.key_at = self.writer.position();
        key.serialize(TextSerializer { writer: self.writer, meaning: Meaning::Key })
            .inspect_err(|_| self.writer.fail())
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), BodyError> {
        match value.serialize(&mut *self.writer) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.writer.fail();
                Err(error.under_key_bytes(self.writer.key_at(self.key_at)))
            }
        }
    }

    #[inline]
    fn end(self) -> Result<(), BodyError> {
        self.writer.end(self.mark)
    }
}

/// The members of a struct, or one of serde_json's own types in the guise of a struct.
#[derive(Debug)]
pub(crate) enum Struct<'w> {
    Fields(Fields<'w>),
    Text(TextSerializer<'w>),
}

impl ser::SerializeStruct for Struct<'_> {
    type Ok = ();
    type Error = BodyError;

    #[inline(always)]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), BodyError> {
        match self {
            Self::Fields(fields) => fields.field(key, value),
            Self::Text(text) => value.serialize(text.reborrow()),
        }
    }

    #[inline]
    fn end(self) -> Result<(), BodyError> {
        match self {
            Self::Fields(fields) => fields.close(),
            Self::Text(_) => Ok(()),
        }
    }
}

/// The members of a struct. A derive writes each field once, but two may have been given one name.
#[derive(Debug)]
pub(crate) struct Fields<'w> {
    writer: &'w mut Writer,
    mark: Mark,
    keys: Classes,
    /// Whether two keys fell into one class.
    suspect: bool,
}

impl<'w> Fields<'w> {
    #[inline]
    fn begin(writer: &'w mut Writer) -> Result<Self, BodyError> {
        Ok(Self { mark: writer.begin_object()?, writer, keys: Classes::default(), suspect: false })
    }

    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), BodyError> {
        self.suspect |= self.keys.insert(key.as_bytes());
        let written = match self.writer.key(key) {
            Ok(()) => value.serialize(&mut *self.writer),
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => Ok(()),
            Err(error) => {
                self.writer.fail();
                Err(error.under_key(key))
            }
        }
    }

    #[inline]
    fn close(self) -> Result<(), BodyError> {
        if self.suspect { self.writer.end(self.mark) } else { self.writer.end_distinct(self.mark) }
    }
}

/// The members of the object in a variant.
#[derive(Debug)]
pub(crate) struct VariantFields<'w> {
    fields: Fields<'w>,
    outer: Outer,
}

impl ser::SerializeStructVariant for VariantFields<'_> {
    type Ok = ();
    type Error = BodyError;

    #[inline(always)]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), BodyError> {
        self.fields.field(key, value).map_err(|error| error.under_key(self.outer.variant))
    }

    #[inline]
    fn end(self) -> Result<(), BodyError> {
        let Fields { writer, mark, suspect, .. } = self.fields;
        let ended = if suspect { writer.end(mark) } else { writer.end_distinct(mark) };
        ended.map_err(|error| error.under_key(self.outer.variant))?;
        writer.end_distinct(self.outer.mark)
    }
}
