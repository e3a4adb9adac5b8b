//! What PivotDB does for buffered writers, done for a raw backend: everything is on the disk soon.

use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::raw::Raw;

/// PivotDB's default window.
const WINDOW: Duration = Duration::from_millis(100);

/// Writers are held back when the disk is further behind than this, as PivotDB's are.
const BEHIND: Duration = Duration::from_millis(200);

/// A sync of a raw database every [`WINDOW`], while somebody writes.
#[derive(Debug)]
pub struct Duty {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// What was written before is on the disk.
    covered: Instant,
    ended: bool,
}

/// Runs `work`, meanwhile syncs; and in the end syncs the rest, which is not part of what `work` may measure.
pub fn on_duty<R>(raw: &impl Raw, work: impl FnOnce(&Duty) -> R) -> R {
    let duty =
        Duty { state: Mutex::new(State { covered: Instant::now(), ended: false }), changed: Condvar::new() };
    let result = thread::scope(|scope| {
        scope.spawn(|| duty.run(raw));
        let result = work(&duty);
        duty.state.lock().expect("nobody panicked").ended = true;
        duty.changed.notify_all();
        result
    });
    raw.sync();
    result
}

impl Duty {
    fn run(&self, raw: &impl Raw) {
        let mut state = self.state.lock().expect("nobody panicked");
        while !state.ended {
            let left = WINDOW.saturating_sub(state.covered.elapsed());
            if !left.is_zero() {
                state = self.changed.wait_timeout(state, left).expect("nobody panicked").0;
                continue;
            }
            drop(state);
            let begun = Instant::now();
            raw.sync();
            state = self.state.lock().expect("nobody panicked");
            state.covered = begun;
            self.changed.notify_all();
        }
    }

    /// Waits while the disk is behind. To be called now and then; it looks at the clock.
    pub fn hold_back(&self) {
        let mut state = self.state.lock().expect("nobody panicked");
        while state.covered.elapsed() > BEHIND {
            state = self.changed.wait_timeout(state, BEHIND).expect("nobody panicked").0;
        }
    }
}
