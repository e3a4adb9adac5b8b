//! What is being checked, and the means of checking it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::storage::backend::{Backend, BackendError, Batch, Direction, KeyRange, Page, PageLimit};
use crate::storage::bytes::Bytes;
use crate::testing::scratch::Scratch;

/// Makes backends of the kind that is being checked.
pub(super) struct Subject<'a> {
    pub(super) open: &'a dyn Fn(&Path) -> Arc<dyn Backend>,
    pub(super) scratch: &'a Scratch,
}

impl Subject<'_> {
    /// A backend in a place of its own.
    pub(super) fn fresh(&self) -> Arc<dyn Backend> {
        self.open(&self.scratch.place())
    }

    /// A place for a backend that is opened again.
    pub(super) fn place(&self) -> PathBuf {
        self.scratch.place()
    }

    pub(super) fn open(&self, place: &Path) -> Arc<dyn Backend> {
        (self.open)(place)
    }
}

/// How an obligation was broken.
#[derive(Debug)]
pub(super) struct Breach(pub(super) String);

/// How often an obligation was looked at, or how it was broken.
pub(super) type Verdict = Result<usize, Breach>;

impl From<BackendError> for Breach {
    fn from(error: BackendError) -> Self {
        Self(format!("a call failed: {error:?}"))
    }
}

/// A key and a value.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

/// A backend's content as it should be.
pub(super) type Model = BTreeMap<Vec<u8>, Vec<u8>>;

pub(super) const UNLIMITED: PageLimit = PageLimit { entries: usize::MAX, bytes: usize::MAX };

/// Breaks the obligation unless `holds`.
pub(super) fn ensure(holds: bool, breach: impl FnOnce() -> String) -> Result<(), Breach> {
    if holds { Ok(()) } else { Err(Breach(breach())) }
}

/// Breaks the obligation unless both are equal.
pub(super) fn ensure_eq<T: PartialEq + fmt::Debug>(
    found: &T,
    expected: &T,
    what: &str,
) -> Result<(), Breach> {
    ensure(found == expected, || {
        format!("{what}: found {}, expected {}", shortened(found), shortened(expected))
    })
}

/// Breaks the obligation unless both have the same entries; tells the first that differs.
pub(super) fn ensure_entries(found: &[Entry], expected: &[Entry], what: &str) -> Result<(), Breach> {
    let same = found.iter().zip(expected).take_while(|(found, expected)| found == expected).count();
    let told = |entry: Option<&Entry>| {
        entry.map_or_else(|| "the end".to_owned(), |(key, value)| shortened(&(bytes(key), bytes(value))))
    };
    ensure(found.len() == same && expected.len() == same, || {
        let (count, right) = (found.len(), expected.len());
        let (this, that) = (told(found.get(same)), told(expected.get(same)));
        format!("{what}: {count} entries of {right}; entry {same} is {this} and should be {that}")
    })
}

fn shortened(value: &impl fmt::Debug) -> String {
    let told = format!("{value:?}");
    let rest = if told.chars().nth(120).is_some() { " ..." } else { "" };
    told.chars().take(120).chain(rest.chars()).collect()
}

pub(super) fn bytes(bytes: impl AsRef<[u8]>) -> Bytes {
    Bytes::from(bytes.as_ref())
}

pub(super) fn batch<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    writes: impl IntoIterator<Item = (K, Option<V>)>,
) -> Batch {
    Batch { writes: writes.into_iter().map(|(key, value)| (bytes(key), value.map(bytes))).collect() }
}

/// A batch that puts all of `entries`.
pub(super) fn puts(entries: &Model) -> Batch {
    batch(entries.iter().map(|(key, value)| (key, Some(value))))
}

pub(super) fn vecs(page: &Page) -> Vec<Entry> {
    page.entries.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// The rest of `range` after `page`.
pub(super) fn rest(range: &KeyRange, direction: Direction, page: &Page) -> KeyRange {
    let mut rest = range.clone();
    if let Some((last, _)) = page.entries.last() {
        match direction {
            Direction::Forward => rest.start = [last, &[0][..]].concat(),
            Direction::Backward => rest.end = Some(last.to_vec()),
        }
    }
    rest
}

/// All entries of `range`, read in pages of up to `limit`.
pub(super) fn read_all(
    backend: &dyn Backend,
    range: &KeyRange,
    direction: Direction,
    limit: PageLimit,
) -> Result<Vec<Entry>, Breach> {
    let mut range = range.clone();
    let mut read = Vec::new();
    loop {
        let page = backend.page(&range, direction, limit)?;
        read.extend(vecs(&page));
        if page.complete {
            return Ok(read);
        }
        ensure(!page.entries.is_empty(), || "a page is empty and says that more follows".to_owned())?;
        range = rest(&range, direction, &page);
    }
}

/// What of `model` lies in `range`, in the order of `direction`.
pub(super) fn expected(model: &Model, range: &KeyRange, direction: Direction) -> Vec<Entry> {
    let inside = model.iter().filter(|(key, _)| range.contains(key));
    let mut inside: Vec<_> = inside.map(|(key, value)| (key.clone(), value.clone())).collect();
    if direction == Direction::Backward {
        inside.reverse();
    }
    inside
}

pub(super) const BOTH: [Direction; 2] = [Direction::Forward, Direction::Backward];

/// The backend holds exactly `model`, whichever way it is read.
pub(super) fn ensure_holds(backend: &dyn Backend, model: &Model) -> Result<(), Breach> {
    for direction in BOTH {
        let read = read_all(backend, &KeyRange::all(), direction, UNLIMITED)?;
        ensure_entries(&read, &expected(model, &KeyRange::all(), direction), "all entries")?;
    }
    Ok(())
}
