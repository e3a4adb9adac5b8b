//! Chance, from a seed.

use std::hash::{BuildHasher, RandomState};

/// SplitMix64: small, and the same everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `end`, which does not belong to it.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(crate) fn between(&mut self, start: u64, end: u64) -> u64 {
        start + self.below(end - start)
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).expect("fits")]
    }

    /// An independent one.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }
}

/// The seed from `PIVOTDB_SEED`, or a random one.
pub(crate) fn seed() -> u64 {
    match std::env::var("PIVOTDB_SEED") {
        Ok(text) => text.parse().expect("PIVOTDB_SEED is a number"),
        // Short enough to be typed again.
        Err(_) => RandomState::new().hash_one(std::process::id()) >> 24,
    }
}

/// A bound of a run, longer or shorter than the usual one where the environment says so.
pub(crate) fn from_environment(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is not a number")),
        Err(_) => usual,
    }
}
