//! What the tests share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pivotdb::backend::{Backend, Direction, KeyRange, MemoryBackend, PageLimit};
use pivotdb::{Error, ErrorKind, Evolution, Export, Store};
use serde_json::Value;

/// Where shared corpora are: `PIVOTDB_CORPORA`, or `shared/corpora` beside the checkout or above it.
pub(crate) fn corpora() -> Option<PathBuf> {
    let named = std::env::var_os("PIVOTDB_CORPORA").map(PathBuf::from);
    let above =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1).map(|dir| dir.join("shared/corpora"));
    let found = named.into_iter().chain(above).find(|dir| dir.is_dir());
    if found.is_none() {
        println!("skipped: no corpora");
    }
    found
}

/// A store whose keys and values can be looked at.
pub(crate) fn open() -> (Store, Arc<MemoryBackend>) {
    let backend = Arc::new(MemoryBackend::new());
    (reopened(&backend), backend)
}

/// The same store as another process would find it.
pub(crate) fn reopened(backend: &Arc<MemoryBackend>) -> Store {
    Store::builder().open_backend(Arc::<MemoryBackend>::clone(backend)).unwrap()
}

/// The keys and values of all documents and their chunks.
pub(crate) fn documents(backend: &MemoryBackend) -> Vec<(Vec<u8>, Vec<u8>)> {
    let range = KeyRange::prefix(&[0x01, 0x10]);
    let limit = PageLimit { entries: usize::MAX, bytes: usize::MAX };
    let page = backend.page(&range, Direction::Forward, limit).unwrap();
    page.entries.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// The whole store as text.
pub(crate) fn exported(store: &Store) -> String {
    let mut text = Vec::new();
    let report = Export::store(store).write_to(&mut text).unwrap();
    assert_eq!(report.bytes, text.len() as u64);
    String::from_utf8(text).unwrap()
}

/// Kind, line and column.
pub(crate) fn place(error: &Error) -> (ErrorKind, u64, u64) {
    let number = |name| error.context().detail(name).unwrap_or_else(|| panic!("{error}")).parse().unwrap();
    (error.kind(), number("line"), number("column"))
}

/// The first steps of one evolution.
pub(crate) fn evolution(steps: usize) -> Evolution {
    use pivotdb::{Function, Op, When};
    let forgets_x = Op::set("x", 0).when(When::present("x"));
    let mut evolution = Evolution::new();
    if steps > 0 {
        evolution = evolution.step("b is called c", [Op::rename("b", "c"), Op::add("d.e", 1.5), forgets_x]);
    }
    if steps > 1 {
        let mark = Function::new("mark", |body: &mut Value, _: &_| {
            if let Some(body) = body.as_object_mut() {
                body.insert("marked".into(), true.into());
            }
        });
        evolution = evolution.step("mark", mark);
    }
    if steps > 2 {
        evolution = evolution.step("a \"quoted\" name", [Op::remove("/marked"), Op::remove("x/y.z")]);
    }
    evolution
}
