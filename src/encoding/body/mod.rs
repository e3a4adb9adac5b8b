//! Bodies: JSON values as length-prefixed binary, section 4 of the [format](crate::documentation::format).

pub(crate) mod de;
pub(crate) mod error;
pub(crate) mod limits;
pub(crate) mod members;
pub(crate) mod node;
pub(crate) mod raw;
pub(crate) mod ser;
pub(crate) mod validate;
pub(crate) mod writer;

mod convert;
mod duplicates;
mod json_text;
mod key;
mod magic;
mod number;
mod raw_text;
mod tag;
mod text;
mod token;
mod varint;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod typed;
