//! Each call, what it gives and how it fails.

use pivotdb::{DocumentId, Error, ErrorKind, Revision};
use serde_json::json;

use crate::support::{User, ada, on_every_backend, on_every_backend_with};

#[test]
fn insert_and_read() {
    on_every_backend(|store| {
        let users = store.collection::<User>("users").unwrap();
        let id = users.insert(&ada()).unwrap();
        let read = users.require(&id).unwrap();
        assert_eq!(read.value, ada());
        assert_eq!((read.id(), read.kind(), read.revision()), (&id, "user", Revision::FIRST));
        assert_eq!(read.stamp().schema_version, 1);
        assert_eq!(read.created(), read.updated());
        assert!(users.exists(&id).unwrap());
        assert!(users.get("nobody").unwrap().is_none());
        let missing = users.require("nobody").unwrap_err();
        assert!(missing.is_not_found());
        assert_eq!(missing.context().collection(), Some("users"));
        assert_eq!(missing.context().id(), Some(&DocumentId::from("nobody")));
    });
}

#[test]
fn insert_refuses_an_id_that_is_taken() {
    on_every_backend(|store| {
        let users = store.collection::<User>("users").unwrap();
        users.insert_with_id(1, &ada()).unwrap();
        let error = users.insert_with_id(1, &ada()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(error.is_unique_violation());
        assert_eq!(error.context().id(), Some(&1.into()));
        assert_eq!(users.count().unwrap(), 1);
        users.delete(1).unwrap();
        users.insert_with_id(1, &ada()).unwrap();
    });
}

#[test]
fn put_inserts_or_merges() {
    on_every_backend(|store| {
        let users = store.collection::<User>("users").unwrap();
        assert_eq!(users.put("ada", &ada()).unwrap().get(), 1);
        assert_eq!(users.put("ada", &ada()).unwrap().get(), 1, "nothing differs, nothing is written");
        let older = User { age: 37, ..ada() };
        assert_eq!(users.put("ada", &older).unwrap().get(), 2);
        assert_eq!(users.require("ada").unwrap().value, older);
        assert_eq!(users.count().unwrap(), 1);
    });
}

#[test]
fn typed_writes_keep_what_the_type_does_not_know_and_overwrite_does_not() {
    on_every_backend(|store| {
        let everything = store.documents("users").unwrap();
        let users = store.collection::<User>("users").unwrap();
        users.insert_with_id("ada", &ada()).unwrap();
        everything.merge_patch("ada", &json!({"born": {"year": 1815}, "age": 35})).unwrap();
        let known = json!({"name": "Ada", "age": 36, "tags": ["math"], "born": {"year": 1815}});
        users.update("ada", |ada| ada.age += 1).unwrap();
        assert_eq!(everything.require("ada").unwrap().value, known);
        users.put("ada", &User { age: 40, ..ada() }).unwrap();
        let mut read = users.require("ada").unwrap();
        read.age = 36;
        users.replace(&mut read).unwrap();
        assert_eq!(everything.require("ada").unwrap().value, known);
        users.overwrite("ada", &ada()).unwrap();
        assert_eq!(
            everything.require("ada").unwrap().value,
            json!({"name": "Ada", "age": 36, "tags": ["math"]})
        );
    });
}

#[test]
fn update_gives_the_new_document() {
    on_every_backend(|store| {
        let users = store.collection::<User>("users").unwrap();
        users.insert_with_id("ada", &ada()).unwrap();
        let updated = users.update("ada", |ada| ada.age += 1).unwrap();
        assert_eq!((updated.age, updated.revision().get()), (37, 2));
        assert!(updated.updated() >= updated.created());
        assert_eq!(users.require("ada").unwrap().value, updated.value);
        let same = users.update("ada", |_| {}).unwrap();
        assert_eq!(same.revision().get(), 2);
        assert!(users.update("nobody", |_| {}).unwrap_err().is_not_found());
    });
}

#[test]
fn a_failing_update_changes_nothing() {
    on_every_backend(|store| {
        let users = store.collection::<User>("users").unwrap();
        users.insert_with_id("ada", &ada()).unwrap();
        let error = users
            .try_update("ada", |ada| {
                ada.age = 0;
                Err(Error::abort("no"))
            })
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Aborted);
        assert_eq!(users.require("ada").unwrap().value, ada());
    });
}

#[test]
fn a_panicking_update_leaves_the_store_usable() {
    on_every_backend(|store| {
        let users = store.collection::<User>("users").unwrap();
        users.insert_with_id("ada", &ada()).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = users.update("ada", |_| panic!("planted"));
        }));
        assert!(panicked.is_err());
        assert_eq!(users.update("ada", |ada| ada.age += 1).unwrap().age, 37);
    });
}

#[test]
fn replace_is_compare_and_swap() {
    on_every_backend(|store| {
        let users = store.collection::<User>("users").unwrap();
        users.insert_with_id("ada", &ada()).unwrap();
        let mut mine = users.require("ada").unwrap();
        let mut theirs = users.require("ada").unwrap();
        mine.age = 37;
        users.replace(&mut mine).unwrap();
        assert_eq!(mine.revision().get(), 2, "refreshed");
        mine.age = 38;
        users.replace(&mut mine).unwrap();
        theirs.age = 1;
        let error = users.replace(&mut theirs).unwrap_err();
        assert!(error.is_conflict());
        assert_eq!((error.context().detail("read"), error.context().detail("found")), (Some("1"), Some("3")));
        users.delete("ada").unwrap();
        assert!(users.replace(&mut mine).unwrap_err().is_not_found());
    });
}

#[test]
fn delete_tells_whether_there_was_one() {
    on_every_backend(|store| {
        let users = store.collection::<User>("users").unwrap();
        users.insert_with_id(7, &ada()).unwrap();
        assert!(users.delete(7).unwrap());
        assert!(!users.delete(7).unwrap());
        assert!(users.get(7).unwrap().is_none());
        assert_eq!(users.count().unwrap(), 0);
        assert_eq!(store.census().unwrap(), []);
    });
}

#[test]
fn merge_patch_checks_the_type() {
    on_every_backend(|store| {
        let users = store.collection::<User>("users").unwrap();
        users.insert_with_id("ada", &ada()).unwrap();
        assert_eq!(users.merge_patch("ada", &json!({"age": 50})).unwrap().age, 50);
        let error = users.merge_patch("ada", &json!({"age": "fifty"})).unwrap_err();
        assert_eq!((error.kind(), error.context().path()), (ErrorKind::Mismatch, Some("/age")));
        assert_eq!(users.require("ada").unwrap().age, 50);
    });
}

#[test]
fn what_cannot_be_stored_exactly_is_refused_with_its_path() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Measured {
        series: Vec<f64>,
    }
    impl pivotdb::Versioned for Measured {
        const KIND: &'static str = "measured";
    }
    on_every_backend(|store| {
        let measured = store.collection::<Measured>("measured").unwrap();
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = measured.insert_with_id("m", &Measured { series: vec![0.0, bad] }).unwrap_err();
            assert_eq!(
                (error.kind(), error.context().path()),
                (ErrorKind::NotRepresentable, Some("/series/1"))
            );
            assert_eq!(error.context().id(), Some(&"m".into()));
        }
        assert_eq!(measured.count().unwrap(), 0);
    });
}

#[test]
fn limits_are_kept() {
    let builder = pivotdb::Store::builder().document_limit(1000).depth_limit(3).commit_limit(5000);
    on_every_backend_with(&builder, |store| {
        let all = store.documents("all").unwrap();
        let kind = |value: serde_json::Value| all.insert(&value).unwrap_err().kind();
        assert_eq!(kind(json!("x".repeat(1001))), ErrorKind::TooLarge);
        assert_eq!(kind(json!([[[[1]]]])), ErrorKind::TooDeep);
        all.insert(&json!([[[1]]])).unwrap();
        let many: Vec<_> = (0..10).map(|_| json!("x".repeat(900))).collect();
        assert_eq!(all.insert_many(&many).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(all.count().unwrap(), 1);
        let long = "i".repeat(DocumentId::MAX_TEXT + 1);
        assert_eq!(all.get(long.as_str()).unwrap_err().kind(), ErrorKind::InvalidId);
        assert_eq!(all.insert_with_id(long, &json!(1)).unwrap_err().kind(), ErrorKind::InvalidId);
        all.insert_with_id("i".repeat(DocumentId::MAX_TEXT), &json!(1)).unwrap();
    });
    let refused = |builder: pivotdb::Builder| builder.memory().unwrap_err().kind();
    assert_eq!(refused(pivotdb::Store::builder().depth_limit(129)), ErrorKind::InvalidOption);
    assert_eq!(refused(pivotdb::Store::builder().document_limit(0)), ErrorKind::InvalidOption);
    assert_eq!(refused(pivotdb::Store::builder().commit_limit(0)), ErrorKind::InvalidOption);
}

#[test]
fn names_are_checked() {
    on_every_backend(|store| {
        for bad in [String::new(), "a\nb".to_owned(), "x".repeat(129)] {
            let error = store.documents(&bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidName, "{error}");
        }
        store.documents("größe / 大小").unwrap();
        assert_eq!(store.collections(), ["größe / 大小"]);
    });
}

#[test]
fn large_documents_are_cut_and_put_together() {
    on_every_backend(|store| {
        let blobs = store.documents("blobs").unwrap();
        let text = |size: usize| json!({"text": "x".repeat(size), "n": size});
        for size in [16_000, 16_384, 20_000, 100_000, 1_000_000, 10_000_000, 3, 40_000] {
            blobs.put("blob", &text(size)).unwrap();
            assert_eq!(blobs.require("blob").unwrap().value, text(size));
            blobs.insert_with_id(i64::try_from(size).unwrap(), &text(size)).unwrap();
        }
        let sizes = |reversed: bool| {
            let all = blobs.iter();
            let all = if reversed { all.reversed() } else { all };
            all.map(|blob| blob.unwrap()["n"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        let expected = [3, 16_000, 16_384, 20_000, 40_000, 100_000, 1_000_000, 10_000_000, 40_000];
        assert_eq!(sizes(false), expected);
        assert_eq!(sizes(true), expected.into_iter().rev().collect::<Vec<_>>());
        for id in expected {
            blobs.delete(id).unwrap();
        }
        blobs.delete("blob").unwrap();
        // What is left are the catalog's entries: the collection and the kind.
        assert_eq!(store.stats().unwrap().keys, 2);
    });
}

#[test]
fn a_closed_store_says_so() {
    on_every_backend(|store| {
        let users = store.collection::<User>("users").unwrap();
        let mut ada_read = {
            users.insert_with_id("ada", &ada()).unwrap();
            users.require("ada").unwrap()
        };
        let mut iterator = users.iter();
        iterator.next();
        store.close().unwrap();
        store.close().unwrap();
        let kinds = [
            users.get("ada").map(drop).unwrap_err().kind(),
            users.insert(&ada()).map(drop).unwrap_err().kind(),
            users.replace(&mut ada_read).unwrap_err().kind(),
            users.count().map(drop).unwrap_err().kind(),
            users.iter().next().unwrap().map(drop).unwrap_err().kind(),
            store.flush().unwrap_err().kind(),
            store.stats().map(drop).unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::Closed; 7]);
        assert_eq!(ada_read.value, ada());
    });
}

#[test]
fn elements_of_lists_keep_what_the_type_does_not_know_of_them() {
    #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Line {
        sku: String,
        quantity: u32,
    }
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Order {
        lines: Vec<Line>,
    }
    impl pivotdb::Versioned for Order {
        const KIND: &'static str = "order";
        fn element_keys() -> &'static [(&'static str, &'static str)] {
            &[("lines", "sku")]
        }
    }
    let stored = |lines: &[(&str, u32)]| {
        let lines: Vec<_> = lines
            .iter()
            .map(|(sku, n)| json!({"sku": sku, "quantity": n, "note": format!("of {sku}")}))
            .collect();
        json!({ "lines": lines })
    };
    on_every_backend(|store| {
        let orders = store.collection::<Order>("orders").unwrap();
        let everything = store.documents("orders").unwrap();
        let now = || everything.require(1).unwrap().value;
        orders.insert_with_id(1, &Order { lines: vec![] }).unwrap();
        everything.overwrite(1, &stored(&[("a", 1), ("b", 2), ("c", 3)])).unwrap();
        orders.update(1, |order| drop(order.lines.remove(0))).unwrap();
        assert_eq!(now(), stored(&[("b", 2), ("c", 3)]));
        orders.update(1, |order| order.lines.reverse()).unwrap();
        assert_eq!(now(), stored(&[("c", 3), ("b", 2)]));
        let new = Line { sku: "n".into(), quantity: 9 };
        orders.update(1, |order| order.lines.insert(1, new.clone())).unwrap();
        assert_eq!(now()["lines"][1], json!({"sku": "n", "quantity": 9}));
        assert_eq!(now()["lines"][2]["note"], "of b");
        orders.update(1, |order| order.lines[0].quantity = 30).unwrap();
        assert_eq!(now()["lines"][0], json!({"sku": "c", "quantity": 30, "note": "of c"}));
        // By position it would be another element.
        orders.update(1, |order| order.lines = vec![Line { sku: "b".into(), quantity: 5 }]).unwrap();
        assert_eq!(now(), json!({"lines": [{"sku": "b", "quantity": 5, "note": "of b"}]}));
    });
}
