//! How a document of one schema version becomes one of another: ops, steps, their inverses, stamps, and the way
//! from one stamp to another. Pure: knows no store, no clock, no chance.

pub(crate) mod context;
pub(crate) mod evolution;
pub(crate) mod function;
pub(crate) mod history;
pub(crate) mod invalid;
pub(crate) mod op;
pub(crate) mod plan;
pub(crate) mod step;

mod apply;
mod fault;
pub(crate) mod fingerprint;
mod json;
#[cfg(test)]
mod laws;
