//! Programs that let documents be less large.
//!
//! Entries were made within what the program allowed itself. One that allowed itself less could not work out what a document had had, and left its entries and its values behind.

use pivotdb::{Collection, ErrorKind, Evolution, Index, Op, Store, To, field};
use serde_json::{Value, json};

use crate::support::{Medium, check};

fn grown() -> Evolution {
    let ops = [Op::convert("n", To::Text), Op::add("more", "y".repeat(50))];
    Evolution::new().step("more", ops)
}

/// One document that is too large for the second program once it has grown, with unique indexes on what the step changes and on what it leaves alone.
fn indexed() -> Medium {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.insert_with_id(1, &json!({"n": 1, "m": 1, "text": "x".repeat(75)})).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&grown());
    things.create_index(&Index::unique("n")).unwrap();
    things.create_index(&Index::unique("m")).unwrap();
    check(&store);
    store.close().unwrap();
    medium
}

fn small(medium: &Medium) -> (Store, Collection<Value>) {
    let store = medium.open_with(|builder| builder.document_limit(120));
    let things = store.collection_with("things", "thing", &grown()).unwrap();
    (store, things)
}

#[test]
fn a_document_that_is_deleted_within_a_smaller_limit_leaves_nothing_behind() {
    let medium = indexed();
    let (store, things) = small(&medium);
    assert_eq!(things.get(1).unwrap_err().kind(), ErrorKind::StepFailed);
    things.delete(1).unwrap();
    check(&store);
    assert_eq!((things.index_entries("n").unwrap(), things.index_entries("m").unwrap()), (0, 0));
    store.close().unwrap();
    let (store, things) = medium.things(&grown());
    things.insert(&json!({"n": "1", "m": 1})).unwrap();
    check(&store);
}

#[test]
fn an_index_treats_what_a_smaller_limit_keeps_from_being_read_as_a_scan_does() {
    let medium = indexed();
    let (_store, things) = small(&medium);
    let asked = |path: &str, value: Value| {
        let query = things.find(json!({path: value}));
        let kind = |error: pivotdb::Error| error.kind();
        (query.to_vec().map(|all| all.len()).map_err(kind), query.count().map_err(kind))
    };
    let all = || {
        [("n", json!("1")), ("n", json!("2")), ("m", json!(1)), ("m", json!(2))]
            .map(|(path, value)| asked(path, value))
    };
    let too_large = (Err(ErrorKind::StepFailed), Err(ErrorKind::StepFailed));
    let expected = [too_large, (Ok(0), Ok(0)), too_large, (Ok(0), Ok(0))];
    assert_eq!(all(), expected);
    for path in ["n", "m"] {
        assert!(things.find(field(path).eq(2)).explain().unwrap().index.is_some());
    }
    things.disable_index("n").unwrap();
    things.disable_index("m").unwrap();
    assert_eq!(all(), expected);
}
