//! The calls on documents, on every engine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod calls;
mod histories;
mod kinds;
mod many;
mod ranges;
mod reviewed;
#[cfg(feature = "sled")]
mod rewriting;
mod support;
