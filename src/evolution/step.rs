//! Steps.

use std::sync::Arc;

use crate::evolution::function::Function;
use crate::evolution::op::Op;
use crate::value::path::Path;

/// How one schema version becomes the next: ops, then a function.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) ops: Vec<Op>,
    pub(crate) code: Code,
    /// Why it is another definition of the step of this name that was there before, whose documents have the same shape.
    pub(crate) redefines: Option<String>,
}

impl Step {
    /// Whether the other one is the same declaration.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self.name == other.name && self.redefines == other.redefines && self.does_the_same(other)
    }

    /// Whether the other one changes documents in the same way.
    pub(crate) fn does_the_same(&self, other: &Self) -> bool {
        self.ops == other.ops && self.code.identity() == other.code.identity()
    }
}

/// The function of a step.
#[derive(Debug, Clone)]
pub(crate) enum Code {
    None,
    Own(Function),
    /// Another program's: only the identity is known.
    Recorded(Arc<str>),
}

impl Code {
    pub(crate) fn identity(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Own(function) => Some(function.identity()),
            Self::Recorded(identity) => Some(identity),
        }
    }

    /// The paths outside which it reads and writes nothing; `None` where that is not known. Where there is no function there are none.
    pub(crate) fn region(&self) -> Option<&[Path]> {
        match self {
            Self::None => Some(&[]),
            Self::Own(function) => function.paths(),
            Self::Recorded(_) => None,
        }
    }
}

/// What a step consists of: made from an [`Op`] or several, from a [`Function`], or from a pair of both, in which the ops come first.
#[derive(Debug, Clone)]
pub struct StepBody {
    pub(crate) ops: Vec<Op>,
    pub(crate) function: Option<Function>,
}

impl From<Op> for StepBody {
    fn from(op: Op) -> Self {
        Self { ops: vec![op], function: None }
    }
}

impl From<Vec<Op>> for StepBody {
    fn from(ops: Vec<Op>) -> Self {
        Self { ops, function: None }
    }
}

impl<const N: usize> From<[Op; N]> for StepBody {
    fn from(ops: [Op; N]) -> Self {
        Self { ops: ops.into(), function: None }
    }
}

impl From<Function> for StepBody {
    fn from(function: Function) -> Self {
        Self { ops: Vec::new(), function: Some(function) }
    }
}

impl From<Op> for Vec<Op> {
    fn from(op: Op) -> Self {
        vec![op]
    }
}

impl<O: Into<Vec<Op>>> From<(O, Function)> for StepBody {
    fn from((ops, function): (O, Function)) -> Self {
        Self { ops: ops.into(), function: Some(function) }
    }
}
