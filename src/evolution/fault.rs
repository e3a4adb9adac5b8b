//! Why a step failed on a document.

use std::error::Error as StdError;

use crate::encoding::body::error::{BodyError, Fault as BodyFault};
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::value::path::Path;

/// An error of user code.
pub(crate) type Cause = Box<dyn StdError + Send + Sync>;

/// Why a step failed on a document, and where in step and document.
#[derive(Debug, thiserror::Error)]
#[error("step failed: {fault}: step {step:?}{}{}", .op.as_ref().map(|op| format!(", op {op}")).unwrap_or_default(), .path.as_ref().map(|path| format!(", path {:?}", path.to_string())).unwrap_or_default())]
pub(crate) struct StepError {
    pub(crate) step: String,
    /// Its position in the step, from 1, and its name.
    pub(crate) op: Option<String>,
    pub(crate) path: Option<Path>,
    #[source]
    pub(crate) fault: Fault,
}

/// What is wrong with the document, or with the function.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("there is something at the target already")]
    Collision,
    #[error("the path leads into a value that is not an object")]
    NoMembers,
    #[error("an element of a list cannot be taken out or put in by its index")]
    Element,
    #[error("the value is not a list")]
    NotAList,
    #[error("the value is not an object")]
    NotAnObject,
    #[error("the value is not a text")]
    NotText,
    #[error("the value is not convertible")]
    Inconvertible {
        /// The beginning of it, as JSON.
        value: String,
        /// What it should have become.
        to: &'static str,
    },
    #[error("this release does not know the op")]
    Opaque,
    #[error("the function has no downcast")]
    NoDowncast,
    #[error("the function panicked: {message}")]
    Panicked { message: Box<str> },
    #[error("the function has left something where it was declared to do nothing")]
    Undeclared { path: Path },
    #[error(
        "what the function has left cannot be put back: its path leads into a value that is not an object"
    )]
    NoPlace { path: Path },
    #[error("the function gave an error")]
    Function(#[source] Cause),
    #[error("the body cannot be read or written")]
    Body(#[from] BodyError),
}

impl Fault {
    /// Where in the document, if that is known.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Undeclared { path } | Self::NoPlace { path } => Some(path),
            _ => None,
        }
    }

    /// In words that never vary.
    fn message(&self) -> &'static str {
        match self {
            Self::Collision => "a step failed: there is something at the target already",
            Self::NoMembers => "a step failed: the path leads into a value that is not an object",
            Self::Element => "a step failed: an element of a list cannot be taken out or put in by its index",
            Self::NotAList => "a step failed: the value is not a list",
            Self::NotAnObject => "a step failed: the value is not an object",
            Self::NotText => "a step failed: the value is not a text",
            Self::Inconvertible { .. } => "a step failed: the value is not convertible",
            Self::Opaque => "a step failed: this release does not know the op",
            Self::NoDowncast => "a step failed: the function has no downcast",
            Self::Panicked { .. } => "a step failed: the function panicked",
            Self::Undeclared { .. } => {
                "a step failed: the function has left something where it was declared to do nothing"
            }
            Self::NoPlace { .. } => {
                "a step failed: a path of the function leads into a value that is not an object"
            }
            Self::Function(_) => "a step failed: the function gave an error",
            Self::Body(_) => "a step failed: the body cannot be read or written",
        }
    }
}

impl From<StepError> for Error {
    fn from(error: StepError) -> Self {
        let StepError { step, op, path, fault } = error;
        let mut public = match fault {
            // That is not the step's doing.
            Fault::Body(ref error) if matches!(error.fault(), BodyFault::Malformed { .. }) => {
                Self::new(ErrorKind::Corrupt, "the bytes of the body are malformed")
            }
            _ => Self::new(ErrorKind::StepFailed, fault.message()),
        };
        public = public.with_step(&step);
        if let Some(op) = op {
            public = public.with_op(&op);
        }
        if let Some(path) = path {
            public = public.with_path(path);
        }
        match fault {
            Fault::Function(cause) => public.with_source(cause),
            Fault::Inconvertible { value, to } => public.with_detail("value", value).with_detail("to", to),
            Fault::Panicked { message } => public.with_detail("panic", message),
            Fault::Body(error) => public.with_source(error),
            _ => public,
        }
    }
}
