//! The obligations of a backend, one function each.

pub(super) mod pages;
pub(super) mod reads;
pub(super) mod reopening;
pub(super) mod threads;
pub(super) mod writes;
