//! A record that has been read.

use std::sync::Arc;

use crate::encoding::envelope::chunks::Joined;
use crate::encoding::envelope::error::EnvelopeError;
use crate::encoding::envelope::header::Header;
use crate::encoding::envelope::record::Head;
use crate::storage::bytes::Bytes;

/// A header, a complement and a body. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) header: Header,
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
        Ok(Some(Self { header: head.header, chunks: 0, payload }))
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
        Ok(Self { header: head.header, chunks: head.chunks(), payload: Payload::Joined(joined) })
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
