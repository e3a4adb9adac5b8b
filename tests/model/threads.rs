//! Writers, readers and builds at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pivotdb::{Collection, ErrorKind, Index, Store, Verify, field};
use serde_json::{Value, json};

use crate::{from_variable, say};

/// Documents that writers write.
const DOCUMENTS: u64 = 1_000;
/// Values that they fight for.
const VALUES: u64 = 700;
const WRITERS: u64 = 8;
const READERS: u64 = 4;

fn random(state: &mut u64, below: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) % below
}

/// Eight writers fight for values of a unique index, in every way there is of writing; four readers hold queries against a scan of the same snapshot;
/// and an index is built, dropped and built again.
#[test]
fn no_thread_meets_a_wrong_answer() {
    let seconds = from_variable("PIVOTDB_THREADS_SECONDS", if cfg!(debug_assertions) { 3 } else { 10 });
    let store = Store::builder().index_at_once(0).build_batch(16).memory().unwrap();
    let things = store.documents("things").unwrap();
    things.create_index(&Index::unique("u").sparse()).unwrap();
    while things.indexes().unwrap().iter().any(|index| index.state != pivotdb::IndexState::Readable) {
        thread::sleep(Duration::from_millis(1));
    }
    let until = Instant::now() + Duration::from_secs(seconds.into());
    let stop = AtomicBool::new(false);
    let [writes, refused, reads, built] = [(); 4].map(|()| AtomicU64::default());
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (store, things, stop, writes, refused) = (&store, &things, &stop, &writes, &refused);
            scope.spawn(move || {
                let mut state = 0x9e37_79b9_7f4a_7c15 ^ (writer + 1);
                while !stop.load(Ordering::Relaxed) {
                    match write(store, things, &mut state) {
                        Ok(()) => writes.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            let usual = [
                                ErrorKind::UniqueViolation,
                                ErrorKind::AlreadyExists,
                                ErrorKind::NotFound,
                                ErrorKind::Conflict,
                            ];
                            assert!(usual.contains(&error.kind()), "{error}");
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                }
            });
        }
        for reader in 0..READERS {
            let (store, things, stop, reads) = (&store, &things, &stop, &reads);
            scope.spawn(move || {
                let mut state = 0x1234_5678_9abc_def1 ^ (reader << 7);
                while !stop.load(Ordering::Relaxed) {
                    read(store, things, &mut state);
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let (things, stop, built) = (&things, &stop, &built);
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                things.create_index(&Index::on("n")).unwrap();
                while !stop.load(Ordering::Relaxed)
                    && things
                        .indexes()
                        .unwrap()
                        .iter()
                        .any(|index| index.state == pivotdb::IndexState::Building)
                {
                    thread::sleep(Duration::from_millis(2));
                }
                built.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
                things.drop_index("n").unwrap();
            }
        });
        while Instant::now() < until {
            thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let mut seen = BTreeSet::new();
    for thing in &things {
        let thing = thing.unwrap();
        assert!(thing["u"].is_null() || seen.insert(thing["u"].as_u64()), "{} twice", thing["u"]);
    }
    assert!(Verify::new(&store).run().unwrap().is_sound());
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
    say(&format!(
        "model threads: {WRITERS} writers, {READERS} readers, {seconds} s, {} writes, {} refused, {} snapshots compared, {} builds, 0 wrong",
        count(&writes),
        count(&refused),
        count(&reads),
        count(&built)
    ));
    assert!(count(&writes) > 100 && count(&refused) > 10 && count(&reads) > 10 && count(&built) > 0);
    store.close().unwrap();
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

fn read(store: &Store, things: &Collection<Value>, state: &mut u64) {
    let snapshot = store.snapshot().unwrap();
    let things = snapshot.on(things);
    let all: BTreeMap<_, _> = match things.iter().collect::<pivotdb::Result<Vec<_>>>() {
        Ok(all) => all.into_iter().map(|thing| (thing.id().clone(), thing.into_value())).collect(),
        Err(error) if error.kind() == ErrorKind::SnapshotExpired => return,
        Err(error) => panic!("{error}"),
    };
    let mut values = BTreeSet::new();
    assert!(all.values().all(|thing| thing["u"].is_null() || values.insert(thing["u"].as_u64())));
    for member in ["u", "n"] {
        let value = random(state, if member == "u" { VALUES } else { 50 });
        let found = things.find(field(member).eq(value)).to_vec().unwrap();
        let found: Vec<_> = found.into_iter().map(|thing| thing.id().clone()).collect();
        let wanted: Vec<_> = all
            .iter()
            .filter(|(_, thing)| thing[member].as_u64() == Some(value))
            .map(|(id, _)| id.clone())
            .collect();
        assert_eq!(found, wanted, "{member} {value}");
        let above = things.find(field(member).gte(value)).count().unwrap();
        let wanted =
            all.values().filter(|thing| thing[member].as_u64().is_some_and(|found| found >= value)).count();
        assert_eq!(above, wanted as u64, "{member} from {value}");
    }
}
