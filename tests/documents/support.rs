//! Stores to run a test on.

use std::sync::Arc;

use pivotdb::backend::{Backend, Direction, KeyRange, MemoryBackend, PageLimit};
use pivotdb::{Builder, Collection, Evolution, Op, Store};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::backends::{BACKENDS, Site};

/// Runs `test` on a new store with each backend.
pub(crate) fn on_every_backend(test: impl Fn(Store)) {
    on_every_backend_with(&Store::builder(), test);
}

/// The same, of stores with other options.
pub(crate) fn on_every_backend_with(builder: &Builder, test: impl Fn(Store)) {
    test(builder.clone().memory().unwrap());
    on_every_site(|site| {
        let store = site.open(builder);
        test(store.clone());
        store.close().unwrap();
    });
}

/// Runs `test` where there is no store yet, with each backend.
pub(crate) fn on_every_site(test: impl Fn(&Site)) {
    BACKENDS.iter().for_each(|backend| test(&backend.site()));
}

/// What programs come and go on.
pub(crate) struct Medium(pub(crate) Arc<MemoryBackend>);

impl Medium {
    pub(crate) fn new() -> Self {
        Self(Arc::new(MemoryBackend::new()))
    }

    pub(crate) fn open(&self) -> Store {
        Store::builder().open_backend(self.0.clone()).unwrap()
    }

    /// All values that are stored, one after the other.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let limit = PageLimit { entries: usize::MAX, bytes: usize::MAX };
        let page = self.0.page(&KeyRange::prefix(&[]), Direction::Forward, limit).unwrap();
        page.entries.into_iter().flat_map(|(_, value)| value.to_vec()).collect()
    }

    /// A program that knows the kind `thing` with these steps.
    pub(crate) fn things(&self, evolution: &Evolution) -> (Store, Collection<Value>) {
        let store = self.open();
        let things = store.collection_with("things", "thing", evolution).unwrap();
        (store, things)
    }

    /// What such a program does.
    pub(crate) fn run<T>(&self, evolution: &Evolution, work: impl FnOnce(&Collection<Value>) -> T) -> T {
        let (store, things) = self.things(evolution);
        let done = work(&things);
        store.close().unwrap();
        done
    }
}

/// The step that programs with the kind `thing` have in common.
pub(crate) fn base() -> Evolution {
    Evolution::new().step("one", [Op::rename("a", "b")])
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) age: u32,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
}

impl pivotdb::Versioned for User {
    const KIND: &'static str = "user";
}

pub(crate) fn ada() -> User {
    User { name: "Ada".into(), age: 36, tags: vec!["math".into()] }
}
