//! What can go wrong when a store is opened, and sled's errors in our words.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::storage::backend::{BackendError, Failure, is_out_of_space};

/// Why a store directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("there is no store in the directory")]
    NoStore { directory: PathBuf },
    #[error("the directory holds something that is not a store")]
    Foreign { directory: PathBuf, found: String },
    #[error("the store was written by a newer release")]
    NewerFormat { directory: PathBuf, format: u64 },
    #[error("the store is open in another process or by another handle")]
    Locked { directory: PathBuf },
    #[error("an option is out of its range")]
    Option { option: &'static str, value: u64 },
    #[error("the store directory is damaged")]
    Damaged { directory: PathBuf, damage: &'static str },
    #[error("the store directory could not be read or written")]
    Io { path: PathBuf, source: io::Error },
    #[error("the sled database could not be opened")]
    Sled { directory: PathBuf, source: BackendError },
}

impl OpenError {
    /// For `map_err`: the error of an access to `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoStore { .. } => ErrorKind::NoStore,
            Self::Foreign { .. } => ErrorKind::ForeignDirectory,
            Self::NewerFormat { .. } => ErrorKind::NewerFormat,
            Self::Locked { .. } => ErrorKind::Locked,
            Self::Option { .. } => ErrorKind::InvalidOption,
            Self::Damaged { .. } => ErrorKind::Corrupt,
            Self::Io { source, .. } if is_out_of_space(source) => ErrorKind::OutOfSpace,
            Self::Io { .. } => ErrorKind::Io,
            // What sled breaks on while it recovers is what it finds on the medium.
            Self::Sled { source, .. } if source.failure == Failure::Broken => ErrorKind::Corrupt,
            Self::Sled { source, .. } => source.failure.kind(),
        }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        let message = match &error {
            OpenError::NoStore { .. } => "there is no store in the directory",
            OpenError::Foreign { .. } => "the directory holds something that is not a store",
            OpenError::NewerFormat { .. } => "the store was written by a newer release",
            OpenError::Locked { .. } => "the store is open in another process or by another handle",
            OpenError::Option { .. } => "an option is out of its range",
            OpenError::Damaged { .. } => "the store directory is damaged",
            OpenError::Io { .. } => "the store directory could not be read or written",
            OpenError::Sled { .. } => "the sled database could not be opened",
        };
        let told = Self::new(error.kind(), message);
        match error {
            OpenError::NoStore { directory } | OpenError::Locked { directory } => {
                told.with_detail("directory", directory.display())
            }
            OpenError::Foreign { directory, found } => told
                .with_detail("directory", directory.display())
                .with_detail("found", format_args!("{found:?}")),
            OpenError::NewerFormat { directory, format } => {
                told.with_detail("directory", directory.display()).with_detail("format", format)
            }
            OpenError::Option { option, value } => {
                told.with_detail("option", option).with_detail("value", value)
            }
            OpenError::Damaged { directory, damage } => {
                told.with_detail("directory", directory.display()).with_detail("damage", damage)
            }
            OpenError::Io { path, source } => told.with_detail("file", path.display()).with_source(source),
            OpenError::Sled { directory, source } => {
                told.with_detail("directory", directory.display()).with_source(source)
            }
        }
    }
}

/// sled's error in our words. Its type goes no further: the source is the operating system's error, or sled's text.
pub(super) fn translate(error: ::sled::Error) -> BackendError {
    use ::sled::Error as Sled;
    match error {
        Sled::Io(source) if says_out_of_space(&source.to_string()) => {
            BackendError::new(Failure::OutOfSpace, "the medium is full").with_source(source)
        }
        Sled::Io(source) => BackendError::io("sled could not read or write its files", source),
        Sled::Corruption { .. } => BackendError::new(Failure::Corrupt, "sled found damage in its files")
            .with_source(error.to_string()),
        Sled::CollectionNotFound(_) | Sled::Unsupported(_) | Sled::ReportableBug(_) => {
            let text = error.to_string();
            let full = says_out_of_space(&text);
            let failure = if full { Failure::OutOfSpace } else { Failure::Broken };
            let message = if full { "the medium is full" } else { "sled refused" };
            BackendError::new(failure, message).with_source(text)
        }
    }
}

/// sled hands errors from thread to thread as text inside others.
fn says_out_of_space(text: &str) -> bool {
    ["StorageFull", "QuotaExceeded", "No space left on device", "os error 28)"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// A panic of sled's.
pub(super) fn panicked(payload: &(dyn Any + Send)) -> BackendError {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    BackendError::new(Failure::Broken, "sled panicked").with_source(text)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_failures_also_inside_text() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let nested = io::Error::other(format!("{full:?}"));
        let failures = [
            ::sled::Error::Io(full),
            ::sled::Error::Io(nested),
            ::sled::Error::ReportableBug("write failed: No space left on device (os error 28)".into()),
            ::sled::Error::Io(io::Error::other("cable")),
            ::sled::Error::ReportableBug("io thread died".into()),
            ::sled::Error::Unsupported("os error 281".into()),
        ]
        .map(|error| translate(error).failure);
        use Failure::{Broken, Io, OutOfSpace};
        assert_eq!(failures, [OutOfSpace, OutOfSpace, OutOfSpace, Io, Broken, Broken]);
    }

    #[test]
    fn an_error_keeps_its_cause_and_names_the_directory() {
        let source = BackendError::io("no", io::Error::other("cable"));
        let error = Error::from(OpenError::Sled { directory: "here".into(), source });
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(error.context().detail("directory"), Some("here"));
        let cause = error.source().and_then(|cause| cause.source()).map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("cable"));
    }
}
