//! Several kinds in one collection, typed and untyped handles on the same data.

use pivotdb::{ErrorKind, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{User, ada, on_every_backend};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Robot {
    serial: u64,
}

impl Versioned for Robot {
    const KIND: &'static str = "robot";
}

#[test]
fn typed_handles_see_their_kind_and_untyped_ones_all() {
    on_every_backend(|store| {
        let users = store.collection::<User>("actors").unwrap();
        let robots = store.collection::<Robot>("actors").unwrap();
        let actors = store.documents("actors").unwrap();
        users.insert_with_id(1, &ada()).unwrap();
        robots.insert_with_id(2, &Robot { serial: 7 }).unwrap();
        users.insert_with_id(3, &ada()).unwrap();
        let counts = [users.count(), robots.count(), actors.count()].map(Result::unwrap);
        assert_eq!(counts, [2, 1, 3]);
        assert_eq!(users.iter().map(|user| user.unwrap().id().as_i64().unwrap()).collect::<Vec<_>>(), [1, 3]);
        assert!(users.get(2).unwrap().is_none());
        assert!(!users.exists(2).unwrap());
        assert!(actors.exists(2).unwrap());
        let kinds: Vec<_> = actors.iter().map(|actor| actor.unwrap().kind().to_owned()).collect();
        assert_eq!(kinds, ["user", "robot", "user"]);
        let robot = actors.require(2).unwrap().cast::<Robot>().unwrap();
        assert_eq!(robot.value, Robot { serial: 7 });
        let mismatch = actors.require(1).unwrap().cast::<Robot>().unwrap_err();
        assert_eq!((mismatch.kind(), mismatch.context().id()), (ErrorKind::Mismatch, Some(&1.into())));
    });
}

#[test]
fn a_typed_write_over_another_kind_is_refused() {
    on_every_backend(|store| {
        let users = store.collection::<User>("actors").unwrap();
        let robots = store.collection::<Robot>("actors").unwrap();
        robots.insert_with_id(2, &Robot { serial: 7 }).unwrap();
        let errors = [
            users.put(2, &ada()).map(drop).unwrap_err(),
            users.overwrite(2, &ada()).map(drop).unwrap_err(),
            users.update(2, |_| {}).map(drop).unwrap_err(),
            users.merge_patch(2, &json!({})).map(drop).unwrap_err(),
            users.delete(2).map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::KindMismatch, "{error}");
            assert_eq!(error.context().kind(), Some("robot"));
        }
        assert_eq!(users.insert_with_id(2, &ada()).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(robots.require(2).unwrap().revision().get(), 1);
    });
}

#[test]
fn an_untyped_insert_takes_the_only_kind_there_is() {
    on_every_backend(|store| {
        let notes = store.documents("notes").unwrap();
        notes.insert_with_id(1, &json!({"text": "a"})).unwrap();
        assert_eq!(
            notes.require(1).unwrap().kind(),
            "notes",
            "where there is none yet, the collection's name"
        );
        let users = store.collection::<User>("users").unwrap();
        users.insert(&ada()).unwrap();
        let untyped = store.documents("users").unwrap();
        untyped.insert_with_id(1, &json!({"name": "Bob", "age": 3})).unwrap();
        assert_eq!(users.require(1).unwrap().name, "Bob");
        store.collection::<Robot>("users").unwrap().insert(&Robot { serial: 1 }).unwrap();
        let error = untyped.insert(&json!({})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KindRequired);
        assert_eq!(error.context().detail("kinds"), Some("user, robot"));
        untyped.update(1, |bob| bob["age"] = json!(4)).unwrap();
        assert_eq!(users.require(1).unwrap().age, 4);
    });
}

#[test]
fn any_json_is_a_document() {
    on_every_backend(|store| {
        let all = store.documents("all").unwrap();
        for (id, value) in
            [Value::Null, json!(true), json!([1, [2]]), json!(""), json!(-0.0), json!(u64::MAX)]
                .into_iter()
                .enumerate()
        {
            let id = u64::try_from(id).unwrap();
            all.insert_with_id(id, &value).unwrap();
            let read = all.require(id).unwrap().value;
            assert_eq!(read, value);
            assert_eq!(read.to_string(), value.to_string());
        }
    });
}

#[test]
fn a_kind_cannot_be_declared_in_two_ways() {
    on_every_backend(|store| {
        use pivotdb::{Evolution, Op};
        let none = Evolution::new();
        let one = Evolution::new().step("one", [Op::rename("a", "b")]);
        store.collection_with::<Value>("c", "k", &none).unwrap();
        store.collection_with::<Value>("d", "k", &none).unwrap();
        let error = store.collection_with::<Value>("c", "k", &one).unwrap_err();
        assert_eq!((error.kind(), error.context().kind()), (ErrorKind::InvalidEvolution, Some("k")));
    });
}
