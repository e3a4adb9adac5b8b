//! A path, ready to be walked.

use std::sync::Arc;

use crate::value::path::{Path, as_index};

/// A path, and for each of its names the position in a list that it may be. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    path: Path,
    steps: Box<[Step]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) name: Box<str>,
    pub(crate) index: Option<usize>,
}

impl Route {
    pub(crate) fn new(path: Path) -> Self {
        let steps = path.names().map(|name| Step { name: name.into(), index: as_index(name) }).collect();
        Self(Arc::new(Parts { path, steps }))
    }

    /// To the value itself.
    pub(crate) fn here() -> Self {
        Self(Arc::new(Parts { path: Path::root(), steps: Box::default() }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0.steps
    }
}
