//! Why a filter, a sort or a projection is not one.

use std::sync::Arc;

use crate::encoding::body::error::BodyError;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::value::path::InvalidPath;

/// Why a filter, a sort or a projection is not one: what is wrong, with which operator and on which path. Cheap to clone, since
/// a query gives it at every use.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{flaw}")]
pub(crate) struct InvalidFilter {
    flaw: Flaw,
    operator: Option<Box<str>>,
    path: Option<Box<str>>,
}

/// What is wrong.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("the operator is not one of those that filters have")]
    UnknownOperator,
    #[error("what the operator is given is not what it takes: {takes}")]
    Operand { takes: &'static str },
    #[error("a filter is an object")]
    NotAnObject,
    #[error("operators and members stand side by side")]
    Mixed,
    #[error("the filter nests too deeply")]
    TooDeep,
    #[error("the path is malformed")]
    Path(#[source] InvalidPath),
    #[error("the value cannot be one of a document's")]
    Value(#[source] Arc<BodyError>),
    #[error("the pattern is not a regular expression")]
    Pattern(#[source] Arc<regex_lite::Error>),
    #[error("the pattern is too large")]
    PatternTooLarge { bytes: usize, limit: usize },
    #[error("a projection is an object of 0 and 1")]
    Projection,
    #[error("a projection takes members in or leaves members out, not both")]
    ProjectionMixed,
    #[error("one path of the projection is within another")]
    ProjectionOverlap,
    #[error("the paths to sort by are given twice, or are too many")]
    Sort { limit: usize },
}

impl InvalidFilter {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self { flaw, operator: None, path: None }
    }

    /// What `operator` takes is something else.
    pub(crate) fn operand(operator: &str, takes: &'static str) -> Self {
        Self::new(Flaw::Operand { takes }).at_operator(operator)
    }

    /// The same, of this operator, unless it is of one within.
    pub(crate) fn at_operator(mut self, operator: &str) -> Self {
        self.operator.get_or_insert_with(|| operator.into());
        self
    }

    /// The same, on this path, unless it is on one within.
    pub(crate) fn at_path(mut self, path: impl ToString) -> Self {
        self.path.get_or_insert_with(|| path.to_string().into());
        self
    }
}

impl From<BodyError> for InvalidFilter {
    fn from(error: BodyError) -> Self {
        Self::new(Flaw::Value(Arc::new(error)))
    }
}

impl From<InvalidPath> for InvalidFilter {
    fn from(error: InvalidPath) -> Self {
        let text = error.text().to_owned();
        Self::new(Flaw::Path(error)).at_path(text)
    }
}

impl From<InvalidFilter> for Error {
    fn from(error: InvalidFilter) -> Self {
        let kind = ErrorKind::InvalidFilter;
        let mut public = match &error.flaw {
            Flaw::UnknownOperator => Self::new(kind, "the filter has an operator that is not known"),
            Flaw::Operand { takes } => {
                Self::new(kind, "an operator of the filter is given what it does not take")
                    .with_detail("takes", takes)
            }
            Flaw::NotAnObject => Self::new(kind, "a filter is an object"),
            Flaw::Mixed => Self::new(kind, "operators and members stand side by side in the filter"),
            Flaw::TooDeep => Self::new(kind, "the filter nests too deeply"),
            Flaw::Path(_) => Self::new(kind, "a path of the filter is malformed"),
            Flaw::Value(_) => Self::new(kind, "a value of the filter cannot be one of a document's"),
            Flaw::Pattern(reason) => Self::new(kind, "a pattern of the filter is not a regular expression")
                .with_detail("reason", reason),
            Flaw::PatternTooLarge { bytes, limit } => Self::new(kind, "a pattern of the filter is too large")
                .with_detail("bytes", bytes)
                .with_detail("limit", limit),
            Flaw::Projection => Self::new(kind, "a projection is an object of 0 and 1"),
            Flaw::ProjectionMixed => {
                Self::new(kind, "a projection takes members in or leaves members out, not both")
            }
            Flaw::ProjectionOverlap => Self::new(kind, "one path of the projection is within another"),
            Flaw::Sort { limit } => {
                Self::new(kind, "a path to sort by is given twice, or there are too many")
                    .with_detail("limit", limit)
            }
        };
        if let Some(operator) = &error.operator {
            public = public.with_detail("operator", operator);
        }
        if let Some(path) = &error.path {
            public = public.with_path(path);
        }
        public.with_source(error)
    }
}
