//! Figures of a store.

use crate::model::stamp::Stamp;

/// How many documents of one kind a collection holds at one stamp.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CensusEntry {
    /// Name of the collection.
    pub collection: String,
    /// Name of the kind.
    pub kind: String,
    /// The stamp they are stored at.
    pub stamp: Stamp,
    /// How many, exactly.
    pub documents: u64,
}

/// Figures of a running store; see [`Store::stats`](crate::Store::stats).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// The last commit that readers see.
    pub sequence: u64,
    /// The last commit known to be on the medium. Always 0 for a store in memory.
    pub synced_sequence: u64,
    /// Keys in the backend: documents, their chunks, counters, catalog.
    pub keys: u64,
    /// A number that pins the whole content of the store; equal for equal content, whatever its history.
    pub digest: u128,
    /// Bytes on the medium, where that is known.
    pub size_on_disk: Option<u64>,
    /// Commits made since the store was opened.
    pub commits: u64,
    /// Groups that these commits were applied in.
    pub groups: u64,
    /// Syncs of the medium since the store was opened.
    pub syncs: u64,
    /// Commits whose conditions did not hold: conflicts, and ids that were taken.
    pub failed_checks: u64,
    /// Bytes of old values held for readers.
    pub overlay_bytes: usize,
    /// Snapshots in use, each iterator counting as one.
    pub snapshots: usize,
}
