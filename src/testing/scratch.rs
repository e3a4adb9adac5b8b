//! Directories that are gone afterwards.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory below the system's temporary one, removed with all its content when this is dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    places: AtomicU64,
}

impl Scratch {
    pub(super) fn new() -> io::Result<Self> {
        let mut salt = std::process::id().into();
        loop {
            let path = std::env::temp_dir().join(format!("pivotdb-conformance-{salt:x}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, places: AtomicU64::new(0) }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    salt = u64::wrapping_add(salt, 1 << 32);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A path at which there is nothing yet.
    pub(super) fn place(&self) -> PathBuf {
        self.path.join(self.places.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
