//! Long documents, rendered here so that they are versioned, searched and linked with the code.

#[doc = include_str!("design.md")]
pub mod design {}

#[doc = include_str!("evolution.md")]
pub mod evolution {}

#[doc = include_str!("format.md")]
pub mod format {}

#[doc = include_str!("indexes.md")]
pub mod indexes {}

#[doc = include_str!("ndjson.md")]
pub mod ndjson {}

#[doc = include_str!("queries.md")]
pub mod queries {}

/// The programs in the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
