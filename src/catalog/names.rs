//! What collections are called.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The names of collections by number: a number never gets another one.
#[derive(Debug, Default)]
pub(crate) struct CollectionNames(RwLock<HashMap<u32, Arc<str>>>);

impl CollectionNames {
    pub(crate) fn get(&self, number: u32) -> Option<Arc<str>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    pub(crate) fn insert(&self, number: u32, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(number, name.into());
    }
}
