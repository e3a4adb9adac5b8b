//! A snapshot that outlasts the overlay's bound.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::storage::backend::{Direction, KeyRange, Page, PageLimit};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::gate::lock;
use crate::storage::commit::snapshot::Snapshot;
use crate::storage::commit::watch::Watch;
use crate::stored::scratch::{Draft, Scratch};

/// How much is copied at a time.
const COPIED: PageLimit = PageLimit { entries: 1024, bytes: 1 << 20 };

/// The entries of a range of one state, ascending, each once: read from the snapshot; and from the moment on where that might expire, from a copy of
/// what was left, in a scratch file.
#[derive(Debug)]
pub(crate) struct Kept {
    watch: Watch,
    /// Where the scratch file is made.
    directory: PathBuf,
    /// Locked while a page is read, and while everything is copied.
    rest: Mutex<Rest>,
}

#[derive(Debug)]
struct Rest {
    range: KeyRange,
    source: Source,
    /// Why it could not be copied.
    trouble: Option<StorageError>,
}

#[derive(Debug)]
enum Source {
    Snapshot(Arc<Snapshot>),
    Scratch(Scratch),
    /// All has been read.
    Nothing,
}

impl Kept {
    /// `watch` must have been there before the snapshot.
    pub(crate) fn new(watch: Watch, snapshot: Arc<Snapshot>, range: KeyRange, directory: PathBuf) -> Self {
        let source = Source::Snapshot(snapshot);
        Self { watch, directory, rest: Mutex::new(Rest { range, source, trouble: None }) }
    }

    /// Waits until the snapshot might expire, and copies what is left of it; or until [`end`](Self::end). For a thread of its own, so that commits
    /// wait for the copy alone.
    pub(crate) fn guard(&self) {
        if self.watch.wait() {
            self.copy();
        }
    }

    /// Copies what is left, and gives the snapshot up.
    pub(crate) fn copy(&self) {
        let mut rest = lock(&self.rest);
        rest.copy(&self.directory, || self.watch.has_ended());
        drop(rest);
        self.watch.end();
    }

    /// No more is wanted.
    pub(crate) fn end(&self) {
        self.watch.end();
    }

    /// The next page.
    pub(crate) fn page(&self, limit: PageLimit) -> Result<Page, StorageError> {
        let page = lock(&self.rest).page(limit)?;
        if page.complete {
            self.watch.end();
        }
        Ok(page)
    }
}

impl Rest {
    fn copy(&mut self, directory: &Path, stop: impl Fn() -> bool) {
        let Source::Snapshot(snapshot) = &self.source else { return };
        match copied(snapshot, self.range.clone(), directory, stop) {
            Ok(Some(scratch)) => self.source = Source::Scratch(scratch),
            Ok(None) => {}
            // It may go well without.
            Err(trouble) => self.trouble = Some(trouble),
        }
    }

    fn page(&mut self, limit: PageLimit) -> Result<Page, StorageError> {
        let page = match &mut self.source {
            Source::Snapshot(snapshot) => snapshot.page(&self.range, Direction::Forward, limit),
            Source::Scratch(scratch) => scratch.page(limit),
            Source::Nothing => Ok(Page { entries: Vec::new(), complete: true }),
        };
        let page = page.map_err(|error| match error {
            StorageError::SnapshotExpired { .. } => self.trouble.take().unwrap_or(error),
            error => error,
        })?;
        self.range.go_behind(&page);
        if page.complete {
            self.source = Source::Nothing;
        }
        Ok(page)
    }
}

/// `None`: it was stopped.
fn copied(
    snapshot: &Snapshot,
    mut range: KeyRange,
    directory: &Path,
    stop: impl Fn() -> bool,
) -> Result<Option<Scratch>, StorageError> {
    let mut draft = Draft::new(directory)?;
    loop {
        if stop() {
            return Ok(None);
        }
        let page = snapshot.page(&range, Direction::Forward, COPIED)?;
        for (key, value) in &page.entries {
            draft.put(key, value)?;
        }
        if page.complete {
            return draft.finish().map(Some);
        }
        range.go_behind(&page);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::error::error::Error;
    use crate::error::kind::ErrorKind;
    use crate::storage::backend::Backend;
    use crate::storage::commit::commit::{Commit, Durability};
    use crate::storage::commit::engine::{Engine, Medium, first_batch};
    use crate::storage::commit::options::Options;
    use crate::storage::memory::MemoryBackend;

    const FEW: PageLimit = PageLimit { entries: 7, bytes: 1 << 20 };
    /// An eighth of two deadlines.
    const HOLD: Duration = Duration::from_millis(500);

    /// Holds `k` and a byte, a hundred times, with the value 0.
    fn engine() -> Engine {
        let backend = MemoryBackend::default();
        backend.apply(&first_batch()).unwrap();
        let options = Options { overlay_bytes: 10_000, sync_deadline: HOLD * 4, ..Options::default() };
        let engine = Engine::open(Arc::new(backend), Medium::Volatile, options, false).unwrap();
        overwrite(&engine, 0);
        engine
    }

    fn overwrite(engine: &Engine, value: u8) {
        let mut commit = Commit::default();
        for n in 0..100 {
            commit.put([b'k', n].as_slice(), [value; 200].as_slice());
        }
        engine.commit(commit, Durability::Buffered).unwrap();
    }

    fn kept(engine: &Engine, directory: &Path) -> Kept {
        let watch = engine.watch();
        Kept::new(watch, Arc::new(engine.snapshot()), KeyRange::prefix(b"k"), directory.to_owned())
    }

    fn rest(kept: &Kept) -> usize {
        let mut count = 0;
        loop {
            let page = kept.page(FEW).unwrap();
            assert!(page.entries.iter().all(|(_, value)| **value == [0; 200]));
            count += page.entries.len();
            if page.complete {
                return count;
            }
        }
    }

    #[test]
    fn what_is_kept_outlasts_its_snapshot() {
        let (engine, directory) = (engine(), tempfile::tempdir().unwrap());
        for read in [0, 1, 14] {
            let kept = kept(&engine, directory.path());
            let before: usize = (0..read).map(|_| kept.page(FEW).unwrap().entries.len()).sum();
            thread::scope(|scope| {
                scope.spawn(|| kept.guard());
                let begun = Instant::now();
                (0..3).for_each(|_| overwrite(&engine, 1));
                assert!(begun.elapsed() < HOLD, "it was waited for in vain");
            });
            assert_eq!(engine.figures().unwrap().snapshots, 0);
            assert_eq!(before + rest(&kept), 100);
            assert!(kept.page(FEW).unwrap().complete);
            overwrite(&engine, 0);
        }
        let quiet = kept(&engine, directory.path());
        assert_eq!(rest(&quiet), 100);
        quiet.guard();
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn commits_wait_once_and_not_for_long() {
        let (engine, directory) = (engine(), tempfile::tempdir().unwrap());
        let kept = kept(&engine, directory.path());
        let begun = Instant::now();
        overwrite(&engine, 1);
        assert!(begun.elapsed() >= HOLD, "nobody copies");
        let begun = Instant::now();
        overwrite(&engine, 2);
        assert!(begun.elapsed() < HOLD);
        kept.guard();
        assert!(matches!(kept.page(FEW), Err(StorageError::SnapshotExpired { limit: 10_000 })));
    }

    #[test]
    fn a_scratch_file_that_cannot_be_had_matters_only_when_it_is_needed() {
        let (engine, directory) = (engine(), tempfile::tempdir().unwrap());
        let kept = kept(&engine, &directory.path().join("absent"));
        kept.copy();
        assert_eq!(kept.page(FEW).unwrap().entries.len(), 7);
        overwrite(&engine, 1);
        assert_eq!(Error::from(kept.page(FEW).unwrap_err()).kind(), ErrorKind::Io);
        assert!(matches!(kept.page(FEW), Err(StorageError::SnapshotExpired { .. })));
    }

    #[test]
    fn who_waits_to_copy_ends_with_it() {
        let (engine, directory) = (engine(), tempfile::tempdir().unwrap());
        let kept = kept(&engine, directory.path());
        thread::scope(|scope| {
            scope.spawn(|| kept.guard());
            thread::sleep(Duration::from_millis(20));
            kept.end();
        });
        assert_eq!(rest(&kept), 100, "it was not copied");
        assert_eq!(engine.figures().unwrap().snapshots, 0);
    }
}
