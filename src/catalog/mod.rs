//! What a store holds, as data: collections, kinds, the steps programs have declared.

pub(crate) mod catalog;
pub(crate) mod entry;
pub(crate) mod names;
