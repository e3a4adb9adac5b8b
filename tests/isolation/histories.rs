//! Random transactions on few documents from several threads, each history checked for a serial order.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use pivotdb::testing::isolation::{self, Validation};
use pivotdb::{Collection, Document, Durability, ErrorKind, Store};
use serde_json::{Value, json};

use crate::chance::{Chance, times};
use crate::report::Report;
use crate::serial::{Done, Op, State, check};
use crate::stores::{Place, disks, memory, on_disk, slow};

const THREADS: u64 = 5;
const TRANSACTIONS: usize = 8;
const IDS: i32 = 7;

fn entry(document: &Document<Value>) -> (i32, i64) {
    (i32::try_from(document.id().as_i64().unwrap()).unwrap(), document.as_i64().unwrap())
}

/// One random operation; `value` is one that nobody else writes.
fn operate(data: &Collection<Value>, chance: &mut Chance, value: i64) -> pivotdb::Result<Op> {
    let id = chance.id(IDS);
    Ok(match chance.below(9) {
        0 | 1 => Op::Get { id, found: data.get(id)?.map(|found| entry(&found).1) },
        2 => {
            // Two at once.
            let found = data.get_many([id])?.remove(0);
            Op::Get { id, found: found.map(|found| entry(&found).1) }
        }
        3 => {
            let (from, to) = (id, id + chance.id(IDS));
            let (backward, at_most) = (chance.percent(50), 1 + chance.below(4));
            let range = data.range(from..to);
            let range = if backward { range.reversed() } else { range };
            let found = range.take(at_most).map(|found| found.map(|found| entry(&found)));
            Op::Scan { from, to, backward, at_most, found: found.collect::<pivotdb::Result<_>>()? }
        }
        4 => Op::Count { found: data.count()? },
        5 => {
            data.overwrite(id, &json!(value))?;
            Op::Put { id, value }
        }
        6 => match data.update(id, |n| *n = json!(value)) {
            Ok(_) => Op::Put { id, value },
            Err(error) if error.kind() == ErrorKind::NotFound => Op::Get { id, found: None },
            Err(error) => return Err(error),
        },
        7 => match data.insert_with_id(id, &json!(value)) {
            Ok(()) => Op::Insert { id, value, taken: false },
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Op::Insert { id, value, taken: true },
            Err(error) => return Err(error),
        },
        _ => Op::Delete { id, found: data.delete(id)? },
    })
}

/// Runs transactions on several threads and gives those that were committed, and how many were refused.
fn history(
    store: &Store,
    data: &Collection<Value>,
    validation: Validation,
    purpose: u64,
) -> (Vec<Done>, usize) {
    let (clock, refused) = (AtomicU64::new(0), AtomicUsize::new(0));
    let done = Mutex::new(Vec::new());
    let tick = || clock.fetch_add(1, Ordering::SeqCst);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (tick, done, refused) = (&tick, &done, &refused);
            scope.spawn(move || {
                let mut chance = Chance::new(purpose * 100 + thread);
                for n in 0..TRANSACTIONS {
                    let begun = tick();
                    let transaction = store.begin().unwrap();
                    let mine = transaction.on(data);
                    let first =
                        i64::try_from(thread).unwrap() * 1_000_000 + i64::try_from(n).unwrap() * 1_000;
                    let ops: Vec<Op> = (0..1 + chance.below(5))
                        .map(|m| {
                            chance.pause();
                            operate(&mine, &mut chance, first + i64::try_from(m).unwrap()).unwrap()
                        })
                        .collect();
                    let saw = isolation::sequence(&transaction).unwrap();
                    chance.pause();
                    match isolation::commit(&transaction, validation) {
                        Ok(at) => {
                            let ended = tick();
                            done.lock().unwrap().push(Done { begun, ended, saw, at, wrote: at != saw, ops });
                        }
                        // What is not validated may also delete a document twice, and the committer notices that.
                        Err(error) if error.is_conflict() || validation == Validation::Nothing => {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    (done.into_inner().unwrap(), refused.into_inner())
}

fn hunt(name: &str, place: impl Fn() -> Place, each_its_own: bool, histories: usize) {
    let shared = place();
    let (mut report, mut committed, mut refused, mut grouped) = (Report::default(), 0, 0, 0);
    let mut controls = 0;
    for n in 0..histories {
        let own = each_its_own.then(&place);
        let store = &own.as_ref().unwrap_or(&shared).store;
        // Weaker isolation in some of them: the control.
        let validation = match n % 10 {
            8 => Validation::Written,
            9 => Validation::Nothing,
            _ => Validation::Everything,
        };
        let data = store.documents(&format!("history {n}")).unwrap();
        let mut initial = State::new();
        for id in (0..IDS).step_by(2) {
            data.insert_with_id(id, &json!(-1)).unwrap();
            initial.insert(id, -1);
        }
        let (done, conflicts) = history(store, &data, validation, 1_000 + n as u64);
        let verdict = check(&initial, &done);
        if validation == Validation::Everything {
            report.runs += 1;
            committed += done.len();
            refused += conflicts;
            let mut sequences: Vec<_> = done.iter().filter(|one| one.wrote).map(|one| one.at).collect();
            let writers = sequences.len();
            sequences.sort_unstable();
            sequences.dedup();
            grouped += writers - sequences.len();
            report.violations.extend(verdict.err().map(|told| format!("history {n}: {told}")));
        } else {
            controls += 1;
            report.caught += usize::from(verdict.is_err());
        }
    }
    let caught = report.caught;
    let more = format!(
        "{committed} transactions committed, {grouped} in a group with others, {refused} refused; \
         weaker isolation found in {caught} of {controls}"
    );
    report.tell(name, &more);
    assert!(refused > 0 && committed > refused / 10);
}

#[test]
fn histories_are_serializable() {
    hunt("random histories, in memory", memory, true, times(600));
}

#[test]
fn histories_are_serializable_in_groups() {
    hunt("random histories, in groups", slow, true, times(400));
}

#[test]
fn histories_are_serializable_on_disk() {
    for disk in disks() {
        let name = format!("random histories, on {}", disk.name);
        hunt(&name, || on_disk(disk, Durability::Buffered), false, times(200));
    }
}
