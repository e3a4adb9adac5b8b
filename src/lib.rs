//! An embedded, schema-less document store whose documents remember the schema version they were written in.
#![cfg_attr(not(test), warn(clippy::missing_errors_doc))]

mod error;
mod model;
mod storage;

pub mod documentation;

pub use crate::error::context::Context;
pub use crate::error::error::{Error, Result};
pub use crate::error::kind::ErrorKind;
pub use crate::model::id::DocumentId;
pub use crate::model::revision::Revision;
pub use crate::model::stamp::{Fingerprint, Stamp};
pub use crate::model::time::Timestamp;
