//! The rows of a query, one after the other.

use std::ops::Bound;
use std::time::Duration;
use std::vec;

use crate::encoding::body::raw::Raw;
use crate::encoding::key::document;
use crate::error::error::Error;
use crate::filter::sort::SortKeys;
use crate::model::id::DocumentId;
use crate::query::explanation::Explanation;
use crate::query::look::{Look, Looked, Row};
use crate::query::source::Source;
use crate::query::spec::{Position, Spec, Unreadable};
use crate::query::top::Top;
use crate::storage::backend::Direction;
use crate::stored::scan::Scan;

/// What an error costs that is kept until sorted results begin; an estimate.
const KEPT_ERROR: usize = 512;

/// The rows of a query in their order, of one state of the store. Memory: one page; and where rows are sorted, what the spec allows.
#[derive(Debug)]
pub(crate) struct Rows {
    look: Look,
    spec: Spec,
    stage: Stage,
    /// How many rows are still to be passed over, and to be given.
    to_skip: u64,
    to_give: u64,
}

#[derive(Debug)]
enum Stage {
    Unused,
    /// In the order of ids.
    Scanning(Scan),
    /// What cannot be read; then what has been sorted.
    Sorted {
        unreadable: vec::IntoIter<Error>,
        positions: vec::IntoIter<Position>,
    },
    Ended,
}

/// What comes next.
enum Item {
    Row(Row),
    Unreadable(Error),
}

impl Rows {
    pub(crate) fn new(source: Source, spec: Spec) -> Self {
        let look = Look::new(source, spec.condition.clone());
        let (to_skip, to_give) = (spec.skip, spec.limit.unwrap_or(u64::MAX));
        Self { look, spec, stage: Stage::Unused, to_skip, to_give }
    }

    /// Counts from now on in how many documents there is something at each path of the filter.
    pub(crate) fn watch_paths(&mut self) {
        let mut routes = Vec::new();
        self.spec.condition.routes(&mut routes);
        let mut routes: Vec<_> = routes.into_iter().cloned().collect();
        routes.sort_unstable_by(|one, other| one.path().cmp(other.path()));
        routes.dedup();
        self.look.watch(routes);
    }

    /// What has been done, with what that has cost.
    pub(crate) fn explanation(&self, time: Duration) -> Explanation {
        let tally = &self.look.tally;
        let paths = self.look.watched().iter().map(|route| route.path().to_string());
        Explanation {
            plan: "scan".to_owned(),
            index: None,
            sorted: !self.spec.sort.is_empty(),
            notes: Vec::new(),
            keys_examined: tally.keys,
            documents_examined: tally.documents,
            documents_upcast: tally.upcast,
            documents_unreadable: tally.unreadable,
            documents_returned: tally.rows,
            paths: paths.zip(tally.paths.iter().copied()).collect(),
            time,
        }
    }

    /// How many documents have been left out because they could not be read.
    pub(crate) fn skipped(&self) -> u64 {
        if self.spec.unreadable == Unreadable::Skip { self.look.tally.unreadable } else { 0 }
    }

    /// The next row. After an error there is none, unless it is about one document and the spec says that such are yielded.
    pub(crate) fn next(&mut self) -> Option<Result<Row, Error>> {
        loop {
            if self.to_give == 0 {
                self.stage = Stage::Ended;
            }
            match self.item() {
                Ok(None) => {
                    self.stage = Stage::Ended;
                    return None;
                }
                Ok(Some(Item::Row(_))) if self.to_skip > 0 => self.to_skip -= 1,
                Ok(Some(Item::Row(row))) => {
                    self.to_give -= 1;
                    self.look.tally.rows += 1;
                    return Some(Ok(row));
                }
                Ok(Some(Item::Unreadable(error))) => match self.spec.unreadable {
                    Unreadable::Skip => {}
                    Unreadable::Yield => return Some(Err(error)),
                    Unreadable::Fail => {
                        self.stage = Stage::Ended;
                        return Some(Err(error));
                    }
                },
                Err(error) => {
                    self.stage = Stage::Ended;
                    return Some(Err(error));
                }
            }
        }
    }

    fn item(&mut self) -> Result<Option<Item>, Error> {
        if matches!(self.stage, Stage::Unused) {
            self.stage = Stage::Ended;
            self.stage = self.begin()?;
        }
        match &mut self.stage {
            Stage::Unused | Stage::Ended => Ok(None),
            Stage::Scanning(scan) => next_of(scan, &mut self.look),
            Stage::Sorted { unreadable, positions } => {
                if let Some(error) = unreadable.next() {
                    return Ok(Some(Item::Unreadable(error)));
                }
                for position in positions {
                    if let Some(row) = self.look.again(position.id)? {
                        return Ok(Some(Item::Row(row)));
                    }
                }
                Ok(None)
            }
        }
    }

    fn begin(&mut self) -> Result<Stage, Error> {
        if self.spec.sort.is_empty() {
            let after = self.spec.after.as_ref().map(|after| &after.id);
            return Ok(Stage::Scanning(self.scan(after.map_or(Bound::Unbounded, Bound::Excluded))?));
        }
        let wanted = self.spec.limit.map(|limit| limit.saturating_add(self.spec.skip));
        let wanted = wanted.map(|wanted| usize::try_from(wanted).unwrap_or(usize::MAX));
        let mut sorter = Sorter {
            top: Top::new(wanted, self.spec.sort_limit),
            unreadable: Vec::new(),
            policy: self.spec.unreadable,
        };
        let mut scan = self.scan(Bound::Unbounded)?;
        while let Some(item) = next_of(&mut scan, &mut self.look)? {
            if !sorter.take(item, &self.spec.sort, self.spec.after.as_ref())? {
                break;
            }
        }
        Ok(Stage::Sorted {
            unreadable: sorter.unreadable.into_iter(),
            positions: sorter.top.into_sorted().into_iter(),
        })
    }

    fn scan(&self, from: Bound<&DocumentId>) -> Result<Scan, Error> {
        let source = &self.look.source;
        let span = document::id_span(source.collection, from, Bound::Unbounded)?;
        Scan::new(source.held.clone(), span, Direction::Forward)
    }
}

/// The next of a scan that is meant or cannot be read.
fn next_of(scan: &mut Scan, look: &mut Look) -> Result<Option<Item>, Error> {
    while let Some(found) = scan.next().transpose()? {
        match look.record(found.id, found.record) {
            Looked::At(row) => return Ok(Some(Item::Row(row))),
            Looked::Past => {}
            Looked::Unreadable(error) => return Ok(Some(Item::Unreadable(error))),
        }
    }
    Ok(None)
}

/// Rows on their way into an order.
struct Sorter {
    top: Top,
    unreadable: Vec<Error>,
    policy: Unreadable,
}

impl Sorter {
    /// Takes one in; whether more are wanted.
    fn take(&mut self, item: Item, sort: &SortKeys, after: Option<&Position>) -> Result<bool, Error> {
        match item {
            Item::Row(row) => {
                let position = position(&row, sort)?;
                if after.is_none_or(|after| position > *after) {
                    self.top.push(position)?;
                }
                Ok(true)
            }
            // Those who go on from a cursor have been told of it before.
            Item::Unreadable(_) if self.policy == Unreadable::Skip => Ok(true),
            Item::Unreadable(_) if self.policy == Unreadable::Yield && after.is_some() => Ok(true),
            Item::Unreadable(error) => {
                self.top.keep(KEPT_ERROR)?;
                self.unreadable.push(error);
                Ok(self.policy == Unreadable::Yield)
            }
        }
    }
}

/// Where a row stands.
pub(crate) fn position(row: &Row, sort: &SortKeys) -> Result<Position, Error> {
    let mut values = Vec::new();
    sort.write(Raw::new(row.view.body())?, &mut values)?;
    Ok(Position { values, id: row.id.clone() })
}
