//! The directory of a store on disk, whatever backend keeps its bytes: what it is before it is opened, who may open it, how it
//! is made, and the witness beside the backend. Sections 1 and 8 of the format.

pub(crate) mod closing;
pub(crate) mod directory;
pub(crate) mod error;
pub(crate) mod lock;
pub(crate) mod marker;
pub(crate) mod open;
pub(crate) mod synced;

#[cfg(test)]
pub(crate) mod testing;
