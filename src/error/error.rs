//! The error.

use std::error::Error as StdError;
use std::fmt;

use crate::error::context::Context;
use crate::error::kind::ErrorKind;
use crate::model::id::DocumentId;
use crate::model::stamp::Stamp;

/// What PivotDB's calls give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed: a [kind](Error::kind) to match on, a [context](Error::context) to show, and the cause as its
/// [`source`](std::error::Error::source). One word wide.
///
/// Its text is what happened, where, and what can be done about it. `{:?}` adds each cause on a line of its own, for a `main` that gives a
/// [`Result`]; `{:#?}` shows the parts.
///
/// ```
/// use pivotdb::{ErrorKind, Store};
///
/// let store = Store::memory()?;
/// let notes = store.documents("notes")?;
/// let error = notes.require(7).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.context().collection(), Some("notes"));
/// # Ok::<(), pivotdb::Error>(())
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: &'static str,
    context: Context,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// What a user can do about it, where that is not what is said of the kind.
    advice: Option<&'static str>,
}

impl Error {
    /// `message` is what happened, in words that never vary; what varies goes into the context.
    pub(crate) fn new(kind: ErrorKind, message: &'static str) -> Self {
        Self(Box::new(Inner { kind, message, context: Context::default(), source: None, advice: None }))
    }

    /// An error of the user's own, to leave a closure with. [`Error::downcast_ref`] gives it back.
    ///
    /// ```
    /// # use pivotdb::{Error, ErrorKind};
    /// let error = Error::abort(std::fmt::Error);
    /// assert_eq!(error.kind(), ErrorKind::Aborted);
    /// assert!(error.downcast_ref::<std::fmt::Error>().is_some());
    /// ```
    pub fn abort(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Aborted, "given up by the caller").with_source(cause)
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Where it went wrong.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// The cause, if it is an `E`.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.source.as_deref().and_then(|source| source.downcast_ref())
    }

    /// Whether there was no such document.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// Whether what must be unique was taken: an id, or a value of a unique index.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        matches!(self.kind(), ErrorKind::AlreadyExists | ErrorKind::UniqueViolation)
    }

    /// Whether somebody else changed the document in between, so that reading again and repeating can help.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.kind() == ErrorKind::Conflict
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// With what a user can do about it, where the advice of its kind does not fit.
    pub(crate) fn with_advice(mut self, advice: &'static str) -> Self {
        self.0.advice = Some(advice);
        self
    }

    pub(crate) fn with_collection(mut self, name: &str) -> Self {
        self.0.context.collection = Some(name.to_owned());
        self
    }

    /// With the collection, where none is named yet.
    pub(crate) fn in_collection(self, name: &str) -> Self {
        if self.0.context.collection.is_some() { self } else { self.with_collection(name) }
    }

    /// With the document it is about. An error that user code brought from elsewhere has named its own collection, and keeps it.
    pub(crate) fn in_document(self, collection: &str, id: &DocumentId) -> Self {
        let Context { collection: known, id: known_id, .. } = &self.0.context;
        match (known, known_id) {
            (Some(_), Some(_)) => self,
            (Some(known), None) if known != collection => self,
            _ => self.with_collection(collection).with_id(id),
        }
    }

    /// With kind and stamp of the document it is about, unless it is about one of another place.
    pub(crate) fn in_kind(self, kind: &str, stamp: Stamp) -> Self {
        if self.0.context.collection.is_some() {
            return self;
        }
        self.with_document_kind(kind).with_stamp(stamp)
    }

    pub(crate) fn with_id(mut self, id: &DocumentId) -> Self {
        self.0.context.id = Some(id.clone());
        self
    }

    pub(crate) fn with_document_kind(mut self, kind: &str) -> Self {
        self.0.context.kind = Some(kind.to_owned());
        self
    }

    pub(crate) fn with_stamp(mut self, stamp: Stamp) -> Self {
        self.0.context.stamp = Some(stamp);
        self
    }

    pub(crate) fn with_step(mut self, step: &str) -> Self {
        self.0.context.step = Some(step.to_owned());
        self
    }

    pub(crate) fn with_op(mut self, op: &str) -> Self {
        self.0.context.op = Some(op.to_owned());
        self
    }

    pub(crate) fn with_path(mut self, path: impl fmt::Display) -> Self {
        self.0.context.path = Some(path.to_string());
        self
    }

    pub(crate) fn with_detail(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.details.push((name, value.to_string()));
        self
    }
}

impl Error {
    /// Its causes, the nearest first.
    fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        std::iter::successors(StdError::source(self), |cause: &&(dyn StdError + 'static)| {
            let cause: &'_ (dyn StdError + 'static) = *cause;
            cause.source()
        })
    }

    /// What happened, where, and what can be done about it; in between its causes, if `causes` says so.
    fn write(&self, f: &mut fmt::Formatter<'_>, causes: bool) -> fmt::Result {
        let Inner { kind, message, context, advice, .. } = &*self.0;
        f.write_str(message)?;
        if *context != Context::default() {
            write!(f, ": {context}")?;
        }
        if causes {
            self.causes().try_for_each(|cause| write!(f, ": {cause}"))?;
        }
        match advice.unwrap_or(kind.advice()) {
            "" => Ok(()),
            advice => write!(f, " ({advice})"),
        }
    }
}

impl fmt::Display for Error {
    /// With its causes where the text says nothing without them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, matches!(self.kind(), ErrorKind::Aborted | ErrorKind::Io))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            let Inner { kind, message, context, source, advice } = &*self.0;
            return f
                .debug_struct("Error")
                .field("kind", kind)
                .field("message", message)
                .field("context", &format_args!("{context}"))
                .field("source", source)
                .field("advice", &advice.unwrap_or(kind.advice()))
                .finish();
        }
        self.write(f, false)?;
        self.causes().try_for_each(|cause| write!(f, "\ncaused by: {cause}"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_word_and_crosses_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn displays_text_then_fields_then_advice() {
        let error = Error::new(ErrorKind::AlreadyExists, "the id is taken")
            .with_collection("users")
            .with_id(&DocumentId::from("ada"))
            .with_detail("limit", 3);
        assert_eq!(
            error.to_string(),
            "the id is taken: collection \"users\", id \"ada\", limit 3 (use put or overwrite to write over it)"
        );
        assert_eq!(Error::new(ErrorKind::Cancelled, "stopped").to_string(), "stopped");
    }

    #[test]
    fn debugs_as_what_main_prints() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::io::Error);

        let error = Error::new(ErrorKind::Locked, "the store is open")
            .with_detail("directory", "here")
            .with_source(Outer(std::io::Error::other("inner")));
        assert_eq!(
            format!("{error:?}"),
            "the store is open: directory here (close the other one, or set a lock timeout)\ncaused by: outer\ncaused by: inner"
        );
        let parts = format!("{error:#?}");
        assert!(parts.starts_with("Error {") && parts.contains("kind: Locked"), "{parts}");
    }

    #[test]
    fn says_what_the_caller_and_the_system_said() {
        assert_eq!(Error::abort("not enough").to_string(), "given up by the caller: not enough");
        assert_eq!(
            format!("{:?}", Error::abort("not enough")),
            "given up by the caller\ncaused by: not enough"
        );
        let error = Error::new(ErrorKind::Io, "no").with_detail("file", "f");
        assert_eq!(error.with_source(std::io::Error::other("disk")).to_string(), "no: file f: disk");
    }

    #[test]
    fn advice_of_its_own_stands_for_that_of_its_kind() {
        let error = Error::new(ErrorKind::TooLarge, "large").with_advice("less");
        assert_eq!(error.to_string(), "large (less)");
    }

    #[test]
    fn keeps_its_source() {
        let error = Error::new(ErrorKind::Io, "no").with_source(std::io::Error::other("disk"));
        assert_eq!(StdError::source(&error).map(ToString::to_string), Some("disk".to_owned()));
        assert!(error.downcast_ref::<std::io::Error>().is_some());
    }
}
