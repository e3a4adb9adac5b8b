//! Holding indexes against the documents they were made from.

use std::collections::{BTreeMap, BTreeSet};

use crate::encoding::key::index::{self as key, Mark};
use crate::encoding::key::space::Space;
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::index::entries_of::{Stored, entries_of};
use crate::index::extract::Part;
use crate::index::flags::Flags;
use crate::index::generation::Generation;
use crate::index::indexes::{Kinds as _, status};
use crate::index::state::{IndexState, Status};
use crate::maintenance::finding::{Damage, Finding};
use crate::model::id::DocumentId;
use crate::record::view::shaped;
use crate::storage::backend::{Direction, KeyRange, PageLimit};
use crate::store::inner::Inner;
use crate::stored::record::Record;
use crate::stored::state::{Held, State as _};

/// The generations of one state of a store, each with what it should have and what it has.
pub(crate) struct Audit<'a> {
    held: &'a Held,
    inner: &'a Inner,
    audited: BTreeMap<u32, Audited>,
    /// In the catalog of the state.
    entered: BTreeSet<u32>,
}

struct Audited {
    generation: std::sync::Arc<Generation>,
    status: Status,
    flags: Flags,
    /// By what was made of documents,
    expected: Tally,
    /// and by keys.
    found: Tally,
    /// Some document cannot be looked at by this program, so that tallies say nothing.
    in_part: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    entries: u64,
    reservations: u64,
    reverse: u64,
    unreadable: u64,
}

impl<'a> Audit<'a> {
    pub(crate) fn new(held: &'a Held, inner: &'a Inner) -> Result<Self> {
        let mut audited = BTreeMap::new();
        for generation in inner.indexes.all() {
            let status = match status(held, generation.number) {
                Ok(Some(status)) => status,
                Ok(None) => continue,
                // It is told where its key is met.
                Err(error) if error.kind() == ErrorKind::Corrupt => continue,
                Err(error) => return Err(error),
            };
            if !status.state.is_maintained() {
                continue;
            }
            let mut flags = Flags::default();
            for mark in (0x10..0x18).chain([0x21, 0x22, 0x23]).chain(0x30..0x40) {
                if held.get(&key::flag(generation.number, mark))?.is_some() {
                    flags.insert(Flags::of_mark(mark));
                }
            }
            let (expected, found) = Default::default();
            audited.insert(
                generation.number,
                Audited { generation, status, flags, expected, found, in_part: false },
            );
        }
        Ok(Self { held, inner, audited, entered: BTreeSet::new() })
    }

    /// There is a generation of this number.
    pub(crate) fn enter(&mut self, generation: u32) {
        self.entered.insert(generation);
    }

    /// What a document should have is there.
    pub(crate) fn document(
        &mut self,
        collection: u32,
        id: &DocumentId,
        record: Option<&Record>,
        found: &mut impl FnMut(Finding),
    ) -> Result<()> {
        for audited in self.audited.values_mut().filter(|audited| audited.generation.collection == collection)
        {
            let mut damage = |error: Error| {
                let error = error.with_id(id).with_detail("index", &audited.generation.name);
                found(Finding::new(Damage::Index, error));
            };
            let Some(record) = record else {
                // It is damaged, and told elsewhere.
                audited.in_part = true;
                continue;
            };
            // A kind that is not in the catalog is told elsewhere.
            let Ok(kind) = self.inner.kind(record.header.kind) else {
                audited.in_part = true;
                continue;
            };
            let stored = Stored { number: record.header.kind, kind: &kind, shaped: shaped(record) };
            let entered = entries_of(&**self.inner, &audited.generation, id, stored)?;
            let number = audited.generation.number;
            if entered.out_of_reach {
                audited.in_part = true;
                continue;
            }
            let passed = match &audited.status {
                Status { state: IndexState::Building, frontier, .. }
                | Status { failure: Some(_), frontier, .. } => {
                    frontier.as_ref().is_some_and(|frontier| id <= frontier)
                }
                _ => true,
            };
            let unreadable = self.held.get(&key::mark(number, Mark::Unreadable, id)?)?.is_some();
            audited.expected.unreadable += u64::from(unreadable);
            if entered.unreadable.is_some() != unreadable && (passed || unreadable) && !entered.by_function {
                damage(corrupt(
                    "a document is marked as one that cannot be indexed, and can be, or the other way round",
                ));
            }
            if !audited.flags.cover(entered.extracted.flags) && passed && !entered.by_function {
                damage(corrupt("an index does not know what its documents are like"));
            }
            let parts = if entered.by_function {
                let mut parts = reverse_records(self.held, number, id)?;
                audited.expected.reverse += count(parts.len());
                // It may have been entered when there was no function on the way, and no other definition of a step: then there are no records of it.
                for part in entered.extracted.parts {
                    let entry = self.held.get(&key::entry(number, &part.values, id)?)?;
                    if entry.is_some() && !parts.contains(&part) {
                        parts.push(part);
                    }
                }
                parts
            } else {
                entered.extracted.parts
            };
            // Values that are cut may share an entry.
            let (mut entries, mut reservations) = (BTreeSet::new(), BTreeSet::new());
            for part in &parts {
                let counts = entries.insert(&part.values);
                match self.held.get(&key::entry(number, &part.values, id)?)? {
                    Some(value) if *value == key::entry_value(&part.values) => {
                        audited.expected.entries += u64::from(counts);
                    }
                    None if !passed => {}
                    _ => damage(corrupt("an entry of a document is missing or malformed")),
                }
                if audited.generation.definition.unique && reservations.insert(&part.reservation) {
                    let holder = self.held.get(&key::reservation(number, &part.reservation))?;
                    let is_held =
                        holder.is_some_and(|holder| key::id_bytes(id).is_ok_and(|id| *holder == *id));
                    audited.expected.reservations += u64::from(is_held);
                    if !is_held && audited.status.state == IndexState::Readable {
                        damage(corrupt("a document does not hold its value in a unique index"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Counts a key of an index.
    pub(crate) fn key(&mut self, space: Space, at: &[u8], value: &[u8]) -> Result<()> {
        let (number, of): (u32, fn(&mut Tally) -> Option<&mut u64>) = match space {
            Space::Entries => (key::parse_entry(at, value)?.0, |tally| Some(&mut tally.entries)),
            Space::Reservations => {
                key::read_id(value)?;
                (key::parse_reservation(at)?.0, |tally| Some(&mut tally.reservations))
            }
            Space::Reverse => (key::parse_reverse(at)?.0, |tally| Some(&mut tally.reverse)),
            Space::Marks => match key::parse_mark(at)? {
                (number, Mark::Unreadable, _) => (number, |tally| Some(&mut tally.unreadable)),
                (number, ..) => (number, |_| None),
            },
            _ => {
                let (number, 0) = key::parse_state(at)? else {
                    return Err(corrupt("the state of an index has chunks"));
                };
                Status::read(number, &value.into())?;
                (number, |_| None)
            }
        };
        if !self.entered.contains(&number) {
            return Err(corrupt("a key is of an index that is not in the catalog"));
        }
        let audited = self.audited.get_mut(&number);
        if let Some(count) = audited.and_then(|audited| of(&mut audited.found)) {
            *count += 1;
        }
        Ok(())
    }

    /// Everything that is there should be.
    pub(crate) fn conclude(&self, mut found: impl FnMut(Finding)) {
        for Audited { generation, expected, found: there, in_part, .. } in self.audited.values() {
            if *in_part || expected == there {
                continue;
            }
            let error = corrupt("an index has keys that no document has given it")
                .with_detail("index", &generation.name)
                .with_detail("expected", format!("{expected:?}"))
                .with_detail("found", format!("{there:?}"));
            found(Finding::new(Damage::Index, error));
        }
    }
}

fn reverse_records(held: &Held, generation: u32, id: &DocumentId) -> Result<Vec<Part>> {
    let span = key::reverse_span(generation, id)?;
    let mut range = KeyRange { start: span.start, end: Some(span.end) };
    let mut parts = Vec::new();
    loop {
        let page = held.page(&range, Direction::Forward, PageLimit { entries: 512, bytes: 1 << 20 })?;
        for (at, value) in &page.entries {
            let (_, _, values) = key::parse_reverse(at)?;
            parts.push(Part { values: values.to_vec(), reservation: value.to_vec() });
        }
        match page.entries.last() {
            Some((last, _)) if !page.complete => range.start = [last, &[0][..]].concat(),
            _ => return Ok(parts),
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn corrupt(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}
