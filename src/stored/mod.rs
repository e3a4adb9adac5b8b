//! Records as an engine keeps them: cut into chunks on the way in, put together on the way out.

pub(crate) mod entries;
pub(crate) mod kept;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod scan;
pub(crate) mod scratch;
pub(crate) mod state;
pub(crate) mod write;
