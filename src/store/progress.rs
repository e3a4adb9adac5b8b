//! How far builds have come, and who is told.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::index::state::IndexState;

/// How far a build has come; see [`Store::run_with`](crate::Store::run_with).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildProgress {
    /// What the index is called.
    pub name: String,
    /// Of which generation.
    pub generation: u32,
    /// Its state after the step.
    pub state: IndexState,
    /// How many documents the build has come past, where that is known.
    pub documents: Option<u64>,
    /// How many documents of the kinds that the index covers the collection has.
    pub of_documents: u64,
}

/// Who is told of what the thread does that builds indexes.
#[derive(Clone, Default)]
pub(crate) struct Watcher(Option<Arc<dyn Fn(BuildProgress) + Send + Sync>>);

impl Watcher {
    pub(crate) fn new(watcher: impl Fn(BuildProgress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(watcher)))
    }

    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn tell(&self, progress: BuildProgress) {
        if let Some(watcher) = &self.0 {
            // A panic of the user's ends neither the thread nor the build.
            let _ = catch_unwind(AssertUnwindSafe(|| watcher(progress)));
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watcher").field(&self.is_some()).finish()
    }
}
