//! The kinds a program has to do with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use crate::catalog::catalog::Catalog;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
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

    fn kinds(&self) -> impl Iterator<Item = Arc<Kind>> {
        std::iter::once(Arc::clone(&self.newest)).chain(self.others.iter().filter_map(Weak::upgrade))
    }

    /// Each of the declarations learns every name that the kind has had, and what has been recorded under them.
    fn learn(&self, catalog: &Catalog) {
        self.kinds().for_each(|kind| teach(catalog, &kind));
    }
}

/// Every name that the kind has had, and what has been recorded under them.
fn teach(catalog: &Catalog, kind: &Kind) {
    if kind.is_declared() {
        let family = catalog.family(kind.number()).into_iter();
        family.filter_map(|number| catalog.kind_name(number)).for_each(|name| kind.alias(&name));
    }
    kind.learn(recorded(catalog, kind.number()));
}

impl Registry {
    /// Declares how a kind evolves. The same declaration twice is one; another one is refused, unless it `may_extend` the first
    /// by further steps, and leaves no trace. Of a declaration that says more of lists than the first, both are kept: each handle has its own.
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
        // A name is one of its own whether that is said or not.
        let aliases = || declaration.aliases.iter().copied().filter(|alias| *alias != name);
        let known = catalog.find_kind(name);
        if let Some(number) = known {
            let mine = |alias| catalog.find_kind(alias).and_then(|alias| taken.get(&alias)) == Some(&number);
            let declared = self.find(number, &declaration).map_err(named)?;
            if let Some(kind) = declared.filter(|_| aliases().all(mine)) {
                return Ok(kind);
            }
        }
        // What makes no sense leaves no trace: nothing is written before everything has been looked at.
        std::iter::once(name).chain(aliases()).try_for_each(|name| catalog.check_kind(name))?;
        let others = |alias: u32| {
            let declared = self.get(alias).is_some_and(|kind| kind.is_declared());
            declared || taken.get(&alias).is_some_and(|kind| Some(*kind) != known)
        };
        if known.is_some_and(|number| taken.contains_key(&number))
            || aliases().filter_map(|alias| catalog.find_kind(alias)).any(others)
        {
            let message = "two kinds of this program have a name in common, one of them as an alias";
            return Err(named(Error::new(ErrorKind::InvalidEvolution, message)));
        }
        let kind = Kind::declared(known.unwrap_or_default(), &declaration, catalog.collection_names())
            .map_err(named)?;
        let before = known.and_then(|number| self.get(number)).filter(|known| known.is_declared());
        if let Some(before) = before.filter(|before| before.current() != kind.current()) {
            let extends =
                kind.steps().iter().any(|step| step.stamp == before.current()) || before.steps().is_empty();
            if !(may_extend && extends) {
                return Err(named(Error::new(
                    ErrorKind::InvalidEvolution,
                    "the kind has been declared with other steps in this program",
                )));
            }
        }
        let number = catalog.kind(engine, name)?;
        let aliases = aliases().map(|alias| catalog.kind(engine, alias)).collect::<Result<Vec<_>, _>>()?;
        catalog.add_aliases(engine, name, &aliases).map_err(named)?;
        taken.extend(aliases.iter().map(|alias| (*alias, number)));
        catalog.record(engine, number, kind.steps()).map_err(named)?;
        let declared = self.find(number, &declaration).map_err(named)?;
        let kind = declared.unwrap_or_else(|| Arc::new(kind.numbered(number)));
        self.enter(catalog, &kind);
        let warnings = history::review(engine, catalog, &kind).map_err(named)?;
        self.review(name, warnings);
        Ok(kind)
    }

    /// What has been declared already of what `declaration` says: by the newest declaration, or by another that handles use.
    fn find(&self, number: u32, declaration: &Declaration<'_>) -> Result<Option<Arc<Kind>>, Error> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = kinds.get(&number) else { return Ok(None) };
        for kind in entry.kinds().filter(|kind| kind.current() == entry.newest.current()) {
            if kind.is(declaration)? {
                return Ok(Some(kind));
            }
        }
        Ok(None)
    }

    /// From now on handles get `kind`. Whoever has another declaration of it learns what is known now.
    fn enter(&self, catalog: &Catalog, kind: &Arc<Kind>) {
        let number = kind.number();
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        let entry = kinds.entry(number).or_insert_with(|| Entry::new(Arc::clone(kind)));
        if !entry.kinds().any(|known| Arc::ptr_eq(&known, kind)) {
            let before = std::mem::replace(&mut entry.newest, Arc::clone(kind));
            entry.follow(&before);
        }
        entry.learn(catalog);
    }

    /// What was said before of the documents of the kind is so no longer, or is said again.
    fn review(&self, name: &str, news: Vec<Warning>) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.retain(|warning| warning.is_of_steps() || warning.kind() != Some(name));
        warnings.extend(news);
    }

    /// From now on `kind`, which a handle is about to use, learns what is recorded.
    pub(crate) fn follow(&self, catalog: &Catalog, kind: &Arc<Kind>) {
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = kinds.get_mut(&kind.number()) {
            entry.follow(kind);
        }
        teach(catalog, kind);
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
        let kind = Kind::stored(number, &name, catalog.collection_names())?;
        kind.learn(recorded(catalog, number));
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(&kinds.entry(number).or_insert_with(|| Entry::new(Arc::new(kind))).newest))
    }

    /// Learns what has been recorded of a kind, and of its other names, since it was declared or met.
    pub(crate) fn learn(&self, catalog: &Catalog, number: u32) {
        let family = catalog.family(number);
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        for number in std::iter::once(&number).chain(&family) {
            if let Some(entry) = kinds.get(number) {
                entry.learn(catalog);
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
