//! The kinds a program has to do with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use crate::catalog::catalog::Catalog;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::evolution::history::Recorded;
use crate::record::kind::{Declaration, Kind};
use crate::storage::commit::engine::Engine;
use crate::store::history::{self, Warning, missing_kind, recorded};

/// Kinds by number: those the program has declared, and those that have been met in the store.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    kinds: RwLock<HashMap<u32, Entry>>,
    /// Which kind has declared which number for an alias. Held while a kind is declared, so that of two declarations one is the first.
    declaring: Mutex<HashMap<u32, u32>>,
    warnings: Mutex<Vec<Warning>>,
}

#[derive(Debug)]
struct Entry {
    newest: Arc<Kind>,
    /// The same kind as it was declared before, and as views see it, for as long as handles use them.
    others: Vec<Weak<Kind>>,
}

impl Entry {
    fn new(newest: Arc<Kind>) -> Self {
        Self { newest, others: Vec::new() }
    }

    fn follow(&mut self, kind: &Arc<Kind>) {
        self.others.retain(|other| other.strong_count() > 0);
        self.others.push(Arc::downgrade(kind));
    }

    fn learn(&self, recorded: &[Recorded]) {
        self.newest.learn(recorded.to_vec());
        for kind in self.others.iter().filter_map(Weak::upgrade) {
            kind.learn(recorded.to_vec());
        }
    }
}

impl Registry {
    /// Declares how a kind evolves. The same declaration twice is one; another one is refused, unless it `may_extend` the first
    /// by further steps. Of a declaration that says more of lists than the first, both are kept: each handle has its own.
    pub(crate) fn declare(
        &self,
        engine: &Engine,
        catalog: &Catalog,
        declaration: Declaration<'_>,
        may_extend: bool,
    ) -> Result<Arc<Kind>, Error> {
        let mut taken = self.declaring.lock().unwrap_or_else(PoisonError::into_inner);
        let name = declaration.kind;
        let named = |error: Error| error.with_document_kind(name);
        // What makes no sense leaves no trace.
        declaration.evolution.check().map_err(named)?;
        let number = catalog.kind(engine, name)?;
        let aliases = declaration.aliases.iter().map(|alias| catalog.kind(engine, alias));
        let aliases = aliases.collect::<Result<Vec<_>, _>>()?;
        let declared = |alias: &u32| self.get(*alias).is_some_and(|kind| kind.is_declared());
        let others = |alias: &u32| taken.get(alias).is_some_and(|kind| *kind != number);
        if taken.contains_key(&number) || aliases.iter().any(|alias| declared(alias) || others(alias)) {
            let message = "two kinds of this program have a name in common, one of them as an alias";
            return Err(named(Error::new(ErrorKind::InvalidEvolution, message)));
        }
        taken.extend(aliases.iter().map(|alias| (*alias, number)));
        catalog.add_aliases(engine, name, &aliases).map_err(named)?;
        let names = catalog.family(number).into_iter().filter_map(|number| catalog.kind_name(number));
        let kind = Kind::declared(number, declaration, names).map_err(named)?;
        if let Some(known) = self.get(number).filter(|known| known.is_declared()) {
            if known.current() == kind.current() {
                if declaration.element_keys.is_empty() || known.element_keys() == kind.element_keys() {
                    return Ok(known);
                }
            } else {
                let extends =
                    kind.steps().iter().any(|step| step.stamp == known.current()) || known.steps().is_empty();
                if !(may_extend && extends) {
                    return Err(named(Error::new(
                        ErrorKind::InvalidEvolution,
                        "the kind has been declared with other steps in this program",
                    )));
                }
            }
        }
        catalog.record(engine, number, kind.steps()).map_err(named)?;
        let kind = Arc::new(kind);
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        let entry = kinds.entry(number).or_insert_with(|| Entry::new(Arc::clone(&kind)));
        let before = std::mem::replace(&mut entry.newest, Arc::clone(&kind));
        entry.follow(&before);
        entry.learn(&recorded(catalog, number));
        drop(kinds);
        let warnings = history::review(engine, catalog, &kind).map_err(named)?;
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend(warnings);
        Ok(kind)
    }

    /// From now on `kind`, which a handle is about to use, learns what is recorded.
    pub(crate) fn follow(&self, catalog: &Catalog, kind: &Arc<Kind>) {
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = kinds.get_mut(&kind.number()) {
            entry.follow(kind);
        }
        kind.learn(recorded(catalog, kind.number()));
    }

    /// The kind with this number, as declared or as the store knows it.
    pub(crate) fn resolve(&self, catalog: &Catalog, number: u32) -> Result<Arc<Kind>, Error> {
        let known = self.get(number);
        if let Some(kind) = known.as_ref().filter(|kind| kind.is_declared()) {
            return Ok(Arc::clone(kind));
        }
        let family = catalog.family(number).into_iter();
        if let Some(kind) = family.filter_map(|number| self.get(number)).find(|kind| kind.is_declared()) {
            return Ok(kind);
        }
        if let Some(kind) = known {
            return Ok(kind);
        }
        let name = catalog.kind_name(number).ok_or_else(|| missing_kind(number))?;
        let kind = Kind::stored(number, &name)?;
        kind.learn(recorded(catalog, number));
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(&kinds.entry(number).or_insert_with(|| Entry::new(Arc::new(kind))).newest))
    }

    /// Learns what has been recorded of a kind since it was declared or met.
    pub(crate) fn learn(&self, catalog: &Catalog, number: u32) {
        let family = catalog.family(number);
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        for number in std::iter::once(&number).chain(&family) {
            if let Some(entry) = kinds.get(number) {
                entry.learn(&recorded(catalog, *number));
            }
        }
    }

    /// Warns of something, once.
    pub(crate) fn warn(&self, warning: Warning) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    pub(crate) fn warnings(&self) -> Vec<Warning> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn get(&self, number: u32) -> Option<Arc<Kind>> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        kinds.get(&number).map(|entry| Arc::clone(&entry.newest))
    }
}
