//! Why a record could not be made or read.

use crate::error::error::Error;
use crate::error::kind::ErrorKind;

/// Why a record could not be made or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvelopeError {
    /// Met on the way in. All others are met in stored records.
    #[error("a record is too large")]
    TooLarge { bytes: usize },
    #[error("a record ends before its header")]
    Truncated,
    #[error("a record has an unknown envelope format")]
    Format { found: u8 },
    #[error("a checksum does not match")]
    Checksum { chunk: u32 },
    #[error("a header is malformed")]
    Header,
    #[error("a header has unknown flags")]
    Flags { found: u8 },
    #[error("a body has an unknown format")]
    BodyFormat { found: u8 },
    #[error("a complement is longer than its record")]
    Complement { bytes: u32 },
    #[error("a header tells of too many chunks")]
    ChunkCount { chunks: u32 },
    #[error("a chunk is missing")]
    MissingChunk { chunk: u32 },
    #[error("there are more chunks than the header tells of")]
    UnexpectedChunk { chunk: u32 },
    #[error("a chunk is empty")]
    EmptyChunk { chunk: u32 },
}

impl From<EnvelopeError> for Error {
    fn from(error: EnvelopeError) -> Self {
        match error {
            EnvelopeError::TooLarge { bytes } => {
                Self::new(ErrorKind::TooLarge, "the document and what is kept beside it are too large")
                    .with_detail("bytes", bytes)
            }
            // These are found only after the checksum has been found right.
            EnvelopeError::Flags { found } | EnvelopeError::BodyFormat { found } => {
                Self::new(ErrorKind::NewerFormat, "a record was written in a way this release does not know")
                    .with_detail("found", found)
                    .with_source(error)
            }
            EnvelopeError::Checksum { chunk }
            | EnvelopeError::MissingChunk { chunk }
            | EnvelopeError::UnexpectedChunk { chunk }
            | EnvelopeError::EmptyChunk { chunk } => {
                Self::new(ErrorKind::Corrupt, "a stored record is damaged")
                    .with_detail("chunk", chunk)
                    .with_source(error)
            }
            _ => Self::new(ErrorKind::Corrupt, "a stored record is damaged").with_source(error),
        }
    }
}
