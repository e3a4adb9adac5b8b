//! The calls on documents, on every backend.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod advice;
#[path = "../support/backends.rs"]
mod backends;
mod calls;
mod histories;
mod kinds;
mod many;
mod model;
#[cfg(test)]
mod panics;
mod ranges;
mod reviewed;
mod rewriting;
mod steps;
mod support;
mod untouched;
