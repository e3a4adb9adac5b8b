//! The default backend: one sled 0.34.7 database in a directory of its own, and everything that defends against what
//! that release gets wrong. Nothing of sled's leaves this room.

pub(crate) mod backend;
pub(crate) mod error;
pub(crate) mod key;
pub(crate) mod open;
pub(crate) mod options;
mod through;

#[cfg(test)]
mod tests;
