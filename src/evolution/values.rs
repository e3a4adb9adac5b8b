//! Plans over plain values, for who has no store.

use serde_json::Value;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::evolution::context::StepContext;
use crate::evolution::evolution::Evolution;
use crate::evolution::history::History;
use crate::evolution::notes::OpenComplement;
use crate::evolution::plan::Plan;

/// What steps could not express in their output, kept beside the body so that the way back restores it. Opaque; a store keeps it with the document.
///
/// It never makes a difference but on the way back, and there only where nothing has changed since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Complement(Vec<u8>);

impl Complement {
    /// Nothing to say.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Whether there is nothing to say: the steps so far can be undone without it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Plan {
    /// The way between two schema versions of a kind, in either direction.
    ///
    /// ```
    /// use pivotdb::{DocumentId, Evolution, Op, Plan, StepContext};
    /// use serde_json::json;
    ///
    /// let evolution = Evolution::new().step("split name", [Op::split("name", " ", ["first", "last"])]);
    /// let id = DocumentId::from(1);
    /// let context = StepContext::new("user", &id);
    ///
    /// let up = Plan::between(&evolution, "user", 1, 2)?;
    /// let ada = up.apply(json!({"name": "Ada Lovelace"}), &context)?;
    /// assert_eq!(ada, json!({"first": "Ada", "last": "Lovelace"}));
    ///
    /// let down = Plan::between(&evolution, "user", 2, 1)?;
    /// assert_eq!(down.apply(ada, &context)?, json!({"name": "Ada Lovelace"}));
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidEvolution`] where the steps do not [make sense](Evolution::check); [`ErrorKind::InvalidOption`] where a
    /// schema version is not one of the evolution's; [`ErrorKind::HistoryDiverged`] where a function on the way down has no downcast.
    pub fn between(evolution: &Evolution, kind: &str, from: u32, to: u32) -> Result<Self> {
        let history = History::new(kind, evolution)?;
        let own = |schema_version| {
            history.own(schema_version).ok_or_else(|| {
                Error::new(ErrorKind::InvalidOption, "the evolution has no such schema version")
                    .with_detail("schema version", schema_version)
                    .with_detail("least", 1)
                    .with_detail("most", history.current().schema_version)
                    .with_advice("choose one in between")
            })
        };
        Ok(history.plan(own(from)?, own(to)?)?)
    }

    /// What becomes of `body`.
    ///
    /// # Errors
    /// [`ErrorKind::StepFailed`], with step, op and path; those of a body that cannot be stored.
    pub fn apply(&self, body: Value, context: &StepContext<'_>) -> Result<Value> {
        let mut node = Node::from_value(body)?;
        self.run(&mut node, context)?;
        finish(&node)
    }

    /// What becomes of `body` and of its complement, so that the way back gives exactly what `body` is now.
    ///
    /// # Errors
    /// As [`apply`](Self::apply); [`ErrorKind::Corrupt`] where the complement is not one.
    pub fn apply_keeping(
        &self,
        body: Value,
        complement: &Complement,
        context: &StepContext<'_>,
    ) -> Result<(Value, Complement)> {
        let mut node = Node::from_value(body)?;
        let complement = OpenComplement::read(&complement.0)?;
        let complement = self.write(&mut node, &complement, context)?;
        Ok((finish(&node)?, Complement(complement.to_bytes()?)))
    }
}

/// The value, if a store would take it.
fn finish(node: &Node<'_>) -> Result<Value> {
    node.to_bytes(Limits::default())?;
    Ok(node.to_value()?)
}
