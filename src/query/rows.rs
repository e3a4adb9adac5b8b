//! The rows of a query, one after the other.

use std::iter::Peekable;
use std::ops::Bound;
use std::time::Duration;
use std::vec;

use crate::encoding::body::raw::Raw;
use crate::encoding::key::document;
use crate::encoding::key::id;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::filter::sort::SortKeys;
use crate::index::usable::{Progress, Usable};
use crate::model::id::DocumentId;
use crate::query::choice::{Choice, Note, choose};
use crate::query::explanation::Explanation;
use crate::query::look::{Look, Looked, Row, Unread};
use crate::query::source::Source;
use crate::query::spec::{Position, Spec, Unreadable};
use crate::query::stream::Stream;
use crate::query::top::Top;
use crate::storage::backend::Direction;
use crate::stored::scan::Scan;
use crate::stored::state::Held;

/// What an error costs that is kept until sorted results begin; an estimate.
const KEPT_ERROR: usize = 512;
/// What an id costs that is kept until all are known; an estimate.
const KEPT_ID: usize = 48;

/// The rows of a query in their order, of one state of the store. Memory: one page; and where rows are sorted, or led to by an index that has them in another
/// order, what the spec allows.
#[derive(Debug)]
pub(crate) struct Rows {
    look: Look,
    spec: Spec,
    choice: Option<Choice>,
    notes: Vec<Note>,
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
    /// What an index leads to, in the order of ids; then what it has not reached.
    Fetching {
        ids: vec::IntoIter<DocumentId>,
        tail: Option<Scan>,
    },
    /// What an index has in the order asked for; then, or between, what it has not reached.
    Streaming(Box<Streaming>),
    Sorted(Sorted),
    Ended,
}

#[derive(Debug)]
struct Streaming {
    stream: Stream,
    /// The values of the entries at the place to go on from, if they are known.
    sought: Option<Vec<u8>>,
    /// Whether the stream is known to have come past that place.
    passed: bool,
    /// The first of the stream that has not been given, and where it stands; without a sort, that is not asked.
    next: Option<(Option<Position>, Item)>,
    /// What the stream has come upon of which nobody knows where it stands.
    met: Option<Item>,
    ended: bool,
    /// What the index has not reached, sorted.
    tail: Sorted,
    /// The same, in the order of ids.
    scan: Option<Scan>,
}

/// What comes next.
#[derive(Debug)]
enum Item {
    Row(Row),
    Unreadable(Unread),
}

impl Rows {
    /// `usable`: the indexes there are.
    pub(crate) fn new(source: Source, spec: Spec, usable: Vec<Usable>) -> Result<Self, Error> {
        let look = Look::new(source, spec.condition.clone(), spec.sort.clone());
        let (to_skip, to_give) = (spec.skip, spec.limit.unwrap_or(u64::MAX));
        let (choice, notes) = choose(&spec, usable)?;
        if let Some(choice) = &choice {
            choice.usable.answer_for_flags(&look.source.held)?;
        }
        Ok(Self { look, spec, choice, notes, stage: Stage::Unused, to_skip, to_give })
    }

    /// The state that is read.
    pub(crate) fn held(&self) -> &Held {
        &self.look.source.held
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
    pub(crate) fn explanation(self, time: Duration) -> Explanation {
        let tally = &self.look.tally;
        let paths = self.look.watched().iter().map(|route| route.path().to_string());
        let in_order = self.choice.as_ref().is_some_and(|choice| choice.way.in_order.is_some());
        Explanation {
            plan: self.choice.as_ref().map_or_else(|| "scan".to_owned(), Choice::plan),
            index: self.choice.as_ref().map(Choice::used),
            indexes: Vec::new(),
            sorted: !self.spec.sort.is_empty() && !in_order,
            keys_examined: tally.keys,
            documents_examined: tally.documents,
            documents_upcast: tally.upcast,
            documents_unreadable: tally.unreadable,
            documents_returned: tally.rows,
            paths: paths.zip(tally.paths.iter().copied()).collect(),
            time,
            notes: self.notes.iter().map(Note::to_string).collect(),
        }
    }

    /// How many documents have been left out because they could not be read.
    pub(crate) fn skipped(&self) -> u64 {
        if self.spec.unreadable == Unreadable::Skip { self.look.tally.unreadable } else { 0 }
    }

    /// How many rows there are. Where an index holds those that are meant and no others, its entries are counted, and no document is read.
    ///
    /// `all_seen`: whether the handle sees, and can read, whatever is in the index.
    pub(crate) fn count(mut self, all_seen: impl Fn(&Usable) -> Result<bool, Error>) -> Result<u64, Error> {
        // Who sorts needs what is in the rows.
        self.look.counts = self.spec.sort.is_empty();
        if let Some(choice) = self.choice.as_ref().filter(|choice| choice.way.covers)
            && self.spec.after.is_none()
            && self.ends_alike(choice)
            && all_seen(&choice.usable)?
        {
            let held = self.look.source.held.clone();
            let (usable, all) = (choice.usable.clone(), Some(usize::MAX));
            let mut count = Stream::new(held, usable, &choice.way, Direction::Forward, all).count()?;
            let wanted = self.spec.limit.map_or(u64::MAX, |limit| limit.saturating_add(self.spec.skip));
            if count < wanted
                && let Some(mut tail) = self.tail()?
            {
                while count < wanted
                    && let Some(item) = next_of(&mut tail, &mut self.look)?
                {
                    match item {
                        Item::Row(_) => count = count.saturating_add(1),
                        Item::Unreadable(_) if self.spec.unreadable == Unreadable::Skip => {}
                        Item::Unreadable(Unread { error, .. }) => return Err(error),
                    }
                }
            }
            return Ok(count.saturating_sub(self.spec.skip).min(self.spec.limit.unwrap_or(u64::MAX)));
        }
        let mut count = 0_u64;
        while let Some(row) = self.next() {
            row?;
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    /// Whether counting entries first, and then what the index has not reached, comes to the limit where reading does.
    fn ends_alike(&self, choice: &Choice) -> bool {
        self.spec.sort.is_empty()
            || self.spec.limit.is_none()
            || matches!(choice.usable.progress, Progress::Readable)
    }

    /// Whether there is any row. What an index leads to in another order is not gathered for that: the first that is meant will do. What cannot be read counts only
    /// where nothing that can is meant, so that the answer is the same in any order.
    pub(crate) fn any(mut self) -> Result<bool, Error> {
        let fails = self.spec.unreadable != Unreadable::Skip;
        if fails {
            self.spec.unreadable = Unreadable::Yield;
        }
        let mut failed = None;
        let choice = self.choice.as_ref().filter(|choice| choice.way.in_order.is_none());
        if let Some(choice) = choice
            && self.spec.after.is_none()
            && (self.to_skip, self.to_give > 0) == (0, true)
        {
            let held = self.look.source.held.clone();
            let usable = choice.usable.clone();
            let mut stream = Stream::new(held, usable, &choice.way, Direction::Forward, Some(1));
            while let Some(entry) = stream.next()? {
                match fetched(entry.id, &mut self.look)? {
                    Some(Item::Row(_)) => return Ok(true),
                    Some(Item::Unreadable(Unread { error, .. })) if fails => failed = Some(error),
                    _ => {}
                }
            }
            self.stage = self.tail()?.map_or(Stage::Ended, Stage::Scanning);
        }
        while let Some(row) = self.next() {
            match row {
                Ok(_) => return Ok(true),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(false), Err)
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
                Ok(Some(Item::Unreadable(Unread { error, .. }))) => match self.spec.unreadable {
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
            Stage::Fetching { ids, tail } => {
                for id in ids {
                    if let Some(item) = fetched(id, &mut self.look)? {
                        return Ok(Some(item));
                    }
                }
                tail.as_mut().map_or(Ok(None), |tail| next_of(tail, &mut self.look))
            }
            Stage::Streaming(streaming) => streaming.item(&mut self.look, &self.spec),
            Stage::Sorted(sorted) => sorted.next(None, &self.look),
        }
    }

    fn begin(&mut self) -> Result<Stage, Error> {
        let Some(choice) = &self.choice else { return self.begin_scan() };
        let Some(direction) = choice.way.in_order else {
            let Some(ids) = self.ids()? else { return self.scan_instead() };
            let tail = self.tail()?;
            if self.spec.sort.is_empty() {
                return Ok(Stage::Fetching { ids: ids.into_iter(), tail });
            }
            let before = self.look.tally.clone();
            return match self.sorted(ids, tail) {
                // A scan keeps no ids, so that it may do with less.
                Err(error) if error.kind() == ErrorKind::SortTooLarge => {
                    self.look.tally.forget_findings(before);
                    self.scan_instead()
                }
                sorted => sorted,
            };
        };
        let (held, usable) = (self.look.source.held.clone(), choice.usable.clone());
        // One more, where the first is what the cursor was made of.
        let wanted = self.spec.wanted().map(|wanted| wanted.saturating_add(self.spec.after.iter().len()));
        let mut stream = Stream::new(held, usable, &choice.way, direction, wanted);
        let by_id = self.spec.sort.is_empty();
        let mut sought = None;
        if let (Some(after), Some(fixed)) = (&self.spec.after, &choice.way.fixed) {
            let mut values = fixed.clone();
            match direction {
                Direction::Forward if by_id => id::write(&after.id, &mut values)?,
                Direction::Forward => values.extend_from_slice(&after.values),
                Direction::Backward => values.extend(after.values.iter().map(|byte| !byte)),
            }
            stream.seek(&values);
            sought = Some(values).filter(|_| !by_id);
        }
        let mut streaming = Streaming {
            stream,
            sought,
            passed: by_id || self.spec.after.is_none(),
            next: None,
            met: None,
            ended: false,
            tail: Sorter::new(&self.spec).into_sorted(),
            scan: None,
        };
        if by_id {
            streaming.scan = self.tail()?;
        } else if let Some(mut tail) = self.tail()? {
            let mut sorter = Sorter::new(&self.spec);
            while let Some(item) = next_of(&mut tail, &mut self.look)? {
                if !sorter.take(item, &self.spec)? {
                    break;
                }
            }
            streaming.tail = sorter.into_sorted();
        }
        Ok(Stage::Streaming(Box::new(streaming)))
    }

    /// The index leads to more documents than may be kept on the way.
    fn scan_instead(&mut self) -> Result<Stage, Error> {
        self.notes.push(Note::TooMany);
        self.choice = None;
        self.begin_scan()
    }

    fn begin_scan(&mut self) -> Result<Stage, Error> {
        if self.spec.sort.is_empty() {
            let after = self.spec.after.as_ref().map(|after| &after.id);
            return Ok(Stage::Scanning(self.scan(after.map_or(Bound::Unbounded, Bound::Excluded))?));
        }
        let scan = self.scan(Bound::Unbounded)?;
        self.sorted(Vec::new(), Some(scan))
    }

    /// What `ids` and `scan` lead to, sorted.
    fn sorted(&mut self, ids: Vec<DocumentId>, scan: Option<Scan>) -> Result<Stage, Error> {
        let mut sorter = Sorter::new(&self.spec);
        sorter.top.keep(ids.len().saturating_mul(KEPT_ID))?;
        let mut more = true;
        for id in ids {
            if let Some(item) = fetched(id, &mut self.look)? {
                more = sorter.take(item, &self.spec)?;
            }
            if !more {
                break;
            }
        }
        if let Some(mut scan) = scan {
            while more && let Some(item) = next_of(&mut scan, &mut self.look)? {
                more = sorter.take(item, &self.spec)?;
            }
        }
        Ok(Stage::Sorted(sorter.into_sorted()))
    }

    /// The ids that the index leads to, in their order; `None` where they are too many.
    fn ids(&mut self) -> Result<Option<Vec<DocumentId>>, Error> {
        let Some(choice) = &self.choice else { return Ok(None) };
        let held = self.look.source.held.clone();
        let (usable, all) = (choice.usable.clone(), Some(usize::MAX));
        let mut stream = Stream::new(held, usable, &choice.way, Direction::Forward, all);
        let after = self.spec.after.as_ref().filter(|_| self.spec.sort.is_empty()).map(|after| &after.id);
        let size = |id: &DocumentId| KEPT_ID.saturating_add(id.as_text().map_or(0, str::len));
        let (mut ids, mut kept) = (Vec::new(), 0_usize);
        while let Some(entry) = stream.next()? {
            if after.is_none_or(|after| entry.id > *after) {
                kept = kept.saturating_add(size(&entry.id));
                ids.push(entry.id);
            }
            if kept > self.spec.sort_limit {
                // A document of many entries is one.
                ids.sort_unstable();
                ids.dedup();
                kept = ids.iter().map(size).fold(0, usize::saturating_add);
                if kept > self.spec.sort_limit / 2 {
                    self.look.tally.keys += stream.keys;
                    return Ok(None);
                }
            }
        }
        self.look.tally.keys += stream.keys;
        ids.sort_unstable();
        ids.dedup();
        Ok(Some(ids))
    }

    /// The documents that the index does not speak for; none where it does for all.
    fn tail(&self) -> Result<Option<Scan>, Error> {
        let Some(Choice { usable, .. }) = &self.choice else { return Ok(None) };
        let Progress::Building { frontier } = &usable.progress else { return Ok(None) };
        let after = self.spec.after.as_ref().filter(|_| self.spec.sort.is_empty()).map(|after| &after.id);
        let from = frontier.as_ref().max(after);
        self.scan(from.map_or(Bound::Unbounded, Bound::Excluded)).map(Some)
    }

    fn scan(&self, from: Bound<&DocumentId>) -> Result<Scan, Error> {
        let source = &self.look.source;
        let span = document::id_span(source.collection, from, Bound::Unbounded)?;
        Scan::new(source.held.clone(), span, Direction::Forward)
    }
}

impl Streaming {
    fn item(&mut self, look: &mut Look, spec: &Spec) -> Result<Option<Item>, Error> {
        // Without a sort the cursor is an id, and so is the order.
        let by_id = spec.sort.is_empty();
        while self.next.is_none() && self.met.is_none() && !self.ended {
            let before = self.stream.keys;
            let entry = self.stream.next()?;
            look.tally.keys += self.stream.keys - before;
            let Some(entry) = entry else {
                self.ended = true;
                break;
            };
            if by_id && spec.after.as_ref().is_some_and(|after| entry.id <= after.id) {
                continue;
            }
            if !self.passed
                && self.sought.as_deref() == Some(entry.values())
                && spec.after.as_ref().is_some_and(|after| entry.id <= after.id)
            {
                continue;
            }
            let Some(item) = fetched(entry.id, look)? else { continue };
            if self.passed && self.tail.is_empty() {
                return Ok(Some(item));
            }
            let position = match &item {
                _ if by_id => None,
                Item::Row(row) => Some(position(row, &spec.sort)?),
                Item::Unreadable(unread) if unread.position.is_some() => unread.position.clone(),
                Item::Unreadable(_) => {
                    // It stands where it is met: before nothing, and nothing waits for it. What is met on the way to the cursor's place has been told of.
                    if spec.told && !self.passed && self.sought.is_none() {
                        continue;
                    }
                    self.met = Some(item);
                    break;
                }
            };
            let is_past = |after: &Position| position.as_ref().is_some_and(|position| position <= after);
            if !spec.after.as_ref().is_some_and(is_past) {
                self.passed = self.passed || position.is_some();
                self.next = Some((position, item));
            }
        }
        if self.met.is_some() {
            return Ok(self.tail.nowhere.next().map(Item::Unreadable).or_else(|| self.met.take()));
        }
        let until = self.next.as_ref().and_then(|(position, _)| position.as_ref());
        if let Some(item) = self.tail.next(until, look)? {
            return Ok(Some(item));
        }
        if let Some((_, item)) = self.next.take() {
            return Ok(Some(item));
        }
        self.scan.as_mut().map_or(Ok(None), |scan| next_of(scan, look))
    }
}

/// What has been sorted: first what cannot be read and stands nowhere; then the others, each at its place.
#[derive(Debug)]
struct Sorted {
    nowhere: vec::IntoIter<Unread>,
    rows: Peekable<vec::IntoIter<Position>>,
    unreadable: Peekable<vec::IntoIter<(Position, Unread)>>,
}

impl Sorted {
    fn is_empty(&self) -> bool {
        self.nowhere.len() == 0 && self.rows.len() == 0 && self.unreadable.len() == 0
    }

    /// The next that stands before `until`; without that, the next.
    fn next(&mut self, until: Option<&Position>, look: &Look) -> Result<Option<Item>, Error> {
        if let Some(unread) = self.nowhere.next() {
            return Ok(Some(Item::Unreadable(unread)));
        }
        loop {
            let row = self.rows.peek().filter(|row| until.is_none_or(|until| *row < until));
            let before = row.or(until);
            if let Some((_, unread)) =
                self.unreadable.next_if(|(position, _)| before.is_none_or(|before| position < before))
            {
                return Ok(Some(Item::Unreadable(unread)));
            }
            if row.is_none() {
                return Ok(None);
            }
            let Some(position) = self.rows.next() else { return Ok(None) };
            if let Some(row) = look.again(position.id)? {
                return Ok(Some(Item::Row(row)));
            }
        }
    }
}

/// The next of a scan that is meant or cannot be read.
fn next_of(scan: &mut Scan, look: &mut Look) -> Result<Option<Item>, Error> {
    while let Some(found) = scan.next().transpose()? {
        match look.record(found.id, found.record) {
            Looked::At(row) => return Ok(Some(Item::Row(row))),
            Looked::Past => {}
            Looked::Unreadable(unread) => return Ok(Some(Item::Unreadable(unread))),
        }
    }
    Ok(None)
}

/// A document that an index leads to, if it is meant or cannot be read.
fn fetched(id: DocumentId, look: &mut Look) -> Result<Option<Item>, Error> {
    let record = match look.source.fetch(&id) {
        Ok(Some(record)) => Ok(record),
        // An entry without its document is damage, which `verify` reports; there is nothing to give.
        Ok(None) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::Corrupt => Err(error),
        Err(error) => return Err(error),
    };
    Ok(match look.record(id, record) {
        Looked::At(row) => Some(Item::Row(row)),
        Looked::Past => None,
        Looked::Unreadable(unread) => Some(Item::Unreadable(unread)),
    })
}

/// Rows on their way into an order.
struct Sorter {
    top: Top,
    nowhere: Vec<Unread>,
    unreadable: Vec<(Position, Unread)>,
}

impl Sorter {
    fn new(spec: &Spec) -> Self {
        Self { top: Top::new(spec.wanted(), spec.sort_limit), nowhere: Vec::new(), unreadable: Vec::new() }
    }

    /// Takes one in; whether more are wanted.
    fn take(&mut self, item: Item, spec: &Spec) -> Result<bool, Error> {
        let after = spec.after.as_ref();
        match item {
            Item::Row(row) => {
                let position = position(&row, &spec.sort)?;
                if after.is_none_or(|after| position > *after) {
                    self.top.push(position)?;
                }
                Ok(true)
            }
            Item::Unreadable(_) if spec.unreadable == Unreadable::Skip => Ok(true),
            Item::Unreadable(mut unread) => match unread.position.take() {
                Some(position) => {
                    if after.is_none_or(|after| position > *after) {
                        self.top.keep(KEPT_ERROR)?;
                        self.unreadable.push((position, unread));
                    }
                    Ok(true)
                }
                // Those who go on from a cursor have been told of it before.
                None if spec.told => Ok(true),
                None => {
                    self.top.keep(KEPT_ERROR)?;
                    self.nowhere.push(unread);
                    Ok(spec.unreadable == Unreadable::Yield)
                }
            },
        }
    }

    fn into_sorted(mut self) -> Sorted {
        self.unreadable.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Sorted {
            nowhere: self.nowhere.into_iter(),
            rows: self.top.into_sorted().into_iter().peekable(),
            unreadable: self.unreadable.into_iter().peekable(),
        }
    }
}

/// Where a row stands.
pub(crate) fn position(row: &Row, sort: &SortKeys) -> Result<Position, Error> {
    let mut values = Vec::new();
    sort.write(Raw::new(row.view.body())?, &mut values)?;
    Ok(Position { values, id: row.id.clone() })
}
