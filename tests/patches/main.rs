//! JSON Patch (RFC 6902), by its published vectors.

#![cfg(feature = "json-patch")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::PathBuf;

use pivotdb::{Collection, ErrorKind, Evolution, Op, Store, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn vectors(name: &str) -> Option<Vec<Value>> {
    let corpora = std::env::var_os("PIVOTDB_CORPORA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"), PathBuf::from);
    let text = std::fs::read(corpora.join("json-patch").join(name)).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

fn documents() -> Collection<Value> {
    Store::memory().unwrap().documents("documents").unwrap()
}

#[test]
fn every_vector_gives_what_it_says() {
    let (mut patched, mut refused, mut disabled) = (0, 0, Vec::new());
    let mut wrong = Vec::new();
    for name in ["spec_tests.json", "tests.json"] {
        let Some(vectors) = vectors(name) else {
            println!("skipped: no corpora");
            return;
        };
        let documents = documents();
        for (n, vector) in vectors.iter().enumerate() {
            let id = i64::try_from(n).unwrap();
            let (Some(document), Some(patch)) = (vector.get("doc"), vector.get("patch")) else { continue };
            if vector["disabled"] == json!(true) {
                disabled.push(format!("{name} {n}: {}", vector["comment"]));
                continue;
            }
            documents.insert_with_id(id, document).unwrap();
            let outcome = documents.json_patch(id, patch);
            let stored = documents.require(id).unwrap().value;
            match (outcome, vector.get("error")) {
                (Ok(result), None) => {
                    let expected = vector.get("expected").unwrap_or(document);
                    if result.value != *expected || stored != *expected {
                        wrong.push(format!("{name} {n}: {} instead of {expected}", result.value));
                    }
                    patched += 1;
                }
                (Err(error), Some(_)) => {
                    assert!(
                        matches!(error.kind(), ErrorKind::InvalidPatch | ErrorKind::PatchFailed),
                        "{error}"
                    );
                    assert_eq!(stored, *document, "{name} {n}: nothing is written after an error");
                    refused += 1;
                }
                (Ok(result), Some(expected)) => {
                    wrong.push(format!("{name} {n}: {} but {expected}", result.value))
                }
                (Err(error), None) => wrong.push(format!("{name} {n}: {error:?} for {vector}")),
            }
        }
    }
    println!("json patch: {patched} patched, {refused} refused, {} wrong", wrong.len());
    disabled.iter().for_each(|vector| println!("disabled by those who published it: {vector}"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(patched >= 74 && refused >= 34 && disabled.len() == 4, "too few vectors were run");
}

#[test]
fn a_patch_keeps_what_it_does_not_name_and_its_place() {
    let documents = documents();
    documents.insert_with_id(1, &json!({"z": 1, "a": {"y": [1, 2], "b": 2.0}, "k": u64::MAX})).unwrap();
    let patch = json!([{"op": "replace", "path": "/a/y/0", "value": -0.0}, {"op": "add", "path": "/n", "value": null}]);
    let patched = documents.json_patch(1, &patch).unwrap();
    assert_eq!(patched.value, json!({"z": 1, "a": {"y": [-0.0, 2], "b": 2.0}, "k": u64::MAX, "n": null}));
    assert_eq!(patched.revision().get(), 2);
}

#[test]
fn the_operation_that_fails_is_named() {
    let documents = documents();
    documents.insert_with_id(1, &json!({"a": 1})).unwrap();
    let patch = json!([{"op": "remove", "path": "/a"}, {"op": "test", "path": "/b", "value": 1}]);
    let error = documents.json_patch(1, &patch).unwrap_err();
    assert_eq!((error.kind(), error.context().path()), (ErrorKind::PatchFailed, Some("/b")));
    assert_eq!((error.context().detail("operation"), error.context().id()), (Some("1"), Some(&1.into())));
    assert_eq!(documents.json_patch(1, &json!([{"op": "no"}])).unwrap_err().kind(), ErrorKind::InvalidPatch);
    assert!(documents.json_patch(2, &json!([])).unwrap_err().is_not_found());
}

/// Undoing what had been done took the process down with it.
#[test]
fn a_patch_that_fails_after_a_move_to_the_root_is_an_error() {
    let documents = documents();
    let document = json!({"a": {"b": 1}, "c": 2});
    documents.insert_with_id(1, &document).unwrap();
    let hostile = [
        json!([{"op": "move", "from": "/a", "path": ""}, {"op": "test", "path": "/no", "value": 1}]),
        json!([{"op": "copy", "from": "/a", "path": ""}, {"op": "remove", "path": "/c"}]),
        json!([{"op": "add", "path": "", "value": []}, {"op": "remove", "path": "/-"}]),
        json!([{"op": "move", "from": "", "path": "/a"}]),
        json!([{"op": "remove", "path": ""}, {"op": "test", "path": "", "value": 1}]),
        json!([{"op": "replace", "path": "", "value": 1}, {"op": "add", "path": "/x", "value": 1}]),
    ];
    for patch in hostile {
        let error = documents.json_patch(1, &patch).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PatchFailed, "{patch}");
        // The operation is named once: its cause had called each the first one.
        assert!(!format!("{error:?}").contains("operation '/"), "{error:?}");
        assert_eq!(documents.require(1).unwrap().value, document);
    }
}

/// Each operation doubled what there was before anybody looked at the limit.
#[test]
fn what_operations_add_up_to_is_bounded() {
    let documents = documents();
    documents.insert_with_id(1, &json!({"a": [0]})).unwrap();
    let doubled: Vec<_> = (0..30).map(|_| json!({"op": "copy", "from": "/a", "path": "/a/-"})).collect();
    let error = documents.json_patch(1, &json!(doubled)).unwrap_err();
    // Each level has a list around it, and there may be 128.
    assert!(matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::TooDeep), "{error}");
    let number: usize = error.context().detail("operation").unwrap().parse().unwrap();
    assert!((20..26).contains(&number), "{number}");
    assert_eq!(error.context().path(), Some("/a/-"));

    let text = "x".repeat(1 << 20);
    documents.insert_with_id(2, &json!({"a": text})).unwrap();
    let copy = |n: usize| json!({"op": "copy", "from": "/a", "path": format!("/b{n}")});
    let error = documents.json_patch(2, &json!((0..30).map(copy).collect::<Vec<_>>())).unwrap_err();
    assert_eq!((error.kind(), error.context().detail("operation")), (ErrorKind::TooLarge, Some("14")));
    let added: Vec<_> =
        (0..30).map(|n| json!({"op": "add", "path": format!("/b{n}"), "value": text})).collect();
    let error = documents.json_patch(2, &json!(added)).unwrap_err();
    assert_eq!((error.kind(), error.context().detail("operation")), (ErrorKind::TooLarge, Some("14")));
    // Sixteen do not fit. What makes room for itself is none too many.
    let turns = (0..30).map(
        |_| json!([{"op": "copy", "from": "/a", "path": "/b"}, {"op": "move", "from": "/b", "path": "/a"}]),
    );
    let turns: Vec<_> = turns.flat_map(|pair| pair.as_array().unwrap().clone()).collect();
    assert_eq!(documents.json_patch(2, &json!(turns)).unwrap().value, json!({"a": text}));
    assert_eq!(documents.require(1).unwrap().value, json!({"a": [0]}));
}

/// A copy of the whole within itself is twice as deep, and no limit of the size keeps the stack from running out.
#[test]
fn what_operations_nest_is_bounded() {
    let documents = documents();
    documents.insert_with_id(1, &json!({"a": {}})).unwrap();
    let mut path = String::from("/a");
    let mut nested = Vec::new();
    for _ in 0..14 {
        nested.push(json!({"op": "copy", "from": "", "path": path}));
        path = path.repeat(2);
    }
    let error = documents.json_patch(1, &json!(nested)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooDeep, "{error}");
    assert!(error.context().detail("operation").is_some());
    assert_eq!(documents.require(1).unwrap().revision().get(), 1);
}

#[test]
fn numbers_are_tested_by_value() {
    let documents = documents();
    documents
        .insert_with_id(1, &json!({"n": 1, "f": 2.0, "l": [1, {"x": 3.0}], "big": u64::MAX, "z": 0}))
        .unwrap();
    let test = |path: &str, value: Value| {
        documents.json_patch(1, &json!([{"op": "test", "path": path, "value": value}])).is_ok()
    };
    for (path, value) in [
        ("/n", json!(1.0)),
        ("/f", json!(2)),
        ("/l", json!([1.0, {"x": 3}])),
        ("/big", json!(u64::MAX)),
        ("/z", json!(-0.0)),
        ("", json!({"z": 0.0, "n": 1.0, "f": 2, "l": [1, {"x": 3}], "big": u64::MAX})),
    ] {
        assert!(test(path, value.clone()), "{path} {value}");
    }
    for (path, value) in [
        ("/n", json!(1.5)),
        ("/n", json!("1")),
        ("/l", json!([1.0, {"x": 3, "y": 1}])),
        ("/l", json!([1])),
        // The float nearest to it is 2^64.
        ("/big", json!(18_446_744_073_709_551_616.0)),
        ("/big", json!(u64::MAX - 1)),
        ("/no", json!(null)),
    ] {
        assert!(!test(path, value.clone()), "{path} {value}");
    }
    assert_eq!(documents.require(1).unwrap().revision().get(), 1);
}

#[derive(Debug, Serialize, Deserialize)]
struct User {
    name: String,
    #[serde(default)]
    age: u8,
}

impl Versioned for User {
    const KIND: &'static str = "user";
}

/// What is refused, and as what: nothing is written.
#[test]
fn what_is_refused_leaves_the_document_at_its_revision() {
    let store = Store::builder().document_limit(1000).depth_limit(4).memory().unwrap();
    let users = store.collection::<User>("users").unwrap();
    users.insert_with_id(1, &User { name: "Ada".into(), age: 36 }).unwrap();
    let untyped = store.documents("users").unwrap();
    let add = |value: Value| json!([{"op": "add", "path": "/more", "value": value}]);
    for (kind, patch) in [
        (ErrorKind::Mismatch, json!([{"op": "remove", "path": "/name"}])),
        (ErrorKind::Mismatch, json!([{"op": "replace", "path": "/age", "value": 1000}])),
        (ErrorKind::TooDeep, add(json!([[[[1]]]]))),
        (ErrorKind::TooLarge, add(json!("x".repeat(1000)))),
        (ErrorKind::PatchFailed, json!([{"op": "test", "path": "/age", "value": 35}])),
        (ErrorKind::InvalidPatch, json!({"op": "remove", "path": "/name"})),
        (ErrorKind::InvalidPatch, json!([{"op": "remove", "path": "name"}])),
    ] {
        let error = users.json_patch(1, &patch).unwrap_err();
        assert_eq!((error.kind(), error.context().id()), (kind, Some(&1.into())), "{patch}");
        let stored = untyped.require(1).unwrap();
        assert_eq!((&*stored, stored.revision().get()), (&json!({"name": "Ada", "age": 36}), 1));
    }
    let patched = users.json_patch(1, &json!([{"op": "replace", "path": "/age", "value": 37}])).unwrap();
    assert_eq!((patched.age, patched.revision().get()), (37, 2));
}

#[test]
fn patches_are_part_of_their_transaction_and_none_of_a_snapshot() {
    let store = Store::memory().unwrap();
    let documents = store.documents("documents").unwrap();
    documents.insert_with_id(1, &json!({"n": 1})).unwrap();
    let snapshot = store.snapshot().unwrap();
    let add = |n: i32| json!([{"op": "test", "path": "/n", "value": n}, {"op": "add", "path": "/n", "value": n + 1}]);
    store
        .transaction(|tx| {
            let within = tx.on(&documents);
            assert_eq!(*within.json_patch(1, &add(1))?, json!({"n": 2}));
            assert_eq!(*within.json_patch(1, &add(2))?, json!({"n": 3}));
            // What fails is not made, and all else is.
            assert_eq!(within.json_patch(1, &add(2)).unwrap_err().kind(), ErrorKind::PatchFailed);
            assert_eq!(documents.json_patch(1, &add(1)).unwrap_err().kind(), ErrorKind::InsideTransaction);
            Ok(())
        })
        .unwrap();
    let stored = documents.require(1).unwrap();
    assert_eq!((&*stored, stored.revision().get()), (&json!({"n": 3}), 3));
    let then = snapshot.on(&documents);
    assert_eq!(then.json_patch(1, &add(1)).unwrap_err().kind(), ErrorKind::InvalidOption);
    assert_eq!(*then.require(1).unwrap(), json!({"n": 1}));
}

#[test]
fn a_document_at_an_older_stamp_is_patched_as_the_program_sees_it() {
    let store = Store::memory().unwrap();
    let runs = store.documents("runs").unwrap();
    runs.insert_with_id(1, &json!({"acc": 0.9, "note": {"by": "me"}})).unwrap();
    runs.evolve(Evolution::new().step("in full", [Op::rename("acc", "accuracy")])).unwrap();
    assert_eq!(runs.require(1).unwrap().stamp().schema_version, 1);
    let former = json!([{"op": "replace", "path": "/acc", "value": 1}]);
    assert_eq!(runs.json_patch(1, &former).unwrap_err().kind(), ErrorKind::PatchFailed);
    let patch = json!([
        {"op": "test", "path": "/accuracy", "value": 0.9},
        {"op": "copy", "from": "/accuracy", "path": "/best"},
        {"op": "replace", "path": "/accuracy", "value": 0.95},
    ]);
    let patched = runs.json_patch(1, &patch).unwrap();
    let expected = json!({"accuracy": 0.95, "note": {"by": "me"}, "best": 0.9});
    assert_eq!((&*patched, patched.revision().get()), (&expected, 2));
    assert_eq!(*runs.require(1).unwrap(), expected);
}
