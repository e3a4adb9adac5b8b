//! The thread that puts commits on the medium.
//!
//! A commit that wants to be durable says up to which sequence and waits. One sync serves everybody who waits: flush at the
//! gate, since sled must not flush and apply at once; then, with the gate open again, the sync itself, which overlaps the next groups. Where a
//! flush is a sync already, the time goes at the gate, and who comes meanwhile is committed in one group afterwards.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::storage::backend::{Backend, BackendError, Failure};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::gate::lock;
use crate::storage::commit::guard::guarded;
use crate::storage::commit::shared::{Shared, SyncState};
use crate::storage::watermark::{Mark, Watermark};

/// Threads that were released by one sync come back with their next commits soon after each other. Waiting for them puts them into one
/// sync together with those who wait already, instead of two half-full ones that take turns (PostgreSQL's `commit_delay`, made adaptive).
/// That pays as long as it takes less than a sync does, and in any case no longer than this.
const GATHER_AT_MOST: Duration = Duration::from_millis(5);

/// For how many syncs nobody is waited for after that was in vain so often in a row: 1, 2, 4 ... and at most so many.
const PASSES_AT_MOST: u32 = 64;

/// How long the thread sleeps when there is nothing to do; it is woken when there is.
const IDLE: Duration = Duration::from_secs(3600);

/// How long closing or dropping waits for the thread beyond the sync's own deadline.
const STOP_GRACE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        watermark: Option<Box<dyn Watermark>>,
    ) -> Result<Self, StorageError> {
        let backend = shared.own_backend()?;
        let theirs = Arc::clone(shared);
        let thread = std::thread::Builder::new()
            .name("pivotdb-sync".to_owned())
            .spawn(move || {
                Work { shared: &theirs, backend: &*backend, watermark: watermark.as_deref() }.run();
                drop(watermark);
                drop(backend);
                lock(&theirs.sync).stopped = true;
                theirs.sync_done.notify_all();
            })
            .map_err(|error| BackendError {
                failure: Failure::Io,
                message: "the syncing thread cannot be started",
                source: Some(error.into()),
            })?;
        Ok(Self { shared: Arc::clone(shared), thread: Some(thread) })
    }

    /// Asks the thread to end and waits for it, up to the deadline of a sync. `false`: it hangs, and is left behind.
    pub(crate) fn stop(&mut self) -> bool {
        let Some(thread) = self.thread.take() else { return true };
        let since = Instant::now();
        let mut state = lock(&self.shared.sync);
        state.stop = true;
        self.shared.sync_wanted.notify_all();
        while !state.stopped {
            let left = (self.shared.give_up_at(&state, since) + STOP_GRACE)
                .saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.sync_done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        thread.join().is_ok()
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// Waits until everything up to `sequence` is on the medium.
    pub(crate) fn wait_synced(&self, sequence: u64) -> Result<(), StorageError> {
        let since = Instant::now();
        let mut state = lock(&self.sync);
        if state.synced < sequence {
            state.arrivals = state.arrivals.wrapping_add(1);
            state.wanted = state.wanted.max(sequence);
            self.sync_wanted.notify_one();
        }
        while state.synced < sequence {
            if let Some(cause) = self.poisoned() {
                return Err(StorageError::OutcomeUnknown(cause));
            }
            if state.stopped {
                // Nobody commits once the thread is told to stop; only reads get here.
                return Err(StorageError::Closed);
            }
            let left = self.give_up_at(&state, since).saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                return Err(StorageError::OutcomeUnknown(self.poison_overdue()));
            }
            state = self.sync_done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// How long somebody who waits since `since` goes on waiting. A sync under way when he came, and the next one, may each
    /// take as long as the deadline.
    fn give_up_at(&self, state: &SyncState, since: Instant) -> Instant {
        state.progress.map_or(since, |progress| progress.max(since)) + self.options.sync_deadline
    }

    /// Remembers that a group waits for the medium.
    pub(crate) fn note_applied(&self) {
        let mut state = lock(&self.sync);
        if state.unsynced_since.is_none() {
            state.unsynced_since = Some(Instant::now());
            self.sync_wanted.notify_one();
        }
    }

    /// Holds a buffered commit back while the medium is too far behind.
    pub(crate) fn hold_back(&self) -> Result<(), StorageError> {
        let window = self.options.buffered_window * 2;
        let since = Instant::now();
        let mut state = lock(&self.sync);
        loop {
            if let Some(cause) = self.poisoned() {
                return Err(StorageError::OutcomeUnknown(cause));
            }
            let behind = state.oldest_unsynced().is_some_and(|since| since.elapsed() > window);
            if !behind || state.stopped {
                return Ok(());
            }
            let left = self.give_up_at(&state, since).saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                return Err(StorageError::OutcomeUnknown(self.poison_overdue()));
            }
            state = self.sync_done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

struct Work<'a> {
    shared: &'a Shared,
    backend: &'a dyn Backend,
    watermark: Option<&'a dyn Watermark>,
}

impl Work<'_> {
    fn run(&self) {
        let (mut last, mut gathering) = (Cycle::default(), Gathering::default());
        while self.wait_for_work(&last, &mut gathering) {
            match self.sync_once(&last, &mut gathering) {
                Ok(cycle) => last = cycle,
                Err((message, error)) => {
                    self.shared.poison(message, error);
                    break;
                }
            }
        }
        if let Some(watermark) = self.watermark {
            // It may lag behind what it witnesses; that only weakens the check at the next open.
            let _ = watermark.sync();
        }
    }

    /// `false`: time to end.
    fn wait_for_work(&self, last: &Cycle, gathering: &mut Gathering) -> bool {
        let shared = self.shared;
        let mut state = lock(&shared.sync);
        while state.wanted <= state.synced {
            if state.stop || shared.poisoned().is_some() {
                return false;
            }
            let wait = match state.unsynced_since {
                Some(since) => shared.options.buffered_window.saturating_sub(since.elapsed()),
                None => IDLE,
            };
            if wait.is_zero() {
                return true;
            }
            state = shared.sync_wanted.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        // Otherwise those who wait have been gathered before they were applied.
        if !self.backend.flush_syncs() && state.wanted > state.synced && !gathering.passes() {
            let until = Instant::now() + last.took.min(GATHER_AT_MOST);
            while !last.all_are_back(&state) && !state.stop {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                state =
                    shared.sync_wanted.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            gathering.note(last.most_are_back(&state));
        }
        shared.poisoned().is_none()
    }

    /// One flush and one sync.
    fn sync_once(
        &self,
        last: &Cycle,
        gathering: &mut Gathering,
    ) -> Result<Cycle, (&'static str, BackendError)> {
        let shared = self.shared;
        let began = Instant::now();
        lock(&shared.sync).progress = Some(began);
        if !shared.gate.enter_syncer(began + shared.options.sync_deadline) {
            return Err(("an apply did not finish within the deadline", broken("the backend hangs")));
        }
        // A write has failed while this waited. What a sync says after that is worth nothing: the system may tell of a failure only once.
        if shared.poisoned().is_some() {
            shared.gate.leave();
            return Err(("a write failed before the sync", broken("the store is poisoned")));
        }
        let flushed = guarded(|| self.backend.flush());
        let meta = lock(&shared.tail).meta;
        let served_up_to = {
            let mut state = lock(&shared.sync);
            // What is applied from here on waits for the next sync.
            state.syncing_since = state.unsynced_since.take();
            state.arrivals
        };
        if let Err(error) = flushed {
            shared.gate.leave();
            return Err(("a flush failed", error));
        }
        let holds_gate = self.backend.flush_syncs();
        if !holds_gate {
            shared.gate.leave();
            guarded(|| self.backend.sync()).map_err(|error| ("a sync failed", error))?;
        }
        shared.totals.syncs.fetch_add(1, Ordering::Relaxed);
        if let Some(watermark) = self.watermark {
            let mark = Mark { sequence: meta.sequence, digest: meta.digest.number() };
            // As above: a mark that is not written makes the next open's check weaker, not wrong.
            let _ = watermark.record(mark);
        }
        let cycle = {
            let mut state = lock(&shared.sync);
            state.syncing_since = None;
            state.progress = Some(Instant::now());
            state.synced = state.synced.max(meta.sequence);
            Cycle {
                took: began.elapsed(),
                served: served_up_to.wrapping_sub(last.served_up_to),
                served_up_to,
                released_at: state.arrivals,
            }
        };
        // Before anybody is released, so that all who come back are counted.
        let queued = shared.gate.queued_ever();
        shared.sync_done.notify_all();
        if holds_gate {
            self.gather_at_gate(&cycle, queued, gathering);
            shared.gate.leave();
        }
        Ok(cycle)
    }

    /// Waits for those who were just released, so that they are committed in one group with those who queue. Nobody waits who is alone.
    fn gather_at_gate(&self, cycle: &Cycle, queued: u64, gathering: &mut Gathering) {
        let gate = &self.shared.gate;
        let alone = cycle.served == 0 || (cycle.served == 1 && gate.is_idle());
        if !alone && !gathering.passes() {
            let came = gate.gather(queued, cycle.served, Instant::now() + cycle.took.min(GATHER_AT_MOST));
            gathering.note(came >= cycle.served.div_ceil(2));
        }
    }
}

/// What is remembered of a sync for the next one.
#[derive(Default)]
struct Cycle {
    took: Duration,
    /// Commits that asked for it.
    served: u64,
    /// How many had ever asked when it began ...
    served_up_to: u64,
    /// ... and when it ended.
    released_at: u64,
}

impl Cycle {
    /// Whether as many have come since as were released.
    fn all_are_back(&self, state: &SyncState) -> bool {
        self.back(state) >= self.served
    }

    /// Whether half as many have.
    fn most_are_back(&self, state: &SyncState) -> bool {
        self.back(state) >= self.served.div_ceil(2)
    }

    fn back(&self, state: &SyncState) -> u64 {
        state.arrivals.wrapping_sub(self.released_at)
    }
}

/// Whether waiting for others is worth it: threads that do other things between their commits do not come back in time.
#[derive(Debug, Default)]
struct Gathering {
    passes_left: u32,
    /// How many passes the next time in vain costs.
    next_passes: u32,
}

impl Gathering {
    /// Whether this sync waits for nobody.
    fn passes(&mut self) -> bool {
        let passes = self.passes_left > 0;
        self.passes_left = self.passes_left.saturating_sub(1);
        passes
    }

    fn note(&mut self, most_came: bool) {
        if most_came {
            *self = Self::default();
        } else {
            self.passes_left = self.next_passes.max(1);
            self.next_passes = self.passes_left.saturating_mul(2).min(PASSES_AT_MOST);
        }
    }
}

fn broken(message: &'static str) -> BackendError {
    BackendError { failure: Failure::Broken, message, source: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_in_vain_is_given_up_for_longer_and_longer() {
        let mut gathering = Gathering::default();
        let mut waits = Vec::new();
        for sync in 0..300 {
            if !gathering.passes() {
                waits.push(sync);
                gathering.note(false);
            }
        }
        assert_eq!(waits, [0, 2, 5, 10, 19, 36, 69, 134, 199, 264]);
        gathering.note(true);
        assert!(!gathering.passes());
    }

    #[test]
    fn all_are_back_when_as_many_have_come_as_were_released() {
        let cycle = Cycle { served: 3, served_up_to: 10, released_at: 12, ..Cycle::default() };
        let arrivals = |arrivals| SyncState { arrivals, ..SyncState::default() };
        assert!(!cycle.most_are_back(&arrivals(13)));
        assert!(!cycle.all_are_back(&arrivals(14)) && cycle.most_are_back(&arrivals(14)));
        assert!(cycle.all_are_back(&arrivals(15)));
        assert!(Cycle::default().all_are_back(&arrivals(0)));
    }
}
