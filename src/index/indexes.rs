//! All indexes of a store.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use serde_json::json;

use crate::catalog::entry;
use crate::encoding::body::limits::Limits;
use crate::encoding::key::catalog::{CatalogKey, Section};
use crate::encoding::key::document;
use crate::encoding::key::index::{self, Mark};
use crate::encoding::key::space::{Space, Span};
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::index::flags::Flags;
use crate::index::generation::{Generation, Live};
use crate::index::state::{IndexState, Status};
use crate::record::kind::Kind;
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Commit, Durability};
use crate::storage::commit::engine::Engine;
use crate::stored::entries::Entries;
use crate::stored::record::Record;
use crate::stored::state::{Held, State as _};
use crate::stored::write;

/// What gives kinds by their numbers: as the program has declared them, or as the store knows them.
pub(crate) trait Kinds {
    fn kind(&self, number: u32) -> Result<Arc<Kind>, Error>;
}

/// What indexes work with.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) engine: &'c Engine,
    pub(crate) kinds: &'c dyn Kinds,
    pub(crate) limits: Limits,
    pub(crate) building: Building,
}

/// How indexes are built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Building {
    /// Where there are at most so many documents: at once.
    pub(crate) at_once: u64,
    /// Documents of one commit.
    pub(crate) batch: usize,
}

impl Default for Building {
    fn default() -> Self {
        Self { at_once: 500, batch: 64 }
    }
}

/// Every generation of a store.
#[derive(Debug, Default)]
pub(crate) struct Indexes {
    sets: RwLock<Sets>,
    /// Held while generations are made, changed and removed.
    changing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Sets {
    all: BTreeMap<u32, Arc<Generation>>,
    /// Those that writes keep up, by collection.
    maintained: HashMap<u32, Arc<[Arc<Generation>]>>,
    /// The largest number that has been given.
    numbered: u32,
    /// Grows whenever what is maintained changes.
    epoch: u64,
}

/// What is maintained does not change while this lives: from before a write looks at it until the write is made.
#[derive(Debug)]
pub(crate) struct Gate<'g>(RwLockReadGuard<'g, Sets>);

impl Gate<'_> {
    /// What is to be kept up in a collection; `None`: nothing.
    pub(crate) fn of(&self, collection: u32) -> Option<&Arc<[Arc<Generation>]>> {
        self.0.maintained.get(&collection)
    }

    /// Grows whenever what is maintained changes.
    pub(crate) fn epoch(&self) -> u64 {
        self.0.epoch
    }
}

impl Indexes {
    /// Reads them all.
    pub(crate) fn load(engine: &Engine) -> Result<Self, Error> {
        let held = Held::Snapshot(Arc::new(engine.snapshot()));
        let mut sets = Sets::default();
        let mut entries = Entries::within(&held, Section::Generations.span());
        while let Some((key, value)) = entries.next()? {
            let (CatalogKey::Generation(number), 0) = CatalogKey::parse(&key)? else { continue };
            let record = Record::from_chunks(&key, &value, |chunk| {
                Ok::<Option<Bytes>, Error>(held.get(&document::chunk_key(&key, chunk))?)
            })?;
            let json = entry::open(&record)?;
            if number == 0 {
                let largest = json.get("generation").and_then(|number| number.as_u64()?.try_into().ok());
                sets.numbered = largest
                    .ok_or_else(|| Error::new(ErrorKind::Corrupt, "the number of indexes is malformed"))?;
                continue;
            }
            let status = status(&held, number)?;
            let state = status.map_or(IndexState::Dropped, |status| status.state);
            let live = Live::new(state, flags(&held, number)?);
            sets.all.insert(number, Arc::new(Generation::from_json(number, &json, live)?));
        }
        sets.arrange();
        Ok(Self { sets: RwLock::new(sets), changing: Mutex::default() })
    }

    /// Begins a write.
    pub(crate) fn enter(&self) -> Gate<'_> {
        Gate(self.sets.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Held while somebody decides what generations there shall be.
    pub(crate) fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All generations, by number.
    pub(crate) fn all(&self) -> Vec<Arc<Generation>> {
        self.enter().0.all.values().cloned().collect()
    }

    /// Those of a collection, by number; without those on their way out.
    pub(crate) fn of(&self, collection: u32) -> Vec<Arc<Generation>> {
        let gate = self.enter();
        let of = gate.0.all.values().filter(|generation| generation.collection == collection);
        of.filter(|generation| generation.live.state() != IndexState::Dropped).cloned().collect()
    }

    /// The number of the next generation.
    pub(crate) fn next_number(&self) -> Result<u32, Error> {
        let gate = self.enter();
        let largest = gate.0.all.last_key_value().map_or(0, |(number, _)| *number).max(gate.0.numbered);
        largest
            .checked_add(1)
            .ok_or_else(|| Error::new(ErrorKind::TooLarge, "there are no more numbers for indexes"))
    }

    /// Makes a generation that is to be built. No write is under way that does not keep it up when this returns.
    pub(crate) fn add(&self, engine: &Engine, generation: Generation) -> Result<Arc<Generation>, Error> {
        self.with_sets(|sets| {
            let generation = Arc::new(generation);
            let mut commit = Commit::default();
            put_entry(&mut commit, 0, json!({ "generation": generation.number }))?;
            put_entry(&mut commit, generation.number, generation.to_json())?;
            Status::new(IndexState::Building, engine.published()).put(&mut commit, generation.number)?;
            engine.commit(commit, Durability::Buffered)?;
            sets.numbered = generation.number;
            sets.all.insert(generation.number, Arc::clone(&generation));
            Ok(generation)
        })
    }

    /// Puts what has been changed of a generation beside its entries in the place of the generation.
    pub(crate) fn replace(&self, engine: &Engine, generation: Generation) -> Result<Arc<Generation>, Error> {
        self.with_sets(|sets| sets.replace(engine, generation))
    }

    /// As [`replace`](Self::replace), if it `may` be while nobody writes.
    pub(crate) fn replace_if(
        &self,
        engine: &Engine,
        generation: Generation,
        may: impl FnOnce() -> Result<bool, Error>,
    ) -> Result<Option<Arc<Generation>>, Error> {
        self.with_sets(|sets| if may()? { sets.replace(engine, generation).map(Some) } else { Ok(None) })
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
            let mut commit = Commit::default();
            Status::new(state, engine.published()).put(&mut commit, generation.number)?;
            engine.commit(commit, Durability::Buffered)?;
            generation.live.set_state(state);
            Ok(())
        })
    }

    /// Notes, before the first write that does not keep it up, that a generation is no longer maintained.
    pub(crate) fn give_up(&self, engine: &Engine, number: u32) -> Result<(), Error> {
        let generation = self.enter().0.all.get(&number).cloned();
        let Some(generation) = generation else { return Ok(()) };
        if generation.live.state().is_maintained() {
            self.set_state(engine, &generation, IndexState::Unmaintained)?;
        }
        Ok(())
    }

    /// Forgets a generation none of whose keys is left.
    pub(crate) fn forget(&self, engine: &Engine, number: u32) -> Result<(), Error> {
        self.with_sets(|sets| {
            let key = CatalogKey::Generation(number).encode();
            let mut commit = Commit::default();
            let read = engine.read(&key)?;
            if let Some(value) = &read.value {
                // The record may have chunks.
                let chunks = crate::encoding::envelope::record::Head::decode(&key, value)?.chunks();
                write::remove(&mut commit, key, chunks);
            }
            commit.remove(index::state(number));
            engine.commit(commit, Durability::Buffered)?;
            sets.all.remove(&number);
            Ok(())
        })
    }

    /// Nobody writes meanwhile.
    fn with_sets<T>(&self, change: impl FnOnce(&mut Sets) -> Result<T, Error>) -> Result<T, Error> {
        let mut sets = self.sets.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut sets);
        sets.arrange();
        changed
    }
}

impl Sets {
    fn replace(&mut self, engine: &Engine, generation: Generation) -> Result<Arc<Generation>, Error> {
        let generation = Arc::new(generation);
        let mut commit = Commit::default();
        put_entry(&mut commit, generation.number, generation.to_json())?;
        engine.commit(commit, Durability::Buffered)?;
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

fn put_entry(commit: &mut Commit, number: u32, json: serde_json::Value) -> Result<(), Error> {
    let key = CatalogKey::Generation(number).encode();
    let sealed = entry::seal(&key, json)?;
    write::put(commit, key, sealed, 0);
    Ok(())
}
