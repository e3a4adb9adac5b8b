//! Keys of the one tree, and values as keys: format.md, section 2.

pub(crate) mod catalog;
pub(crate) mod census;
pub(crate) mod document;
pub(crate) mod error;
mod escape;
pub(crate) mod id;
pub(crate) mod space;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the order of index entries is part of the format before there are indexes")
)]
pub(crate) mod value;
