//! Pure functions and small types over JSON values.

pub(crate) mod canonical;
pub(crate) mod path;
