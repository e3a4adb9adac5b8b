//! Documents of several schema versions: read lazily, written back on write, through older and newer programs.

use pivotdb::{ErrorKind, Evolution, Function, Op, Store, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{on_every_backend, on_every_site};

/// The steps of "person" after so many pivots.
fn steps(pivots: usize) -> Evolution {
    let all: [fn(Evolution) -> Evolution; 4] = [
        |evolution| evolution.step("rename", [Op::rename("name", "full_name")]),
        |evolution| evolution.step("add", [Op::add("active", json!(true))]),
        |evolution| {
            let up = |body: &mut Value, _: &pivotdb::StepContext<'_>| {
                let full = body["full_name"].as_str().ok_or("full_name is not text")?.to_owned();
                let (first, last) = full.split_once(' ').ok_or("full_name has no space")?;
                body["first"] = json!(first);
                body["last"] = json!(last);
                body.as_object_mut().ok_or("not an object")?.remove("full_name");
                Ok::<_, &'static str>(())
            };
            evolution.step("split", Function::new("split full_name 1", up))
        },
        |evolution| evolution.step("remove", [Op::remove("legacy")]),
    ];
    if pivots == 5 {
        return Evolution::new().step("drop", [Op::remove("legacy")]);
    }
    all.iter().take(pivots).fold(Evolution::new(), |evolution, add| add(evolution))
}

/// The program after so many pivots, on its own store handle: everything is read through what the catalog says.
fn program(store: &Store, pivots: usize) -> pivotdb::Collection<Value> {
    store.collection_with("people", "person", &steps(pivots)).unwrap()
}

/// A program: how many pivots it has seen, and what it does.
type Program<'p> = (usize, &'p dyn Fn(pivotdb::Collection<Value>));

/// Runs each program on the same store, one after the other.
fn in_turns(programs: &[Program<'_>]) {
    on_every_site(|site| {
        for (pivots, run) in programs {
            let store = site.open(&Store::builder());
            run(program(&store, *pivots));
            store.close().unwrap();
        }
    });
}

#[test]
fn old_documents_are_upcast_when_read_and_stay_as_they_are() {
    in_turns(&[
        (0, &|people| people.insert_with_id(1, &json!({"name": "Ada Lovelace", "x": 1})).unwrap()),
        (1, &|people| people.insert_with_id(2, &json!({"full_name": "Alan Turing"})).unwrap()),
        (3, &|people| {
            let ada = people.require(1).unwrap();
            assert_eq!(ada.value, json!({"first": "Ada", "last": "Lovelace", "active": true, "x": 1}));
            assert_eq!((ada.stamp().schema_version, ada.revision().get()), (1, 1));
            assert_eq!(people.get_many([1, 2]).unwrap().iter().flatten().count(), 2);
            let all: Vec<_> =
                people.iter().reversed().map(|person| person.unwrap().value["last"].clone()).collect();
            assert_eq!(all, ["Turing", "Lovelace"]);
            let versions: Vec<_> =
                people.census().unwrap().iter().map(|entry| entry.stamp.schema_version).collect();
            assert_eq!(versions, [1, 2], "reading rewrites nothing");
            let ada = people.update(1, |ada| ada["last"] = json!("King")).unwrap();
            assert_eq!((ada.stamp().schema_version, ada.revision().get()), (4, 2));
            assert_eq!(ada.value, json!({"first": "Ada", "last": "King", "active": true, "x": 1}));
            let versions: Vec<_> =
                people.census().unwrap().iter().map(|entry| entry.stamp.schema_version).collect();
            assert_eq!(versions, [2, 4], "a write writes back");
        }),
    ]);
}

#[test]
fn an_older_program_reads_and_writes_newer_documents_and_loses_nothing() {
    in_turns(&[
        (2, &|people| {
            people.insert_with_id(1, &json!({"full_name": "Ada", "active": false, "x": [1]})).unwrap();
        }),
        (0, &|people| {
            let ada = people.require(1).unwrap();
            assert_eq!(ada.value, json!({"name": "Ada", "x": [1]}));
            assert_eq!(ada.stamp().schema_version, 3);
            let ada = people.update(1, |ada| ada["name"] = json!("Ada King")).unwrap();
            assert_eq!(ada.value, json!({"name": "Ada King", "x": [1]}));
            assert_eq!(ada.stamp().schema_version, 3, "stays at the newer stamp");
            people.put(1, &json!({"name": "Ada King", "x": [1], "y": 2})).unwrap();
            people.merge_patch(1, &json!({"x": null})).unwrap();
            people.insert_with_id(2, &json!({"name": "Bob"})).unwrap();
        }),
        (2, &|people| {
            let ada = people.require(1).unwrap();
            assert_eq!(ada.value, json!({"full_name": "Ada King", "active": false, "y": 2}));
            assert_eq!(people.require(2).unwrap().value, json!({"full_name": "Bob", "active": true}));
        }),
    ]);
}

#[test]
fn a_document_behind_a_function_without_downcast_is_refused_by_name_and_stops_nothing_else() {
    in_turns(&[
        (3, &|people| {
            people.insert_with_id(1, &json!({"first": "Ada", "last": "King", "active": true})).unwrap();
        }),
        (2, &|people| {
            people.insert_with_id(2, &json!({"full_name": "Bob", "active": true})).unwrap();
            let error = people.get(1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::HistoryDiverged);
            let context = error.context();
            assert_eq!(
                (context.step(), context.kind(), context.id()),
                (Some("split"), Some("person"), Some(&1.into()))
            );
            assert_eq!(context.stamp().unwrap().schema_version, 4);
            for refused in [
                people.update(1, |_| {}).map(drop),
                people.put(1, &json!({})).map(drop),
                people.merge_patch(1, &json!({})).map(drop),
            ] {
                assert_eq!(refused.unwrap_err().kind(), ErrorKind::HistoryDiverged);
            }
            let (good, bad): (Vec<_>, Vec<_>) = people.iter().partition(Result::is_ok);
            assert_eq!((good.len(), bad.len()), (1, 1));
            assert_eq!(people.count().unwrap(), 2);
        }),
        (3, &|people| {
            assert_eq!(people.require(1).unwrap().revision().get(), 1);
        }),
    ]);
}

#[test]
fn a_failing_step_is_named_and_leaves_the_document_alone() {
    in_turns(&[
        (0, &|people| {
            people.insert_with_id(1, &json!({"name": "Plato"})).unwrap();
            people.insert_with_id(2, &json!({"name": "Ada King"})).unwrap();
        }),
        (3, &|people| {
            for failed in [people.get(1).map(drop), people.update(1, |_| {}).map(drop)] {
                let error = failed.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::StepFailed, "{error}");
                let context = error.context();
                assert_eq!(context.step(), Some("split"));
                assert_eq!((context.collection(), context.id()), (Some("people"), Some(&1.into())));
                assert_eq!(context.stamp().unwrap().schema_version, 1);
                assert!(format!("{error:?}").contains("full_name has no space"), "{error:?}");
            }
            assert_eq!(people.require(2).unwrap().value["last"], "King");
            assert_eq!(people.iter().filter(Result::is_err).count(), 1);
        }),
        (0, &|people| assert_eq!(people.require(1).unwrap().value, json!({"name": "Plato"}))),
    ]);
}

#[test]
fn a_bad_branch_is_left_and_its_documents_stay_readable() {
    on_every_site(|site| {
        let open = || site.open(&Store::builder());
        let person = |store: &Store, evolution: Evolution| {
            store.collection_with::<Value>("people", "person", &evolution).unwrap()
        };
        let store = open();
        let bad = person(
            &store,
            steps(1).step("bad", [Op::rename("full_name", "fulname"), Op::add("bad", json!(1))]),
        );
        bad.insert_with_id(1, &json!({"fulname": "Ada", "bad": 7})).unwrap();
        store.close().unwrap();
        let store = open();
        let fixed = person(&store, steps(1).step("good", [Op::rename("full_name", "called")]));
        let ada = fixed.require(1).unwrap();
        assert_eq!(ada.value, json!({"called": "Ada"}));
        let ada = fixed.update(1, |ada| ada["called"] = json!("Ada King")).unwrap();
        assert_eq!(ada.value, json!({"called": "Ada King"}));
        store.close().unwrap();
        let store = open();
        let bad = person(
            &store,
            steps(1).step("bad", [Op::rename("full_name", "fulname"), Op::add("bad", json!(1))]),
        );
        assert_eq!(
            bad.require(1).unwrap().value,
            json!({"fulname": "Ada King", "bad": 7}),
            "nothing is lost on the way"
        );
        store.close().unwrap();
    });
}

#[test]
fn untyped_handles_read_in_the_declared_shape_else_as_stored() {
    on_every_site(|site| {
        let open = || site.open(&Store::builder());
        let store = open();
        program(&store, 1).insert_with_id(1, &json!({"full_name": "Ada"})).unwrap();
        store.close().unwrap();
        let store = open();
        let people = store.documents("people").unwrap();
        assert_eq!(people.require(1).unwrap().value, json!({"full_name": "Ada"}));
        people.update(1, |ada| ada["x"] = json!(1)).unwrap();
        let error = people.insert(&json!({})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KindRequired, "it cannot know the newest shape: {error}");
        program(&store, 2);
        assert_eq!(people.require(1).unwrap().value, json!({"full_name": "Ada", "x": 1, "active": true}));
        people.insert_with_id(2, &json!({"full_name": "Bob", "active": false})).unwrap();
        assert_eq!(people.require(2).unwrap().stamp().schema_version, 3);
        store.close().unwrap();
    });
}

#[test]
fn steps_can_be_added_at_run_time() {
    on_every_backend(|store| {
        let runs = store.documents("runs").unwrap();
        runs.insert_with_id(1, &json!({"acc": 1})).unwrap();
        let first = || Evolution::new().step("say it in full", [Op::rename("acc", "accuracy")]);
        runs.evolve(first()).unwrap();
        assert_eq!(runs.require(1).unwrap().value, json!({"accuracy": 1}));
        runs.evolve(first().step("seed", [Op::add("seed", json!(0))])).unwrap();
        runs.insert_with_id(2, &json!({"accuracy": 2, "seed": 5})).unwrap();
        assert_eq!(runs.require(1).unwrap().value, json!({"accuracy": 1, "seed": 0}));
        let other = Evolution::new().step("other", [Op::rename("acc", "a")]);
        assert_eq!(runs.evolve(other).unwrap_err().kind(), ErrorKind::InvalidEvolution);
    });
}

#[test]
fn registered_kinds_are_checked_at_open() {
    #[derive(Serialize, Deserialize)]
    struct Bad;
    impl Versioned for Bad {
        const KIND: &'static str = "bad";
        fn evolution() -> Evolution {
            Evolution::new().step("same", [Op::rename("a", "a")])
        }
    }
    let error = Store::builder().register::<Bad>().memory().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidEvolution);
    assert_eq!((error.context().step(), error.context().kind()), (Some("same"), Some("bad")));
}

#[test]
fn a_view_reads_and_writes_documents_of_every_stamp_in_its_own_shape() {
    in_turns(&[
        (0, &|people| people.insert_with_id(1, &json!({"name": "Ada", "x": 1})).unwrap()),
        (2, &|people| {
            people.insert_with_id(3, &json!({"full_name": "Bob", "active": false})).unwrap();
            let v1 = people.view::<Value>(1).unwrap();
            let v2 = people.view::<Value>(2).unwrap();
            v1.insert_with_id(4, &json!({"name": "Cy"})).unwrap();
            assert_eq!(
                v1.iter().map(|d| d.unwrap()["name"].clone()).collect::<Vec<_>>(),
                ["Ada", "Bob", "Cy"]
            );
            assert_eq!(v2.require(1).unwrap().value, json!({"full_name": "Ada", "x": 1}));
            v1.update(3, |bob| bob["name"] = json!("Rob")).unwrap();
            assert_eq!(people.require(3).unwrap().value, json!({"full_name": "Rob", "active": false}));
            v1.update(1, |ada| ada["x"] = json!(2)).unwrap();
            assert_eq!(people.require(1).unwrap().stamp().schema_version, 1, "a view does not write back");
            assert_eq!(people.require(1).unwrap().value, json!({"full_name": "Ada", "x": 2, "active": true}));
            let error = people.view::<Value>(4).unwrap_err();
            assert_eq!((error.kind(), error.context().kind()), (ErrorKind::InvalidOption, Some("person")));
            assert!(people.view::<Value>(0).is_err());
        }),
    ]);
}

#[test]
fn what_a_newer_shape_has_no_room_for_comes_back_when_the_program_is_rolled_back() {
    in_turns(&[
        (0, &|people| {
            people.insert_with_id(1, &json!({"name": "Ada", "legacy": {"fax": 12}, "x": 1})).unwrap();
        }),
        (5, &|people| {
            let ada = people.update(1, |ada| ada["x"] = json!(2)).unwrap();
            assert_eq!(ada.value, json!({"name": "Ada", "x": 2}));
            assert_eq!(ada.stamp().schema_version, 2);
        }),
        (0, &|people| {
            let ada = people.require(1).unwrap();
            assert_eq!(
                ada.value,
                json!({"name": "Ada", "legacy": {"fax": 12}, "x": 2}),
                "from the complement"
            );
            people.update(1, |ada| ada["legacy"]["fax"] = json!(13)).unwrap();
        }),
        (5, &|people| {
            assert_eq!(people.require(1).unwrap().value, json!({"name": "Ada", "x": 2}));
            people.update(1, |ada| ada["x"] = json!(3)).unwrap();
        }),
        (0, &|people| {
            let ada = people.require(1).unwrap();
            assert_eq!(
                ada.value,
                json!({"name": "Ada", "legacy": {"fax": 13}, "x": 3}),
                "and so does the edit"
            );
        }),
    ]);
}
