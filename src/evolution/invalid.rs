//! Why an evolution cannot be registered.

use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::value::path::{InvalidPath, Path};

/// Why an evolution cannot be registered, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{flaw}: step {step:?}")]
pub(crate) struct InvalidEvolution {
    pub(crate) step: String,
    /// Its position in the step, from 1, and its name.
    pub(crate) op: Option<String>,
    #[source]
    pub(crate) flaw: Flaw,
}

/// What is wrong with a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("the name of a step {0}")]
    Name(&'static str),
    #[error("the reason to redefine a step {0}")]
    Reason(&'static str),
    #[error("there is no step to redefine")]
    NoStep,
    #[error("two steps have the same name")]
    DuplicateName,
    #[error("the identity of a function is empty")]
    NoIdentity,
    #[error("two different functions have the same identity")]
    DuplicateIdentity,
    #[error("the paths of a function make no sense")]
    Paths(#[from] PathsFlaw),
    #[error("more steps than schema versions can be counted")]
    TooMany,
    #[error("a store cannot keep the step: {0}")]
    Entry(String),
    #[error("an op cannot be carried out")]
    Op(#[from] OpFlaw),
}

/// What is wrong with the paths that a function has been declared on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathsFlaw {
    #[error("there are none")]
    Empty,
    #[error("a path is malformed")]
    Path(#[from] InvalidPath),
    #[error("a path is the whole document")]
    WholeDocument,
    #[error("a path is within another one, or the same: {:?}", .0.to_string())]
    Within(Path),
}

/// What is wrong with an op.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpFlaw {
    #[error("a path is malformed")]
    Path(#[from] InvalidPath),
    #[error("the path is the whole document")]
    WholeDocument,
    #[error("source and target are the same")]
    Same,
    #[error("source and target are within one another")]
    Within,
    #[error("a rename leaves the field in its object; a move takes it to another one")]
    OtherObject,
    #[error("the value cannot be stored exactly as JSON, or nests too deeply")]
    Constant,
    #[error("`{name}` is for {of}")]
    Modifier { name: &'static str, of: &'static str },
    #[error("something is empty that must not be")]
    Empty,
    #[error("ops or conditions nest too deeply")]
    TooDeep,
    #[error("the path leads into what an earlier op has made a scalar or a list: {:?}", .0.to_string())]
    Astray(Path),
    #[error("there is no such op")]
    Unknown,
    #[error("a member is missing or has a value of the wrong type: {0}")]
    Member(&'static str),
    #[error("there is a member that this op does not have: {0}")]
    ExtraMember(String),
}

impl From<InvalidEvolution> for Error {
    fn from(error: InvalidEvolution) -> Self {
        let InvalidEvolution { step, op, flaw } = error;
        let message = match &flaw {
            Flaw::Name(_) => "the name of a step cannot be used",
            Flaw::Reason(_) => "the reason to redefine a step cannot be used",
            Flaw::NoStep => "there is no step to redefine",
            Flaw::DuplicateName => "two steps have the same name",
            Flaw::NoIdentity => "the identity of a function is empty",
            Flaw::DuplicateIdentity => "two different functions have the same identity",
            Flaw::Paths(PathsFlaw::Empty) => "a function is declared on no paths",
            Flaw::Paths(PathsFlaw::Path(_)) => "a path of a function is malformed",
            Flaw::Paths(PathsFlaw::WholeDocument) => "a path of a function is the whole document",
            Flaw::Paths(PathsFlaw::Within(_)) => "a path of a function is within another one, or the same",
            Flaw::TooMany => "more steps than schema versions can be counted",
            Flaw::Entry(_) => "a step is too large, or nests too deeply, to be kept in a store",
            Flaw::Op(OpFlaw::Path(_)) => "a path in a step is malformed",
            Flaw::Op(OpFlaw::WholeDocument) => "an op needs a path within the document",
            Flaw::Op(OpFlaw::Same) => "an op has the same source and target",
            Flaw::Op(OpFlaw::Within) => "an op would move something into or out of itself",
            Flaw::Op(OpFlaw::OtherObject) => "a rename names a field of another object: that is a move",
            Flaw::Op(OpFlaw::Constant) => {
                "a value in a step cannot be stored exactly as JSON, or nests too deeply"
            }
            Flaw::Op(OpFlaw::Modifier { .. }) => "something was said of an op that it has nothing to do with",
            Flaw::Op(OpFlaw::Empty) => "an op has an empty separator or table, or too few parts",
            Flaw::Op(OpFlaw::TooDeep) => "ops within ops, or conditions, nest too deeply",
            Flaw::Op(OpFlaw::Astray(_)) => "a path leads into what an earlier op has made a scalar or a list",
            Flaw::Op(OpFlaw::Unknown) => "there is no such op",
            Flaw::Op(OpFlaw::Member(_)) => "an op lacks a member, or has one of the wrong type",
            Flaw::Op(OpFlaw::ExtraMember(_)) => "an op has a member that it does not know",
        };
        let mut public = Self::new(ErrorKind::InvalidEvolution, message).with_step(&step);
        if let Some(op) = op {
            public = public.with_op(&op);
        }
        match flaw {
            Flaw::Name(reason) | Flaw::Reason(reason) => public.with_detail("reason", reason),
            Flaw::Entry(reason) => public.with_detail("reason", reason),
            Flaw::Op(OpFlaw::Member(member)) => public.with_detail("member", member),
            Flaw::Op(OpFlaw::ExtraMember(member)) => public.with_detail("member", format!("{member:?}")),
            Flaw::Op(OpFlaw::Modifier { name, of }) => {
                public.with_detail("because", format!("`{name}` is for {of}"))
            }
            Flaw::Paths(PathsFlaw::Within(path)) | Flaw::Op(OpFlaw::Astray(path)) => public.with_path(path),
            Flaw::Paths(PathsFlaw::Path(path)) | Flaw::Op(OpFlaw::Path(path)) => {
                public.with_path(path.text()).with_source(path)
            }
            _ => public,
        }
    }
}
