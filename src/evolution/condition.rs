//! Conditions of ops.

use serde_json::Value;

use crate::evolution::constant::Constant;
use crate::evolution::invalid::OpFlaw;
use crate::value::path::{Path, ToPath};

/// When an [`Op::set`](crate::Op::set) is carried out: what must hold of the document before it.
///
/// ```
/// use pivotdb::{Op, When};
///
/// Op::set("tier", "gold").when(When::all([When::equals("paying", true), When::not(When::absent("since"))]));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct When(pub(crate) Result<Condition, OpFlaw>);

/// A condition that makes sense.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// There is something, be it null.
    Present(Path),
    /// There is something, and it is one of these.
    OneOf(Path, Vec<Constant>),
    Not(Box<Condition>),
    All(Vec<Condition>),
}

/// How deep conditions, and ops within ops, may nest.
pub(crate) const MAX_NESTING: usize = 16;

impl When {
    /// There is nothing at `path`.
    #[must_use]
    pub fn absent(path: impl ToPath) -> Self {
        Self::not(Self::present(path))
    }

    /// There is something at `path`, be it null.
    #[must_use]
    pub fn present(path: impl ToPath) -> Self {
        Self(path.to_path().map(Condition::Present).map_err(OpFlaw::Path))
    }

    /// What is at `path` is `value`, exactly: `1` is not `1.0`.
    #[must_use]
    pub fn equals(path: impl ToPath, value: impl Into<Value>) -> Self {
        Self::one_of(path, [value.into()])
    }

    /// What is at `path` is one of `values`.
    #[must_use]
    pub fn one_of<V: Into<Value>>(path: impl ToPath, values: impl IntoIterator<Item = V>) -> Self {
        let constants =
            || values.into_iter().map(|value| Constant::new(value.into())).collect::<Result<_, _>>();
        Self(path.to_path().map_err(OpFlaw::Path).and_then(|path| Ok(Condition::OneOf(path, constants()?))))
    }

    /// `condition` does not hold.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "it stands in a row with `all`")]
    pub fn not(condition: Self) -> Self {
        Self(condition.0.and_then(Condition::not))
    }

    /// Each of `conditions` holds.
    #[must_use]
    pub fn all(conditions: impl IntoIterator<Item = Self>) -> Self {
        let conditions = conditions.into_iter().map(|condition| condition.0).collect::<Result<_, _>>();
        Self(conditions.and_then(Condition::all))
    }
}

impl Condition {
    pub(crate) fn not(inner: Self) -> Result<Self, OpFlaw> {
        bounded(Self::Not(Box::new(inner)))
    }

    pub(crate) fn all(inner: Vec<Self>) -> Result<Self, OpFlaw> {
        bounded(Self::All(inner))
    }

    /// The paths whose values decide.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Present(path) | Self::OneOf(path, _) => vec![path],
            Self::Not(inner) => inner.paths(),
            Self::All(inner) => inner.iter().flat_map(Self::paths).collect(),
        }
    }

    fn nesting(&self) -> usize {
        match self {
            Self::Present(_) | Self::OneOf(..) => 0,
            Self::Not(inner) => inner.nesting().saturating_add(1),
            Self::All(inner) => inner.iter().map(Self::nesting).max().unwrap_or_default().saturating_add(1),
        }
    }
}

fn bounded(condition: Condition) -> Result<Condition, OpFlaw> {
    if condition.nesting() > MAX_NESTING { Err(OpFlaw::TooDeep) } else { Ok(condition) }
}
