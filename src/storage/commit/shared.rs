//! What committers, readers and the syncer share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use crate::storage::backend::{Backend, BackendError, Failure};
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::Read;
use crate::storage::commit::error::{Poison, StorageError};
use crate::storage::commit::gate::{Gate, lock};
use crate::storage::commit::group::Tail;
use crate::storage::commit::guard::guarded;
use crate::storage::commit::meta::Meta;
use crate::storage::commit::options::Options;
use crate::storage::commit::overlay::{Overlay, Replaced};
use crate::storage::commit::poison::PoisonCell;
use crate::storage::commit::watch::{HOLD_AT_MOST, InFlight, Watches};

/// How often a read without a snapshot tries again when commits get in between, before it takes a snapshot.
const OPTIMISTIC_TRIES: usize = 4;

/// How many images are dropped before readers get a chance at the overlay.
const PRUNE_STEP: usize = 1024;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    /// `None` once closed. Held for reading during each call, and never waited for to be had for writing, since a call may hang.
    backend: RwLock<Option<Arc<dyn Backend>>>,
    /// No further call is let in.
    closing: AtomicBool,
    pub(crate) gate: Gate,
    /// Used by whoever holds the gate.
    pub(crate) tail: Mutex<Tail>,
    /// The last sequence readers see. Written under the overlay's lock.
    published: AtomicU64,
    /// The state at that sequence.
    meta: Mutex<Meta>,
    overlay: RwLock<Overlay>,
    /// Whether there are images in the overlay, as there are while a group is being applied: readers skip its lock otherwise.
    overlaid: AtomicBool,
    pub(crate) watches: Arc<Watches>,
    poison: PoisonCell,
    pub(crate) sync: Mutex<SyncState>,
    pub(crate) sync_wanted: Condvar,
    pub(crate) sync_done: Condvar,
    pub(crate) totals: Totals,
}

/// What has happened since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) commits: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) failed_checks: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct SyncState {
    /// Up to where somebody waits for a sync.
    pub(crate) wanted: u64,
    /// Up to where everything is on the medium.
    pub(crate) synced: u64,
    /// When the oldest commit was applied that is neither on the medium nor on its way ...
    pub(crate) unsynced_since: Option<Instant>,
    /// ... and the oldest that is on its way.
    pub(crate) syncing_since: Option<Instant>,
    /// When the last sync began or ended, whichever was later. Each has the whole deadline for itself.
    pub(crate) progress: Option<Instant>,
    /// How many commits have ever waited for a sync.
    pub(crate) arrivals: u64,
    pub(crate) stop: bool,
    pub(crate) stopped: bool,
}

impl SyncState {
    pub(crate) fn oldest_unsynced(&self) -> Option<Instant> {
        self.syncing_since.or(self.unsynced_since)
    }
}

impl Shared {
    pub(crate) fn new(backend: Arc<dyn Backend>, meta: Meta, options: Options) -> Self {
        Self {
            options,
            backend: RwLock::new(Some(backend)),
            closing: AtomicBool::new(false),
            gate: Gate::default(),
            tail: Mutex::new(Tail::new(meta)),
            published: AtomicU64::new(meta.sequence),
            meta: Mutex::new(meta),
            overlay: RwLock::default(),
            overlaid: AtomicBool::new(false),
            watches: Arc::default(),
            poison: PoisonCell::default(),
            sync: Mutex::new(SyncState {
                synced: meta.sequence,
                wanted: meta.sequence,
                ..SyncState::default()
            }),
            sync_wanted: Condvar::new(),
            sync_done: Condvar::new(),
            totals: Totals::default(),
        }
    }

    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// The state at the last published sequence.
    pub(crate) fn meta(&self) -> Meta {
        *lock(&self.meta)
    }

    pub(crate) fn overlay(&self) -> RwLockReadGuard<'_, Overlay> {
        self.overlay.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn overlay_mut(&self) -> RwLockWriteGuard<'_, Overlay> {
        self.overlay.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `read` on the backend, unless the store is closed. A panic of the backend is an error of this call.
    pub(crate) fn with_backend<T>(
        &self,
        read: impl FnOnce(&dyn Backend) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if self.closing.load(Ordering::Acquire) {
            return Err(StorageError::Closed);
        }
        let backend = self.backend.read().unwrap_or_else(PoisonError::into_inner);
        let backend = backend.as_deref().ok_or(StorageError::Closed)?;
        let mut outcome = Err(StorageError::Closed);
        guarded(|| {
            outcome = read(backend);
            Ok(())
        })?;
        outcome
    }

    /// A handle on the backend that outlives a close; for the syncer, which ends before one.
    pub(crate) fn own_backend(&self) -> Result<Arc<dyn Backend>, StorageError> {
        let backend = self.backend.read().unwrap_or_else(PoisonError::into_inner);
        backend.clone().ok_or(StorageError::Closed)
    }

    /// Lets nobody in any more and waits until everybody is out: every commit is then applied, or refused, and no read is under way.
    /// `None`: a call hangs.
    pub(crate) fn shut(&self) -> Option<RwLockWriteGuard<'_, Option<Arc<dyn Backend>>>> {
        self.closing.store(true, Ordering::Release);
        let patience = self.patience();
        let (mut turns, mut give_up_at) = (self.gate.turns(), Instant::now() + patience);
        let mut pause = Duration::from_micros(50);
        loop {
            match self.backend.try_write() {
                Ok(backend) => return Some(backend),
                Err(TryLockError::Poisoned(backend)) => return Some(backend.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
            let now = Instant::now();
            if self.gate.turns() != turns {
                turns = self.gate.turns();
                give_up_at = now + patience;
            }
            if now >= give_up_at {
                return None;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }

    /// How long commits wait for somebody to leave the gate. Two deadlines: an apply may have to wait for a flush that takes one; and where sled's
    /// writes do not go through to the medium, for a sync that is under way, and then for one of its own.
    pub(crate) fn patience(&self) -> Duration {
        self.options.sync_deadline * 2
    }

    /// What `key` holds at the last published sequence.
    ///
    /// Takes no lock while nothing is being committed: if the overlay was empty after the backend was read, no group can have
    /// been half applied while it was read without being published since, and publishing shows in the sequence.
    pub(crate) fn read(&self, key: &[u8]) -> Result<Read, StorageError> {
        loop {
            for _ in 0..OPTIMISTIC_TRIES {
                if let Some(read) = self.try_read(key)? {
                    return Ok(read);
                }
            }
            let sequence = self.register();
            let value = self.read_at(sequence, key);
            self.release(sequence);
            match value {
                // Given up for space before it was read, by a commit: whoever tries again lets others get on.
                Err(StorageError::SnapshotExpired { .. }) => {}
                value => return value.map(|value| Read { sequence, value }),
            }
        }
    }

    /// `None`: a group was published meanwhile.
    fn try_read(&self, key: &[u8]) -> Result<Option<Read>, StorageError> {
        let sequence = self.published();
        let mut value = self.with_backend(|backend| Ok(backend.get(key)?))?;
        if self.overlaid.load(Ordering::Acquire) {
            let overlay = self.overlay();
            // Checked under the lock, so that no image that the value needs has been dropped.
            if self.published() != sequence {
                return Ok(None);
            }
            value = overlay.at(sequence, key).unwrap_or(value);
        } else if self.published() != sequence {
            return Ok(None);
        }
        Ok(Some(Read { sequence, value }))
    }

    /// What `key` held at `sequence`, which must be registered.
    pub(crate) fn read_at(&self, sequence: u64, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let value = self.with_backend(|backend| Ok(backend.get(key)?))?;
        let overlay = self.overlay();
        self.check_live(&overlay, sequence)?;
        Ok(overlay.at(sequence, key).unwrap_or(value))
    }

    pub(crate) fn check_live(&self, overlay: &Overlay, sequence: u64) -> Result<(), StorageError> {
        if overlay.is_expired(sequence) {
            return Err(StorageError::SnapshotExpired { limit: self.options.overlay_bytes });
        }
        Ok(())
    }

    /// Keeps everything needed to read at the published sequence, until it is released.
    pub(crate) fn register(&self) -> u64 {
        let mut overlay = self.overlay_mut();
        let sequence = self.published();
        overlay.register(sequence);
        sequence
    }

    /// As [`register`](Self::register), with what the meta key says of that state.
    pub(crate) fn register_with_meta(&self) -> Meta {
        let mut overlay = self.overlay_mut();
        let meta = self.meta();
        overlay.register(meta.sequence);
        meta
    }

    pub(crate) fn release(&self, sequence: u64) {
        let mut overlay = self.overlay_mut();
        overlay.release(sequence);
        self.tidy(overlay, |_| false);
    }

    /// Gives those who watch the overlay time to copy what the group that is about to be applied would make them lose.
    /// Who comes while what this gives lives waits.
    pub(crate) fn warn(&self, replaced: &[Replaced]) -> InFlight<'_> {
        let bytes = || self.overlay().bytes() + replaced.iter().map(Replaced::cost).sum::<usize>();
        // Nobody who waits may take this for a medium that hangs.
        self.watches.press(bytes, self.options.overlay_bytes, HOLD_AT_MOST.min(self.patience() / 8))
    }

    /// Shields readers from the group that is about to be applied.
    pub(crate) fn shield(&self, sequence: u64, replaced: Vec<Replaced>) {
        let mut overlay = self.overlay_mut();
        overlay.record(sequence, replaced);
        self.note(&overlay);
    }

    /// Lets readers see the group that has been applied.
    pub(crate) fn publish(&self, meta: Meta) {
        let mut overlay = self.overlay_mut();
        *lock(&self.meta) = meta;
        self.published.store(meta.sequence, Ordering::Release);
        overlay.thin_newest();
        self.tidy(overlay, |overlay| overlay.expire(self.options.overlay_bytes));
    }

    /// Drops what nobody needs, and goes on when `further` has found more of that; in steps, so that no reader waits long.
    fn tidy<'a>(
        &'a self,
        mut overlay: RwLockWriteGuard<'a, Overlay>,
        further: impl Fn(&mut Overlay) -> bool,
    ) {
        while overlay.prune(self.published(), PRUNE_STEP) || further(&mut overlay) {
            self.note(&overlay);
            drop(overlay);
            overlay = self.overlay_mut();
        }
        self.note(&overlay);
    }

    fn note(&self, overlay: &Overlay) {
        self.overlaid.store(!overlay.is_empty(), Ordering::Release);
    }

    /// The first failed write, after which none is tried.
    pub(crate) fn poisoned(&self) -> Option<Arc<Poison>> {
        self.poison.get()
    }

    /// Refuses all further writes and wakes everybody who waits for one. Gives the first cause. Must not be called with the
    /// sync's state or the gate's locked.
    pub(crate) fn poison(&self, message: &'static str, source: BackendError) -> Arc<Poison> {
        self.poison_with(source.failure, message, Some(source))
    }

    /// Poisons the store whose sync, or whose backend, does not come back.
    pub(crate) fn poison_overdue(&self) -> Arc<Poison> {
        self.poison_with(Failure::Io, "a sync did not finish within its deadline", None)
    }

    fn poison_with(
        &self,
        failure: Failure,
        message: &'static str,
        source: Option<BackendError>,
    ) -> Arc<Poison> {
        let cause = self.poison.set(failure, message, source);
        // Whoever has looked for poison in vain waits by the time the lock can be had.
        drop(lock(&self.sync));
        self.sync_done.notify_all();
        self.sync_wanted.notify_all();
        self.gate.wake();
        cause
    }

    /// Fails if the store takes no writes.
    pub(crate) fn check_writable(&self) -> Result<(), StorageError> {
        self.poisoned().map_or(Ok(()), |cause| Err(StorageError::Poisoned(cause)))
    }
}
