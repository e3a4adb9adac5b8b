//! Bodies: JSON values as length-prefixed binary, section 4 of the [format](crate::documentation::format).
//!
//! As in BSON and SQLite's JSONB, a container says how many bytes it has, so whoever looks for one member passes the others
//! without reading them. One member of a document costs O(members before it), reading or writing all of it O(bytes), and nothing
//! here allocates for what bytes merely claim.

pub(crate) mod de;
pub(crate) mod error;
pub(crate) mod limits;
pub(crate) mod locate;
pub(crate) mod members;
pub(crate) mod node;
pub(crate) mod noting;
pub(crate) mod opaque;
pub(crate) mod raw;
pub(crate) mod ser;
pub(crate) mod splice;
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
pub(crate) mod tally;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod typed;
