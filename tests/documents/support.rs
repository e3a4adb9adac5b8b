//! Stores of every engine to run a test on.

use pivotdb::{Builder, Store};
use serde::{Deserialize, Serialize};

/// Runs `test` on a store in memory, and on one on disk.
pub(crate) fn on_every_engine(test: impl Fn(Store)) {
    on_every_engine_with(Store::builder(), test);
}

/// The same, with options.
pub(crate) fn on_every_engine_with(builder: Builder, test: impl Fn(Store)) {
    test(builder.clone().memory().unwrap());
    #[cfg(feature = "sled")]
    {
        let directory = tempfile::tempdir().unwrap();
        let store = builder.open(directory.path().join("test.pivot")).unwrap();
        test(store.clone());
        store.close().unwrap();
    }
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
