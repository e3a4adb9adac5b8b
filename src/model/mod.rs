//! The words everything else is said in: ids, names, stamps, revisions, times. No logic beyond their own rules.

pub(crate) mod id;
pub(crate) mod name;
pub(crate) mod revision;
pub(crate) mod stamp;
pub(crate) mod time;
