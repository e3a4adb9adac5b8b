//! The other backend: one redb 4 database in a file of its own. Nothing of redb's leaves this room.

pub(crate) mod backend;
pub(crate) mod error;
pub(crate) mod held;
pub(crate) mod medium;
pub(crate) mod open;
pub(crate) mod options;

#[cfg(test)]
mod tests;
