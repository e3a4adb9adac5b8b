//! Shared immutable bytes.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Immutable bytes that are cheap to clone: what a [`Backend`](crate::storage::backend::Backend) gives and takes.
#[derive(Clone)]
pub struct Bytes(Repr);

#[derive(Clone)]
enum Repr {
    Shared(Arc<[u8]>),
    /// sled's own shared bytes, so that a read copies nothing.
    #[cfg(feature = "sled")]
    Sled(sled::IVec),
}

impl Bytes {
    /// Whether both are one and the same allocation; `false` says nothing.
    pub(crate) fn same(&self, other: &Self) -> bool {
        std::ptr::eq::<[u8]>(&**self, &**other)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Shared(bytes) => bytes,
            #[cfg(feature = "sled")]
            Repr::Sled(bytes) => bytes,
        }
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
        Self(Repr::Shared(bytes.into()))
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(Repr::Shared(bytes.into()))
    }
}

#[cfg(feature = "sled")]
impl From<sled::IVec> for Bytes {
    fn from(bytes: sled::IVec) -> Self {
        Self(Repr::Sled(bytes))
    }
}

#[cfg(feature = "sled")]
impl From<Bytes> for sled::IVec {
    fn from(bytes: Bytes) -> Self {
        match bytes.0 {
            Repr::Shared(bytes) => Self::from(&*bytes),
            Repr::Sled(bytes) => bytes,
        }
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
