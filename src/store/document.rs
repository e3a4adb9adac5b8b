//! A document as a program holds it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::error::Error;
use crate::model::id::DocumentId;
use crate::model::revision::Revision;
use crate::model::stamp::Stamp;
use crate::model::time::Timestamp;
use crate::record::view::View;

/// A value with its id and what the store knows about it. Dereferences to the value.
///
/// Keeps the body it was read from, shared, so that [`replace`](crate::Collection::replace) can write back the difference and nothing else.
#[derive(Clone)]
pub struct Document<T> {
    id: DocumentId,
    kind: Arc<str>,
    view: View,
    /// The document.
    pub value: T,
}

impl<T> Document<T> {
    pub(crate) fn new(id: DocumentId, kind: Arc<str>, view: View, value: T) -> Self {
        Self { id, kind, view, value }
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &DocumentId {
        &self.id
    }

    /// The name of its kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// How often it had been written when it was read.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.view.record().header.revision
    }

    /// The stamp it is stored at; reading does not change it.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.view.record().header.stamp
    }

    /// When it was inserted.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.view.record().header.created
    }

    /// When it was last written.
    #[must_use]
    pub fn updated(&self) -> Timestamp {
        self.view.record().header.updated
    }

    /// The value alone.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// Takes over what has just been stored for the value.
    pub(crate) fn refresh(&mut self, view: View) {
        self.view = view;
    }
}

impl Document<Value> {
    /// The same document as a `T`.
    ///
    /// # Errors
    /// `Mismatch` when the body, as it was read, does not fit the type.
    pub fn cast<T: DeserializeOwned>(self) -> Result<Document<T>, Error> {
        let value =
            self.view.decode().map_err(|error| error.in_kind(&self.kind, self.stamp()).with_id(&self.id))?;
        Ok(Document { id: self.id, kind: self.kind, view: self.view, value })
    }
}

impl<T> Deref for Document<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Document<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Document<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("revision", &self.revision())
            .field("stamp", &self.stamp())
            .field("value", &self.value)
            .finish()
    }
}
