//! Whether what is in a store after a crash is what may be there.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use pivotdb::{Document, Error, ErrorKind, Evolution, Store};
use serde_json::Value;

use crate::backends::Tested;
use crate::event::Written;
use crate::history::History;
use crate::raw;
use crate::tally::Flaw;
use crate::work::{COLLECTIONS, COUNTER, Doc, Item, KIND, Model, SHARED, Slot, collection, id, made};

/// What a store holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) sequence: u64,
    pub(crate) threads: Vec<Written>,
    /// Contradictions within it.
    pub(crate) flaws: Vec<Flaw>,
}

/// Opens the store, reads all of it and closes it; then reads its bytes without it.
pub(crate) fn read(directory: &Path, backend: Tested, threads: usize) -> Result<Found, Vec<Flaw>> {
    let opened = catch_unwind(AssertUnwindSafe(|| backend.chosen(&Store::builder()).open(directory)));
    let store = match opened {
        Ok(Ok(store)) => store,
        Ok(Err(error)) if error.kind() == ErrorKind::DataLoss => return Err(vec![Flaw::Lost(told(&error))]),
        Ok(Err(error)) => return Err(vec![Flaw::FailedOpen(told(&error))]),
        Err(_) => return Err(vec![Flaw::Panic("at open".to_owned())]),
    };
    let read = catch_unwind(AssertUnwindSafe(|| {
        let mut reader = Reader::new(&store, threads);
        let outcome = reader.read_all().and_then(|()| store.close());
        outcome.map(|()| reader.found).map_err(|error| vec![Flaw::Torn(format!("reading: {}", told(&error)))])
    }));
    let mut found = read.unwrap_or_else(|_| Err(vec![Flaw::Panic("while reading".to_owned())]))?;
    match catch_unwind(|| raw::check_directory(directory, backend)) {
        Ok(flaws) => found.flaws.extend(flaws),
        Err(_) => found.flaws.push(Flaw::Torn(format!("{} alone panics on it", backend.name))),
    }
    Ok(found)
}

pub(crate) fn told(error: &Error) -> String {
    format!("{:?}: {error:?}", error.kind())
}

struct Reader<'a> {
    store: &'a Store,
    found: Found,
    by: BTreeMap<String, u64>,
}

impl<'a> Reader<'a> {
    fn new(store: &'a Store, threads: usize) -> Self {
        let threads = (0..threads).map(|_| Written::default()).collect();
        Self { store, found: Found { threads, ..Found::default() }, by: BTreeMap::new() }
    }

    fn torn(&mut self, what: impl Into<String>) {
        self.found.flaws.push(Flaw::Torn(what.into()));
    }

    fn read_all(&mut self) -> Result<(), Error> {
        self.found.sequence = self.store.stats()?.sequence;
        let names = self.store.collections();
        let census = self.store.census()?;
        for name in &names {
            let documents = self.store.documents(name)?;
            let mut ids = Vec::new();
            for document in documents.iter() {
                let document = document?;
                ids.push(document.id().clone());
                self.take(name, document);
            }
            let counted = ids.len() as u64;
            let in_census: u64 =
                census.iter().filter(|entry| entry.collection == *name).map(|entry| entry.documents).sum();
            if (documents.count()?, in_census) != (counted, counted) {
                let count = documents.count()?;
                self.torn(format!("{name:?}: {counted} documents, count {count}, census {in_census}"));
            }
            if ids.windows(2).any(|pair| pair[0] >= pair[1]) {
                self.torn(format!("{name:?} is not in the order of ids"));
            }
            let backward = documents.iter().reversed().map(|document| Ok(document?.id().clone()));
            let mut backward = backward.collect::<Result<Vec<_>, Error>>()?;
            backward.reverse();
            if backward != ids {
                self.torn(format!("{name:?} is another set of documents when it is read backward"));
            }
            if documents.get_many(ids.iter().step_by(7))?.iter().any(Option::is_none) {
                self.torn(format!("{name:?}: a document is there in a scan, and not by its id"));
            }
        }
        if names.iter().any(|name| name == COLLECTIONS[0]) {
            let typed = self.store.collection_with::<Item>(COLLECTIONS[0], KIND, &Evolution::new())?;
            let documents = self.store.documents(COLLECTIONS[0])?;
            if typed.count()? != documents.count()? {
                self.torn("the typed collection holds another kind");
            }
        }
        for (by, count) in std::mem::take(&mut self.by) {
            match by.parse().ok().and_then(|thread: usize| self.found.threads.get_mut(thread)) {
                Some(written) => written.model.shared = count,
                None => self.torn(format!("a count of thread {by:?}")),
            }
        }
        for (thread, written) in self.found.threads.iter_mut().enumerate() {
            let thread = u32::try_from(thread).expect("few threads");
            let number = |name: &String| {
                name.strip_prefix(&made(thread, 0)[..made(thread, 0).len() - 1])?.parse().ok()
            };
            written.model.made = names.iter().filter_map(number).collect();
        }
        Ok(())
    }

    fn take(&mut self, name: &str, document: Document<Value>) {
        let (place, revision) = (document.id().clone(), document.revision().get());
        if name == SHARED {
            let by = document.value["by"].as_object().into_iter().flatten();
            self.by = by.filter_map(|(thread, n)| Some((thread.clone(), n.as_u64()?))).collect();
            let total: u64 = self.by.values().sum();
            // A filler tries one more write, which may have been made.
            let late = u64::from(document.value["late"] == true);
            if place.as_text() != Some(COUNTER) || revision != 1 + total + late {
                self.torn(format!("the shared document: revision {revision}, counted {total}"));
            }
            return;
        }
        let Ok(item) = serde_json::from_value::<Item>(document.into_value()) else {
            return self.torn(format!("{name:?} {place}: not a document that was written"));
        };
        let (thread, slot) = (item.thread, item.slot);
        let random_id = place != id(thread, slot);
        let known: Option<(&mut Written, Doc)> =
            self.found.threads.get_mut(thread as usize).zip(item.doc(revision, random_id));
        let Some((written, doc)) = known.filter(|_| collection(slot) == name) else {
            return self.torn(format!("{name:?} {place}: not as any thread has written it"));
        };
        if let Some(id) = place.as_uuid().filter(|_| random_id) {
            written.ids.insert(slot, id);
        }
        if written.model.docs.insert(slot, doc).is_some() {
            self.torn(format!("{name:?} {place}: the document of slot {slot} twice"));
        }
    }
}

/// Compares what was found with what may be there: `before`, and of each thread's steps the first so many. Gives what is wrong.
pub(crate) fn judge(before: &[Written], history: &History, found: &Found) -> Vec<Flaw> {
    let mut flaws = found.flaws.clone();
    let mut cuts = Vec::new();
    for (thread, steps) in history.threads.iter().enumerate() {
        let fits = fitting(&before[thread].model, history, thread, &found.threads[thread].model);
        let durable = history.durable[thread];
        // Where an operation undoes another, more than one prefix fits; sequences tell which.
        let possible = |&cut: &usize| {
            let early = steps[..cut].iter().all(|step| step.after_sequence < found.sequence);
            let late = steps[cut..]
                .iter()
                .all(|step| step.acknowledged.is_none_or(|ack| ack.sequence > found.sequence));
            early && late
        };
        let enough: Vec<usize> = fits.iter().copied().filter(|cut| *cut >= durable).collect();
        let cut: Vec<usize> = enough.iter().copied().filter(possible).collect();
        match (fits.last(), enough.last(), cut.first(), cut.last()) {
            (.., Some(first), Some(last)) => cuts.push((*first, *last)),
            (Some(cut), None, ..) => {
                let step = &steps[durable - 1];
                flaws.push(Flaw::Lost(format!(
                    "thread {thread}: {cut} of {} steps are there, {durable} were acknowledged as durable, the last \
                     of them operation {} ({:?})",
                    steps.len(),
                    step.number,
                    step.op
                )));
            }
            (Some(_), Some(cut), ..) => flaws.push(Flaw::Torn(format!(
                "thread {thread}: the first {cut} of {} steps are there, which sequence {} does not allow",
                steps.len(),
                found.sequence
            ))),
            (None, ..) => {
                flaws.push(nearest(&before[thread].model, history, thread, &found.threads[thread].model))
            }
        }
    }
    if flaws.is_empty() {
        flaws.extend(holes(history, &cuts));
    }
    flaws
}

/// How many steps of the thread make `target`: all numbers that do.
fn fitting(before: &Model, history: &History, thread: usize, target: &Model) -> Vec<usize> {
    let mut fits = Vec::new();
    walk(before, history, thread, target, |cut, differing, _| {
        if differing == 0 {
            fits.push(cut);
        }
    });
    fits
}

/// Calls `visit` with each number of steps, how many documents differ from `target` after them, and one of those.
fn walk(
    before: &Model,
    history: &History,
    thread: usize,
    target: &Model,
    mut visit: impl FnMut(usize, usize, Option<Slot>),
) {
    let mut model = before.clone();
    let slots = model.docs.keys().chain(target.docs.keys()).copied();
    let mut differing: std::collections::BTreeSet<Slot> =
        slots.filter(|slot| model.docs.get(slot) != target.docs.get(slot)).collect();
    let rest = |model: &Model| usize::from(model.shared != target.shared || model.made != target.made);
    visit(0, differing.len() + rest(&model), differing.first().copied());
    for (position, step) in history.threads[thread].iter().enumerate() {
        model.apply(step.number, &step.op, &step.slots);
        for slot in &step.slots {
            if model.docs.get(slot) == target.docs.get(slot) {
                differing.remove(slot);
            } else {
                differing.insert(*slot);
            }
        }
        visit(position + 1, differing.len() + rest(&model), differing.first().copied());
    }
}

/// Says how the state differs from the nearest one that would be allowed.
fn nearest(before: &Model, history: &History, thread: usize, target: &Model) -> Flaw {
    let mut best = (usize::MAX, 0, None);
    walk(before, history, thread, target, |cut, differing, one| {
        if differing <= best.0 {
            best = (differing, cut, one);
        }
    });
    let (differing, cut, one) = best;
    let (steps, durable) = (&history.threads[thread], history.durable[thread]);
    let around: Vec<_> =
        steps[cut.saturating_sub(2)..].iter().take(4).map(|step| (step.number, &step.op)).collect();
    let one = one.map(|slot| (slot, target.docs.get(&slot)));
    let text = format!(
        "thread {thread}: no prefix of its {} steps ({durable} durable) makes what is there; the nearest, {cut}, \
         differs in {differing}, such as {one:?}; shared {}; around it {around:?}",
        steps.len(),
        target.shared
    );
    // What was durable and is gone is lost, also where other things are gone with it.
    if cut < durable { Flaw::Lost(text) } else { Flaw::Torn(text) }
}

/// Commits that are missing though a later one of another thread is there. `cuts`: how many steps of each thread are there, at
/// least and at most.
fn holes(history: &History, cuts: &[(usize, usize)]) -> Option<Flaw> {
    let last = cuts.iter().enumerate().filter_map(|(thread, (least, _))| {
        let step = history.threads[thread].get(least.checked_sub(1)?)?;
        Some((step.intended, thread, step.number))
    });
    let (line, thread, number) = last.max()?;
    cuts.iter().enumerate().find_map(|(other, (_, most))| {
        let earlier = history.acknowledged_before(other, line);
        (earlier > *most).then(|| {
            Flaw::Torn(format!(
                "operation {number} of thread {thread} is there, but {} steps of thread {other} that were \
                 acknowledged before it began are not",
                earlier - most
            ))
        })
    })
}
