//! Declaring, listing, dropping.

use std::sync::Arc;

use pivotdb::{ErrorKind, Evolution, Impact, Index, IndexState, Op, Store, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{Medium, Watched, check, fill, index, state, states, things};

#[test]
fn declaring_twice_is_declaring_once() {
    let (store, things) = things();
    fill(&things, 20);
    for _ in 0..2 {
        things.create_index(&Index::on("n").and_descending("m").named("both")).unwrap();
    }
    let info = index(&things, "both").unwrap();
    assert_eq!(states(&things), [("both".to_owned(), IndexState::Readable)]);
    assert_eq!((info.documents, info.of_documents, info.current), (20, 20, true));
    assert_eq!(info.descending, [false, true]);
    assert_eq!(things.index_entries("both").unwrap(), 20);
    check(&store);
}

#[test]
fn a_changed_definition_is_built_beside_the_old_one_and_takes_its_place() {
    let (store, things) = things();
    fill(&things, 600);
    things.create_index(&Index::on("n").named("i")).unwrap();
    store.run().unwrap();
    things.create_index(&Index::on("m").named("i")).unwrap();
    assert_eq!(
        states(&things).iter().map(|(_, state)| *state).collect::<Vec<_>>(),
        [IndexState::Readable, IndexState::Building]
    );
    things.insert_with_id(1000, &json!({"n": 1, "m": 1})).unwrap();
    check(&store);
    store.run().unwrap();
    assert_eq!(states(&things), [("i".to_owned(), IndexState::Readable)]);
    assert_eq!(index(&things, "i").unwrap().paths[0].to_string(), "m");
    assert_eq!(things.index_entries("i").unwrap(), 601);
    check(&store);
}

#[test]
fn a_dropped_index_leaves_nothing_behind() {
    let (store, things) = things();
    things.insert(&json!({})).unwrap();
    let before = store.stats().unwrap().keys;
    things.create_index(&Index::unique("n").named("i")).unwrap();
    fill(&things, 50);
    assert!(things.drop_index("i").unwrap());
    assert!(!things.drop_index("i").unwrap());
    assert_eq!(states(&things), []);
    store.run().unwrap();
    // What numbers generations stays.
    assert_eq!(store.stats().unwrap().keys, before + 50 + 1);
    things.create_index(&Index::on("n").named("i")).unwrap();
    assert_eq!(index(&things, "i").unwrap().generation, 2);
    check(&store);
}

#[test]
fn a_disabled_index_is_left_alone_until_it_is_built_anew() {
    let (store, things) = things();
    things.create_index(&Index::unique("n")).unwrap();
    things.insert(&json!({"n": 1})).unwrap();
    assert!(things.disable_index("n").unwrap());
    let second = things.insert(&json!({"n": 1})).unwrap();
    assert_eq!(state(&things, "n"), Some(IndexState::Disabled));
    things.create_index(&Index::unique("n")).unwrap();
    assert_eq!(state(&things, "n"), Some(IndexState::Disabled));
    things.delete(second).unwrap();
    things.rebuild_index("n").unwrap();
    assert_eq!(states(&things), [("n".to_owned(), IndexState::Readable)]);
    assert!(things.insert(&json!({"n": 1})).unwrap_err().is_unique_violation());
    assert_eq!(things.rebuild_index("x").unwrap_err().kind(), ErrorKind::InvalidIndex);
    store.run().unwrap();
    check(&store);
}

#[test]
fn senseless_indexes_are_refused_and_leave_no_trace() {
    let (store, things) = things();
    let keys = store.stats().unwrap().keys;
    for index in [Index::on("a..b"), Index::on("a").and("a"), Index::on("a").named("")] {
        assert!(things.create_index(&index).is_err());
    }
    assert_eq!(store.stats().unwrap().keys, keys);
    let snapshot = store.snapshot().unwrap();
    let error = snapshot.on(&things).create_index(&Index::on("a")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOption);
}

#[test]
fn what_cannot_be_indexed_is_refused_and_nothing_is_written() {
    let (store, things) = things();
    things.create_index(&Index::on("a").and("b").named("two")).unwrap();
    things.create_index(&Index::on("many")).unwrap();
    let error = things.insert(&json!({"a": [1], "b": [2]})).unwrap_err();
    assert_eq!((error.kind(), error.context().detail("index")), (ErrorKind::NotIndexable, Some("two")));
    let many: Vec<u32> = (0..1001).collect();
    let error = things.insert(&json!({"many": many})).unwrap_err();
    assert_eq!((error.kind(), error.context().detail("limit")), (ErrorKind::NotIndexable, Some("1000")));
    let id = "\0".repeat(1000);
    let error = things.insert_with_id(id.as_str(), &json!({"many": "x".repeat(1000)})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotIndexable);
    assert_eq!(things.count().unwrap(), 0);
    check(&store);
}

#[derive(Debug, Serialize, Deserialize)]
struct Thing {
    n: u32,
}

impl Versioned for Thing {
    const KIND: &'static str = "thing";

    fn indexes() -> Vec<Index> {
        vec![Index::unique("n"), Index::on("m").sparse()]
    }
}

#[test]
fn a_type_declares_its_indexes() {
    let medium = Medium::new();
    let (store, untyped) = medium.things(&Evolution::new());
    fill(&untyped, 30);
    store.close().unwrap();
    let store = medium.open();
    let things = store.collection::<Thing>("things").unwrap();
    assert_eq!(things.indexes().unwrap().len(), 2);
    let error = things.insert(&Thing { n: 7 }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UniqueViolation);
    assert_eq!(error.context().detail("holder"), Some("7"));
    assert_eq!(error.context().detail("value"), Some("7"));
    things.insert(&Thing { n: 77 }).unwrap();
    assert_eq!(things.index_entries("m").unwrap(), 30);
    // Also for those who know nothing of the type.
    let other = store.documents("things").unwrap();
    assert!(other.insert_with_id(99, &json!({"n": 77})).unwrap_err().is_unique_violation());
    check(&store);
}

#[test]
fn a_partial_index_has_the_documents_of_its_filter() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    fill(&things, 20);
    let live = Index::unique("m").only(json!({"gone": {"$ne": true}, "n": {"$gte": 100}})).named("live");
    things.create_index(&live).unwrap();
    assert_eq!(things.index_entries("live").unwrap(), 0, "m is not unique among those below 100");
    things.insert_with_id(100, &json!({"n": 100, "m": 1})).unwrap();
    assert!(things.insert(&json!({"n": 101, "m": 1})).unwrap_err().is_unique_violation());
    things.insert_with_id(101, &json!({"n": 101, "m": 1, "gone": true})).unwrap();
    assert!(things.update(101, |thing| thing["gone"] = json!(false)).unwrap_err().is_unique_violation());
    things.update(100, |thing| thing["gone"] = json!(true)).unwrap();
    things.update(101, |thing| thing["gone"] = json!(false)).unwrap();
    assert_eq!(things.index_entries("live").unwrap(), 1);
    check(&store);
    let error = things.create_index(&Index::on("a").only(json!({"a": {"$near": 1}}))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidFilter);
    // A step that changes what the filter looks at has it built anew.
    let steps = Evolution::new().step("s", [Op::rename("gone", "deleted")]);
    assert_eq!(store.impact("thing", &steps).unwrap()[0].impact, Impact::Rebuild { step: "s".into() });
    let steps = Evolution::new().step("s", [Op::rename("x", "y")]);
    assert_eq!(store.impact("thing", &steps).unwrap()[0].impact, Impact::Untouched);
    store.close().unwrap();
    let (store, things) = medium.things(&steps);
    assert_eq!(index(&things, "live").map(|info| (info.generation, info.current)), Some((1, true)));
    assert!(things.insert(&json!({"n": 102, "m": 1})).unwrap_err().is_unique_violation());
    check(&store);
}

/// Those on their way out were counted again.
#[test]
fn a_corrupt_index_is_dropped_once() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::on("n")).unwrap();
    things.insert(&json!({"n": 1})).unwrap();
    store.close().unwrap();
    medium.damage(&[1, 0x01, 0x04, 0, 0, 0, 1]);
    let (store, _) = medium.things(&Evolution::new());
    let dropped = [(); 2].map(|()| store.drop_corrupt_indexes().unwrap());
    store.run().unwrap();
    assert_eq!((dropped, store.drop_corrupt_indexes().unwrap()), ([1, 0], 0));
}

#[test]
fn an_index_of_several_kinds() {
    let medium = Medium::new();
    let store = medium.open();
    let cats = store.collection_with::<serde_json::Value>("pets", "cat", &Evolution::new()).unwrap();
    let dogs = store.collection_with::<serde_json::Value>("pets", "dog", &Evolution::new()).unwrap();
    cats.create_index(&Index::unique("name").of_kinds(["dog", "cat"])).unwrap();
    cats.create_index(&Index::unique("chip")).unwrap();
    cats.insert(&json!({"name": "a", "chip": 1})).unwrap();
    assert!(dogs.insert(&json!({"name": "a", "chip": 2})).unwrap_err().is_unique_violation());
    dogs.insert(&json!({"name": "b", "chip": 1})).unwrap();
    assert_eq!((cats.index_entries("name").unwrap(), cats.index_entries("chip").unwrap()), (2, 1));
    check(&store);
}

#[test]
fn indexes_survive_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let open = || Store::builder().background(false).open(&path).unwrap();
    let store = open();
    let things = store.documents("things").unwrap();
    fill(&things, 700);
    things.create_index(&Index::on("tags")).unwrap();
    for _ in 0..3 {
        store.step().unwrap().unwrap();
    }
    let so_far = index(&things, "tags").unwrap().documents;
    assert!((1..700).contains(&so_far));
    drop(things);
    drop(store);
    let store = open();
    let things = store.documents("things").unwrap();
    assert_eq!(index(&things, "tags").unwrap().documents, so_far, "the build goes on where it was");
    store.run().unwrap();
    assert_eq!(things.index_entries("tags").unwrap(), 1400);
    check(&store);
}

/// The story: what is known of all documents together was written anew with every document that has a list or lacks a path, for the life of the process.
#[test]
fn a_write_that_changes_nothing_of_an_index_writes_nothing_to_it() {
    let medium = Arc::new(Watched::default());
    let store = Store::builder().background(false).open_backend(medium.clone()).unwrap();
    let things = store.documents("things").unwrap();
    things.create_index(&Index::on("tags")).unwrap();
    things.create_index(&Index::unique("n").and("m").named("both")).unwrap();
    let thing = |n: u64| json!({"n": n, "tags": [1, 2], "more": 0});
    // Refused, so that nothing of it is stored.
    things.insert_with_id(0, &json!({"n": 0, "m": 0})).unwrap();
    things.insert_with_id(1, &json!({"n": [0, 1], "m": 0, "tags": [1]})).unwrap_err();
    let abandoned = store.begin().unwrap();
    abandoned.on(&things).insert_with_id(1, &thing(1)).unwrap();
    abandoned.rollback();
    for n in 1..4 {
        things.insert_with_id(n, &thing(n)).unwrap();
    }
    medium.index_keys();
    things.update(1, |one| one["more"] = json!(1)).unwrap();
    assert_eq!(medium.index_keys(), 0, "an update");
    store.transaction(|tx| tx.on(&things).update(2, |two| two["more"] = json!(1)).map(drop)).unwrap();
    assert_eq!(medium.index_keys(), 0, "a transaction");
    things.insert_with_id(4, &thing(4)).unwrap();
    assert_eq!(medium.index_keys(), 4, "entries, and a reservation");
    let mut bulk = things.bulk().unwrap();
    bulk.insert_with_id(5, &thing(5)).unwrap();
    bulk.finish().unwrap();
    assert_eq!(medium.index_keys(), 4, "a bulk");
    check(&store);
    drop((things, abandoned));
    store.close().unwrap();
    // What is known is stored.
    let store = Store::builder().background(false).open_backend(medium.clone()).unwrap();
    check(&store);
    let things = store.documents("things").unwrap();
    medium.index_keys();
    things.update(5, |five| five["more"] = json!(1)).unwrap();
    assert_eq!(medium.index_keys(), 0);
    let others = store.documents("others").unwrap();
    fill(&others, 600);
    others.create_index(&Index::on("tags").and("m")).unwrap();
    (0..2).for_each(|_| drop(store.step().unwrap().unwrap()));
    medium.index_keys();
    store.step().unwrap().unwrap();
    assert_eq!(medium.index_keys(), 64 * 2 + 1, "a step of a build: entries, and the state");
}
