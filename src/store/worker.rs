//! The thread that works while nobody waits for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::index::work::{Worked, work};
use crate::store::core::Core;

/// After a failure it waits so long before it tries again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Builds and removes indexes. Its thread starts when there is something to do for the first time, and ends with the store.
#[derive(Debug)]
pub(crate) struct Worker {
    /// `None`: somebody else does the work.
    core: Option<Weak<Core>>,
    /// How long its end is waited for.
    patience: Duration,
    signal: Arc<Signal>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    woken: bool,
    stopped: bool,
    ended: bool,
}

impl Signal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    pub(crate) fn new(core: &Arc<Core>, background: bool) -> Self {
        Self {
            core: background.then(|| Arc::downgrade(core)),
            patience: core.engine.patience(),
            signal: Arc::default(),
            thread: Mutex::default(),
        }
    }

    /// There is something to do.
    pub(crate) fn wake(&self) {
        let Some(core) = self.core.as_ref().and_then(Weak::upgrade) else { return };
        {
            let mut state = self.signal.state();
            if state.stopped {
                return;
            }
            state.woken = true;
        }
        self.signal.changed.notify_all();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let signal = Arc::clone(&self.signal);
            // Where no thread can be had, builds wait until somebody runs them.
            *thread = thread::Builder::new()
                .name("pivotdb worker".into())
                .spawn(move || {
                    let _ended = Ended(&signal);
                    run(&core, &signal);
                    // Given up before anybody hears of the end.
                    drop(core);
                })
                .ok();
        }
    }

    /// Ends the thread, after the step it is at. One that hangs, at a medium that does not answer or in a step of the user's, is left behind.
    pub(crate) fn stop(&self) {
        self.signal.state().stopped = true;
        self.signal.changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // User code that runs in a step may hold the last handle; a thread cannot wait for itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            let state = self.signal.state();
            let waited = self.signal.changed.wait_timeout_while(state, self.patience, |state| !state.ended);
            if waited.unwrap_or_else(PoisonError::into_inner).0.ended {
                // It catches nothing and panics nowhere; if it did, there is nothing left to be done about it.
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Tells that the thread ends, however it does.
struct Ended<'s>(&'s Signal);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.changed.notify_all();
    }
}

fn run(core: &Core, signal: &Signal) {
    loop {
        {
            let mut state = signal.state();
            while !state.woken && !state.stopped {
                state = signal.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.stopped {
                return;
            }
            state.woken = false;
        }
        loop {
            let begun = Instant::now();
            let pause = match work(core.context(), &core.indexes) {
                Ok(Worked::Idle) => break,
                Ok(Worked::Step(step)) => {
                    // So long others have the store to themselves.
                    let pause = core.building.throttle.rest(begun.elapsed(), step.documents);
                    if core.watcher.is_some()
                        && let Ok(progress) = core.progress(&step)
                    {
                        core.watcher.tell(progress);
                    }
                    pause
                }
                Err(_) => AFTER_FAILURE,
            };
            let state = signal.state();
            let waited = signal.changed.wait_timeout_while(state, pause, |state| !state.stopped);
            if waited.unwrap_or_else(PoisonError::into_inner).0.stopped {
                return;
            }
        }
    }
}
