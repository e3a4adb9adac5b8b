//! For the tests of programs that use or extend this crate: what a [backend](crate::backend::Backend) must do, checked with
//! one call, a backend that fails when it is told to, and weaker isolation and worse indexes for tests of these to catch.

pub mod conformance;
pub mod damage;
pub mod fault;
#[cfg(test)]
mod flawed;
pub mod fuzz;
pub mod isolation;
pub mod merging;
mod numbers;
mod obligations;
mod scratch;
mod subject;
pub mod upkeep;
