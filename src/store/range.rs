//! Iterating over documents.

use std::ops::Bound;

use serde::de::DeserializeOwned;

use crate::error::error::Result;
use crate::model::id::DocumentId;
use crate::storage::backend::Direction;
use crate::store::collection::Collection;
use crate::store::document::Document;
use crate::stored::scan::Scan;

/// Documents of a collection, in the order of their ids or against it; see [`Collection::range`].
#[derive(Debug)]
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Range<T> {
    collection: Collection<T>,
    from: Bound<DocumentId>,
    to: Bound<DocumentId>,
    direction: Direction,
    state: State,
}

#[derive(Debug)]
enum State {
    Unused,
    Scanning(Scan),
    Ended,
}

impl<T> Range<T> {
    pub(crate) fn new(collection: Collection<T>, from: Bound<DocumentId>, to: Bound<DocumentId>) -> Self {
        Self { collection, from, to, direction: Direction::Forward, state: State::Unused }
    }

    /// The same documents the other way round, from the beginning, of the state of the store at the first use from now on.
    pub fn reversed(self) -> Self {
        let direction = match self.direction {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
        };
        Self { direction, state: State::Unused, ..self }
    }

    fn scan(&mut self) -> Result<Option<&mut Scan>> {
        if matches!(self.state, State::Unused) {
            let scan = self.collection.scan(self.from.as_ref(), self.to.as_ref(), self.direction);
            self.state = State::Ended;
            self.state = State::Scanning(scan?);
        }
        match &mut self.state {
            State::Scanning(scan) => Ok(Some(scan)),
            State::Unused | State::Ended => Ok(None),
        }
    }
}

impl<T: DeserializeOwned> Range<T> {
    fn find(&mut self) -> Result<Option<Document<T>>> {
        while let Some(scan) = self.scan()? {
            let found = scan.next().transpose();
            let Some(found) = found.map_err(|error| {
                self.state = State::Ended;
                error.in_collection(self.collection.name())
            })?
            else {
                self.state = State::Ended;
                break;
            };
            let record = found.record.map_err(|error| self.collection.at(&found.id, error))?;
            if let Some(document) = self.collection.open(found.id, record)? {
                return Ok(Some(document));
            }
        }
        Ok(None)
    }
}

impl<T: DeserializeOwned> Iterator for Range<T> {
    type Item = Result<Document<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.find().transpose()
    }
}

impl<T: DeserializeOwned> std::iter::FusedIterator for Range<T> {}

/// As [`Collection::iter`].
impl<T: DeserializeOwned> IntoIterator for &Collection<T> {
    type Item = Result<Document<T>>;
    type IntoIter = Range<T>;

    fn into_iter(self) -> Range<T> {
        self.iter()
    }
}
