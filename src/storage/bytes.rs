//! Shared immutable bytes.

use std::fmt;
use std::ops::Deref;

/// Immutable bytes that are cheap to clone: what a [`Backend`](crate::storage::backend::Backend) gives and takes.
#[derive(Clone)]
pub struct Bytes(Shared);

/// sled's own shared bytes, so that what is read from it or written to it is not copied once more; up to 22 of them, as in most keys,
/// are not on the heap.
#[cfg(feature = "sled")]
type Shared = sled::IVec;

#[cfg(not(feature = "sled"))]
type Shared = std::sync::Arc<[u8]>;

impl Bytes {
    /// Whether both are one and the same allocation; `false` says nothing.
    pub(crate) fn same(&self, other: &Self) -> bool {
        std::ptr::eq::<[u8]>(&**self, &**other)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::borrow::Borrow<[u8]> for Bytes {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

#[cfg(feature = "sled")]
impl From<sled::IVec> for Bytes {
    fn from(bytes: sled::IVec) -> Self {
        Self(bytes)
    }
}

#[cfg(feature = "sled")]
impl From<Bytes> for sled::IVec {
    fn from(bytes: Bytes) -> Self {
        bytes.0
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl PartialOrd for Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bytes {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl std::hash::Hash for Bytes {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}
