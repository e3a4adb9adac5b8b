//! Values that a filter compares with.

use std::cmp::Ordering;

use serde_json::Value;

use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::{Kind, Raw};
use crate::filter::order;
use crate::filter::tree::Tree;

/// A value that a filter compares with, encoded as one of a document's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Literal(Box<[u8]>);

impl Literal {
    pub(crate) fn new(value: Value) -> Result<Self, BodyError> {
        Ok(Self(Node::from_value(value)?.to_bytes(Limits::default())?.into()))
    }

    pub(crate) fn raw(&self) -> Result<Raw<'_>, BodyError> {
        Raw::new(&self.0)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.raw().map_or(Kind::Null, Raw::kind)
    }

    pub(crate) fn to_value(&self) -> Value {
        self.raw().and_then(Raw::to_value).unwrap_or_default()
    }

    pub(crate) fn equals<'t>(&self, value: impl Tree<'t>) -> Result<bool, BodyError> {
        order::equal(value, self.raw()?)
    }

    /// Where `value` stands to this; `None` where they are of different types, between which filters do not compare.
    pub(crate) fn order_of<'t>(&self, value: impl Tree<'t>) -> Result<Option<Ordering>, BodyError> {
        let raw = self.raw()?;
        if order::rank(value.kind()) != order::rank(raw.kind()) {
            return Ok(None);
        }
        order::compare(value, raw).map(Some)
    }
}
