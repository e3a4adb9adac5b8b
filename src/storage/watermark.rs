//! A second witness of what has been synced.

use std::fmt;
use std::io;

/// A state of the store that is known to be on the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    pub(crate) sequence: u64,
    /// The state digest at that sequence.
    pub(crate) digest: u128,
}

/// Remembers, outside the backend, the last state that was synced, so that a backend that comes back with less
/// is found out. May remember an older state than it was told, never a newer one.
pub(crate) trait Watermark: fmt::Debug + Send + Sync {
    /// The newest mark; `None` where none was recorded or none is readable.
    fn read(&self) -> io::Result<Option<Mark>>;

    /// Remembers `mark`. Called after each sync, by one thread at a time.
    fn record(&self, mark: Mark) -> io::Result<()>;

    /// Puts what was recorded on the medium.
    fn sync(&self) -> io::Result<()>;
}
