//! Targets for a fuzzer, and one of our own for machines that have none.

pub mod memory;
pub mod mutate;
pub mod targets;
