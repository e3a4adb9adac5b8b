//! Entries in a file without a name, to be read once in the order in which they were written.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::storage::backend::{BackendError, Page, PageLimit};
use crate::storage::bytes::Bytes;
use crate::storage::commit::error::StorageError;

const BUFFER: usize = 256 * 1024;

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Draft {
    out: BufWriter<File>,
    name: Name,
    entries: u64,
}

/// One that is being read.
#[derive(Debug)]
pub(crate) struct Scratch {
    input: BufReader<File>,
    /// Held so that it goes with the file.
    _name: Name,
    left: u64,
}

/// The name of a file where it could not be taken away while the file was open.
#[derive(Debug)]
struct Name(Option<PathBuf>);

impl Drop for Name {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // Whoever cleans the directory will find it.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Draft {
    /// A new file in `directory`, which nobody else reads.
    pub(crate) fn new(directory: &Path) -> Result<Self, StorageError> {
        let path = directory.join(format!("pivotdb-{}", Uuid::now_v7()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|error| failed("it could not be made", error))?;
        let name = Name(std::fs::remove_file(&path).is_err().then_some(path));
        Ok(Self { out: BufWriter::with_capacity(BUFFER, file), name, entries: 0 })
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        self.entries += 1;
        [key, value].into_iter().try_for_each(|bytes| self.write(bytes)).map_err(unwritten)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(&(bytes.len() as u64).to_le_bytes())?;
        self.out.write_all(bytes)
    }

    pub(crate) fn finish(self) -> Result<Scratch, StorageError> {
        let mut file = self.out.into_inner().map_err(|error| unwritten(error.into_error()))?;
        file.rewind().map_err(unread)?;
        let input = BufReader::with_capacity(BUFFER, file);
        Ok(Scratch { input, _name: self.name, left: self.entries })
    }
}

impl Scratch {
    /// The next entries, as a backend's page.
    pub(crate) fn page(&mut self, limit: PageLimit) -> Result<Page, StorageError> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while self.left > 0 && entries.len() < limit.entries && bytes < limit.bytes {
            let (key, value) = (self.read().map_err(unread)?, self.read().map_err(unread)?);
            bytes += key.len() + value.len();
            entries.push((key, value));
            self.left -= 1;
        }
        Ok(Page { entries, complete: self.left == 0 })
    }

    fn read(&mut self) -> io::Result<Bytes> {
        let mut length = [0; 8];
        self.input.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        let mut bytes = Vec::new();
        if (&mut self.input).take(length).read_to_end(&mut bytes)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Bytes::from(bytes))
    }
}

fn unwritten(error: io::Error) -> StorageError {
    failed("it could not be written", error)
}

fn unread(error: io::Error) -> StorageError {
    failed("it could not be read", error)
}

fn failed(message: &'static str, error: io::Error) -> StorageError {
    StorageError::Scratch(BackendError::io(message, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::error::Error;
    use crate::error::kind::ErrorKind;

    #[test]
    fn what_is_written_comes_back_in_pages_and_leaves_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let mut draft = Draft::new(directory.path()).unwrap();
        let entries: Vec<(Vec<u8>, Vec<u8>)> =
            (0..100_u8).map(|n| (vec![n; 3], vec![n; usize::from(n) * 100])).collect();
        for (key, value) in &entries {
            draft.put(key, value).unwrap();
        }
        #[cfg(unix)]
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        let mut scratch = draft.finish().unwrap();
        let mut read = Vec::new();
        loop {
            let page = scratch.page(PageLimit { entries: 7, bytes: 20_000 }).unwrap();
            assert!(page.entries.len() <= 7);
            read.extend(page.entries.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())));
            if page.complete {
                break;
            }
        }
        assert_eq!(read, entries);
        drop(scratch);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        let mut none = Draft::new(directory.path()).unwrap().finish().unwrap();
        assert!(none.page(PageLimit { entries: 1, bytes: 1 }).unwrap().complete);
    }

    #[test]
    fn a_file_that_cannot_be_made_or_read_is_an_error_of_its_kind() {
        let directory = tempfile::tempdir().unwrap();
        let error = Error::from(Draft::new(&directory.path().join("absent")).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Io);
        let full = Error::from(unwritten(io::ErrorKind::StorageFull.into()));
        assert_eq!(full.kind(), ErrorKind::OutOfSpace);
        let mut draft = Draft::new(directory.path()).unwrap();
        draft.put(b"key", b"value").unwrap();
        draft.entries += 1;
        let mut short = draft.finish().unwrap();
        let limit = PageLimit { entries: 10, bytes: 10_000 };
        assert_eq!(Error::from(short.page(limit).unwrap_err()).kind(), ErrorKind::Io);
    }
}
