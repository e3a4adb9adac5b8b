//! Turns any backend into an engine: one committer, groups, sequence numbers, snapshots, durability, poison.

pub(crate) mod commit;
pub(crate) mod digest;
pub(crate) mod engine;
pub(crate) mod error;
pub(crate) mod gate;
pub(crate) mod group;
pub(crate) mod guard;
pub(crate) mod meta;
pub(crate) mod options;
pub(crate) mod overlay;
pub(crate) mod poison;
#[cfg(test)]
mod puppet;
pub(crate) mod ranges;
#[cfg(test)]
mod rules;
pub(crate) mod shared;
pub(crate) mod snapshot;
pub(crate) mod syncer;
pub(crate) mod transaction;
pub(crate) mod watch;
