//! Bodies: JSON values as length-prefixed binary, section 4 of the [format](crate::documentation::format).

pub(crate) mod error;
pub(crate) mod limits;
pub(crate) mod members;
pub(crate) mod node;
pub(crate) mod raw;
pub(crate) mod validate;
pub(crate) mod writer;

mod convert;
mod duplicates;
mod number;
mod tag;
mod token;
mod varint;

#[cfg(test)]
mod testing;
