//! Document ids.

use std::fmt;

use uuid::Uuid;

/// The id of a document within its collection: an integer, a UUID or a text.
///
/// Ids sort integers first (by value), then UUIDs, then texts (by their UTF-8 bytes); collections iterate
/// in this order. Integers reach from [`i64::MIN`] to [`u64::MAX`]. A text may have up to
/// [`DocumentId::MAX_TEXT`] bytes; a longer one is refused when it is used.
///
/// ```
/// use pivotdb::DocumentId;
///
/// assert_eq!(DocumentId::from(7_i32), DocumentId::from(7_u64));
/// assert!(DocumentId::from(u64::MAX) < DocumentId::from("a"));
/// assert_eq!(DocumentId::from("ada").as_text(), Some("ada"));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(Repr);

/// The order of the variants is the order of ids.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    /// Within `i64::MIN..=u64::MAX`, which the constructors guarantee.
    Integer(i128),
    Uuid(Uuid),
    Text(Box<str>),
}

/// What a [`DocumentId`] is, to match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdView<'a> {
    /// An integer below zero.
    Negative(i64),
    /// An integer from zero up.
    Natural(u64),
    Uuid(Uuid),
    /// A text of any length, also above [`DocumentId::MAX_TEXT`].
    Text(&'a str),
}

impl DocumentId {
    /// The longest text id, in bytes.
    pub const MAX_TEXT: usize = 1024;

    /// A new random id that sorts by the time it was made (UUID version 7).
    #[must_use]
    pub fn random() -> Self {
        Self(Repr::Uuid(Uuid::now_v7()))
    }

    pub(crate) fn view(&self) -> IdView<'_> {
        match &self.0 {
            Repr::Integer(n) => match u64::try_from(*n) {
                Ok(natural) => IdView::Natural(natural),
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the constructors take nothing below i64::MIN"
                )]
                Err(_) => IdView::Negative(*n as i64),
            },
            Repr::Uuid(uuid) => IdView::Uuid(*uuid),
            Repr::Text(text) => IdView::Text(text),
        }
    }

    /// The integer, where it fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match &self.0 {
            Repr::Integer(n) => i64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The integer, where it fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match &self.0 {
            Repr::Integer(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The UUID, if it is one.
    #[must_use]
    pub fn as_uuid(&self) -> Option<Uuid> {
        match &self.0 {
            Repr::Uuid(uuid) => Some(*uuid),
            _ => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Repr::Text(text) => Some(text),
            _ => None,
        }
    }
}

macro_rules! from_integer {
    ($($integer:ty),*) => {$(
        impl From<$integer> for DocumentId {
            fn from(n: $integer) -> Self {
                Self(Repr::Integer(n.into()))
            }
        }
    )*};
}

from_integer!(i8, i16, i32, i64, u8, u16, u32, u64);

impl From<&str> for DocumentId {
    fn from(text: &str) -> Self {
        Self(Repr::Text(text.into()))
    }
}

impl From<String> for DocumentId {
    fn from(text: String) -> Self {
        Self(Repr::Text(text.into()))
    }
}

impl From<&String> for DocumentId {
    fn from(text: &String) -> Self {
        Self(Repr::Text(text.as_str().into()))
    }
}

impl From<Uuid> for DocumentId {
    fn from(uuid: Uuid) -> Self {
        Self(Repr::Uuid(uuid))
    }
}

impl From<&Self> for DocumentId {
    fn from(id: &Self) -> Self {
        id.clone()
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Integer(n) => write!(f, "{n}"),
            Repr::Uuid(uuid) => write!(f, "{uuid}"),
            Repr::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_one_kind_of_id() {
        assert_eq!(DocumentId::from(5_i64), DocumentId::from(5_u8));
        assert_eq!(DocumentId::from(-5_i64).as_i64(), Some(-5));
        assert_eq!(DocumentId::from(-5_i64).as_u64(), None);
        assert_eq!(DocumentId::from(u64::MAX).as_i64(), None);
        assert_eq!(DocumentId::from(u64::MAX).as_u64(), Some(u64::MAX));
    }

    #[test]
    fn integers_sort_before_uuids_before_texts() {
        let mut ids =
            [DocumentId::from("a"), DocumentId::random(), DocumentId::from(u64::MAX), DocumentId::from(-1)];
        ids.sort();
        assert_eq!(ids[0].as_i64(), Some(-1));
        assert_eq!(ids[1].as_u64(), Some(u64::MAX));
        assert!(ids[2].as_uuid().is_some());
        assert_eq!(ids[3].as_text(), Some("a"));
    }

    #[test]
    fn random_ids_sort_by_time() {
        let ids: Vec<_> = (0..1000).map(|_| DocumentId::random()).collect();
        assert!(ids.is_sorted());
    }
}
