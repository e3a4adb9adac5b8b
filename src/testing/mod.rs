//! For the tests of programs that use or extend this crate: what a [backend](crate::backend::Backend) must do, checked with
//! one call, and a backend that fails when it is told to.

pub mod conformance;
pub mod fault;
#[cfg(test)]
mod flawed;
mod numbers;
mod obligations;
mod scratch;
mod subject;
