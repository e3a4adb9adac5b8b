//! A medium that no longer answers: everybody who waits is released by the deadline, and nothing waits for ever, closing least of all.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pivotdb::backend::MemoryBackend;
use pivotdb::testing::fault::{FaultBackend, Operation};
use pivotdb::{Durability, Error, ErrorKind, Result, Store};
use serde_json::json;

use crate::check::told;
use crate::fault::cases::{NOTES, builder};
use crate::fault::{State, copy, reopens, state};
use crate::tally::Flaw;

const DEADLINE: Duration = Duration::from_millis(100);
/// What a call may take that gives up at the deadline, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(10);

type Call = fn(&Store) -> Result<()>;

const CALLS: &[(&str, Call)] = &[
    ("insert", |store| store.documents(NOTES)?.insert_with_id(90, &json!(90))),
    ("update", |store| store.documents(NOTES)?.update(3, |note| *note = json!(3)).map(drop)),
    ("transaction", |store| {
        let notes = store.documents(NOTES)?;
        store.transaction(|transaction| transaction.on(&notes).delete(3).map(drop))
    }),
    ("insert buffered, then flush", |store| {
        store.documents(NOTES)?.with_durability(Durability::Buffered).insert_with_id(90, &json!(90))?;
        store.flush()
    }),
    ("insert buffered, then close", |store| {
        store.documents(NOTES)?.with_durability(Durability::Buffered).insert_with_id(90, &json!(90))?;
        store.close()
    }),
];

pub(super) fn examine_all(base: &MemoryBackend) -> Vec<(String, Vec<Flaw>)> {
    let mut examined = Vec::new();
    for operation in [Operation::Apply, Operation::Flush, Operation::Sync] {
        for &(name, call) in CALLS {
            let name = format!("{name} while {operation:?} hangs");
            examined.push((name, examine(base, operation, call)));
        }
    }
    examined
}

/// Runs `work` on a thread of its own; `None`: it has not come back in time.
fn bounded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    wait.recv_timeout(PATIENCE).ok()
}

fn examine(base: &MemoryBackend, operation: Operation, call: Call) -> Vec<Flaw> {
    let medium = Arc::new(copy(base));
    let (backend, faults) = FaultBackend::new(Arc::clone(&medium));
    let store = builder().sync_deadline(DEADLINE).open_backend(Arc::new(backend)).expect("a store");
    let allowed = [false, true].map(|done| outcome(base, if done { call } else { |_| Ok(()) }));
    faults.hold(operation);
    let mut flaws = Vec::new();
    let mut must = |what: &str, outcome: Option<Result<()>>, kinds: &[ErrorKind]| match outcome {
        Some(Ok(())) if kinds.is_empty() => {}
        Some(Err(error)) if kinds.contains(&error.kind()) => {}
        Some(Ok(())) => flaws.push(Flaw::Other(format!("{what} succeeds"))),
        Some(Err(error)) => flaws.push(Flaw::Other(format!("{what}: {}", told(&error)))),
        None => flaws.push(Flaw::Other(format!("{what} does not come back"))),
    };
    let on = |work: Call| {
        let store = store.clone();
        move || work(&store)
    };
    // Who makes an apply that hangs, hangs with it: the commit is another thread's then.
    let began = Instant::now();
    if operation == Operation::Apply {
        thread::spawn(on(call));
        assert!(faults.wait_until_held(PATIENCE), "nothing was applied");
        let insert: Call = |store| store.documents(NOTES)?.insert_with_id(91, &json!(91));
        must("another commit", bounded(on(insert)), &[ErrorKind::CommitOutcomeUnknown, ErrorKind::Poisoned]);
    } else {
        must("the call", bounded(on(call)), &[ErrorKind::CommitOutcomeUnknown]);
    }
    if began.elapsed() < DEADLINE {
        flaws.push(Flaw::Other("it was released before its deadline".to_owned()));
    }
    let closed = store.stats().is_err_and(|error: Error| error.kind() == ErrorKind::Closed);
    let mut must = |what: &str, outcome: Option<Result<()>>, kinds: &[ErrorKind]| match outcome {
        Some(Ok(())) if kinds.is_empty() => {}
        Some(Err(error)) if kinds.contains(&error.kind()) => {}
        Some(Ok(())) => flaws.push(Flaw::Other(format!("{what} succeeds"))),
        Some(Err(error)) => flaws.push(Flaw::Other(format!("{what}: {}", told(&error)))),
        None => flaws.push(Flaw::Other(format!("{what} does not come back"))),
    };
    if !closed {
        must("a read", bounded(on(|store| state(store).map(drop))), &[]);
        let write: Call = |store| store.documents(NOTES)?.insert_with_id(92, &json!(92));
        must("the next write", bounded(on(write)), &[ErrorKind::Poisoned]);
        must("flush", bounded(on(Store::flush)), &[ErrorKind::Poisoned]);
        must("close", bounded(on(Store::close)), &[ErrorKind::Poisoned, ErrorKind::CommitOutcomeUnknown]);
    }
    let last = store.clone();
    drop(store);
    must(
        "dropping",
        bounded(move || {
            drop(last);
            Ok(())
        }),
        &[],
    );
    faults.release();
    // What hung goes on now; nobody writes after it.
    thread::sleep(DEADLINE);
    flaws.extend(reopens(&medium, &allowed, false));
    flaws
}

/// The state after `call` on a sound medium.
fn outcome(base: &MemoryBackend, call: Call) -> State {
    let medium = Arc::new(copy(base));
    let store = builder().open_backend(Arc::clone(&medium) as _).expect("a store");
    call(&store).expect("it does not fail by itself");
    drop(store);
    state(&builder().open_backend(medium).expect("a store")).expect("documents")
}
