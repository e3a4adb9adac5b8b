//! JSON Patch (RFC 6902) on encoded bodies, by the crate `json-patch`.
//!
//! Operations are carried out one by one on a copy, which is dropped after an error: undoing them is what the crate cannot always do. After each
//! of them the document must be within the limits, since thirty copies of what is there would otherwise be a thousand million times of it.

use std::slice;

use json_patch::{Patch, PatchOperation};
use serde::Deserialize;
use serde_json::Value;

use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
use crate::encoding::body::ser::to_body;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::filter::order;

/// A patch that is well-formed.
pub(crate) fn parse(patch: &Value) -> Result<Patch, Error> {
    Patch::deserialize(patch).map_err(|error| {
        Error::new(ErrorKind::InvalidPatch, "the patch is not a JSON Patch").with_source(error)
    })
}

/// `body` after every operation of `patch`; or an error, if one of them cannot be carried out.
pub(crate) fn apply(body: Raw<'_>, patch: &Patch, limits: Limits) -> Result<Vec<u8>, Error> {
    let mut value = body.to_value()?;
    let mut size = body.bytes().len();
    for (number, operation) in patch.iter().enumerate() {
        let done = step(&mut value, size, operation, limits);
        size = done.map_err(|error| error.with_path(operation.path()).with_detail("operation", number))?;
    }
    let mut node = Node::Raw(body);
    node.absorb_value(value)?;
    Ok(node.to_bytes(limits)?)
}

/// Carries out one operation on a document that had `size` bytes, or less, and gives how many it has now, or more.
fn step(value: &mut Value, size: usize, operation: &PatchOperation, limits: Limits) -> Result<usize, Error> {
    if passes(value, operation)? {
        return Ok(size);
    }
    let size = size.saturating_add(put(value, operation, limits)?);
    json_patch::patch_unsafe(value, slice::from_ref(operation)).map_err(|error| {
        Error::new(ErrorKind::PatchFailed, "an operation of the patch cannot be carried out")
            .with_source(error.kind)
    })?;
    // What was replaced or removed since it was counted last may have made room.
    Ok(if size > limits.size { to_body(value, limits)?.len() } else { size })
}

/// Whether it is a `test` that succeeds: numbers are compared by value, as the RFC says, and exactly. What JSON Patch's crate
/// finds equal is found so afterwards.
fn passes(value: &Value, operation: &PatchOperation) -> Result<bool, BodyError> {
    let PatchOperation::Test(test) = operation else { return Ok(false) };
    let Ok(found) = test.path.resolve(value) else { return Ok(false) };
    let limits = Limits::default();
    let (Ok(found), Ok(expected)) = (to_body(found, limits), to_body(&test.value, limits)) else {
        return Ok(false);
    };
    order::equal(Raw::new(&found)?, Raw::new(&expected)?)
}

/// How much an operation puts into the document, which is not too much for where it puts it.
fn put(value: &Value, operation: &PatchOperation, limits: Limits) -> Result<usize, BodyError> {
    let (path, put) = match operation {
        PatchOperation::Add(add) => (&add.path, Some(&add.value)),
        PatchOperation::Replace(replace) => (&replace.path, Some(&replace.value)),
        PatchOperation::Copy(copy) => (&copy.path, copy.from.resolve(value).ok()),
        PatchOperation::Move(from) => (&from.path, from.from.resolve(value).ok()),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => return Ok(0),
    };
    // What is not there the crate finds out.
    let Some(put) = put else { return Ok(0) };
    let depth = limits.depth.saturating_sub(path.count());
    Ok(to_body(put, Limits { depth, ..limits })?.len())
}
