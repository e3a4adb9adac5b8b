//! Kinds that programs call by different names.
//!
//! A generation has a kind under the name of the program that made it. A program with another name for the kind took its documents for ones that are not covered: they were
//! not entered, and the index stayed readable; the other program found nothing of them, and took their values twice.

use std::collections::BTreeMap;

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

macro_rules! programs {
    ($($name:ident: $kind:literal, $aliases:expr, $n:literal, $steps:expr;)*) => {
        $(
            #[derive(Debug, Serialize, Deserialize)]
            #[serde(transparent)]
            struct $name(Value);

            impl Versioned for $name {
                const KIND: &'static str = $kind;

                fn aliases() -> &'static [&'static str] {
                    $aliases
                }

                fn evolution() -> Evolution {
                    $steps
                }

                fn indexes() -> Vec<Index> {
                    vec![Index::on($n).named("i"), Index::unique("u")]
                }
            }

            impl Program for $name {
                const N: &'static str = $n;

                fn of(body: Value) -> Self {
                    Self(body)
                }

                fn body(&mut self) -> &mut Value {
                    &mut self.0
                }
            }
        )*
    };
}

trait Program: Versioned {
    /// What it calls the path of the index.
    const N: &'static str;

    fn of(body: Value) -> Self;

    fn body(&mut self) -> &mut Value;
}

fn is_called_number() -> Evolution {
    Evolution::new().step("n is called number", [Op::rename("n", "number")])
}

programs! {
    Former: "user", &[], "n", Evolution::new();
    Renamed: "person", &["user"], "n", Evolution::new();
    Stepped: "person", &["user"], "number", is_called_number();
    Branched: "user", &[], "n", Evolution::new().step("more", [Op::add("more", 1)]);
    Newest: "member", &["person", "user"], "number", is_called_number();
}

struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }
}

/// What there is: by id, what is at the two paths.
type Documents = BTreeMap<u64, (u64, u64)>;

#[derive(Debug, Default)]
struct Seen {
    queries: u64,
    by_index: u64,
    refused: u64,
    written: u64,
}

fn run_program<T: Program>(medium: &Medium, random: &mut Random, documents: &mut Documents, seen: &mut Seen) {
    let store = medium.open();
    let of = store.collection::<T>("users").unwrap();
    for _ in 0..30 {
        let (id, n, u) = (random.below(20), random.below(4), random.below(40));
        let taken = documents.iter().any(|(other, (_, value))| *other != id && *value == u);
        let written = match (documents.contains_key(&id), random.below(3)) {
            (true, 0) => {
                assert!(of.delete(id).unwrap());
                documents.remove(&id);
                continue;
            }
            (true, _) => {
                let change = |one: &mut T| {
                    one.body()[T::N] = json!(n);
                    one.body()["u"] = json!(u);
                };
                of.update(id, change).map(drop)
            }
            (false, _) => of.insert_with_id(id, &T::of(json!({T::N: n, "u": u}))),
        };
        assert_eq!(written.as_ref().is_err_and(pivotdb::Error::is_unique_violation), taken, "{written:?}");
        if written.is_ok() {
            documents.insert(id, (n, u));
            seen.written += 1;
        } else {
            seen.refused += 1;
        }
    }
    for n in 0..4 {
        let query = of.find(field(T::N).eq(n));
        let ids: Vec<_> = query.to_vec().unwrap().iter().map(|one| one.id().as_u64().unwrap()).collect();
        let expected: Vec<_> =
            documents.iter().filter(|(_, (there, _))| *there == n).map(|(id, _)| *id).collect();
        let explained = query.explain().unwrap();
        assert_eq!((ids, query.count().unwrap()), (expected.clone(), expected.len() as u64), "{explained}");
        seen.queries += 1;
        seen.by_index += u64::from(explained.index.is_some());
    }
    check(&store);
    store.close().unwrap();
}

/// Programs come and go in any order, by every name and on every branch, and one that declares nothing.
#[test]
fn however_programs_call_a_kind_their_indexes_are_right() {
    let mut seen = Seen::default();
    for seed in 1..=60 {
        let mut random = Random(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15) | 1);
        let (medium, mut documents) = (Medium::new(), Documents::new());
        for _ in 0..12 {
            let (random, documents) = (&mut random, &mut documents);
            match random.below(6) {
                0 => run_program::<Former>(&medium, random, documents, &mut seen),
                1 => run_program::<Renamed>(&medium, random, documents, &mut seen),
                2 => run_program::<Stepped>(&medium, random, documents, &mut seen),
                3 => run_program::<Branched>(&medium, random, documents, &mut seen),
                4 => run_program::<Newest>(&medium, random, documents, &mut seen),
                _ => {
                    let store = medium.open();
                    let untyped = store.documents("users").unwrap();
                    let gone: Vec<u64> = documents.keys().copied().filter(|id| id % 3 == 0).collect();
                    for id in gone {
                        assert!(untyped.delete(id).unwrap());
                        documents.remove(&id);
                    }
                    check(&store);
                    store.close().unwrap();
                }
            }
        }
    }
    println!("names: {seen:?}");
    assert!(seen.by_index * 2 > seen.queries && seen.refused > 100 && seen.written > 100, "{seen:?}");
}
