//! Bounds of the pipeline.

use std::time::Duration;

/// Bounds of the pipeline. Every one of them has a typed error or a documented wait.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// A group takes no further commit once it has this many keys ...
    pub(crate) group_keys: usize,
    /// ... or this many bytes.
    pub(crate) group_bytes: usize,
    /// The largest single commit, in bytes.
    pub(crate) commit_bytes: usize,
    /// What snapshots may hold alive, in bytes.
    pub(crate) overlay_bytes: usize,
    /// How often buffered commits are synced.
    pub(crate) buffered_window: Duration,
    /// How long a sync may take before the store is poisoned.
    pub(crate) sync_deadline: Duration,
}

/// Longer than anybody waits, and short enough that a multiple of it can be added to any time.
const ENDLESS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

impl Options {
    /// The same, with durations that can be calculated with.
    pub(crate) fn bounded(mut self) -> Self {
        self.buffered_window = self.buffered_window.min(ENDLESS);
        self.sync_deadline = self.sync_deadline.min(ENDLESS);
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            group_keys: 256,
            group_bytes: 1 << 20,
            commit_bytes: 64 << 20,
            overlay_bytes: 256 << 20,
            buffered_window: Duration::from_millis(100),
            sync_deadline: Duration::from_secs(30),
        }
    }
}
