//! One look at a document: whether it is meant.

use std::sync::Arc;

use crate::encoding::body::raw::Raw;
use crate::error::error::Error;
use crate::filter::condition::Condition;
use crate::filter::route::Route;
use crate::filter::walk::{Met, visit};
use crate::model::id::DocumentId;
use crate::query::source::Source;
use crate::query::tally::Tally;
use crate::record::kind::Kind;
use crate::record::view::View;
use crate::stored::record::Record;

/// A document that is meant, in the handle's shape.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: DocumentId,
    pub(crate) kind: Arc<Kind>,
    pub(crate) view: View,
}

/// What a look has shown.
#[derive(Debug)]
pub(crate) enum Looked {
    /// The document is meant.
    At(Row),
    /// It is not, or the handle does not see it.
    Past,
    /// It cannot be told.
    Unreadable(Error),
}

/// Looks at documents, and counts.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) source: Source,
    condition: Arc<Condition>,
    pub(crate) tally: Tally,
    /// Paths to count in how many documents there is something; costs a second look at each document.
    watched: Vec<Route>,
}

impl Look {
    pub(crate) fn new(source: Source, condition: Arc<Condition>) -> Self {
        Self { source, condition, tally: Tally::default(), watched: Vec::new() }
    }

    pub(crate) fn watch(&mut self, routes: Vec<Route>) {
        self.tally.paths = vec![0; routes.len()];
        self.watched = routes;
    }

    pub(crate) fn watched(&self) -> &[Route] {
        &self.watched
    }

    pub(crate) fn record(&mut self, id: DocumentId, record: Result<Record, Error>) -> Looked {
        self.tally.documents += 1;
        match record.and_then(|record| self.matching(&id, record)) {
            Ok(Some((kind, view))) => Looked::At(Row { id, kind, view }),
            Ok(None) => Looked::Past,
            Err(error) => {
                self.tally.unreadable += 1;
                Looked::Unreadable(self.source.eyes.place(&id, error))
            }
        }
    }

    /// A document that has been looked at before, in the same state.
    pub(crate) fn again(&self, id: DocumentId) -> Result<Option<Row>, Error> {
        let place = |error| self.source.eyes.place(&id, error);
        let Some(record) = self.source.fetch(&id).map_err(place)? else { return Ok(None) };
        let Some(kind) = self.source.eyes.kind_of(&record.header).map_err(place)? else { return Ok(None) };
        let view = View::of(&kind, &id, record, self.source.limits).map_err(place)?;
        Ok(Some(Row { id, kind, view }))
    }

    fn matching(&mut self, id: &DocumentId, record: Record) -> Result<Option<(Arc<Kind>, View)>, Error> {
        let Some(kind) = self.source.eyes.kind_of(&record.header)? else { return Ok(None) };
        let stored = record.header.stamp;
        self.tally.upcast += u64::from(kind.shape_of(stored) != stored);
        if !self.watched.is_empty() {
            self.count_paths(&kind, id, record.clone())?;
        }
        let view = View::matching(&kind, id, record, self.source.limits, &self.condition);
        let view = view.map_err(|error| error.with_document_kind(kind.name()).with_stamp(stored))?;
        Ok(view.map(|view| (kind, view)))
    }

    fn count_paths(&mut self, kind: &Kind, id: &DocumentId, record: Record) -> Result<(), Error> {
        let view = View::of(kind, id, record, self.source.limits)?;
        let body = Raw::new(view.body())?;
        for (route, count) in self.watched.iter().zip(&mut self.tally.paths) {
            *count += u64::from(visit(body, route, &mut |met| Ok(met != Met::Missing))?);
        }
        Ok(())
    }
}
