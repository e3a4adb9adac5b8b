//! Who may write to the backend: one at a time, the syncer first.
//!
//! Commits queue here. Whoever finds the gate free leads: it takes a group from the queue and commits it for
//! all of its members, so that an uncontended commit never changes threads. The syncer passes the same
//! gate to flush, since sled must never apply and flush at once.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::storage::commit::commit::Commit;
use crate::storage::commit::error::StorageError;

/// A commit in the queue, and later its outcome: the sequence of its group.
#[derive(Debug)]
pub(crate) struct Pending {
    /// That of its [`Favour`]; 0: it has none.
    ticket: u64,
    keys: usize,
    bytes: usize,
    state: Mutex<PendingState>,
}

#[derive(Debug)]
enum PendingState {
    Waiting(Commit),
    Taken,
    Done(Result<u64, StorageError>),
}

impl Pending {
    pub(crate) fn new(commit: Commit, favour: Option<&Favour<'_>>) -> Arc<Self> {
        let (keys, bytes) = (commit.keys(), commit.bytes());
        let ticket = favour.map_or(0, |favour| favour.ticket);
        Arc::new(Self { ticket, keys, bytes, state: Mutex::new(PendingState::Waiting(commit)) })
    }

    /// Keys and bytes of the commit.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.keys, self.bytes)
    }

    pub(crate) fn take_commit(&self) -> Option<Commit> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, PendingState::Taken) {
            PendingState::Waiting(commit) => Some(commit),
            other => {
                *state = other;
                None
            }
        }
    }

    pub(crate) fn finish(&self, outcome: Result<u64, StorageError>) {
        *lock(&self.state) = PendingState::Done(outcome);
    }

    fn take_outcome(&self) -> Option<Result<u64, StorageError>> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, PendingState::Taken) {
            PendingState::Done(outcome) => Some(outcome),
            other => {
                *state = other;
                None
            }
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    queue: VecDeque<Arc<Pending>>,
    busy: bool,
    /// How many have ever queued, and up to where the syncer waits for more.
    queued_ever: u64,
    gathers_up_to: u64,
    /// How often somebody has left: as long as this goes on, whoever waits waits for something.
    turns: u64,
    syncer_waits: bool,
    waiting: usize,
    favoured: Option<Favoured>,
    /// How many have ever been favoured.
    tickets: u64,
    /// Nobody is favoured before.
    next_favour: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Favoured {
    ticket: u64,
    since: Instant,
    until: Instant,
}

impl GateState {
    /// Until when a commit waits for one that is favoured.
    fn held_until(&self, ticket: u64, now: Instant) -> Option<Instant> {
        let Favoured { ticket: favoured, until, .. } = self.favoured?;
        (ticket != favoured && now < until).then_some(until)
    }

    /// Whoever is favoured is so no longer: others have their turn for as long as they were held back.
    fn end_favour(&mut self, now: Instant) {
        if let Some(Favoured { since, until, .. }) = self.favoured.take() {
            let ended = now.min(until);
            self.next_favour = Some(ended + ended.saturating_duration_since(since));
        }
    }
}

/// While this lives, and no longer than was said when it was given, no other commit is made: what its holder reads from now on is still so
/// when he commits. Readers do not notice.
#[derive(Debug)]
pub(crate) struct Favour<'g> {
    gate: &'g Gate,
    ticket: u64,
}

impl Drop for Favour<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.gate.state);
        if state.favoured.is_some_and(|favoured| favoured.ticket == self.ticket) {
            state.end_favour(Instant::now());
        }
        if state.waiting > 0 {
            self.gate.changed.notify_all();
        }
    }
}

/// What a queued commit does next.
pub(crate) enum Turn {
    Lead(Vec<Arc<Pending>>),
    Done(Result<u64, StorageError>),
    /// Nobody has left for too long, or `stop` said so. `untouched`: nobody has looked at the commit, nor will.
    GivenUp {
        untouched: bool,
    },
}

impl Gate {
    /// Waits until `pending` is done, or the gate is free, or nobody has left for as long as `patience`. Leading means:
    /// commit what `take` chose from the queue, then [`Gate::leave`], then come back.
    pub(crate) fn turn(
        &self,
        pending: &Arc<Pending>,
        enqueue: bool,
        patience: Duration,
        stop: impl Fn() -> bool,
        take: impl Fn(&mut VecDeque<Arc<Pending>>) -> Vec<Arc<Pending>>,
    ) -> Turn {
        let mut state = lock(&self.state);
        if enqueue {
            // Before all others, so that the group begins with it.
            if pending.ticket > 0 {
                state.queue.push_front(Arc::clone(pending));
            } else {
                state.queue.push_back(Arc::clone(pending));
            }
            state.queued_ever = state.queued_ever.wrapping_add(1);
            if state.queued_ever == state.gathers_up_to {
                self.changed.notify_all();
            }
        }
        let mut give_up_at = Instant::now() + patience;
        let mut turns = state.turns;
        loop {
            if let Some(outcome) = pending.take_outcome() {
                return Turn::Done(outcome);
            }
            let now = Instant::now();
            if state.turns != turns {
                turns = state.turns;
                give_up_at = now + patience;
            }
            let held_until = state.held_until(pending.ticket, now);
            if stop() || now >= give_up_at {
                let before = state.queue.len();
                state.queue.retain(|queued| !Arc::ptr_eq(queued, pending));
                let untouched = state.queue.len() < before;
                // Otherwise a leader has it: wait for the outcome, but not for ever.
                if untouched || now >= give_up_at {
                    return Turn::GivenUp { untouched };
                }
            } else if !state.busy && !state.syncer_waits && held_until.is_none() {
                state.busy = true;
                return Turn::Lead(take(&mut state.queue));
            }
            state.waiting += 1;
            let (woken, _) = self
                .changed
                .wait_timeout(
                    state,
                    held_until.unwrap_or(give_up_at).min(give_up_at).saturating_duration_since(now),
                )
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.waiting -= 1;
        }
    }

    /// Lets whoever calls commit before all others, for so long at most; `None` where somebody else is favoured, or has been just now.
    pub(crate) fn favour(&self, at_most: Duration) -> Option<Favour<'_>> {
        let mut state = lock(&self.state);
        let since = Instant::now();
        let until = since + at_most;
        if state.favoured.is_some_and(|other| since < other.until) {
            return None;
        }
        state.end_favour(since);
        if state.next_favour.is_some_and(|next| since < next) {
            return None;
        }
        state.tickets = state.tickets.wrapping_add(1).max(1);
        let ticket = state.tickets;
        state.favoured = Some(Favoured { ticket, since, until });
        let favour = Favour { gate: self, ticket };
        // What is being committed now is seen by what is read afterwards.
        while state.busy {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.waiting += 1;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        drop(state);
        Some(favour)
    }

    /// The syncer's way in, before all waiting commits. `false`: not free by `give_up_at`.
    pub(crate) fn enter_syncer(&self, give_up_at: Instant) -> bool {
        let mut state = lock(&self.state);
        state.syncer_waits = true;
        while state.busy {
            let left = give_up_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.syncer_waits = false;
                return false;
            }
            state.waiting += 1;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        state.syncer_waits = false;
        state.busy = true;
        true
    }

    /// How many have ever queued.
    pub(crate) fn queued_ever(&self) -> u64 {
        lock(&self.state).queued_ever
    }

    /// Waits, with the gate held, until so many more have queued than `from`, or until `until`. Gives how many have.
    pub(crate) fn gather(&self, from: u64, more: u64, until: Instant) -> u64 {
        let mut state = lock(&self.state);
        state.gathers_up_to = from.wrapping_add(more);
        loop {
            let came = state.queued_ever.wrapping_sub(from);
            let left = until.saturating_duration_since(Instant::now());
            if came >= more || left.is_zero() {
                return came;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether nobody waits for his commit to be made.
    pub(crate) fn is_idle(&self) -> bool {
        lock(&self.state).queue.is_empty()
    }

    pub(crate) fn leave(&self) {
        let mut state = lock(&self.state);
        state.busy = false;
        state.turns = state.turns.wrapping_add(1);
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }

    #[cfg(test)]
    pub(crate) fn queued(&self) -> usize {
        lock(&self.state).queue.len()
    }

    /// How often somebody has left.
    pub(crate) fn turns(&self) -> u64 {
        lock(&self.state).turns
    }

    /// Lets everybody who waits look again whether to stop.
    pub(crate) fn wake(&self) {
        drop(lock(&self.state));
        self.changed.notify_all();
    }
}

/// Locks whether or not a thread panicked with the lock: every state here is valid between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
