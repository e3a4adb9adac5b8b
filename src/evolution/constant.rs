//! Values that are part of an op.

use std::fmt;

use serde_json::Value;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::{Kind, Raw};
use crate::evolution::invalid::OpFlaw;

/// A value that is part of an op: encoded, with its members sorted, whatever features of serde_json are switched on, so that the same op
/// makes the same bytes everywhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Constant(Box<[u8]>);

impl Constant {
    pub(crate) fn new(value: Value) -> Result<Self, OpFlaw> {
        let mut node = Node::Null;
        let encoded = node.absorb_value(value).and_then(|()| node.to_bytes(Limits::default()));
        encoded.map(|bytes| Self(bytes.into())).map_err(|_| OpFlaw::Constant)
    }

    /// As a part of a body.
    pub(crate) fn node(&self) -> Node<'_> {
        // The bytes are a body's, by construction.
        Raw::new(&self.0).map_or(Node::Null, Node::Raw)
    }

    /// Whether nothing can be within it. Null is none: it becomes an object where something is put into it.
    pub(crate) fn is_scalar(&self) -> bool {
        !matches!(self.node().kind(), Kind::Null | Kind::Array | Kind::Object)
    }

    pub(crate) fn to_value(&self) -> Value {
        self.node().to_value().unwrap_or_default()
    }
}

impl fmt::Debug for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_value().fmt(f)
    }
}
