//! The rules that keep indexes right, each of which a test may break to see that this is noticed.

#[cfg(any(test, feature = "testing"))]
use std::sync::atomic::{AtomicU8, Ordering};

/// A rule of upkeep, of builds or of readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A write removes what the document had.
    OldEntries,
    /// It works that out from the shape in which the document was stored.
    OldStamp,
    /// It enters documents also while the index is being built.
    Writers,
    /// Readers leave out what is beyond the frontier of a build.
    Frontier,
    /// The commit of a build is made only where what it rests on is still so.
    Validation,
    /// That an index is not kept up any more is recorded before the first write that does not.
    Record,
}

/// Which rules are broken: none, but in tests.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    #[cfg(any(test, feature = "testing"))]
    broken: AtomicU8,
}

#[cfg(not(any(test, feature = "testing")))]
impl Rules {
    pub(crate) const fn is_broken(&self, _: Rule) -> bool {
        false
    }

    pub(crate) const fn follow(&self, _: &Self) {}
}

#[cfg(any(test, feature = "testing"))]
impl Rules {
    pub(crate) fn is_broken(&self, rule: Rule) -> bool {
        self.broken.load(Ordering::Relaxed) & Self::bit(rule) != 0
    }

    /// Breaks those that `other` breaks.
    pub(crate) fn follow(&self, other: &Self) {
        self.broken.fetch_or(other.broken.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    pub(crate) fn break_one(&self, rule: Rule) {
        self.broken.fetch_or(Self::bit(rule), Ordering::Relaxed);
    }

    fn bit(rule: Rule) -> u8 {
        1 << rule as u8
    }
}
