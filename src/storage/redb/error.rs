//! redb's errors in our words.

use std::any::Any;
use std::io;

use crate::storage::backend::{BackendError, Failure};

/// redb's error in our words. Its type goes no further: the source is the operating system's error, or redb's text.
pub(super) fn translate<E: Into<::redb::Error>>(error: E) -> BackendError {
    use ::redb::Error as Redb;
    let error = error.into();
    let told =
        |failure, message, error: &Redb| BackendError::new(failure, message).with_source(error.to_string());
    match error {
        // A file that is too short, or does not begin as one of redb's.
        Redb::Io(source)
            if matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            BackendError::new(Failure::Corrupt, "the file is not a redb database").with_source(source)
        }
        Redb::Io(source) => BackendError::io("redb could not read or write its file", source),
        Redb::Corrupted(_) => told(Failure::Corrupt, "redb found damage in its file", &error),
        Redb::TableDoesNotExist(_)
        | Redb::TableTypeMismatch { .. }
        | Redb::TableIsMultimap(_)
        | Redb::TypeDefinitionChanged { .. } => {
            told(Failure::Corrupt, "the redb database has another content", &error)
        }
        Redb::PreviousIo => told(Failure::Io, "redb could not read its file earlier", &error),
        _ => told(Failure::Broken, "redb refused", &error),
    }
}

/// A panic of redb's.
pub(super) fn panicked(payload: &(dyn Any + Send)) -> BackendError {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    BackendError::new(Failure::Broken, "redb panicked").with_source(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        use Failure::{Broken, Corrupt, Io, OutOfSpace};
        let io = |kind: io::ErrorKind| ::redb::Error::Io(kind.into());
        let failures = [
            io(io::ErrorKind::StorageFull),
            io(io::ErrorKind::PermissionDenied),
            io(io::ErrorKind::InvalidData),
            ::redb::Error::Corrupted("page 7".into()),
            ::redb::Error::TableDoesNotExist("entries".into()),
            ::redb::Error::PreviousIo,
            ::redb::Error::DatabaseClosed,
        ]
        .map(|error| translate(error).failure);
        assert_eq!(failures, [OutOfSpace, Io, Corrupt, Corrupt, Corrupt, Io, Broken]);
    }
}
