//! Why a body could not be written or read.

use std::fmt;

use crate::error::error::Error;
use crate::error::kind::ErrorKind;

/// Why a body could not be written or read, and where in it. One word wide; the path is put together only while the
/// error travels upwards, so success pays nothing for it.
pub(crate) struct BodyError(Box<Inner>);

struct Inner {
    fault: Fault,
    /// The innermost first.
    path: Vec<Segment>,
}

enum Segment {
    Key(Box<str>),
    Index(usize),
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// JSON, as far as it can be stored exactly, has no such value.
    #[error("the value cannot be stored exactly as JSON: {reason}")]
    NotRepresentable { reason: &'static str },
    /// The value's own `Serialize` gave up.
    #[error("the value could not be serialized: {message}")]
    Refused { message: Box<str> },
    /// An object would hold a key twice.
    #[error("the key occurs twice in its object")]
    DuplicateKey,
    /// More containers within each other than the limit.
    #[error("the value nests deeper than {limit}")]
    TooDeep { limit: usize },
    /// More bytes than the limit.
    #[error("the value has more than {limit} bytes")]
    TooLarge { limit: usize },
    /// Bytes that no value has.
    #[error("the bytes of the body are malformed: {reason}")]
    Malformed { reason: &'static str },
    /// The value is not one that the type accepts.
    #[error("the value does not fit the type: {message}")]
    Mismatch { message: Box<str> },
}

impl BodyError {
    #[cold]
    pub(crate) fn new(fault: Fault) -> Self {
        Self(Box::new(Inner { fault, path: Vec::new() }))
    }

    #[cold]
    pub(crate) fn not_representable(reason: &'static str) -> Self {
        Self::new(Fault::NotRepresentable { reason })
    }

    #[cold]
    pub(crate) fn malformed(reason: &'static str) -> Self {
        Self::new(Fault::Malformed { reason })
    }

    #[cold]
    pub(crate) fn refused(message: impl fmt::Display) -> Self {
        Self::new(Fault::Refused { message: message.to_string().into() })
    }

    #[cold]
    pub(crate) fn mismatch(message: impl fmt::Display) -> Self {
        Self::new(Fault::Mismatch { message: message.to_string().into() })
    }

    /// What is wrong.
    pub(crate) fn fault(&self) -> &Fault {
        &self.0.fault
    }

    /// Where, as a JSON Pointer; empty for the whole body.
    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        for segment in self.0.path.iter().rev() {
            path.push('/');
            match segment {
                Segment::Key(key) => path.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Segment::Index(index) => path.push_str(&index.to_string()),
            }
        }
        path
    }

    /// The same error, seen from the object that has the value as `key`.
    #[cold]
    pub(crate) fn under_key(self, key: &str) -> Self {
        self.under(Segment::Key(key.into()))
    }

    /// The same error, seen from the object that has the value as a key which need not be UTF-8.
    #[cold]
    pub(crate) fn under_key_bytes(self, key: &[u8]) -> Self {
        self.under_key(&String::from_utf8_lossy(key))
    }

    /// The same error, seen from the array that has the value at `index`.
    #[cold]
    pub(crate) fn under_index(self, index: usize) -> Self {
        self.under(Segment::Index(index))
    }

    fn under(mut self, segment: Segment) -> Self {
        // Where a body became too large says more about buffers than about the body.
        if !matches!(self.0.fault, Fault::TooLarge { .. }) {
            self.0.path.push(segment);
        }
        self
    }
}

impl fmt::Debug for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyError").field("fault", &self.0.fault).field("path", &self.path()).finish()
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        fmt::Display::fmt(&self.0.fault, f)?;
        if path.is_empty() { Ok(()) } else { write!(f, ", at {path}") }
    }
}

impl std::error::Error for BodyError {}

impl serde::ser::Error for BodyError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::refused(message)
    }
}

impl serde::de::Error for BodyError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::mismatch(message)
    }
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        let path = error.path();
        let public = match error.0.fault {
            Fault::NotRepresentable { reason } => {
                Self::new(ErrorKind::NotRepresentable, "the value cannot be stored exactly as JSON")
                    .with_detail("reason", reason)
            }
            Fault::Refused { message } => {
                Self::new(ErrorKind::NotRepresentable, "the value could not be serialized")
                    .with_detail("reason", message)
            }
            Fault::DuplicateKey => {
                Self::new(ErrorKind::NotRepresentable, "the key occurs twice in its object")
            }
            Fault::TooDeep { limit } => {
                Self::new(ErrorKind::TooDeep, "the value nests too deeply").with_detail("limit", limit)
            }
            Fault::TooLarge { limit } => {
                Self::new(ErrorKind::TooLarge, "the value is too large").with_detail("limit", limit)
            }
            Fault::Malformed { reason } => {
                Self::new(ErrorKind::Corrupt, "the bytes of the body are malformed")
                    .with_detail("reason", reason)
            }
            Fault::Mismatch { message } => {
                Self::new(ErrorKind::Mismatch, "the document does not fit the type")
                    .with_detail("reason", message)
            }
        };
        if path.is_empty() { public } else { public.with_path(path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_word() {
        assert_eq!(size_of::<Result<(), BodyError>>(), size_of::<usize>());
    }

    #[test]
    fn the_path_is_a_json_pointer() {
        let error = BodyError::not_representable("NaN").under_key("a/b~c").under_index(3).under_key("");
        assert_eq!(error.path(), "//3/a~1b~0c");
        let public = Error::from(error);
        assert_eq!(public.kind(), ErrorKind::NotRepresentable);
        assert_eq!(public.context().path(), Some("//3/a~1b~0c"));
        assert_eq!(public.context().detail("reason"), Some("NaN"));
        assert_eq!(Error::from(BodyError::malformed("x")).context().path(), None);
    }
}
