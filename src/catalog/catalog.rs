//! The catalog.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Value, json};

use crate::catalog::entry;
use crate::catalog::names::CollectionNames;
use crate::encoding::envelope::record::Head;
use crate::encoding::key::catalog::{CatalogKey, Section};
use crate::encoding::key::document;
use crate::encoding::key::error::KeyError;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::evolution::history::Recorded;
use crate::model::name;
use crate::model::stamp::{Fingerprint, Stamp};
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Commit, Durability, Expected, Read};
use crate::storage::commit::engine::Engine;
use crate::storage::commit::error::StorageError;
use crate::stored::entries::Entries;
use crate::stored::record::Record;
use crate::stored::state::{Held, State as _};
use crate::stored::write;

/// Collections, kinds and recorded steps of a store, held in memory whole: they grow with the program, not with its data.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    state: RwLock<State>,
    /// Those of the state again, for kinds.
    collection_names: Arc<CollectionNames>,
    /// Held while something is added, so that two threads do not number the same name.
    adding: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    collections: Numbered,
    kinds: Numbered,
    /// By kind, the numbers of the names it has had before.
    aliases: BTreeMap<u32, BTreeSet<u32>>,
    steps: BTreeMap<(u32, Stamp), Step>,
    damaged: Vec<Damaged>,
}

/// An entry that cannot be read.
#[derive(Debug, Clone)]
pub(crate) struct Damaged {
    section: Section,
    /// What it is about, as far as its key tells.
    pub(crate) entry: String,
    pub(crate) because: String,
    /// Of which step it is.
    step: Option<(u32, Stamp)>,
}

impl Damaged {
    fn error(&self, message: &'static str) -> Error {
        Error::new(ErrorKind::Corrupt, message)
            .with_detail("entry", &self.entry)
            .with_detail("because", &self.because)
    }
}

impl State {
    /// Fails where a name that is not known may be one that could not be read: it may have a number, and documents under it.
    fn check_may_add(&self, names: Names) -> Result<(), Error> {
        match self.damaged.iter().find(|damaged| damaged.section == names.section()) {
            Some(damaged) => Err(damaged.error("a name in the catalog is damaged, and may be this one")),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone)]
struct Step {
    parent: Fingerprint,
    step: Value,
}

/// Names and their numbers.
#[derive(Debug, Default)]
struct Numbered {
    numbers: BTreeMap<String, u32>,
    names: HashMap<u32, String>,
}

impl Numbered {
    fn insert(&mut self, name: &str, number: u32) {
        self.numbers.insert(name.to_owned(), number);
        self.names.insert(number, name.to_owned());
    }
}

/// Which of the two kinds of names.
#[derive(Debug, Clone, Copy)]
enum Names {
    Collections,
    Kinds,
}

impl Names {
    const fn section(self) -> Section {
        match self {
            Self::Collections => Section::Collections,
            Self::Kinds => Section::Kinds,
        }
    }

    const fn key(self, name: &str) -> CatalogKey<'_> {
        match self {
            Self::Collections => CatalogKey::Collection(name),
            Self::Kinds => CatalogKey::Kind(name),
        }
    }

    fn of(self, state: &State) -> &Numbered {
        match self {
            Self::Collections => &state.collections,
            Self::Kinds => &state.kinds,
        }
    }

    fn of_mut(self, state: &mut State) -> &mut Numbered {
        match self {
            Self::Collections => &mut state.collections,
            Self::Kinds => &mut state.kinds,
        }
    }
}

impl Catalog {
    /// Reads the whole catalog of a store.
    pub(crate) fn load(engine: &Engine) -> Result<Self, Error> {
        Self::read(&Held::Snapshot(Arc::new(engine.snapshot())))
    }

    /// Reads the whole catalog of one state of a store.
    pub(crate) fn read(held: &Held) -> Result<Self, Error> {
        let mut state = State::default();
        for section in [Section::Collections, Section::Kinds, Section::Steps] {
            for_each_entry(held, section, |key, entry| {
                let because = match entry.and_then(|entry| state.take(key?, &entry)) {
                    Err(error) if error.kind() == ErrorKind::Corrupt => error.to_string(),
                    taken => return taken,
                };
                let step = match key {
                    Ok(CatalogKey::Step { kind, stamp }) => Some((kind, stamp)),
                    _ => None,
                };
                let entry = key.map_or_else(|_| format!("a key in {section:?}"), |key| format!("{key:?}"));
                state.damaged.push(Damaged { section, entry, because, step });
                Ok(())
            })?;
        }
        let collection_names = Arc::<CollectionNames>::default();
        for (number, name) in &state.collections.names {
            collection_names.insert(*number, name);
        }
        Ok(Self { state: RwLock::new(state), collection_names, adding: Mutex::default() })
    }

    /// The entries that could not be read.
    pub(crate) fn damaged(&self) -> Vec<Damaged> {
        self.state().damaged.clone()
    }

    /// Fails where an entry could not be read.
    pub(crate) fn check_whole(&self) -> Result<(), Error> {
        match self.state().damaged.first() {
            Some(damaged) => {
                Err(damaged.error("the catalog is damaged, so that the store is not known whole"))
            }
            None => Ok(()),
        }
    }

    /// Fails where an entry of a name could not be read.
    pub(crate) fn check_names(&self) -> Result<(), Error> {
        let state = self.state();
        match state.damaged.iter().find(|damaged| damaged.section != Section::Steps) {
            Some(damaged) => {
                Err(damaged.error("a name in the catalog is damaged, so that documents are not known by it"))
            }
            None => Ok(()),
        }
    }

    /// Fails where a step could not be read that may be one of these kinds.
    pub(crate) fn check_steps(&self, mut kinds: impl FnMut(u32) -> bool) -> Result<(), Error> {
        let state = self.state();
        let mut damaged = state.damaged.iter().filter(|damaged| damaged.section == Section::Steps);
        match damaged.find(|damaged| damaged.step.is_none_or(|(kind, _)| kinds(kind))) {
            Some(damaged) => Err(damaged.error("a step in the catalog is damaged")),
            None => Ok(()),
        }
    }

    /// The number of a collection, which is made if there is none of this name.
    pub(crate) fn collection(&self, engine: &Engine, name: &str) -> Result<u32, Error> {
        self.number(engine, Names::Collections, name).map_err(|error| error.with_collection(name))
    }

    /// What collections are called, now and later.
    pub(crate) fn collection_names(&self) -> Arc<CollectionNames> {
        Arc::clone(&self.collection_names)
    }

    /// The number of a kind, which is made if there is none of this name.
    pub(crate) fn kind(&self, engine: &Engine, name: &str) -> Result<u32, Error> {
        self.number(engine, Names::Kinds, name).map_err(|error| error.with_document_kind(name))
    }

    /// Fails where [`kind`](Self::kind) would make none of this name.
    pub(crate) fn check_kind(&self, name: &str) -> Result<(), Error> {
        if self.find_kind(name).is_some() {
            return Ok(());
        }
        let checked = check_name(name).and_then(|()| self.state().check_may_add(Names::Kinds));
        checked.map_err(|error| error.with_document_kind(name))
    }

    /// The collections by name.
    pub(crate) fn collections(&self) -> Vec<(String, u32)> {
        let state = self.state();
        state.collections.numbers.iter().map(|(name, number)| (name.clone(), *number)).collect()
    }

    /// The kinds by name.
    pub(crate) fn kinds(&self) -> Vec<(String, u32)> {
        let state = self.state();
        state.kinds.numbers.iter().map(|(name, number)| (name.clone(), *number)).collect()
    }

    /// The name of the kind with this number.
    pub(crate) fn kind_name(&self, number: u32) -> Option<String> {
        self.state().kinds.names.get(&number).cloned()
    }

    /// The number of the kind of this name, if there is one.
    pub(crate) fn find_kind(&self, name: &str) -> Option<u32> {
        self.state().kinds.numbers.get(name).copied()
    }

    /// The other numbers of the same kind: of names it has had before, and of such as newer programs have given it.
    pub(crate) fn family(&self, kind: u32) -> Vec<u32> {
        let state = self.state();
        if state.aliases.is_empty() {
            return Vec::new();
        }
        let mut family = BTreeSet::from([kind]);
        loop {
            let count = family.len();
            for (name, aliases) in &state.aliases {
                if family.contains(name) || !family.is_disjoint(aliases) {
                    family.insert(*name);
                    family.extend(aliases);
                }
            }
            if family.len() == count {
                break;
            }
        }
        family.remove(&kind);
        family.into_iter().collect()
    }

    /// The numbers of names that a kind is recorded to have had besides.
    pub(crate) fn aliases(&self, kind: u32) -> Vec<u32> {
        self.state().aliases.get(&kind).into_iter().flatten().copied().collect()
    }

    /// Records that a kind has had other names, so that programs which know it by one of those find its documents.
    pub(crate) fn add_aliases(&self, engine: &Engine, name: &str, aliases: &[u32]) -> Result<(), Error> {
        let kind = self.kind(engine, name)?;
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.state().aliases.get(&kind).cloned().unwrap_or_default();
        let all: BTreeSet<u32> =
            known.iter().chain(aliases).copied().filter(|alias| *alias != kind).collect();
        if all == known {
            return Ok(());
        }
        let key = CatalogKey::Kind(name).encode();
        let (read, chunks) = head(engine, &key)?;
        let sealed = entry::seal(&key, json!({ "number": kind, "aliases": all }))?;
        let mut commit = Commit::default();
        commit.check(key.as_slice(), Expected::Unchanged(read));
        write::put(&mut commit, key, sealed, chunks);
        self.commit(engine, commit)?;
        self.state_mut().aliases.insert(kind, all);
        Ok(())
    }

    /// Takes steps out, unless one of `counters` counts something; gives whether they were.
    pub(crate) fn forget_steps(
        &self,
        engine: &Engine,
        steps: &[(u32, Stamp)],
        counters: &[Vec<u8>],
    ) -> Result<bool, Error> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        // Documents may need them that the counters are not asked for.
        if self.check_whole().is_err() {
            return Ok(false);
        }
        let mut commit = Commit::default();
        for (kind, stamp) in steps {
            let key = CatalogKey::Step { kind: *kind, stamp: *stamp }.encode();
            let (read, chunks) = head(engine, &key)?;
            commit.check(key.as_slice(), Expected::Unchanged(read));
            write::remove(&mut commit, key, chunks);
        }
        for counter in counters {
            // A counter at zero takes no key.
            commit.check(counter.as_slice(), Expected::Absent);
        }
        match engine.commit(commit, Durability::Buffered) {
            Ok(_) => {}
            Err(StorageError::CheckFailed { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let mut state = self.state_mut();
        for step in steps {
            state.steps.remove(step);
        }
        Ok(true)
    }

    /// Every step that any program has declared for the kind.
    pub(crate) fn recorded(&self, kind: u32) -> Vec<Recorded> {
        let from = Stamp { schema_version: 0, fingerprint: Fingerprint::new(0) };
        let to = Stamp { schema_version: u32::MAX, fingerprint: Fingerprint::new(u64::MAX) };
        let state = self.state();
        let steps = state.steps.range((kind, from)..=(kind, to));
        steps
            .map(|((_, stamp), Step { parent, step })| Recorded {
                stamp: *stamp,
                parent: *parent,
                step: step.clone(),
            })
            .collect()
    }

    /// Whether a program has declared a step to `stamp` for the kind.
    pub(crate) fn has_step(&self, kind: u32, stamp: Stamp) -> bool {
        self.state().steps.contains_key(&(kind, stamp))
    }

    /// Records those of a program's steps that are not recorded yet.
    pub(crate) fn record(&self, engine: &Engine, kind: u32, declared: Vec<Recorded>) -> Result<(), Error> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = {
            let state = self.state();
            declared.into_iter().filter(|step| !state.steps.contains_key(&(kind, step.stamp))).collect()
        };
        if new.is_empty() {
            return Ok(());
        }
        // The stamp is that of the step's content, so this is what stood in a damaged entry. That stays as it is.
        let damaged: BTreeSet<_> = self.state().damaged.iter().filter_map(|damaged| damaged.step).collect();
        let mut commit = Commit::default();
        for step in new.iter().filter(|step| !damaged.contains(&(kind, step.stamp))) {
            let key = CatalogKey::Step { kind, stamp: step.stamp }.encode();
            add(&mut commit, key, step.entry())?;
        }
        if !commit.writes.is_empty() {
            self.commit(engine, commit)?;
        }
        let mut state = self.state_mut();
        for Recorded { stamp, parent, step } in new {
            state.steps.insert((kind, stamp), Step { parent, step });
        }
        Ok(())
    }

    fn number(&self, engine: &Engine, names: Names, name: &str) -> Result<u32, Error> {
        if let Some(number) = names.of(&self.state()).numbers.get(name) {
            return Ok(*number);
        }
        check_name(name)?;
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = names.of(&self.state()).numbers.get(name) {
            return Ok(*number);
        }
        self.state().check_may_add(names)?;
        // Numbers are given in order and never given back, so the next one follows the largest.
        let largest = names.of(&self.state()).names.keys().copied().max().unwrap_or(0);
        let number = largest
            .checked_add(1)
            .ok_or_else(|| Error::new(ErrorKind::TooLarge, "there are no more numbers for names"))?;
        let mut commit = Commit::default();
        add(&mut commit, names.key(name).encode(), json!({ "number": number }))?;
        self.commit(engine, commit)?;
        if matches!(names, Names::Collections) {
            self.collection_names.insert(number, name);
        }
        names.of_mut(&mut self.state_mut()).insert(name, number);
        Ok(number)
    }

    /// Without waiting for the medium: whatever relies on the entry is committed after it, and cannot be there without it.
    fn commit(&self, engine: &Engine, commit: Commit) -> Result<(), Error> {
        engine.commit(commit, Durability::Buffered)?;
        Ok(())
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, key: CatalogKey<'_>, value: &Value) -> Result<(), Error> {
        let taken = match key {
            CatalogKey::Collection(name) => {
                number_of(value).map(|number| self.collections.insert(name, number))
            }
            CatalogKey::Kind(name) => number_of(value).zip(aliases_of(value)).map(|(number, aliases)| {
                self.kinds.insert(name, number);
                if !aliases.is_empty() {
                    self.aliases.insert(number, aliases);
                }
            }),
            CatalogKey::Step { kind, stamp } => step_of(value).map(|step| {
                self.steps.insert((kind, stamp), step);
            }),
            // Of a section that is read by those whose it is.
            CatalogKey::Generation(_) => Some(()),
        };
        taken.ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "a catalog entry is malformed")
                .with_detail("entry", format!("{key:?}"))
        })
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    match name::flaw(name) {
        None => Ok(()),
        Some(flaw) => Err(Error::new(ErrorKind::InvalidName, "the name cannot be used")
            .with_detail("name", format!("{name:?}"))
            .with_detail("because", flaw)),
    }
}

fn number_of(entry: &Value) -> Option<u32> {
    entry.get("number")?.as_u64()?.try_into().ok()
}

/// Of a kind; none where nothing is said of them.
fn aliases_of(entry: &Value) -> Option<BTreeSet<u32>> {
    let Some(aliases) = entry.get("aliases") else { return Some(BTreeSet::new()) };
    aliases.as_array()?.iter().map(|alias| alias.as_u64()?.try_into().ok()).collect()
}

fn step_of(entry: &Value) -> Option<Step> {
    let parent = u64::from_str_radix(entry.get("parent")?.as_str()?, 16).ok()?;
    Some(Step { parent: Fingerprint::new(parent), step: entry.get("step")?.clone() })
}

/// What is at the key of an entry, and how many chunks it has besides.
fn head(engine: &Engine, key: &[u8]) -> Result<(Read, u32), Error> {
    let read = engine.read(key)?;
    let chunks = match &read.value {
        Some(value) => Head::decode(key, value)?.chunks(),
        None => 0,
    };
    Ok((read, chunks))
}

/// Adds an entry that must not be there yet.
fn add(commit: &mut Commit, key: Vec<u8>, entry: Value) -> Result<(), Error> {
    let sealed = entry::seal(&key, entry)?;
    commit.check(key.as_slice(), Expected::Absent);
    write::put(commit, key, sealed, 0);
    Ok(())
}

/// Gives each entry, or what is wrong with it: its key, or what is there.
pub(crate) fn for_each_entry(
    held: &Held,
    section: Section,
    mut take: impl FnMut(Result<CatalogKey<'_>, KeyError>, Result<Value, Error>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut entries = Entries::within(held, section.span());
    let mut head: Option<Bytes> = None;
    while let Some((key, value)) = entries.next()? {
        let parsed = CatalogKey::parse(&key);
        let entry_key = match parsed {
            Ok((entry, 0)) => Ok(entry),
            Ok(_) if key.split_last_chunk::<4>().is_some_and(|(of, _)| head.as_deref() == Some(of)) => {
                continue;
            }
            Ok((entry, _)) => {
                let lost = Error::new(ErrorKind::Corrupt, "chunks of a catalog entry have no head");
                take(Ok(entry), Err(lost))?;
                continue;
            }
            Err(error) => Err(error),
        };
        let record = Record::from_chunks(&key, &value, |number| {
            Ok::<Option<Bytes>, Error>(held.get(&document::chunk_key(&key, number))?)
        });
        let entry = record.and_then(|record| Ok(entry::open(&record)?));
        // What a newer release has written is not damaged.
        let entry = entry.map_err(|error| error.with_detail("entry", key.escape_ascii()));
        take(entry_key, entry)?;
        head = Some(key);
    }
    Ok(())
}
