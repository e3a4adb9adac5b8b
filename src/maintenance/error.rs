//! What can be wrong with a line that is imported, besides its JSON.

use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::model::stamp::Stamp;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("the line is too long")]
    TooLong { limit: usize },
    #[error("the document has no field for its id")]
    NoId { field: String },
    #[error("the field for the id is neither an integer nor a text")]
    IdType { field: String },
    #[error("the input is a full export, which is read by full()")]
    Full,
    #[error("the input is not a full export: it does not begin with the line of one")]
    NotFull,
    #[error("the export was written by a newer release")]
    Newer { format: u64 },
    #[error("the line is not one that a full export has")]
    LineType,
    #[error("the line lacks a member, or has another type of value there")]
    Member { name: &'static str },
    #[error("a name is used before the line that introduces it")]
    Unannounced { name: String },
    #[error("the export is of several collections, and can be imported into a store only")]
    SeveralCollections,
    #[error("the step has another fingerprint")]
    Fingerprint { computed: Stamp },
    #[error("no line tells how the document's stamp came to be")]
    Stamp { stamp: Stamp },
    #[error("lines follow the end of the export")]
    AfterEnd,
    #[error("the export has been cut short: it lacks the line that ends it")]
    CutShort,
    #[error("the export does not have as many documents as its last line says")]
    Count { told: u64, found: u64 },
}

impl From<Flaw> for Error {
    fn from(flaw: Flaw) -> Self {
        let text = |message| Self::new(ErrorKind::InvalidText, message);
        match flaw {
            Flaw::TooLong { limit } => {
                Self::new(ErrorKind::TooLarge, "the line is too long").with_detail("limit", limit)
            }
            Flaw::NoId { field } => text("the document has no field for its id").with_path(field),
            Flaw::IdType { field } => {
                text("the field for the id is neither an integer nor a text").with_path(field)
            }
            Flaw::Full => text("the input is a full export, which is read by full()"),
            Flaw::NotFull => text("the input is not a full export: it does not begin with the line of one"),
            Flaw::Newer { format } => {
                Self::new(ErrorKind::NewerFormat, "the export was written by a newer release")
                    .with_detail("format", format)
            }
            Flaw::LineType => text("the line is not one that a full export has"),
            Flaw::Member { name } => text("the line lacks a member, or has another type of value there")
                .with_detail("member", name),
            Flaw::Unannounced { name } => text("a name is used before the line that introduces it")
                .with_detail("name", format!("{name:?}")),
            Flaw::SeveralCollections => {
                text("the export is of several collections, and can be imported into a store only")
            }
            Flaw::Fingerprint { computed } => {
                text("the step has another fingerprint").with_detail("computed", computed)
            }
            Flaw::Stamp { stamp } => {
                text("no line tells how the document's stamp came to be").with_stamp(stamp)
            }
            Flaw::AfterEnd => text("lines follow the end of the export"),
            Flaw::CutShort => text("the export has been cut short: it lacks the line that ends it"),
            Flaw::Count { told, found } => {
                text("the export does not have as many documents as its last line says")
                    .with_detail("told", told)
                    .with_detail("found", found)
            }
        }
    }
}
