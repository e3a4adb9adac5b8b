//! How a document of one schema version becomes one of another: ops, steps, their inverses, stamps, and the way
//! from one stamp to another. Pure: knows no store, no clock, no chance.

pub(crate) mod action;
pub(crate) mod condition;
pub(crate) mod context;
pub(crate) mod conversion;
pub(crate) mod evolution;
pub(crate) mod function;
pub(crate) mod history;
pub(crate) mod invalid;
pub(crate) mod notes;
pub(crate) mod op;
pub(crate) mod plan;
pub(crate) mod step;
pub(crate) mod time;
pub(crate) mod values;

mod access;
mod apply;
#[cfg(test)]
mod behaviour;
mod constant;
mod cross;
mod fault;
pub(crate) mod fingerprint;
mod forgetting;
#[cfg(test)]
mod forgotten;
mod fusing;
mod json;
mod part;
#[cfg(test)]
mod redefinitions;
mod shapes;
mod total;
mod typed;
