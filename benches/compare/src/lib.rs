//! PivotDB measured beside what it is built on, sled, redb and serde_json, without PivotDB between them; and beside SQLite.
//!
//! Both sides hold the same documents, in the same process and the same run, and take turns: [`contest`] says how. What they
//! are given to do is in the bench targets, and for SQLite in [`queries`], [`inserting`], [`building`] and [`headline`].

pub mod arguments;
pub mod asked;
pub mod building;
pub mod chain;
pub mod contest;
pub mod data;
pub mod documents;
pub mod durable;
pub mod duty;
pub mod features;
pub mod headline;
pub mod ids;
pub mod inserting;
pub mod mirror;
pub mod opening;
pub mod pairs;
pub mod queries;
pub mod raw;
pub mod sqlite;
pub mod stale;
pub mod stall;
pub mod table;
pub mod visits;
