//! The kinds a program has to do with.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::catalog::catalog::Catalog;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::record::kind::{Declaration, Kind};
use crate::storage::commit::engine::Engine;

/// Kinds by number: those the program has declared, and those that have been met in the store.
#[derive(Debug, Default)]
pub(crate) struct Registry(RwLock<HashMap<u32, Arc<Kind>>>);

impl Registry {
    /// Declares how a kind evolves. The same declaration twice is one; another one is refused, unless it `may_extend` the first
    /// by further steps.
    pub(crate) fn declare(
        &self,
        engine: &Engine,
        catalog: &Catalog,
        declaration: Declaration<'_>,
        may_extend: bool,
    ) -> Result<Arc<Kind>, Error> {
        let name = declaration.kind;
        let number = catalog.kind(engine, name)?;
        let named = |error: Error| error.with_document_kind(name);
        let kind = Kind::declared(number, declaration).map_err(named)?;
        if let Some(known) = self.get(number).filter(|known| known.is_declared()) {
            if known.current() == kind.current() {
                return Ok(known);
            }
            let extends =
                kind.steps().iter().any(|step| step.stamp == known.current()) || known.steps().is_empty();
            if !(may_extend && extends) {
                return Err(named(Error::new(
                    ErrorKind::InvalidEvolution,
                    "the kind has been declared with other steps in this program",
                )));
            }
            known.learn(kind.steps());
        }
        catalog.record(engine, number, kind.steps())?;
        kind.learn(catalog.recorded(number));
        let kind = Arc::new(kind);
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::clone(&kind));
        Ok(kind)
    }

    /// The kind with this number, as declared or as the store knows it.
    pub(crate) fn resolve(&self, catalog: &Catalog, number: u32) -> Result<Arc<Kind>, Error> {
        if let Some(kind) = self.get(number) {
            return Ok(kind);
        }
        let name = catalog.kind_name(number).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "a document has a kind that is not in the catalog")
                .with_detail("number", number)
        })?;
        let kind = Kind::stored(number, &name)?;
        kind.learn(catalog.recorded(number));
        let mut kinds = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(kinds.entry(number).or_insert_with(|| Arc::new(kind))))
    }

    /// Learns what has been recorded of a kind since it was declared or met.
    pub(crate) fn learn(&self, catalog: &Catalog, number: u32) {
        if let Some(kind) = self.get(number) {
            kind.learn(catalog.recorded(number));
        }
    }

    fn get(&self, number: u32) -> Option<Arc<Kind>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }
}
