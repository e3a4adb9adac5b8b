//! Many documents at once, and many threads.

use pivotdb::{Durability, ErrorKind, Store};
use serde_json::json;

use crate::support::{User, ada, on_every_backend};

#[test]
fn insert_many_is_all_or_nothing() {
    on_every_backend(|store| {
        let users = store.collection::<User>("users").unwrap();
        let ids = users.insert_many([ada(), ada(), ada()]).unwrap();
        assert!(ids.is_sorted() && ids.len() == 3);
        assert_eq!(users.insert_many([&ada(), &ada()]).unwrap().len(), 2);
        assert_eq!(users.insert_many::<[User; 0]>([]).unwrap(), []);
        assert_eq!(users.count().unwrap(), 5);
        let documents = store.documents("values").unwrap();
        let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(documents.insert_many([json!(1), deep]).unwrap_err().kind(), ErrorKind::TooDeep);
        assert_eq!(documents.count().unwrap(), 0);
    });
}

#[test]
fn get_many_keeps_the_order() {
    on_every_backend(|store| {
        let values = store.documents("values").unwrap();
        values.insert_with_id(1, &json!("one")).unwrap();
        values.insert_with_id("big", &json!("x".repeat(100_000))).unwrap();
        let ids = ["big".into(), pivotdb::DocumentId::from(2), 1.into(), 1.into()];
        let found = values.get_many(ids).unwrap();
        let lengths: Vec<_> =
            found.iter().map(|found| found.as_ref().map(|d| d.as_str().unwrap().len())).collect();
        assert_eq!(lengths, [Some(100_000), None, Some(3), Some(3)]);
    });
}

#[test]
fn bulk_loads_in_commits_of_some_hundred() {
    on_every_backend(|store| {
        let values = store.documents("values").unwrap();
        let commits = store.stats().unwrap().commits;
        let mut bulk = values.bulk().unwrap();
        for n in 0..1000 {
            bulk.insert_with_id(n, &json!({"n": n})).unwrap();
        }
        assert_eq!(bulk.inserted(), 768);
        assert_eq!(bulk.finish().unwrap(), 1000);
        assert_eq!(values.count().unwrap(), 1000);
        assert!(store.stats().unwrap().commits - commits <= 6);
        let mut again = values.bulk().unwrap();
        again.insert_with_id(1, &json!(0)).unwrap();
        let error = again.finish().unwrap_err();
        assert_eq!((error.kind(), error.context().id()), (ErrorKind::AlreadyExists, Some(&1.into())));
        let mut twice = values.bulk().unwrap();
        twice.insert_with_id("t", &json!(0)).unwrap();
        assert_eq!(twice.insert_with_id("t", &json!(0)).unwrap_err().kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn updates_from_many_threads_are_all_there() {
    on_every_backend(|store| {
        let users = store.collection::<User>("users").unwrap().with_durability(Durability::Buffered);
        users.insert_with_id("hot", &User { age: 0, ..ada() }).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        users.update("hot", |user| user.age += 1).unwrap();
                        users.insert(&ada()).unwrap();
                    }
                });
            }
        });
        let hot = users.require("hot").unwrap();
        assert_eq!((hot.age, hot.revision().get()), (400, 401));
        assert_eq!(users.count().unwrap(), 401);
        assert_eq!(users.iter().count(), 401);
    });
}

#[test]
fn handles_cross_threads() {
    fn crosses<T: Clone + Send + Sync + 'static>() {}
    crosses::<Store>();
    crosses::<pivotdb::Collection<User>>();
    crosses::<pivotdb::Collection<std::cell::Cell<u8>>>();
}
