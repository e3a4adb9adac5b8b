//! What all handles of a store, and the thread that works for them, share.

use std::sync::{Arc, Mutex};

use crate::catalog::catalog::Catalog;
use crate::encoding::body::limits::Limits;
use crate::error::error::Error;
use crate::index::indexes::{Building, Context, Indexes, Kinds};
use crate::record::kind::Kind;
use crate::storage::commit::commit::Durability;
use crate::storage::commit::engine::Engine;
use crate::store::registry::Registry;
use crate::store::session::Insiders;

/// A store, but for the thread that works for it.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) engine: Engine,
    pub(crate) catalog: Catalog,
    pub(crate) registry: Registry,
    pub(crate) indexes: Indexes,
    pub(crate) insiders: Insiders,
    /// Held while damage is removed, so that nobody takes what is another's.
    pub(crate) discarding: Mutex<()>,
    pub(crate) limits: Limits,
    /// How indexes are built.
    pub(crate) building: Building,
    /// The largest commit, in bytes.
    pub(crate) commit_limit: usize,
    pub(crate) durability: Durability,
    pub(crate) created: bool,
}

impl Core {
    /// What indexes work with.
    pub(crate) fn context(&self) -> Context<'_> {
        Context { engine: &self.engine, kinds: self, limits: self.limits, building: self.building }
    }
}

impl Kinds for Core {
    fn kind(&self, number: u32) -> Result<Arc<Kind>, Error> {
        self.registry.resolve(&self.catalog, number)
    }
}
