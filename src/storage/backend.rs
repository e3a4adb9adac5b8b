//! What a medium must do.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::error::kind::ErrorKind;
use crate::storage::bytes::Bytes;

/// The longest key a [`Backend`] has to take.
///
/// Keys of documents reach 2,061 bytes. On sled an inner page holds up to 320 keys and must stay below a quarter of the
/// smallest segment (4 MiB), also when every byte that needs it is escaped.
pub const MAX_KEY: usize = 2_400;

/// The longest value a [`Backend`] has to take.
///
/// Layers above cut what is longer into chunks of half that, and a header. On sled a leaf holds up to 20 entries
/// and must stay below the same bound.
pub const MAX_VALUE: usize = 32 * 1024;

/// A medium that keeps bytes in the order of their keys. Deliberately dumb: snapshots, conflicts, sequence
/// numbers and groups are made above it, once, for all backends.
///
/// With the feature `testing`, `pivotdb::testing::conformance` checks what of this can be seen from outside.
///
/// # Obligations
///
/// * Keys are ordered as unsigned bytes, a prefix before what it is a prefix of. Every key up to [`MAX_KEY`] and every value up to
///   [`MAX_VALUE`] is taken, the empty ones too. What is longer may be refused, whole, as [`Failure::TooLarge`].
/// * Reads ([`get`](Self::get), [`get_many`](Self::get_many), [`page`](Self::page)) may be called from any thread at any time,
///   also while [`apply`](Self::apply), [`flush`](Self::flush) or [`sync`](Self::sync) runs, and must not wait for `flush` or `sync`.
/// * `apply` and `flush` are never called while another `apply` or `flush` runs. `sync` may overlap an `apply`, never another `sync`.
/// * A read that begins after an `apply` has returned sees all of it. A [`get`](Self::get) during an `apply` sees the key before or after it.
///   Nothing more is asked: a page read during an `apply` may mix both states, since the layer above mends that; but it is in
///   order, gives no key twice, and misses none that the `apply` leaves alone.
/// * After `flush` and then `sync` have both returned `Ok`, every `apply` that had returned before that `flush` survives a power cut.
/// * After a crash, what a reopened backend holds is the result of a prefix of the `apply` calls, each whole.
/// * After an error from `apply`, `flush` or `sync` no further write is attempted on this object; reads go on, as far as they can.
/// * Dropping it ends in bounded time, also on a medium that no longer answers. Nobody relies on it to make anything durable.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// The value at `key`.
    ///
    /// # Errors
    /// When the medium cannot be read, or what it holds is damaged.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError>;

    /// The values at `keys`, in their order.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, BackendError> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// The entries of `range`, from its start ([`Direction::Forward`]) or its end ([`Direction::Backward`]), until `limit` is reached.
    /// At least one entry is returned where there is one, however small the limit. An empty range gives an empty page.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError>;

    /// Makes all changes of `batch`, or none.
    ///
    /// # Errors
    /// When it cannot be known to have been made.
    fn apply(&self, batch: &Batch) -> Result<(), BackendError>;

    /// Hands everything applied so far to the operating system.
    ///
    /// # Errors
    /// When it cannot be known to have been handed over.
    fn flush(&self) -> Result<(), BackendError>;

    /// Waits until everything flushed so far is on the medium, and survives a power cut.
    ///
    /// # Errors
    /// When it cannot be known to be there.
    fn sync(&self) -> Result<(), BackendError>;

    /// Whether what has been flushed is on the medium already, so that `sync` has nothing to do. The same for as long as the backend lives.
    fn flush_syncs(&self) -> bool {
        false
    }

    /// Bytes on the medium, where that can be told.
    fn size_on_disk(&self) -> Option<u64> {
        None
    }

    /// What is wrong with the medium that no read shows, each in words; for a [verification](crate::Verify). Nothing, where the
    /// backend has nothing of its own to look at.
    ///
    /// # Errors
    /// When the medium cannot be looked at.
    fn inspect(&self) -> Result<Vec<String>, BackendError> {
        Ok(Vec::new())
    }
}

/// Keys from `start` (included) to `end` (excluded; `None`: to the last).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyRange {
    /// The first key that belongs to the range.
    pub start: Vec<u8>,
    /// The first key that does not.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Leaves what `page`, a forward one of this range, has given.
    pub(crate) fn go_behind(&mut self, page: &Page) {
        if let Some((last, _)) = page.entries.last() {
            // The least key above the last one.
            self.start = [last, &[0][..]].concat();
        }
    }

    /// Every key.
    #[must_use]
    pub const fn all() -> Self {
        Self { start: Vec::new(), end: None }
    }

    /// Every key that starts with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        while let Some(last) = end.pop() {
            if let Some(next) = last.checked_add(1) {
                end.push(next);
                return Self { start: prefix.to_vec(), end: Some(end) };
            }
        }
        Self { start: prefix.to_vec(), end: None }
    }

    /// Whether `key` belongs to the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_slice() && self.end.as_deref().is_none_or(|end| key < end)
    }

    /// Whether no key can belong to the range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

/// Which end of a range a page starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Ascending keys.
    Forward,
    /// Descending keys.
    Backward,
}

/// Where a page ends: whichever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit {
    /// At most this many entries.
    pub entries: usize,
    /// No further entry once keys and values together have this many bytes.
    pub bytes: usize,
}

/// A part of a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and values, in the direction asked for.
    pub entries: Vec<(Bytes, Bytes)>,
    /// Whether the range has been read to its other end. `false` promises nothing: the next page may be empty. A page
    /// that ends before its limit is complete.
    pub complete: bool,
}

impl Page {
    /// The first of `entries`, until `limit` is reached: what [`Backend::page`] does, given an iterator that starts at the
    /// right end of the range. Takes one entry more than it returns, to know whether the page is complete.
    ///
    /// # Errors
    /// The first that `entries` gives.
    pub fn collect(
        entries: impl IntoIterator<Item = Result<(Bytes, Bytes), BackendError>>,
        limit: PageLimit,
    ) -> Result<Self, BackendError> {
        let mut page = Self::default();
        let mut bytes = 0_usize;
        for entry in entries {
            let (key, value) = entry?;
            if !page.entries.is_empty() && (page.entries.len() >= limit.entries || bytes >= limit.bytes) {
                return Ok(page);
            }
            bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
            page.entries.push((key, value));
        }
        page.complete = true;
        Ok(page)
    }
}

/// Changes that are made together. Each key occurs at most once; the order is that of the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The new value of each key; `None` removes it.
    pub writes: std::collections::BTreeMap<Bytes, Option<Bytes>>,
}

impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        (**self).get(key)
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, BackendError> {
        (**self).get_many(keys)
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        (**self).page(range, direction, limit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        (**self).apply(batch)
    }

    fn flush(&self) -> Result<(), BackendError> {
        (**self).flush()
    }

    fn sync(&self) -> Result<(), BackendError> {
        (**self).sync()
    }

    fn flush_syncs(&self) -> bool {
        (**self).flush_syncs()
    }

    fn size_on_disk(&self) -> Option<u64> {
        (**self).size_on_disk()
    }

    fn inspect(&self) -> Result<Vec<String>, BackendError> {
        (**self).inspect()
    }
}

/// Why a backend could not do its work.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BackendError {
    /// What kind of failure.
    pub failure: Failure,
    /// What happened, in words.
    pub message: &'static str,
    /// The cause.
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl BackendError {
    /// One without a cause.
    #[must_use]
    pub fn new(failure: Failure, message: &'static str) -> Self {
        Self { failure, message, source: None }
    }

    /// One with the operating system's error as its cause: [`Failure::OutOfSpace`] where that says so, else [`Failure::Io`].
    #[must_use]
    pub fn io(message: &'static str, source: io::Error) -> Self {
        let failure = if is_out_of_space(&source) { Failure::OutOfSpace } else { Failure::Io };
        Self::new(failure, message).with_source(source)
    }

    /// The same, with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// Whether the medium, a quota or the file's largest size is used up.
pub(crate) fn is_out_of_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// What kind of failure a [`BackendError`] is.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The medium could not be read or written.
    Io,
    /// The medium is full.
    OutOfSpace,
    /// What the medium holds is damaged.
    Corrupt,
    /// The backend itself is broken: it panicked or contradicted itself.
    Broken,
    /// A key is longer than [`MAX_KEY`] or a value longer than [`MAX_VALUE`]; nothing was changed.
    TooLarge,
}

impl Failure {
    /// What a program is told.
    pub(crate) const fn kind(self) -> ErrorKind {
        match self {
            // A backend that breaks is one that met what it does not expect of its medium.
            Self::Io | Self::Broken => ErrorKind::Io,
            Self::OutOfSpace => ErrorKind::OutOfSpace,
            Self::Corrupt => ErrorKind::Corrupt,
            Self::TooLarge => ErrorKind::TooLarge,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_range_ends_at_the_next_prefix() {
        assert_eq!(KeyRange::prefix(&[1, 2]).end, Some(vec![1, 3]));
        assert_eq!(KeyRange::prefix(&[1, 0xff]).end, Some(vec![2]));
        assert_eq!(KeyRange::prefix(&[0xff, 0xff]).end, None);
        assert!(KeyRange::prefix(&[1, 0xff]).contains(&[1, 0xff, 0xff, 0xff]));
        assert!(!KeyRange::prefix(&[1, 0xff]).contains(&[2]));
    }
}
