//! Why a text could not be read or written.

use std::borrow::Cow;
use std::io;

use crate::encoding::body::error::BodyError;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;

/// Why a text was refused, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub(crate) struct TextError {
    pub(crate) fault: TextFault,
    /// From the number the caller gave the first line.
    pub(crate) line: u64,
    /// In characters, from 1. A byte order mark is none.
    pub(crate) column: u64,
    pub(crate) message: Cow<'static, str>,
}

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TextFault {
    Syntax,
    DuplicateKey,
    /// An integer, written as one, outside `i64::MIN..=u64::MAX`.
    IntegerRange,
    /// A float beyond the greatest f64.
    FloatRange,
    TooDeep,
    /// Found where the body has to grow or at its end, so its place may be the beginning of the text.
    TooLarge,
}

impl From<TextError> for Error {
    fn from(error: TextError) -> Self {
        let (kind, message) = match error.fault {
            TextFault::Syntax => (ErrorKind::InvalidText, "the text is not JSON"),
            TextFault::DuplicateKey => (ErrorKind::InvalidText, "the text has a key twice in one object"),
            TextFault::IntegerRange => (ErrorKind::InvalidText, "the text has an integer outside 64 bits"),
            TextFault::FloatRange => {
                (ErrorKind::InvalidText, "the text has a number beyond the greatest float")
            }
            TextFault::TooDeep => (ErrorKind::TooDeep, "the text nests too deeply"),
            TextFault::TooLarge => (ErrorKind::TooLarge, "the text's value is too large"),
        };
        Self::new(kind, message)
            .with_detail("line", error.line)
            .with_detail("column", error.column)
            .with_detail("reason", &error.message)
    }
}

/// Why a text could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrintError {
    #[error("the text could not be written out")]
    Io(#[source] io::Error),
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl From<PrintError> for Error {
    fn from(error: PrintError) -> Self {
        match error {
            PrintError::Io(error) => {
                let kind = match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::OutOfSpace,
                    _ => ErrorKind::Io,
                };
                Self::new(kind, "the text could not be written out").with_source(error)
            }
            PrintError::Body(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_and_column_reach_the_user() {
        let text = TextError { fault: TextFault::IntegerRange, line: 7, column: 3, message: "1e".into() };
        assert_eq!(text.to_string(), "line 7, column 3: 1e");
        let error = Error::from(text.clone());
        assert_eq!(error.kind(), ErrorKind::InvalidText);
        assert_eq!(
            (error.context().detail("line"), error.context().detail("column")),
            (Some("7"), Some("3"))
        );
        assert_eq!(Error::from(TextError { fault: TextFault::TooDeep, ..text }).kind(), ErrorKind::TooDeep);
        let full = PrintError::Io(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(Error::from(full).kind(), ErrorKind::OutOfSpace);
    }
}
