//! Scans while others write: each must be of a state that some prefix of the commits has left.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use pivotdb::testing::isolation::{self, Validation};
use pivotdb::{Collection, Document, Durability, ErrorKind, Store};
use serde_json::{Value, json};

use crate::chance::{Chance, times};
use crate::report::Report;
use crate::stores::{Place, disks, memory, on_disk, slow};

const WRITERS: usize = 4;
const DOCUMENTS: i32 = 5;
const COMING_AND_GOING: i32 = 3;
/// More than one chunk.
const LARGE: usize = 20_000;

/// For each writer, how many of its commits a state has.
type State = [u64; WRITERS];

fn first_id(writer: usize) -> i32 {
    i32::try_from(writer).unwrap() * 100
}

/// The `n`th commit of a writer: some documents are rewritten, one of them in several chunks; others are there after every second commit.
fn write(collection: &Collection<Value>, writer: usize, n: u64) -> pivotdb::Result<()> {
    let first = first_id(writer);
    for id in first..first + DOCUMENTS {
        let size = if writer == 0 && id == first + 2 { LARGE } else { 10 };
        let letter = char::from(b'a' + u8::try_from(n % 26).unwrap());
        collection.overwrite(id, &json!({"n": n, "text": letter.to_string().repeat(size)}))?;
    }
    for id in first + 50..first + 50 + COMING_AND_GOING {
        if n.is_multiple_of(2) {
            collection.overwrite(id, &json!({"n": n, "text": ""}))?;
        } else {
            collection.delete(id)?;
        }
    }
    Ok(())
}

/// Which state the documents are of, if of one.
fn state_of(documents: &[Document<Value>]) -> Result<State, String> {
    let mut state = State::default();
    for (writer, state) in state.iter_mut().enumerate() {
        let first = first_id(writer);
        let mine: Vec<_> = documents
            .iter()
            .filter(|document| {
                (first..first + 100).contains(&i32::try_from(document.id().as_i64().unwrap()).unwrap())
            })
            .collect();
        let n = mine.first().and_then(|document| document["n"].as_u64()).ok_or("documents are missing")?;
        let count = DOCUMENTS + if n.is_multiple_of(2) { COMING_AND_GOING } else { 0 };
        if mine.len() != usize::try_from(count).unwrap() {
            return Err(format!("writer {writer}: {} documents after commit {n}", mine.len()));
        }
        for document in mine {
            let text = document["text"].as_str().unwrap().as_bytes();
            let letter = b'a' + u8::try_from(n % 26).unwrap();
            if document["n"] != n || text.iter().any(|byte| *byte != letter) {
                return Err(format!("writer {writer}: document {} differs from commit {n}", document.id()));
            }
        }
        *state = n;
    }
    Ok(state)
}

fn all(collection: &Collection<Value>) -> pivotdb::Result<Vec<Document<Value>>> {
    collection.iter().collect()
}

/// Every way to read a state gives the same.
fn whole(collection: &Collection<Value>) -> Result<State, String> {
    let told = |error: pivotdb::Error| error.to_string();
    let forward = all(collection).map_err(told)?;
    let mut backward = collection.iter().reversed().collect::<pivotdb::Result<Vec<_>>>().map_err(told)?;
    backward.reverse();
    let ids: Vec<_> = forward.iter().map(|document| document.id().clone()).collect();
    let many = collection.get_many(ids).map_err(told)?;
    let count = collection.count().map_err(told)?;
    let same = |one: &Document<Value>, other: &Document<Value>| {
        one.id() == other.id() && one.revision() == other.revision() && **one == **other
    };
    if forward.len() != backward.len() || !forward.iter().zip(&backward).all(|(one, other)| same(one, other))
    {
        return Err("backward it is another state than forward".into());
    }
    if !many.iter().zip(&forward).all(|(one, other)| one.as_ref().is_some_and(|one| same(one, other))) {
        return Err("get_many gives another state than a scan".into());
    }
    if count != forward.len() as u64 {
        return Err(format!("{count} documents are counted and {} found", forward.len()));
    }
    state_of(&forward)
}

struct Scanned {
    /// The last commit that the snapshot says it sees, where there was one.
    sequence: Option<u64>,
    state: State,
}

/// The states that were, in order, with their sequences.
fn history(mut commits: Vec<(u64, usize, u64)>, begun: u64) -> Vec<(u64, State)> {
    commits.sort_unstable();
    let mut states: Vec<(u64, State)> = vec![(begun, [2; WRITERS])];
    for (sequence, writer, n) in commits {
        let (last, mut state) = *states.last().unwrap();
        state[writer] = n;
        if last == sequence {
            states.pop();
        }
        states.push((sequence, state));
    }
    states
}

fn hunt(name: &str, place: &Place, scans: usize) {
    let store: &Store = &place.store;
    let collection = store.documents("scanned").unwrap().with_durability(Durability::Buffered);
    for writer in 0..WRITERS {
        write(&collection, writer, 2).unwrap();
    }
    let begun = store.snapshot().unwrap().sequence();
    let (done, made, left) = (AtomicBool::new(false), AtomicU64::new(0), AtomicUsize::new(scans));
    let commits = Mutex::new(Vec::new());
    let scanned = Mutex::new(Vec::new());
    let report = Mutex::new(Report::default());
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (collection, commits, done, made) = (&collection, &commits, &done, &made);
            scope.spawn(move || {
                let mut mine = Vec::new();
                for n in 3.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let transaction = store.begin().unwrap();
                    write(&transaction.on(collection), writer, n).unwrap();
                    let sequence = isolation::commit(&transaction, Validation::Everything).unwrap();
                    mine.push((sequence, writer, n));
                    made.fetch_add(1, Ordering::Relaxed);
                }
                commits.lock().unwrap().extend(mine);
            });
        }
        let scanners: Vec<_> = (0..2)
            .map(|scanner| {
                let (collection, scanned, report, made, left) =
                    (&collection, &scanned, &report, &made, &left);
                scope.spawn(move || {
                    let mut chance = Chance::new(100 + scanner);
                    let mut last = State::default();
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                        .is_ok()
                    {
                        let by_snapshot = chance.percent(50);
                        let (sequence, found) = if by_snapshot {
                            let snapshot = store.snapshot().unwrap();
                            chance.pause();
                            (Some(snapshot.sequence()), whole(&snapshot.on(collection)))
                        } else {
                            (
                                None,
                                all(collection)
                                    .map_err(|error| error.to_string())
                                    .and_then(|all| state_of(&all)),
                            )
                        };
                        match found {
                            Ok(state) => {
                                if state.iter().zip(&last).any(|(now, before)| now < before) {
                                    let told = format!("{state:?} was seen after {last:?}");
                                    report.lock().unwrap().violations.push(told);
                                }
                                last = state;
                                scanned.lock().unwrap().push(Scanned { sequence, state });
                            }
                            Err(told) => report.lock().unwrap().violations.push(told),
                        }
                        report.lock().unwrap().runs += 1;
                        // The control: the backend itself, read while a commit gets in between.
                        if chance.percent(2) {
                            let torn = isolation::read_torn(collection, || {
                                let before = made.load(Ordering::Relaxed);
                                while made.load(Ordering::Relaxed) == before {
                                    thread::yield_now();
                                }
                            });
                            // Chunks of two states are corrupt together; any other error is none of reading too much at once.
                            let caught = match torn {
                                Ok(documents) => state_of(&documents).is_err(),
                                Err(error) => error.kind() == ErrorKind::Corrupt,
                            };
                            report.lock().unwrap().caught += usize::from(caught);
                        }
                    }
                })
            })
            .collect();
        for scanner in scanners {
            scanner.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    let states = history(commits.into_inner().unwrap(), begun);
    let possible: HashSet<State> = states.iter().map(|(_, state)| *state).collect();
    let mut report = report.into_inner().unwrap();
    let mut distinct = HashSet::new();
    for Scanned { sequence, state } in scanned.into_inner().unwrap() {
        distinct.insert(state);
        let right = match sequence {
            Some(sequence) => {
                let after = states.partition_point(|(made, _)| *made <= sequence);
                states[after - 1].1 == state
            }
            None => possible.contains(&state),
        };
        if !right {
            report.violations.push(format!("{state:?} at {sequence:?} was never the state of the store"));
        }
    }
    let (states, distinct) = (states.len(), distinct.len());
    report.tell(name, &format!("{states} states, {distinct} of them seen"));
    assert!(distinct * 40 > report.runs, "hardly anything changed between scans");
}

#[test]
fn every_scan_is_a_prefix_of_commits() {
    hunt("scans beside 4 writers, in memory", &memory(), times(10_000));
}

#[test]
fn every_scan_is_a_prefix_of_groups() {
    hunt("scans beside 4 writers, in groups", &slow(), times(2_000));
}

#[test]
fn every_scan_is_a_prefix_of_commits_on_disk() {
    for disk in disks() {
        let name = format!("scans beside 4 writers, on {}", disk.name);
        hunt(&name, &on_disk(disk, Durability::Buffered), times(10_000));
    }
}
