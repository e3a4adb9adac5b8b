//! What is done to a store as a whole: export, import, verification.

pub(crate) mod audit;
pub(crate) mod discard;
pub(crate) mod error;
pub(crate) mod export;
pub(crate) mod finding;
pub(crate) mod full;
pub(crate) mod import;
pub(crate) mod ledger;
pub(crate) mod lines;
pub(crate) mod progress;
pub(crate) mod restore;
pub(crate) mod verify;
