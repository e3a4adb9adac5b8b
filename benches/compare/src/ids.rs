//! Which document comes next.

/// Numbers below a bound in an order that no cache foresees; the same ones on every side and in every run.
#[derive(Debug, Clone)]
pub struct Ids {
    state: u64,
    bound: u64,
}

impl Ids {
    pub fn below(bound: u64) -> Self {
        Self { state: 0x9E37_79B9_7F4A_7C15, bound }
    }

    pub fn next_id(&mut self) -> u64 {
        // Xorshift: a few instructions, against the microsecond that follows.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % self.bound
    }
}
