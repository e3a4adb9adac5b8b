//! Keys of the one tree, and values as keys: format.md, section 2.

pub(crate) mod catalog;
pub(crate) mod census;
pub(crate) mod document;
pub(crate) mod error;
mod escape;
pub(crate) mod id;
pub(crate) mod index;
pub(crate) mod space;
pub(crate) mod value;
