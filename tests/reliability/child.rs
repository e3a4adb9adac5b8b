//! The process that is killed.

use std::error::Error as _;
use std::io::Read as _;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pivotdb::{Builder, Collection, Document, Durability, Error, ErrorKind, Evolution, Store};
use serde_json::{Value, json};

use crate::event::{Config, Event, Log, Role, Written};
use crate::indexed;
use crate::rng::Rng;
use crate::work::{COLLECTIONS, COUNTER, Item, KIND, Op, SHARED, collection, made, next};

/// What a child ends with by itself, lest it outlive its parent.
const LIFETIME: Duration = Duration::from_secs(60);

pub(crate) fn main() {
    let mut config = String::new();
    std::io::stdin().read_to_string(&mut config).expect("a configuration");
    let config: Config = serde_json::from_str(&config).expect("a configuration");
    let log = Log::new();
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|place| format!("{}:{}", place.file(), place.line()));
        let mut text = info.to_string();
        text.truncate(text.floor_char_boundary(1000));
        Log::new().tell(&Event::Panicked { place: place.unwrap_or_default(), text });
    }));
    match config.role {
        Role::BareSled => bare_sled(&config, &log),
        Role::Opener => {
            if let Some(store) = open(&config, &mut Rng::new(config.seed), &log) {
                close(&store, &log);
            }
        }
        Role::Indexer => {
            let store = open(&config, &mut Rng::new(config.seed), &log);
            let outcome = store.map_or(Ok(()), |store| indexed::work(&config, &store, &log));
            outcome.unwrap_or_else(|error| fail(&log, "indexer", &error));
        }
        Role::Writer | Role::Liar | Role::Hasty | Role::Filler => write(config, &log),
    }
    log.tell(&Event::Done);
}

/// An error and its causes, each of which has its say however long the ids in the others are.
fn chain(error: &Error) -> String {
    let mut links = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        links.push(cause.to_string());
        source = cause.source();
    }
    links.truncate(5);
    for link in &mut links {
        link.truncate(link.floor_char_boundary(400));
    }
    links.join(" <- ")
}

fn fail(log: &Log, what: &str, error: &Error) {
    let (kind, text) = (format!("{:?}", error.kind()), chain(error));
    log.tell(&Event::Failed { what: what.to_owned(), kind, text });
}

fn open(config: &Config, rng: &mut Rng, log: &Log) -> Option<Store> {
    let cache = rng.pick(&[1_u64 << 20, 4 << 20, 64 << 20]);
    let window = Duration::from_millis(rng.pick(&[5, 30, 100, 400]));
    let overlay = rng.pick(&[32_usize << 20, 256 << 20]);
    let quick = rng.percent(50);
    log.tell(&Event::Opening {
        options: format!(
            "cache {cache}, window {window:?}, overlay {overlay}, quick recovery, if it is redb: {quick}"
        ),
    });
    let builder: Builder = Store::builder()
        .cache_capacity(cache)
        .buffered_window(window)
        .overlay_limit(overlay)
        .sync_deadline(config.sync_deadline)
        // Builds that go on for some time.
        .index_at_once(0)
        .build_batch(rng.pick(&[2, 8, 64]));
    #[cfg(feature = "redb")]
    let builder = builder.quick_recovery(quick);
    let opened = config
        .backend
        .chosen(&builder)
        .open(&config.directory)
        .and_then(|store| Ok((store.stats()?.sequence, store)));
    match opened {
        Ok((sequence, store)) => {
            log.tell(&Event::Opened { sequence, window });
            Some(store)
        }
        Err(error) => {
            fail(log, "open", &error);
            None
        }
    }
}

fn close(store: &Store, log: &Log) -> bool {
    log.tell(&Event::Closing);
    match store.close() {
        Ok(()) => log.tell(&Event::Closed),
        Err(error) => {
            fail(log, "close", &error);
            return false;
        }
    }
    true
}

fn write(mut config: Config, log: &Log) {
    let began = Instant::now();
    let mut rng = Rng::new(config.seed);
    let number = AtomicU64::new(config.next);
    while began.elapsed() < LIFETIME {
        let Some(store) = open(&config, &mut rng, log) else { return };
        let handles = match Handles::new(&store) {
            Ok(handles) => handles,
            Err(error) => return fail(log, "collections", &error),
        };
        let stop = AtomicBool::new(false);
        let mut threads = std::mem::take(&mut config.threads);
        std::thread::scope(|scope| {
            for (thread, written) in threads.iter_mut().enumerate() {
                let work = Work { config: &config, handles: &handles, log, number: &number, thread, began };
                let (rng, stop) = (rng.fork(), &stop);
                scope.spawn(move || work.run(rng, written, stop));
            }
        });
        if stop.load(Ordering::Relaxed) {
            if config.role == Role::Filler {
                try_what_works(&config, &handles, &threads, log);
            }
            return;
        }
        config.threads = threads;
        drop(handles);
        if !close(&store, log) {
            return;
        }
    }
}

struct Handles {
    store: Store,
    typed: Collection<Item>,
    untyped: Collection<Value>,
    shared: Collection<Value>,
}

impl Handles {
    fn new(store: &Store) -> Result<Self, Error> {
        let typed = store.collection_with(COLLECTIONS[0], KIND, &Evolution::new())?;
        let untyped = store.documents(COLLECTIONS[1])?;
        let shared = store.documents(SHARED)?;
        if !shared.exists(COUNTER)? {
            shared.insert_with_id(COUNTER, &json!({"by": {}}))?;
        }
        Ok(Self { store: store.clone(), typed, untyped, shared })
    }
}

struct Work<'a> {
    config: &'a Config,
    handles: &'a Handles,
    log: &'a Log,
    number: &'a AtomicU64,
    thread: usize,
    began: Instant,
}

impl Work<'_> {
    fn run(&self, mut rng: Rng, written: &mut Written, stop: &AtomicBool) {
        for _ in 0..self.config.session {
            if stop.load(Ordering::Relaxed) || self.began.elapsed() > LIFETIME {
                return;
            }
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            let op = next(&mut rng, &written.model, number, &self.config.mix);
            let immediate = rng.percent(self.config.immediate);
            if let Err(error) = self.make(number, &op, written, immediate) {
                stop.store(true, Ordering::Relaxed);
                // It may have been made: what these documents are now is not known.
                for slot in op.slots() {
                    written.model.docs.remove(&slot);
                }
                return fail(self.log, &format!("operation {number} of thread {}", self.thread), &error);
            }
            written.model.apply(number, &op, &op.slots());
        }
    }

    fn make(&self, number: u64, op: &Op, written: &mut Written, immediate: bool) -> Result<(), Error> {
        let sequence = self.handles.store.stats()?.sequence;
        let (thread, log) = (self.thread, self.log);
        let at = log.now();
        log.tell(&Event::Intent { thread, number, at, sequence, op: op.clone() });
        let lies = self.config.role == Role::Liar;
        let hastens = self.config.role == Role::Hasty;
        // A load waits for the medium at its end, and a transaction as the store says; whether a collection does when it is made is not promised.
        let durable = match op {
            Op::Bulk { .. } | Op::Flush | Op::Transaction { .. } => true,
            Op::Make { .. } => false,
            _ => immediate || hastens,
        };
        let durability = if immediate { Durability::Immediate } else { Durability::Buffered };
        if lies {
            log.tell(&Event::Acknowledged { thread, number, at, sequence: u64::MAX, durable });
        }
        self.carry_out(number, op, written, durability)?;
        if !lies {
            let sequence = self.handles.store.stats()?.sequence;
            log.tell(&Event::Acknowledged { thread, number, at: log.now(), sequence, durable });
        }
        Ok(())
    }

    fn carry_out(
        &self,
        number: u64,
        op: &Op,
        written: &mut Written,
        durability: Durability,
    ) -> Result<(), Error> {
        let handles = self.handles;
        match op {
            Op::Flush => return handles.store.flush(),
            Op::Make { number } => {
                return handles.store.documents(&made(self.thread as u32, *number)).map(drop);
            }
            Op::Shared => {
                return self.count(&handles.shared.clone().with_durability(durability));
            }
            Op::Transaction { .. } => return self.transact(number, op, written),
            _ => {}
        }
        let mut after = written.model.clone();
        after.apply(number, op, &op.slots());
        let item = |slot| after.docs.get(&slot).map(|doc| doc.item(self.thread as u32, slot));
        let slot = op.slots()[0];
        if collection(slot) == COLLECTIONS[0] {
            let typed = handles.typed.clone().with_durability(durability);
            let touch = |item: &mut Item| item.last = number;
            self.change(&typed, number, op, written, item, touch)
        } else {
            let untyped = handles.untyped.clone().with_durability(durability);
            let value = |slot| item(slot).map(|item| serde_json::to_value(item).expect("an item is JSON"));
            let touch = |item: &mut Value| item["last"] = json!(number);
            self.change(&untyped, number, op, written, value, touch)
        }
    }

    fn count(&self, shared: &Collection<Value>) -> Result<(), Error> {
        let by = self.thread.to_string();
        let count = |value: &mut Value| {
            let n = value["by"][&by].as_u64().unwrap_or(0) + 1;
            value["by"][&by] = json!(n);
        };
        shared.update(COUNTER, count).map(drop)
    }

    fn transact(&self, number: u64, op: &Op, written: &Written) -> Result<(), Error> {
        let &Op::Transaction { insert, update, delete, count, .. } = op else { return Ok(()) };
        let handles = self.handles;
        let thread = self.thread as u32;
        let mut after = written.model.clone();
        after.apply(number, op, &op.slots());
        handles.store.transaction(|transaction| {
            let typed = transaction.on(&handles.typed);
            let untyped = transaction.on(&handles.untyped);
            let is_typed = |slot| collection(slot) == COLLECTIONS[0];
            for slot in insert {
                let id = written.id(thread, slot);
                let item = after.docs[&slot].item(thread, slot);
                if is_typed(slot) {
                    typed.insert_with_id(id, &item)?;
                } else {
                    untyped.insert_with_id(id, &serde_json::to_value(item).expect("an item is JSON"))?;
                }
            }
            if let Some(slot) = update {
                let id = written.id(thread, slot);
                if is_typed(slot) {
                    typed.update(id, |item| item.last = number)?;
                } else {
                    untyped.update(id, |item| item["last"] = json!(number))?;
                }
            }
            if let Some(slot) = delete {
                let id = written.id(thread, slot);
                let found = if is_typed(slot) { typed.delete(id)? } else { untyped.delete(id)? };
                assert!(found, "the document of slot {slot} was not there");
            }
            if count { self.count(&transaction.on(&handles.shared)) } else { Ok(()) }
        })
    }

    fn change<T: serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        collection: &Collection<T>,
        number: u64,
        op: &Op,
        written: &mut Written,
        value: impl Fn(u32) -> Option<T>,
        touch: impl Fn(&mut T),
    ) -> Result<(), Error> {
        let thread = self.thread as u32;
        let id = |slot| written.id(thread, slot);
        let after = |slot| value(slot).expect("the operation leaves a document");
        match *op {
            Op::Insert { slot, .. } => collection.insert_with_id(id(slot), &after(slot)),
            Op::Put { slot, .. } => collection.put(id(slot), &after(slot)).map(drop),
            Op::Overwrite { slot, .. } => collection.overwrite(id(slot), &after(slot)).map(drop),
            Op::Replace { slot, .. } => {
                let mut document = collection.require(id(slot))?;
                document.value = after(slot);
                collection.replace(&mut document)
            }
            Op::Update { slot } => collection.update(id(slot), |item| touch(item)).map(drop),
            Op::Patch { slot } => {
                let patch = json!({"last": number, "patched": number});
                collection.merge_patch(id(slot), &patch).map(drop)
            }
            Op::Delete { slot } => {
                let found = collection.delete(id(slot))?;
                assert!(found, "the document of slot {slot} was not there");
                Ok(())
            }
            Op::Many { .. } => {
                let slots = op.slots();
                let ids = collection.insert_many(slots.iter().map(|&slot| after(slot)))?;
                assert_eq!(ids.len(), slots.len());
                let ids = ids.iter().map(|id| id.as_uuid().expect("a UUID"));
                written.ids.extend(slots.into_iter().zip(ids));
                Ok(())
            }
            Op::Bulk { .. } => {
                let mut bulk = collection.bulk()?;
                let mut told = 0;
                for slot in op.slots() {
                    bulk.insert_with_id(id(slot), &after(slot))?;
                    if bulk.inserted() > told {
                        told = bulk.inserted();
                        self.log.tell(&Event::Progress { thread: self.thread, number, documents: told });
                    }
                }
                bulk.finish().map(drop)
            }
            Op::Transaction { .. } | Op::Shared | Op::Make { .. } | Op::Flush => Ok(()),
        }
    }
}

/// On a full disk, after the first error: whatever a program may call gives an answer, in bounded time.
fn try_what_works(config: &Config, handles: &Handles, threads: &[Written], log: &Log) {
    let timed = |what: &str, call: &dyn Fn() -> Result<(), Error>| {
        let began = Instant::now();
        let outcome = call();
        let kind = outcome.as_ref().err().map(|error| format!("{:?}", error.kind()));
        log.tell(&Event::Tried { what: what.to_owned(), kind, took: began.elapsed() });
        if let Err(error) = outcome {
            fail(log, what, &error);
        }
    };
    let (mut right, mut refused) = (0, 0);
    for (thread, written) in threads.iter().enumerate() {
        let thread = u32::try_from(thread).expect("few threads");
        for (&slot, doc) in &written.model.docs {
            let id = written.id(thread, slot);
            let found = if collection(slot) == COLLECTIONS[0] {
                handles.typed.require(id).map(Document::into_value)
            } else {
                handles.untyped.require(id).and_then(|found| Ok(found.cast::<Item>()?.into_value()))
            };
            match found {
                Ok(found) => {
                    assert!(found == doc.item(thread, slot), "slot {slot} of thread {thread}");
                    right += 1;
                }
                Err(error) if error.kind() == ErrorKind::OutOfSpace => refused += 1,
                Err(error) => fail(log, "a read", &error),
            }
        }
    }
    log.tell(&Event::Read { right, refused });
    timed("iterate", &|| {
        let iterated = handles.typed.iter().try_fold(0, |n, document| document.map(|_| n + 1_u64))?;
        assert_eq!(iterated, handles.typed.count()?);
        Ok(())
    });
    timed("write", &|| handles.shared.merge_patch(COUNTER, &json!({"late": true})).map(drop));
    timed("flush", &|| handles.store.flush());
    if config.seed.is_multiple_of(2) {
        timed("close", &|| handles.store.close());
    }
}

/// sled as a program would use it that trusts its `flush`.
fn bare_sled(config: &Config, log: &Log) {
    let database = sled::Config::new().path(&config.directory).open().expect("a database");
    log.tell(&Event::Opened { sequence: 0, window: Duration::ZERO });
    for number in config.next.. {
        let size = usize::try_from(config.mix.sizes[0]).expect("fits");
        let made = database.insert(number.to_be_bytes(), vec![number.to_le_bytes()[0]; size]);
        if made.and_then(|_| database.flush()).is_err() {
            return;
        }
        let (at, sequence) = (log.now(), number);
        log.tell(&Event::Acknowledged { thread: 0, number, at, sequence, durable: true });
    }
}
