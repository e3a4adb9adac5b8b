//! A backend that fails: the Nth call of every public operation, for every N, in every way.
//!
//! After each: a typed error and no panic; the old state or the new one, whole, in the store as it goes on and in the store opened again;
//! and the store takes writes, or says that it is poisoned, as its documentation has it.

mod cases;
mod files;
mod hang;
mod open;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pivotdb::backend::{
    Backend, BackendError, Batch, Bytes, Direction, KeyRange, MemoryBackend, Page, PageLimit,
};
use pivotdb::testing::fault::{Fault, FaultBackend, Operation, Plan};
use pivotdb::{Error, ErrorKind, Result, Store};
use serde_json::json;

use crate::check::told;
use crate::raw;
use crate::tally::{Flaw, Tally, say};
use crate::tested::on_disk;
use cases::{ALL, Case, Handles, PROBE, builder, populate};

/// What a store holds, as a program sees it.
type State = BTreeMap<String, Vec<String>>;

pub(crate) fn run(seed: u64) {
    let mut tally = Tally::new("fault".to_owned(), seed);
    let base = base();
    // Planted panics are not news.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let planted =
            info.payload().downcast_ref::<String>().is_some_and(|text| text.starts_with("planted panic"));
        if !planted {
            hook(info);
        }
    }));
    let examined = examine_all(&base);
    for (name, flaws, operation) in &examined {
        tally.runs += u64::from(operation.is_some());
        tally.note(name, flaws);
    }
    for (name, flaws) in open::examine_all(&base) {
        tally.runs += 1;
        tally.note(name, &flaws);
    }
    for (name, flaws) in hang::examine_all(&base) {
        tally.runs += 1;
        tally.note(name, &flaws);
    }
    let (halves, caught) = control(&base);
    if halves > 20 && caught == halves {
        tally.control_caught();
    }
    let struck: BTreeMap<String, usize> = Operation::ALL
        .iter()
        .map(|operation| (format!("{operation:?}"), count(&examined, *operation)))
        .collect();
    say(format_args!(
        "fault: {} operations, calls struck {struck:?}; control: {caught} of {halves} half batches found out",
        ALL.len()
    ));
    tally.finish();
    for backend in on_disk() {
        files::run(backend, seed);
    }
}

/// What was done, what is wrong afterwards, and which call was made to fail, if there was one.
type Examined = (String, Vec<Flaw>, Option<Operation>);

fn count(examined: &[Examined], operation: Operation) -> usize {
    examined.iter().filter(|(.., struck)| *struck == Some(operation)).count()
}

/// Every case with every fault, until no call is left to be struck. Several at once: a run is mostly waiting for threads.
fn examine_all(base: &MemoryBackend) -> Vec<Examined> {
    const AT_ONCE: usize = 8;
    let outcomes: Vec<(&Case, Outcomes)> = ALL.iter().map(|case| (case, Outcomes::of(case, base))).collect();
    let faults: Vec<(Fault, bool)> = faults().collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut examined = Vec::new();
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            let Some((case, outcomes)) = outcomes.get(job / faults.len()) else { return examined };
            let (fault, lasting) = faults[job % faults.len()];
            for number in 1.. {
                let plan = Plan::nth(number, fault);
                let plan = if lasting { plan.for_ever() } else { plan };
                let (flaws, struck) = examine(case, base, outcomes, plan);
                let what = format!("{}, call {number} ({struck:?}), {fault:?}, lasting {lasting}", case.name);
                examined.push((what, flaws, struck));
                if struck.is_none() {
                    break;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a run does not panic")).collect()
    })
}

/// Ways to fail: once, or from there on.
fn faults() -> impl Iterator<Item = (Fault, bool)> {
    let lasting = [(Fault::io(), true), (Fault::full_disk(), true)];
    Fault::all().into_iter().map(|fault| (fault, false)).chain(lasting)
}

/// The medium that every case begins with.
fn base() -> MemoryBackend {
    let base = Arc::new(MemoryBackend::new());
    let store = builder().open_backend(Arc::clone(&base) as _).expect("a store");
    populate(&store).expect("documents");
    drop(store);
    copy(&base)
}

fn entries(backend: &dyn Backend) -> Vec<(Bytes, Bytes)> {
    let limit = PageLimit { entries: usize::MAX, bytes: usize::MAX };
    backend.page(&KeyRange::all(), Direction::Forward, limit).expect("a sound backend").entries
}

fn copy(backend: &dyn Backend) -> MemoryBackend {
    let copy = MemoryBackend::new();
    let writes = entries(backend).into_iter().map(|(key, value)| (key, Some(value))).collect();
    copy.apply(&Batch { writes }).expect("a sound backend");
    copy
}

/// What the store holds, without what is only there to probe it. Ids that the store has chosen are left out.
fn state(store: &Store) -> Result<State> {
    let mut state = State::new();
    for name in store.collections() {
        let documents = store.documents(&name)?;
        let mut content = Vec::new();
        for document in documents.iter() {
            let document = document?;
            let id =
                document.id().as_uuid().map_or_else(|| document.id().to_string(), |_| "random".to_owned());
            let (kind, revision, stamp) = (document.kind(), document.revision(), document.stamp());
            content.push(format!("{id} {kind} {revision} {stamp:?} {}", document.value));
        }
        content.sort();
        content.push(format!("{} documents, {:?}", documents.count()?, documents.census()?));
        if name == PROBE {
            content.clear();
        }
        state.insert(name, content);
    }
    Ok(state)
}

fn on(backend: Arc<dyn Backend>) -> Result<(Store, Handles)> {
    let store = builder().open_backend(backend)?;
    let handles = Handles::new(&store)?;
    Ok((store, handles))
}

/// What may be there after an operation that failed: in the store as it goes on, and in the store opened again.
struct Outcomes {
    going_on: Vec<State>,
    reopened: Vec<State>,
}

impl Outcomes {
    /// The states without a fault: the old one first, the new one last.
    fn of(case: &Case, base: &MemoryBackend) -> Self {
        let nothing: fn(&Handles) -> Result<()> = |_| Ok(());
        let mut outcomes = Self { going_on: Vec::new(), reopened: Vec::new() };
        for run in std::iter::once(nothing).chain(case.stages.iter().copied()).chain([case.run]) {
            let medium = Arc::new(copy(base));
            let (store, handles) = on(Arc::clone(&medium) as _).expect("a store");
            run(&handles).unwrap_or_else(|error| panic!("{} fails by itself: {}", case.name, told(&error)));
            outcomes.going_on.push(state(&store).unwrap_or_default());
            drop((store, handles));
            let store = builder().open_backend(medium).expect("a store");
            outcomes.reopened.push(state(&store).expect("documents"));
        }
        outcomes
    }
}

/// Runs the case with a fault, and gives what is wrong afterwards, and which call was struck, if any.
fn examine(
    case: &Case,
    base: &MemoryBackend,
    outcomes: &Outcomes,
    plan: Plan,
) -> (Vec<Flaw>, Option<Operation>) {
    let medium = Arc::new(copy(base));
    let (backend, faults) = FaultBackend::new(Arc::clone(&medium));
    let (store, handles) = on(Arc::new(backend)).expect("a store");
    faults.forget();
    faults.arm(plan);
    let outcome = catch_unwind(AssertUnwindSafe(|| (case.run)(&handles)));
    faults.disarm();
    let struck: Vec<Operation> =
        faults.calls().iter().filter(|call| call.fault.is_some()).map(|call| call.operation).collect();
    let writing = struck.iter().any(|operation| Operation::WRITING.contains(operation));
    let mut flaws = Vec::new();
    let done = match &outcome {
        Ok(Ok(())) => {
            if !struck.is_empty() {
                flaws.push(Flaw::Other("it succeeds in spite of the fault".to_owned()));
            }
            true
        }
        Ok(Err(error)) => {
            flaws.extend(wrong_kind(error, writing, struck.len()));
            false
        }
        Err(_) => {
            flaws.push(Flaw::Panic("it panics".to_owned()));
            false
        }
    };
    flaws.extend(goes_on(&store, outcomes, done, writing));
    drop((store, handles));
    flaws.extend(reopens(&medium, &outcomes.reopened, done));
    (flaws, struck.first().copied())
}

/// An error must say what the planted fault was.
fn wrong_kind(error: &Error, writing: bool, strikes: usize) -> Option<Flaw> {
    let fits = match error.kind() {
        ErrorKind::CommitOutcomeUnknown => writing,
        // Of an operation that goes on after a first commit has failed.
        ErrorKind::Poisoned => writing && strikes > 1,
        ErrorKind::Io | ErrorKind::OutOfSpace | ErrorKind::Corrupt => !writing,
        _ => false,
    };
    let planted = format!("{error:?}").contains("planted") || format!("{error:?}").contains("panicked");
    (!fits || !planted).then(|| Flaw::Other(format!("an error that does not fit: {}", told(error))))
}

/// The store as it goes on, after the fault is over.
fn goes_on(store: &Store, outcomes: &Outcomes, done: bool, writing: bool) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let closed = store.stats().is_err_and(|error| error.kind() == ErrorKind::Closed);
    if closed {
        return flaws;
    }
    match state(store) {
        Ok(state) => flaws.extend(unlike(&state, &outcomes.going_on, done, "as it goes on")),
        Err(error) => flaws.push(Flaw::Other(format!("it cannot be read any more: {}", told(&error)))),
    }
    let probe = catch_unwind(AssertUnwindSafe(|| {
        store.documents(PROBE)?.update("probe", |probe| *probe = json!("after the fault"))
    }));
    match probe {
        Ok(Ok(_)) if !writing => {}
        Ok(Ok(_)) => flaws.push(Flaw::Other("a store whose write failed takes another one".to_owned())),
        Ok(Err(error)) if writing && error.kind() == ErrorKind::Poisoned => {}
        Ok(Err(error)) => flaws.push(Flaw::Other(format!("the next write: {}", told(&error)))),
        Err(_) => flaws.push(Flaw::Panic("the next write panics".to_owned())),
    }
    flaws
}

/// The store opened again, on what is there.
fn reopens(medium: &Arc<MemoryBackend>, allowed: &[State], done: bool) -> Vec<Flaw> {
    let bytes = entries(medium).into_iter().map(|(key, value)| (key.to_vec(), value.to_vec()));
    let mut flaws = raw::check_entries(bytes);
    match builder().open_backend(Arc::clone(medium) as _) {
        Ok(store) => match state(&store) {
            Ok(state) => flaws.extend(unlike(&state, allowed, done, "opened again")),
            Err(error) => flaws.push(Flaw::Torn(format!("it cannot be read: {}", told(&error)))),
        },
        Err(error) => flaws.push(Flaw::FailedOpen(told(&error))),
    }
    flaws
}

/// What was done is there; otherwise one of the allowed states is.
fn unlike(state: &State, allowed: &[State], done: bool, when: &str) -> Option<Flaw> {
    let allowed = if done { &allowed[allowed.len() - 1..] } else { allowed };
    if allowed.contains(state) {
        return None;
    }
    let counts =
        |state: &State| state.iter().map(|(name, content)| (name.clone(), content.len())).collect::<Vec<_>>();
    let text =
        format!("{when}: {:?}; allowed {:?}", counts(state), allowed.iter().map(counts).collect::<Vec<_>>());
    Some(if done { Flaw::Lost(text) } else { Flaw::Torn(text) })
}

/// The control: a medium that makes half of a batch and says that it was made. Gives how many such batches there were, and
/// how many of them were found out.
fn control(base: &MemoryBackend) -> (usize, usize) {
    let (mut halves, mut caught) = (0, 0);
    for case in ALL {
        let outcomes = Outcomes::of(case, base);
        for number in 1.. {
            let medium = Arc::new(copy(base));
            let backend =
                Arc::new(Halving { inner: Arc::clone(&medium), left: AtomicUsize::new(usize::MAX) });
            let (store, handles) = on(Arc::clone(&backend) as _).expect("a store");
            backend.left.store(number, Ordering::Relaxed);
            let done =
                catch_unwind(AssertUnwindSafe(|| (case.run)(&handles))).is_ok_and(|outcome| outcome.is_ok());
            let halved = backend.left.load(Ordering::Relaxed) == 0;
            drop((store, handles));
            if !halved {
                break;
            }
            halves += 1;
            caught += usize::from(!reopens(&medium, &outcomes.reopened, done).is_empty());
        }
    }
    (halves, caught)
}

/// Makes half of one batch and says that it was made.
#[derive(Debug)]
struct Halving<B> {
    inner: B,
    /// Counts down to the batch; 0 when it has been halved.
    left: AtomicUsize,
}

impl<B: Backend> Backend for Halving<B> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        self.inner.get(key)
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        self.inner.page(range, direction, limit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        if left != 1 {
            return self.inner.apply(batch);
        }
        let half = batch.writes.len() / 2;
        let writes =
            batch.writes.iter().take(half).map(|(key, value)| (key.clone(), value.clone())).collect();
        self.inner.apply(&Batch { writes })
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.inner.flush()
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.inner.sync()
    }

    fn flush_syncs(&self) -> bool {
        self.inner.flush_syncs()
    }
}
