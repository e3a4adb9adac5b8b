//! The one error type of the public API. Rooms above have small errors of their own and turn them into this
//! one where they meet the user.

pub(crate) mod context;
pub(crate) mod error;
pub(crate) mod kind;
