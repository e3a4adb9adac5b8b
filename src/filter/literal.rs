//! Values that a filter compares with.

use std::cmp::Ordering;

use serde_json::Value;

use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::{Kind, Raw};
use crate::filter::order;
use crate::filter::tree::{Scalar, Tree};

/// A value that a filter compares with, encoded as one of a document's.
#[derive(Debug, Clone)]
pub(crate) struct Literal {
    bytes: Box<[u8]>,
    /// The value if it is a scalar, decoded once: it is compared with each document.
    scalar: Option<Own>,
}

/// A scalar of one's own.
#[derive(Debug, Clone)]
enum Own {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(Box<str>),
}

impl Literal {
    pub(crate) fn new(value: Value) -> Result<Self, BodyError> {
        let bytes = Node::from_value(value)?.to_bytes(Limits::default())?;
        let scalar = Raw::new(&bytes)?.scalar()?.map(|scalar| match scalar {
            Scalar::Null => Own::Null,
            Scalar::Bool(bool) => Own::Bool(bool),
            Scalar::Integer(integer) => Own::Integer(integer),
            Scalar::Float(float) => Own::Float(float),
            Scalar::Text(text) => Own::Text(text.into()),
        });
        Ok(Self { bytes: bytes.into(), scalar })
    }

    pub(crate) fn raw(&self) -> Result<Raw<'_>, BodyError> {
        Raw::new(&self.bytes)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.raw().map_or(Kind::Null, Raw::kind)
    }

    pub(crate) fn to_value(&self) -> Value {
        self.raw().and_then(Raw::to_value).unwrap_or_default()
    }

    pub(crate) fn equals<'t>(&self, value: impl Tree<'t>) -> Result<bool, BodyError> {
        match self.scalar() {
            Some(own) => {
                Ok(value.scalar()?.and_then(|scalar| order::of_scalars(scalar, own)) == Some(Ordering::Equal))
            }
            None => order::equal(value, self.raw()?),
        }
    }

    /// Where `value` stands to this; `None` where they are of different types, between which filters do not compare.
    pub(crate) fn order_of<'t>(&self, value: impl Tree<'t>) -> Result<Option<Ordering>, BodyError> {
        if let Some(own) = self.scalar() {
            return Ok(value.scalar()?.and_then(|scalar| order::of_scalars(scalar, own)));
        }
        let raw = self.raw()?;
        if order::rank(value.kind()) != order::rank(raw.kind()) {
            return Ok(None);
        }
        order::compare(value, raw).map(Some)
    }

    fn scalar(&self) -> Option<Scalar<'_>> {
        self.scalar.as_ref().map(|own| match own {
            Own::Null => Scalar::Null,
            Own::Bool(bool) => Scalar::Bool(*bool),
            Own::Integer(integer) => Scalar::Integer(*integer),
            Own::Float(float) => Scalar::Float(*float),
            Own::Text(text) => Scalar::Text(text),
        })
    }
}

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Literal {}
