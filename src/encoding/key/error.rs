//! Why a key could not be made or read.

use crate::error::error::Error;
use crate::error::kind::ErrorKind;

/// Why a key could not be made or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// Met on the way in: the user gave it. All others are met in stored keys.
    #[error("a text id is too long")]
    LongText { bytes: usize },
    #[error("a text id in a key is too long")]
    StoredText { bytes: usize },
    #[error("a key ends before it is complete")]
    Truncated,
    #[error("a key has an unknown version")]
    Version { found: u8 },
    #[error("a key is in another space than expected")]
    Space { found: u8 },
    #[error("a key is in an unknown section of the catalog")]
    Section { found: u8 },
    #[error("an id in a key is of no known type")]
    IdType { found: u8 },
    #[error("an id in a key is a natural number marked as negative")]
    IdSign,
    #[error("a text in a key is escaped wrongly")]
    Escape { found: u8 },
    #[error("a text in a key is not UTF-8")]
    Utf8,
    #[error("a name in a key is empty")]
    Name,
    #[error("bytes follow the end of a key")]
    Trailing { bytes: usize },
    #[error("a chunk in a key has the number zero")]
    ChunkZero,
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::LongText { bytes } => {
                Self::new(ErrorKind::InvalidId, "the id is too long").with_detail("bytes", bytes)
            }
            stored => Self::new(ErrorKind::Corrupt, "a stored key is malformed").with_source(stored),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_users_mistake_from_damage() {
        let long = Error::from(KeyError::LongText { bytes: 2000 });
        assert_eq!((long.kind(), long.context().detail("bytes")), (ErrorKind::InvalidId, Some("2000")));
        let damaged = Error::from(KeyError::Escape { found: 7 });
        assert_eq!(damaged.kind(), ErrorKind::Corrupt);
        assert_eq!(damaged.downcast_ref(), Some(&KeyError::Escape { found: 7 }));
    }
}
