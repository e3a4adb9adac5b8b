//! Where decode meets upcast: from a stored record to the program's shape, and back without losing anything.

#[cfg(test)]
mod counted;
#[cfg(feature = "json-patch")]
pub(crate) mod json_patch;
pub(crate) mod kind;
pub(crate) mod patch;
pub(crate) mod rewrite;
pub(crate) mod view;
