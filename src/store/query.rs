//! Queries, as a program asks them.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use crate::encoding::body::de::from_body;
use crate::encoding::body::raw::Raw;
use crate::encoding::envelope::header::Header;
use crate::encoding::key::census::CensusKey;
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::filter::error::InvalidFilter;
use crate::filter::filter::Filter;
use crate::filter::projection::Projection;
use crate::filter::route::Route;
use crate::filter::sort::{SortKey, SortKeys};
use crate::index::impact::Impact;
use crate::index::usable::{Seen, Usable, can_read_all};
use crate::model::id::DocumentId;
use crate::model::stamp::Stamp;
use crate::query::cursor::{Cursor, MAX_SHAPES, MAX_VALUES};
use crate::query::explanation::Explanation;
use crate::query::look::Row;
use crate::query::rows::{Rows, position};
use crate::query::source::{Eyes, Source};
use crate::query::spec::{Spec, Unreadable};
use crate::record::kind::Kind;
use crate::store::collection::Collection;
use crate::store::document::Document;
use crate::store::history::counters;
use crate::stored::state::Held;
use crate::value::path::ToPath;

/// What a sort in memory may take, unless a query says otherwise.
const SORT_LIMIT: usize = 32 << 20;

/// Documents of a collection that a filter means; made by [`Collection::find`]. Asks nothing before it is used, and then of one state of the
/// store, whatever is written meanwhile.
///
/// Results come in the order of what they are sorted by, and where that is equal, or there is nothing to sort by, of their ids.
///
/// ```
/// use pivotdb::{Store, field};
/// use serde_json::json;
///
/// let store = Store::memory()?;
/// let runs = store.documents("runs")?;
/// for (id, rate, accuracy) in [(1, 0.1, 0.91), (2, 0.3, 0.88), (3, 0.2, 0.97)] {
///     runs.insert_with_id(id, &json!({"rate": rate, "accuracy": accuracy}))?;
/// }
/// let mut best = Vec::new();
/// for run in runs.find(field("accuracy").gte(0.9)).sort_desc("accuracy").limit(5) {
///     best.push(run?["rate"].as_f64());
/// }
/// assert_eq!(best, [Some(0.2), Some(0.1)]);
/// assert_eq!(runs.find(json!({"rate": {"$lt": 0.25}})).count()?, 2);
/// # Ok::<(), pivotdb::Error>(())
/// ```
#[must_use = "a query asks nothing before it is used"]
pub struct Query<T> {
    collection: Collection<T>,
    asked: Asked,
}

#[derive(Clone)]
struct Asked {
    filter: Filter,
    sort: std::result::Result<SortKeys, InvalidFilter>,
    skip: u64,
    limit: Option<u64>,
    after: Option<Cursor>,
    unreadable: Unreadable,
    sort_limit: usize,
}

impl<T> Collection<T> {
    /// The documents that `filter` means: one made with [`field`](crate::field), or a filter document of MongoDB's as a `serde_json::Value`; see
    /// [queries](crate::documentation::queries). A filter that is none is an error at the first use of the query.
    ///
    /// Costs a look at every document of the collection, unless an index leads to those that are meant; nothing of the others is decoded.
    pub fn find(&self, filter: impl Into<Filter>) -> Query<T> {
        let asked = Asked {
            filter: filter.into(),
            sort: Ok(SortKeys::default()),
            skip: 0,
            limit: None,
            after: None,
            unreadable: Unreadable::default(),
            sort_limit: SORT_LIMIT,
        };
        Query { collection: self.clone(), asked }
    }
}

impl<T> Query<T> {
    /// Sorts by what stands at `path`, ascending; after what it is sorted by already.
    pub fn sort(self, path: impl ToPath) -> Self {
        self.sort_by(path, false)
    }

    /// Sorts by what stands at `path`, descending; after what it is sorted by already. Ids go on ascending.
    pub fn sort_desc(self, path: impl ToPath) -> Self {
        self.sort_by(path, true)
    }

    /// Leaves the first `documents` out. Costs as much as giving them; to read page after page, use [`after`](Self::after).
    pub fn skip(mut self, documents: u64) -> Self {
        self.asked.skip = documents;
        self
    }

    /// At most so many. A sort in memory then keeps no more than these and those that are skipped.
    pub fn limit(mut self, documents: u64) -> Self {
        self.asked.limit = Some(documents);
        self
    }

    /// Only what comes after `cursor`, which [`Results::cursor`] has given for the same filter and sort, here or in an earlier process.
    ///
    /// ```
    /// # use pivotdb::{Cursor, Store};
    /// # use serde_json::json;
    /// # let store = Store::memory()?;
    /// # let days = store.documents("days")?;
    /// # for day in 1..=5 {
    /// #     days.insert_with_id(day, &json!({"day": day}))?;
    /// # }
    /// let page = || days.find(json!({})).sort_desc("day").limit(2);
    /// let mut first = page().iter();
    /// assert_eq!(first.by_ref().count(), 2);
    /// let text = first.cursor()?.unwrap().to_string();
    /// let second = page().after(&text.parse::<Cursor>()?).to_vec()?;
    /// assert_eq!(second[0]["day"], 3);
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// At the first use: `InvalidCursor` when it belongs to another query; `CursorStale` when a step has come since that touches the paths of the
    /// query.
    pub fn after(mut self, cursor: &Cursor) -> Self {
        self.asked.after = Some(cursor.clone());
        self
    }

    /// What to do about documents that cannot be read. Default: [`Unreadable::Yield`].
    pub fn unreadable(mut self, policy: Unreadable) -> Self {
        self.asked.unreadable = policy;
        self
    }

    /// How many bytes a sort in memory may take; past it the query fails with `SortTooLarge`. It keeps sort values and ids, not documents.
    /// Default: 32 MiB.
    pub fn sort_limit(mut self, bytes: usize) -> Self {
        self.asked.sort_limit = bytes;
        self
    }

    /// The same documents, read as `S`: a smaller type costs less, since what it does not have is passed over.
    pub fn project<S>(self) -> Query<S> {
        Query { collection: self.collection.read_as(), asked: self.asked }
    }

    /// The same documents so far as `projection` means them, without what belongs to a document: they cannot be written back.
    pub fn select(self, projection: impl Into<Projection>) -> Selection<T> {
        Selection { projection: projection.into(), results: self.iter() }
    }

    /// The results, lazily, of the state of the store at the first use of the iterator.
    pub fn iter(&self) -> Results<T> {
        let query = Self { collection: self.collection.clone(), asked: self.asked.clone() };
        Results { query, state: State::Unused, last: None }
    }

    /// How many there are. Nothing is decoded. Where all documents are meant, and all are stored in the shape they are read in, nothing is read but counters, and damage is not
    /// noticed; where some have to be upcast, all are read, since some may not let themselves be. [`Collection::count`] counts documents, readable or not.
    ///
    /// # Errors
    /// As reading the results.
    pub fn count(&self) -> Result<u64> {
        let asked = &self.asked;
        let everything = asked.filter.condition()?.is_everything() && asked.after.is_none();
        if everything && asked.sort.is_ok() {
            let (all, as_stored) = self.collection.counted()?;
            if as_stored {
                let all = all.saturating_sub(asked.skip);
                return Ok(asked.limit.map_or(all, |limit| all.min(limit)));
            }
        }
        let mut unsorted = self.asked.clone();
        if unsorted.sort.is_ok() && unsorted.after.is_none() {
            unsorted.sort = Ok(SortKeys::default());
        }
        let rows = self.rows(&unsorted)?;
        let held = rows.held().clone();
        let all_seen = |usable: &Usable| {
            let seen = self.collection.kind.is_none() || usable.generation.kinds.len() == 1;
            let inner = &**self.collection.inner;
            Ok(seen && can_read_all(inner, &held, &usable.generation, &self.seen(&held)?, inner.limits)?)
        };
        rows.count(all_seen).map_err(|error| self.named(error))
    }

    /// Whether there is any. Stops at the first that is met, whatever the order.
    ///
    /// # Errors
    /// As reading the results; of a document that cannot be read only where there is no other that is meant.
    pub fn exists(&self) -> Result<bool> {
        let limit = Some(self.asked.limit.map_or(1, |limit| limit.min(1)));
        let mut one = Asked { limit, ..self.asked.clone() };
        if one.sort.is_ok() && one.after.is_none() {
            one.sort = Ok(SortKeys::default());
        }
        self.rows(&one)?.any().map_err(|error| self.named(error))
    }

    /// Carries the query out, and tells how and at what cost. Decodes nothing, and looks twice at each document.
    ///
    /// # Errors
    /// As reading the results; documents that cannot be read are counted.
    pub fn explain(&self) -> Result<Explanation> {
        let begun = Instant::now();
        let asked = Asked { unreadable: Unreadable::Skip, ..self.asked.clone() };
        let mut rows = self.rows(&asked)?;
        rows.watch_paths();
        while let Some(row) = rows.next() {
            row.map_err(|error| self.named(error))?;
        }
        let explained = rows.explanation(begun.elapsed());
        let used = explained.index.as_ref().map(|index| index.generation);
        Ok(Explanation { indexes: self.collection.considered(used)?, ..explained })
    }

    fn sort_by(mut self, path: impl ToPath, descending: bool) -> Self {
        let sort = self.asked.sort.and_then(|mut keys| {
            keys.push(SortKey { route: Route::new(path.to_path()?), descending })?;
            Ok(keys)
        });
        self.asked.sort = sort;
        self
    }

    fn rows(&self, asked: &Asked) -> Result<Rows> {
        self.try_rows(asked).map_err(|error| self.named(error))
    }

    fn try_rows(&self, asked: &Asked) -> Result<Rows> {
        let condition = Arc::clone(asked.filter.condition()?);
        let sort = asked.sort.clone()?;
        let held = self.collection.held()?.now()?;
        let after = match &asked.after {
            None => None,
            Some(cursor) => {
                self.check(cursor, asked)?;
                Some(cursor.position.clone())
            }
        };
        let usable = self.usable(&held)?;
        let eyes = Arc::new(self.collection.read_as::<()>());
        let limits = self.collection.inner.limits;
        let source = Source { held, collection: self.collection.number, limits, eyes };
        let Asked { skip, limit, unreadable, sort_limit, .. } = *asked;
        // Those who go on from a cursor have been told of it before.
        let told = unreadable == Unreadable::Yield && after.is_some();
        let spec = Spec { condition, sort, skip, limit, after, unreadable, told, sort_limit };
        Rows::new(source, spec, usable)
    }

    /// The indexes that are right for this handle.
    fn usable(&self, held: &Held) -> Result<Vec<Usable>> {
        let indexes = &self.collection.inner.indexes;
        // In a transaction an untyped handle would have to answer for there being no other kinds, and would conflict with every insert.
        if indexes.of(self.collection.number).is_empty()
            || (self.collection.kind.is_none() && held.is_transaction())
        {
            return Ok(Vec::new());
        }
        let inner = &**self.collection.inner;
        indexes.usable(inner, held, self.collection.number, &self.seen(held)?)
    }

    fn seen(&self, held: &Held) -> Result<Vec<Seen>> {
        let seen = self.collection.seen(held)?;
        Ok(seen.into_iter().map(|(kind, stamp)| Seen { kind, stamp }).collect())
    }

    fn check(&self, cursor: &Cursor, asked: &Asked) -> Result<()> {
        if cursor.asked != asked.digest()? {
            return Err(Error::new(ErrorKind::InvalidCursor, "the cursor belongs to another query"));
        }
        let mut seen = false;
        for (kind, stamp) in &cursor.shapes {
            // Anybody may have made the text: it says nothing about the store.
            if self.collection.inner.catalog.kind_name(*kind).is_none() {
                return Err(Error::new(ErrorKind::InvalidCursor, "the cursor belongs to another store"));
            }
            let Some(kind) = self.collection.kind_of(*kind)? else { continue };
            seen = true;
            if !self.is_untouched(&kind, *stamp, kind.shape_of(*stamp), asked)? {
                return Err(Error::new(
                    ErrorKind::CursorStale,
                    "a step has come since the cursor was made, and what it was made of has another shape",
                ));
            }
        }
        if !seen {
            return Err(Error::new(
                ErrorKind::InvalidCursor,
                "the cursor was made of documents of other kinds",
            ));
        }
        Ok(())
    }

    /// Whether the steps between two shapes do nothing at the paths of the query.
    fn is_untouched(&self, kind: &Kind, one: Stamp, other: Stamp, asked: &Asked) -> Result<bool> {
        if one == other {
            return Ok(true);
        }
        let Some(steps) = kind.ascent(one, other).or_else(|| kind.ascent(other, one)) else {
            return Ok(false);
        };
        let mut routes = Vec::new();
        asked.filter.condition()?.routes(&mut routes);
        let sort = asked.sort.clone()?;
        let sorted = sort.iter().map(|key| key.route.path().clone());
        let paths: Vec<_> = routes.into_iter().map(|route| route.path().clone()).chain(sorted).collect();
        Ok(Impact::of(&paths, &steps) == Impact::Untouched)
    }

    /// The shapes that documents are seen in, and `row` was.
    fn shapes(&self, row: &Row) -> Result<Vec<(u32, Stamp)>> {
        let seen = (row.kind.number(), row.view.stamp());
        let mut shapes = self.collection.seen(&self.collection.held()?)?;
        // The census is asked as it is now, and a step may have come since.
        if !shapes.contains(&seen) {
            shapes.push(seen);
        }
        if shapes.len() > MAX_SHAPES {
            let error = Error::new(ErrorKind::TooLarge, "the collection holds too many shapes for a cursor");
            return Err(error.with_detail("limit", MAX_SHAPES).with_advice("ask a typed collection"));
        }
        Ok(shapes)
    }

    fn named(&self, error: Error) -> Error {
        error.in_collection(self.collection.name())
    }
}

impl<T> Collection<T> {
    /// The kind of this number, if the handle sees it.
    fn kind_of(&self, number: u32) -> Result<Option<Arc<Kind>>> {
        match &self.kind {
            Some(kind) => Ok(self.is_of(kind, number)?.then(|| Arc::clone(kind))),
            None => self.inner.registry.resolve(&self.inner.catalog, number).map(Some),
        }
    }

    /// The kinds of the documents this handle sees in one state, and the shapes it sees them in. A transaction does not answer for it.
    pub(crate) fn seen(&self, held: &Held) -> Result<Vec<(u32, Stamp)>> {
        if let Some(kind) = &self.kind {
            return Ok(vec![(kind.number(), kind.current())]);
        }
        let mut seen = Vec::new();
        for (CensusKey { kind, stamp, .. }, _) in counters(held, self.number)? {
            let kind = self.inner.registry.resolve(&self.inner.catalog, kind)?;
            seen.push((kind.number(), kind.shape_of(stamp)));
        }
        seen.sort_unstable();
        seen.dedup();
        Ok(seen)
    }
}

impl Asked {
    /// The same for the same filter and sort.
    fn digest(&self) -> Result<u64> {
        self.filter.condition()?;
        let mut text = self.filter.to_string();
        for key in self.sort.as_ref().map_err(Clone::clone)?.iter() {
            text.push(if key.descending { '-' } else { '+' });
            text.push_str(&key.route.path().to_string());
            text.push('\0');
        }
        Ok(xxh3_64(text.as_bytes()))
    }
}

impl<T: DeserializeOwned> Query<T> {
    /// The first in the order of the results. Where an index bounds the filter by a range and does not give that order, its whole range is read to find it, and in a
    /// transaction answered for; to know whether there is any, ask [`exists`](Self::exists).
    ///
    /// # Errors
    /// As reading the results.
    pub fn first(&self) -> Result<Option<Document<T>>> {
        let limit = self.asked.limit.map_or(1, |limit| limit.min(1));
        let one = Self { collection: self.collection.clone(), asked: self.asked.clone() }.limit(limit);
        one.iter().next().transpose()
    }

    /// All of them.
    ///
    /// # Errors
    /// The first of the results' errors.
    pub fn to_vec(&self) -> Result<Vec<Document<T>>> {
        self.iter().collect()
    }
}

impl<T: DeserializeOwned> IntoIterator for Query<T> {
    type Item = Result<Document<T>>;
    type IntoIter = Results<T>;

    fn into_iter(self) -> Results<T> {
        Results { query: self, state: State::Unused, last: None }
    }
}

impl<T: DeserializeOwned> IntoIterator for &Query<T> {
    type Item = Result<Document<T>>;
    type IntoIter = Results<T>;

    fn into_iter(self) -> Results<T> {
        self.iter()
    }
}

impl<T> fmt::Debug for Query<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("collection", &self.collection)
            .field("filter", &self.asked.filter)
            .finish_non_exhaustive()
    }
}

impl<T> Eyes for Collection<T> {
    fn kind_of(&self, header: &Header) -> Result<Option<Arc<Kind>>> {
        self.sees_header(header)
    }

    fn place(&self, id: &DocumentId, error: Error) -> Error {
        self.at(id, error)
    }
}

/// The results of a query, one after the other. An `Err` about one document does not end them, unless the query says so.
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Results<T> {
    query: Query<T>,
    state: State,
    /// The last row given.
    last: Option<Row>,
}

enum State {
    Unused,
    Going(Box<Rows>),
    /// With what has been left out.
    Ended(u64),
}

impl<T> Results<T> {
    /// The place behind the last result that has been given; `None` before the first.
    ///
    /// # Errors
    /// `InvalidFilter`; `TooLarge` when the values that the result is sorted by take more than 16 KiB, or the collection, seen untyped, holds documents of more than 64
    /// kinds and shapes; and when the store cannot be read.
    pub fn cursor(&self) -> Result<Option<Cursor>> {
        let Some(row) = &self.last else { return Ok(None) };
        let asked = &self.query.asked;
        let sort = asked.sort.clone()?;
        let (shapes, position) = (self.query.shapes(row)?, position(row, &sort)?);
        if position.values.len() > MAX_VALUES {
            let error = Error::new(ErrorKind::TooLarge, "what is sorted by is too long for a cursor");
            return Err(error.with_detail("limit", MAX_VALUES).with_advice("sort by shorter values"));
        }
        Ok(Some(Cursor { asked: asked.digest()?, shapes, position }))
    }

    /// How many documents have been left out so far because they could not be read, as [`Unreadable::Skip`] says. At the end of results without a limit and a cursor
    /// that is how many may have been meant; otherwise how many of those that had to be looked at.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        match &self.state {
            State::Unused => 0,
            State::Going(rows) => rows.skipped(),
            State::Ended(skipped) => *skipped,
        }
    }

    fn row(&mut self) -> Option<Result<Row>> {
        if matches!(self.state, State::Unused) {
            self.state = State::Ended(0);
            match self.query.rows(&self.query.asked) {
                Ok(rows) => self.state = State::Going(Box::new(rows)),
                Err(error) => return Some(Err(error)),
            }
        }
        let State::Going(rows) = &mut self.state else { return None };
        let row = rows.next();
        match &row {
            None => self.state = State::Ended(rows.skipped()),
            Some(Ok(row)) => self.last = Some(row.clone()),
            Some(Err(_)) => {}
        }
        row.map(|row| row.map_err(|error| self.query.named(error)))
    }

    /// What is made of the body of the next row.
    fn made<R>(&mut self, make: impl FnOnce(&Row, Raw<'_>) -> Result<R>) -> Option<Result<(Row, R)>> {
        Some(self.row()?.and_then(|row| {
            let made = Raw::new(row.view.body()).map_err(Error::from).and_then(|body| make(&row, body));
            match made {
                Ok(made) => Ok((row, made)),
                Err(error) => {
                    let error =
                        error.with_document_kind(row.kind.name()).with_stamp(row.view.record().header.stamp);
                    Err(self.query.collection.at(&row.id, error))
                }
            }
        }))
    }
}

impl<T: DeserializeOwned> Iterator for Results<T> {
    type Item = Result<Document<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        let made = self.made(|_, body| Ok(from_body(body)?));
        made.map(|made| {
            made.map(|(row, value)| Document::new(row.id, row.kind.name().clone(), row.view, value))
        })
    }
}

impl<T: DeserializeOwned> std::iter::FusedIterator for Results<T> {}

impl<T> fmt::Debug for Results<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").field("query", &self.query).finish_non_exhaustive()
    }
}

/// Parts of documents; made by [`Query::select`].
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Selection<T> {
    projection: Projection,
    results: Results<T>,
}

impl<T: DeserializeOwned> Iterator for Selection<T> {
    type Item = Result<(DocumentId, T)>;

    fn next(&mut self) -> Option<Self::Item> {
        let projection = &self.projection;
        let made = self.results.made(|_, body| {
            let part = projection.project(body)?;
            Ok(from_body(Raw::new(&part)?)?)
        });
        made.map(|made| made.map(|(row, value)| (row.id, value)))
    }
}

impl<T: DeserializeOwned> std::iter::FusedIterator for Selection<T> {}

impl<T> fmt::Debug for Selection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selection").field("results", &self.results).finish_non_exhaustive()
    }
}
