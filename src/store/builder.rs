//! Options for opening a store.

use std::iter;
#[cfg(any(feature = "sled", feature = "redb"))]
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::catalog::catalog::Catalog;
use crate::encoding::body::limits::Limits;
use crate::encoding::key::space::META_KEY;
use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::evolution::evolution::Evolution;
use crate::index::indexes::{Building, Indexes};
use crate::index::throttle::Throttle;
use crate::record::kind::Declaration;
use crate::storage::backend::{Backend, Direction, KeyRange, PageLimit};
use crate::storage::commit::commit::Durability;
use crate::storage::commit::engine::{Engine, Medium, first_batch};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::guard::guarded;
use crate::storage::commit::options::Options;
#[cfg(any(feature = "sled", feature = "redb"))]
use crate::storage::directory::open::Opened;
#[cfg(any(feature = "sled", feature = "redb"))]
use crate::storage::disk::open::open;
#[cfg(any(feature = "sled", feature = "redb"))]
use crate::storage::disk::options::DiskOptions;
use crate::storage::memory::MemoryBackend;
use crate::store::core::Core;
use crate::store::history::Warning;
use crate::store::inner::Inner;
use crate::store::progress::{BuildProgress, Watcher};
use crate::store::registry::Registry;
use crate::store::session::Insiders;
use crate::store::store::Store;
use crate::store::versioned::Versioned;

/// What longer durations are taken for, a hundred years, so that a point in time can be reckoned from each.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Options for opening a store; made by [`Store::builder`].
///
/// ```
/// use pivotdb::{Durability, Store};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("scratch.pivot");
/// let store = Store::builder().durability(Durability::Buffered).open(&path)?;
/// # store.close()?;
/// # Ok::<(), pivotdb::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until it opens a store"]
pub struct Builder {
    durability: Durability,
    limits: Limits,
    options: Options,
    accept_loss: bool,
    foreground: bool,
    building: Building,
    watcher: Watcher,
    kinds: Vec<Registered>,
    #[cfg(any(feature = "sled", feature = "redb"))]
    disk: DiskOptions,
}

/// A kind to declare at open.
#[derive(Debug, Clone)]
struct Registered {
    kind: &'static str,
    aliases: fn() -> &'static [&'static str],
    evolution: fn() -> Evolution,
    element_keys: fn() -> &'static [(&'static str, &'static str)],
}

impl Store {
    /// Options for opening a store.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Opens the store in the directory at `path`, which is made if there is none, with the default options.
    ///
    /// # Errors
    /// As [`Builder::open`].
    #[cfg(any(feature = "sled", feature = "redb"))]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder().open(path)
    }

    /// A store in memory, gone when its last handle is.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn memory() -> Result<Self> {
        Self::builder().memory()
    }
}

impl Builder {
    /// Declares how the kind of `T` evolves when the store is opened, so that its documents are upcast in untyped collections too, and
    /// contradictions come to light at once and not at the first use. Damage of the catalog that keeps it from being declared comes to light at the first use, and in
    /// [`Store::warnings`] before.
    pub fn register<T: Versioned>(mut self) -> Self {
        self.kinds.push(Registered {
            kind: T::KIND,
            aliases: T::aliases,
            evolution: T::evolution,
            element_keys: T::element_keys,
        });
        self
    }

    /// When writes return, unless a [collection](crate::Collection::with_durability) says otherwise. Default: [`Durability::Immediate`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How often [buffered](Durability::Buffered) commits are put on the medium. A power cut takes those acknowledged during at most twice
    /// this time: further ones are held back while the medium is behind. Default: 100 ms.
    pub fn buffered_window(mut self, window: Duration) -> Self {
        self.options.buffered_window = window.min(LONGEST);
        self
    }

    /// How long a sync of the disk may take. Past it the store is poisoned, and everybody who waits is told that the outcome is not
    /// known. Whatever hangs, [`Store::close`] ends within a few times this. Default: 30 s.
    pub fn sync_deadline(mut self, deadline: Duration) -> Self {
        self.options.sync_deadline = deadline.min(LONGEST);
        self
    }

    /// How many bytes of overwritten values are held for snapshots and iterators. Past it the oldest of them fails with
    /// `SnapshotExpired`. Default: 256 MiB.
    pub fn overlay_limit(mut self, bytes: usize) -> Self {
        self.options.overlay_bytes = bytes;
        self
    }

    /// The largest document, in bytes of its encoded body. At most, and by default, 16 MiB.
    pub fn document_limit(mut self, bytes: usize) -> Self {
        self.limits.size = bytes;
        self
    }

    /// How deep the arrays and objects of a document may nest. At most, and by default, 128.
    pub fn depth_limit(mut self, depth: usize) -> Self {
        self.limits.depth = depth;
        self
    }

    /// The largest commit, in bytes of its keys and values. Default: 64 MiB.
    pub fn commit_limit(mut self, bytes: usize) -> Self {
        self.options.commit_bytes = bytes;
        self
    }

    /// Whether indexes are built by a thread of the store's own. Otherwise they are built by [`Store::run`], or stay as they are. Default: yes.
    pub fn background(mut self, background: bool) -> Self {
        self.foreground = !background;
        self
    }

    /// A collection that has at most so many documents is indexed before the call that declares an index returns. Default: 500.
    pub fn index_at_once(mut self, documents: u64) -> Self {
        self.building.at_once = documents;
        self
    }

    /// So many documents are taken into an index in one commit of its build. Fewer disturb those who write less, and take longer in all. Default: 64.
    pub fn build_batch(mut self, documents: usize) -> Self {
        self.building.batch = documents.max(1);
        self
    }

    /// How much the thread that builds indexes works. [`Store::run`] and [`Store::step`] do not listen to this: whoever calls them decides when. A build is ended by
    /// [`drop_index`](crate::Collection::drop_index) or [`disable_index`](crate::Collection::disable_index), and interrupted by closing the store; it does
    /// not wait for its rest to be over. Default: half of the time, [`Throttle::Share`]`(50)`.
    ///
    /// ```
    /// use pivotdb::{Store, Throttle};
    ///
    /// let store = Store::builder().build_throttle(Throttle::DocumentsPerSecond(10_000)).memory()?;
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    pub fn build_throttle(mut self, throttle: Throttle) -> Self {
        self.building.throttle = throttle;
        self
    }

    /// Calls `watcher` after each step that the thread which builds indexes has done, on that thread, which waits for it. It may use the store, but not wait for
    /// the build. A panic of it is passed over. Builds by [`Store::run_with`] have a callback of their own.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use pivotdb::{Index, IndexState, Store};
    /// use serde_json::json;
    ///
    /// let (sender, progress) = mpsc::channel();
    /// let watcher = move |progress| drop(sender.send(progress));
    /// let store = Store::builder().index_at_once(0).on_build_progress(watcher).memory()?;
    /// let things = store.documents("things")?;
    /// things.insert_many((0..100).map(|n| json!({"n": n})))?;
    /// things.create_index(&Index::on("n"))?;
    /// let last = progress.iter().find(|progress| progress.state == IndexState::Readable).unwrap();
    /// assert_eq!((last.name.as_str(), last.of_documents), ("n", 100));
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    pub fn on_build_progress(mut self, watcher: impl Fn(BuildProgress) + Send + Sync + 'static) -> Self {
        self.watcher = Watcher::new(watcher);
        self
    }

    /// Opens the store even if commits that had been acknowledged are missing (`DataLoss`): what is left is a whole
    /// earlier state.
    pub fn accept_loss(mut self) -> Self {
        self.accept_loss = true;
        self
    }

    /// How long to wait for another process that has the store open, such as the one that this one takes over from, before failing with
    /// `Locked`. Default: not at all.
    #[cfg(any(feature = "sled", feature = "redb"))]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.disk.place.lock_timeout = timeout.min(LONGEST);
        self
    }

    /// Whether a store is made where there is none; otherwise that is `NoStore`. Default: yes.
    #[cfg(any(feature = "sled", feature = "redb"))]
    pub fn create(mut self, create: bool) -> Self {
        self.disk.place.create = create;
        self
    }

    /// Keeps a new store with sled, and opens no store that was made with another backend. Without a choice, a store is opened with
    /// the backend it was made with, and made with sled where the feature `sled` is on.
    #[cfg(feature = "sled")]
    pub fn sled(mut self) -> Self {
        self.disk.choose_sled();
        self
    }

    /// Keeps a new store with redb, and opens no store that was made with another backend. Without a choice, a store is opened with
    /// the backend it was made with, and made with redb where the feature `sled` is off.
    ///
    /// ```
    /// use pivotdb::{ErrorKind, Store};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("app.pivot");
    /// Store::builder().redb().open(&path)?.close()?;
    /// Store::open(&path)?.close()?; // whatever it was made with
    /// # #[cfg(feature = "sled")]
    /// assert_eq!(Store::builder().sled().open(&path).unwrap_err().kind(), ErrorKind::WrongBackend);
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    #[cfg(feature = "redb")]
    pub fn redb(mut self) -> Self {
        self.disk.choose_redb();
        self
    }

    /// Makes redb write down at each sync which parts of its file are free, so that it need not find out after a crash. Otherwise opening a
    /// store that was not closed reads and checks the whole file, which takes seconds for each gigabyte. Costs a second
    /// sync each time. sled does not listen to this. Default: no.
    #[cfg(feature = "redb")]
    pub fn quick_recovery(mut self, quick: bool) -> Self {
        self.disk.redb.quick_recovery = quick;
        self
    }

    /// Bytes of the store that its backend keeps in memory. Default: 64 MiB.
    #[cfg(any(feature = "sled", feature = "redb"))]
    pub fn cache_capacity(mut self, bytes: u64) -> Self {
        self.disk.set_cache_capacity(bytes);
        self
    }

    /// Opens the store in the directory at `path`. Nothing is done for each document. What the backend does for its own files grows with them: sled reads its table of pages, in about
    /// 0.14 s for a million documents, and what has been written since the store was opened last; redb reads and checks its file after a crash, see `quick_recovery`.
    ///
    /// # Errors
    /// `Locked` when somebody else has it open, `ForeignDirectory` when the directory holds something else, `NewerFormat` when a newer release wrote it,
    /// `DataLoss` when acknowledged commits are missing, `WrongBackend`, `Corrupt`, `NoStore`, `Io`, `OutOfSpace`, `InvalidOption`; and `InvalidEvolution` for the
    /// kinds that are [registered](Self::register).
    #[cfg(any(feature = "sled", feature = "redb"))]
    pub fn open(self, path: impl AsRef<Path>) -> Result<Store> {
        self.open_on(path.as_ref(), |backend| backend)
    }

    /// As [`open`](Self::open), on what `wrap` makes of the backend.
    #[cfg(any(feature = "sled", feature = "redb"))]
    pub(crate) fn open_on(
        self,
        path: &Path,
        wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>,
    ) -> Result<Store> {
        self.check()?;
        let Opened { backend, side_file, created } = open(path, &self.disk, &first_batch())?;
        let medium = Medium::Persistent(Some(Box::new(side_file)));
        self.start(wrap(backend), medium, created)
    }

    /// A store in memory, gone when its last handle is.
    ///
    /// # Errors
    /// `InvalidOption`, and `InvalidEvolution` for the kinds that are [registered](Self::register).
    pub fn memory(self) -> Result<Store> {
        self.check()?;
        let backend = MemoryBackend::new();
        backend.apply(&first_batch()).map_err(StorageError::from)?;
        self.start(Arc::new(backend), Medium::Volatile, true)
    }

    /// Opens the store on a medium of the caller's, which must be empty or hold a store.
    ///
    /// # Errors
    /// `ForeignDirectory` when it holds something else; otherwise as [`open`](Self::open).
    pub fn open_backend(self, backend: Arc<dyn Backend>) -> Result<Store> {
        self.check()?;
        let created = prepare(&*backend)?;
        self.start(backend, Medium::Persistent(None), created)
    }

    fn check(&self) -> Result<()> {
        let refuse = |option: &'static str, least: usize, most: usize| {
            Err(Error::new(ErrorKind::InvalidOption, "an option is out of its range")
                .with_detail("option", option)
                .with_detail("least", least)
                .with_detail("most", most))
        };
        if !(1..=Limits::MAX_SIZE).contains(&self.limits.size) {
            return refuse("document_limit", 1, Limits::MAX_SIZE);
        }
        if self.limits.depth > Limits::MAX_DEPTH {
            return refuse("depth_limit", 0, Limits::MAX_DEPTH);
        }
        if self.options.commit_bytes == 0 {
            return refuse("commit_limit", 1, usize::MAX);
        }
        if !self.building.throttle.is_sound() {
            return refuse("build_throttle", 1, 100);
        }
        if self.options.sync_deadline.is_zero() {
            return refuse("sync_deadline", 1, usize::MAX);
        }
        Ok(())
    }

    fn start(self, backend: Arc<dyn Backend>, medium: Medium, created: bool) -> Result<Store> {
        let commit_limit = self.options.commit_bytes;
        let engine = Engine::open(backend, medium, self.options, self.accept_loss)?;
        let catalog = Catalog::load(&engine)?;
        let registry = Registry::default();
        let mut kinds = Vec::with_capacity(self.kinds.len());
        for Registered { kind, aliases, evolution, element_keys } in self.kinds {
            let (aliases, evolution, element_keys) = (aliases(), &evolution(), element_keys());
            let declaration = Declaration { kind, aliases, evolution, element_keys };
            // `Store::warnings` tells of the entry that is damaged, and whoever uses the kind is told again.
            let mut names = iter::once(&kind).chain(aliases);
            let is_damaged = |error: &Error| error.kind() == ErrorKind::Corrupt;
            if names.any(|name| catalog.check_kind(name).is_err_and(|error| is_damaged(&error))) {
                registry.warn(Warning::Damaged {
                    entry: format!("kind {kind:?}, or another one that may be it"),
                    reason: "it could not be declared: its documents are read as they are stored".to_owned(),
                });
            } else {
                kinds.push(registry.declare(&engine, &catalog, declaration, false)?);
            }
        }
        let (limits, durability) = (self.limits, self.durability);
        let indexes = Indexes::load(&engine)?;
        let core = Core {
            engine,
            catalog,
            registry,
            indexes,
            insiders: Insiders::default(),
            discarding: Mutex::default(),
            building: self.building,
            watcher: self.watcher,
            limits,
            commit_limit,
            durability,
            created,
        };
        let inner = Inner::new(core, !self.foreground);
        kinds.iter().try_for_each(|kind| inner.adopt_indexes(kind))?;
        if inner.indexes.all().iter().any(|generation| generation.live.state().is_unfinished()) {
            inner.worker.wake();
        }
        Ok(Store::new(inner))
    }
}

/// Makes an empty medium a store; gives whether it was empty.
fn prepare(backend: &dyn Backend) -> Result<bool> {
    let failed = StorageError::from;
    if guarded(|| backend.get(&META_KEY)).map_err(failed)?.is_some() {
        return Ok(false);
    }
    let limit = PageLimit { entries: 1, bytes: 1 };
    let page = guarded(|| backend.page(&KeyRange::all(), Direction::Forward, limit)).map_err(failed)?;
    if !page.entries.is_empty() {
        return Err(Error::new(
            ErrorKind::ForeignDirectory,
            "the backend holds something that is not a store",
        ));
    }
    let made = guarded(|| {
        backend.apply(&first_batch())?;
        backend.flush()?;
        backend.sync()
    });
    made.map_err(failed)?;
    Ok(true)
}
