//! Ops.

use std::fmt;

use serde_json::Value;

use crate::encoding::body::node::Node;
use crate::evolution::invalid::OpFlaw;
use crate::value::path::{Path, ToPath};

/// One declarative change to a document, as data: recorded in the store, known to be reversible or not, and understood by
/// programs that never heard of the step it belongs to.
///
/// What each op does where its source is absent or null, and where its target is taken, is told in
/// [the documentation of evolution](crate::documentation::evolution).
///
/// A malformed path, or an op that makes no sense, is reported when the [`Evolution`](crate::Evolution) is registered.
#[derive(Clone, PartialEq)]
pub struct Op(pub(crate) Repr);

#[derive(Clone, PartialEq)]
pub(crate) enum Repr {
    Action(Action),
    /// Cannot be registered.
    Flawed(&'static str, OpFlaw),
    /// Recorded by a release that knows more ops than this one.
    Opaque(Value),
}

/// An op that makes sense.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Within one object.
    Rename {
        from: Path,
        to: Path,
    },
    /// From one object to another; neither path is within the other.
    Move {
        from: Path,
        to: Path,
    },
    Add {
        path: Path,
        value: Value,
    },
    Remove {
        path: Path,
    },
}

impl Op {
    /// The field at `from` is called `to`, in the same object: both are paths from the document's root.
    ///
    /// ```
    /// # use pivotdb::Op;
    /// Op::rename("contact.tel", "contact.phone");
    /// ```
    pub fn rename(from: impl ToPath, to: impl ToPath) -> Self {
        Self::checked("rename", || Action::rename(from.to_path()?, to.to_path()?))
    }

    /// What is at `from` is at `to`, in another object, which is made where there is none.
    ///
    /// ```
    /// # use pivotdb::Op;
    /// Op::move_field("phone", "contact.phone");
    /// ```
    pub fn move_field(from: impl ToPath, to: impl ToPath) -> Self {
        Self::checked("move", || Action::move_field(from.to_path()?, to.to_path()?))
    }

    /// There is something at `path`: `value`, where there was nothing. What is there already stays.
    ///
    /// ```
    /// # use pivotdb::Op;
    /// Op::add("contact.verified", false);
    /// ```
    pub fn add(path: impl ToPath, value: impl Into<Value>) -> Self {
        Self::checked("add", || Action::add(path.to_path()?, value.into()))
    }

    /// There is nothing at `path`.
    ///
    /// ```
    /// # use pivotdb::Op;
    /// Op::remove("contact.fax");
    /// ```
    pub fn remove(path: impl ToPath) -> Self {
        Self::checked("remove", || Action::remove(path.to_path()?))
    }

    fn checked(name: &'static str, action: impl FnOnce() -> Result<Action, OpFlaw>) -> Self {
        Self(action().map_or_else(|flaw| Repr::Flawed(name, flaw), Repr::Action))
    }

    pub(crate) fn name(&self) -> &str {
        match &self.0 {
            Repr::Action(action) => action.name(),
            Repr::Flawed(name, _) => name,
            Repr::Opaque(_) => "opaque",
        }
    }

    /// How errors call the op at `position` in its step, counted from 0.
    pub(crate) fn label(&self, position: usize) -> String {
        format!("{} ({})", position.saturating_add(1), self.name())
    }
}

impl Action {
    pub(crate) fn rename(from: Path, to: Path) -> Result<Self, OpFlaw> {
        apart(&from, &to)?;
        if from.parent() != to.parent() {
            return Err(OpFlaw::OtherObject);
        }
        Ok(Self::Rename { from, to })
    }

    pub(crate) fn move_field(from: Path, to: Path) -> Result<Self, OpFlaw> {
        apart(&from, &to)?;
        Ok(Self::Move { from, to })
    }

    pub(crate) fn add(path: Path, value: Value) -> Result<Self, OpFlaw> {
        Ok(Self::Add { path: within(path)?, value: constant(value)? })
    }

    pub(crate) fn remove(path: Path) -> Result<Self, OpFlaw> {
        Ok(Self::Remove { path: within(path)? })
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Rename { .. } => "rename",
            Self::Move { .. } => "move",
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
        }
    }
}

/// `value` with its members sorted and its numbers in the one form they have, whatever features of serde_json are switched on,
/// so that the same op makes the same bytes everywhere.
fn constant(value: Value) -> Result<Value, OpFlaw> {
    let mut node = Node::Null;
    node.absorb_value(value).and_then(|()| node.to_value()).map_err(|_| OpFlaw::Constant)
}

fn within(path: Path) -> Result<Path, OpFlaw> {
    if path.is_root() { Err(OpFlaw::WholeDocument) } else { Ok(path) }
}

fn apart(from: &Path, to: &Path) -> Result<(), OpFlaw> {
    if from.is_root() || to.is_root() {
        Err(OpFlaw::WholeDocument)
    } else if from == to {
        Err(OpFlaw::Same)
    } else if from.overlaps(to) {
        Err(OpFlaw::Within)
    } else {
        Ok(())
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Action(action) => action.fmt(f),
            Repr::Flawed(name, flaw) => f.debug_tuple("Flawed").field(name).field(flaw).finish(),
            Repr::Opaque(json) => f.debug_tuple("Opaque").field(json).finish(),
        }
    }
}
