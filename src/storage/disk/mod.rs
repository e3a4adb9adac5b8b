//! Stores on disk, whichever backend keeps their bytes.

pub(crate) mod open;
pub(crate) mod options;

#[cfg(test)]
mod tests;
