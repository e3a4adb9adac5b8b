//! Ordered bytes on some medium, and what makes a database of them. Knows nothing of documents.

pub(crate) mod backend;
pub(crate) mod bytes;
pub(crate) mod commit;
#[cfg(feature = "sled")]
pub(crate) mod directory;
#[cfg(feature = "sled")]
mod disk;
pub(crate) mod memory;
#[cfg(feature = "sled")]
pub(crate) mod sled;
pub(crate) mod watermark;
