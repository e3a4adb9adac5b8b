//! Tests that run on each backend.

use std::cell::RefCell;

use pivotdb::{Builder, Durability, Store};

use crate::backends::BACKENDS;

/// Makes a new store.
pub(crate) type New<'a> = &'a dyn Fn(Builder) -> Store;

/// Runs `test` with each backend.
pub(crate) fn on_every_backend(test: impl Fn(New<'_>)) {
    for backend in BACKENDS {
        let sites = RefCell::new(Vec::new());
        test(&|builder| {
            let site = backend.site();
            let store = site.open(&builder.durability(Durability::Buffered));
            sites.borrow_mut().push(site);
            store
        });
    }
}
