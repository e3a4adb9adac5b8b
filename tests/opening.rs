//! Opening stores on disk: who may, what is refused, what is found out.

#![cfg(any(feature = "sled", feature = "redb"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "support/backends.rs"]
mod backends;

use std::fs;
use std::path::Path;
use std::time::Duration;

use pivotdb::{Builder, Durability, ErrorKind, Store};
use serde_json::json;

use crate::backends::BACKENDS;

/// Runs `test` on each backend that keeps stores in directories: with options that choose it, and with the name of what it keeps there.
fn on_every_backend(test: impl Fn(&(Builder, &'static str))) {
    for backend in BACKENDS {
        if let Some(entry) = backend.entry {
            test(&(backend.chosen(&Store::builder()), entry));
        }
    }
}

fn kind(opened: pivotdb::Result<Store>) -> ErrorKind {
    opened.map(drop).unwrap_err().kind()
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
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
    on_every_backend(|(builder, kept_in)| {
        let open = |path: &Path| builder.clone().open(path);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/deep/app.pivot");
        let digest = {
            let store = open(&path).unwrap();
            assert!(store.is_new());
            let notes = store.documents("notes").unwrap();
            notes.insert_with_id("durable", &json!([1, 2.5, "x"])).unwrap();
            notes
                .with_durability(Durability::Buffered)
                .insert_with_id("large", &json!("y".repeat(1 << 20)))
                .unwrap();
            store.close().unwrap();
            let store = open(&path).unwrap();
            store.stats().unwrap().digest
            // Dropped, not closed: the files are free all the same.
        };
        let store = open(&path).unwrap();
        assert!(!store.is_new());
        let notes = store.documents("notes").unwrap();
        assert_eq!(notes.require("durable").unwrap().value, json!([1, 2.5, "x"]));
        assert_eq!(notes.require("large").unwrap().as_str().unwrap().len(), 1 << 20);
        assert_eq!((store.stats().unwrap().digest, notes.count().unwrap()), (digest, 2));
        if *kept_in == "sled" {
            assert_eq!(fs::read_dir(path.join("sled/blobs")).unwrap().count(), 0);
        }
    });
}

#[test]
fn a_second_opening_is_locked_until_the_first_is_closed() {
    on_every_backend(|(builder, _)| {
        let open = |path: &Path| builder.clone().open(path);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.pivot");
        let first = open(&path).unwrap();
        assert_eq!(kind(open(&path)), ErrorKind::Locked);
        std::thread::scope(|scope| {
            let takes_over =
                scope.spawn(|| builder.clone().lock_timeout(Duration::from_secs(60)).open(&path).unwrap());
            first.documents("notes").unwrap().insert(&json!(1)).unwrap();
            first.close().unwrap();
            assert_eq!(takes_over.join().unwrap().documents("notes").unwrap().count().unwrap(), 1);
        });
    });
}

#[test]
fn what_is_not_a_store_is_left_alone() {
    on_every_backend(|(builder, _)| {
        let open = |path: &Path| builder.clone().open(path);
        let directory = tempfile::tempdir().unwrap();
        let foreign = directory.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("thesis.txt"), "years of work").unwrap();
        assert_eq!(kind(open(&foreign)), ErrorKind::ForeignDirectory);
        assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);
        assert_eq!(
            kind(builder.clone().create(false).open(directory.path().join("none"))),
            ErrorKind::NoStore
        );
        assert!(!directory.path().join("none").exists());
        let newer = directory.path().join("newer");
        open(&newer).unwrap().close().unwrap();
        let marker = fs::read_to_string(newer.join("pivotdb.format")).unwrap();
        fs::write(newer.join("pivotdb.format"), marker.replacen("pivotdb 0", "pivotdb 7", 1)).unwrap();
        assert_eq!(kind(open(&newer)), ErrorKind::NewerFormat);
    });
}

#[test]
fn missing_commits_are_found_out_and_can_be_accepted() {
    on_every_backend(|(builder, kept_in)| {
        let open = |path: &Path| builder.clone().open(path);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.pivot");
        let insert = |n: i32| {
            let store = open(&path).unwrap();
            store.documents("notes").unwrap().insert_with_id(n, &json!(n)).unwrap();
            store.close().unwrap();
        };
        insert(1);
        copy(&path.join(kept_in), &directory.path().join("earlier"));
        insert(2);
        // What is newest is lost: the backend would not say a word.
        fs::rename(path.join(kept_in), directory.path().join("later")).unwrap();
        copy(&directory.path().join("earlier"), &path.join(kept_in));
        for _ in 0..2 {
            let error = open(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DataLoss, "{error}");
            let detail = |name| error.context().detail(name).unwrap().parse::<u64>().unwrap();
            assert!(detail("synced") > detail("found"));
        }
        let store = builder.clone().accept_loss().open(&path).unwrap();
        let notes = store.documents("notes").unwrap();
        assert!(notes.exists(1).unwrap() && !notes.exists(2).unwrap());
        store.close().unwrap();
        insert(3);
        assert_eq!(open(&path).unwrap().documents("notes").unwrap().count().unwrap(), 2);
    });
}

#[test]
fn a_store_is_opened_with_the_backend_it_was_made_with_and_no_other() {
    for made_with in BACKENDS.iter().filter(|backend| backend.entry.is_some()) {
        let site = made_with.site();
        let path = site.directory.path().join("test.pivot");
        let store = site.open(&Store::builder());
        store.documents("notes").unwrap().insert_with_id(1, &json!(made_with.name)).unwrap();
        assert_eq!(kind(site.try_open(&Store::builder())), ErrorKind::Locked);
        store.close().unwrap();
        for other in BACKENDS.iter().filter(|other| other.entry.is_some() && other.name != made_with.name) {
            let error = other.chosen(&Store::builder()).open(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WrongBackend, "{error}");
            assert_eq!(error.context().detail("made_with"), Some(made_with.name));
            assert_eq!(error.context().detail("accepted"), Some(other.name));
        }
        // Without a choice.
        let store = Store::open(&path).unwrap();
        assert_eq!(*store.documents("notes").unwrap().require(1).unwrap(), json!(made_with.name));
        store.close().unwrap();
        // As a program sees it that is built without the backend.
        let marker = fs::read_to_string(path.join("pivotdb.format")).unwrap();
        for missing in ["sled", "redb", "paper"] {
            if BACKENDS.iter().any(|backend| backend.name == missing) {
                continue;
            }
            let changed =
                marker.replacen(&format!("backend {}", made_with.name), &format!("backend {missing}"), 1);
            fs::write(path.join("pivotdb.format"), changed).unwrap();
            for opened in [Store::open(&path), site.try_open(&Store::builder())] {
                let error = opened.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WrongBackend, "{error}");
                assert_eq!(error.context().detail("made_with"), Some(missing));
                assert!(error.context().detail("built_in").unwrap().contains(made_with.name));
            }
        }
        fs::write(path.join("pivotdb.format"), marker).unwrap();
        assert_eq!(site.open(&Store::builder()).documents("notes").unwrap().count().unwrap(), 1);
    }
}

#[test]
fn the_same_sequence_with_other_content_is_damage() {
    on_every_backend(|(builder, _)| {
        let open = |path: &Path| builder.clone().open(path);
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for (name, value) in [("a", 1), ("b", 2)] {
            let store = open(&path(name)).unwrap();
            store.documents("notes").unwrap().insert_with_id(1, &json!(value)).unwrap();
            store.close().unwrap();
        }
        fs::copy(path("b").join("pivotdb.synced"), path("a").join("pivotdb.synced")).unwrap();
        assert_eq!(kind(open(&path("a"))), ErrorKind::Corrupt);
    });
}
