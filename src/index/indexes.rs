//! All indexes of a store.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use serde_json::{Value, json};

use crate::catalog::catalog::for_each_entry;
use crate::catalog::entry;
use crate::encoding::key::catalog::{CatalogKey, Section};
use crate::encoding::key::index::{self, Mark};
use crate::encoding::key::space::{Space, Span};
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::index::flags::Flags;
use crate::index::generation::{Generation, Live};
use crate::index::rules::{Rule, Rules};
use crate::index::state::{IndexState, Status};
use crate::index::throttle::Throttle;
use crate::record::kind::Kind;
use crate::storage::backend::{Direction, KeyRange, PageLimit};
use crate::storage::commit::commit::Commit;
use crate::storage::commit::engine::Engine;
use crate::stored::entries::Entries;
use crate::stored::state::{Held, State as _};
use crate::stored::write;

/// What gives kinds by their numbers: as the program has declared them, or as the store knows them.
pub(crate) trait Kinds {
    fn kind(&self, number: u32) -> Result<Arc<Kind>, Error>;

    /// The other numbers of the same kind: of other names that it has had, be it in other programs.
    fn family(&self, number: u32) -> Vec<u32>;

    /// Whether the kind may have steps of which nobody knows, since their entries are damaged.
    fn lacks_steps(&self, number: u32) -> bool;

    /// Whether other programs have declared steps of the kind, and this one has not declared it, or not yet: in which shape it will see documents is not known.
    fn is_foreign(&self, kind: &Kind) -> bool;
}

/// What indexes work with.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) engine: &'c Engine,
    pub(crate) kinds: &'c dyn Kinds,
    pub(crate) building: Building,
}

/// How indexes are built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Building {
    /// Where there are at most so many documents: at once.
    pub(crate) at_once: u64,
    /// Documents of one commit.
    pub(crate) batch: usize,
    /// How much of its time the thread that does it works.
    pub(crate) throttle: Throttle,
}

impl Default for Building {
    fn default() -> Self {
        Self { at_once: 500, batch: 64, throttle: Throttle::default() }
    }
}

/// Every generation of a store.
#[derive(Debug, Default)]
pub(crate) struct Indexes {
    /// Locked for as long as it takes to look or to put: who reads waits for no commit.
    sets: RwLock<Arc<Sets>>,
    /// Held for reading by every write, from before it looks at what is to be kept up until it has been applied; and for writing while that changes.
    writing: RwLock<()>,
    /// Held while generations are made, changed and removed.
    changing: Mutex<()>,
    /// What could not be read, and why.
    damaged: Vec<(String, String)>,
    pub(crate) rules: Rules,
}

#[derive(Debug, Clone, Default)]
struct Sets {
    all: BTreeMap<u32, Arc<Generation>>,
    /// Those that writes keep up, by collection.
    maintained: HashMap<u32, Arc<[Arc<Generation>]>>,
    /// The largest number that has been given.
    numbered: u32,
    /// Grows whenever what is maintained changes.
    epoch: u64,
}

/// What is maintained does not change while this lives: from before a write looks at it until the write has been applied. Not to be held while the medium is
/// waited for.
#[derive(Debug)]
pub(crate) struct Gate<'g> {
    sets: Arc<Sets>,
    _writing: RwLockReadGuard<'g, ()>,
}

impl Gate<'_> {
    /// What is to be kept up in a collection; `None`: nothing.
    pub(crate) fn of(&self, collection: u32) -> Option<&Arc<[Arc<Generation>]>> {
        self.sets.maintained.get(&collection)
    }

    /// Grows whenever what is maintained changes.
    pub(crate) fn epoch(&self) -> u64 {
        self.sets.epoch
    }
}

impl Indexes {
    /// Reads them all.
    pub(crate) fn load(engine: &Engine) -> Result<Self, Error> {
        let held = Held::Snapshot(Arc::new(engine.snapshot()));
        let mut loaded = Loaded::default();
        for_each_entry(&held, Section::Generations, |key, entry| {
            let number = match key {
                Ok(CatalogKey::Generation(number)) => number,
                Ok(_) => return Ok(()),
                Err(error) => {
                    loaded.damaged(format!("a key in {:?}", Section::Generations), &error.into());
                    return Ok(());
                }
            };
            let taken = entry.and_then(|json| loaded.take(&held, number, &json));
            if let Err(error) = taken.map(Ok).or_else(only_corrupt)? {
                loaded.is_lost(&held, number, &error)?;
            }
            Ok(())
        })?;
        let Loaded { mut sets, damaged, unsure } = loaded;
        // What is written from now on does not keep them up: that must be known to whoever can read them after all.
        let mut commit = Commit::default();
        for number in unsure {
            Status::new(IndexState::Unmaintained, engine.published()).put(&mut commit, number)?;
        }
        if !commit.writes.is_empty() {
            engine.apply(commit)?;
        }
        sets.arrange();
        Ok(Self { sets: RwLock::new(Arc::new(sets)), damaged, ..Self::default() })
    }

    /// What could not be read when the store was opened: what it is about, and why.
    pub(crate) fn damaged(&self) -> Vec<(String, String)> {
        self.damaged.clone()
    }

    /// The generations of which nobody knows any more what they were; without those on their way out.
    pub(crate) fn lost(&self) -> Vec<Arc<Generation>> {
        self.of(LOST)
    }

    /// Begins a write. Waits for whoever changes what is maintained.
    pub(crate) fn enter(&self) -> Gate<'_> {
        let writing = self.writing.read().unwrap_or_else(PoisonError::into_inner);
        Gate { sets: self.sets(), _writing: writing }
    }

    /// What there is now. Waits for nobody.
    fn sets(&self) -> Arc<Sets> {
        Arc::clone(&self.sets.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Grows whenever what is maintained changes. Waits for nobody.
    pub(crate) fn epoch(&self) -> u64 {
        self.sets().epoch
    }

    /// Held while somebody decides what generations there shall be.
    pub(crate) fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All generations, by number.
    pub(crate) fn all(&self) -> Vec<Arc<Generation>> {
        self.sets().all.values().cloned().collect()
    }

    /// Those of a collection, by number; without those on their way out.
    pub(crate) fn of(&self, collection: u32) -> Vec<Arc<Generation>> {
        let sets = self.sets();
        let of = sets.all.values().filter(|generation| generation.collection == collection);
        of.filter(|generation| generation.live.state() != IndexState::Dropped).cloned().collect()
    }

    /// The number of the next generation.
    pub(crate) fn next_number(&self) -> Result<u32, Error> {
        let sets = self.sets();
        let largest = sets.all.last_key_value().map_or(0, |(number, _)| *number).max(sets.numbered);
        largest
            .checked_add(1)
            .ok_or_else(|| Error::new(ErrorKind::TooLarge, "there are no more numbers for indexes"))
    }

    /// Makes a generation that is to be built. No write is under way that does not keep it up when this returns.
    pub(crate) fn add(&self, engine: &Engine, generation: Generation) -> Result<Arc<Generation>, Error> {
        self.with_sets(|sets| {
            let generation = Arc::new(generation);
            generation.live.rules.follow(&self.rules);
            let mut commit = Commit::default();
            put_entry(&mut commit, 0, json!({ "generation": generation.number }))?;
            put_entry(&mut commit, generation.number, generation.to_json())?;
            Status::new(IndexState::Building, engine.published()).put(&mut commit, generation.number)?;
            engine.apply(commit)?;
            sets.numbered = generation.number;
            sets.all.insert(generation.number, Arc::clone(&generation));
            Ok(generation)
        })
    }

    /// Puts what has been changed of a generation beside its entries in the place of the generation.
    pub(crate) fn replace(&self, engine: &Engine, generation: Generation) -> Result<Arc<Generation>, Error> {
        self.with_sets(|sets| sets.replace(engine, generation))
    }

    /// As [`replace`](Self::replace), with what is made while nobody writes, if anything is.
    pub(crate) fn replace_if(
        &self,
        engine: &Engine,
        make: impl FnOnce() -> Result<Option<Generation>, Error>,
    ) -> Result<Option<Arc<Generation>>, Error> {
        self.with_sets(|sets| make()?.map(|generation| sets.replace(engine, generation)).transpose())
    }

    /// Brings a generation into a state that a build does not lead to.
    pub(crate) fn set_state(
        &self,
        engine: &Engine,
        generation: &Generation,
        state: IndexState,
    ) -> Result<(), Error> {
        self.with_sets(|_| {
            if generation.live.state() == state || generation.live.state() == IndexState::Dropped {
                return Ok(());
            }
            if state != IndexState::Unmaintained || !generation.live.rules.is_broken(Rule::Record) {
                let mut commit = Commit::default();
                Status::new(state, engine.published()).put(&mut commit, generation.number)?;
                engine.apply(commit)?;
            }
            generation.live.set_state(state);
            Ok(())
        })
    }

    /// Notes, before the first write that does not keep it up, that a generation is no longer maintained. Does nothing where somebody has declared it since it was said to be
    /// beyond this program, when it was `enforced` or not: he relies on it, and the write has to be looked at again.
    pub(crate) fn give_up(
        &self,
        engine: &Engine,
        generation: &Arc<Generation>,
        enforced: bool,
    ) -> Result<(), Error> {
        let _changing = self.change();
        let is_same = self.sets().all.get(&generation.number).is_some_and(|now| Arc::ptr_eq(now, generation));
        let live = &generation.live;
        if is_same && live.is_enforced() == enforced && live.state().is_maintained() {
            self.set_state(engine, generation, IndexState::Unmaintained)?;
        }
        Ok(())
    }

    /// Forgets a generation none of whose keys is left.
    pub(crate) fn forget(&self, engine: &Engine, number: u32) -> Result<(), Error> {
        self.with_sets(|sets| {
            let key = CatalogKey::Generation(number).encode();
            let mut commit = Commit::default();
            // With its chunks; of a damaged one it cannot be told how many there are.
            let held = Held::Snapshot(Arc::new(engine.snapshot()));
            let mut entries = Entries::within(&held, Span::prefix(&key));
            while let Some((key, _)) = entries.next()? {
                commit.remove(key);
            }
            commit.remove(index::state(number));
            engine.apply(commit)?;
            sets.all.remove(&number);
            Ok(())
        })
    }

    /// Nobody writes meanwhile; who reads goes on.
    fn with_sets<T>(&self, change: impl FnOnce(&mut Sets) -> Result<T, Error>) -> Result<T, Error> {
        let _writing = self.writing.write().unwrap_or_else(PoisonError::into_inner);
        let mut sets = (*self.sets()).clone();
        let changed = change(&mut sets)?;
        sets.arrange();
        *self.sets.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(sets);
        Ok(changed)
    }
}

/// The collection of generations whose entries are damaged: none has this number.
const LOST: u32 = 0;

/// What is being read.
#[derive(Default)]
struct Loaded {
    sets: Sets,
    damaged: Vec<(String, String)>,
    /// Generations that may be stored as ones that are kept up, and are not.
    unsure: Vec<u32>,
}

impl Loaded {
    fn take(&mut self, held: &Held, number: u32, json: &Value) -> Result<(), Error> {
        if number == 0 {
            self.sets.numbered = largest_number(json)?;
            return Ok(());
        }
        let known = status(held, number).and_then(|status| {
            let state = status.map_or(IndexState::Dropped, |status| status.state);
            Ok(Live::new(state, flags(held, number)?))
        });
        let live = match known.map(Ok).or_else(only_corrupt)? {
            Ok(live) => live,
            Err(error) => {
                // How far it has come is not known, so that it is of no use, and is built anew by whoever declares it.
                self.damaged(format!("the state of index {number}"), &error);
                self.unsure.push(number);
                Live::new(IndexState::Unmaintained, Flags::default())
            }
        };
        self.sets.all.insert(number, Arc::new(Generation::from_json(number, json, live)?));
        Ok(())
    }

    /// An entry cannot be read.
    fn is_lost(&mut self, held: &Held, number: u32, error: &Error) -> Result<(), Error> {
        self.damaged(format!("{:?}", CatalogKey::Generation(number)), error);
        if number == 0 {
            // No number may be given that has keys.
            for space in [Space::Entries, Space::Reservations, Space::Reverse, Space::States, Space::Marks] {
                let span = space.span();
                let range = KeyRange { start: span.start, end: Some(span.end) };
                let last = held.page(&range, Direction::Backward, PageLimit { entries: 1, bytes: 1 })?;
                let number = last.entries.first().and_then(|(key, _)| index::number_of(key));
                self.sets.numbered = self.sets.numbered.max(number.unwrap_or(0));
            }
        } else {
            let status = status(held, number).map(Ok).or_else(only_corrupt)?;
            if !status.is_ok_and(|status| status.is_none_or(|status| !status.state.is_maintained())) {
                self.unsure.push(number);
            }
            self.sets.all.insert(number, Arc::new(Generation::lost(number, LOST)));
        }
        Ok(())
    }

    fn damaged(&mut self, entry: String, error: &Error) {
        self.damaged.push((entry, error.to_string()));
    }
}

/// The largest number that has been given, as the catalog has it.
fn largest_number(json: &Value) -> Result<u32, Error> {
    let largest = json.get("generation").and_then(|number| number.as_u64()?.try_into().ok());
    largest.ok_or_else(|| Error::new(ErrorKind::Corrupt, "the number of indexes is malformed"))
}

/// How many entries of indexes the catalog of one state has that are damaged: those that make no index when it is [loaded](Indexes::load).
pub(crate) fn count_damaged(held: &Held) -> Result<u64, Error> {
    let mut damaged = 0_u64;
    for_each_entry(held, Section::Generations, |key, entry| {
        let read = key.map_err(Error::from).and_then(|key| match (key, entry?) {
            (CatalogKey::Generation(0), json) => largest_number(&json).map(drop),
            (CatalogKey::Generation(number), json) => {
                let live = Live::new(IndexState::Unmaintained, Flags::default());
                Generation::from_json(number, &json, live).map(drop)
            }
            _ => Ok(()),
        });
        damaged += u64::from(read.map(Ok).or_else(only_corrupt)?.is_err());
        Ok(())
    })?;
    Ok(damaged)
}

/// `Ok` with what is damaged; any other error stays one.
fn only_corrupt<T>(error: Error) -> Result<Result<T, Error>, Error> {
    if error.kind() == ErrorKind::Corrupt { Ok(Err(error)) } else { Err(error) }
}

impl Sets {
    fn replace(&mut self, engine: &Engine, generation: Generation) -> Result<Arc<Generation>, Error> {
        let generation = Arc::new(generation);
        let mut commit = Commit::default();
        put_entry(&mut commit, generation.number, generation.to_json())?;
        engine.apply(commit)?;
        self.all.insert(generation.number, Arc::clone(&generation));
        Ok(generation)
    }

    fn arrange(&mut self) {
        let mut maintained: HashMap<u32, Vec<Arc<Generation>>> = HashMap::new();
        for generation in self.all.values().filter(|generation| generation.live.state().is_maintained()) {
            maintained.entry(generation.collection).or_default().push(Arc::clone(generation));
        }
        // A removal that has come to its end, say, is nothing to transactions that are under way.
        let is_known = |(number, of): (&u32, &Vec<Arc<Generation>>)| {
            let known = self.maintained.get(number);
            known.is_some_and(|known| known.iter().map(Arc::as_ptr).eq(of.iter().map(Arc::as_ptr)))
        };
        if maintained.len() != self.maintained.len() || !maintained.iter().all(is_known) {
            self.maintained = maintained.into_iter().map(|(number, of)| (number, of.into())).collect();
            self.epoch += 1;
        }
    }
}

/// A generation's state in one state of the store; `None` where there is none yet.
pub(crate) fn status(held: &Held, generation: u32) -> Result<Option<Status>, Error> {
    held.get(&index::state(generation))?.map(|value| Status::read(generation, &value)).transpose()
}

/// Everything of a generation but its catalog entry and its state.
pub(crate) fn spans(generation: u32) -> impl Iterator<Item = Span> {
    let spaces = [Space::Entries, Space::Reservations, Space::Reverse, Space::Marks];
    spaces.into_iter().map(move |space| index::generation_span(space, generation))
}

fn flags(held: &Held, generation: u32) -> Result<Flags, Error> {
    let mut flags = Flags::default();
    // Documents' marks precede those of the generation.
    let mut span = index::generation_span(Space::Marks, generation);
    span.start = index::mark_span(generation, Mark::Flag(0x03)).start;
    let mut entries = Entries::within(held, span);
    while let Some((key, _)) = entries.next()? {
        if let (_, Mark::Flag(mark), None) = index::parse_mark(&key)? {
            flags.insert(Flags::of_mark(mark));
        }
    }
    Ok(flags)
}

fn put_entry(commit: &mut Commit, number: u32, json: Value) -> Result<(), Error> {
    let key = CatalogKey::Generation(number).encode();
    let sealed = entry::seal(&key, json)?;
    write::put(commit, key, sealed, 0);
    Ok(())
}
