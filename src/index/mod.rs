//! Indexes: what they hold of a document, keeping them up, building them, what steps mean for them.

pub(crate) mod build;
pub(crate) mod covered;
pub(crate) mod decide;
pub(crate) mod declare;
pub(crate) mod definition;
pub(crate) mod entries_of;
pub(crate) mod error;
pub(crate) mod extract;
pub(crate) mod flags;
pub(crate) mod generation;
pub(crate) mod impact;
pub(crate) mod indexes;
pub(crate) mod outlook;
pub(crate) mod rules;
pub(crate) mod source;
pub(crate) mod state;
pub(crate) mod throttle;
pub(crate) mod upkeep;
pub(crate) mod usable;
pub(crate) mod work;
