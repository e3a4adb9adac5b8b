//! Document ids.

use std::fmt;

use serde::de::{self, MapAccess, Unexpected, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The id of a document within its collection: an integer, a UUID or a text.
///
/// Ids sort integers first (by value), then UUIDs, then texts (by their UTF-8 bytes); collections iterate
/// in this order. Integers reach from [`i64::MIN`] to [`u64::MAX`]. A text may have up to
/// [`DocumentId::MAX_TEXT`] bytes; a longer one is refused when it is used.
///
/// A text that looks like a UUID is a text id: `DocumentId::from("018f...")` is another id than that of the [`Uuid`], so that
/// `id.to_string()` of a UUID does not lead back to its document. For URLs and references insert under `DocumentId::random().to_string()`,
/// or parse a `Uuid` first.
///
/// With serde, as in the lines of an [export](crate::documentation::ndjson), an integer is a number, a text a text, and a UUID `{"uuid": "..."}`.
///
/// ```
/// use pivotdb::DocumentId;
///
/// assert_eq!(DocumentId::from(7_i32), DocumentId::from(7_u64));
/// assert!(DocumentId::from(u64::MAX) < DocumentId::from("a"));
/// assert_eq!(DocumentId::from("ada").as_text(), Some("ada"));
///
/// let id = DocumentId::random();
/// let uuid: pivotdb::Uuid = id.to_string().parse().unwrap();
/// assert_eq!(DocumentId::from(uuid), id);
/// assert_ne!(DocumentId::from(id.to_string()), id);
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

impl From<usize> for DocumentId {
    fn from(n: usize) -> Self {
        // Nowhere are there more than 64 bits.
        Self(Repr::Integer(n as i128))
    }
}

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

/// The member that has the UUID.
const UUID: &str = "uuid";

impl Serialize for DocumentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.view() {
            IdView::Negative(n) => serializer.serialize_i64(n),
            IdView::Natural(n) => serializer.serialize_u64(n),
            IdView::Text(text) => serializer.serialize_str(text),
            IdView::Uuid(uuid) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(UUID, &uuid.to_string())?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for DocumentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl<'de> Visitor<'de> for IdVisitor {
    type Value = DocumentId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, a text or {\"uuid\": \"...\"}")
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<DocumentId, E> {
        Ok(n.into())
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<DocumentId, E> {
        Ok(n.into())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<DocumentId, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DocumentId, A::Error> {
        let refused = || de::Error::invalid_type(Unexpected::Map, &IdVisitor);
        let (name, text) = map.next_entry::<String, String>()?.ok_or_else(refused)?;
        if name != UUID || map.next_key::<String>()?.is_some() {
            return Err(refused());
        }
        let uuid = Uuid::parse_str(&text);
        uuid.map(Into::into).map_err(|_| de::Error::invalid_value(Unexpected::Str(&text), &"a UUID"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn goes_through_serde_as_in_an_export() {
        let uuid = DocumentId::random();
        let text = uuid.to_string();
        for (id, value) in [
            (DocumentId::from(-7), json!(-7)),
            (u64::MAX.into(), json!(u64::MAX)),
            (usize::MAX.into(), json!(usize::MAX)),
            (text.as_str().into(), json!(text)),
            (uuid, json!({"uuid": text})),
        ] {
            assert_eq!(serde_json::to_value(&id).unwrap(), value);
            assert_eq!(serde_json::from_value::<DocumentId>(value).unwrap(), id);
        }
        for wrong in
            [json!(1.5), json!(null), json!({}), json!({"uuid": "7"}), json!({"uuid": text, "n": "1"})]
        {
            assert!(serde_json::from_value::<DocumentId>(Value::clone(&wrong)).is_err(), "{wrong}");
        }
    }

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
