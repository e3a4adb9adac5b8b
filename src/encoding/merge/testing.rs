//! What the tests of this room share.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;

pub(super) fn body(value: Value) -> Vec<u8> {
    Node::from_value(value).unwrap().to_bytes(Limits::default()).unwrap()
}

pub(super) fn json(body: &[u8]) -> Value {
    Raw::new(body).unwrap().to_value().unwrap()
}

/// What `T` makes of a value.
pub(super) fn view<T: DeserializeOwned + Serialize>(value: Value) -> Option<Value> {
    serde_json::from_value::<T>(value).ok().map(|typed| serde_json::to_value(typed).unwrap())
}
