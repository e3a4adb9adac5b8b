//! A medium in memory that fails, panics, dawdles or hangs when it is told to, and knows what would survive a power cut.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::storage::backend::{
    Backend, BackendError, Batch, Direction, Failure, KeyRange, MAX_VALUE, Page, PageLimit,
};
use crate::storage::bytes::Bytes;
use crate::storage::commit::engine::{Engine, Medium, first_batch};
use crate::storage::commit::gate::lock;
use crate::storage::commit::options::Options;
use crate::storage::memory::MemoryBackend;

/// How long tests wait for what must happen before they say that it does not.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Get,
    Page,
    Apply,
    Flush,
    Sync,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Fails; an apply after the keys of odd length have been written.
    Fail,
    Panic,
}

type Hook = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
pub(crate) struct Puppet {
    pub(crate) memory: MemoryBackend,
    state: Mutex<State>,
    changed: Condvar,
    /// Called after each get has read and before it returns.
    after_get: Mutex<Option<Arc<Hook>>>,
}

#[derive(Default)]
struct State {
    held: Vec<Call>,
    hanging: Vec<Call>,
    acts: Vec<(Call, Act)>,
    delays: Vec<(Call, Duration)>,
    calls: Vec<Call>,
    /// What is under way, and what was when each began.
    inside: Vec<Call>,
    overlaps: Vec<(Call, Call)>,
    applied: Vec<Batch>,
    flushed: usize,
    synced: usize,
}

impl Puppet {
    pub(crate) fn new() -> Arc<Self> {
        let puppet = Arc::new(Self::default());
        puppet.memory.apply(&first_batch()).unwrap();
        puppet
    }

    /// An engine on it.
    pub(crate) fn engine(self: &Arc<Self>, options: Options) -> Engine {
        let backend: Arc<dyn Backend> = Arc::clone(self) as _;
        Engine::open(backend, Medium::Persistent(None), options, false).unwrap()
    }

    /// Lets such calls hang, an apply half way, until they are released.
    pub(crate) fn hold(&self, call: Call) {
        lock(&self.state).held.push(call);
    }

    pub(crate) fn release(&self, call: Call) {
        lock(&self.state).held.retain(|held| *held != call);
        self.changed.notify_all();
    }

    /// The next such call does not succeed.
    pub(crate) fn plan(&self, call: Call, act: Act) {
        lock(&self.state).acts.push((call, act));
    }

    /// Every such call takes that much longer.
    pub(crate) fn delay(&self, call: Call, delay: Duration) {
        lock(&self.state).delays.push((call, delay));
    }

    pub(crate) fn after_get(&self, hook: impl Fn() + Send + Sync + 'static) {
        *lock(&self.after_get) = Some(Arc::new(Box::new(hook)));
    }

    /// Waits until so many such calls hang.
    pub(crate) fn wait_hanging(&self, call: Call, count: usize) {
        let give_up_at = Instant::now() + PATIENCE;
        let mut state = lock(&self.state);
        while state.hanging.iter().filter(|hanging| **hanging == call).count() < count {
            let left = give_up_at.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {call:?} came");
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn count(&self, call: Call) -> usize {
        lock(&self.state).calls.iter().filter(|made| **made == call).count()
    }

    /// Whether such a call was ever under way when the other one began.
    pub(crate) fn overlapped(&self, one: Call, other: Call) -> bool {
        let overlaps = &lock(&self.state).overlaps;
        overlaps.iter().any(|pair| *pair == (one, other) || *pair == (other, one))
    }

    fn inside(&self, call: Call) -> Inside<'_> {
        let mut state = lock(&self.state);
        for at in 0..state.inside.len() {
            let pair = (state.inside[at], call);
            if !state.overlaps.contains(&pair) {
                state.overlaps.push(pair);
            }
        }
        state.inside.push(call);
        Inside(self, call)
    }

    /// What has been applied so far, in order, and how much of it is on the medium.
    pub(crate) fn log(&self) -> (Vec<Batch>, usize) {
        let state = lock(&self.state);
        (state.applied.clone(), state.synced)
    }

    /// What a power cut leaves that keeps the first `batches`.
    pub(crate) fn rest_after(&self, batches: usize) -> Arc<Self> {
        let rest = Self::new();
        for batch in self.log().0.iter().take(batches) {
            rest.memory.apply(batch).unwrap();
        }
        rest
    }

    fn enter(&self, call: Call) -> Option<Act> {
        let mut state = lock(&self.state);
        state.calls.push(call);
        let delay = state.delays.iter().find(|(delayed, _)| *delayed == call).map(|(_, delay)| *delay);
        state.hanging.push(call);
        self.changed.notify_all();
        while state.held.contains(&call) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(position) = state.hanging.iter().position(|hanging| *hanging == call) {
            state.hanging.swap_remove(position);
        }
        let act = state.acts.iter().position(|(planned, _)| *planned == call);
        let act = act.map(|position| state.acts.swap_remove(position).1);
        drop(state);
        delay.inspect(|delay| std::thread::sleep(*delay));
        act
    }

    fn act(&self, call: Call) -> Result<(), BackendError> {
        match self.enter(call) {
            None => Ok(()),
            Some(Act::Fail) => Err(BackendError::new(Failure::Io, "planted")),
            Some(Act::Panic) => panic!("planted"),
        }
    }
}

/// A call that is under way.
struct Inside<'p>(&'p Puppet, Call);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let inside = &mut lock(&self.0.state).inside;
        if let Some(at) = inside.iter().position(|call| *call == self.1) {
            inside.swap_remove(at);
        }
    }
}

impl Backend for Puppet {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        let _inside = self.inside(Call::Get);
        self.act(Call::Get)?;
        let value = self.memory.get(key);
        let hook = lock(&self.after_get).clone();
        if let Some(hook) = hook {
            hook();
        }
        value
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        let _inside = self.inside(Call::Page);
        self.act(Call::Page)?;
        self.memory.page(range, direction, limit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        if batch.writes.values().flatten().any(|value| value.len() > MAX_VALUE) {
            return Err(BackendError::new(Failure::TooLarge, "a value is larger than the backend takes"));
        }
        let _inside = self.inside(Call::Apply);
        // Keys of odd length first; the meta key is not one of them.
        let mut half = batch.writes.clone();
        half.retain(|key, _| key.len() % 2 == 1);
        self.memory.apply(&Batch { writes: half })?;
        self.act(Call::Apply)?;
        self.memory.apply(batch)?;
        lock(&self.state).applied.push(batch.clone());
        Ok(())
    }

    fn flush(&self) -> Result<(), BackendError> {
        let _inside = self.inside(Call::Flush);
        self.act(Call::Flush)?;
        let mut state = lock(&self.state);
        state.flushed = state.applied.len();
        Ok(())
    }

    fn sync(&self) -> Result<(), BackendError> {
        let _inside = self.inside(Call::Sync);
        let flushed = lock(&self.state).flushed;
        self.act(Call::Sync)?;
        let mut state = lock(&self.state);
        state.synced = state.synced.max(flushed);
        Ok(())
    }
}

impl std::fmt::Debug for Puppet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Puppet").finish_non_exhaustive()
    }
}
