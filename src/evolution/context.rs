//! What a function knows beside the body.

use uuid::{Builder, Uuid};
use xxhash_rust::xxh3::Xxh3;

use crate::model::id::DocumentId;

/// What a [`Function`](crate::Function) knows about the document beside its body: the collection, the kind and the id. No clock, no chance and no store,
/// so that the same document becomes the same document wherever and whenever it is read.
#[derive(Debug, Clone, Copy)]
pub struct StepContext<'a> {
    collection: &'a str,
    kind: &'a str,
    id: &'a DocumentId,
}

impl<'a> StepContext<'a> {
    /// Of the document `id` of kind `kind`, in a collection without a name.
    #[must_use]
    pub fn new(kind: &'a str, id: &'a DocumentId) -> Self {
        Self { collection: "", kind, id }
    }

    /// The same in the collection `name`. In a store it is the one that the document is in.
    #[must_use]
    pub fn in_collection(self, name: &'a str) -> Self {
        Self { collection: name, ..self }
    }

    /// The name of the collection that the document is in.
    #[must_use]
    pub fn collection(&self) -> &'a str {
        self.collection
    }

    /// The document's kind, as this program calls it. Programs may call it by [other names](crate::Versioned::aliases), so what a function
    /// makes of it may be something else in each.
    #[must_use]
    pub fn kind(&self) -> &'a str {
        self.kind
    }

    /// The document's id.
    #[must_use]
    pub fn id(&self) -> &'a DocumentId {
        self.id
    }

    /// An id for something within the document that never had one: the same for the same collection, document id and `label`,
    /// in every program, today and in every release, and different for different ones. What the kind is called and which step
    /// asks makes no difference: two functions that are to give different ids use different labels.
    ///
    /// Until it is written the id is made again at each reading. A document that is put into another collection before that
    /// gets others there.
    ///
    /// A UUID of version 8, made of XXH3-128 (big-endian) over `pivotdb:id:1:`, then the collection's name, id and label, each as its length in 8 little-endian
    /// bytes and its content; an id's content is `i` and its decimal digits, `u` and its 16 bytes, or `t` and its text.
    /// Not for secrets: who knows the document's id can compute it.
    ///
    /// ```
    /// use pivotdb::{DocumentId, StepContext};
    ///
    /// let id = DocumentId::from(7);
    /// let context = StepContext::new("order", &id).in_collection("orders");
    /// assert_eq!(context.derive_id("line 1").to_string(), "d3268534-6555-8237-bf68-4b14a305ea65");
    /// ```
    #[must_use]
    pub fn derive_id(&self, label: &str) -> Uuid {
        let id = if let Some(uuid) = self.id.as_uuid() {
            let mut id = b"u".to_vec();
            id.extend_from_slice(uuid.as_bytes());
            id
        } else if let Some(text) = self.id.as_text() {
            format!("t{text}").into_bytes()
        } else {
            format!("i{}", self.id).into_bytes()
        };
        let mut hash = Xxh3::new();
        hash.update(b"pivotdb:id:1:");
        for part in [self.collection.as_bytes(), &id, label.as_bytes()] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Builder::from_custom_bytes(hash.digest128().to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn these_ids_never_change() {
        let id = DocumentId::from(7);
        let context = StepContext::new("order", &id).in_collection("orders");
        let derived = [context.derive_id("line 1"), context.derive_id("")].map(|id| id.to_string());
        assert_eq!(derived, ["d3268534-6555-8237-bf68-4b14a305ea65", "926256c2-d9d6-838d-84b9-515d5c648ecf"]);
    }

    #[test]
    fn derived_ids_differ_wherever_anything_differs() {
        let uuid = Uuid::from_u128(1);
        let ids =
            [1.into(), (-1).into(), "1".into(), "i1".into(), DocumentId::from(uuid), uuid.to_string().into()];
        let mut derived = HashSet::new();
        for id in &ids {
            for collection in ["a", "ab"] {
                for label in ["", "b", "bc"] {
                    let context = StepContext::new("kind", id).in_collection(collection);
                    let uuid = context.derive_id(label);
                    assert_eq!(
                        StepContext::new("another", id).in_collection(collection).derive_id(label),
                        uuid
                    );
                    assert_eq!((uuid.get_version_num(), uuid.get_variant()), (8, uuid::Variant::RFC4122));
                    derived.insert(uuid);
                }
            }
        }
        assert_eq!(derived.len(), ids.len() * 6);
    }
}
