//! What becomes of indexes that were made by calls when steps take their paths away.
//!
//! They were built anew on the former path, where every document has nothing: a unique one had failed, held *nothing*, and refused every insert. A partial one whose
//! filter spoke of a renamed member covered all documents, and refused what it had nothing to do with.

use pivotdb::{Evolution, Impact, Index, IndexState, Op, Taken, Warning, field};
use serde_json::json;

use crate::support::{Medium, check, index, states};

/// With a unique index on `n` and two documents; then the program with this step comes, and inserts two more.
fn after(op: Op) -> (pivotdb::Store, pivotdb::Collection<serde_json::Value>, Impact) {
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
