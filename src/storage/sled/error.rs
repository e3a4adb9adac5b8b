//! sled's errors in our words.

use std::any::Any;

use crate::storage::backend::{BackendError, Failure};

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
    use std::io;

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
}
