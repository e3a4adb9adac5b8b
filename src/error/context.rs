//! Where it went wrong.

use std::fmt;

use crate::model::id::DocumentId;
use crate::model::stamp::Stamp;

/// Where it went wrong: whatever of collection, document, kind, stamp, step and path is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    pub(crate) collection: Option<String>,
    pub(crate) id: Option<DocumentId>,
    pub(crate) kind: Option<String>,
    pub(crate) stamp: Option<Stamp>,
    pub(crate) step: Option<String>,
    pub(crate) op: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) details: Vec<(&'static str, String)>,
}

impl Context {
    /// Name of the collection.
    #[must_use]
    pub fn collection(&self) -> Option<&str> {
        self.collection.as_deref()
    }

    /// Id of the document.
    #[must_use]
    pub fn id(&self) -> Option<&DocumentId> {
        self.id.as_ref()
    }

    /// Name of the document's kind.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// The stamp the document is stored at.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// Name of the step.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.step.as_deref()
    }

    /// The op within the step.
    #[must_use]
    pub fn op(&self) -> Option<&str> {
        self.op.as_deref()
    }

    /// Path within the document.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Everything else that is known, by name: `line`, `column`, `limit` and the like.
    #[must_use]
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.details.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Context {
    /// `collection "users", id 7, path "a.b"`, in a fixed order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut field = |name: &str, value: &dyn fmt::Display| {
            let written = write!(f, "{separator}{name} {value}");
            separator = ", ";
            written
        };
        let quoted = |text: &String| format!("{text:?}");
        if let Some(collection) = &self.collection {
            field("collection", &quoted(collection))?;
        }
        if let Some(id) = &self.id {
            field("id", id)?;
        }
        if let Some(kind) = &self.kind {
            field("kind", &quoted(kind))?;
        }
        if let Some(stamp) = &self.stamp {
            field("stamp", stamp)?;
        }
        if let Some(step) = &self.step {
            field("step", &quoted(step))?;
        }
        if let Some(op) = &self.op {
            field("op", op)?;
        }
        if let Some(path) = &self.path {
            field("path", &quoted(path))?;
        }
        for (name, value) in &self.details {
            field(name, value)?;
        }
        Ok(())
    }
}
