//! JSON text to bodies and back, both ways exactly.

pub(crate) mod error;
mod events;
mod number;
pub(crate) mod parse;
pub(crate) mod print;

#[cfg(test)]
mod suite;
#[cfg(test)]
mod testing;
