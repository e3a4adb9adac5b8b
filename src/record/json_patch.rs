//! JSON Patch (RFC 6902) on encoded bodies, by the crate `json-patch`.

use json_patch::Patch;
use serde::Deserialize;
use serde_json::Value;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;

/// A patch that is well-formed.
pub(crate) fn parse(patch: &Value) -> Result<Patch, Error> {
    Patch::deserialize(patch).map_err(|error| {
        Error::new(ErrorKind::InvalidPatch, "the patch is not a JSON Patch").with_source(error)
    })
}

/// `body` after every operation of `patch`; or an error, if one of them cannot be carried out.
pub(crate) fn apply(body: Raw<'_>, patch: &Patch, limits: Limits) -> Result<Vec<u8>, Error> {
    let mut value = body.to_value()?;
    json_patch::patch(&mut value, patch).map_err(|error| {
        Error::new(ErrorKind::PatchFailed, "an operation of the patch cannot be carried out")
            .with_path(&error.path)
            .with_detail("operation", error.operation)
            .with_source(error)
    })?;
    let mut node = Node::Raw(body);
    node.absorb_value(value)?;
    Ok(node.to_bytes(limits)?)
}
