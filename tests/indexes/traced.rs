//! What a reading of the code has found, each as the case that it was found with.

use pivotdb::{
    Collection, ErrorKind, Evolution, Function, Index, IndexState, Op, StepContext, Store, Unreadable, field,
};
use serde_json::{Value, json};

use crate::support::{Medium, index};

/// Builds stop after two documents, at `run`.
fn slowly(medium: &Medium) -> Store {
    medium.open_with(|builder| builder.index_at_once(0).build_batch(2))
}

fn given(results: impl Iterator<Item = pivotdb::Result<pivotdb::Document<Value>>>) -> Vec<Option<u64>> {
    results.map(|result| result.ok().and_then(|found| found.id().as_u64())).collect()
}

/// An index has come to 3; 2 is damaged.
fn half_built() -> (Medium, Store, Collection<Value>) {
    let medium = Medium::new();
    let store = medium.open_with(|builder| builder.index_at_once(0).build_batch(3));
    let things = store.collection_with::<Value>("things", "thing", &Evolution::new()).unwrap();
    for (id, a) in [(1, 1), (2, 2), (3, 3), (4, 5)] {
        things.insert_with_id(id, &json!({"a": a})).unwrap();
    }
    things.create_index(&Index::on("a")).unwrap();
    store.step().unwrap();
    store.close().unwrap();
    medium.damage_document(1);
    let store = medium.open_with(|builder| builder.index_at_once(0));
    let things = store.collection_with::<Value>("things", "thing", &Evolution::new()).unwrap();
    (medium, store, things)
}

#[test]
fn what_stands_nowhere_changes_the_order_of_nothing_else() {
    let (_medium, _store, things) = half_built();
    let sorted = || things.find(json!({})).sort("a");
    assert!(sorted().explain().unwrap().plan.contains("forward; then a scan"));
    assert_eq!(given(sorted().iter()), [Some(1), None, Some(3), Some(4)]);
    assert_eq!(given(sorted().unreadable(Unreadable::Skip).iter()), [Some(1), Some(3), Some(4)]);
    // Who has come no further has not been told.
    let mut one = sorted().iter();
    one.next().unwrap().unwrap();
    let cursor = one.cursor().unwrap().unwrap();
    assert_eq!(given(sorted().after(&cursor).iter()), [None, Some(3), Some(4)]);
    // From a cursor, what has been told of is not told again.
    let mut first = sorted().iter();
    assert!(first.by_ref().take(3).count() == 3);
    let cursor = first.cursor().unwrap().unwrap();
    assert_eq!(given(sorted().after(&cursor).iter()), [Some(4)]);
    things.drop_index("a").unwrap();
    assert_eq!(given(sorted().iter()), [None, Some(1), Some(3), Some(4)]);
    assert_eq!(given(sorted().after(&cursor).iter()), [Some(4)]);
}

#[test]
fn existence_fails_where_results_do() {
    let (_medium, _store, things) = half_built();
    things.drop_index("a").unwrap();
    let sorted = || things.find(json!({})).sort("a");
    let mut all = sorted().iter();
    assert_eq!(all.by_ref().count(), 4);
    let cursor = all.cursor().unwrap().unwrap();
    let failing = || sorted().after(&cursor).unreadable(Unreadable::Fail);
    assert!(failing().iter().next().unwrap().is_err());
    assert_eq!(failing().exists().unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(!sorted().after(&cursor).exists().unwrap());
}

#[test]
fn a_count_that_has_come_to_its_limit_looks_no_further() {
    let medium = Medium::new();
    let store = slowly(&medium);
    let things = store.collection_with::<Value>("things", "thing", &Evolution::new()).unwrap();
    for id in [1, 2, 9, 10] {
        things.insert_with_id(id, &json!({"a": 1})).unwrap();
    }
    things.create_index(&Index::on("a")).unwrap();
    store.step().unwrap();
    store.close().unwrap();
    medium.damage_document(3);
    let store = slowly(&medium);
    let things = store.collection_with::<Value>("things", "thing", &Evolution::new()).unwrap();
    let ones = || things.find(field("a").eq(1));
    assert!(ones().explain().unwrap().plan.starts_with("index"));
    let counts = || [1, 2, 3, 4].map(|limit| ones().limit(limit).count().map_err(|error| error.kind()));
    let expected = [Ok(1), Ok(2), Ok(3), Err(ErrorKind::Corrupt)];
    assert_eq!(counts(), expected);
    let skipping = || ones().skip(2).limit(1).count().map_err(|error| error.kind());
    assert_eq!(skipping(), Ok(1));
    things.drop_index("a").unwrap();
    assert_eq!(counts(), expected);
    assert_eq!(skipping(), Ok(1));
}

#[test]
fn a_list_is_moved_whole_by_whatever_names_it_is_called_in_between() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.insert_with_id(1, &json!({"a": [1, 2], "b": 7})).unwrap();
    things.insert_with_id(2, &json!({"a": [5]})).unwrap();
    // Here the second step fails.
    things.insert_with_id(3, &json!({"a": [3], "d": 1})).unwrap();
    things.create_index(&Index::on("a").named("x")).unwrap();
    store.close().unwrap();
    let steps =
        Evolution::new().step("in", [Op::move_field("a", "b.c")]).step("out", [Op::move_field("b.c", "d")]);
    let (_store, things) = medium.things(&steps);
    assert_eq!(index(&things, "x").map(|index| (index.generation, index.current)), Some((1, true)));
    let found = |d: u64| given(things.find(field("d").eq(d)).iter());
    let all = || [2, 3, 5, 9].map(found);
    assert!(things.find(field("d").eq(5)).explain().unwrap().index.is_some());
    let by_index = all();
    assert_eq!(by_index, [vec![None], vec![None], vec![Some(2)], vec![]]);
    things.drop_index("x").unwrap();
    assert_eq!(all(), by_index);
}

#[test]
fn a_state_from_before_an_index_went_over_does_not_use_it() {
    let medium = Medium::new();
    let renamed = Evolution::new().step("a is called b", [Op::rename("a", "b")]);
    let (store, things) = medium.things(&renamed);
    things.insert_with_id("d", &json!({"a": 7})).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::on("a").named("x")).unwrap();
    store.close().unwrap();
    let store = medium.open();
    let before = store.snapshot().unwrap();
    let transaction = store.begin().unwrap();
    store.documents("things").unwrap().delete("d").unwrap();
    let things = store.collection_with::<Value>("things", "thing", &renamed).unwrap();
    assert_eq!(index(&things, "x").map(|index| (index.generation, index.current)), Some((1, true)));
    let then = before.on(&things);
    assert_eq!(then.find(field("b").missing()).count().unwrap(), 1);
    assert_eq!(then.find(field("b").missing()).to_vec().unwrap().len(), 1);
    let within = transaction.on(&things);
    assert_eq!(within.find(field("b").missing()).count().unwrap(), 1);
    transaction.rollback();
    assert_eq!(things.find(field("b").missing()).count().unwrap(), 0);
    assert!(things.find(field("b").eq(1)).explain().unwrap().index.is_some());
}

#[test]
fn explain_says_what_has_become_of_an_index_and_not_what_might_have() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    for id in 0..3 {
        things.insert_with_id(id, &json!({"a": id})).unwrap();
    }
    things.insert_with_id(3, &json!({"c": 1})).unwrap();
    things.create_index(&Index::on("a").named("x")).unwrap();
    let renamed = Evolution::new().step("a is called b", [Op::rename("a", "b")]);
    let rebuild = pivotdb::Impact::Rebuild { step: "a is called b".into() };
    assert_eq!(store.impact("thing", &renamed).unwrap()[0].impact, rebuild);
    store.close().unwrap();
    let (_store, things) = medium.things(&renamed);
    let explained = things.find(field("b").eq(1)).explain().unwrap();
    assert_eq!((explained.indexes[0].generation, explained.indexes[0].impact.clone()), (1, Some(rebuild)));
}

#[test]
fn a_count_counts_nothing_that_is_too_large_to_be_read() {
    let medium = Medium::new();
    let open = || medium.open_with(|builder| builder.document_limit(100));
    let store = open();
    let things = store.collection_with::<Value>("things", "thing", &Evolution::new()).unwrap();
    things.insert_with_id(1, &json!({"a": 1, "text": "x".repeat(75)})).unwrap();
    things.create_index(&Index::on("a")).unwrap();
    store.close().unwrap();
    let store = open();
    let grown = Evolution::new().step("more", [Op::add("more", "y".repeat(50))]);
    let things = store.collection_with::<Value>("things", "thing", &grown).unwrap();
    let ones = || things.find(field("a").eq(1));
    let kind = ones().to_vec().unwrap_err().kind();
    assert_eq!(ones().count().unwrap_err().kind(), kind);
}

#[test]
fn an_older_program_that_comes_back_has_its_index_built_anew() {
    let medium = Medium::new();
    let newer = || {
        let more = |body: &mut Value, _: &StepContext<'_>| {
            let n = body["n"].as_u64().unwrap_or(0);
            body["n"] = json!(n + 100);
        };
        Evolution::new().step("more", Function::new("more", more))
    };
    let (store, things) = medium.things(&Evolution::new());
    things.insert_with_id(1, &json!({"n": 1})).unwrap();
    things.create_index(&Index::unique("n").named("x")).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&newer());
    assert_eq!(index(&things, "x").map(|index| index.generation), Some(2));
    things.insert_with_id(2, &json!({"n": 2})).unwrap();
    things.delete(2).unwrap();
    assert_eq!(things.indexes().unwrap()[0].state, IndexState::Unmaintained);
    store.close().unwrap();
    let by = |things: &Collection<Value>, n: u64| {
        things.find(field("n").eq(n)).explain().unwrap().index.map(|index| index.generation)
    };
    let (store, things) = medium.things(&Evolution::new());
    assert_eq!(by(&things, 1), Some(3));
    store.close().unwrap();
    // And the newer one finds its own, and leaves that one alone.
    for _ in 0..2 {
        let (store, things) = medium.things(&newer());
        assert_eq!(by(&things, 101), Some(2));
        store.close().unwrap();
        let (store, things) = medium.things(&Evolution::new());
        assert_eq!(by(&things, 1), Some(3));
        store.close().unwrap();
    }
    let (_store, things) = medium.things(&Evolution::new());
    assert!(things.insert(&json!({"n": 1})).unwrap_err().is_unique_violation());
}

#[test]
fn an_index_is_rebuilt_for_the_program_that_asks() {
    let medium = Medium::new();
    let text = || Evolution::new().step("in text", [Op::rename("n", "m").if_taken(pivotdb::Taken::Keep)]);
    let (store, things) = medium.things(&Evolution::new());
    things.insert_with_id(1, &json!({"n": 1})).unwrap();
    things.create_index(&Index::on("n").named("x")).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&text());
    assert_eq!(index(&things, "x").map(|index| index.generation), Some(2));
    store.close().unwrap();
    let (store, things) = medium.things(&Evolution::new());
    things.rebuild_index("x").unwrap();
    store.run().unwrap();
    let used = things.find(field("n").eq(1)).explain().unwrap().index;
    assert_eq!(used.map(|used| used.generation), Some(3));
    store.close().unwrap();
    let (_store, things) = medium.things(&text());
    assert!(things.find(field("m").eq(1)).explain().unwrap().index.is_some());
}

#[test]
fn an_index_over_two_kinds_does_not_go_where_only_one_of_them_has_gone() {
    let medium = Medium::new();
    let renamed = Evolution::new().step("a is called b", [Op::rename("a", "b")]);
    let (store, first) = medium.things(&Evolution::new());
    let other = store.collection_with::<Value>("things", "other", &Evolution::new()).unwrap();
    first.insert_with_id(1, &json!({"a": 1})).unwrap();
    first.insert_with_id(3, &json!({"b": 3})).unwrap();
    other.insert_with_id(2, &json!({"a": 2})).unwrap();
    first.create_index(&Index::unique("a").named("x").of_kinds(["thing", "other"])).unwrap();
    store.close().unwrap();
    let (store, first) = medium.things(&renamed);
    let other = store.collection_with::<Value>("things", "other", &Evolution::new()).unwrap();
    assert!(!store.warnings().is_empty());
    assert_eq!(first.find(field("b").eq(1)).count().unwrap(), 1);
    assert!(other.find(field("a").eq(2)).explain().unwrap().index.is_some());
    assert!(other.insert(&json!({"a": 2})).unwrap_err().is_unique_violation());
    other.insert(&json!({"a": 9, "b": 1})).unwrap();
    other.insert(&json!({"a": 10, "b": 1})).unwrap();
}

#[test]
fn an_index_over_two_kinds_goes_where_both_have_gone() {
    let medium = Medium::new();
    let renamed = Evolution::new().step("a is called b", [Op::rename("a", "b")]);
    let (store, first) = medium.things(&Evolution::new());
    let other = store.collection_with::<Value>("things", "other", &Evolution::new()).unwrap();
    first.insert_with_id(1, &json!({"a": 1})).unwrap();
    other.insert_with_id(2, &json!({"a": 2})).unwrap();
    first.create_index(&Index::unique("a").named("x").of_kinds(["thing", "other"])).unwrap();
    store.close().unwrap();
    for opened in 0..2 {
        let (store, first) = medium.things(&renamed);
        assert_eq!(store.warnings().len(), 1 - opened, "until the other kind is declared, nobody knows");
        let other = store.collection_with::<Value>("things", "other", &renamed).unwrap();
        for (things, b) in [(&first, 1), (&other, 2)] {
            assert!(things.find(field("b").eq(b)).explain().unwrap().index.is_some());
            assert!(things.insert(&json!({"b": 3 - b})).unwrap_err().is_unique_violation());
        }
        crate::support::check(&store);
        store.close().unwrap();
    }
}

#[test]
fn a_cursor_of_another_kind_is_none() {
    let (store, first) = crate::support::things();
    let other = store.collection_with::<Value>("things", "other", &Evolution::new()).unwrap();
    first.insert_with_id(1, &json!({"a": 1})).unwrap();
    other.insert_with_id(2, &json!({"a": 2})).unwrap();
    let mut results = first.find(json!({})).iter();
    results.next().unwrap().unwrap();
    let cursor = results.cursor().unwrap().unwrap();
    let error = other.find(json!({})).after(&cursor).to_vec().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidCursor);
    let untyped = store.documents("things").unwrap();
    assert_eq!(untyped.find(json!({})).after(&cursor).count().unwrap(), 1);
    // Of a store where there are more kinds.
    let (elsewhere, _) = crate::support::things();
    let untyped = elsewhere.documents("things").unwrap();
    let mut results = other.find(json!({})).iter();
    results.next().unwrap().unwrap();
    let cursor = results.cursor().unwrap().unwrap();
    let error = untyped.find(json!({})).after(&cursor).to_vec().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidCursor);
}

#[test]
fn a_throttle_is_for_the_worker_and_not_for_who_waits() {
    let throttle = pivotdb::Throttle::DocumentsPerSecond(1);
    let store = Medium::new().open_with(|builder| builder.build_throttle(throttle));
    let things = store.documents("things").unwrap();
    for n in 0..300 {
        things.insert(&json!({"n": n})).unwrap();
    }
    things.create_index(&Index::on("n")).unwrap();
    assert_eq!(things.indexes().unwrap()[0].state, IndexState::Readable);
}
