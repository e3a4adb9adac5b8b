//! The same on files: what fails stands between the store and its backend, and the store is then opened again from what is on the disk.
//!
//! Every operation with calls chosen by chance, since each run makes and opens files. `PIVOTDB_FAULTS` says how many.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pivotdb::backend::Backend;
use pivotdb::testing::fault::{self, Fault, FaultBackend, Faults, Operation, Plan};
use pivotdb::{Builder, ErrorKind, Result, Store};

use crate::backends::Tested;
use crate::check::told;
use crate::fault::cases::{ALL, Case, Handles, PROBE, Person, builder, populate};
use crate::fault::{Halving, Outcomes, State, base, faults, goes_on, state, unlike, wrong_kind};
use crate::raw;
use crate::rng::{Rng, from_environment};
use crate::tally::{Flaw, Tally, say};
use crate::tested;

const AT_ONCE: usize = 8;

/// A store's files, to be copied for each run.
struct Files {
    backend: Tested,
    scratch: tempfile::TempDir,
    /// The states that each case may leave.
    outcomes: Vec<Outcomes>,
}

pub(super) fn run(backend: Tested, seed: u64) {
    let name = format!("fault on files of {}", backend.name);
    let mut tally = Tally::new(name.clone(), seed);
    let mut rng = Rng::new(seed);
    let mut scratch = tempfile::Builder::new();
    // What fails is planted, so the files may be in memory: then a sync takes no time. There sled's writes moreover do not go through.
    let scratch = scratch.prefix("pivotdb-fault-").tempdir_in("/dev/shm").or_else(|_| scratch.tempdir());
    let scratch = scratch.expect("a directory");
    let store = backend.chosen(&builder()).open(scratch.path().join("base")).expect("a store");
    populate(&store).expect("documents");
    drop(store);
    let memory = base();
    let outcomes = ALL.iter().map(|case| Outcomes::of(case, &memory)).collect();
    let files = Files { backend, scratch, outcomes };
    let usual = if tested::is_default(backend) { 120 } else { 160 };
    let runs = from_environment("PIVOTDB_FAULTS", usual);
    let kinds: Vec<(Fault, bool)> = faults().collect();
    let mut struck = [0; Operation::ALL.len()];
    let (mut durable, mut new, mut old) = (0_u64, 0, 0);
    // Each case twice at least, and then by chance. Several at once: a run is mostly waiting for threads to end.
    let attempts: Vec<(usize, Plan)> = (0..runs.saturating_mul(4))
        .map(|attempt| {
            let cases = ALL.len() as u64;
            let position = if attempt < cases * 2 { attempt % cases } else { rng.below(cases) };
            let (fault, lasting) = rng.pick(&kinds);
            let of = rng.pick(&[
                None,
                None,
                Some(Operation::Apply),
                Some(Operation::Flush),
                Some(Operation::Sync),
            ]);
            let plan = Plan::nth(rng.between(1, if of.is_some() { 4 } else { 12 }), fault);
            let plan = of.map_or(plan, |operation| plan.of(operation));
            (position as usize, if lasting { plan.for_ever() } else { plan })
        })
        .collect();
    let (next, enough) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut examined = Vec::new();
        while enough.load(Ordering::Relaxed) < runs as usize {
            let Some(&(position, plan)) = attempts.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            let found = files.examine(position, plan);
            enough.fetch_add(usize::from(found.struck.is_some()), Ordering::Relaxed);
            examined.push((position, plan, found));
        }
        examined
    };
    let examined: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a run does not panic")).collect()
    });
    for (position, plan, examined) in examined {
        durable += u64::from(examined.durable);
        let what = format!("{}, {plan:?} ({:?})", ALL[position].name, examined.struck);
        tally.note(what, &examined.flaws);
        // Where the call was never made it is shown that the operation works.
        let Some(operation) = examined.struck else { continue };
        tally.runs += 1;
        struck[Operation::ALL.iter().position(|other| *other == operation).expect("one of them")] += 1;
        *(if examined.is_new { &mut new } else { &mut old }) += 1;
    }
    let opened = files.examine_opening(&mut rng, runs / 8, &mut tally);
    let (halves, caught) = files.control();
    if halves > 8 && caught == halves {
        tally.control_caught();
    }
    let struck: Vec<_> = Operation::ALL.iter().zip(struck).collect();
    say(format_args!(
        "{name}: calls struck {struck:?}, {opened} of them while opening; found again {old} times as before and {new} times as after, what was \
         acknowledged before always; {durable} operations that were not struck and acknowledged, all there; control: {caught} of {halves} half batches found out"
    ));
    tally.finish();
}

struct Examined {
    flaws: Vec<Flaw>,
    struck: Option<Operation>,
    durable: bool,
    is_new: bool,
}

impl Files {
    fn copy(&self) -> tempfile::TempDir {
        let copy =
            tempfile::Builder::new().prefix("copy-").tempdir_in(self.scratch.path()).expect("a directory");
        copy_into(&self.scratch.path().join("base"), &copy.path().join("store"));
        copy
    }

    fn open(
        &self,
        directory: &Path,
        wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>,
    ) -> Result<Store> {
        fault::open(self.backend.chosen(&builder()), directory.join("store"), wrap)
    }

    fn examine(&self, position: usize, plan: Plan) -> Examined {
        let (case, outcomes): (&Case, &Outcomes) = (&ALL[position], &self.outcomes[position]);
        let copy = self.copy();
        let faults = Faults::default();
        let store =
            self.open(copy.path(), |files| Arc::new(FaultBackend::with(files, &faults))).expect("a store");
        let handles = Handles::new(&store).expect("documents");
        faults.forget();
        faults.arm(plan);
        let outcome = catch_unwind(AssertUnwindSafe(|| (case.run)(&handles)));
        faults.disarm();
        let strikes: Vec<Operation> =
            faults.calls().iter().filter(|call| call.fault.is_some()).map(|call| call.operation).collect();
        let writing = strikes.iter().any(|operation| Operation::WRITING.contains(operation));
        let mut flaws = Vec::new();
        let done = match &outcome {
            Ok(Ok(())) => {
                if !strikes.is_empty() {
                    flaws.push(Flaw::Other("it succeeds in spite of the fault".to_owned()));
                }
                true
            }
            Ok(Err(error)) => {
                flaws.extend(wrong_kind(error, writing, strikes.len()));
                false
            }
            Err(_) => {
                flaws.push(Flaw::Panic("it panics".to_owned()));
                false
            }
        };
        // A new collection does not wait for the medium, and says so.
        let closed = store.stats().is_err();
        let durable = done && store.stats().map_or(closed, |stats| stats.synced_sequence >= stats.sequence);
        flaws.extend(goes_on(&store, outcomes, done, writing));
        drop((store, handles));
        let (found, is_new) = self.reopens(copy.path(), &outcomes.reopened, durable);
        flaws.extend(found);
        Examined { flaws, struck: strikes.first().copied(), durable, is_new }
    }

    /// The store opened again from its files: what is wrong, and whether it is as it was to become.
    fn reopens(&self, directory: &Path, allowed: &[State], done: bool) -> (Vec<Flaw>, bool) {
        // Of a store that was only opened.
        let is_whole = allowed.len() == 1;
        let mut flaws = Vec::new();
        let mut is_new = false;
        match self.open(directory, |files| files) {
            Ok(store) => {
                // Committed, and acknowledged as durable, just before the operation.
                let probe = store.documents(PROBE).and_then(|probe| probe.require("probe"));
                if !is_whole && probe.as_ref().map_or(true, |probe| **probe == 0) {
                    flaws.push(Flaw::Lost(format!("what had been acknowledged before: {probe:?}")));
                }
                match state(&store) {
                    Ok(state) => {
                        is_new = allowed.last() == Some(&state);
                        flaws.extend(unlike(&state, allowed, done, "opened again"));
                    }
                    Err(error) => flaws.push(Flaw::Torn(format!("it cannot be read: {}", told(&error)))),
                }
                if let Err(error) = store.close() {
                    flaws.push(Flaw::Other(format!("it does not close: {}", told(&error))));
                }
            }
            Err(error) => flaws.push(Flaw::FailedOpen(told(&error))),
        }
        flaws.extend(raw::check_directory(&directory.join("store"), self.backend));
        (flaws, is_new)
    }

    /// Calls that fail while the store is opened, with and without a kind that is declared then.
    fn examine_opening(&self, rng: &mut Rng, runs: u64, tally: &mut Tally) -> u64 {
        let whole = {
            let copy = self.copy();
            let store = self.open(copy.path(), |files| files).expect("a store");
            state(&store).expect("documents")
        };
        let kinds: Vec<(Fault, bool)> = faults().collect();
        let mut opened = 0;
        for _ in 0..runs {
            let copy = self.copy();
            let (fault, lasting) = rng.pick(&kinds);
            let plan = Plan::nth(rng.between(1, 8), fault);
            let plan = if lasting { plan.for_ever() } else { plan };
            let faults = Faults::default();
            faults.arm(plan);
            let builder: Builder = self.backend.chosen(&builder()).register::<Person>();
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                fault::open(builder, copy.path().join("store"), |files| {
                    Arc::new(FaultBackend::with(files, &faults))
                })
            }));
            faults.disarm();
            if faults.struck() == 0 {
                continue;
            }
            opened += 1;
            tally.runs += 1;
            let mut flaws = Vec::new();
            match outcome {
                Ok(Ok(_)) => flaws.push(Flaw::Other("it succeeds in spite of the fault".to_owned())),
                Ok(Err(error)) => {
                    let fits = matches!(
                        error.kind(),
                        ErrorKind::Io
                            | ErrorKind::OutOfSpace
                            | ErrorKind::Corrupt
                            | ErrorKind::CommitOutcomeUnknown
                    );
                    if !fits {
                        flaws.push(Flaw::Other(format!("an error that does not fit: {}", told(&error))));
                    }
                }
                Err(_) => flaws.push(Flaw::Panic("it panics".to_owned())),
            }
            flaws.extend(self.reopens(copy.path(), std::slice::from_ref(&whole), false).0);
            tally.note(format!("open, {plan:?}"), &flaws);
        }
        opened
    }

    /// The control: half of the first batch of each operation that writes reaches the files, and is said to be there.
    fn control(&self) -> (usize, usize) {
        let next = AtomicUsize::new(0);
        let work = || {
            let (mut halves, mut caught) = (0, 0);
            while let Some(position) =
                Some(next.fetch_add(1, Ordering::Relaxed)).filter(|next| *next < ALL.len())
            {
                if let Some(found_out) = self.halve(position) {
                    halves += 1;
                    caught += usize::from(found_out);
                }
            }
            (halves, caught)
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .map(|worker| worker.join().expect("it does not panic"))
                .fold((0, 0), |(halves, caught), (more, of_them)| (halves + more, caught + of_them))
        })
    }

    /// Whether half of a batch was found out; `None`: the operation writes none.
    fn halve(&self, position: usize) -> Option<bool> {
        let (case, outcomes) = (&ALL[position], &self.outcomes[position]);
        let copy = self.copy();
        let mut halving = None;
        let store = self.open(copy.path(), |inner| {
            let backend = Arc::new(Halving { inner, left: AtomicUsize::new(usize::MAX) });
            halving = Some(Arc::clone(&backend));
            backend
        });
        let (store, halving) = (store.expect("a store"), halving.expect("it was wrapped"));
        let handles = Handles::new(&store).expect("documents");
        halving.left.store(1, Ordering::Relaxed);
        let done =
            catch_unwind(AssertUnwindSafe(|| (case.run)(&handles))).is_ok_and(|outcome| outcome.is_ok());
        let halved = halving.left.load(Ordering::Relaxed) == 0;
        // Onto the files, as a sync would.
        let _ = store.close();
        drop((store, handles, halving));
        halved.then(|| !self.reopens(copy.path(), &outcomes.reopened, done).0.is_empty())
    }
}

fn copy_into(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a kind of file").is_dir() {
            copy_into(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("it can be copied");
        }
    }
}
