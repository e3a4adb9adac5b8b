//! The state digest: one number that pins the whole content of a tree and follows each change in O(1).

use xxhash_rust::xxh3::Xxh3;

/// The sum, modulo 2^128, of one hash per entry. Adding is commutative and has an inverse, so the order of
/// changes does not matter and a change costs two hashes (an additive multiset hash, after Clarke and others, 2003).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct StateDigest(u128);

impl StateDigest {
    pub(crate) const fn from_number(number: u128) -> Self {
        Self(number)
    }

    pub(crate) const fn number(self) -> u128 {
        self.0
    }

    /// What has to be added to `other` to get this.
    pub(crate) const fn beyond(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }

    /// Adds what [`beyond`](Self::beyond) gave.
    pub(crate) const fn go_beyond(&mut self, by: Self) {
        self.0 = self.0.wrapping_add(by.0);
    }

    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.0 = self.0.wrapping_add(entry(key, value));
    }

    pub(crate) fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.0 = self.0.wrapping_sub(entry(key, value));
    }
}

fn entry(key: &[u8], value: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes());
    hash.update(key);
    hash.update(value);
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_content_and_not_its_history() {
        let mut a = StateDigest::default();
        a.add(b"k", b"old");
        a.add(b"l", b"v");
        a.remove(b"k", b"old");
        a.add(b"k", b"new");
        let mut b = StateDigest::default();
        b.add(b"k", b"new");
        b.add(b"l", b"v");
        assert_eq!(a, b);
    }

    #[test]
    fn tells_where_a_key_ends() {
        let mut a = StateDigest::default();
        a.add(b"ab", b"c");
        let mut b = StateDigest::default();
        b.add(b"a", b"bc");
        assert_ne!(a, b);
    }
}
