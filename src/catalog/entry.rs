//! Catalog entries as records.

use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
use crate::encoding::envelope::error::EnvelopeError;
use crate::encoding::envelope::header::Header;
use crate::encoding::envelope::record::{Draft, Sealed};
use crate::error::error::Error;
use crate::model::revision::Revision;
use crate::model::stamp::{Fingerprint, Stamp};
use crate::model::time::Timestamp;
use crate::stored::record::Record;
use serde_json::Value;

/// The kind and stamp of every catalog entry.
const HEADER_KIND: u32 = 0;
const HEADER_STAMP: Stamp = Stamp { schema_version: 0, fingerprint: Fingerprint::new(0) };

#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// The record of an entry that is written at `key`.
pub(crate) fn seal(key: &[u8], entry: Value) -> Result<Sealed, EntryError> {
    let now = Timestamp::now();
    let header = Header {
        kind: HEADER_KIND,
        stamp: HEADER_STAMP,
        revision: Revision::FIRST,
        created: now,
        updated: now,
    };
    let body = Node::from_value(entry)?.to_bytes(Limits::default())?;
    let (draft, mut value) = Draft::begin(&header, &[], body.len())?;
    value.extend(body);
    Ok(draft.seal(key, value)?)
}

/// The entry of a record.
pub(crate) fn open(record: &Record) -> Result<Value, EntryError> {
    Ok(Raw::new(record.body())?.to_value()?)
}

impl From<EntryError> for Error {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Body(error) => error.into(),
            EntryError::Envelope(error) => error.into(),
        }
    }
}
