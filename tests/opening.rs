//! Opening stores on disk: who may, what is refused, what is found out.

#![cfg(feature = "sled")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use pivotdb::{Durability, ErrorKind, Store};
use serde_json::json;

fn kind(opened: pivotdb::Result<Store>) -> ErrorKind {
    opened.map(drop).unwrap_err().kind()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn what_was_written_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/deep/app.pivot");
    let digest = {
        let store = Store::open(&path).unwrap();
        assert!(store.is_new());
        let notes = store.documents("notes").unwrap();
        notes.insert_with_id("durable", &json!([1, 2.5, "x"])).unwrap();
        notes
            .with_durability(Durability::Buffered)
            .insert_with_id("large", &json!("y".repeat(1 << 20)))
            .unwrap();
        store.close().unwrap();
        let store = Store::open(&path).unwrap();
        store.stats().unwrap().digest
        // Dropped, not closed: the files are free all the same.
    };
    let store = Store::open(&path).unwrap();
    assert!(!store.is_new());
    let notes = store.documents("notes").unwrap();
    assert_eq!(notes.require("durable").unwrap().value, json!([1, 2.5, "x"]));
    assert_eq!(notes.require("large").unwrap().as_str().unwrap().len(), 1 << 20);
    assert_eq!((store.stats().unwrap().digest, notes.count().unwrap()), (digest, 2));
    assert_eq!(fs::read_dir(path.join("sled/blobs")).unwrap().count(), 0);
}

#[test]
fn a_second_opening_is_locked_until_the_first_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.pivot");
    let first = Store::open(&path).unwrap();
    assert_eq!(kind(Store::open(&path)), ErrorKind::Locked);
    std::thread::scope(|scope| {
        let takes_over =
            scope.spawn(|| Store::builder().lock_timeout(Duration::from_secs(60)).open(&path).unwrap());
        first.documents("notes").unwrap().insert(&json!(1)).unwrap();
        first.close().unwrap();
        assert_eq!(takes_over.join().unwrap().documents("notes").unwrap().count().unwrap(), 1);
    });
}

#[test]
fn what_is_not_a_store_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let foreign = directory.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.txt"), "years of work").unwrap();
    assert_eq!(kind(Store::open(&foreign)), ErrorKind::ForeignDirectory);
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);
    assert_eq!(kind(Store::builder().create(false).open(directory.path().join("none"))), ErrorKind::NoStore);
    assert!(!directory.path().join("none").exists());
    let newer = directory.path().join("newer");
    Store::open(&newer).unwrap().close().unwrap();
    let marker = fs::read_to_string(newer.join("pivotdb.format")).unwrap();
    fs::write(newer.join("pivotdb.format"), marker.replacen("pivotdb 0", "pivotdb 7", 1)).unwrap();
    assert_eq!(kind(Store::open(&newer)), ErrorKind::NewerFormat);
}

#[test]
fn missing_commits_are_found_out_and_can_be_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.pivot");
    let insert = |n: i32| {
        let store = Store::open(&path).unwrap();
        store.documents("notes").unwrap().insert_with_id(n, &json!(n)).unwrap();
        store.close().unwrap();
    };
    insert(1);
    copy(&path.join("sled"), &directory.path().join("earlier"));
    insert(2);
    // The log loses its tail: recovery would not say a word.
    fs::remove_dir_all(path.join("sled")).unwrap();
    copy(&directory.path().join("earlier"), &path.join("sled"));
    for _ in 0..2 {
        let error = Store::open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataLoss, "{error}");
        let detail = |name| error.context().detail(name).unwrap().parse::<u64>().unwrap();
        assert!(detail("synced") > detail("found"));
    }
    let store = Store::builder().accept_loss().open(&path).unwrap();
    let notes = store.documents("notes").unwrap();
    assert!(notes.exists(1).unwrap() && !notes.exists(2).unwrap());
    store.close().unwrap();
    insert(3);
    assert_eq!(Store::open(&path).unwrap().documents("notes").unwrap().count().unwrap(), 2);
}

#[test]
fn the_same_sequence_with_other_content_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for (name, value) in [("a", 1), ("b", 2)] {
        let store = Store::open(path(name)).unwrap();
        store.documents("notes").unwrap().insert_with_id(1, &json!(value)).unwrap();
        store.close().unwrap();
    }
    fs::copy(path("b").join("pivotdb.synced"), path("a").join("pivotdb.synced")).unwrap();
    assert_eq!(kind(Store::open(path("a"))), ErrorKind::Corrupt);
}
