//! Why bodies could not be merged.

use crate::encoding::body::error::BodyError;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;

/// Why bodies could not be merged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeError {
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Neither keeping nor giving up what the type does not write makes a body that the type reads as it should.
    #[error("the change cannot be told from what the type does not know")]
    Ambiguous {
        /// Where, as a JSON Pointer into the stored body.
        path: String,
    },
}

impl From<MergeError> for Error {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Body(error) => error.into(),
            MergeError::Ambiguous { path } => {
                Self::new(ErrorKind::Mismatch, "the change cannot be merged into what is stored")
                    .with_path(path)
                    .with_advice("nothing was written; overwrite takes the whole value as it is")
            }
        }
    }
}
