//! Building: resumable, cancellable, in the background.

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use pivotdb::{ErrorKind, Index, IndexState, Store};
use serde_json::json;

use crate::support::{check, fill, index, state, things};

#[test]
fn a_small_collection_is_indexed_at_once() {
    let (store, things) = things();
    fill(&things, 500);
    things.create_index(&Index::on("n")).unwrap();
    assert_eq!(state(&things, "n"), Some(IndexState::Readable));
    assert!(store.step().unwrap().is_none());
}

#[test]
fn progress_is_told_and_a_build_that_is_stopped_goes_on_where_it_was() {
    let (store, things) = things();
    fill(&things, 1000);
    things.create_index(&Index::on("n")).unwrap();
    let mut seen = Vec::new();
    let stopped = store.run_with(|progress| {
        seen.extend(progress.documents);
        if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(seen.is_sorted() && seen[2] < 1000, "{seen:?}");
    assert_eq!(index(&things, "n").unwrap().documents, seen[2]);
    check(&store);
    store.run().unwrap();
    assert_eq!(things.index_entries("n").unwrap(), 1000);
    check(&store);
}

#[test]
fn writes_between_the_steps_of_a_build_are_in_the_index() {
    let (store, things) = things();
    fill(&things, 1000);
    things.create_index(&Index::on("n")).unwrap();
    let mut round = 0;
    while store.step().unwrap().is_some() {
        // Before and behind the frontier.
        for id in [round, 999 - round] {
            things.update(id, |thing| thing["n"] = json!("changed")).unwrap();
            things.delete(500 - round).unwrap();
            things.insert_with_id(2000 + id, &json!({"n": id})).unwrap();
        }
        round += 1;
        check(&store);
    }
    assert!(round > 5, "{round}");
    assert_eq!(things.index_entries("n").unwrap(), things.count().unwrap());
    check(&store);
}

#[test]
fn a_build_in_the_background_ends_among_writers() {
    let store = Store::memory().unwrap();
    let things = store.documents("things").unwrap();
    fill(&things, 3000);
    things.create_index(&Index::on("n")).unwrap();
    things.create_index(&Index::unique("u").sparse()).unwrap();
    thread::scope(|scope| {
        for writer in 0..3_u64 {
            let things = &things;
            scope.spawn(move || {
                for round in 0..300 {
                    let id = (round * 37 + writer * 11) % 3000;
                    things.put(id, &json!({"n": round, "u": id})).unwrap();
                }
            });
        }
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    while state(&things, "n") != Some(IndexState::Readable)
        || state(&things, "u") != Some(IndexState::Readable)
    {
        assert!(Instant::now() < deadline, "the build does not end");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(things.index_entries("n").unwrap(), 3000);
    check(&store);
    store.close().unwrap();
}

#[test]
fn a_store_can_be_dropped_and_opened_again_while_it_builds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Store::open(&path).unwrap();
    let things = store.documents("things").unwrap();
    fill(&things, 2000);
    things.create_index(&Index::on("n")).unwrap();
    drop(things);
    drop(store);
    let store = Store::open(&path).unwrap();
    check(&store);
}

#[test]
fn what_a_snapshot_has_is_not_what_was_built_after_it() {
    let (store, things) = things();
    fill(&things, 600);
    let before = store.snapshot().unwrap();
    things.create_index(&Index::on("n")).unwrap();
    let begun = store.snapshot().unwrap();
    store.run().unwrap();
    assert_eq!(before.on(&things).indexes().unwrap(), []);
    assert_eq!(state(&begun.on(&things), "n"), Some(IndexState::Building));
    assert_eq!(state(&things, "n"), Some(IndexState::Readable));
}
