//! What queries use of indexes.

use std::sync::Arc;

use crate::encoding::body::limits::Limits;
use crate::encoding::key::index::{self, Mark};
use crate::encoding::key::space::Span;
use crate::error::error::Error;
use crate::evolution::history::{Stop, Way};
use crate::filter::route::Route;
use crate::index::covered::is_of;
use crate::index::entries_of::choose;
use crate::index::flags::Flags;
use crate::index::generation::{Generation, Shape};
use crate::index::impact::crossed;
use crate::index::indexes::{Indexes, Kinds, status};
use crate::index::outlook::stored;
use crate::index::rules::Rule;
use crate::index::state::IndexState;
use crate::model::id::DocumentId;
use crate::model::stamp::Stamp;
use crate::record::kind::Kind;
use crate::storage::backend::{Direction, KeyRange, PageLimit};
use crate::storage::bytes::Bytes;
use crate::stored::state::{Held, State as _, Walk};
use crate::value::path::Path;

/// One generation that a query may use, as one state of the store sees it.
#[derive(Debug, Clone)]
pub(crate) struct Usable {
    pub(crate) generation: Arc<Generation>,
    /// Of the components, in the shape the query is in.
    pub(crate) routes: Arc<[Route]>,
    pub(crate) progress: Progress,
    /// What is known of all its documents together.
    flags: Flags,
    /// Whether documents have no entries since they cannot be made: a scan comes upon them.
    pub(crate) unreadable: bool,
}

/// How far a generation speaks for the collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    Readable,
    /// For documents up to and including this one; `None`: for none yet.
    Building {
        frontier: Option<DocumentId>,
    },
}

impl Usable {
    /// Whether some document has, or has had, a list in the component.
    pub(crate) fn may_have_lists(&self, component: usize) -> bool {
        self.flags.contains(Flags::list(component))
    }

    /// A transaction answers for the flags whose absence a plan with this generation rests on: whoever sets one meanwhile has put entries where the plan does not
    /// look for them.
    pub(crate) fn answer_for_flags(&self, held: &Held) -> Result<(), Error> {
        if !held.is_transaction() {
            return Ok(());
        }
        let mut relied_on = self.generation.relied_on();
        relied_on.insert(Flags::CUT);
        relied_on.insert(Flags::UNREADABLE);
        for component in 0..self.routes.len() {
            relied_on.insert(Flags::list(component));
        }
        for mark in relied_on.without(self.flags).marks() {
            held.get(&index::flag(self.generation.number, mark))?;
        }
        Ok(())
    }

    /// Whether some values are, or have been, too long for their keys: then entries are in order only as far as keys reach.
    pub(crate) fn may_be_cut(&self) -> bool {
        self.flags.contains(Flags::CUT)
    }
}

/// A kind, and the shape that a query sees its documents in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: u32,
    pub(crate) stamp: Stamp,
}

impl Indexes {
    /// The generations that are right for a query that sees documents of these kinds in these shapes, and no others.
    pub(crate) fn usable(
        &self,
        kinds: &dyn Kinds,
        held: &Held,
        collection: u32,
        seen: &[Seen],
    ) -> Result<Vec<Usable>, Error> {
        let mut usable = Vec::new();
        let out_of_reach = has_out_of_reach(kinds, held, collection, seen)?;
        let sequence = held.sequence()?;
        for generation in self.of(collection) {
            // Before what is concluded from there being none: those that are set between now and then count as absent, which a transaction answers for.
            let flags = generation.live.flags.get();
            let mut routes: Option<Arc<[Route]>> = None;
            let right = !seen.is_empty()
                && seen.iter().all(|Seen { kind, stamp }| {
                    let Some(covered) = generation.covered(kinds, *kind) else { return false };
                    let Some((position, shape)) = covered.shape(*stamp) else { return false };
                    let routes = routes.get_or_insert_with(|| Arc::clone(&shape.routes));
                    *routes == shape.routes && shape.since <= sequence && covered.is_right_at(position)
                });
            let Some(routes) = routes.filter(|_| right) else { continue };
            if !generation.live.state().is_maintained() {
                continue;
            }
            let Some(progress) = progress(held, &generation)? else { continue };
            let unreadable = out_of_reach
                || flags.contains(Flags::UNREADABLE) && has_unreadable(held, generation.number)?
                || has_unknown(kinds, held, &generation, seen)?;
            usable.push(Usable { generation, routes, progress, flags, unreadable });
        }
        Ok(usable)
    }
}

/// How far a generation has come in the state that is read, which counts: it may be older than the build. `None`: it is of no use.
fn progress(held: &Held, generation: &Generation) -> Result<Option<Progress>, Error> {
    let live = &generation.live;
    // A transaction answers for what it has read of it.
    let sequence = match held {
        Held::Snapshot(snapshot) => Some(snapshot.sequence()),
        Held::Transaction(_) | Held::Moment(..) => None,
    };
    if sequence.is_some_and(|sequence| live.is_readable_at(sequence)) {
        return Ok(Some(Progress::Readable));
    }
    Ok(match status(held, generation.number)? {
        Some(status) if status.state == IndexState::Readable => {
            if let Some(sequence) = sequence {
                live.seen_readable_at(sequence);
            }
            Some(Progress::Readable)
        }
        Some(status) if status.state == IndexState::Building => {
            Some(Progress::Building { frontier: status.frontier })
        }
        _ => None,
    })
}

/// Whether there are documents that another program has entered, since it can bring them to the shape, and that this one cannot read.
fn has_out_of_reach(kinds: &dyn Kinds, held: &Held, collection: u32, seen: &[Seen]) -> Result<bool, Error> {
    let reaches = |kind: &Kind, _: u32, from, to| kind.check_way(from, to).is_ok();
    Ok(!all_stored(kinds, held, collection, seen, true, reaches)?)
}

/// Whether there are documents of which the generation has what they are in another shape, from where a function leads that this program does not know to leave its paths alone. Who has
/// taken the generation along knew it: the paths of functions are the program's own. If the function fails on such a document, a scan comes upon it.
fn has_unknown(
    kinds: &dyn Kinds,
    held: &Held,
    generation: &Generation,
    seen: &[Seen],
) -> Result<bool, Error> {
    for Seen { kind: number, stamp: to } in seen {
        let Some(covered) = generation.covered(kinds, *number) else { continue };
        if covered.shapes.len() < 2 {
            continue;
        }
        let kind = kinds.kind(*number)?;
        let leads_here = |shape: &Shape| leads_alike(generation, shape, &kind, *to);
        let unknown: Vec<_> = covered.shapes.iter().filter(|shape| !leads_here(shape)).collect();
        if unknown.is_empty() {
            continue;
        }
        for (number, from) in stored(held, generation.collection)? {
            let is_unknown = |(_, shape, _): (usize, &Shape, Way)| unknown.contains(&shape);
            if is_of(kinds, number, kind.number())
                && choose(covered.shapes, &kind, from).is_some_and(is_unknown)
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether the steps from a shape of the generation to a stamp leave its paths, and those of its filter, alone or move them, as far as there are functions among them. What ops do is the
/// same to every program.
fn leads_alike(generation: &Generation, shape: &Shape, kind: &Kind, to: Stamp) -> bool {
    let stops = kind.stops(shape.stamp, to).unwrap_or_default();
    if stops.iter().all(|stop| stop.step.code.identity().is_none()) {
        return true;
    }
    let filtered = generation.definition.partial.as_ref().map(|partial| partial.paths()).unwrap_or_default();
    shape.paths().into_iter().chain(filtered).all(|path| {
        let across = |path: Path, stop: &Stop| crossed(&stop.step, stop.up, &path).map(|(path, _)| path);
        stops.iter().try_fold(path, across).is_some()
    })
}

/// Whether it is so for all documents of a collection that are seen in one of these shapes: of a kind, the number that they are stored under, the stamp they are stored at, and the
/// one they are seen at. Of what is known of the kinds first, which mostly says it: then the census is not read. `answers`: whether a transaction may read it, and then answers for
/// nobody inserting or deleting anything; else it is not so.
fn all_stored(
    kinds: &dyn Kinds,
    held: &Held,
    collection: u32,
    seen: &[Seen],
    answers: bool,
    is_so: impl Fn(&Kind, u32, Stamp, Stamp) -> bool,
) -> Result<bool, Error> {
    for Seen { kind: number, stamp: to } in seen {
        let kind = kinds.kind(*number)?;
        let known = kind.with_history(|history| history.stamps());
        let mut known = known.into_iter().map(|(from, _)| from);
        // Documents may be stored at stamps that a damaged step led to.
        if !kind.is_declared()
            || !kinds.lacks_steps(*number) && known.all(|from| is_so(&kind, kind.number(), from, *to))
        {
            continue;
        }
        if held.is_transaction() && !answers {
            return Ok(false);
        }
        for (number, from) in stored(held, collection)? {
            if is_of(kinds, number, kind.number()) && !is_so(&kind, number, from, *to) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Whether every document that the generation has entries of can be read by whoever sees it in one of these shapes. That it has entries says that it could be
/// brought to the shape that they were made in, and not that it can be brought on from there.
pub(crate) fn can_read_all(
    kinds: &dyn Kinds,
    held: &Held,
    generation: &Generation,
    seen: &[Seen],
    limits: Limits,
) -> Result<bool, Error> {
    let surely = |kind: &Kind, number: u32, from, to| {
        can_surely_read(kinds, generation, number, kind, (from, to), limits)
    };
    all_stored(kinds, held, generation.collection, seen, false, surely)
}

/// Of the documents that are stored under this number of the kind at the first of the stamps, and seen at the second.
fn can_surely_read(
    kinds: &dyn Kinds,
    generation: &Generation,
    number: u32,
    kind: &Kind,
    (from, to): (Stamp, Stamp),
    limits: Limits,
) -> bool {
    if from == to {
        return true;
    }
    let covered = generation.covered(kinds, number);
    let Some((_, shape, _)) = covered.and_then(|covered| choose(covered.shapes, kind, from)) else {
        return false;
    };
    // That it has entries says nothing of what this program allows itself.
    let made_at = if limits == Limits::default() { shape.stamp } else { from };
    if made_at == to {
        return true;
    }
    let (Some(made), Some(read)) = (kind.stops(from, made_at), kind.stops(from, to)) else { return false };
    let shared = made.iter().zip(&read).take_while(|(one, other)| one.stamp == other.stamp).count();
    let is_total = |stop: &Stop| stop.step.is_total(stop.up);
    !generation.live.flags.get().contains(Flags::BARE)
        && read.iter().skip(shared).all(is_total)
        && made.iter().skip(shared).all(is_total)
}

fn has_unreadable(held: &Held, generation: u32) -> Result<bool, Error> {
    let span = index::mark_span(generation, Mark::Unreadable);
    let range = KeyRange { start: span.start, end: Some(span.end) };
    let walk = Walk::new(held.clone(), range.clone(), Direction::Forward)?;
    let page = walk.page(&range, PageLimit { entries: 1, bytes: 1 })?;
    match page.entries.first() {
        Some((key, _)) => walk.consumed(key)?,
        None => walk.ended()?,
    }
    Ok(!page.entries.is_empty())
}

/// The entries of a part of a generation, in their order or against it; those beyond the frontier are left out. Memory: one page.
#[derive(Debug)]
pub(crate) struct Entries {
    walk: Walk,
    rest: KeyRange,
    direction: Direction,
    page: std::vec::IntoIter<(Bytes, Bytes)>,
    entries: usize,
    complete: bool,
    frontier: Option<Option<DocumentId>>,
}

/// An entry.
#[derive(Debug)]
pub(crate) struct Entry {
    key: Bytes,
    /// How many bytes of the key are values.
    values: usize,
    pub(crate) id: DocumentId,
}

impl Entry {
    pub(crate) fn values(&self) -> &[u8] {
        self.key.get(index::PREFIX..).and_then(|rest| rest.get(..self.values)).unwrap_or_default()
    }
}

/// Entries that are read at once where nobody says how many are wanted.
const FIRST_PAGE: usize = 64;
const LARGEST_PAGE: usize = 512;
const PAGE_BYTES: usize = 1 << 20;

impl Entries {
    /// Those whose values are from `start` to `end`, and such of others as were cut. `None`: to the last. `wanted`: of how many it is known that they will
    /// be asked for, or that no more are.
    pub(crate) fn new(
        held: Held,
        usable: &Usable,
        start: &[u8],
        end: Option<&[u8]>,
        direction: Direction,
        wanted: Option<usize>,
    ) -> Result<Self, Error> {
        let Span { start, end } = index::entry_span(usable.generation.number, start, end);
        let complete = end <= start;
        let rest = KeyRange { start, end: Some(end) };
        let walk = Walk::new(held, rest.clone(), direction)?;
        let frontier = match &usable.progress {
            Progress::Building { frontier } if !usable.generation.live.rules.is_broken(Rule::Frontier) => {
                Some(frontier.clone())
            }
            _ => None,
        };
        let page = Vec::new().into_iter();
        let entries = wanted.unwrap_or(FIRST_PAGE).clamp(1, LARGEST_PAGE);
        Ok(Self { walk, rest, direction, page, entries, complete, frontier })
    }

    /// The next entry. After an error there is none.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            let Some((key, value)) = self.page.next() else {
                if self.complete {
                    self.walk.ended()?;
                    return Ok(None);
                }
                self.turn_page()?;
                continue;
            };
            self.walk.consumed(&key)?;
            let (_, values, id) = index::parse_entry(&key, &value)?;
            let values = values.len();
            let passed = match &self.frontier {
                None => true,
                Some(frontier) => frontier.as_ref().is_some_and(|frontier| id <= *frontier),
            };
            if passed {
                return Ok(Some(Entry { key, values, id }));
            }
        }
    }

    /// How many there are from here on. Looks at ids only where some of them do not count.
    pub(crate) fn count(mut self) -> Result<u64, Error> {
        let mut count = 0_u64;
        if self.frontier.is_some() {
            while self.next()?.is_some() {
                count = count.saturating_add(1);
            }
            return Ok(count);
        }
        loop {
            count = count.saturating_add(self.page.len() as u64);
            self.page = Vec::new().into_iter();
            if self.complete {
                self.walk.ended()?;
                return Ok(count);
            }
            self.turn_page()?;
        }
    }

    fn turn_page(&mut self) -> Result<(), Error> {
        // Until a page has come, there is none after it.
        self.complete = true;
        let page = self.walk.page(&self.rest, PageLimit { entries: self.entries, bytes: PAGE_BYTES })?;
        self.entries = self.entries.saturating_mul(8).clamp(FIRST_PAGE, LARGEST_PAGE);
        self.complete = page.complete;
        if let Some((last, _)) = page.entries.last() {
            match self.direction {
                // The least key above the last one.
                Direction::Forward => self.rest.start = [last, &[0][..]].concat(),
                Direction::Backward => self.rest.end = Some(last.to_vec()),
            }
        }
        self.page = page.entries.into_iter();
        Ok(())
    }
}
