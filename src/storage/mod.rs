//! Ordered bytes on some medium, and what makes a database of them. Knows nothing of documents.

pub(crate) mod backend;
pub(crate) mod bytes;
pub(crate) mod commit;
#[cfg(any(feature = "sled", feature = "redb"))]
pub(crate) mod directory;
#[cfg(any(feature = "sled", feature = "redb"))]
pub(crate) mod disk;
pub(crate) mod memory;
#[cfg(feature = "redb")]
pub(crate) mod redb;
#[cfg(feature = "sled")]
pub(crate) mod sled;
pub(crate) mod watermark;
