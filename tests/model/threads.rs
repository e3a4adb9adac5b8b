//! Writers, readers and builds at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pivotdb::testing::upkeep::{Rule, break_rule};
use pivotdb::{
    Builder, Collection, Durability, ErrorKind, Index, IndexInfo, IndexState, Store, Throttle, Verify,
    WhileBuilding, field,
};
use serde_json::{Value, json};

use crate::backends::{BACKENDS, Tested};
use crate::{from_variable, say};

/// Documents that writers write.
const DOCUMENTS: u64 = 1_000;
/// Values that they fight for.
const VALUES: u64 = 700;
const WRITERS: u64 = 8;
const READERS: u64 = 4;
/// How much longer than usual it may take.
const PATIENCE: Duration = Duration::from_secs(40);

fn random(state: &mut u64, below: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) % below
}

/// What has been done.
#[derive(Default)]
struct Done {
    writes: AtomicU64,
    refused: AtomicU64,
    /// Of them, since the unique index was being built.
    put_off: AtomicU64,
    /// Snapshots that were compared, to the end.
    compared: AtomicU64,
    /// Builds of the index that is dropped again that have come to their end,
    built: AtomicU64,
    /// and those of the unique one, where writers are refused meanwhile, and where they are not; and those of them that have failed.
    unique: [AtomicU64; 2],
    failed: AtomicU64,
    /// The first thing that was wrong.
    wrong: Mutex<Option<String>>,
}

impl Done {
    /// Each index in each way, the unique one also with success.
    fn has_built(&self) -> bool {
        let [refusing, open] = self.unique.each_ref().map(count);
        count(&self.built) > 0 && refusing > 0 && open > 0 && refusing + open > count(&self.failed)
    }
}

fn unique(policy: WhileBuilding) -> Index {
    Index::unique("u").sparse().while_building(policy)
}

fn more(of: &AtomicU64) {
    of.fetch_add(1, Ordering::Relaxed);
}

fn count(of: &AtomicU64) -> u64 {
    of.load(Ordering::Relaxed)
}

fn builder() -> Builder {
    Store::builder()
        .index_at_once(0)
        .build_batch(16)
        .build_throttle(Throttle::Off)
        .durability(Durability::Buffered)
}

/// Eight writers fight for values of a unique index, in every way there is of writing; four readers hold queries against a scan of the same snapshot;
/// one index is built, dropped and built again, and the unique one is built anew.
fn fight(store: &Store, time: Duration) -> Done {
    let things = store.documents("things").unwrap();
    things.create_index(&unique(WhileBuilding::Refused)).unwrap();
    let until = Instant::now() + time;
    let stop = AtomicBool::new(false);
    let done = Done::default();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (things, stop, done) = (&things, &stop, &done);
            scope.spawn(move || {
                let mut state = 0x9e37_79b9_7f4a_7c15 ^ (writer + 1);
                while !stop.load(Ordering::Relaxed) {
                    match write(store, things, &mut state) {
                        Ok(()) => more(&done.writes),
                        Err(error) => {
                            let usual = [
                                ErrorKind::UniqueViolation,
                                ErrorKind::IndexBuilding,
                                ErrorKind::AlreadyExists,
                                ErrorKind::NotFound,
                                ErrorKind::Conflict,
                            ];
                            assert!(usual.contains(&error.kind()), "{error}");
                            more(&done.refused);
                            if error.kind() == ErrorKind::IndexBuilding {
                                more(&done.put_off);
                            }
                        }
                    }
                }
            });
        }
        for reader in 0..READERS {
            let (things, stop, done) = (&things, &stop, &done);
            scope.spawn(move || {
                let mut state = 0x1234_5678_9abc_def1 ^ (reader << 7);
                while !stop.load(Ordering::Relaxed) {
                    match read(store, things, &mut state) {
                        Ok(true) => more(&done.compared),
                        Ok(false) => {}
                        Err(wrong) => {
                            done.wrong.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(wrong);
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        let (things, stop, done) = (&things, &stop, &done);
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                things.create_index(&Index::on("n")).unwrap();
                if ended(things, "n", stop).is_some_and(|index| index.state == IndexState::Readable) {
                    more(&done.built);
                }
                thread::sleep(Duration::from_millis(20));
                things.drop_index("n").unwrap();
            }
        });
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for (policy, ends) in
                    [WhileBuilding::Refused, WhileBuilding::Unenforced].into_iter().zip(&done.unique)
                {
                    things.create_index(&unique(policy)).unwrap();
                    things.rebuild_index("u").unwrap();
                    let Some(index) = ended(things, "u", stop) else { return };
                    more(ends);
                    if index.state == IndexState::Failed {
                        more(&done.failed);
                        for id in index.duplicate_ids {
                            things.delete(id).unwrap();
                        }
                    }
                }
            }
        });
        // A busy machine is given time until every build has come to its end once.
        while !stop.load(Ordering::Relaxed)
            && (Instant::now() < until || !done.has_built() && Instant::now() < until + PATIENCE)
        {
            thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::Relaxed);
    });
    done
}

/// The newest index of this name, once it is not being built any more; `None`: there was no time for that.
fn ended(things: &Collection<Value>, name: &str, stop: &AtomicBool) -> Option<IndexInfo> {
    while !stop.load(Ordering::Relaxed) {
        let indexes = things.indexes().unwrap();
        let newest = indexes.into_iter().rfind(|index| index.name == name)?;
        if newest.state != IndexState::Building {
            return Some(newest);
        }
        thread::sleep(Duration::from_millis(2));
    }
    None
}

#[test]
fn no_thread_meets_a_wrong_answer() {
    let seconds = from_variable("PIVOTDB_THREADS_SECONDS", if cfg!(debug_assertions) { 2 } else { 5 });
    for backend in BACKENDS.iter().filter(|backend| backend.name != "redb") {
        let control = control(backend);
        let site = backend.site();
        let store = site.open(&builder());
        let done = fight(&store, Duration::from_secs(seconds.into()));
        let wrong = done.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(wrong, None, "{}", backend.name);
        // What is left is right, and the unique index can be built of it once nothing is twice.
        let things = store.documents("things").unwrap();
        things.create_index(&unique(WhileBuilding::Refused)).unwrap();
        let index = loop {
            things.rebuild_index("u").unwrap();
            store.run().unwrap();
            let index = ended(&things, "u", &AtomicBool::new(false)).unwrap();
            if index.state == IndexState::Readable {
                break index;
            }
            assert!(!index.duplicate_ids.is_empty(), "{index:?}");
            for id in index.duplicate_ids {
                assert!(things.delete(id).unwrap());
            }
        };
        assert!(index.unique);
        let mut seen = BTreeSet::new();
        for thing in &things {
            let thing = thing.unwrap();
            assert!(thing["u"].is_null() || seen.insert(thing["u"].as_u64()), "{} twice", thing["u"]);
        }
        assert!(Verify::new(&store).run().unwrap().is_sound());
        store.close().unwrap();
        let Done { writes, refused, compared, built, unique, failed, .. } = &done;
        let [refusing, open] = unique.each_ref().map(count);
        let (writes, refused, compared, built, failed) =
            (count(writes), count(refused), count(compared), count(built), count(failed));
        say(&format!(
            "model threads {}: {WRITERS} writers, {READERS} readers, {seconds} s, {writes} writes, {refused} refused, {compared} snapshots compared, \
             {built} builds, {} of a unique index, {refusing} with writers refused and {open} without, of which {failed} failed, 0 wrong, control {}",
            backend.name,
            refusing + open,
            if control { "caught" } else { "missed" }
        ));
        assert!(control, "{}: readers did not notice a broken rule", backend.name);
        assert!(writes > 100 && refused > 10 && compared > 10 && done.has_built());
        assert!(count(&done.put_off) > 0, "no writer met a build that refuses");
    }
}

/// Whether readers notice that entries stay where they should not.
fn control(backend: &Tested) -> bool {
    let site = backend.site();
    let store = site.open(&builder());
    break_rule(&store, Rule::OldEntries);
    let done = fight(&store, Duration::from_secs(10));
    done.wrong.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

fn write(store: &Store, things: &Collection<Value>, state: &mut u64) -> pivotdb::Result<()> {
    let id = random(state, DOCUMENTS);
    let document = json!({"u": random(state, VALUES), "n": random(state, 50)});
    match random(state, 6) {
        0 => things.insert_with_id(id, &document),
        1 => things.put(id, &document).map(drop),
        2 => things.update(id, |thing| thing["u"] = document["u"].clone()).map(drop),
        3 => things.delete(id).map(drop),
        4 => store.transaction(|tx| {
            let things = tx.on(things);
            things.delete(id)?;
            things.insert_with_id((id + 1) % DOCUMENTS, &document)
        }),
        _ => things.overwrite(id, &document).map(drop),
    }
}

/// Holds a snapshot's answers against each other; whether that came to its end before the snapshot was given up. `Err`: they contradict each other.
fn read(store: &Store, things: &Collection<Value>, state: &mut u64) -> Result<bool, String> {
    match compare(store, things, state) {
        Ok(outcome) => outcome.map(|()| true),
        Err(error) if error.kind() == ErrorKind::SnapshotExpired => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

fn compare(
    store: &Store,
    things: &Collection<Value>,
    state: &mut u64,
) -> pivotdb::Result<Result<(), String>> {
    let snapshot = store.snapshot()?;
    let things = snapshot.on(things);
    let mut all: BTreeMap<_, _> = BTreeMap::new();
    for thing in things.iter() {
        let thing = thing?;
        all.insert(thing.id().clone(), thing.into_value());
    }
    let indexes = things.indexes()?;
    if indexes.iter().any(|index| index.unique && index.state == IndexState::Readable) {
        let mut values = BTreeSet::new();
        let twice = all.values().find(|thing| !thing["u"].is_null() && !values.insert(thing["u"].as_u64()));
        if let Some(thing) = twice {
            return Ok(Err(format!("{thing} is twice, where no value may be")));
        }
    }
    for member in ["u", "n"] {
        let value = random(state, if member == "u" { VALUES } else { 50 });
        let found = things.find(field(member).eq(value)).to_vec()?;
        let found: Vec<_> = found.into_iter().map(|thing| thing.id().clone()).collect();
        let is_meant = |thing: &Value| thing[member].as_u64() == Some(value);
        let wanted: Vec<_> =
            all.iter().filter(|(_, thing)| is_meant(thing)).map(|(id, _)| id.clone()).collect();
        if found != wanted {
            return Ok(Err(format!("{member} {value}: {found:?} instead of {wanted:?}")));
        }
        let above = things.find(field(member).gte(value)).count()?;
        let is_above = |thing: &&Value| thing[member].as_u64().is_some_and(|found| found >= value);
        let wanted = all.values().filter(is_above).count() as u64;
        if above != wanted {
            return Ok(Err(format!("{member} from {value}: {above} instead of {wanted}")));
        }
    }
    Ok(Ok(()))
}
