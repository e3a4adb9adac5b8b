//! Building and removing generations, a bounded step at a time.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::encoding::key::document;
use crate::encoding::key::index::{self, Mark};
use crate::encoding::key::space::Span;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::index::entries_of::{Entered, Stored, entries_of};
use crate::index::flags::Flags;
use crate::index::generation::Generation;
use crate::index::indexes::{Context, Indexes, spans, status};
use crate::index::rules::{Rule, Rules};
use crate::index::state::{IndexState, Status};
use crate::index::upkeep::{put_flags, put_part, says_not_indexable, unreadable_value};
use crate::model::id::DocumentId;
use crate::record::view::shaped;
use crate::storage::backend::{Direction, KeyRange, PageLimit};
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Class, Commit, Durability, Reads};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::snapshot::Snapshot;
use crate::stored::entries::Entries;
use crate::stored::read;
use crate::stored::record::Record;
use crate::stored::scan::{Found, Scan};
use crate::stored::state::{Held, State as _};

/// A step stops after so many bytes of keys and values, or of bodies.
const BYTES: usize = 128 << 10;
/// Keys that a step of a removal takes.
const KEYS: PageLimit = PageLimit { entries: 256, bytes: 1 << 20 };
/// Marks that a step looks at.
const MARKS: PageLimit = PageLimit { entries: 256, bytes: 1 << 20 };

/// What a step has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stepped {
    /// Further by so many documents, but not to the end.
    On(Status, u64),
    /// Others have written what was read; again.
    Conflict,
    /// To the end.
    Done,
}

/// Whether the program can build it: it knows the kinds in the shapes that the generation is for.
pub(crate) fn can_build(context: Context<'_>, generation: &Generation) -> Result<bool, Error> {
    for number in generation.kinds.keys() {
        let kind = context.kinds.kind(*number)?;
        let covered = generation.covered(context.kinds, kind.number());
        if covered.is_none_or(|covered| covered.shape(kind.current()).is_none()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes the next documents into a generation that is being built: as many as one commit may hold.
pub(crate) fn step(context: Context<'_>, generation: &Arc<Generation>) -> Result<Stepped, Error> {
    let mut batch = context.building.throttle.batch(context.building.batch);
    loop {
        match try_step(context, generation, batch)? {
            Tried::Done(stepped) => return Ok(stepped),
            // Of fewer documents it is likelier that nobody writes one meanwhile.
            Tried::Conflict { documents } if documents > 1 => batch = documents / 2,
            Tried::Conflict { .. } => return Ok(Stepped::Conflict),
            Tried::TooLarge { documents, .. } if documents > 1 => batch = documents / 2,
            Tried::TooLarge { status, error, .. } => return fail(context, generation, status, error),
        }
    }
}

/// What has come of a step of at most so many documents.
enum Tried {
    Done(Stepped),
    /// One of so many documents has been written meanwhile.
    Conflict {
        documents: usize,
    },
    /// A commit may not hold what so many documents need; where the build is.
    TooLarge {
        documents: usize,
        status: Status,
        error: Error,
    },
}

/// Ends a build that has come to a document which no commit can take in.
fn fail(
    context: Context<'_>,
    generation: &Arc<Generation>,
    status: Status,
    error: Error,
) -> Result<Stepped, Error> {
    let failure = Some(error.to_string());
    let since = context.engine.published();
    let status = Status { state: IndexState::Failed, since, failure, ..status };
    let mut seen = Seen::new(context.engine.snapshot());
    // Somebody may have put an end to it meanwhile.
    if seen.status(generation.number)?.is_none_or(|now| now.state != IndexState::Building) {
        return Ok(Stepped::Done);
    }
    let mut commit = Commit::default();
    status.put(&mut commit, generation.number)?;
    match seen.finish(context, commit, &generation.live.rules) {
        Ok(()) => {}
        Err(StorageError::Conflict | StorageError::CheckFailed { .. }) => return Ok(Stepped::Conflict),
        Err(error) => return Err(error.into()),
    }
    generation.live.built(IndexState::Failed);
    Ok(Stepped::Done)
}

/// Takes the next documents in, of those up to the last one that there was when the build began.
///
/// What is entered is what every document had in the state that the step has read. That a document had in a state before the commit is what it has in the commit is
/// answered for by the heads that were read, and by nothing else: a document that was not there when the step looked has been inserted since, so after the generation was
/// made, by a writer who has entered it and reserved its values himself. For the same reason no document beyond the last one has to be looked at: all that are there
/// have come since the first step looked. So nobody who inserts disturbs a build, and no build runs after those who append.
fn try_step(context: Context<'_>, generation: &Arc<Generation>, batch: usize) -> Result<Tried, Error> {
    let mut seen = Seen::new(context.engine.snapshot());
    let done = || Ok(Tried::Done(Stepped::Done));
    let Some(status) = seen.status(generation.number)? else { return done() };
    if status.state != IndexState::Building || !generation.live.state().is_maintained() {
        return done();
    }
    let before = status.clone();
    let mut step = Step {
        context,
        generation,
        seen,
        status,
        commit: Commit::default(),
        taken: Taken { batch, ..Taken::default() },
    };
    if step.status.until.is_none() {
        step.status.until = last_document(&step.seen.held, generation.collection)?;
    }
    let from = step.status.frontier.clone();
    let from = from.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let span = match &step.status.until {
        Some(until) => document::id_span(generation.collection, from, Bound::Included(until))?,
        None => Span { start: Vec::new(), end: Vec::new() },
    };
    let mut scan = Scan::new(step.seen.held.clone(), span, Direction::Forward)?;
    while !step.is_full() {
        let Some(found) = scan.next().transpose()? else {
            step.end()?;
            break;
        };
        step.take(found)?;
    }
    let Step { seen, status, mut commit, taken: Taken { documents: taken, last, .. }, .. } = step;
    status.put(&mut commit, generation.number)?;
    match seen.finish(context, commit, &generation.live.rules) {
        Ok(()) => {}
        Err(StorageError::Conflict | StorageError::CheckFailed { .. }) => {
            return Ok(Tried::Conflict { documents: taken });
        }
        Err(error @ StorageError::TooLarge { .. }) if taken > 0 => {
            let error = Error::from(error);
            let error = if let Some(id) = last { error.with_id(&id) } else { error };
            return Ok(Tried::TooLarge { documents: taken, status: before, error });
        }
        Err(error) => return Err(error.into()),
    }
    if status.state == IndexState::Building {
        let documents = status.documents.saturating_sub(before.documents);
        return Ok(Tried::Done(Stepped::On(status, documents)));
    }
    generation.live.built(status.state);
    done()
}

/// The last document of a collection.
fn last_document(held: &Held, collection: u32) -> Result<Option<DocumentId>, Error> {
    let span = document::collection_span(collection);
    let range = KeyRange { start: span.start, end: Some(span.end) };
    let page = held.page(&range, Direction::Backward, PageLimit { entries: 1, bytes: 1 })?;
    let last = page.entries.first().map(|(key, _)| document::parse(key));
    Ok(last.transpose()?.map(|key| key.id))
}

/// What a step reads, and what it has read: that must still be so when its commit is made.
struct Seen {
    held: Held,
    sequence: u64,
    keys: BTreeSet<Bytes>,
}

impl Seen {
    fn new(snapshot: Snapshot) -> Self {
        let sequence = snapshot.sequence();
        Self { held: Held::Snapshot(Arc::new(snapshot)), sequence, keys: BTreeSet::new() }
    }

    fn status(&mut self, generation: u32) -> Result<Option<Status>, Error> {
        self.keys.insert(index::state(generation).into());
        status(&self.held, generation)
    }

    /// All there is of a damaged document: it may have no head that would tell that it has been removed.
    fn chunks(&mut self, collection: u32, id: &DocumentId) -> Result<(), Error> {
        let span = document::id_span(collection, Bound::Included(id), Bound::Included(id))?;
        let mut chunks = Entries::within(&self.held, span);
        while let Some((key, _)) = chunks.next()? {
            self.keys.insert(key);
        }
        Ok(())
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.keys.insert(key.into());
        Ok(self.held.get(key)?)
    }

    /// Makes the commit, unless something that it rests on has changed.
    fn finish(self, context: Context<'_>, commit: Commit, rules: &Rules) -> Result<(), StorageError> {
        // The snapshot lives until then.
        let Self { held: _held, sequence, keys } = self;
        let reads = Reads { sequence, keys, ..Reads::default() };
        let reads = (!rules.is_broken(Rule::Validation)).then_some(reads);
        let commit = Commit { class: Class::Neutral, reads, ..commit };
        context.engine.commit(commit, Durability::Buffered)?;
        Ok(())
    }
}

struct Step<'s> {
    context: Context<'s>,
    generation: &'s Generation,
    seen: Seen,
    status: Status,
    commit: Commit,
    taken: Taken,
}

/// What a step has looked at.
#[derive(Default)]
struct Taken {
    batch: usize,
    documents: usize,
    /// Of their bodies.
    bytes: usize,
    last: Option<DocumentId>,
}

impl Step<'_> {
    fn is_full(&self) -> bool {
        let Taken { batch, documents, bytes, .. } = self.taken;
        documents >= batch || bytes >= BYTES || self.commit.bytes() >= BYTES
    }

    /// What the generation has of a document; `None` where it is damaged.
    fn entered(&mut self, id: &DocumentId, record: Option<&Record>) -> Result<Option<Entered>, Error> {
        self.taken.documents += 1;
        self.taken.last = Some(id.clone());
        // Whatever is wrong with it is in the place of its entries, and told by who reads it.
        let Some(record) = record else { return Ok(None) };
        self.taken.bytes = self.taken.bytes.saturating_add(record.body().len());
        let number = record.header.kind;
        if self.generation.covered(self.context.kinds, number).is_none() {
            return Ok(Some(Entered::default()));
        }
        let kind = self.context.kinds.kind(number)?;
        let stored = Stored { number, kind: &kind, shaped: shaped(record) };
        entries_of(self.context.kinds, self.generation, id, stored).map(Some)
    }

    fn take(&mut self, found: Found) -> Result<(), Error> {
        let Found { id, record, .. } = found;
        // Chunks that do not belong to the document, which has been taken.
        if record.is_err() && self.taken.last.as_ref() == Some(&id) {
            return Ok(());
        }
        self.seen.keys.insert(document::key(self.generation.collection, &id)?.into());
        if record.is_err() {
            self.seen.chunks(self.generation.collection, &id)?;
        }
        let entered = self.entered(&id, record.as_ref().ok())?;
        let number = self.generation.number;
        let mut flags = Flags::default();
        match entered {
            Some(entered) if entered.unreadable.is_none() => {
                flags.insert(entered.extracted.flags);
                for part in &entered.extracted.parts {
                    put_part(&mut self.commit, number, &id, part, entered.by_function)?;
                }
                if !self.reserve(&id, &entered)? {
                    self.status.duplicates = self.status.duplicates.saturating_add(1);
                    self.commit.put(index::mark(number, Mark::Duplicate, &id)?, Vec::new());
                }
            }
            entered => {
                flags.insert(Flags::UNREADABLE);
                let error = entered.and_then(|entered| entered.unreadable);
                self.commit
                    .put(index::mark(number, Mark::Unreadable, &id)?, unreadable_value(error.as_ref()));
            }
        }
        let held = &self.seen.held;
        put_flags(&mut self.commit, self.generation, flags, |key| Ok(held.committed(key)?))?;
        self.status.documents = self.status.documents.saturating_add(1);
        self.status.frontier = Some(id);
        Ok(())
    }

    /// All documents have been taken in: looks at those that were in the way when they were, as many as the step may, and at what has become of them.
    fn end(&mut self) -> Result<(), Error> {
        // Those of this step are not among what it has read: the next one looks.
        let of_document = |key: &Bytes| {
            let mark = index::parse_mark(key).map(|(_, mark, _)| mark);
            matches!(mark, Ok(Mark::Duplicate | Mark::Unreadable))
        };
        if self.generation.definition.unique && self.commit.writes.keys().any(of_document) {
            return Ok(());
        }
        let refused = self.refused()?;
        let state = if refused.is_some() {
            self.status.failure = refused;
            IndexState::Failed
        } else {
            match self.settle()? {
                None => return Ok(()),
                Some(false) => IndexState::Failed,
                Some(true) => {
                    self.status.duplicates = 0;
                    IndexState::Readable
                }
            }
        };
        self.status.state = state;
        self.status.since = self.context.engine.published();
        Ok(())
    }

    /// Why the generation, which is unique, cannot have the first document that can be read and has what cannot be indexed; `None`: there is no such document.
    fn refused(&mut self) -> Result<Option<String>, Error> {
        let Generation { number, definition, live, .. } = self.generation;
        if !definition.unique || !live.flags.get().contains(Flags::UNREADABLE) {
            return Ok(None);
        }
        let mut marks = Entries::within(&self.seen.held, index::mark_span(*number, Mark::Unreadable));
        let (mark, id) = loop {
            let Some((mark, value)) = marks.next()? else { return Ok(None) };
            if says_not_indexable(&value)
                && let Some(id) = index::parse_mark(&mark)?.2
            {
                break (mark, id);
            }
        };
        self.seen.keys.insert(mark);
        let error = self.entered_now(&id)?.and_then(|entered| entered.unreadable);
        let error =
            error.unwrap_or_else(|| Error::new(ErrorKind::NotIndexable, "a document cannot be indexed"));
        Ok(Some(error.with_id(&id).to_string()))
    }

    /// Gives documents that had values of others the values that are nobody's any more. Whether none is left that has such values; `None`: there are more to look at.
    fn settle(&mut self) -> Result<Option<bool>, Error> {
        if self.status.duplicates == 0 {
            return Ok(Some(true));
        }
        let span = index::mark_span(self.generation.number, Mark::Duplicate);
        let range = KeyRange { start: span.start, end: Some(span.end) };
        let page = self.seen.held.page(&range, Direction::Forward, MARKS)?;
        for (mark, _) in page.entries {
            if self.is_full() {
                return Ok(None);
            }
            let Some(id) = index::parse_mark(&mark)?.2 else { continue };
            self.seen.keys.insert(mark.clone());
            let entered = self.entered_now(&id)?;
            if !entered.map_or(Ok(false), |entered| self.reserve(&id, &entered))? {
                return Ok(Some(false));
            }
            self.commit.remove(mark);
            self.status.duplicates = self.status.duplicates.saturating_sub(1);
        }
        Ok(page.complete.then_some(true))
    }

    /// What the generation has of the document that has this id now: nothing of none; `None` where it is damaged.
    fn entered_now(&mut self, id: &DocumentId) -> Result<Option<Entered>, Error> {
        let key = document::key(self.generation.collection, id)?;
        let record = read::at(&self.seen.held, &key);
        self.seen.keys.insert(key.into());
        match record {
            Ok(Some(record)) => self.entered(id, Some(&record)),
            Ok(None) => Ok(Some(Entered::default())),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes what values of the document are nobody's; whether all are the document's now.
    fn reserve(&mut self, id: &DocumentId, entered: &Entered) -> Result<bool, Error> {
        let mut all = true;
        for part in &entered.extracted.parts {
            all &= self.reserve_value(id, &part.reservation)?;
        }
        Ok(all)
    }

    /// Whether the value is the document's now.
    fn reserve_value(&mut self, id: &DocumentId, reservation: &[u8]) -> Result<bool, Error> {
        if !self.generation.definition.unique {
            return Ok(true);
        }
        let (key, id) = (index::reservation(self.generation.number, reservation), index::id_bytes(id)?);
        let holder = match self.commit.writes.get(key.as_slice()) {
            Some(written) => written.clone(),
            None => self.seen.get(&key)?,
        };
        match holder {
            None => self.commit.put(key, id),
            Some(holder) => return Ok(*holder == *id),
        }
        Ok(true)
    }
}

/// Removes a part of a generation that has been dropped.
pub(crate) fn remove(
    context: Context<'_>,
    indexes: &Indexes,
    generation: &Generation,
) -> Result<Stepped, Error> {
    let held = Held::Snapshot(Arc::new(context.engine.snapshot()));
    for span in spans(generation.number) {
        let range = KeyRange { start: span.start, end: Some(span.end) };
        let page = held.page(&range, Direction::Forward, KEYS)?;
        if page.entries.is_empty() {
            continue;
        }
        let mut commit = Commit { class: Class::Neutral, ..Commit::default() };
        for (key, _) in page.entries {
            commit.remove(key);
        }
        context.engine.commit(commit, Durability::Buffered)?;
        return Ok(Stepped::On(Status::new(IndexState::Dropped, context.engine.published()), 0));
    }
    indexes.forget(context.engine, generation.number)?;
    Ok(Stepped::Done)
}
