//! What all handles of a store, and the thread that works for them, share.

use std::sync::{Arc, Mutex};

use crate::catalog::catalog::Catalog;
use crate::encoding::body::limits::Limits;
use crate::error::error::Error;
use crate::index::generation::Generation;
use crate::index::indexes::{Building, Context, Indexes, Kinds};
use crate::index::work::Step;
use crate::record::kind::Kind;
use crate::storage::commit::commit::Durability;
use crate::storage::commit::engine::Engine;
use crate::store::history::{counters, recorded};
use crate::store::progress::{BuildProgress, Watcher};
use crate::store::registry::Registry;
use crate::store::session::Insiders;
use crate::stored::state::Held;

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
    pub(crate) watcher: Watcher,
    /// The largest commit, in bytes.
    pub(crate) commit_limit: usize,
    pub(crate) durability: Durability,
    pub(crate) created: bool,
}

impl Core {
    /// What indexes work with.
    pub(crate) fn context(&self) -> Context<'_> {
        Context { engine: &self.engine, kinds: self, building: self.building }
    }

    /// After a step.
    pub(crate) fn progress(&self, step: &Step) -> Result<BuildProgress, Error> {
        let Step { generation, status, .. } = step;
        Ok(BuildProgress {
            name: generation.name.to_string(),
            generation: generation.number,
            state: generation.live.state(),
            documents: status.as_ref().map(|status| status.documents),
            of_documents: self.covered(generation)?,
        })
    }

    /// How many documents of the kinds that a generation covers its collection has now.
    pub(crate) fn covered(&self, generation: &Generation) -> Result<u64, Error> {
        self.covered_in(&Held::Snapshot(Arc::new(self.engine.snapshot())), generation)
    }

    /// And in one state.
    pub(crate) fn covered_in(&self, held: &Held, generation: &Generation) -> Result<u64, Error> {
        let mut documents = 0_u64;
        for (key, value) in counters(held, generation.collection)? {
            if generation.covered(self, key.kind).is_some() {
                documents = documents.saturating_add(value);
            }
        }
        Ok(documents)
    }
}

impl Kinds for Core {
    fn kind(&self, number: u32) -> Result<Arc<Kind>, Error> {
        self.registry.resolve(&self.catalog, number)
    }

    fn family(&self, number: u32) -> Vec<u32> {
        self.catalog.family(number)
    }

    fn lacks_steps(&self, number: u32) -> bool {
        let family = self.family(number);
        self.catalog.check_steps(|of| of == number || family.contains(&of)).is_err()
    }

    fn is_foreign(&self, kind: &Kind) -> bool {
        !kind.is_declared() && !recorded(&self.catalog, kind.number()).is_empty()
    }
}
