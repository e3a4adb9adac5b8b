//! PivotDB measured beside what it is built on: sled, redb and serde_json, without PivotDB between them.
//!
//! Both sides hold the same documents, in the same process and the same run, and take turns: [`contest`] says how. What they
//! are given to do is in the bench targets.

pub mod arguments;
pub mod chain;
pub mod contest;
pub mod data;
pub mod documents;
pub mod durable;
pub mod duty;
pub mod ids;
pub mod mirror;
pub mod raw;
pub mod stall;
pub mod table;
pub mod visits;
