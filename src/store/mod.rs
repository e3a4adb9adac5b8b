//! The store as a program uses it.

pub(crate) mod builder;
pub(crate) mod bulk;
pub(crate) mod collection;
pub(crate) mod core;
pub(crate) mod document;
pub(crate) mod history;
pub(crate) mod indexes;
pub(crate) mod inner;
pub(crate) mod inserts;
pub(crate) mod load;
pub(crate) mod progress;
pub(crate) mod query;
pub(crate) mod range;
pub(crate) mod read;
pub(crate) mod registry;
pub(crate) mod retry;
pub(crate) mod session;
pub(crate) mod snapshot;
pub(crate) mod stats;
pub(crate) mod store;
pub(crate) mod transaction;
pub(crate) mod upkeep;
pub(crate) mod versioned;
pub(crate) mod worker;
pub(crate) mod write;
