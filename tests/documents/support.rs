//! Stores to run a test on.

use pivotdb::{Builder, Store};
use serde::{Deserialize, Serialize};

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
