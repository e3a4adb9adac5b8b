//! A record in the program's shape.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::encoding::body::de::from_body;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::noting::{Notes, from_body_noting};
use crate::encoding::body::raw::Raw;
use crate::error::error::Error;
use crate::filter::condition::Condition;
use crate::model::id::DocumentId;
use crate::model::stamp::Stamp;
use crate::record::kind::{Kind, Shaped};
use crate::stored::record::Record;
use crate::value::path::Path;

/// A record, and its body upcast where it is stored in another shape. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct View {
    record: Record,
    /// The stamp the body is shown at.
    stamp: Stamp,
    /// `None`: stored at that stamp.
    carried: Option<Arc<[u8]>>,
}

impl View {
    /// `record` as the program sees it.
    pub(crate) fn of(kind: &Kind, id: &DocumentId, record: Record, limits: Limits) -> Result<Self, Error> {
        let stored = record.header.stamp;
        let stamp = kind.shape_of(stored);
        let carried =
            if stamp == stored { None } else { Some(kind.read(id, shaped(&record), stamp, limits)?.into()) };
        Ok(Self { record, stamp, carried })
    }

    /// As [`of`](Self::of), if the document is as `condition` says. Where it lies in the program's shape, nothing of it is decoded; where
    /// it does not, it is carried first, and [encoded as is cheapest](Kind::read_if).
    pub(crate) fn matching(
        kind: &Kind,
        id: &DocumentId,
        record: Record,
        limits: Limits,
        condition: &Condition,
    ) -> Result<Option<Self>, Error> {
        let stored = record.header.stamp;
        let stamp = kind.shape_of(stored);
        if stamp == stored {
            let wanted = condition.matches(Raw::new(record.body())?)?;
            return Ok(wanted.then_some(Self { record, stamp, carried: None }));
        }
        let carried = kind.read_if(id, shaped(&record), stamp, limits, |twig| condition.matches(twig))?;
        Ok(carried.map(|carried| Self { record, stamp, carried: Some(carried.into()) }))
    }

    /// Whether the document is as `condition` says, and can be read. Keeps nothing of it.
    pub(crate) fn matches(
        kind: &Kind,
        id: &DocumentId,
        record: &Record,
        limits: Limits,
        condition: &Condition,
    ) -> Result<bool, Error> {
        let stamp = kind.shape_of(record.header.stamp);
        if stamp == record.header.stamp {
            return Ok(condition.matches(Raw::new(record.body())?)?);
        }
        // Whether it is within the limits only shows when it is encoded.
        Ok(kind.read_if(id, shaped(record), stamp, limits, |twig| condition.matches(twig))?.is_some())
    }

    /// `record` as it is stored.
    pub(crate) fn stored(record: Record) -> Self {
        Self { stamp: record.header.stamp, record, carried: None }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// The stamp of [`body`](Self::body).
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.carried.as_deref().unwrap_or_else(|| self.record.body())
    }

    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(from_body(Raw::new(self.body())?)?)
    }

    /// As [`decode`](Self::decode), of a document of `kind`.
    pub(crate) fn decode_of<T: DeserializeOwned>(&self, kind: &Kind) -> Result<T, Error> {
        self.decode().map_err(|error| self.explained(kind, error))
    }

    /// As [`decode_of`](Self::decode_of), for who is going to change the value.
    pub(crate) fn decode_noting<T: DeserializeOwned>(&self, kind: &Kind) -> Result<(T, Notes<'_>), Error> {
        let noted = Raw::new(self.body()).and_then(from_body_noting);
        noted.map_err(|error| self.explained(kind, error.into()))
    }

    /// `error`, which says where a field is missing that may have been removed by a step that the program does not have.
    fn explained(&self, kind: &Kind, error: Error) -> Error {
        let Some(missing) = missing_field(&error) else { return error };
        let stops = kind.stops(self.record.header.stamp, self.stamp).unwrap_or_default();
        let undone: Vec<_> = stops.into_iter().filter(|stop| !stop.up).map(|stop| stop.step).collect();
        if undone.is_empty() {
            return error;
        }
        let error = error.with_advice(REMOVED);
        match undone.iter().find(|step| step.ops.iter().any(|op| op.removes(&missing))) {
            Some(step) => error.with_step(&step.name),
            None => error,
        }
    }
}

/// What to do where a field is missing in a document that has come down.
const REMOVED: &str =
    "a newer step may have removed it: give this type a default, or that step restoring(..), by redefine";

/// The path of the field that `error` says is missing, as serde says it.
fn missing_field(error: &Error) -> Option<Path> {
    let name = error.context().detail("reason")?.strip_prefix("missing field `")?.strip_suffix('`')?;
    let above = error.context().path().unwrap_or_default();
    Path::new(&format!("{above}/{}", name.replace('~', "~0").replace('/', "~1"))).ok()
}

/// A record as it is stored.
pub(crate) fn shaped(record: &Record) -> Shaped<'_> {
    Shaped {
        collection: record.collection,
        stamp: record.header.stamp,
        body: record.body(),
        complement: record.complement(),
    }
}
