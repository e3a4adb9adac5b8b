//! Snapshots that are copied before they expire.
//!
//! Who needs one state of the store for long watches the overlay. Once that is half full he is told to copy what he still needs; and a group
//! with which the overlay would be over-full waits for him, for a little while. He must never wait for anything but the backend and
//! the disk meanwhile, least of all for a user's code. Who comes when a group has told all others waits until it has been published: his snapshot
//! would expire with it, and nobody would have told him.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::storage::commit::gate::lock;

/// For how long at most commits are held back for those who copy.
pub(crate) const HOLD_AT_MOST: Duration = Duration::from_secs(3);

/// All who watch.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many there have ever been.
    given: u64,
    marks: BTreeMap<u64, Mark>,
    /// Whether a group has told all who watch and is not published yet, and how many have been.
    in_flight: bool,
    flights: u64,
}

#[derive(Debug, Default)]
struct Mark {
    wanted: bool,
    /// Commits have waited for this one, and do not again.
    overdue: bool,
}

impl Watches {
    /// Tells those who watch that the overlay is about to hold `bytes`; where that is more than `budget`, waits until they have what they need,
    /// or for as long as `at_most`. What it gives lives until that is so. One at a time.
    pub(crate) fn press(
        &self,
        bytes: impl FnOnce() -> usize,
        budget: usize,
        at_most: Duration,
    ) -> InFlight<'_> {
        let mut state = lock(&self.state);
        if !state.marks.is_empty() {
            state = self.press_all(state, bytes(), budget, at_most);
        }
        state.in_flight = true;
        InFlight(self)
    }

    fn press_all<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        bytes: usize,
        budget: usize,
        at_most: Duration,
    ) -> MutexGuard<'s, State> {
        if bytes <= budget / 2 {
            return state;
        }
        let until = Instant::now() + at_most;
        loop {
            let mut told = false;
            for mark in state.marks.values_mut() {
                told |= !std::mem::replace(&mut mark.wanted, true);
            }
            if told {
                self.changed.notify_all();
            }
            if bytes <= budget || state.marks.values().all(|mark| mark.overdue) {
                return state;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.marks.values_mut().for_each(|mark| mark.overdue = true);
                return state;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// While it lives, who begins to watch waits.
#[must_use]
#[derive(Debug)]
pub(crate) struct InFlight<'w>(&'w Watches);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.in_flight = false;
        state.flights = state.flights.wrapping_add(1);
        if !state.marks.is_empty() {
            self.0.changed.notify_all();
        }
    }
}

/// One who watches, until it ends. To be had before the snapshot that it is for.
#[derive(Debug)]
pub(crate) struct Watch {
    watches: Arc<Watches>,
    number: u64,
}

impl Watch {
    /// Waits for a group in flight, at most for so long.
    pub(crate) fn new(watches: Arc<Watches>, at_most: Duration) -> Self {
        let until = Instant::now() + at_most;
        let number = {
            let mut state = lock(&watches.state);
            state.given = state.given.wrapping_add(1);
            let number = state.given;
            state.marks.insert(number, Mark::default());
            // A commit that waits for others has to tell this one too.
            watches.changed.notify_all();
            let flights = state.flights;
            while state.in_flight && state.flights == flights {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                state = watches.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            number
        };
        Self { watches, number }
    }

    /// Waits until it is time to copy. `false`: it has ended before.
    pub(crate) fn wait(&self) -> bool {
        let watches = &self.watches;
        let mut state = lock(&watches.state);
        loop {
            match state.marks.get(&self.number) {
                None => return false,
                Some(mark) if mark.wanted => return true,
                Some(_) => {}
            }
            state = watches.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        !lock(&self.watches.state).marks.contains_key(&self.number)
    }

    /// No commit waits for this one any more.
    pub(crate) fn end(&self) {
        let watches = &self.watches;
        let mut state = lock(&watches.state);
        if state.marks.remove(&self.number).is_some() {
            watches.changed.notify_all();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}
