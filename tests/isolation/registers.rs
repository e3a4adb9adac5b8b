//! Calls outside of transactions, each document a register: linearizable, since each call seems to take effect at one moment
//! between its begin and its end.
//!
//! Every write of a document gives it the next revision, so the order of the writes is known. What is left to check is that no
//! revision was written twice, that nobody read one before its write had begun, and that revisions never go back from one call
//! to another that began after the first had ended. For a register whose writes are ordered that is all there is to linearizability.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use pivotdb::{Collection, Document, Durability, Snapshot, Store};
use serde_json::{Value, json};

use crate::chance::{Chance, times};
use crate::report::Report;
use crate::stores::{Place, disks, memory, on_disk, slow};

const THREADS: u64 = 6;
const REGISTERS: i32 = 3;

#[derive(Debug, Clone, Copy)]
struct Call {
    register: i32,
    begun: u64,
    ended: u64,
    wrote: bool,
    revision: u64,
    value: i64,
}

/// What is wrong with the calls on one register. Every write adds one to the value, which was 0 at revision 1.
fn flaw(calls: &[Call]) -> Option<String> {
    let writes: Vec<_> = calls.iter().filter(|call| call.wrote).collect();
    for call in calls {
        if call.value + 1 != i64::try_from(call.revision).unwrap() {
            return Some(format!("an increment is lost: {call:?}"));
        }
        let same = |write: &&&Call| write.revision == call.revision;
        if call.wrote && writes.iter().filter(same).count() > 1 {
            return Some(format!("written twice: {call:?}"));
        }
        match writes.iter().find(same) {
            Some(write) if write.begun > call.ended => {
                return Some(format!("read before it was written: {call:?}"));
            }
            None if call.revision != 1 => return Some(format!("written by nobody: {call:?}")),
            _ => {}
        }
        let back = calls.iter().find(|before| {
            before.ended < call.begun
                && (before.revision > call.revision || call.wrote && before.revision == call.revision)
        });
        if let Some(before) = back {
            return Some(format!("{call:?} goes back behind {before:?}"));
        }
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// Some reads are of a state that was.
    StaleReads,
    /// Some increments are a read and a write that has not been asked whether anything has happened between them.
    BlindWrites,
}

struct Client<'a> {
    store: &'a Store,
    data: &'a Collection<Value>,
    old: Snapshot,
    planted: Planted,
    chance: Chance,
}

fn told(document: &Document<Value>) -> (u64, i64) {
    (document.revision().get(), document.as_i64().unwrap())
}

impl Client<'_> {
    /// Whether it was a write, and the revision and value it read or wrote.
    fn call(&mut self, register: i32) -> Option<(bool, u64, i64)> {
        let data = self.data;
        let read = |(revision, value)| Some((false, revision, value));
        let wrote = |(revision, value)| Some((true, revision, value));
        let increment = |n: &mut Value| *n = json!(n.as_i64().unwrap() + 1);
        if self.chance.percent(5) {
            self.old = self.store.snapshot().unwrap();
        }
        match self.chance.below(8) {
            0 if self.planted == Planted::StaleReads => {
                read(told(&self.old.on(data).require(register).unwrap()))
            }
            1 if self.planted == Planted::BlindWrites => {
                let value = data.require(register).unwrap().as_i64().unwrap() + 1;
                thread::yield_now();
                wrote((data.overwrite(register, &json!(value)).unwrap().get(), value))
            }
            0 | 1 => read(told(&data.require(register).unwrap())),
            2 => read(told(&data.iter().nth(usize::try_from(register).unwrap()).unwrap().unwrap())),
            3 => read(told(data.get_many([register]).unwrap()[0].as_ref().unwrap())),
            4 => {
                let mut document = data.require(register).unwrap();
                thread::yield_now();
                increment(&mut document);
                match data.replace(&mut document) {
                    Ok(()) => wrote(told(&document)),
                    Err(error) if error.is_conflict() => None,
                    Err(error) => panic!("{error}"),
                }
            }
            5 => wrote(
                self.store
                    .transaction(|transaction| Ok(told(&transaction.on(data).update(register, increment)?)))
                    .unwrap(),
            ),
            _ => wrote(told(&data.update(register, increment).unwrap())),
        }
    }
}

fn calls(place: &Place, name: &str, planted: Planted, count: usize, purpose: u64) -> Vec<Call> {
    let store = &place.store;
    let data = store.documents(name).unwrap();
    for register in 0..REGISTERS {
        data.insert_with_id(register, &json!(0)).unwrap();
    }
    let (clock, calls) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let tick = || clock.fetch_add(1, Ordering::SeqCst);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (tick, calls, data) = (&tick, &calls, &data);
            scope.spawn(move || {
                let chance = Chance::new(purpose * 100 + thread);
                let mut client = Client { store, data, old: store.snapshot().unwrap(), planted, chance };
                let mut mine = Vec::new();
                for _ in 0..count {
                    client.chance.pause();
                    let register = client.chance.id(REGISTERS);
                    let begun = tick();
                    let outcome = client.call(register);
                    let ended = tick();
                    mine.extend(outcome.map(|(wrote, revision, value)| Call {
                        register,
                        begun,
                        ended,
                        wrote,
                        revision,
                        value,
                    }));
                }
                calls.lock().unwrap().extend(mine);
            });
        }
    });
    calls.into_inner().unwrap()
}

fn hunt(name: &str, place: &Place, rounds: usize, count: usize) {
    let (mut report, mut stale, mut blind) = (Report::default(), 0, 0);
    for round in 0..rounds {
        for planted in [Planted::Nothing, Planted::StaleReads, Planted::BlindWrites] {
            let all = calls(place, &format!("{round} {planted:?}"), planted, count, 5_000 + round as u64);
            let flaw = (0..REGISTERS).find_map(|register| {
                flaw(&all.iter().copied().filter(|call| call.register == register).collect::<Vec<_>>())
            });
            match planted {
                Planted::Nothing => {
                    report.runs += all.len();
                    report.violations.extend(flaw);
                }
                Planted::StaleReads => stale += usize::from(flaw.is_some()),
                Planted::BlindWrites => blind += usize::from(flaw.is_some()),
            }
        }
    }
    report.caught = stale.min(blind);
    report.tell(
        name,
        &format!("of {rounds} rounds stale reads were found in {stale}, blind writes in {blind}"),
    );
}

#[test]
fn calls_are_linearizable() {
    hunt("calls on one document, in memory", &memory(), times(8), 400);
}

#[test]
fn calls_are_linearizable_in_groups() {
    hunt("calls on one document, in groups", &slow(), times(4), 200);
}

#[test]
fn calls_are_linearizable_on_disk() {
    for disk in disks() {
        let name = format!("calls on one document, on {}", disk.name);
        hunt(&name, &on_disk(disk, Durability::Buffered), times(4), 200);
    }
}

#[test]
fn flaws_are_found() {
    let call = |begun, ended, wrote, revision: u64| Call {
        register: 0,
        begun,
        ended,
        wrote,
        revision,
        value: i64::try_from(revision).unwrap() - 1,
    };
    assert!(
        flaw(&[call(0, 1, true, 2), call(2, 3, false, 2), call(2, 5, true, 3), call(3, 4, false, 3)])
            .is_none()
    );
    assert!(flaw(&[call(0, 5, true, 2), call(1, 2, false, 1), call(3, 4, false, 2)]).is_none());
    assert!(flaw(&[call(0, 5, true, 2), call(1, 2, false, 2), call(3, 4, false, 1)]).is_some(), "back");
    assert!(flaw(&[call(0, 1, true, 2), call(2, 3, false, 1)]).is_some(), "stale");
    assert!(flaw(&[call(0, 1, false, 2), call(2, 3, true, 2)]).is_some(), "early");
    assert!(flaw(&[call(0, 1, true, 2), call(0, 1, true, 2)]).is_some(), "twice");
    assert!(flaw(&[call(0, 1, false, 2)]).is_some(), "from nowhere");
    assert!(flaw(&[Call { value: 0, ..call(0, 1, true, 2) }]).is_some(), "lost");
}
