//! Records put together from their chunks.

use crate::encoding::envelope::checksum;
use crate::encoding::envelope::error::EnvelopeError;
use crate::encoding::envelope::header::{HeaderBytes, Layout};

/// A record some of whose chunks have come. They come in order, and the memory taken is that of what has come.
pub(crate) struct Joining {
    key: Vec<u8>,
    header: HeaderBytes,
    layout: Layout,
    come: u32,
    payload: Vec<u8>,
}

impl Joining {
    pub(super) fn new(key: &[u8], header: HeaderBytes, layout: Layout, payload: &[u8]) -> Self {
        Self { key: key.to_vec(), header, layout, come: 0, payload: payload.to_vec() }
    }

    /// Takes the next chunk.
    pub(crate) fn push(&mut self, value: &[u8]) -> Result<(), EnvelopeError> {
        let number = self.come.saturating_add(1);
        if number > self.layout.chunks {
            return Err(EnvelopeError::UnexpectedChunk { chunk: number });
        }
        let (checksum, part) = checksum::carried(value)?;
        if checksum::of_chunk(&self.key, number, self.header.as_slice(), part) != checksum {
            return Err(EnvelopeError::Checksum { chunk: number });
        }
        if part.is_empty() {
            return Err(EnvelopeError::EmptyChunk { chunk: number });
        }
        self.payload.extend_from_slice(part);
        self.come = number;
        Ok(())
    }

    /// The number of the chunk that is still to come, if one is.
    pub(crate) fn missing(&self) -> Option<u32> {
        (self.come < self.layout.chunks).then(|| self.come.saturating_add(1))
    }

    /// # Errors
    /// [`EnvelopeError::MissingChunk`], or [`EnvelopeError::Complement`] where all are there.
    pub(crate) fn finish(self) -> Result<Joined, EnvelopeError> {
        if let Some(chunk) = self.missing() {
            return Err(EnvelopeError::MissingChunk { chunk });
        }
        let body_at = usize::try_from(self.layout.complement).unwrap_or(usize::MAX);
        if body_at > self.payload.len() {
            return Err(EnvelopeError::Complement { bytes: self.layout.complement });
        }
        Ok(Joined { payload: self.payload, body_at })
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.payload.capacity()
    }
}

/// Complement and body of a record that had chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    payload: Vec<u8>,
    body_at: usize,
}

impl Joined {
    pub(crate) fn complement(&self) -> &[u8] {
        self.payload.get(..self.body_at).unwrap_or_default()
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.payload.get(self.body_at..).unwrap_or_default()
    }
}
