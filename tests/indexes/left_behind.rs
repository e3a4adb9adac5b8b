//! What becomes of indexes that were made by calls when steps take their paths away.
//!
//! They were built anew on the former path, where every document has nothing: a unique one had failed, held *nothing*, and refused every insert. A partial one whose
//! filter spoke of a renamed member covered all documents, and refused what it had nothing to do with.

use pivotdb::{ErrorKind, Evolution, Impact, Index, IndexState, Op, Taken, To, Warning, field};
use serde_json::{Value, json};

use crate::support::{Medium, check, index, states};

/// With a unique index on `n` and two documents; then the program with this step comes, and inserts two more.
fn after(op: Op) -> (pivotdb::Store, pivotdb::Collection<Value>, Impact) {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::unique("n")).unwrap();
    things.insert_with_id(1, &json!({"n": "a b"})).unwrap();
    things.insert_with_id(2, &json!({"n": "c d"})).unwrap();
    let steps = Evolution::new().step("s", [op]);
    let impact = store.impact("thing", &steps).unwrap().remove(0).impact;
    store.close().unwrap();
    let (store, things) = medium.things(&steps);
    things.insert_with_id(3, &json!({"x": 3})).unwrap();
    check(&store);
    (store, things, impact)
}

#[test]
fn a_path_that_is_gone_takes_no_index_along() {
    for op in [Op::remove("n"), Op::split("n", " ", ["first", "last"])] {
        let (store, things, impact) = after(op.clone());
        things.insert_with_id(4, &json!({"x": 4})).unwrap();
        things.insert_with_id(5, &json!({"x": 5})).unwrap();
        assert_eq!(impact, Impact::LeftBehind { step: "s".into() }, "{op:?}");
        assert_eq!(index(&things, "n").map(|info| (info.generation, info.current)), Some((1, false)));
        let left = store.warnings();
        let left = left.iter().find(|warning| matches!(warning, Warning::IndexLeftBehind { .. }));
        assert!(left.is_some_and(|left| left.to_string().contains("\"n\"")), "{left:?}");
        check(&store);
    }
}

#[test]
fn a_move_that_may_drop_something_takes_the_index_along_and_builds_it_anew() {
    let (store, things, impact) = after(Op::move_field("n", "to.n").if_taken(Taken::Keep));
    assert_eq!(impact, Impact::Rebuild { step: "s".into() });
    let info = index(&things, "n").unwrap();
    assert_eq!((info.state, info.paths[0].to_string()), (IndexState::Readable, "to.n".to_owned()));
    assert!(things.insert(&json!({"to": {"n": "a b"}})).unwrap_err().is_unique_violation());
    check(&store);
}

#[test]
fn a_filter_follows_a_rename() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    let only = field("gone").ne(true).and(field("kind").eq("a").or(field("old.gone").exists()));
    things.create_index(&Index::unique("n").only(only)).unwrap();
    things.insert(&json!({"n": 1, "gone": true, "kind": "a"})).unwrap();
    things.insert(&json!({"n": 1, "kind": "a"})).unwrap();
    let steps = Evolution::new().step("s", [Op::rename("gone", "deleted")]);
    assert_eq!(store.impact("thing", &steps).unwrap()[0].impact, Impact::Rebuild { step: "s".into() });
    store.close().unwrap();
    let (store, things) = medium.things(&steps);
    assert_eq!(index(&things, "n").unwrap().state, IndexState::Readable);
    let only = index(&things, "n").unwrap().only.unwrap().to_string();
    assert!(
        only.contains("\"deleted\"") && !only.contains("\"gone\"") && only.contains("old.gone"),
        "{only}"
    );
    things.insert(&json!({"n": 1, "deleted": true, "kind": "a"})).unwrap();
    assert!(things.insert(&json!({"n": 1, "kind": "a"})).unwrap_err().is_unique_violation());
    check(&store);
}

#[test]
fn a_filter_on_what_is_gone_takes_no_index_along() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::unique("n").only(field("gone").ne(true))).unwrap();
    things.insert(&json!({"n": 1, "gone": true})).unwrap();
    things.insert(&json!({"n": 1})).unwrap();
    let steps = Evolution::new().step("s", [Op::remove("gone")]);
    assert_eq!(store.impact("thing", &steps).unwrap()[0].impact, Impact::LeftBehind { step: "s".into() });
    store.close().unwrap();
    let (store, things) = medium.things(&steps);
    things.insert(&json!({"n": 1})).unwrap();
    assert_eq!(states(&things).len(), 1);
    check(&store);
}

/// It was built anew on the former path, where there is nothing.
#[test]
fn what_is_left_behind_is_not_built_anew() {
    let (store, things, _) = after(Op::remove("n"));
    let error = things.rebuild_index("n").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidIndex);
    assert!(error.to_string().contains("left behind"), "{error}");
    assert_eq!(states(&things).len(), 1);
    check(&store);
}

/// A program that has not declared a kind does not know yet what it wants.
#[test]
fn what_a_program_may_yet_declare_is_not_superseded() {
    let medium = Medium::new();
    let steps = Evolution::new().step("n is called number", [Op::rename("n", "number")]);
    let (store, things) = medium.things(&steps);
    things.create_index(&Index::unique("number")).unwrap();
    things.insert_with_id(1, &json!({"number": 1})).unwrap();
    store.close().unwrap();
    let store = medium.open();
    let untyped = store.documents("things").unwrap();
    assert_eq!(untyped.drop_superseded_indexes().unwrap(), 0);
    assert_eq!(untyped.rebuild_index("number").unwrap_err().kind(), ErrorKind::KindRequired);
    assert_eq!(
        index(&untyped, "number").map(|info| (info.state, info.current)),
        Some((IndexState::Readable, true))
    );
    assert!(untyped.find(field("number").eq(1)).explain().unwrap().index.is_some());
    store.close().unwrap();
    let (store, things) = medium.things(&steps);
    assert_eq!(index(&things, "number").map(|info| info.generation), Some(1));
    assert_eq!(things.drop_superseded_indexes().unwrap(), 0);
    check(&store);
}

#[test]
fn an_index_of_two_kinds_waits_for_both() {
    let medium = Medium::new();
    let then = Evolution::new().step("n is called number", [Op::rename("n", "number")]);
    let now = || then.clone().step("in text", [Op::convert("number", To::Text)]);
    let (store, things) = medium.things(&then);
    let others = store.collection_with::<Value>("things", "other", &then).unwrap();
    things.create_index(&Index::on("number").named("i").of_kinds(["thing", "other"])).unwrap();
    things.insert_with_id(1, &json!({"number": 1})).unwrap();
    others.insert_with_id(2, &json!({"number": 2})).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&now());
    assert_eq!(states(&things).len(), 1, "it is not known yet where the other kind is");
    assert_eq!(things.find(field("number").eq("1")).count().unwrap(), 1);
    let others = store.collection_with::<Value>("things", "other", &now()).unwrap();
    assert_eq!(states(&things).len(), 2);
    for (of, number) in [(&things, "1"), (&others, "2")] {
        let query = of.find(field("number").eq(number));
        assert_eq!(query.count().unwrap(), 1);
        assert_eq!(query.explain().unwrap().index.map(|index| index.generation), Some(2));
    }
    check(&store);
}
