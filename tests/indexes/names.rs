//! Kinds that programs call by different names.
//!
//! A generation has a kind under the name of the program that made it. A program with another name for the kind took its documents for ones that are not covered: they were
//! not entered, and the index stayed readable; the other program found nothing of them, and took their values twice.

use pivotdb::{Collection, Evolution, Impact, Index, IndexState, Op, Store, Versioned, field};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{Medium, check};

#[derive(Debug, Serialize, Deserialize)]
struct User {
    mail: String,
}

impl Versioned for User {
    const KIND: &'static str = "user";

    fn indexes() -> Vec<Index> {
        vec![Index::unique("mail")]
    }
}

/// The same, by its present name.
#[derive(Debug, Serialize, Deserialize)]
struct Person {
    mail: String,
}

impl Versioned for Person {
    const KIND: &'static str = "person";

    fn aliases() -> &'static [&'static str] {
        &["user"]
    }

    fn indexes() -> Vec<Index> {
        vec![Index::unique("mail")]
    }
}

/// And without indexes of its own.
#[derive(Debug, Serialize, Deserialize)]
struct Plain {
    mail: String,
}

impl Versioned for Plain {
    const KIND: &'static str = "person";

    fn aliases() -> &'static [&'static str] {
        &["user"]
    }
}

fn users(medium: &Medium) -> (Store, Collection<User>) {
    let store = medium.open();
    let users = store.collection("users").unwrap();
    (store, users)
}

fn people(medium: &Medium) -> (Store, Collection<Person>) {
    let store = medium.open();
    let people = store.collection("users").unwrap();
    (store, people)
}

fn user(mail: &str) -> User {
    User { mail: mail.into() }
}

fn person(mail: &str) -> Person {
    Person { mail: mail.into() }
}

/// How many have it, of whom nobody else may, and whether that was asked of an index.
fn found<T>(of: &Collection<T>, mail: &str) -> (u64, bool) {
    let query = of.find(field("mail").eq(mail));
    (query.count().unwrap(), query.explain().unwrap().index.is_some())
}

#[test]
fn an_index_is_kept_up_under_all_names_of_its_kind() {
    let medium = Medium::new();
    let (store, users_then) = users(&medium);
    users_then.insert_with_id(1, &user("a")).unwrap();
    store.close().unwrap();

    let (store, people_then) = people(&medium);
    people_then.insert_with_id(2, &person("b")).unwrap();
    assert_eq!((found(&people_then, "a"), found(&people_then, "b")), ((1, true), (1, true)));
    assert!(people_then.insert(&person("a")).unwrap_err().is_unique_violation());
    people_then.update(1, |one| one.mail = "c".into()).unwrap();
    check(&store);
    store.close().unwrap();

    let (store, users_then) = users(&medium);
    assert_eq!(["a", "b", "c"].map(|mail| found(&users_then, mail)), [(0, true), (1, true), (1, true)]);
    assert!(users_then.insert(&user("b")).unwrap_err().is_unique_violation());
    assert!(users_then.insert(&user("c")).unwrap_err().is_unique_violation());
    users_then.insert_with_id(3, &user("d")).unwrap();
    users_then.delete(2).unwrap();
    check(&store);
    store.close().unwrap();

    let (store, people_then) = people(&medium);
    assert_eq!(["b", "c", "d"].map(|mail| found(&people_then, mail)), [(0, true), (1, true), (1, true)]);
    assert!(people_then.insert(&person("d")).unwrap_err().is_unique_violation());
    people_then.insert(&person("b")).unwrap();
    check(&store);
}

#[test]
fn who_declares_nothing_leaves_no_value_to_a_document_that_is_gone() {
    let medium = Medium::new();
    let (store, users_then) = users(&medium);
    users_then.insert_with_id(1, &user("a")).unwrap();
    store.close().unwrap();
    let (store, people_then) = people(&medium);
    people_then.insert_with_id(2, &person("b")).unwrap();
    store.close().unwrap();

    let store = medium.open();
    let untyped = store.documents("users").unwrap();
    untyped.delete(1).unwrap();
    untyped.delete(2).unwrap();
    check(&store);
    store.close().unwrap();

    let (store, people_then) = people(&medium);
    for (id, mail) in [(3, "a"), (4, "b")] {
        people_then.insert_with_id(id, &person(mail)).unwrap();
        assert_eq!(found(&people_then, mail), (1, true));
    }
    check(&store);
}

#[test]
fn an_index_that_was_made_by_a_call_is_taken_along_to_a_new_name() {
    let medium = Medium::new();
    let store = medium.open();
    let users = store.collection_with::<Value>("users", "user", &Evolution::new()).unwrap();
    users.create_index(&Index::unique("mail").named("by_mail")).unwrap();
    users.insert_with_id(1, &json!({"mail": "a"})).unwrap();
    store.close().unwrap();

    let store = medium.open();
    let people = store.collection::<Plain>("users").unwrap();
    let info = people.indexes().unwrap().into_iter().rfind(|info| info.name == "by_mail").unwrap();
    assert_eq!((info.state, info.current), (IndexState::Readable, true));
    assert_eq!(info.kinds, ["person"]);
    assert_eq!(found(&people, "a"), (1, true));
    assert!(people.insert(&Plain { mail: "a".into() }).unwrap_err().is_unique_violation());
    people.insert_with_id(2, &Plain { mail: "b".into() }).unwrap();
    check(&store);
    store.close().unwrap();

    // Nothing need be declared to ask what the next steps will do, by either name.
    let store = medium.open();
    let lower = Evolution::new().step("in lower case", [Op::lowercase("mail")]);
    for name in ["user", "person"] {
        let impact = store.impact(name, &lower).unwrap();
        let rebuild = Impact::Rebuild { step: "in lower case".into() };
        assert_eq!(impact.last().map(|impact| impact.impact.clone()), Some(rebuild), "{name}");
    }
    store.close().unwrap();

    let store = medium.open();
    let users = store.collection_with::<Value>("users", "user", &Evolution::new()).unwrap();
    assert_eq!(found(&users, "b"), (1, true));
    assert!(users.insert(&json!({"mail": "b"})).unwrap_err().is_unique_violation());
    check(&store);
}
