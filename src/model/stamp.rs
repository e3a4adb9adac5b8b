//! Schema versions, fingerprints, stamps.

use std::fmt;

/// A digest of all steps that lead to a schema version, each chained to the one before.
///
/// Two programs that reach schema version 3 by different steps have different fingerprints for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The shape a body is in, exactly: the schema version (1, 2, 3 ...) and the fingerprint of the steps up to it.
/// Stored with each document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// 1 for a kind without steps, one more for each step.
    pub schema_version: u32,
    /// Of the steps up to this schema version.
    pub fingerprint: Fingerprint,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.schema_version, self.fingerprint)
    }
}
