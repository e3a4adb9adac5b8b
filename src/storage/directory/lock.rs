//! One process per store.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The exclusive lock on a store directory, held for as long as this lives.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Locks the file at `path`, which is made where there is none; `None` where somebody else holds it for longer than `timeout`.
    pub(in crate::storage) fn acquire(path: &Path, timeout: Duration) -> io::Result<Option<Self>> {
        let mut wait = Waiting::new(timeout);
        loop {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            match file.try_lock() {
                // Whoever waited may hold a file that has been deleted with its directory in the meantime.
                Ok(()) if is_at(&file, path)? => return Ok(Some(Self { _file: file })),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    if !wait.again() {
                        return Ok(None);
                    }
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let held = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((held.dev(), held.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Elsewhere an open file cannot be deleted.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Waits in growing naps until a timeout has passed.
pub(in crate::storage) struct Waiting {
    /// `None`: for ever.
    deadline: Option<Instant>,
    nap: Duration,
}

impl Waiting {
    const FIRST: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_millis(25);

    pub(in crate::storage) fn new(timeout: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(timeout), nap: Self::FIRST }
    }

    /// Sleeps a little and says whether to try once more.
    pub(in crate::storage) fn again(&mut self) -> bool {
        let left = self
            .deadline
            .map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return false;
        }
        thread::sleep(self.nap.min(left));
        self.nap = self.nap.saturating_mul(2).min(Self::LONGEST);
        true
    }
}
