//! Chance from a seed, and how long to go on.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// `SplitMix64`: small, and the same everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    /// For one purpose in this run.
    pub(crate) fn new(purpose: u64) -> Self {
        let mut mixed = Self(seed());
        Self(mixed.next() ^ Self(purpose).next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `end`, which does not belong to it.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end.max(1)
    }

    /// An id from 0 to `end`, which does not belong to it.
    pub(crate) fn id(&mut self, end: i32) -> i32 {
        i32::try_from(self.below(usize::try_from(end).unwrap())).unwrap()
    }

    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Gives other threads a chance, often enough to matter and seldom enough not to be all there is.
    pub(crate) fn pause(&mut self) {
        if self.percent(40) {
            std::thread::yield_now();
        }
    }
}

/// `PIVOTDB_SEED`, or a random one, short enough to be typed again.
pub(crate) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| match std::env::var("PIVOTDB_SEED") {
        Ok(text) => text.parse().expect("PIVOTDB_SEED is a number"),
        Err(_) => RandomState::new().hash_one(std::process::id()) >> 24,
    })
}

/// `usual`, times `PIVOTDB_LONG`.
pub(crate) fn times(usual: usize) -> usize {
    match std::env::var("PIVOTDB_LONG") {
        Ok(text) => usual * text.parse::<usize>().expect("PIVOTDB_LONG is a number"),
        Err(_) => usual,
    }
}
