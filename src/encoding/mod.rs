//! Documents as bytes: their keys, their envelopes, their bodies.
//!
//! The rooms have floors of their own, lowest first; those on one line never import each other:
//!
//! 1. `body`, which knows nothing of keys and records, and `envelope`, to which a body is opaque bytes;
//! 2. `key`, `merge`, `text`, which read and write bodies through `body`, and leave `envelope` alone.

pub(crate) mod body;
pub(crate) mod envelope;
pub(crate) mod key;
pub(crate) mod merge;
pub(crate) mod text;
