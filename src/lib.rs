//! An embedded, schema-less document store for programs whose data keeps changing shape.
//!
//! Documents are JSON. Each one remembers the schema version it was written in; the program says how each version became the next
//! one; the steps are applied when the document is read. Additive changes need nothing at all. Opening a store does nothing for each
//! document; what the backend does for its own files, [`Builder::open`] says.
//!
//! ```
//! use pivotdb::{Evolution, Op, Store, Versioned};
//! use serde::{Deserialize, Serialize};
//! use serde_json::{Value, json};
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("app.pivot");
//! // Last month's program: it only knew JSON.
//! let store = Store::open(&path)?;
//! let users = store.collection_with::<Value>("users", "user", &Evolution::new())?;
//! users.insert_with_id("ada", &json!({"name": "Ada", "mail": "ada@example.org", "age": 36}))?;
//! store.close()?;
//!
//! // Today's program.
//! #[derive(Serialize, Deserialize)]
//! struct User {
//!     name: String,
//!     email: String,
//!     #[serde(default)]
//!     tags: Vec<String>, // a compatible change: no step
//! }
//!
//! impl Versioned for User {
//!     const KIND: &'static str = "user";
//!     fn evolution() -> Evolution {
//!         Evolution::new().step("mail is called email", [Op::rename("mail", "email")])
//!     }
//! }
//!
//! let store = Store::builder().register::<User>().open(&path)?;
//! let users = store.collection::<User>("users")?;
//! let ada = users.require("ada")?;
//! assert_eq!((ada.email.as_str(), ada.stamp().schema_version), ("ada@example.org", 1));
//!
//! // A write is the difference: the age, which this type does not know, stays.
//! let ada = users.update("ada", |ada| ada.tags.push("math".into()))?;
//! assert_eq!((ada.stamp().schema_version, ada.revision().get()), (2, 2));
//! assert_eq!(store.documents("users")?.require("ada")?["age"], 36);
//! # store.close()?;
//! # Ok::<(), pivotdb::Error>(())
//! ```
//!
//! # Where to begin
//!
//! | to | see |
//! |---|---|
//! | open a store, and choose what it may cost | [`Store`], [`Builder`], [`Durability`] |
//! | read and write documents | [`Collection`], [`Document`], [`DocumentId`] |
//! | say how a kind came to its present shape | [`Versioned`], [`Evolution`], [`Op`], [`Function`], and [what steps mean](documentation::evolution) |
//! | test your steps without a store | [`Plan::between`], [`Plan::apply_keeping`] |
//! | change several documents together | [`Store::transaction`], [`Transaction`] |
//! | read one state while others write | [`Store::snapshot`], [`Snapshot`], [`Collection::iter`] |
//! | find documents | [`Collection::find`], [`field`], [`Filter`], [`Query`], and [what queries mean and cost](documentation::queries) |
//! | load many documents | [`Collection::insert_many`], [`Collection::bulk`] |
//! | import and export lines of JSON | [`Import`], [`Export`], and [what the lines are](documentation::ndjson) |
//! | read documents as an older program does | [`Collection::view`] |
//! | find documents quickly, and keep values unique | [`Index`], [`Collection::create_index`], and [what indexes are](documentation::indexes) |
//! | look for damage, and get rid of it | [`Verify`], [`Collection::discard_corrupt`] |
//! | back up and restore | [`Export::store`], [`Import::into_store`] |
//! | deploy steps, and go back | [`Store::impact`], [`Store::warnings`], [`Store::history`] |
//! | handle errors | [`Error`], [`ErrorKind`], [`Context`] |
//! | know what is on the disk, and why | [the format](documentation::format), [design notes](documentation::design) |
//!
//! # Threads
//!
//! Calls block. Handles are `Clone + Send + Sync + 'static`, so an async program moves a clone into `spawn_blocking`. A store on disk
//! has a thread of its own, which syncs, and a store that builds or removes indexes another one, unless that is
//! [turned off](Builder::background). One process has a store open at a time.
//!
//! ```text
//! // tokio is no dependency of PivotDB's. The first error is that of a task that has panicked or was cancelled.
//! let users = users.clone();
//! let ada = tokio::task::spawn_blocking(move || users.require("ada")).await.map_err(Error::abort)??;
//! ```
//!
//! `examples/axum` of the repository is a service that does so.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `sled` | yes | stores on disk, kept by sled |
//! | `redb` | | stores on disk, kept by redb: [`Builder::redb`] |
//! | `json-patch` | | `Collection::json_patch` (RFC 6902) |
//! | `testing` | | a conformance suite for backends of one's own, and a backend that fails when told to |
#![cfg_attr(not(test), warn(clippy::missing_errors_doc))]

mod catalog;
mod encoding;
mod error;
mod evolution;
mod filter;
mod index;
mod maintenance;
mod model;
mod query;
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
pub use crate::evolution::action::{Class, Taken};
pub use crate::evolution::condition::When;
pub use crate::evolution::context::StepContext;
pub use crate::evolution::conversion::To;
pub use crate::evolution::evolution::Evolution;
pub use crate::evolution::function::{Function, Outcome};
pub use crate::evolution::op::Op;
pub use crate::evolution::plan::Plan;
pub use crate::evolution::step::StepBody;
pub use crate::evolution::time::Time;
pub use crate::evolution::values::Complement;
pub use crate::filter::builder::{Field, Operand, field};
pub use crate::filter::filter::Filter;
pub use crate::filter::projection::Projection;
pub use crate::filter::types::Type;
pub use crate::index::definition::{Index, WhileBuilding};
pub use crate::index::impact::Impact;
pub use crate::index::state::IndexState;
pub use crate::index::throttle::Throttle;
pub use crate::maintenance::discard::Discarded;
pub use crate::maintenance::export::{Export, Exported};
pub use crate::maintenance::finding::{Damage, Finding};
pub use crate::maintenance::import::{Import, Imported};
pub use crate::maintenance::progress::Progress;
pub use crate::maintenance::verify::{Verified, Verify};
pub use crate::model::id::DocumentId;
pub use crate::model::revision::Revision;
pub use crate::model::stamp::{Fingerprint, Stamp};
pub use crate::model::time::Timestamp;
pub use crate::query::cursor::Cursor;
pub use crate::query::explanation::{ConsideredIndex, Explanation, UsedIndex};
pub use crate::query::spec::Unreadable;
pub use crate::storage::commit::commit::Durability;
pub use crate::store::builder::Builder;
pub use crate::store::bulk::Bulk;
pub use crate::store::collection::Collection;
pub use crate::store::document::Document;
pub use crate::store::history::{HistoryEntry, Standing, Warning};
pub use crate::store::indexes::{IndexImpact, IndexInfo};
pub use crate::store::progress::BuildProgress;
pub use crate::store::query::{Query, Results, Selection};
pub use crate::store::range::Range;
pub use crate::store::snapshot::Snapshot;
pub use crate::store::stats::{CensusEntry, Stats};
pub use crate::store::store::Store;
pub use crate::store::transaction::Transaction;
pub use crate::store::versioned::Versioned;
pub use crate::value::path::{InvalidPath, Path, ToPath};
pub use uuid::Uuid;
