//! What tests of backends on disk share.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::storage::backend::{Backend, Batch, Direction, KeyRange, PageLimit};
use crate::storage::bytes::Bytes;
use crate::storage::directory::error::OpenError;
use crate::storage::directory::open::{Opened, Place, Resident, open};

pub(in crate::storage) type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

pub(in crate::storage) fn batch<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    writes: impl IntoIterator<Item = (K, Option<V>)>,
) -> Batch {
    let bytes = |bytes: &[u8]| Bytes::from(bytes);
    let writes = writes.into_iter();
    let writes = writes.map(|(key, value)| (bytes(key.as_ref()), value.map(|value| bytes(value.as_ref()))));
    Batch { writes: writes.collect() }
}

/// What [`create`] makes a store with.
pub(in crate::storage) fn initial() -> Batch {
    batch([(b"\x01\x00", Some(b"sequence 0"))])
}

/// The same, as it is read.
pub(in crate::storage) fn initial_entries() -> Entries {
    [(b"\x01\x00".to_vec(), b"sequence 0".to_vec())].into()
}

pub(in crate::storage) fn reopen<B: Resident>(path: &Path) -> Result<Opened<B>, OpenError> {
    open(path, &Place { create: false, ..Place::default() }, &B::Options::default(), &Batch::default())
}

pub(in crate::storage) fn try_open<B: Resident>(path: &Path, place: &Place) -> Result<Opened<B>, OpenError> {
    open(path, place, &B::Options::default(), &initial())
}

pub(in crate::storage) fn create<B: Resident>(path: &Path) -> Opened<B> {
    let opened = try_open(path, &Place::default()).unwrap();
    assert!(opened.created);
    opened
}

/// All entries, read in pages of `entries`.
pub(in crate::storage) fn read(
    backend: &impl Backend,
    direction: Direction,
    entries: usize,
) -> Vec<(Bytes, Bytes)> {
    let mut range = KeyRange::all();
    let mut read = Vec::new();
    loop {
        let page = backend.page(&range, direction, PageLimit { entries, bytes: usize::MAX }).unwrap();
        if let Some((last, _)) = page.entries.last() {
            match direction {
                Direction::Forward => range.start = [last, &[0][..]].concat(),
                Direction::Backward => range.end = Some(last.to_vec()),
            }
        }
        read.extend(page.entries);
        if page.complete {
            return read;
        }
    }
}

pub(in crate::storage) fn assert_holds(backend: &impl Backend, expected: &Entries) {
    let expected: Vec<_> =
        expected.iter().map(|(key, value)| (key.as_slice().into(), value.as_slice().into())).collect();
    let forward = read(backend, Direction::Forward, 1000);
    let mut backward = read(backend, Direction::Backward, 77);
    backward.reverse();
    assert!(forward == expected, "{} entries forward, {} expected", forward.len(), expected.len());
    assert!(backward == expected, "{} entries backward, {} expected", backward.len(), expected.len());
}

/// Names, contents and times of everything under `path`.
pub(in crate::storage) fn image(path: &Path) -> Vec<(PathBuf, Option<Vec<u8>>, SystemTime)> {
    let mut image = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = fs::metadata(&path).unwrap();
        if metadata.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let content = metadata.is_file().then(|| fs::read(&path).unwrap());
        image.push((path, content, metadata.modified().unwrap()));
    }
    image.sort();
    image
}

/// What a process that is killed now would leave of `from`.
pub(in crate::storage) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
