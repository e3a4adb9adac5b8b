//! What a verification finds.

use std::fmt;

use crate::error::error::Error;

/// What kind of damage.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Damage {
    /// The meta key is not one, or not that of the last commit.
    Meta,
    /// Keys or values as a whole are not those that were committed: something is lost, has come back, or was changed.
    Content,
    /// A key is not one that this release writes.
    Key,
    /// A record's checksum, header or chunks.
    Record,
    /// A document's body, or what is kept beside it, is malformed.
    Body,
    /// Collections, kinds or steps contradict themselves, or a document has one that the catalog does not know.
    Catalog,
    /// A counter is not the number of documents that it counts.
    Census,
    /// An index has what its documents do not give it, or lacks what they do.
    Index,
    /// The medium, beside keys and values.
    Medium,
}

impl Damage {
    const fn text(self) -> &'static str {
        match self {
            Self::Meta => "meta key",
            Self::Content => "content",
            Self::Key => "key",
            Self::Record => "record",
            Self::Body => "body",
            Self::Catalog => "catalog",
            Self::Census => "census",
            Self::Index => "index",
            Self::Medium => "medium",
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A piece of damage.
#[derive(Debug)]
pub struct Finding {
    damage: Damage,
    error: Error,
}

impl Finding {
    pub(crate) fn new(damage: Damage, error: Error) -> Self {
        Self { damage, error }
    }

    pub(crate) fn into_error(self) -> Error {
        self.error
    }

    /// What kind of damage.
    #[must_use]
    pub fn damage(&self) -> Damage {
        self.damage
    }

    /// What it is; its [context](Error::context) says where: collection and id of the document, its kind and stamp, as far as they can be told.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.damage, self.error)
    }
}
