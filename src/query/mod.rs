//! Queries: what is asked, the way to the answer, and its rows. Read-only.

pub(crate) mod bounds;
pub(crate) mod choice;
pub(crate) mod cursor;
pub(crate) mod explanation;
pub(crate) mod known;
pub(crate) mod look;
pub(crate) mod plan;
pub(crate) mod rows;
pub(crate) mod source;
pub(crate) mod spec;
pub(crate) mod stream;
pub(crate) mod tally;
pub(crate) mod top;
