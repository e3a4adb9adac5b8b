//! What programs of several steps read, edit and write on one store. Each test tells of a bug that was found by reading.

use pivotdb::{ErrorKind, Evolution, Function, Op, StepContext, Store, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{Medium, base};

fn forgetting(evolution: Evolution) -> Evolution {
    evolution.step("f", [Op::remove("ssn").forget()])
}

fn country(evolution: Evolution) -> Evolution {
    evolution.step("c", [Op::add("country", "NL")])
}

/// An acknowledged edit was lost when a step on the way forgot something: what later steps had kept was dropped with it.
#[test]
fn an_edit_survives_a_step_that_forgets() {
    let stored = base().step("tier", [Op::add("tier", 0)]);
    for ours in [country(forgetting(base())), forgetting(country(base()))] {
        let medium = Medium::new();
        medium.run(&stored, |things| things.insert_with_id(1, &json!({"b": 1, "tier": 5})).unwrap());
        medium.run(&ours, |things| {
            let edited = things.update(1, |thing| thing["country"] = json!("GB")).unwrap();
            assert_eq!(*edited, json!({"b": 1, "country": "GB"}));
            assert_eq!(*things.require(1).unwrap(), *edited);
        });
        medium.run(&ours, |things| assert_eq!(things.require(1).unwrap()["country"], "GB"));
        medium.run(&stored, |things| assert_eq!(*things.require(1).unwrap(), json!({"b": 1, "tier": 5})));
    }
}

/// The same where the branch that the document is stored on forgets: the edit was acknowledged and nothing was written.
#[test]
fn an_edit_survives_a_branch_that_forgets() {
    let (stored, ours) = (forgetting(base()), country(base()));
    let medium = Medium::new();
    medium.run(&stored, |things| things.insert_with_id(1, &json!({"b": 1})).unwrap());
    medium.run(&ours, |things| {
        let edited = things.update(1, |thing| thing["country"] = json!("GB")).unwrap();
        assert_eq!(*edited, json!({"b": 1, "country": "GB"}));
        assert_eq!(*things.require(1).unwrap(), *edited);
    });
    medium.run(&stored, |things| assert_eq!(*things.require(1).unwrap(), json!({"b": 1})));
}

/// An older program's edit of what the newer one forgets was acknowledged and gone.
#[test]
fn an_edit_of_what_is_forgotten_is_refused() {
    let (stored, ours) = (forgetting(base()), base());
    let medium = Medium::new();
    medium.run(&stored, |things| things.insert_with_id(1, &json!({"b": 1})).unwrap());
    medium.run(&ours, |things| {
        let before = things.require(1).unwrap();
        for error in [
            things.update(1, |thing| thing["ssn"] = json!("secret")).map(drop).unwrap_err(),
            things.put(1, &json!({"b": 2, "ssn": "secret"})).map(drop).unwrap_err(),
            things.merge_patch(1, &json!({"ssn": "secret"})).map(drop).unwrap_err(),
        ] {
            let context = error.context();
            assert_eq!(error.kind(), ErrorKind::StepFailed, "{error}");
            assert_eq!((context.step(), context.path()), (Some("f"), Some("ssn")), "{error}");
            assert_eq!((context.collection(), context.id()), (Some("things"), Some(&1.into())), "{error}");
        }
        let after = things.require(1).unwrap();
        assert_eq!((&*after, after.revision()), (&*before, before.revision()));
        things.update(1, |thing| thing["b"] = json!(3)).unwrap();
        assert_eq!(*things.require(1).unwrap(), json!({"b": 3}));
    });
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
}

impl Versioned for User {
    const KIND: &'static str = "user";
    fn aliases() -> &'static [&'static str] {
        &["person", "user"]
    }
    fn evolution() -> Evolution {
        Evolution::new().step("say name", [Op::rename("n", "name")])
    }
}

/// A step was redefined to forget something. What its former definition had kept stayed in the store, and views showed it.
#[test]
fn a_redefinition_that_forgets_is_obeyed() {
    let keeps = Evolution::new().step("drop", [Op::remove("ssn")]);
    let forgets = Evolution::new().step("drop", [Op::remove("ssn").forget()]).redefine("it must not live on");
    let medium = Medium::new();
    let secret = "078-05-1120";
    let is_stored = || medium.bytes().windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
    medium.run(&Evolution::new(), |things| {
        things.insert_with_id(1, &json!({"ssn": secret, "n": 1})).unwrap();
    });
    medium.run(&keeps, |things| {
        things.update(1, |thing| thing["n"] = json!(2)).unwrap();
        assert_eq!(things.view::<Value>(1).unwrap().require(1).unwrap()["ssn"], secret);
    });
    assert!(is_stored());
    medium.run(&forgets, |things| {
        let view = things.view::<Value>(1).unwrap();
        assert_eq!(*view.require(1).unwrap(), json!({"n": 2}));
        things.update(1, |thing| thing["n"] = json!(3)).unwrap();
        assert_eq!(*view.require(1).unwrap(), json!({"n": 3}));
    });
    assert!(!is_stored());
    // The older program has never heard of it, and keeps another one.
    medium.run(&keeps, |things| {
        let view = things.view::<Value>(1).unwrap();
        view.update(1, |thing| thing["ssn"] = json!(secret)).unwrap();
        assert_eq!(view.require(1).unwrap()["ssn"], secret);
    });
    assert!(is_stored());
    medium.run(&forgets, |things| {
        assert_eq!(*things.view::<Value>(1).unwrap().require(1).unwrap(), json!({"n": 3}));
        things.update(1, |thing| thing["n"] = json!(4)).unwrap();
    });
    assert!(!is_stored());
}

/// Who declared the kind first, without its aliases, hid the documents under them from those who came after.
#[test]
fn aliases_arrive_whoever_declared_the_kind_first() {
    let medium = Medium::new();
    let store = medium.open();
    let people = store.collection_with::<Value>("x", "person", &Evolution::new()).unwrap();
    people.insert_with_id(1, &json!({"n": "Ada"})).unwrap();
    store.close().unwrap();
    let store = medium.open();
    let plain = store.collection_with::<Value>("x", "user", &User::evolution()).unwrap();
    let view = plain.view::<Value>(1).unwrap();
    for _ in 0..2 {
        let users = store.collection::<User>("x").unwrap();
        assert_eq!(users.require(1).unwrap().name, "Ada");
    }
    assert_eq!(plain.require(1).unwrap()["name"], "Ada");
    assert_eq!(view.require(1).unwrap()["n"], "Ada");
    assert_eq!(store.warnings(), []);
    store.close().unwrap();
}

/// What was refused had recorded its aliases already, and the names were taken.
#[test]
fn a_refused_declaration_leaves_no_trace() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Renamed;
    impl Versioned for Renamed {
        const KIND: &'static str = "user";
        fn aliases() -> &'static [&'static str] {
            &["person"]
        }
    }
    let store = Store::memory().unwrap();
    let other = Evolution::new().step("another", [Op::rename("n", "called")]);
    store.collection_with::<Value>("x", "user", &other).unwrap();
    let error = store.collection::<Renamed>("x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidEvolution, "{error}");
    let people = store.collection_with::<Value>("people", "person", &Evolution::new()).unwrap();
    people.insert_with_id(1, &json!({"n": "Ada"})).unwrap();
    assert_eq!(people.count().unwrap(), 1);
    assert_eq!(store.collection_with::<Value>("x", "user", &other).unwrap().count().unwrap(), 0);
    assert_eq!(store.collection_with::<Value>("people", "user", &other).unwrap().count().unwrap(), 0);
}

/// A step that no catalog can keep was found out when the kind and its aliases had been recorded.
#[test]
fn a_declaration_that_cannot_be_recorded_leaves_no_trace() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Deep;
    impl Versioned for Deep {
        const KIND: &'static str = "deep";
        fn aliases() -> &'static [&'static str] {
            &["shallow"]
        }
        fn evolution() -> Evolution {
            Evolution::new().step("deep", [Op::add("a", (0..126).fold(json!(1), |inner, _| json!([inner])))])
        }
    }
    let medium = Medium::new();
    let store = medium.open();
    let things = store.documents("things").unwrap();
    things.insert_with_id(1, &json!({})).unwrap();
    let before = medium.bytes();
    let error = store.collection::<Deep>("things").unwrap_err();
    assert_eq!((error.kind(), error.context().step()), (ErrorKind::InvalidEvolution, Some("deep")));
    assert_eq!(medium.bytes(), before);
    let shallow = store.collection_with::<Value>("things", "shallow", &Evolution::new()).unwrap();
    assert_eq!(shallow.count().unwrap(), 0);
    store.close().unwrap();
}

/// Each declaration said everything again.
#[test]
fn warnings_are_given_once() {
    let medium = Medium::new();
    let (one, other) = (base().step("x", [Op::add("x", 1)]), base().step("y", [Op::add("y", 1)]));
    medium.run(&one, |things| things.insert_with_id(1, &json!({"b": 1, "x": 2})).unwrap());
    let store = medium.open();
    let things = store.documents("things").unwrap();
    things.evolve(other.clone()).unwrap();
    let said = store.warnings().len();
    for number in 0..3 {
        let more = (0..number).fold(other.clone(), |evolution, number| {
            evolution.step(&number.to_string(), [Op::add(format!("n{number}").as_str(), 1)])
        });
        things.evolve(more).unwrap();
    }
    assert_eq!((said, store.warnings().len()), (1, 1));
    store.close().unwrap();
}

fn numbered(evolution: Evolution) -> Evolution {
    let number = Function::new("number lines", |order: &mut Value, context: &StepContext<'_>| {
        order["line"] = json!(context.derive_id("line").to_string());
    });
    evolution.step("number lines", number)
}

/// Ids that steps had derived changed when a kind was renamed, and were the same in two collections.
#[test]
fn derived_ids_are_of_the_document_whatever_its_kind_is_called() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Order {
        line: String,
    }
    impl Versioned for Order {
        const KIND: &'static str = "order";
        fn aliases() -> &'static [&'static str] {
            &["purchase"]
        }
        fn evolution() -> Evolution {
            numbered(Evolution::new())
        }
    }
    let medium = Medium::new();
    let lines = |kind: Option<&str>| {
        let store = medium.open();
        let line = |name: &str| match kind {
            Some(kind) => {
                let found = store.collection_with::<Value>(name, kind, &numbered(Evolution::new()));
                let found = found.unwrap();
                let view = found.view::<Value>(2).unwrap().require(1).unwrap()["line"].clone();
                let listed = found.iter().next().unwrap().unwrap()["line"].clone();
                assert_eq!(view, listed);
                listed.as_str().unwrap().to_owned()
            }
            None => store.collection::<Order>(name).unwrap().require(1).unwrap().value.line,
        };
        let lines = (line("orders"), line("archive"));
        store.close().unwrap();
        lines
    };
    let store = medium.open();
    for name in ["orders", "archive"] {
        let documents = store.collection_with::<Value>(name, "purchase", &Evolution::new()).unwrap();
        documents.insert_with_id(1, &json!({})).unwrap();
    }
    store.close().unwrap();
    let before = lines(Some("purchase"));
    assert_ne!(before.0, before.1);
    assert_eq!(lines(None), before, "renamed");
    assert_eq!(lines(Some("purchase")), before, "the program from before");
}
