//! A path, ready to be walked.

use crate::value::path::{Path, as_index};

/// A path, and for each of its names the position in a list that it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
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
        Self { path, steps }
    }

    /// To the value itself.
    pub(crate) fn here() -> Self {
        Self { path: Path::root(), steps: Box::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }
}
