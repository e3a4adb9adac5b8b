//! An embedded, schema-less document store whose documents remember the schema version they were written in.
#![cfg_attr(not(test), warn(clippy::missing_errors_doc))]

mod catalog;
mod encoding;
mod error;
mod evolution;
mod model;
mod record;
mod storage;
mod store;
mod stored;
mod value;

pub mod documentation;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

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
pub use crate::evolution::context::StepContext;
pub use crate::evolution::evolution::Evolution;
pub use crate::evolution::function::{Function, Outcome};
pub use crate::evolution::op::Op;
pub use crate::evolution::step::StepBody;
pub use crate::model::id::DocumentId;
pub use crate::model::revision::Revision;
pub use crate::model::stamp::{Fingerprint, Stamp};
pub use crate::model::time::Timestamp;
pub use crate::storage::commit::commit::Durability;
pub use crate::store::builder::Builder;
pub use crate::store::bulk::Bulk;
pub use crate::store::collection::Collection;
pub use crate::store::document::Document;
pub use crate::store::range::Range;
pub use crate::store::snapshot::Snapshot;
pub use crate::store::stats::{CensusEntry, Stats};
pub use crate::store::store::Store;
pub use crate::store::transaction::Transaction;
pub use crate::store::versioned::Versioned;
pub use crate::value::path::{InvalidPath, Path, ToPath};
