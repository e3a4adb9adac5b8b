//! JSON Patch (RFC 6902), by its published vectors.

#![cfg(feature = "json-patch")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::PathBuf;

use pivotdb::{Collection, ErrorKind, Store};
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
    let (mut patched, mut refused) = (0, 0);
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
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(patched >= 70 && refused >= 25, "too few vectors were run");
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
