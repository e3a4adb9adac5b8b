//! Two who decide at once what indexes there shall be.
//!
//! Whoever declared a kind decided what became of the indexes made by calls, and then waited for others who were about to change them: he did what he had decided all the same, and an
//! index that had just been dropped was back.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use pivotdb::{Collection, Evolution, Index, IndexState, Op, Store, To};
use serde_json::{Value, json};

use crate::support::{Meanwhile, Watched, check};

fn open(medium: &Arc<Watched>, steps: &Evolution) -> (Store, Collection<Value>) {
    let store = Store::builder().background(false).open_backend(medium.clone()).unwrap();
    let things = store.collection_with("things", "thing", steps).unwrap();
    (store, things)
}

/// Has `second` begin, on a thread of its own, when `hook` is called for the `nth` time while `first` runs.
fn race(hook: &Meanwhile, nth: usize, second: impl FnOnce() + Send + 'static, first: impl FnOnce()) {
    let (sender, begun) = mpsc::channel();
    let (mut second, mut calls) = (Some(second), 0);
    *hook.lock().unwrap() = Some(Box::new(move || {
        calls += 1;
        if let Some(second) = second.take_if(|_| calls == nth) {
            sender.send(thread::spawn(second)).unwrap();
            thread::sleep(Duration::from_millis(300));
        }
    }));
    first();
    *hook.lock().unwrap() = None;
    begun.try_recv().unwrap().join().unwrap();
}

/// What there is after a program has declared a step that has its index built anew, and somebody has done something with its indexes meanwhile.
fn after_a_step_and(second: impl FnOnce(&Collection<Value>) + Send + 'static) -> Vec<(String, bool)> {
    let medium = Arc::new(Watched::default());
    let (store, things) = open(&medium, &Evolution::new());
    things.insert_many([json!({"n": 1, "m": 1}), json!({"n": 2, "m": 2})]).unwrap();
    things.create_index(&Index::unique("n").named("i")).unwrap();
    store.close().unwrap();
    let store = Store::builder().background(false).open_backend(medium.clone()).unwrap();
    let all = store.documents("things").unwrap();
    let changed = Evolution::new().step("n is an integer", [Op::convert("n", To::Integer)]);
    let declare = || drop(store.collection_with::<Value>("things", "thing", &changed).unwrap());
    // First it is looked up which branches documents are on; then it has been decided what becomes of the index.
    race(&medium.while_counting, 2, move || second(&all), declare);
    store.run().unwrap();
    check(&store);
    let things = store.collection_with::<Value>("things", "thing", &changed).unwrap();
    let mut infos = things.indexes().unwrap();
    infos.retain(|info| info.current);
    infos.into_iter().map(|info| (info.paths[0].to_string(), info.unique)).collect()
}

#[test]
fn an_index_that_is_dropped_while_a_kind_is_declared_is_not_made_again() {
    let after = after_a_step_and(|all| assert!(all.drop_index("i").unwrap()));
    assert_eq!(after, []);
}

#[test]
fn an_index_that_is_declared_while_a_kind_is_declared_is_the_last_one() {
    let after = after_a_step_and(|all| all.create_index(&Index::on("m").named("i")).unwrap());
    assert_eq!(after, [("m".to_owned(), false)]);
}

/// A write that needs another index in the place of one waited for whoever dropped that, and made the other one all the same.
#[test]
fn an_index_that_is_dropped_under_a_write_that_it_cannot_have_is_not_made_again() {
    let medium = Arc::new(Watched::default());
    let (store, things) = open(&medium, &Evolution::new());
    things.create_index(&Index::unique("n").named("i")).unwrap();
    store.close().unwrap();
    let renamed = Evolution::new().step("n is called number", [Op::rename("n", "number")]);
    let (store, things) = open(&medium, &renamed);
    let (former, dropping) = (things.view::<Value>(1).unwrap(), things.clone());
    let drop_it = move || assert!(dropping.drop_index("i").unwrap());
    // The second is the first without an n.
    let write = || drop(former.insert_many([json!({"n": 1}), json!({"number": 8})]).unwrap());
    race(&medium.while_reserving, 1, drop_it, write);
    let states: Vec<_> = things.indexes().unwrap().into_iter().map(|info| info.state).collect();
    assert!(states.iter().all(|state| *state == IndexState::Dropped), "{states:?}");
    things.insert(&json!({"number": 8})).unwrap();
    store.run().unwrap();
    check(&store);
}
