//! Numbers that look random and are the same in every run.

/// `SplitMix64`.
#[derive(Debug, Clone)]
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to `bound`, without it.
    pub(super) const fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        match bound {
            0 => 0,
            _ => (mixed >> 3) as usize % bound,
        }
    }

    /// Up to `longest` bytes of those that are hard on an order: few values, runs of the least and the greatest.
    pub(super) fn key(&mut self, longest: usize) -> Vec<u8> {
        let length = self.below(longest.saturating_add(1));
        let bytes = [0, 0, 1, b'a', b'b', 0x7f, 0x80, 0xfe, 0xff, 0xff, 0xff];
        std::iter::repeat_with(|| bytes.get(self.below(bytes.len())).copied().unwrap_or_default())
            .take(length)
            .collect()
    }
}
