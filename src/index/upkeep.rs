//! Keeping generations up, in the commit that writes the document.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::Raw;
use crate::encoding::key::index::{self, Mark};
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::filter::walk;
use crate::index::covered::Covered;
use crate::index::definition::WhileBuilding;
use crate::index::entries_of::{Entered, Stored, entries_of};
use crate::index::extract::Part;
use crate::index::flags::Flags;
use crate::index::generation::Generation;
use crate::index::indexes::Kinds;
use crate::index::rules::Rule;
use crate::index::source::Source;
use crate::index::state::IndexState;
use crate::model::id::DocumentId;
use crate::record::kind::Shaped;
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::Commit;

/// In the value of a mark of a document that has no entries: that is for what it has.
const NOT_INDEXABLE: u8 = 1;

/// A write of a document: what was there, and what will be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write<'w> {
    pub(crate) id: &'w DocumentId,
    pub(crate) before: Option<Stored<'w>>,
    pub(crate) after: Option<Stored<'w>>,
}

/// What came of keeping generations up.
#[derive(Debug)]
#[must_use]
pub(crate) enum Kept {
    Up,
    /// Something must be done before the write is made. Then it is looked at again.
    Not(Obstacle),
}

/// What must be done before a write is made.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// This program cannot keep the generation up, and nobody relies on it here, whether it was enforced or not: that must be noted.
    Beyond { generation: Arc<Generation>, enforced: bool },
    /// This program relies on the generation to hold the values that documents have where it sees them, and with a document that is like this it would not any more: there must
    /// be one that does.
    Outgrown { generation: Arc<Generation>, flags: Flags },
}

/// Adds to `commit`, which makes `write`, what it changes in `generations`.
///
/// # Errors
/// `UniqueViolation`, `IndexBuilding`, `NotIndexable`, and when the store cannot be read.
pub(crate) fn keep_up(
    kinds: &dyn Kinds,
    generations: &[Arc<Generation>],
    write: Write<'_>,
    source: &Source<'_>,
    commit: &mut Commit,
) -> Result<Kept, Error> {
    for generation in generations.iter().filter(|generation| is_entered(generation)) {
        let enforced = generation.live.is_enforced();
        let kept = Upkeep { kinds, generation, enforced, write, source, commit }.run();
        let kept = kept.map_err(|error| match error.kind() {
            ErrorKind::UniqueViolation | ErrorKind::NotIndexable | ErrorKind::IndexBuilding => {
                error.with_detail("index", &generation.name)
            }
            _ => error,
        })?;
        if let Kept::Not(obstacle) = kept {
            return Ok(Kept::Not(obstacle));
        }
    }
    Ok(Kept::Up)
}

/// Whether writes enter documents.
fn is_entered(generation: &Generation) -> bool {
    let state = generation.live.state();
    state.is_maintained()
        && (state != IndexState::Building || !generation.live.rules.is_broken(Rule::Writers))
}

struct Upkeep<'u, 'c> {
    kinds: &'u dyn Kinds,
    generation: &'u Arc<Generation>,
    /// Whether it was when this write was begun to be looked at: all of it goes by that.
    enforced: bool,
    write: Write<'u>,
    source: &'u Source<'u>,
    commit: &'c mut Commit,
}

impl<'u> Upkeep<'u, '_> {
    fn run(mut self) -> Result<Kept, Error> {
        let number = self.generation.number;
        let Write { id, before, after } = self.write;
        let of = |stored: Option<Stored<'_>>| {
            stored
                .map_or(Ok(Entered::default()), |stored| entries_of(self.kinds, self.generation, id, stored))
        };
        let rules = &self.generation.live.rules;
        let as_stored = |stored: Stored<'u>| match rules.is_broken(Rule::OldStamp) {
            true => Stored { shaped: Shaped { stamp: stored.kind.current(), ..stored.shaped }, ..stored },
            false => stored,
        };
        let (old, new) = (of(before.map(as_stored))?, of(after)?);
        let is_relied_on =
            |stored: Option<Stored<'_>>| stored.is_none_or(|stored| self.shape_relied_on(stored).is_some());
        let relied_on = is_relied_on(after);
        // What is out of reach of a program that relies on the index, it cannot read either: the scan says the same.
        if new.out_of_reach && !relied_on || old.out_of_reach && !is_relied_on(before) {
            return Ok(self.beyond());
        }
        let live = &self.generation.live;
        let new = match new.unreadable {
            Some(error) if is_not_indexable(&error) && relied_on && self.enforced => return Err(error),
            unreadable => Entered { unreadable, ..new },
        };
        // It would be readable, and its document's values not be held.
        let refuses = |entered: &Entered| entered.unreadable.as_ref().is_some_and(is_not_indexable);
        if self.generation.definition.unique
            && live.state() != IndexState::Failed
            && refuses(&new)
            && !refuses(&old)
        {
            return Ok(self.beyond());
        }
        let mut flags = new.extracted.flags;
        if new.unreadable.is_some() {
            flags.insert(Flags::UNREADABLE);
        }
        if self.is_outgrown_by(flags) {
            return Ok(Kept::Not(Obstacle::Outgrown { generation: Arc::clone(self.generation), flags }));
        }
        let source = self.source;
        put_flags(self.commit, self.generation, flags, |key| source.committed(key))?;
        let mut gone: BTreeSet<Part> = old.extracted.parts.into_iter().collect();
        if old.by_function {
            gone.extend(self.reverse_records()?);
        }
        let come: BTreeSet<Part> = new.extracted.parts.into_iter().collect();
        if !self.reserve(&gone, &come, relied_on)? {
            return Ok(self.beyond());
        }
        // Parts with reservations of their own may share an entry, where it is cut.
        let stay: BTreeSet<&[u8]> = come.iter().map(|part| &*part.values).collect();
        let removed = |part: &&Part| {
            (old.by_function || !stay.contains(&*part.values)) && !rules.is_broken(Rule::OldEntries)
        };
        for Part { values, .. } in gone.iter().filter(removed) {
            self.commit.remove(index::entry(number, values, id)?);
            if old.by_function {
                self.commit.remove(index::reverse(number, id, values)?);
            }
        }
        for part in come.iter().filter(|part| old.by_function || new.by_function || !gone.contains(*part)) {
            put_part(self.commit, number, id, part, new.by_function)?;
        }
        if let Some(error) = &new.unreadable {
            self.commit.put(index::mark(number, Mark::Unreadable, id)?, unreadable_value(Some(error)));
        } else if live.flags.get().contains(Flags::UNREADABLE)
            // A build may be about to set it. It does so before it ends.
            || before.is_some() && live.state() != IndexState::Readable
        {
            self.commit.remove(index::mark(number, Mark::Unreadable, id)?);
        }
        Ok(Kept::Up)
    }

    fn beyond(&self) -> Kept {
        Kept::Not(Obstacle::Beyond { generation: Arc::clone(self.generation), enforced: self.enforced })
    }

    /// The position of the shape of the generation that the program reads such documents in.
    fn shape_relied_on(&self, stored: Stored<'_>) -> Option<(Covered<'_>, usize)> {
        let covered = self.generation.covered(self.kinds, stored.kind.number())?;
        let (position, _) = covered.shape(stored.kind.shape_of(stored.shaped.stamp))?;
        Some((covered, position))
    }

    /// Whether a document that is like this, or one before it, keeps the generation, which is unique, from being right where this program relies on it.
    fn is_outgrown_by(&self, mut flags: Flags) -> bool {
        let Generation { definition, live, .. } = &**self.generation;
        if !definition.unique || !self.enforced || live.state() == IndexState::Failed {
            return false;
        }
        // Of a kind that others have declared, this program promises nothing.
        let own = self.write.after.filter(|after| !self.kinds.is_foreign(after.kind));
        let relied_on = own.and_then(|after| self.shape_relied_on(after));
        flags.insert(live.flags.get());
        relied_on.is_some_and(|(covered, position)| !covered.is_right_with(position, flags))
    }

    /// What the document has, by its reverse records.
    fn reverse_records(&self) -> Result<Vec<Part>, Error> {
        let span = index::reverse_span(self.generation.number, self.write.id)?;
        self.source.all(span, |key, value| {
            let (_, _, values) = index::parse_reverse(key)?;
            Ok(Part { values: values.to_vec(), reservation: value.to_vec() })
        })
    }

    /// Gives up what the document held and takes what it needs; whether that could be done.
    fn reserve(
        &mut self,
        gone: &BTreeSet<Part>,
        come: &BTreeSet<Part>,
        relied_on: bool,
    ) -> Result<bool, Error> {
        if !self.generation.definition.unique {
            return Ok(true);
        }
        let Generation { number, live, definition, .. } = &**self.generation;
        let held: BTreeSet<&[u8]> = gone.iter().map(|part| &*part.reservation).collect();
        let wanted: BTreeSet<&[u8]> = come.iter().map(|part| &*part.reservation).collect();
        let enforced = self.enforced && relied_on;
        let state = live.state();
        if enforced
            && state == IndexState::Building
            && definition.while_building == WhileBuilding::Refused
            && wanted.difference(&held).next().is_some()
        {
            return Err(Error::new(ErrorKind::IndexBuilding, "a unique index is being built"));
        }
        let id = index::id_bytes(self.write.id)?;
        for reservation in held.difference(&wanted) {
            let key = index::reservation(*number, reservation);
            // Where it is nobody's yet, a build may be about to give it to the document. A transaction is told of what a build does only where it writes.
            if self.source.get(self.commit, &key)?.is_none_or(|holder| *holder == *id) {
                self.commit.remove(key);
            }
        }
        // Once it is readable, what it has been made of is held by who has it. Before, it may be another's, or nobody's any more.
        let settled = state == IndexState::Readable;
        let mut all = true;
        for reservation in wanted.iter().filter(|_| held != wanted) {
            let had = held.contains(reservation);
            if settled && had {
                continue;
            }
            let key = index::reservation(*number, reservation);
            match self.source.get(self.commit, &key)? {
                None => self.commit.put(key, id.as_slice()),
                Some(holder) if *holder == *id => {}
                Some(_) if had => all = false,
                Some(_) if !enforced => return Ok(false),
                Some(holder) => return Err(self.violation(&index::read_id(&holder)?)),
            }
        }
        if !settled && held != wanted && all {
            self.commit.remove(index::mark(*number, Mark::Duplicate, self.write.id)?);
        }
        Ok(true)
    }

    fn violation(&self, holder: &DocumentId) -> Error {
        let error =
            Error::new(ErrorKind::UniqueViolation, "a value that must be unique is another document's");
        let error = error.with_detail("value", self.values()).with_detail("holder", holder);
        match self.generation.definition.paths().first() {
            Some(path) => error.with_path(path),
            None => error,
        }
    }

    /// What the document has at the paths of the index, for people.
    fn values(&self) -> String {
        let Some(after) = self.write.after else { return String::new() };
        let kind = after.kind;
        let Some(covered) = self.generation.covered(self.kinds, after.number) else { return String::new() };
        let shape = covered.shapes.iter().rev().find_map(|shape| {
            let body = kind.read(self.write.id, after.shaped, shape.stamp, Limits::default()).ok()?;
            Some((shape, body))
        });
        let Some((shape, body)) = shape else { return String::new() };
        let mut texts = Vec::new();
        for route in &*shape.routes {
            let mut found = Vec::new();
            let _ = Raw::new(&body).and_then(|body| {
                walk::keys(body, route, &mut |value: Option<Raw<'_>>| {
                    found.push(
                        value.map_or(Ok("nothing".to_owned()), |value| Ok(value.to_value()?.to_string()))?,
                    );
                    Ok(())
                })
            });
            texts.push(found.join(" or "));
        }
        texts.join(", ")
    }
}

/// Puts an entry into a commit, and its reverse record if it has one.
pub(crate) fn put_part(
    commit: &mut Commit,
    generation: u32,
    id: &DocumentId,
    part: &Part,
    with_reverse: bool,
) -> Result<(), Error> {
    let Part { values, reservation } = part;
    commit.put(index::entry(generation, values, id)?, index::entry_value(values).as_slice());
    if with_reverse {
        commit.put(index::reverse(generation, id, values)?, reservation.as_slice());
    }
    Ok(())
}

/// Whether a document has no entries for what it has, and not since it cannot be read.
fn is_not_indexable(error: &Error) -> bool {
    error.kind() == ErrorKind::NotIndexable
}

/// The value of the mark of a document that has no entries because of `error`, or since it is damaged.
pub(crate) fn unreadable_value(error: Option<&Error>) -> Vec<u8> {
    if error.is_some_and(is_not_indexable) { vec![NOT_INDEXABLE] } else { Vec::new() }
}

/// Whether the value of a mark says of its document that it can be read, and has what cannot be indexed.
pub(crate) fn says_not_indexable(value: &[u8]) -> bool {
    *value == [NOT_INDEXABLE]
}

/// A commit puts something there that is said by `flags`: notes that, and puts the marks of those flags into it that are not known to be stored.
///
/// A flag is known to be stored once it has been seen among what is committed, and not when a commit is made that puts it, which may come to nothing. It is never
/// taken back, so that whatever is committed from then on is committed after it.
pub(crate) fn put_flags(
    commit: &mut Commit,
    generation: &Generation,
    flags: Flags,
    committed: impl Fn(&[u8]) -> Result<Option<Bytes>, Error>,
) -> Result<(), Error> {
    let live = &generation.live;
    live.flags.set(flags);
    for mark in flags.without(live.stored.get()).marks() {
        let key = index::flag(generation.number, mark);
        if committed(&key)?.is_some() {
            live.stored.set(Flags::of_mark(mark));
        } else {
            commit.put(key, Vec::new());
        }
    }
    Ok(())
}
