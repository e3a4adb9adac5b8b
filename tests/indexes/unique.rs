//! Values that one document alone may have.

use std::sync::Barrier;
use std::thread;

use pivotdb::{ErrorKind, Evolution, Import, Index, IndexState, Store, Warning, WhileBuilding};
use serde_json::{Value, json};

use crate::support::{Medium, check, fill, index, state, things};

#[test]
fn every_way_of_writing_is_refused_that_would_double_a_value() {
    let (store, things) = things();
    things.create_index(&Index::unique("n")).unwrap();
    things.insert_with_id(1, &json!({"n": 1})).unwrap();
    things.insert_with_id(2, &json!({"n": 2})).unwrap();
    let refused = |outcome: Result<(), pivotdb::Error>| {
        let error = outcome.unwrap_err();
        assert!(error.is_unique_violation(), "{error}");
        assert_eq!(error.kind(), ErrorKind::UniqueViolation);
        assert_eq!(error.context().detail("holder"), Some("1"));
        assert_eq!(error.context().path(), Some("n"));
    };
    refused(things.insert(&json!({"n": 1.0})).map(drop));
    refused(things.insert_many([json!({"n": 3}), json!({"n": 1})]).map(drop));
    refused(things.put(2, &json!({"n": 1})).map(drop));
    refused(things.overwrite(2, &json!({"n": 1})).map(drop));
    refused(things.update(2, |two| two["n"] = json!(1)).map(drop));
    refused(things.merge_patch(2, &json!({"n": 1})).map(drop));
    let mut two = things.require(2).unwrap();
    two["n"] = json!([7, 1]);
    refused(things.replace(&mut two));
    refused(store.transaction(|tx| tx.on(&things).insert(&json!({"n": 1})).map(drop)));
    let mut bulk = things.bulk().unwrap();
    bulk.insert(&json!({"n": 1})).unwrap();
    refused(bulk.finish().map(drop));
    refused(Import::into(&things).read_from("{\"n\": 1}\n".as_bytes()).map(drop));
    let same = things.insert_many([json!({"n": 5}), json!({"n": 5})]).unwrap_err();
    assert!(same.is_unique_violation());
    assert_eq!(things.count().unwrap(), 2);
    check(&store);
}

#[test]
fn a_value_that_is_given_up_is_free() {
    let (store, things) = things();
    things.create_index(&Index::unique("n")).unwrap();
    things.insert_with_id(1, &json!({"n": 1})).unwrap();
    things.update(1, |one| one["n"] = json!(2)).unwrap();
    things.insert_with_id(2, &json!({"n": 1})).unwrap();
    things.delete(2).unwrap();
    things.insert_with_id(3, &json!({"n": [1, 1]})).unwrap();
    store
        .transaction(|tx| {
            let things = tx.on(&things);
            things.delete(3)?;
            things.insert_with_id(4, &json!({"n": 1}))
        })
        .unwrap();
    check(&store);
}

#[test]
fn missing_and_null_are_one_value_unless_the_index_is_sparse() {
    let (store, things) = things();
    things.create_index(&Index::unique("n")).unwrap();
    things.create_index(&Index::unique("m").sparse()).unwrap();
    things.insert(&json!({"n": null})).unwrap();
    assert!(things.insert(&json!({})).unwrap_err().is_unique_violation());
    things.insert(&json!({"n": 1})).unwrap();
    things.insert(&json!({"n": 2, "m": null})).unwrap();
    assert!(things.insert(&json!({"n": 3, "m": null})).unwrap_err().is_unique_violation());
    check(&store);
}

#[test]
fn of_many_threads_one_gets_a_value() {
    let store = Store::memory().unwrap();
    let things = store.documents("things").unwrap();
    things.create_index(&Index::unique("n")).unwrap();
    let barrier = Barrier::new(4);
    let won: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                let (store, things, barrier) = (&store, &things, &barrier);
                scope.spawn(move || {
                    let mut won = 0;
                    barrier.wait();
                    for n in 0..200 {
                        let id = n * 10 + thread;
                        let document = json!({"n": n});
                        let outcome = match thread {
                            0 => things.insert_with_id(id, &document),
                            1 => store.transaction(|tx| tx.on(things).insert_with_id(id, &document)),
                            2 => things.insert_many([&document]).map(drop),
                            _ => things.put(id, &document).map(drop),
                        };
                        match outcome {
                            Ok(()) => won += 1,
                            Err(error) => assert_eq!(error.kind(), ErrorKind::UniqueViolation, "{error}"),
                        }
                    }
                    won
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((won, things.count().unwrap()), (200, 200));
    check(&store);
}

#[test]
fn a_build_that_finds_duplicates_fails_and_lists_them() {
    let (store, things) = things();
    things.insert_with_id(1, &json!({"n": 1})).unwrap();
    things.insert_with_id(2, &json!({"n": 1})).unwrap();
    things.insert_with_id(3, &json!({"n": 3})).unwrap();
    things.create_index(&Index::unique("n")).unwrap();
    let failed = index(&things, "n").unwrap();
    assert_eq!(
        (failed.state, failed.duplicates, failed.duplicate_ids),
        (IndexState::Failed, 1, vec![2.into()])
    );
    let warning = |duplicates| Warning::IndexFailed {
        collection: "things".into(),
        index: "n".into(),
        duplicates,
        failure: None,
    };
    assert_eq!(store.warnings(), [warning(1)]);
    // Values that are held are held.
    assert!(things.insert_with_id(4, &json!({"n": 3})).unwrap_err().is_unique_violation());
    things.update(2, |two| two["n"] = json!(2)).unwrap();
    assert_eq!(state(&things, "n"), Some(IndexState::Failed));
    assert_eq!(store.warnings(), [warning(0)]);
    things.rebuild_index("n").unwrap();
    assert_eq!(state(&things, "n"), Some(IndexState::Readable));
    assert_eq!(store.warnings(), []);
    store.run().unwrap();
    check(&store);
}

/// A store of 600 documents with `n` from 0, and a unique index on `n` that has come past none of them.
fn building(policy: WhileBuilding) -> (Store, pivotdb::Collection<Value>) {
    let (store, things) = things();
    fill(&things, 600);
    things.create_index(&Index::unique("n").while_building(policy)).unwrap();
    assert_eq!(state(&things, "n"), Some(IndexState::Building));
    (store, things)
}

#[test]
fn while_it_is_built_writes_go_on_unenforced() {
    let (store, things) = building(WhileBuilding::Unenforced);
    things.insert_with_id(1000, &json!({"n": 7})).unwrap();
    // Among those that are written meanwhile it is enforced.
    assert!(things.insert_with_id(1001, &json!({"n": 7})).unwrap_err().is_unique_violation());
    things.insert_with_id(1002, &json!({"n": 1002})).unwrap();
    store.run().unwrap();
    let failed = index(&things, "n").unwrap();
    assert_eq!((failed.state, failed.duplicate_ids), (IndexState::Failed, vec![7.into()]));
    things.delete(1000).unwrap();
    things.rebuild_index("n").unwrap();
    store.run().unwrap();
    assert_eq!(state(&things, "n"), Some(IndexState::Readable));
    check(&store);
}

#[test]
fn while_it_is_built_writes_are_refused() {
    let (store, things) = building(WhileBuilding::Refused);
    let error = things.insert_with_id(1000, &json!({"n": 1000})).unwrap_err();
    assert_eq!((error.kind(), error.context().detail("index")), (ErrorKind::IndexBuilding, Some("n")));
    things.update(3, |three| three["m"] = json!("other")).unwrap();
    things.delete(4).unwrap();
    store.run().unwrap();
    assert_eq!(state(&things, "n"), Some(IndexState::Readable));
    things.insert_with_id(1000, &json!({"n": 1000})).unwrap();
    check(&store);
}

#[test]
fn a_program_that_wants_it_no_more_is_not_refused() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::unique("n")).unwrap();
    things.insert_with_id(1, &json!({"n": 1})).unwrap();
    fill(&things, 0);
    things.create_index(&Index::on("n")).unwrap();
    things.insert_with_id(2, &json!({"n": 1})).unwrap();
    store.run().unwrap();
    assert_eq!(things.indexes().unwrap().len(), 1);
    check(&store);
}

/// Their entry is cut after 1,024 bytes, so that all of these have the same one.
#[test]
fn long_values_that_share_an_entry_keep_it_until_the_last_is_gone() {
    let (store, things) = things();
    things.create_index(&Index::unique("urls").named("urls")).unwrap();
    let url = |end: &str| format!("{}{end}", "x".repeat(2_000));
    things.insert_with_id(1, &json!({"urls": [url("a"), url("b")]})).unwrap();
    let found = |url: String| things.find(json!({"urls": url})).to_vec().unwrap().len();
    for (urls, left) in [(vec![url("a")], 1), (vec![url("a"), url("c")], 1), (vec![url("c")], 1), (vec![], 0)]
    {
        things.update(1, |thing| thing["urls"] = json!(urls)).unwrap();
        assert_eq!(things.index_entries("urls").unwrap(), 1, "of something, or of nothing");
        assert_eq!(urls.first().map_or(0, |url| found(url.clone())), left);
        check(&store);
    }
}

/// A filter says that two objects are equal whatever the order of their members; the index said that they are not, so that a type whose fields were
/// put into another order took values that were another document's.
#[test]
fn the_order_of_members_makes_no_other_value() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Before {
        street: u32,
        number: u32,
    }
    #[derive(serde::Serialize, serde::Deserialize)]
    struct After {
        number: u32,
        street: u32,
    }
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Home<A> {
        address: A,
    }
    let (store, things) = things();
    things.create_index(&Index::unique("address")).unwrap();
    let steps = Evolution::new();
    let before = store.collection_with::<Home<Before>>("things", "thing", &steps).unwrap();
    let after = store.collection_with::<Home<After>>("things", "thing", &steps).unwrap();
    before.insert_with_id(1, &Home { address: Before { street: 1, number: 2 } }).unwrap();
    after.insert_with_id(2, &Home { address: After { number: 2, street: 2 } }).unwrap();
    let error = after.insert(&Home { address: After { number: 2, street: 1 } }).unwrap_err();
    assert!(error.is_unique_violation(), "{error}");
    let home = json!({"address": {"number": 2, "street": 1}});
    assert_eq!(things.find(home.clone()).count().unwrap(), 1);
    assert_eq!(things.find(home).explain().unwrap().keys_examined, 1);
    // As what is sorted by.
    let sorted = things.find(json!({})).sort("address").to_vec().unwrap();
    assert_eq!(sorted.iter().map(|home| home.id().clone()).collect::<Vec<_>>(), [1.into(), 2.into()]);
    check(&store);
}

/// The story: a build that had met a duplicate failed whatever became of it before the end, and then listed none.
#[test]
fn a_build_ends_readable_when_no_duplicate_is_left_at_its_end() {
    type Mend = fn(&pivotdb::Collection<Value>);
    let mends: [(&str, Mend); 6] = [
        ("the one that it came to is gone", |things| assert!(things.delete(7).unwrap())),
        ("the holder is gone", |things| assert!(things.delete(1000).unwrap())),
        ("the one that it came to has another value", |things| {
            things.update(7, |seven| seven["n"] = json!(7000)).unwrap();
        }),
        ("the holder has another value", |things| {
            things.update(1000, |holder| holder["n"] = json!(7000)).unwrap();
        }),
        ("nothing", |_| {}),
        ("it has another value beside the one of the holder", |things| {
            things.update(7, |seven| seven["n"] = json!([7, 7000])).unwrap();
        }),
    ];
    for (mended, mend) in mends {
        let (store, things) = building(WhileBuilding::Unenforced);
        things.insert_with_id(1000, &json!({"n": 7})).unwrap();
        store.step().unwrap().unwrap();
        let building = index(&things, "n").unwrap();
        assert_eq!((building.duplicates, building.duplicate_ids), (1, vec![7.into()]), "{mended}");
        mend(&things);
        store.run().unwrap();
        let ended = index(&things, "n").unwrap();
        let doubled = things.find(json!({"n": 7})).count().unwrap() > 1;
        let expected = if doubled {
            (IndexState::Failed, 1, vec![7.into()])
        } else {
            (IndexState::Readable, 0, Vec::new())
        };
        assert_eq!((ended.state, ended.duplicates, ended.duplicate_ids), expected, "{mended}");
        check(&store);
        if things.find(json!({"n": 7})).count().unwrap() > 0 {
            assert!(things.insert(&json!({"n": 7})).unwrap_err().is_unique_violation(), "{mended}");
        }
        // What has failed lists what is left.
        if doubled {
            things.delete(7).unwrap();
            let mended = index(&things, "n").unwrap();
            assert_eq!((mended.state, mended.duplicates), (IndexState::Failed, 0));
            things.rebuild_index("n").unwrap();
            store.run().unwrap();
            assert_eq!(state(&things, "n"), Some(IndexState::Readable));
        }
    }
}

/// More than a commit may hold, and than are listed.
#[test]
fn however_many_duplicates_there_were_none_may_be_left() {
    let store = Store::builder().background(false).commit_limit(4 << 10).memory().unwrap();
    let things = store.documents("things").unwrap();
    for n in 0..1200 {
        things.insert_with_id(n, &json!({"n": format!("{:0100}", n / 2)})).unwrap();
    }
    things.create_index(&Index::unique("n")).unwrap();
    while index(&things, "n").unwrap().documents < 1190 {
        store.step().unwrap().unwrap();
    }
    assert!(index(&things, "n").unwrap().duplicates > 500);
    // All the holders.
    (0..600).for_each(|n| assert!(things.delete(n * 2).unwrap()));
    store.run().unwrap();
    let ended = index(&things, "n").unwrap();
    assert_eq!((ended.state, ended.duplicates), (IndexState::Readable, 0));
    assert!(things.insert(&json!({"n": format!("{:0100}", 300)})).unwrap_err().is_unique_violation());
    check(&store);
}

/// The story: an index that is readable said nothing of a document that it has no entries of, and took the document's values from others.
#[test]
fn a_unique_index_that_cannot_have_a_document_fails_and_names_it() {
    let (store, things) = things();
    let many: Vec<u32> = (0..1001).collect();
    things.insert_with_id(1, &json!({"n": 1})).unwrap();
    things.insert_with_id(2, &json!({"n": many})).unwrap();
    things.insert_with_id(3, &json!({"n": many})).unwrap();
    things.create_index(&Index::unique("n")).unwrap();
    let failed = index(&things, "n").unwrap();
    assert_eq!((failed.state, failed.unreadable), (IndexState::Failed, 2));
    assert_eq!(failed.unreadable_ids, [2.into(), 3.into()]);
    let failure = failed.failure.unwrap();
    assert!(failure.contains("id 2") && failure.contains("1000"), "{failure}");
    check(&store);
    // Mended while it is built anew, all but one.
    things.delete(3).unwrap();
    things.update(2, |two| two["n"] = json!(2)).unwrap();
    assert_eq!(index(&things, "n").unwrap().unreadable, 0);
    things.rebuild_index("n").unwrap();
    let mended = index(&things, "n").unwrap();
    assert_eq!((mended.state, mended.failure), (IndexState::Readable, None));
    assert!(things.insert(&json!({"n": 2})).unwrap_err().is_unique_violation());
    check(&store);
}

#[test]
fn an_index_that_is_not_unique_lists_what_it_cannot_have() {
    let (store, things) = things();
    let many: Vec<u32> = (0..1001).collect();
    things.insert_with_id(1, &json!({"n": 1})).unwrap();
    things.insert_with_id(2, &json!({"n": many})).unwrap();
    things.create_index(&Index::on("n")).unwrap();
    let info = index(&things, "n").unwrap();
    assert_eq!((info.state, info.unreadable, info.unreadable_ids), (IndexState::Readable, 1, vec![2.into()]));
    assert_eq!(things.find(json!({"n": 1})).count().unwrap(), 2);
    things.delete(2).unwrap();
    let info = index(&things, "n").unwrap();
    assert_eq!((info.unreadable, info.unreadable_ids), (0, Vec::new()));
    check(&store);
}

/// The story: a transaction that had looked before the build came to a document, and was committed afterwards, left the document what the build had given it.
#[test]
fn a_transaction_that_a_build_overtakes_gives_up_what_the_build_has_reserved() {
    let (store, things) = building(WhileBuilding::Unenforced);
    let transaction = store.begin().unwrap();
    transaction.on(&things).update(5, |five| five["n"] = json!(5000)).unwrap();
    transaction.on(&things).delete(6).unwrap();
    store.step().unwrap().unwrap();
    assert!(transaction.commit().unwrap_err().is_conflict());
    store
        .transaction(|tx| {
            tx.on(&things).update(5, |five| five["n"] = json!(5000))?;
            tx.on(&things).delete(6).map(drop)
        })
        .unwrap();
    store.run().unwrap();
    assert_eq!(state(&things, "n"), Some(IndexState::Readable));
    check(&store);
    things.insert_with_id(1000, &json!({"n": [5, 6]})).unwrap();
}

/// As above, of the mark of a document that the index cannot have.
#[test]
fn a_transaction_that_a_build_overtakes_takes_the_mark_away() {
    let (store, things) = things();
    let many: Vec<u32> = (0..1001).collect();
    things.insert_with_id(5, &json!({"n": many})).unwrap();
    (10..700).for_each(|n| things.insert_with_id(n, &json!({"n": n})).unwrap());
    things.create_index(&Index::on("n")).unwrap();
    let transaction = store.begin().unwrap();
    transaction.on(&things).update(5, |five| five["n"] = json!(5000)).unwrap();
    store.step().unwrap().unwrap();
    transaction.commit().unwrap();
    store.run().unwrap();
    assert_eq!(index(&things, "n").unwrap().unreadable, 0);
    check(&store);
}
