//! Filters, sort keys and projections: MongoDB's semantics on JSON, evaluated where a document lies. Pure.

pub(crate) mod bits;
pub(crate) mod builder;
pub(crate) mod condition;
pub(crate) mod error;
pub(crate) mod filter;
pub(crate) mod literal;
pub(crate) mod matcher;
pub(crate) mod order;
pub(crate) mod parse;
pub(crate) mod pattern;
pub(crate) mod print;
pub(crate) mod projection;
pub(crate) mod route;
pub(crate) mod sort;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod tree;
pub(crate) mod types;
pub(crate) mod walk;
