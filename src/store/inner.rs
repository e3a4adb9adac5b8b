//! What all handles of a store share.

use crate::catalog::catalog::Catalog;
use crate::encoding::body::limits::Limits;
use crate::storage::commit::commit::Durability;
use crate::storage::commit::engine::Engine;
use crate::store::registry::Registry;
use crate::store::session::Insiders;

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) catalog: Catalog,
    pub(crate) registry: Registry,
    pub(crate) insiders: Insiders,
    pub(crate) limits: Limits,
    /// The largest commit, in bytes.
    pub(crate) commit_limit: usize,
    pub(crate) durability: Durability,
    pub(crate) created: bool,
}
