//! redb's file, whose syncs may be asked for later.
//!
//! redb writes a commit and syncs it in one call, and lets nobody else commit meanwhile. A [`Backend`] does the two one after the
//! other, so that the next batches are applied while the disk works. What redb relies on is not that a sync has ended but
//! that nothing written after it reaches the medium before what was written ahead of it. So a sync that redb asks for is only
//! *owed*, and until somebody has made it, what redb goes on to write is held back in memory. Only where redb asks for the next
//! one before that, as it does when its file becomes longer, does it wait.
//!
//! The same memory keeps reads going once a write has failed: redb would refuse everything from then on. The file is not touched again,
//! redb goes on as if nothing had happened, and whoever writes is told.
//!
//! [`Backend`]: crate::storage::backend::Backend

use std::fmt;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use ::redb::StorageBackend;

use crate::storage::redb::held::{HeldBack, lay_over};

/// How many bytes are held back before whoever writes more makes the sync that is owed, or waits for the one that runs.
const HELD_AT_MOST: usize = 64 << 20;

/// A handle on the file: one is redb's, one is the backend's.
#[derive(Clone)]
pub(super) struct Medium {
    shared: Arc<Shared>,
}

struct Shared {
    file: Box<dyn StorageBackend>,
    state: Mutex<State>,
    /// Whether reads have to look into what is held back.
    holding: AtomicBool,
    /// A sync has ended.
    ended: Condvar,
    held_at_most: usize,
    /// In which phases writes reach the file. Only a test that plants a wrong rule has another one.
    open_in: fn(Phase) -> bool,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    held: Option<HeldBack>,
    /// The first failure of a write.
    failure: Option<io::Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// What redb wanted synced has been, or it has not asked yet: writes reach the file.
    Open,
    /// redb believes that a sync has been made.
    Owed,
    /// It is being made.
    Syncing,
    /// A write or a sync has failed: nothing reaches the file any more.
    Failed,
}

impl Medium {
    pub(super) fn new(file: impl StorageBackend) -> Self {
        Self::with_rules(file, HELD_AT_MOST, |phase| phase == Phase::Open)
    }

    pub(super) fn with_rules(
        file: impl StorageBackend,
        held_at_most: usize,
        open_in: fn(Phase) -> bool,
    ) -> Self {
        let state = State { phase: Phase::Open, held: None, failure: None };
        let shared = Shared {
            file: Box::new(file),
            state: Mutex::new(state),
            holding: AtomicBool::new(false),
            ended: Condvar::new(),
            held_at_most,
            open_in,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Makes the sync that is owed; waits for one that runs.
    pub(super) fn sync(&self) -> io::Result<()> {
        let state = self.shared.settle(self.shared.lock());
        state.check()
    }

    /// The first failure of a write, if there has been one.
    pub(super) fn check(&self) -> io::Result<()> {
        self.shared.lock().check()
    }

    /// How long redb believes the file to be.
    pub(super) fn length(&self) -> io::Result<u64> {
        match &self.shared.lock().held {
            Some(held) => Ok(held.length()),
            None => self.shared.file.len(),
        }
    }
}

impl State {
    fn check(&self) -> io::Result<()> {
        match &self.failure {
            None => Ok(()),
            Some(first) => Err(match first.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(first.kind(), first.to_string()),
            }),
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.phase = Phase::Failed;
        self.failure.get_or_insert(error);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the sync that is owed, or waits for the one that runs, until there is neither. The lock is open while a sync runs.
    fn settle<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        loop {
            match state.phase {
                Phase::Open | Phase::Failed => return state,
                Phase::Syncing => {
                    state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Phase::Owed => {
                    state.phase = Phase::Syncing;
                    drop(state);
                    let synced = self.file.sync_data();
                    state = self.lock();
                    match synced {
                        Ok(()) => {
                            state.phase = Phase::Open;
                            self.release(&mut state);
                        }
                        Err(error) => state.fail(error),
                    }
                    self.ended.notify_all();
                }
            }
        }
    }

    /// Writes what has been held back. A failure is one of those writes, and not of the sync before them.
    fn release(&self, state: &mut State) {
        let Some(mut held) = state.held.take() else { return };
        let written = self.file.len().and_then(|length| {
            held.release(length, |length| self.file.set_len(length), |at, data| self.file.write(at, data))
        });
        match written {
            Ok(()) => self.holding.store(false, Ordering::Release),
            Err(error) => {
                state.held = Some(held);
                state.fail(error);
            }
        }
    }

    /// Makes `change` on what is held back.
    fn hold(
        &self,
        state: &mut State,
        change: impl FnOnce(&mut HeldBack) -> io::Result<()>,
    ) -> io::Result<()> {
        let held = match &mut state.held {
            Some(held) => held,
            none => none.insert(HeldBack::new(self.file.len()?)),
        };
        change(held)?;
        self.holding.store(true, Ordering::Release);
        Ok(())
    }

    /// Changes the file by `now` where that may be; holds the change back by `later` where it may not, or has failed.
    fn change(
        &self,
        now: impl FnOnce() -> io::Result<()>,
        later: impl FnOnce(&mut HeldBack) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut state = self.lock();
        let full = state.held.as_ref().is_some_and(|held| held.bytes() >= self.held_at_most);
        if full && state.phase != Phase::Failed {
            state = self.settle(state);
        }
        if (self.open_in)(state.phase) {
            match now() {
                Ok(()) => return Ok(()),
                Err(error) => state.fail(error),
            }
        }
        self.hold(&mut state, later)
    }
}

impl StorageBackend for Medium {
    fn len(&self) -> io::Result<u64> {
        self.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let Shared { file, holding, .. } = &*self.shared;
        if !holding.load(Ordering::Acquire) {
            return file.read(offset, out);
        }
        let (own, over) = {
            let state = self.shared.lock();
            let Some(held) = &state.held else {
                drop(state);
                return file.read(offset, out);
            };
            if offset.saturating_add(out.len() as u64) > held.length() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            (held.own_bytes(offset, out.len()), held.part(offset, out.len()))
        };
        // Pages are never changed while somebody may read them. So what becomes of the file from here on, when what is held
        // back is released, concerns other pages than those that were just copied.
        let (from_file, zeros) = out.split_at_mut(own);
        zeros.fill(0);
        if !from_file.is_empty() {
            file.read(offset, from_file)?;
        }
        lay_over(&over, offset, out);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.shared.change(
            || self.shared.file.set_len(length),
            |held| {
                held.set_length(length);
                Ok(())
            },
        )
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.shared.lock();
        // Nothing has been written since the last sync that redb believes to have been made: there is one thing owed.
        if state.phase == Phase::Owed && state.held.is_none() {
            return Ok(());
        }
        state = self.shared.settle(state);
        if state.phase == Phase::Open {
            state.phase = Phase::Owed;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let file = &self.shared.file;
        self.shared.change(
            || file.write(offset, data),
            |held| held.write(offset, data, |offset, out| file.read(offset, out)),
        )
    }

    fn close(&self) -> io::Result<()> {
        drop(self.shared.settle(self.shared.lock()));
        self.shared.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, ::redb::BackendError> {
        self.shared.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, ::redb::BackendError> {
        self.shared.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), ::redb::BackendError> {
        self.shared.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), ::redb::BackendError> {
        self.shared.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), ::redb::BackendError> {
        self.shared.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, ::redb::BackendError> {
        self.shared.file.query_lock_range(start, end)
    }
}

impl fmt::Debug for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Medium").field("file", &self.shared.file).finish_non_exhaustive()
    }
}
