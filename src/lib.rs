//! An embedded, schema-less document store whose documents remember the schema version they were written in.
#![cfg_attr(not(test), warn(clippy::missing_errors_doc))]

mod encoding;
mod error;
mod model;
mod storage;

pub mod documentation;

/// What keeps a store's bytes: the [`Backend`](backend::Backend) trait, and what its calls speak in.
pub mod backend {
    pub use crate::storage::backend::{
        Backend, BackendError, Batch, Direction, Failure, KeyRange, MAX_KEY, MAX_VALUE, Page, PageLimit,
    };
    pub use crate::storage::bytes::Bytes;
    pub use crate::storage::memory::MemoryBackend;
}

pub use crate::error::context::Context;
pub use crate::error::error::{Error, Result};
pub use crate::error::kind::ErrorKind;
pub use crate::model::id::DocumentId;
pub use crate::model::revision::Revision;
pub use crate::model::stamp::{Fingerprint, Stamp};
pub use crate::model::time::Timestamp;
