//! Programs with different steps, and different names, on one store.

use pivotdb::{ErrorKind, Evolution, Function, Op, Standing, Store, To, Verify, Versioned, Warning};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{Medium, base};

fn standings(store: &Store, kind: &str) -> Vec<(u32, Option<String>, Standing, u64)> {
    let history = store.history(kind).unwrap().into_iter();
    history.map(|entry| (entry.stamp.schema_version, entry.step, entry.standing, entry.documents)).collect()
}

fn bad() -> Evolution {
    base().step("two", [Op::rename("b", "bad")]).step("three", [Op::add("more", 1)])
}

fn good() -> Evolution {
    base().step("two", [Op::rename("b", "good")])
}

#[test]
fn a_branch_without_documents_is_replaced() {
    let medium = Medium::new();
    let (store, things) = medium.things(&base());
    things.insert_with_id(1, &json!({"b": 1})).unwrap();
    store.close().unwrap();

    let (store, things) = medium.things(&bad());
    assert_eq!(*things.require(1).unwrap(), json!({"bad": 1, "more": 1}));
    assert_eq!(store.warnings(), []);
    store.close().unwrap();

    // A program from before sees newer steps, which are no branch.
    let (store, things) = medium.things(&base());
    assert_eq!(*things.require(1).unwrap(), json!({"b": 1}));
    assert_eq!(store.warnings(), []);
    assert!(standings(&store, "thing").iter().any(|(_, _, standing, _)| *standing == Standing::Newer));
    store.close().unwrap();

    let (store, things) = medium.things(&good());
    assert_eq!(*things.require(1).unwrap(), json!({"good": 1}));
    let warnings = store.warnings();
    let steps: Vec<_> = warnings
        .iter()
        .map(|warning| match warning {
            Warning::BranchReplaced { kind, step, .. } if kind == "thing" => step.as_str(),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(steps, ["two", "three"]);
    assert!(warnings[0].to_string().starts_with("a step has been replaced"), "{}", warnings[0]);
    store.close().unwrap();

    // Once.
    let (store, _) = medium.things(&good());
    assert_eq!(store.warnings(), []);
    assert_eq!(
        standings(&store, "thing"),
        [
            (1, None, Standing::Older, 0),
            (2, Some("one".into()), Standing::Older, 1),
            (3, Some("two".into()), Standing::Current, 0),
        ]
    );
    assert_eq!(Verify::new(&store).run().unwrap().findings.len(), 0);
}

#[test]
fn documents_on_another_branch_stay_there() {
    let medium = Medium::new();
    let (store, things) = medium.things(&bad());
    things.insert_with_id(1, &json!({"bad": 1, "more": 2, "unknown": 3})).unwrap();
    let stamp = things.require(1).unwrap().stamp();
    store.close().unwrap();

    let (store, things) = medium.things(&good());
    let warnings = store.warnings();
    assert!(
        matches!(warnings.as_slice(), [Warning::OtherBranch { documents: 1, step, stamp: there, .. }]
            if step == "three" && *there == stamp),
        "{warnings:?}"
    );
    assert_eq!(*things.require(1).unwrap(), json!({"good": 1, "unknown": 3}));
    let edited = things.update(1, |thing| thing["good"] = json!(7)).unwrap();
    assert_eq!((&*edited, edited.stamp()), (&json!({"good": 7, "unknown": 3}), stamp));
    store.close().unwrap();

    let (_, things) = medium.things(&bad());
    assert_eq!(*things.require(1).unwrap(), json!({"bad": 7, "more": 2, "unknown": 3}));
}

/// Whoever writes a document of another branch writes it there: its stamp says what it has crossed, and nobody says otherwise.
#[test]
fn a_foreign_stamp_is_never_relabelled() {
    let medium = Medium::new();
    let (store, things) = medium.things(&bad());
    for id in 1..=6 {
        things.insert_with_id(id, &json!({"bad": id, "more": 2})).unwrap();
    }
    let foreign = things.require(1).unwrap().stamp();
    store.close().unwrap();

    let (store, things) = medium.things(&good());
    things.update(1, |thing| thing["good"] = json!("updated")).unwrap();
    things.put(2, &json!({"good": "put"})).unwrap();
    things.merge_patch(3, &json!({"good": "patched"})).unwrap();
    let mut fourth = things.require(4).unwrap();
    fourth["good"] = json!("replaced");
    things.replace(&mut fourth).unwrap();
    store
        .transaction(|tx| tx.on(&things).update(5, |thing| thing["good"] = json!("in a transaction")))
        .unwrap();
    for thing in things.iter() {
        let thing = thing.unwrap();
        assert_eq!(thing.stamp(), foreign, "{}", thing.id());
        assert_eq!(thing.get("bad"), None, "and is shown in this program's shape");
    }
    assert_eq!(things.get_stored(6).unwrap().unwrap().stamp(), foreign, "reading rewrites nothing");
    let census = things.census().unwrap();
    assert!(
        matches!(census.as_slice(), [only] if only.stamp == foreign && only.documents == 6),
        "{census:?}"
    );
    store.close().unwrap();

    let (store, things) = medium.things(&bad());
    let texts: Vec<_> = things.iter().map(|thing| thing.unwrap().into_value()).collect();
    let expected = ["updated", "put", "patched", "replaced", "in a transaction"];
    let expected = expected.map(|text| json!({"bad": text, "more": 2}));
    assert_eq!((&texts[..5], &texts[5]), (&expected[..], &json!({"bad": 6, "more": 2})));
    assert_eq!(Verify::new(&store).run().unwrap().findings.len(), 0);
}

#[test]
fn a_step_is_redefined_for_a_reason() {
    let medium = Medium::new();
    let first = base().step("two", [Op::convert("n", To::Integer)]);
    let (store, things) = medium.things(&first);
    things.insert_with_id(1, &json!({"n": 1})).unwrap();
    let before = things.require(1).unwrap().stamp();
    store.close().unwrap();

    let second = base().step("two", [Op::convert("n", To::Integer).or(0)]).redefine("some had no n");
    let (store, things) = medium.things(&second);
    assert_eq!(store.warnings(), []);
    let history = store.history("thing").unwrap();
    let current: Vec<_> = history.iter().filter(|entry| entry.standing == Standing::Current).collect();
    assert_eq!(current.len(), 2);
    assert!(current.iter().all(|entry| entry.redefines.as_deref() == Some("some had no n")));
    assert_eq!(current.iter().map(|entry| entry.documents).sum::<u64>(), 1);
    let after = things.update(1, |thing| thing["n"] = json!(2)).unwrap();
    assert_ne!(after.stamp(), before);
    store.close().unwrap();

    // The former definition still reads what the new one has written.
    let (_, things) = medium.things(&first);
    assert_eq!(*things.require(1).unwrap(), json!({"n": 2}));
}

fn behind_a_function() -> Evolution {
    base().step(
        "sum",
        Function::new("sum of both", |thing, _| {
            thing["sum"] = json!(thing["x"].as_i64().unwrap_or(0) + thing["y"].as_i64().unwrap_or(0));
        }),
    )
}

#[test]
fn what_cannot_be_brought_along_is_refused_by_document() {
    let medium = Medium::new();
    let (store, things) = medium.things(&base());
    things.insert_with_id("old", &json!({"b": 1})).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&behind_a_function());
    things.insert_with_id("new", &json!({"b": 1, "x": 1, "y": 2, "sum": 3})).unwrap();
    let stamp = things.require("new").unwrap().stamp();
    store.close().unwrap();

    let (store, things) = medium.things(&base());
    let warnings = store.warnings();
    assert!(
        matches!(warnings.as_slice(), [Warning::Diverged { documents: 1, stamp: there, reason, .. }]
            if *there == stamp && reason.contains("sum of both")),
        "{warnings:?}"
    );
    for error in [
        things.get("new").unwrap_err(),
        things.update("new", |thing| thing["b"] = json!(2)).unwrap_err(),
        things.put("new", &json!({"b": 2})).unwrap_err(),
    ] {
        let context = error.context();
        assert_eq!(error.kind(), ErrorKind::HistoryDiverged, "{error}");
        assert_eq!((context.collection(), context.kind()), (Some("things"), Some("thing")), "{error}");
        assert_eq!((context.id(), context.stamp()), (Some(&"new".into()), Some(stamp)), "{error}");
        assert_eq!(context.step(), Some("sum"), "{error}");
        assert!(error.to_string().contains("\"sum of both\""), "{error}");
    }
    assert_eq!(*things.require("old").unwrap(), json!({"b": 1}));
    let raw = things.get_stored("new").unwrap().unwrap();
    assert_eq!((&*raw, raw.stamp()), (&json!({"b": 1, "x": 1, "y": 2, "sum": 3}), stamp));
    let read: Vec<_> = things.iter().map(|thing| thing.is_ok()).collect();
    assert_eq!(read, [false, true]);
}

/// Typed access to a document that has gone on, after the step that is in the way.
#[test]
fn what_is_in_the_way_is_named_however_far_above_it_a_document_is() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Thing {
        b: i64,
    }
    impl Versioned for Thing {
        const KIND: &'static str = "thing";
        fn evolution() -> Evolution {
            base()
        }
    }
    let medium = Medium::new();
    let newer = behind_a_function().step("later", [Op::add("later", 1)]).step("last", [Op::trim("b")]);
    let stamps = medium.run(&newer, |things| {
        things.insert_with_id("new", &json!({"b": 1, "x": 1, "y": 2, "sum": 3, "later": 2})).unwrap();
        things.view::<Value>(2).unwrap().insert_with_id("old", &json!({"b": 1})).unwrap();
        things.require("new").unwrap().stamp()
    });
    assert_eq!(stamps.schema_version, 5);

    let store = Store::builder().register::<Thing>().open_backend(medium.0.clone()).unwrap();
    let things = store.collection::<Thing>("things").unwrap();
    let history = store.history("thing").unwrap();
    let sum = history.iter().find(|entry| entry.step.as_deref() == Some("sum")).unwrap().stamp;
    assert_eq!(sum.schema_version, 3);
    let in_a_query = things.find(json!({"b": 1})).sort("_id").to_vec().unwrap_err();
    for error in [
        things.get("new").unwrap_err(),
        things.require("new").unwrap_err(),
        things.iter().find_map(Result::err).unwrap(),
        in_a_query,
        things.update("new", |thing| thing.b = 2).unwrap_err(),
        things.put("new", &Thing { b: 2 }).unwrap_err(),
        store.transaction(|tx| tx.on(&things).update("new", |thing| thing.b = 2)).unwrap_err(),
    ] {
        let context = error.context();
        assert_eq!(error.kind(), ErrorKind::HistoryDiverged, "{error}");
        assert_eq!((context.collection(), context.kind()), (Some("things"), Some("thing")), "{error}");
        assert_eq!((context.id(), context.stamp()), (Some(&"new".into()), Some(stamps)), "{error}");
        assert_eq!(context.step(), Some("sum"), "{error}");
        // Which program that is: the one whose step leads to this stamp.
        assert_eq!(context.detail("step leads to"), Some(&*sum.to_string()), "{error}");
        assert!(error.to_string().contains("\"sum of both\""), "{error}");
    }
    assert_eq!(things.require("old").unwrap().value, Thing { b: 1 });
    let raw = things.get_stored("new").unwrap().unwrap();
    let body = json!({"b": 1, "x": 1, "y": 2, "sum": 3, "later": 2});
    assert_eq!((&*raw, raw.stamp()), (&body, stamps), "as it was");
    things.update("old", |thing| thing.b = 7).unwrap();
    store.close().unwrap();

    medium.run(&newer, |things| {
        assert_eq!(*things.require("new").unwrap(), body);
        assert_eq!(*things.require("old").unwrap(), json!({"b": 7, "sum": 0, "later": 1}));
    });
}

#[test]
fn a_step_that_fails_says_on_which_document_and_where() {
    let medium = Medium::new();
    let (store, things) = medium.things(&base());
    things.insert_with_id(1, &json!({"b": 1, "list": [{"n": "7"}, {"n": "x"}]})).unwrap();
    things.insert_with_id(2, &json!({"b": 1, "list": [{"n": "7"}]})).unwrap();
    store.close().unwrap();
    let typed = base().step("typed", [Op::add("z", 1), Op::each("list", [Op::convert("n", To::Integer)])]);
    let (_, things) = medium.things(&typed);
    let error = things.get(1).unwrap_err();
    let context = error.context();
    assert_eq!(error.kind(), ErrorKind::StepFailed);
    assert_eq!((context.collection(), context.id()), (Some("things"), Some(&1.into())));
    assert_eq!((context.kind(), context.stamp().map(|stamp| stamp.schema_version)), (Some("thing"), Some(2)));
    assert_eq!((context.step(), context.op()), (Some("typed"), Some("2 (each)")));
    assert_eq!(context.path(), Some("list.1.n"));
    assert_eq!(things.require(2).unwrap()["list"][0]["n"], 7);
    assert_eq!(things.get_stored(1).unwrap().unwrap()["list"][1]["n"], "x");
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
}

impl Versioned for Person {
    const KIND: &'static str = "person";
    fn evolution() -> Evolution {
        Evolution::new().step("say name", [Op::rename("n", "name")])
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    full_name: String,
}

impl Versioned for User {
    const KIND: &'static str = "user";
    fn aliases() -> &'static [&'static str] {
        &["person"]
    }
    fn evolution() -> Evolution {
        Person::evolution().step("say it in full", [Op::rename("name", "full_name")])
    }
}

fn person(name: &str) -> Person {
    Person { name: name.into() }
}

fn user(name: &str) -> User {
    User { full_name: name.into() }
}

#[test]
fn a_kind_has_another_name_and_its_documents_go_along() {
    let medium = Medium::new();
    let store = medium.open();
    let untyped = store.collection_with::<Value>("people", "person", &Evolution::new()).unwrap();
    untyped.insert_with_id(1, &json!({"n": "Ada", "age": 36})).unwrap();
    store.close().unwrap();
    let store = medium.open();
    let people = store.collection::<Person>("people").unwrap();
    people.insert_with_id(2, &person("Bob")).unwrap();
    store.close().unwrap();

    let store = Store::builder().register::<User>().open_backend(medium.0.clone()).unwrap();
    assert_eq!(store.warnings(), []);
    let users = store.collection::<User>("people").unwrap();
    assert_eq!(
        (users.require(1).unwrap().value, users.require(2).unwrap().value),
        (user("Ada"), user("Bob"))
    );
    let bob = users.update(2, |bob| bob.full_name = "Bob Roe".into()).unwrap();
    assert_eq!((bob.kind(), bob.stamp().schema_version), ("user", 3));
    users.insert_with_id(3, &user("Cleo")).unwrap();
    assert_eq!((users.count().unwrap(), users.iter().count()), (3, 3));
    let documents = store.documents("people").unwrap();
    assert_eq!(*documents.require(1).unwrap(), json!({"full_name": "Ada", "age": 36}));
    documents.insert_with_id(4, &json!({"full_name": "Dan"})).unwrap();
    assert_eq!(documents.require(4).unwrap().kind(), "user");
    let kinds: Vec<_> =
        store.census().unwrap().into_iter().map(|entry| (entry.kind, entry.documents)).collect();
    assert_eq!(kinds, [("person".to_owned(), 1), ("user".to_owned(), 3)]);
    assert_eq!(standings(&store, "user").iter().map(|(.., documents)| documents).sum::<u64>(), 4);
    store.close().unwrap();

    // The program from before the renaming.
    let store = Store::builder().register::<Person>().open_backend(medium.0.clone()).unwrap();
    assert_eq!(store.warnings(), []);
    let people = store.collection::<Person>("people").unwrap();
    let names: Vec<_> = people.iter().map(|person| person.unwrap().value.name).collect();
    assert_eq!(
        (names, people.count().unwrap()),
        (["Ada", "Bob Roe", "Cleo", "Dan"].map(String::from).to_vec(), 4)
    );
    let cleo = people.update(3, |cleo| cleo.name = "Cleopatra".into()).unwrap();
    assert_eq!(cleo.stamp().schema_version, 3);
    assert!(people.delete(4).unwrap());
    store.close().unwrap();

    let store = Store::builder().register::<User>().open_backend(medium.0.clone()).unwrap();
    let users = store.collection::<User>("people").unwrap();
    assert_eq!(users.require(3).unwrap().value, user("Cleopatra"));
    assert_eq!(Verify::new(&store).run().unwrap().findings.len(), 0);
}

#[test]
fn a_name_is_of_one_kind() {
    for store in [
        Store::builder().register::<User>().register::<Person>().memory(),
        Store::builder().register::<Person>().register::<User>().memory(),
    ] {
        assert_eq!(store.unwrap_err().kind(), ErrorKind::InvalidEvolution);
    }
}

/// Registers steps that make no sense; what is said of it, and whether anything was left behind.
fn refused(evolution: &Evolution) -> pivotdb::Error {
    let medium = Medium::new();
    let store = medium.open();
    let error = store.collection_with::<Value>("things", "thing", evolution).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidEvolution, "{error}");
    assert_eq!(error.context().kind(), Some("thing"), "{error}");
    assert_eq!(store.history("thing").unwrap(), []);
    error
}

#[test]
fn duplicate_step_names_are_refused() {
    let error = refused(&base().step("one", [Op::remove("x")]));
    assert_eq!(error.context().step(), Some("one"), "{error}");
}

#[test]
fn a_rename_onto_itself_is_refused() {
    let error = refused(&base().step("same", [Op::remove("x"), Op::rename("b", "/b")]));
    assert_eq!((error.context().step(), error.context().op()), (Some("same"), Some("2 (rename)")), "{error}");
}

#[test]
fn a_path_into_a_scalar_is_refused() {
    let evolution = base().step("n", [Op::convert("n", To::Integer)]).step("astray", [Op::add("n.b", 1)]);
    let error = refused(&evolution);
    assert_eq!((error.context().step(), error.context().op()), (Some("astray"), Some("1 (add)")), "{error}");
    assert_eq!(error.context().path(), Some("n.b"), "{error}");
}

#[test]
fn a_malformed_op_file_is_refused() {
    for (file, op) in [
        (r#"[{"name": "bad", "ops": [{"op": "renam", "from": "a", "to": "b"}]}]"#, Some("1 (renam)")),
        (r#"[{"name": "bad", "ops": [{"op": "rename", "from": "a"}]}]"#, Some("1 (rename)")),
        (
            r#"[{"name": "bad", "ops": [{"op": "rename", "from": "a", "to": "b", "x": 1}]}]"#,
            Some("1 (rename)"),
        ),
        (
            r#"[{"name": "bad", "ops": [{"op": "trim", "path": "a"}, {"op": "trim", "path": "a..b"}]}]"#,
            Some("2 (trim)"),
        ),
        (r#"[{"name": "bad", "ops": 7}]"#, None),
    ] {
        let error = Evolution::from_json(file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEvolution, "{error}");
        assert_eq!((error.context().step(), error.context().op()), (Some("bad"), op), "{error}");
    }
    let error = Evolution::from_json("[{\"name\": \"bad\",\n \"ops\": [}]").unwrap_err();
    assert_eq!(
        (error.kind(), error.context().detail("line")),
        (ErrorKind::InvalidText, Some("2")),
        "{error}"
    );
}
