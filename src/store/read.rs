//! Reading documents.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::encoding::envelope::record::Head;
use crate::encoding::key::document;
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::model::id::DocumentId;
use crate::record::view::View;
use crate::storage::backend::Direction;
use crate::store::collection::Collection;
use crate::store::document::Document;
use crate::store::range::Range;
use crate::store::session::Session;
use crate::stored::read;
use crate::stored::record::Record;
use crate::stored::scan::Scan;
use crate::stored::state::State;

impl<T> Collection<T>
where
    T: DeserializeOwned,
{
    /// The document with this id, or `None`: also where the document is of a kind this collection does not see.
    ///
    /// A document stored at an older schema version is upcast on the way; the stored bytes stay as they are.
    ///
    /// # Errors
    /// `StepFailed`, `HistoryDiverged` or `Mismatch` when the document cannot be brought into the program's shape, `Corrupt` when it is
    /// damaged; each names the document.
    pub fn get(&self, id: impl Into<DocumentId>) -> Result<Option<Document<T>>> {
        let id = id.into();
        let key = self.key(&id)?;
        let record = self.fetch(&key).map_err(|error| self.at(&id, error))?;
        record.map_or(Ok(None), |record| self.open(id, record))
    }

    /// The document with this id.
    ///
    /// # Errors
    /// `NotFound` when there is none; otherwise as [`get`](Self::get).
    pub fn require(&self, id: impl Into<DocumentId>) -> Result<Document<T>> {
        let id = id.into();
        self.get(&id)?.ok_or_else(|| self.not_found(&id))
    }

    /// The documents with these ids, in their order, all of one state of the store.
    ///
    /// # Errors
    /// As [`get`](Self::get), for the first document that fails.
    pub fn get_many<I>(&self, ids: I) -> Result<Vec<Option<Document<T>>>>
    where
        I: IntoIterator,
        I::Item: Into<DocumentId>,
    {
        let ids: Vec<DocumentId> = ids.into_iter().map(Into::into).collect();
        let keys = ids.iter().map(|id| self.key(id)).collect::<Result<Vec<_>>>()?;
        let within = |error: Error| error.in_collection(&self.name);
        let state = self.held().map_err(within)?;
        let values = state.get_many(&keys.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let values = values.map_err(|error| within(error.into()))?;
        let mut documents = Vec::with_capacity(ids.len());
        for ((id, key), value) in ids.into_iter().zip(&keys).zip(values) {
            let record = value.map(|value| read::with_chunks(&state, key, &value)).transpose();
            let record = record.map_err(|error| self.at(&id, error))?;
            documents.push(record.map_or(Ok(None), |record| self.open(id, record))?);
        }
        Ok(documents)
    }

    /// Every document, in the order of their ids: a [`range`](Self::range) without bounds.
    pub fn iter(&self) -> Range<T> {
        self.range::<DocumentId>(..)
    }

    /// The documents whose ids are in `ids`, in the order of their ids; [`Range::reversed`] turns it round.
    ///
    /// All are of one state of the store, that at the first use of the iterator, whatever is written meanwhile. A document that cannot be read is
    /// an `Err` in its place and does not end the iteration. Memory: one page of documents, and what others overwrite meanwhile.
    ///
    /// ```
    /// # use pivotdb::Store;
    /// # use serde_json::json;
    /// # let store = Store::memory()?;
    /// let days = store.documents("days")?;
    /// for day in 1..=5 {
    ///     days.insert_with_id(day, &json!({"day": day}))?;
    /// }
    /// let mut found = Vec::new();
    /// for day in days.range(2..5).reversed() {
    ///     found.push(day?["day"].as_u64());
    /// }
    /// assert_eq!(found, [Some(4), Some(3), Some(2)]);
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    pub fn range<I>(&self, ids: impl RangeBounds<I>) -> Range<T>
    where
        I: Clone + Into<DocumentId>,
    {
        let own = |bound: Bound<&I>| bound.map(|id| id.clone().into());
        Range::new(self.clone(), own(ids.start_bound()), own(ids.end_bound()))
    }

    /// The document of a record, if this handle sees its kind.
    pub(crate) fn open(&self, id: DocumentId, record: Record) -> Result<Option<Document<T>>> {
        let opened = self.sees(&record).and_then(|kind| {
            let Some(kind) = kind else { return Ok(None) };
            let stamp = record.header.stamp;
            let view = View::of(&kind, &id, record, self.inner.limits)?;
            let value = view
                .decode_of(&kind)
                .map_err(|error| error.with_document_kind(kind.name()).with_stamp(stamp))?;
            Ok(Some((kind, view, value)))
        });
        match opened {
            Ok(Some((kind, view, value))) => Ok(Some(Document::new(id, kind.name().clone(), view, value))),
            Ok(None) => Ok(None),
            Err(error) => Err(self.at(&id, error)),
        }
    }
}

impl<T> Collection<T> {
    /// Whether there is a document with this id that the collection sees. Reads its head only, and decodes nothing of its body.
    ///
    /// # Errors
    /// `InvalidId`; `Corrupt` when the head is damaged; and when the store cannot be read.
    pub fn exists(&self, id: impl Into<DocumentId>) -> Result<bool> {
        let id = id.into();
        let key = self.key(&id)?;
        self.head_is_seen(&key).map_err(|error| self.at(&id, error))
    }

    fn head_is_seen(&self, key: &[u8]) -> Result<bool> {
        let value = if matches!(self.session, Session::Live) {
            self.inner.insiders.check_outside()?;
            let read = self.inner.engine.read(key)?;
            self.wait_durable(read.sequence)?;
            read.value
        } else {
            self.held()?.get(key)?
        };
        let Some(value) = value else { return Ok(false) };
        Ok(self.sees_header(&Head::decode(key, &value)?.header)?.is_some())
    }

    /// The document with this id as it is stored: no step is carried out. So a document can be read that the program's steps cannot bring into its shape.
    /// It cannot be [replaced](Self::replace) where that is another shape than the program's.
    ///
    /// ```
    /// # use pivotdb::{Evolution, Function, Store};
    /// # use serde_json::{Value, json};
    /// # let store = Store::memory()?;
    /// # store.collection_with::<Value>("orders", "order", &Evolution::new())?.insert_with_id(1, &json!({"lines": "?"}))?;
    /// # let orders = store.documents("orders")?;
    /// orders.evolve(Evolution::new().step("count", Function::new("count lines", |order, _| {
    ///     order["count"] = order["lines"].as_array().ok_or("lines is not a list")?.len().into();
    ///     Ok::<(), &str>(())
    /// })))?;
    /// assert!(orders.get(1).is_err());
    /// let order = orders.get_stored(1)?.unwrap();
    /// assert_eq!((order["lines"].as_str(), order.stamp().schema_version), (Some("?"), 1));
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` when the document is damaged, and when the store cannot be read.
    pub fn get_stored(&self, id: impl Into<DocumentId>) -> Result<Option<Document<Value>>> {
        let id = id.into();
        let stored = self.fetch(&self.key(&id)?).and_then(|record| {
            let Some(record) = record else { return Ok(None) };
            let Some(kind) = self.sees(&record)? else { return Ok(None) };
            let view = View::stored(record);
            let value = view.decode()?;
            Ok(Some((kind, view, value)))
        });
        match stored {
            Ok(Some((kind, view, value))) => {
                Ok(Some(Document::new(id, Arc::clone(kind.name()), view, value)))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(self.at(&id, error)),
        }
    }

    pub(crate) fn not_found(&self, id: &DocumentId) -> Error {
        self.at(id, Error::new(ErrorKind::NotFound, "there is no such document"))
    }

    pub(crate) fn scan(
        &self,
        from: Bound<&DocumentId>,
        to: Bound<&DocumentId>,
        direction: Direction,
    ) -> Result<Scan> {
        let span = document::id_span(self.number, from, to)
            .map_err(|error| Error::from(error).with_collection(&self.name))?;
        self.held()
            .and_then(|held| Scan::new(held, span, direction))
            .map_err(|error| error.in_collection(&self.name))
    }
}
