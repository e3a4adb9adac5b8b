//! A record that has been read.

use std::sync::Arc;

use crate::encoding::envelope::chunks::Joined;
use crate::encoding::envelope::error::EnvelopeError;
use crate::encoding::envelope::header::Header;
use crate::encoding::envelope::record::Head;
use crate::encoding::key::document;
use crate::storage::bytes::Bytes;

/// A header, a complement and a body. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) header: Header,
    /// Number of the collection that it is in, if it is a document.
    pub(crate) collection: Option<u32>,
    /// How many chunks it is stored in beside its head.
    pub(crate) chunks: u32,
    payload: Payload,
}

#[derive(Debug, Clone)]
enum Payload {
    /// In one value, as the backend gave it.
    Whole {
        value: Bytes,
        complement_at: usize,
        body_at: usize,
    },
    Joined(Arc<Joined>),
}

impl Record {
    /// From the value at `key` alone; `None` where chunks are needed.
    pub(crate) fn whole(key: &[u8], value: &Bytes) -> Result<Option<Self>, EnvelopeError> {
        let head = Head::decode(key, value)?;
        let Some((complement, body)) = head.parts() else { return Ok(None) };
        let body_at = value.len() - body.len();
        let complement_at = body_at - complement.len();
        let payload = Payload::Whole { value: value.clone(), complement_at, body_at };
        let collection = document::collection_of(key);
        Ok(Some(Self { header: head.header, collection, chunks: 0, payload }))
    }

    /// From a value that has just been sealed for `key`, without chunks, and of which so many bytes are complement and body.
    pub(crate) fn sealed(key: &[u8], header: Header, value: Bytes, complement: usize, body: usize) -> Self {
        let collection = document::collection_of(key);
        let body_at = value.len().saturating_sub(body);
        let complement_at = body_at.saturating_sub(complement);
        Self { header, collection, chunks: 0, payload: Payload::Whole { value, complement_at, body_at } }
    }

    /// From the value at `key` and those of its chunks, which `chunk` gives by number.
    pub(crate) fn from_chunks<E: From<EnvelopeError>>(
        key: &[u8],
        value: &Bytes,
        mut chunk: impl FnMut(u32) -> Result<Option<Bytes>, E>,
    ) -> Result<Self, E> {
        if let Some(record) = Self::whole(key, value)? {
            return Ok(record);
        }
        let head = Head::decode(key, value)?;
        let mut joining = head.join(key)?;
        while let Some(number) = joining.missing() {
            let Some(value) = chunk(number)? else { break };
            joining.push(&value)?;
        }
        let joined = Arc::new(joining.finish()?);
        let collection = document::collection_of(key);
        Ok(Self { header: head.header, collection, chunks: head.chunks(), payload: Payload::Joined(joined) })
    }

    pub(crate) fn complement(&self) -> &[u8] {
        match &self.payload {
            Payload::Whole { value, complement_at, body_at } => {
                value.get(*complement_at..*body_at).unwrap_or_default()
            }
            Payload::Joined(joined) => joined.complement(),
        }
    }

    pub(crate) fn body(&self) -> &[u8] {
        match &self.payload {
            Payload::Whole { value, body_at, .. } => value.get(*body_at..).unwrap_or_default(),
            Payload::Joined(joined) => joined.body(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::envelope::record::Draft;
    use crate::model::revision::Revision;
    use crate::model::stamp::{Fingerprint, Stamp};
    use crate::model::time::Timestamp;

    proptest! {
        #[test]
        fn what_has_been_sealed_is_what_reading_it_gives(
            complement in vec(any::<u8>(), 0..40),
            body in vec(any::<u8>(), 0..40),
        ) {
            let now = Timestamp::now();
            let stamp = Stamp { schema_version: 2, fingerprint: Fingerprint::new(9) };
            let header =
                Header { kind: 3, stamp, revision: Revision::FIRST, created: now, updated: now };
            let (draft, mut value) = Draft::begin(&header, &complement, body.len()).unwrap();
            value.extend_from_slice(&body);
            let value = Bytes::from(draft.seal(b"key", value).unwrap().head);
            let read = Record::whole(b"key", &value).unwrap().unwrap();
            let sealed = Record::sealed(b"key", header, value, complement.len(), body.len());
            for record in [&read, &sealed] {
                prop_assert_eq!((record.complement(), record.body()), (complement.as_slice(), body.as_slice()));
                prop_assert_eq!((record.header, record.chunks), (header, 0));
            }
        }
    }
}
