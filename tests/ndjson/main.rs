//! NDJSON: export, import, and what must come through both unchanged.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on says where; and how much was tried"
)]

#[path = "../support/backends.rs"]
mod backends;
mod busy;
mod full;
mod patches;
mod plain;
mod properties;
mod stopping;
#[cfg(feature = "sled")]
mod suite;
mod support;
