//! What committers, readers and the syncer share.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use crate::storage::backend::Backend;
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::Read;
use crate::storage::commit::error::StorageError;
use crate::storage::commit::gate::Gate;
use crate::storage::commit::group::Tail;
use crate::storage::commit::meta::Meta;
use crate::storage::commit::options::Options;
use crate::storage::commit::overlay::Overlay;
use crate::storage::commit::poison::PoisonCell;

/// How often a read without a snapshot tries again when commits get in between, before it takes a snapshot.
const OPTIMISTIC_TRIES: usize = 4;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    /// `None` once closed.
    pub(crate) backend: RwLock<Option<Arc<dyn Backend>>>,
    pub(crate) gate: Gate,
    /// Used by whoever holds the gate.
    pub(crate) tail: Mutex<Tail>,
    /// The last sequence readers see. Written under the overlay's lock.
    published: AtomicU64,
    overlay: RwLock<Overlay>,
    /// How many groups have images in the overlay or are being applied: readers skip the overlay's lock at zero.
    overlaid: AtomicUsize,
    pub(crate) poison: PoisonCell,
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
            gate: Gate::default(),
            tail: Mutex::new(Tail::new(meta)),
            published: AtomicU64::new(meta.sequence),
            overlay: RwLock::default(),
            overlaid: AtomicUsize::new(0),
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

    pub(crate) fn overlay(&self) -> RwLockReadGuard<'_, Overlay> {
        self.overlay.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn overlay_mut(&self) -> RwLockWriteGuard<'_, Overlay> {
        self.overlay.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `read` on the backend, unless the store is closed.
    pub(crate) fn with_backend<T>(
        &self,
        read: impl FnOnce(&dyn Backend) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let backend = self.backend.read().unwrap_or_else(PoisonError::into_inner);
        read(backend.as_deref().ok_or(StorageError::Closed)?)
    }

    /// A handle on the backend that outlives a close; for the syncer, which ends before one.
    pub(crate) fn own_backend(&self) -> Result<Arc<dyn Backend>, StorageError> {
        let backend = self.backend.read().unwrap_or_else(PoisonError::into_inner);
        backend.clone().ok_or(StorageError::Closed)
    }

    /// What `key` holds at the last published sequence.
    ///
    /// Takes no lock while nothing is being committed: if the overlay was empty after the backend was read, no group can have
    /// been half applied while it was read without being published since, and publishing shows in the sequence.
    pub(crate) fn read(&self, key: &[u8]) -> Result<Read, StorageError> {
        for _ in 0..OPTIMISTIC_TRIES {
            let sequence = self.published();
            let value = self.with_backend(|backend| Ok(backend.get(key)?))?;
            if self.overlaid.load(Ordering::Acquire) == 0 {
                if self.published() == sequence {
                    return Ok(Read { sequence, value });
                }
                continue;
            }
            let overlay = self.overlay();
            if self.published() == sequence {
                let value = overlay.at(sequence, key).unwrap_or(value);
                return Ok(Read { sequence, value });
            }
        }
        let sequence = self.register();
        let value = self.read_at(sequence, key);
        self.release(sequence);
        value.map(|value| Read { sequence, value })
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

    pub(crate) fn release(&self, sequence: u64) {
        let mut overlay = self.overlay_mut();
        overlay.release(sequence, self.published());
        self.note(&overlay);
    }

    /// Shields readers from the group that is about to be applied.
    pub(crate) fn shield(&self, sequence: u64, pre_images: Vec<(Bytes, Option<Bytes>)>) {
        let mut overlay = self.overlay_mut();
        overlay.record(sequence, pre_images);
        self.note(&overlay);
    }

    /// Lets readers see the group that has been applied.
    pub(crate) fn publish(&self, sequence: u64) {
        let mut overlay = self.overlay_mut();
        self.published.store(sequence, Ordering::Release);
        overlay.settle(sequence, self.options.overlay_bytes);
        self.note(&overlay);
    }

    fn note(&self, overlay: &Overlay) {
        self.overlaid.store(usize::from(!overlay.is_empty()), Ordering::Release);
    }

    /// Fails if the store takes no writes.
    pub(crate) fn check_writable(&self) -> Result<(), StorageError> {
        match self.poison.get() {
            Some(cause) => Err(StorageError::Poisoned(cause)),
            None => Ok(()),
        }
    }
}
