//! A fuzzer without an eye on coverage: it changes what is known, the same way for the same seed.

/// `SplitMix64`: small, and the same everywhere.
#[derive(Debug, Clone)]
pub struct Mutator {
    state: u64,
}

const INTERESTING: [u8; 12] = [0, 1, 2, 0x07, 0x08, 0x10, 0x30, 0x40, 0x7f, 0x80, 0xfe, 0xff];

impl Mutator {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        match self.below(2) {
            0 => INTERESTING[self.below(INTERESTING.len())],
            _ => self.next() as u8,
        }
    }

    /// Something between what is known and nonsense.
    pub fn mutated(&mut self, known: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = known[self.below(known.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let within = self.below(bytes.len());
            match self.below(8) {
                0 if !bytes.is_empty() => bytes[within] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[within] = self.byte(),
                2 if !bytes.is_empty() => {
                    bytes[within] = bytes[within].wrapping_add(1).wrapping_sub(self.below(3) as u8)
                }
                3 => bytes.insert(at, self.byte()),
                4 if !bytes.is_empty() => {
                    let end = (within + 1 + self.below(8)).min(bytes.len());
                    bytes.drain(within..end);
                }
                5 => bytes.truncate(at),
                6 => {
                    // A piece of its own, once more.
                    let end = (within + 1 + self.below(16)).min(bytes.len());
                    let piece = bytes[within.min(end)..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => {
                    // A piece of another.
                    let other = &known[self.below(known.len())];
                    let from = self.below(other.len());
                    let end = (from + 1 + self.below(32)).min(other.len());
                    bytes.splice(at..at, other[from.min(end)..end].iter().copied());
                }
            }
        }
        bytes
    }
}
