//! How a sled store is opened.

use std::time::Duration;

use crate::storage::directory::error::OpenError;

/// How a sled store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SledOptions {
    /// Bytes of pages sled keeps in memory.
    pub(crate) cache_capacity: u64,
    /// Size of a segment of sled's log; looked at when the store is created, and kept by it ever after. A power of two from
    /// 4 to 16 MiB.
    ///
    /// sled writes a page above a quarter of it into a file that it never syncs, so that a power cut loses it. A leaf of
    /// values cut at 16 KiB stays below 400 KiB, an inner page of keys of the greatest length below 1 MiB: 4 MiB is the smallest size
    /// that is safe for every key. It is also what an empty store takes on disk, once it has been opened again. Measured with 2, 4 and
    /// 8 MiB, loading, opening and reading 100,000 documents of 750 bytes take the same time within the noise, except that
    /// 8 MiB commit and open a little more slowly.
    pub(crate) segment_size: usize,
    /// How often sled's own thread writes out what nobody flushed, and collects garbage. Never off: without it the file
    /// grows for ever.
    pub(crate) flush_every: Duration,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self { cache_capacity: 64 << 20, segment_size: 4 << 20, flush_every: Duration::from_millis(500) }
    }
}

impl SledOptions {
    pub(super) const MIN_SEGMENT: usize = 4 << 20;
    pub(super) const MAX_SEGMENT: usize = 16 << 20;

    pub(super) fn validate(&self) -> Result<(), OpenError> {
        let refuse = |option: &'static str, value: u64| Err(OpenError::Option { option, value });
        if !valid_segment_size(self.segment_size) {
            return refuse("segment_size", u64::try_from(self.segment_size).unwrap_or(u64::MAX));
        }
        if self.cache_capacity < 1 << 20 {
            return refuse("cache_capacity", self.cache_capacity);
        }
        match u64::try_from(self.flush_every.as_millis()) {
            Ok(0) | Err(_) => refuse("flush_every", 0),
            Ok(_) => Ok(()),
        }
    }
}

pub(super) fn valid_segment_size(size: usize) -> bool {
    size.is_power_of_two() && (SledOptions::MIN_SEGMENT..=SledOptions::MAX_SEGMENT).contains(&size)
}
