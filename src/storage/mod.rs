//! Ordered bytes on some medium, and what makes a database of them. Knows nothing of documents.

pub(crate) mod backend;
pub(crate) mod bytes;
pub(crate) mod commit;
pub(crate) mod memory;
#[cfg(feature = "sled")]
pub(crate) mod sled;
pub(crate) mod watermark;
