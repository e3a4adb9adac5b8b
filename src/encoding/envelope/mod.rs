//! Records: header, complement and body under a checksum, cut into chunks. format.md, section 3.
//!
//! The only room that uses bincode. A body is opaque bytes here.

mod checksum;
pub(crate) mod chunks;
pub(crate) mod error;
pub(crate) mod header;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod mend;
pub(crate) mod record;
