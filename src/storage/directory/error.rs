//! What can go wrong when a store directory is opened.

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
    #[error("the path is a file, and a store is a directory")]
    NotADirectory { file: PathBuf },
    #[error("the store was written by a newer release")]
    NewerFormat { directory: PathBuf, format: u64 },
    #[error("the store was made with another backend")]
    WrongBackend { directory: PathBuf, made_with: String, accepted: String },
    #[error("the program is built without the backend that the store was made with")]
    NotBuiltIn { directory: PathBuf, made_with: String, built_in: String },
    #[error("the store is open in another process or by another handle")]
    Locked { directory: PathBuf },
    #[error("an option is out of its range")]
    Option { option: &'static str, value: u64 },
    #[error("the store directory is damaged")]
    Damaged { directory: PathBuf, damage: &'static str },
    #[error("the store directory could not be read or written")]
    Io { path: PathBuf, source: io::Error },
    #[error("the backend could not open its files")]
    Backend { directory: PathBuf, backend: &'static str, source: BackendError },
}

impl OpenError {
    /// For `map_err`: the error of an access to `path`.
    pub(in crate::storage) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoStore { .. } => ErrorKind::NoStore,
            Self::Foreign { .. } | Self::NotADirectory { .. } => ErrorKind::ForeignDirectory,
            Self::NewerFormat { .. } => ErrorKind::NewerFormat,
            Self::WrongBackend { .. } | Self::NotBuiltIn { .. } => ErrorKind::WrongBackend,
            Self::Locked { .. } => ErrorKind::Locked,
            Self::Option { .. } => ErrorKind::InvalidOption,
            Self::Damaged { .. } => ErrorKind::Corrupt,
            Self::Io { source, .. } if is_out_of_space(source) => ErrorKind::OutOfSpace,
            Self::Io { .. } => ErrorKind::Io,
            // What a backend breaks on while it recovers is what it finds on the medium.
            Self::Backend { source, .. } if source.failure == Failure::Broken => ErrorKind::Corrupt,
            Self::Backend { source, .. } => source.failure.kind(),
        }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        let message = match &error {
            OpenError::NoStore { .. } => "there is no store in the directory",
            OpenError::Foreign { .. } => "the directory holds something that is not a store",
            OpenError::NotADirectory { .. } => "the path is a file, and a store is a directory",
            OpenError::NewerFormat { .. } => "the store was written by a newer release",
            OpenError::WrongBackend { .. } => "the store was made with another backend",
            OpenError::NotBuiltIn { .. } => {
                "the program is built without the backend that the store was made with"
            }
            OpenError::Locked { .. } => "the store is open in another process or by another handle",
            OpenError::Option { .. } => "an option is out of its range",
            OpenError::Damaged { .. } => "the store directory is damaged",
            OpenError::Io { .. } => "the store directory could not be read or written",
            OpenError::Backend { .. } => "the backend could not open its files",
        };
        let told = Self::new(error.kind(), message);
        match error {
            OpenError::NoStore { directory } | OpenError::Locked { directory } => {
                told.with_detail("directory", directory.display())
            }
            OpenError::Foreign { directory, found } => told
                .with_detail("directory", directory.display())
                .with_detail("found", format_args!("{found:?}")),
            OpenError::NotADirectory { file } => told.with_detail("file", file.display()),
            OpenError::NewerFormat { directory, format } => {
                told.with_detail("directory", directory.display()).with_detail("format", format)
            }
            OpenError::WrongBackend { directory, made_with, accepted } => told
                .with_detail("directory", directory.display())
                .with_detail("made_with", made_with)
                .with_detail("accepted", accepted),
            OpenError::NotBuiltIn { directory, made_with, built_in } => told
                .with_detail("directory", directory.display())
                .with_detail("made_with", made_with)
                .with_detail("built_in", built_in),
            OpenError::Option { option, value } => {
                told.with_detail("option", option).with_detail("value", value)
            }
            OpenError::Damaged { directory, damage } => {
                told.with_detail("directory", directory.display()).with_detail("damage", damage)
            }
            OpenError::Io { path, source } => told.with_detail("file", path.display()).with_source(source),
            OpenError::Backend { directory, backend, source } => told
                .with_detail("directory", directory.display())
                .with_detail("backend", backend)
                .with_source(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_error_keeps_its_cause_and_names_the_directory() {
        let source = BackendError::io("no", io::Error::other("cable"));
        let error = Error::from(OpenError::Backend { directory: "here".into(), backend: "slate", source });
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(error.context().detail("directory"), Some("here"));
        assert_eq!(error.context().detail("backend"), Some("slate"));
        let cause = error.source().and_then(|cause| cause.source()).map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("cable"));
    }
}
