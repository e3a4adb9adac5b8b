//! A backend that fails when it is told to.
//!
//! ```
//! use pivotdb::backend::{Backend, Batch, Failure, MemoryBackend};
//! use pivotdb::testing::fault::{Fault, FaultBackend, Operation, Plan};
//!
//! let (backend, faults) = FaultBackend::new(MemoryBackend::new());
//! faults.arm(Plan::nth(2, Fault::full_disk()).of(Operation::Sync));
//! assert!(backend.sync().is_ok());
//! assert_eq!(backend.sync().unwrap_err().failure, Failure::OutOfSpace);
//! assert!(backend.sync().is_ok());
//! assert_eq!(faults.struck(), 1);
//! ```

use std::fmt;
use std::io;
#[cfg(any(feature = "sled", feature = "redb"))]
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::storage::backend::{Backend, BackendError, Batch, Direction, Failure, KeyRange, Page, PageLimit};
use crate::storage::bytes::Bytes;
#[cfg(any(feature = "sled", feature = "redb"))]
use crate::store::{builder::Builder, store::Store};

/// A call of a [`Backend`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Backend::get`].
    Get,
    /// [`Backend::get_many`].
    GetMany,
    /// [`Backend::page`].
    Page,
    /// [`Backend::apply`].
    Apply,
    /// [`Backend::flush`].
    Flush,
    /// [`Backend::sync`].
    Sync,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Get, Self::GetMany, Self::Page, Self::Apply, Self::Flush, Self::Sync];

    /// Those after whose failure nothing more may be written.
    pub const WRITING: [Self; 3] = [Self::Apply, Self::Flush, Self::Sync];
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What is reported; `None`: nothing, the call panics.
    report: Option<Failure>,
    /// Whether the call is made before it fails.
    done: bool,
}

impl Fault {
    /// An I/O error; the call is not made.
    #[must_use]
    pub const fn io() -> Self {
        Self { report: Some(Failure::Io), done: false }
    }

    /// A full disk; the call is not made.
    #[must_use]
    pub const fn full_disk() -> Self {
        Self { report: Some(Failure::OutOfSpace), done: false }
    }

    /// Damage on the medium; the call is not made.
    #[must_use]
    pub const fn corrupt() -> Self {
        Self { report: Some(Failure::Corrupt), done: false }
    }

    /// A panic; the call is not made.
    #[must_use]
    pub const fn panic() -> Self {
        Self { report: None, done: false }
    }

    /// The same, after the call has been made: what is reported as failed has happened.
    #[must_use]
    pub const fn but_done(mut self) -> Self {
        self.done = true;
        self
    }

    /// Every one there is.
    #[must_use]
    pub const fn all() -> [Self; 8] {
        let [io, full, corrupt, panic] = [Self::io(), Self::full_disk(), Self::corrupt(), Self::panic()];
        [io, full, corrupt, panic, io.but_done(), full.but_done(), corrupt.but_done(), panic.but_done()]
    }
}

/// Which calls fail, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Plan {
    fault: Fault,
    /// `None`: any.
    operation: Option<Operation>,
    /// How many matching calls are let through first.
    skip: u64,
    for_ever: bool,
}

impl Plan {
    /// The `n`th call from now fails, counted from 1.
    #[must_use]
    pub const fn nth(n: u64, fault: Fault) -> Self {
        Self { fault, operation: None, skip: n.saturating_sub(1), for_ever: false }
    }

    /// Counts, and fails, only calls of `operation`.
    #[must_use]
    pub const fn of(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// All matching calls from there on fail.
    #[must_use]
    pub const fn for_ever(mut self) -> Self {
        self.for_ever = true;
        self
    }
}

/// A call that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Which one.
    pub operation: Operation,
    /// How it was made to fail; `None`: it was let through.
    pub fault: Option<Fault>,
}

/// A backend that does what `inner` does, and fails when its [`Faults`] say so.
#[derive(Debug)]
pub struct FaultBackend<B> {
    inner: B,
    faults: Faults,
}

impl<B: Backend> FaultBackend<B> {
    /// Around `inner`, and the handle by which it is told to fail. Nothing fails yet.
    ///
    /// A store takes the backend; to open a second one on what the first has left, wrap an [`Arc`] of a backend.
    #[must_use]
    pub fn new(inner: B) -> (Self, Faults) {
        let faults = Faults::default();
        (Self { inner, faults: faults.clone() }, faults)
    }

    /// Around `inner`, told to fail by a handle that is there already, so that the first call can fail.
    #[must_use]
    pub fn with(inner: B, faults: &Faults) -> Self {
        Self { inner, faults: faults.clone() }
    }

    fn call<T>(
        &self,
        operation: Operation,
        work: impl FnOnce(&B) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        match self.faults.enter(operation) {
            None => work(&self.inner),
            Some(fault) => {
                if fault.done {
                    // What it would have reported: the planted fault.
                    let _ = work(&self.inner);
                }
                Err(planted(fault, operation))
            }
        }
    }
}

#[expect(clippy::panic, reason = "a panic is one of the faults")]
fn planted(fault: Fault, operation: Operation) -> BackendError {
    match fault.report {
        Some(Failure::OutOfSpace) => BackendError::io("planted", io::ErrorKind::StorageFull.into()),
        Some(Failure::Io) => BackendError::io("planted", io::Error::other("planted")),
        Some(failure) => BackendError::new(failure, "planted"),
        None => panic!("planted panic in {operation:?}"),
    }
}

impl<B: Backend> Backend for FaultBackend<B> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        self.call(Operation::Get, |inner| inner.get(key))
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, BackendError> {
        self.call(Operation::GetMany, |inner| inner.get_many(keys))
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        self.call(Operation::Page, |inner| inner.page(range, direction, limit))
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        self.call(Operation::Apply, |inner| inner.apply(batch))
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.call(Operation::Flush, Backend::flush)
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.call(Operation::Sync, Backend::sync)
    }

    fn flush_syncs(&self) -> bool {
        self.inner.flush_syncs()
    }

    fn size_on_disk(&self) -> Option<u64> {
        self.inner.size_on_disk()
    }

    fn inspect(&self) -> Result<Vec<String>, BackendError> {
        self.inner.inspect()
    }
}

/// Opens the store in the directory at `path`, as [`Builder::open`] does, with what `wrap` makes of its backend between the store and its files: a
/// [`FaultBackend`] around it, or another one.
///
/// ```
/// use std::sync::Arc;
///
/// use pivotdb::testing::fault::{self, Fault, FaultBackend, Faults, Operation, Plan};
/// use pivotdb::{ErrorKind, Store};
/// use serde_json::json;
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("app.pivot");
/// let faults = Faults::default();
/// let store = fault::open(Store::builder(), &path, |files| Arc::new(FaultBackend::with(files, &faults)))?;
/// let notes = store.documents("notes")?;
/// faults.arm(Plan::nth(1, Fault::io()).of(Operation::Apply));
/// assert_eq!(notes.insert(&json!(1)).unwrap_err().kind(), ErrorKind::CommitOutcomeUnknown);
/// # Ok::<(), pivotdb::Error>(())
/// ```
///
/// # Errors
/// As [`Builder::open`].
#[cfg(any(feature = "sled", feature = "redb"))]
pub fn open(
    builder: Builder,
    path: impl AsRef<Path>,
    wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>,
) -> crate::error::error::Result<Store> {
    builder.open_on(path.as_ref(), wrap)
}

/// Tells a [`FaultBackend`] when to fail, and what became of it; also while a store uses it, from any thread.
#[derive(Clone, Default)]
pub struct Faults(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A call has come to be held, or may go on.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    plans: Vec<Plan>,
    calls: Vec<Call>,
    holding: Vec<Operation>,
    delays: Vec<(Operation, Duration)>,
    held: usize,
}

impl Faults {
    /// Makes calls fail by `plan`, besides by the plans armed before. Counting starts now. Where two want the same
    /// call, the older one gets it.
    pub fn arm(&self, plan: Plan) {
        self.state().plans.push(plan);
    }

    /// Forgets all plans: everything works again.
    pub fn disarm(&self) {
        self.state().plans.clear();
    }

    /// Lets calls of `operation` hang, before anything is done, until [`release`](Self::release).
    pub fn hold(&self, operation: Operation) {
        self.state().holding.push(operation);
    }

    /// Lets all held calls go on, and holds no more.
    pub fn release(&self) {
        self.state().holding.clear();
        self.0.changed.notify_all();
    }

    /// Waits until a call hangs; gives whether one does, `false` after `timeout`.
    #[must_use]
    pub fn wait_until_held(&self, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.state();
        while state.held == 0 {
            let left = deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            let woken = self.0.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Makes each call of `operation` take that much longer; zero ends it.
    pub fn delay(&self, operation: Operation, delay: Duration) {
        let mut state = self.state();
        state.delays.retain(|(delayed, _)| *delayed != operation);
        if !delay.is_zero() {
            state.delays.push((operation, delay));
        }
    }

    /// All calls since the beginning or the last [`forget`](Self::forget), in the order in which they came in.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How many of them were calls of `operation`.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.state().calls.iter().filter(|call| call.operation == operation).count()
    }

    /// How many of them were made to fail.
    #[must_use]
    pub fn struck(&self) -> usize {
        self.state().calls.iter().filter(|call| call.fault.is_some()).count()
    }

    /// Begins a new list of calls.
    pub fn forget(&self) {
        self.state().calls.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call, lets it wait, and gives how it shall fail.
    fn enter(&self, operation: Operation) -> Option<Fault> {
        let mut state = self.state();
        let fault = state.strike(operation);
        state.calls.push(Call { operation, fault });
        let delay = state.delays.iter().find(|(delayed, _)| *delayed == operation).map(|(_, delay)| *delay);
        if state.holding.contains(&operation) {
            state.held = state.held.saturating_add(1);
            self.0.changed.notify_all();
            while state.holding.contains(&operation) {
                state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.held = state.held.saturating_sub(1);
        }
        drop(state);
        delay.inspect(|delay| thread::sleep(*delay));
        fault
    }
}

impl State {
    fn strike(&mut self, operation: Operation) -> Option<Fault> {
        let mut struck = None;
        // Every plan counts the call, also one that comes too late for it.
        self.plans.retain_mut(|plan| {
            if plan.operation.is_some_and(|only| only != operation) {
                return true;
            }
            if plan.skip > 0 {
                plan.skip = plan.skip.saturating_sub(1);
                return true;
            }
            struck = struck.or(Some(plan.fault));
            plan.for_ever
        });
        struck
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Faults")
            .field("plans", &state.plans)
            .field("calls", &state.calls.len())
            .field("held", &state.held)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::storage::memory::MemoryBackend;
    use crate::testing::conformance;
    use crate::testing::subject::{UNLIMITED, batch, bytes};

    fn call(backend: &dyn Backend, operation: Operation) -> Result<(), BackendError> {
        match operation {
            Operation::Get => backend.get(b"key").map(drop),
            Operation::GetMany => backend.get_many(&[b"key"]).map(drop),
            Operation::Page => backend.page(&KeyRange::all(), Direction::Forward, UNLIMITED).map(drop),
            Operation::Apply => backend.apply(&batch([(b"key", Some(b"value"))])),
            Operation::Flush => backend.flush(),
            Operation::Sync => backend.sync(),
        }
    }

    #[test]
    fn conforms_as_long_as_nothing_is_planted() {
        conformance::backend(|_| FaultBackend::new(MemoryBackend::new()).0);
    }

    /// Every fault, at every call, by number among all and by number among its kind.
    #[test]
    fn strikes_the_call_it_was_told_to_and_no_other() {
        let script: Vec<_> = (0..18).map(|number| Operation::ALL[number * 5 % 6]).collect();
        let mut struck = 0;
        for (at, operation) in script.iter().enumerate() {
            let nth_of_all = Plan::nth(at as u64 + 1, Fault::io());
            let nth_of_it = script[..=at].iter().filter(|earlier| *earlier == operation).count() as u64;
            for plan in [nth_of_all, Plan::nth(nth_of_it, Fault::io()).of(*operation)] {
                for fault in Fault::all() {
                    let (backend, faults) = FaultBackend::new(MemoryBackend::new());
                    faults.arm(Plan { fault, ..plan });
                    for (number, operation) in script.iter().enumerate() {
                        let outcome = catch_unwind(AssertUnwindSafe(|| call(&backend, *operation)));
                        let reported =
                            outcome.as_ref().map(|result| result.as_ref().map_err(|error| error.failure));
                        match (number == at, fault.report) {
                            (false, _) => assert!(matches!(reported, Ok(Ok(())))),
                            (true, Some(failure)) => assert_eq!(reported.unwrap(), Err(failure)),
                            (true, None) => assert!(reported.is_err()),
                        }
                        assert_eq!(faults.calls()[number].fault, (number == at).then_some(fault));
                    }
                    assert_eq!(faults.struck(), 1);
                    struck += 1;
                }
            }
        }
        assert_eq!(struck, 18 * 2 * 8);
    }

    #[test]
    fn an_unknown_outcome_is_done_or_not() {
        for (fault, value) in [(Fault::io(), None), (Fault::io().but_done(), Some(bytes(b"value")))] {
            let (backend, faults) = FaultBackend::new(MemoryBackend::new());
            faults.arm(Plan::nth(1, fault).of(Operation::Apply));
            assert!(call(&backend, Operation::Apply).is_err());
            assert_eq!(backend.get(b"key").unwrap(), value);
        }
    }

    #[test]
    fn a_disk_that_is_full_stays_full_until_it_is_disarmed() {
        let (backend, faults) = FaultBackend::new(MemoryBackend::new());
        faults.arm(Plan::nth(2, Fault::full_disk()).of(Operation::Apply).for_ever());
        let apply = || call(&backend, Operation::Apply).map_err(|error| error.failure);
        assert_eq!([apply(), apply(), apply()], [Ok(()), Err(Failure::OutOfSpace), Err(Failure::OutOfSpace)]);
        faults.disarm();
        assert_eq!(apply(), Ok(()));
        assert_eq!((faults.count(Operation::Apply), faults.struck()), (4, 2));
        faults.forget();
        assert_eq!(faults.calls(), []);
    }

    #[test]
    fn a_held_sync_hangs_and_reads_go_on() {
        let (backend, faults) = FaultBackend::new(Arc::new(MemoryBackend::new()));
        assert!(!faults.wait_until_held(Duration::from_millis(1)));
        faults.hold(Operation::Sync);
        faults.delay(Operation::Flush, Duration::from_millis(1));
        thread::scope(|scope| {
            let sync = scope.spawn(|| backend.sync());
            assert!(faults.wait_until_held(Duration::from_secs(60)));
            assert!(backend.get(b"key").is_ok() && backend.flush().is_ok());
            assert!(!sync.is_finished());
            faults.release();
            assert!(sync.join().unwrap().is_ok());
        });
        assert!(backend.sync().is_ok());
        assert!(!faults.wait_until_held(Duration::ZERO));
    }
}
