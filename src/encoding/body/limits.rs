//! How deep and how large a body may be.

/// How deep and how large a body may be; checked on the way in and out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Containers within each other; a scalar has depth 0.
    pub(crate) depth: usize,
    /// Bytes of the encoded body.
    pub(crate) size: usize,
}

impl Limits {
    /// The deepest any body may be, whatever the program asks for. Everything that recurses over bodies relies on it.
    pub(crate) const MAX_DEPTH: usize = 128;
    /// The largest any body may be.
    pub(crate) const MAX_SIZE: usize = 16 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: Self::MAX_DEPTH, size: Self::MAX_SIZE }
    }
}
