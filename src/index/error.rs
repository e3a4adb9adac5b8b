//! What can be wrong with an index, and what it can refuse.

use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::value::path::Path;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum IndexError {
    #[error("a path of an index is malformed")]
    Path { text: String },
    #[error("the name of an index cannot be used")]
    Name { because: &'static str },
    #[error("an index has one path twice")]
    Twice { path: Path },
    #[error("an index has more paths than are allowed")]
    TooManyComponents,
    #[error("the filter of an index is none")]
    Filter { because: String },
    #[error("there is no index of this name")]
    Unknown,
    #[error("what there is of this name is of programs that see documents in other shapes")]
    LeftBehind,
    #[error("the index is of a kind with steps that this program has not declared")]
    Undeclared,
    #[error("the document has more entries in an index than are allowed")]
    TooManyEntries { limit: usize },
    #[error("the document has lists at several paths of an index")]
    SeveralLists { path: Path, other: Path },
    #[error("values and id of the document are too long for an index")]
    KeyTooLong { bytes: usize },
}

impl From<IndexError> for Error {
    fn from(error: IndexError) -> Self {
        let new = |kind, message| Self::new(kind, message);
        let indexed = |message| new(ErrorKind::NotIndexable, message);
        match error {
            IndexError::Path { text } => {
                new(ErrorKind::InvalidPath, "a path of an index is malformed").with_path(text)
            }
            IndexError::Name { because } => {
                new(ErrorKind::InvalidIndex, "the name of an index cannot be used")
                    .with_detail("because", because)
            }
            IndexError::Twice { path } => {
                new(ErrorKind::InvalidIndex, "an index has one path twice").with_path(path)
            }
            IndexError::TooManyComponents => {
                new(ErrorKind::InvalidIndex, "an index has more paths than are allowed")
            }
            IndexError::Filter { because } => new(ErrorKind::InvalidFilter, "the filter of an index is none")
                .with_detail("because", because),
            IndexError::Unknown => new(ErrorKind::InvalidIndex, "there is no index of this name"),
            IndexError::LeftBehind => new(
                ErrorKind::InvalidIndex,
                "the index was left behind: what there is of it is for programs that see documents in other shapes",
            ),
            IndexError::Undeclared => new(
                ErrorKind::KindRequired,
                "the index is of a kind with steps that this program has not declared, so that its newest shape is not known",
            ),
            IndexError::TooManyEntries { limit } => {
                indexed("the document has more entries in an index than are allowed")
                    .with_detail("limit", limit)
            }
            IndexError::SeveralLists { path, other } => {
                indexed("the document has lists at several paths of an index")
                    .with_path(path)
                    .with_detail("other path", other)
            }
            IndexError::KeyTooLong { bytes } => {
                indexed("values and id of the document are too long for an index").with_detail("bytes", bytes)
            }
        }
    }
}
