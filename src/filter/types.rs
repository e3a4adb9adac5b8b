//! Types that a filter can ask for.

use crate::encoding::body::error::BodyError;
use crate::filter::tree::{Scalar, Tree};

/// A type of JSON's, as a filter asks for it; see [`Field::is_type`](crate::Field::is_type).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// `null`; not what is missing.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number that is stored as an integer.
    Integer,
    /// A number that is stored as a float, such as `1.0`.
    Float,
    /// Any number.
    Number,
    /// A text.
    String,
    /// A list.
    Array,
    /// An object.
    Object,
}

/// A type as MongoDB names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TypeName {
    Plain(Type),
    /// An integer of 32 bits.
    Int,
    /// An integer beyond 32 bits.
    Long,
    /// A type that JSON does not have.
    Foreign(&'static str),
}

/// MongoDB's names and numbers.
const NAMES: &[(&str, i64, TypeName)] = &[
    ("double", 1, TypeName::Plain(Type::Float)),
    ("string", 2, TypeName::Plain(Type::String)),
    ("object", 3, TypeName::Plain(Type::Object)),
    ("array", 4, TypeName::Plain(Type::Array)),
    ("binData", 5, TypeName::Foreign("binData")),
    ("undefined", 6, TypeName::Foreign("undefined")),
    ("objectId", 7, TypeName::Foreign("objectId")),
    ("bool", 8, TypeName::Plain(Type::Bool)),
    ("date", 9, TypeName::Foreign("date")),
    ("null", 10, TypeName::Plain(Type::Null)),
    ("regex", 11, TypeName::Foreign("regex")),
    ("dbPointer", 12, TypeName::Foreign("dbPointer")),
    ("javascript", 13, TypeName::Foreign("javascript")),
    ("symbol", 14, TypeName::Foreign("symbol")),
    ("javascriptWithScope", 15, TypeName::Foreign("javascriptWithScope")),
    ("int", 16, TypeName::Int),
    ("timestamp", 17, TypeName::Foreign("timestamp")),
    ("long", 18, TypeName::Long),
    ("decimal", 19, TypeName::Foreign("decimal")),
    ("minKey", -1, TypeName::Foreign("minKey")),
    ("maxKey", 127, TypeName::Foreign("maxKey")),
    // MongoDB has a name alone for it.
    ("number", 0, TypeName::Plain(Type::Number)),
    // Ours: what JSON's integers are, whatever their size.
    ("integer", 0, TypeName::Plain(Type::Integer)),
];

impl TypeName {
    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, ..)| *known == name).map(|(.., found)| *found)
    }

    pub(crate) fn numbered(number: i64) -> Option<Self> {
        NAMES.iter().find(|(_, known, _)| *known == number && number != 0).map(|(.., found)| *found)
    }

    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(.., known)| *known == self).map_or("", |(name, ..)| *name)
    }

    pub(crate) fn is<'t>(self, value: impl Tree<'t>) -> Result<bool, BodyError> {
        use crate::encoding::body::raw::Kind;

        let kind = value.kind();
        Ok(match self {
            Self::Plain(Type::Null) => kind == Kind::Null,
            Self::Plain(Type::Bool) => kind == Kind::Bool,
            Self::Plain(Type::Integer) => kind == Kind::Integer,
            Self::Plain(Type::Float) => kind == Kind::Float,
            Self::Plain(Type::Number) => matches!(kind, Kind::Integer | Kind::Float),
            Self::Plain(Type::String) => kind == Kind::String,
            Self::Plain(Type::Array) => kind == Kind::Array,
            Self::Plain(Type::Object) => kind == Kind::Object,
            Self::Int => matches!(value.scalar()?, Some(Scalar::Integer(n)) if i32::try_from(n).is_ok()),
            Self::Long => matches!(value.scalar()?, Some(Scalar::Integer(n)) if i32::try_from(n).is_err()),
            Self::Foreign(_) => false,
        })
    }
}
