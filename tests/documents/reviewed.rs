//! Each test tells of a bug that was found by reading.

use std::time::Duration;

use pivotdb::{ErrorKind, Evolution, Op, Store, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{User, ada, on_every_backend, on_every_site};

fn renamed() -> Evolution {
    Evolution::new().step("a is b", [Op::rename("a", "b")])
}

/// The document was in the shape of schema version 2 and said that it was in that of 1.
#[test]
fn an_untyped_overwrite_keeps_the_stamp_of_the_shape_it_was_given() {
    on_every_site(|site| {
        let open = || site.open(&Store::builder());
        let store = open();
        let typed = store.collection_with::<Value>("c", "k", &renamed()).unwrap();
        typed.insert_with_id(1, &json!({"b": 1})).unwrap();
        store.close().unwrap();
        // A script that knows nothing of the steps.
        let store = open();
        store.documents("c").unwrap().overwrite(1, &json!({"a": "another", "b": 2})).unwrap();
        store.close().unwrap();
        let store = open();
        let read = store.collection_with::<Value>("c", "k", &renamed()).unwrap().require(1).unwrap();
        assert_eq!((read.stamp().schema_version, &*read), (2, &json!({"a": "another", "b": 2})));
        store.close().unwrap();
    });
}

/// Replacing a document whole asked for an upcast of what it replaced.
#[test]
fn a_document_that_cannot_be_upcast_can_be_overwritten() {
    on_every_backend(|store| {
        let all = store.documents("k").unwrap();
        all.insert_with_id(1, &json!({"a": 1, "b": 2})).unwrap();
        all.evolve(renamed()).unwrap();
        assert_eq!(all.get(1).unwrap_err().kind(), ErrorKind::StepFailed);
        assert_eq!(all.overwrite(1, &json!({"b": 3})).unwrap().get(), 2);
        let read = all.require(1).unwrap();
        assert_eq!((read.stamp().schema_version, &*read), (2, &json!({"b": 3})));
        assert_eq!(all.census().unwrap().len(), 1);
    });
}

/// A document that was deleted and inserted again has the same revision, and is another document.
#[test]
fn replace_is_not_taken_in_by_a_document_that_was_deleted_and_inserted_again() {
    on_every_backend(|store| {
        let users = store.collection::<User>("users").unwrap();
        users.insert_with_id("ada", &ada()).unwrap();
        let mut mine = users.require("ada").unwrap();
        users.delete("ada").unwrap();
        users.insert_with_id("ada", &User { age: 1, ..ada() }).unwrap();
        mine.tags.clear();
        assert!(users.replace(&mut mine).unwrap_err().is_conflict());
        assert_eq!(users.require("ada").unwrap().tags, ada().tags);
    });
}

/// The difference in the old shape was written onto the new one: both names were there.
#[test]
fn replace_refuses_what_was_read_in_another_shape() {
    on_every_backend(|store| {
        let all = store.documents("k").unwrap();
        all.insert_with_id(1, &json!({"a": 1})).unwrap();
        let mut old = all.require(1).unwrap();
        all.evolve(renamed()).unwrap();
        old["a"] = json!(2);
        let error = all.replace(&mut old).unwrap_err();
        assert!(error.is_conflict(), "{error}");
        assert_eq!(*all.require(1).unwrap(), json!({"b": 1}));
    });
}

/// Handles learnt the first steps that were declared after them, and none of those after.
#[test]
fn handles_and_views_keep_reading_what_later_steps_have_written() {
    on_every_backend(|store| {
        let first = store.collection_with::<Value>("k", "k", &Evolution::new()).unwrap();
        first.insert_with_id(1, &json!({"a": 1})).unwrap();
        let view = first.view::<Value>(1).unwrap();
        let view_of_view = view.view::<Value>(1).unwrap();
        let untyped = store.documents("k").unwrap();
        let mut steps = Evolution::new();
        for (from, to) in [("a", "b"), ("b", "c"), ("c", "d")] {
            steps = steps.step(to, [Op::rename(from, to)]);
            untyped.evolve(steps.clone()).unwrap();
            untyped.update(1, |one| one["n"] = json!(to)).unwrap();
            assert_eq!(*untyped.require(1).unwrap(), json!({to: 1, "n": to}));
            for old in [&first, &view, &view_of_view] {
                assert_eq!(*old.require(1).unwrap(), json!({"a": 1, "n": to}));
            }
        }
        view_of_view.update(1, |one| one["a"] = json!(2)).unwrap();
        assert_eq!(*untyped.require(1).unwrap(), json!({"d": 2, "n": "d"}));
    });
}

/// Who declared a kind first, without keys, took them from those who came after.
#[test]
fn element_keys_count_whoever_declared_the_kind_first() {
    #[derive(Serialize, Deserialize)]
    struct Line {
        sku: String,
        quantity: u32,
    }
    #[derive(Serialize, Deserialize)]
    struct Order {
        lines: Vec<Line>,
    }
    impl Versioned for Order {
        const KIND: &'static str = "order";
        fn element_keys() -> &'static [(&'static str, &'static str)] {
            &[("lines", "sku")]
        }
    }
    on_every_backend(|store| {
        let plain = store.collection_with::<Value>("orders", "order", &Evolution::new()).unwrap();
        let orders = store.collection::<Order>("orders").unwrap();
        let line = |sku: &str, n: u32| json!({"sku": sku, "quantity": n, "note": sku});
        plain.insert_with_id(1, &json!({"lines": [line("a", 1), line("b", 2)]})).unwrap();
        orders
            .update(1, |order| {
                order.lines.swap(0, 1);
                order.lines[0].quantity = 9;
            })
            .unwrap();
        assert_eq!(*plain.require(1).unwrap(), json!({"lines": [line("b", 9), line("a", 1)]}));
    });
}

/// An error from within `try_update` was said to be of the document that was being updated.
#[test]
fn an_error_of_another_document_keeps_its_own_context() {
    on_every_backend(|store| {
        let (one, other) = (store.documents("one").unwrap(), store.documents("other").unwrap());
        one.insert_with_id(1, &json!(1)).unwrap();
        let error = one.try_update(1, |_| other.require(2).map(drop)).unwrap_err();
        assert_eq!((error.context().collection(), error.context().id()), (Some("other"), Some(&2.into())));
    });
}

/// Reading named kind and stamp of a document that does not fit, writing did not.
#[test]
fn writes_name_kind_and_stamp_of_what_does_not_fit() {
    on_every_backend(|store| {
        let all = store.collection_with::<Value>("users", "user", &Evolution::new()).unwrap();
        all.insert_with_id(1, &json!({"name": 7})).unwrap();
        let users = store.collection::<User>("users").unwrap();
        let errors = [
            users.get(1).map(drop).unwrap_err(),
            users.update(1, |_| {}).map(drop).unwrap_err(),
            users.put(1, &ada()).map(drop).unwrap_err(),
            users.merge_patch(1, &json!({"x": 1})).map(drop).unwrap_err(),
        ];
        for error in errors {
            let context = error.context();
            assert_eq!(error.kind(), ErrorKind::Mismatch);
            assert_eq!((context.collection(), context.id()), (Some("users"), Some(&1.into())));
            let version = context.stamp().map(|stamp| stamp.schema_version);
            assert_eq!((context.kind(), version), (Some("user"), Some(1)), "{error}");
        }
    });
}

/// Times were added up until they overflowed.
#[test]
fn the_longest_durations_are_taken() {
    let store = Store::builder()
        .sync_deadline(Duration::MAX)
        .buffered_window(Duration::MAX)
        .open_backend(std::sync::Arc::new(pivotdb::backend::MemoryBackend::new()))
        .unwrap();
    let all = store.documents("all").unwrap();
    all.insert(&json!(1)).unwrap();
    all.with_durability(pivotdb::Durability::Buffered).insert(&json!(1)).unwrap();
    store.close().unwrap();
    #[cfg(any(feature = "sled", feature = "redb"))]
    on_every_site(|site| {
        site.open(&Store::builder().lock_timeout(Duration::MAX)).close().unwrap();
    });
}

/// Everything was collected before anybody asked how much it was.
#[test]
fn insert_many_stops_at_the_limit_of_a_commit() {
    let store = Store::builder().commit_limit(10_000).memory().unwrap();
    let mut taken = 0_u32;
    let endless = std::iter::repeat_with(|| {
        taken += 1;
        assert!(taken < 1000, "more than a commit can take");
        json!("x".repeat(1000))
    });
    let error = store.documents("all").unwrap().insert_many(endless).unwrap_err();
    assert_eq!((error.kind(), error.context().collection()), (ErrorKind::TooLarge, Some("all")));
}

/// Two threads could declare a kind in two ways, and each was told that it had.
#[test]
fn of_two_declarations_at_once_one_is_refused() {
    for round in 0..200 {
        let store = Store::memory().unwrap();
        let barrier = std::sync::Barrier::new(2);
        let declare = |to: &'static str| {
            let evolution = Evolution::new().step("a step", [Op::rename("a", to)]);
            barrier.wait();
            store.collection_with::<Value>("c", "k", &evolution).is_ok()
        };
        let both = std::thread::scope(|scope| {
            let one = scope.spawn(|| declare("b"));
            let other = scope.spawn(|| declare("c"));
            [one.join().unwrap(), other.join().unwrap()]
        });
        assert_eq!(both.iter().filter(|declared| **declared).count(), 1, "round {round}");
    }
}
