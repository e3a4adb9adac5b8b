//! One look at a document: whether it is meant.

use std::sync::Arc;

use crate::encoding::body::raw::Raw;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::filter::condition::Condition;
use crate::filter::route::Route;
use crate::filter::sort::SortKeys;
use crate::filter::walk::{Met, visit};
use crate::model::id::DocumentId;
use crate::query::known::Known;
use crate::query::source::Source;
use crate::query::spec::Position;
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
    /// It cannot be read, and may be meant.
    Unreadable(Unread),
}

/// A document that cannot be read.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) error: Error,
    /// Where it would stand in the order asked for, if that is certain.
    pub(crate) position: Option<Position>,
}

/// Looks at documents, and counts.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) source: Source,
    condition: Arc<Condition>,
    sort: SortKeys,
    pub(crate) tally: Tally,
    /// Whether rows are counted and not given: then none is kept.
    pub(crate) counts: bool,
    /// Paths to count in how many documents there is something; costs a second look at each document.
    watched: Vec<Route>,
}

impl Look {
    pub(crate) fn new(source: Source, condition: Arc<Condition>, sort: SortKeys) -> Self {
        Self { source, condition, sort, tally: Tally::default(), counts: false, watched: Vec::new() }
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
            Err(error) => self.unreadable(&id, error),
        }
    }

    /// A document that cannot be read, if it may be meant.
    fn unreadable(&mut self, id: &DocumentId, error: Error) -> Looked {
        // What is damaged says nothing.
        let known = if error.kind() == ErrorKind::Corrupt { None } else { self.known(id) };
        let mut position = None;
        if let Some(known) = known {
            if known.is_past(&self.condition).is_ok_and(|past| past) {
                return Looked::Past;
            }
            position = known.position(id, &self.sort).ok().flatten();
        }
        self.tally.unreadable += 1;
        Looked::Unreadable(Unread { error: self.source.eyes.place(id, error), position })
    }

    #[cold]
    fn known(&self, id: &DocumentId) -> Option<Known> {
        let record = self.source.fetch(id).ok().flatten()?;
        let kind = self.source.eyes.kind_of(&record.header).ok().flatten()?;
        Known::of(&kind, id, &record, self.source.limits)
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
        let (limits, condition) = (self.source.limits, &*self.condition);
        let view = if self.counts {
            let matches = View::matches(&kind, id, &record, limits, condition);
            matches.map(|matches| matches.then(|| View::stored(record)))
        } else {
            View::matching(&kind, id, record, limits, condition)
        };
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
