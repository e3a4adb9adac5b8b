//! The full form.

use std::time::{Duration, Instant};

use pivotdb::{
    DocumentId, ErrorKind, Evolution, Export, Import, Index, IndexState, Store, Verify, Versioned,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{documents, evolution, exported, open, place, reopened};

const ID: Uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);

/// Two collections, two kinds at several stamps, every type of id, a document in chunks.
fn prepared() -> (Store, std::sync::Arc<pivotdb::backend::MemoryBackend>) {
    let (store, backend) = open();
    let later = store.documents("later").unwrap();
    let first = store.collection_with::<Value>("first", "thing", &evolution(0)).unwrap();
    first.insert_with_id(7, &json!({"b": 1})).unwrap();
    first.insert_with_id("text \"7\"", &json!({"b": [2, 2.0], "d": {}})).unwrap();
    let store = reopened(&backend);
    let first = store.collection_with::<Value>("first", "thing", &evolution(2)).unwrap();
    first.insert_with_id(-3, &json!({"c": "x".repeat(100_000)})).unwrap();
    first.update("text \"7\"", |value| value["more"] = json!("ü\n")).unwrap();
    store
        .collection_with::<Value>("first", "other", &Evolution::new())
        .unwrap()
        .insert_with_id(ID, &json!(1))
        .unwrap();
    drop(later);
    store.documents("later").unwrap().insert_with_id(u64::MAX, &json!(null)).unwrap();
    (store, backend)
}

#[test]
fn lines_are_as_documented() {
    let (store, _) = prepared();
    let text = exported(&store);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    let mut expected =
        vec!["pivotdb-export", "collection", "collection", "kind", "kind", "kind", "step", "step"];
    expected.extend(["document"; 5]);
    expected.push("end");
    assert_eq!(types, expected);
    assert_eq!(lines[0], json!({"type": "pivotdb-export", "format": 0}));
    assert_eq!([&lines[1]["name"], &lines[2]["name"]], ["later", "first"], "in the order they were made");
    assert_eq!(lines[6]["schema_version"], 2);
    assert_eq!(lines[7]["parent"], lines[6]["fingerprint"]);
    assert_eq!(lines[7]["step"], json!({"name": "mark", "ops": [], "function": "mark"}));
    let ids: Vec<_> = lines.iter().filter_map(|line| line.get("id")).collect();
    assert_eq!(
        ids,
        [&json!(u64::MAX), &json!(-3), &json!(7), &json!({"uuid": ID.to_string()}), &json!("text \"7\"")]
    );
    let updated = &lines[12];
    assert_eq!((&updated["revision"], &updated["schema_version"]), (&json!(2), &json!(3)));
    assert_eq!(updated["body"], json!({"c": [2, 2.0], "d": {"e": 1.5}, "marked": true, "more": "ü\n"}));
    assert_eq!(lines[10]["body"], json!({"b": 1}), "as it is stored");
    assert_eq!(lines[10]["fingerprint"], lines[6]["parent"]);
    assert_eq!(lines[13], json!({"type": "end", "documents": 5}));
}

#[test]
fn an_import_into_an_empty_store_gives_the_same_documents() {
    let (store, backend) = prepared();
    let text = exported(&store);
    let (copy, copied) = open();
    let report = Import::into_store(&copy).read_from(text.as_bytes()).unwrap();
    assert_eq!((report.documents, report.bytes), (5, text.len() as u64));
    assert_eq!(documents(&copied), documents(&backend), "byte for byte");
    assert_eq!(exported(&copy), text);
    assert_eq!(copy.census().unwrap(), store.census().unwrap());
    assert_eq!(copy.collections(), store.collections());

    // And they are upcast equally, also in the process that imported them.
    let read = |store: &Store| -> Vec<(DocumentId, Value)> {
        let things = store.collection_with::<Value>("first", "thing", &evolution(3)).unwrap();
        things.iter().map(Result::unwrap).map(|thing| (thing.id().clone(), thing.value)).collect()
    };
    let upcast = read(&copy);
    assert_eq!(upcast[1].1, json!({"c": 1, "d": {"e": 1.5}}));
    assert!(upcast == read(&reopened(&backend)) && upcast == read(&reopened(&copied)));
}

/// The kind is known to the process when its steps arrive, and the documents can be read at once.
#[test]
fn steps_are_learned_by_a_running_program() {
    let (store, _) = prepared();
    let text = exported(&store);
    let (copy, _) = open();
    let things = copy.collection_with::<Value>("first", "thing", &evolution(1)).unwrap();
    let mark = things.insert_with_id(100, &json!({"c": 0})).and_then(|()| things.require(100)).unwrap();
    assert_eq!(mark.stamp().schema_version, 2);
    Import::into_store(&copy).read_from(text.as_bytes()).unwrap();
    assert_eq!(things.require(7).unwrap().value, json!({"c": 1, "d": {"e": 1.5}}));
    // This one has crossed a function that the program does not have.
    assert_eq!(things.get(-3).unwrap_err().kind(), ErrorKind::HistoryDiverged);
}

#[test]
fn one_collection_and_one_kind_of_it() {
    let (store, backend) = prepared();
    let first = store.documents("first").unwrap();
    let mut text = Vec::new();
    assert_eq!(Export::new(&first).full().write_to(&mut text).unwrap().documents, 4);
    let copy = Store::memory().unwrap();
    let renamed = copy.documents("renamed").unwrap();
    assert_eq!(Import::into(&renamed).full().read_from(&*text).unwrap().documents, 4);
    assert_eq!(copy.collections(), ["renamed"]);
    let bodies = |collection: &pivotdb::Collection<Value>| -> Vec<_> {
        let documents = collection.iter().map(Result::unwrap);
        documents.map(|document| (document.stamp(), document.updated(), document.value)).collect()
    };
    assert!(bodies(&renamed) == bodies(&reopened(&backend).documents("first").unwrap()));

    let things = store.collection_with::<Value>("first", "thing", &evolution(2)).unwrap();
    let mut text = Vec::new();
    assert_eq!(Export::new(&things).full().write_to(&mut text).unwrap().documents, 3);
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("\"other\""));
    let others = copy.collection_with::<Value>("others", "other", &Evolution::new()).unwrap();
    let error = Import::into(&others).full().read_from(text.as_bytes()).unwrap_err();
    assert_eq!((error.kind(), error.context().id()), (ErrorKind::KindMismatch, Some(&(-3).into())));
    // Several collections do not fit into one.
    let error = Import::into(&renamed).full().read_from(exported(&store).as_bytes()).unwrap_err();
    assert_eq!(place(&error), (ErrorKind::InvalidText, 3, 1));
}

#[test]
fn what_becomes_of_taken_ids() {
    let (store, _) = prepared();
    let text = exported(&store);
    let (copy, copied) = open();
    let import = || Import::into_store(&copy);
    import().read_from(text.as_bytes()).unwrap();
    let before = documents(&copied);
    let error = import().read_from(text.as_bytes()).unwrap_err();
    assert_eq!((error.kind(), error.context().collection()), (ErrorKind::AlreadyExists, Some("later")));
    assert_eq!(import().skip_existing().read_from(text.as_bytes()).unwrap().skipped, 5);
    assert_eq!(import().skip_errors(5).read_from(text.as_bytes()).unwrap().errors.len(), 5);
    assert_eq!(documents(&copied), before);

    // Whoever has read a document learns by its revision that it has been replaced.
    let things = copy.collection_with::<Value>("first", "thing", &evolution(2)).unwrap();
    let mut read = things.require(-3).unwrap();
    things.delete(7).unwrap();
    assert_eq!(import().overwrite_existing().read_from(text.as_bytes()).unwrap().documents, 5);
    let revisions: Vec<_> = things.iter().map(|thing| thing.unwrap().revision().get()).collect();
    assert_eq!(revisions, [2, 1, 3]);
    assert!(things.replace(&mut read).unwrap_err().is_conflict());
    assert_eq!(copy.census().unwrap(), store.census().unwrap());
    let without = |text: &str| -> Vec<Value> {
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|mut line| {
                line.as_object_mut().unwrap().remove("revision");
                line
            })
            .collect()
    };
    assert_eq!(without(&exported(&copy)), without(&text));
}

#[test]
fn whatever_is_wrong_with_an_export_is_said() {
    use ErrorKind::{InvalidId, InvalidText, NewerFormat, TooDeep};
    let (store, _) = prepared();
    let text = exported(&store);
    let lines: Vec<&str> = text.lines().collect();
    let broken = |line: usize, from: &str, to: &str| {
        assert!(lines[line - 1].contains(from), "{}", lines[line - 1]);
        let mut broken: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        broken[line - 1] = broken[line - 1].replace(from, to);
        broken.join("\n")
    };
    let nested = format!("{}1{}", "[".repeat(129), "]".repeat(129));
    let long = format!("\"{}\"", "x".repeat(1025));
    let cases = [
        // The whole: nothing can be passed over.
        (String::new(), InvalidText, 1, true),
        ("\n\n".into(), InvalidText, 3, true),
        ("{\"a\":1}\n".into(), InvalidText, 1, true),
        ("x".into(), InvalidText, 1, true),
        (lines[1..].join("\n"), InvalidText, 1, true),
        (broken(1, "\"format\":0", "\"format\":1"), NewerFormat, 1, true),
        (broken(2, "later", "la\\u0001ter"), ErrorKind::InvalidName, 2, true),
        (broken(7, "1.5", "1.25"), InvalidText, 7, true),
        (broken(8, "\"mark\",", "\"marks\","), InvalidText, 8, true),
        (broken(8, "\"parent\":\"", "\"parent\":\"0"), InvalidText, 8, false),
        (lines[..13].join("\n"), InvalidText, 14, true),
        (broken(14, "5", "4"), InvalidText, 14, true),
        ([&lines[..12], &lines[13..]].concat().join("\n"), InvalidText, 13, true),
        (format!("{text}\n{{}}"), InvalidText, 16, true),
        // One document.
        (broken(11, "{\"b\":1}", "{\"b\":18446744073709551616}"), InvalidText, 11, false),
        (broken(11, "\"type\":\"document\"", "\"type\":\"doc\""), InvalidText, 11, false),
        (broken(11, "{\"type\"", "{"), InvalidText, 11, false),
        (broken(11, "\"id\":7", "\"id\":7.5"), InvalidText, 11, false),
        (broken(11, "\"id\":7", "\"id\":null"), InvalidText, 11, false),
        (broken(11, "\"id\":7", "\"id\":{\"uuid\":\"7\"}"), InvalidText, 11, false),
        (broken(11, "\"id\":7", &format!("\"id\":{long}")), InvalidId, 11, false),
        (broken(11, "\"first\"", "\"unknown\""), InvalidText, 11, false),
        (broken(11, "\"thing\"", "\"unknown\""), InvalidText, 11, false),
        (broken(11, "\"schema_version\":1", "\"schema_version\":2"), InvalidText, 11, false),
        (broken(11, "\"schema_version\":1", "\"schema_version\":4294967296"), InvalidText, 11, false),
        (broken(11, "\"revision\":1", "\"revision\":-1"), InvalidText, 11, false),
        (broken(11, "\"body\":{", "\"complement\":\"abc\",\"body\":{"), InvalidText, 11, false),
        (broken(11, "\"body\":{", "\"complement\":\"0g\",\"body\":{"), InvalidText, 11, false),
        (broken(11, "\"body\":{", "\"complement\":\"09\",\"body\":{"), InvalidText, 11, false),
        (broken(11, "\"body\"", "\"bodies\""), InvalidText, 11, false),
        (broken(11, "{\"b\":1}", &nested), TooDeep, 11, false),
    ];
    for (number, (text, kind, line, fatal)) in cases.iter().enumerate() {
        let store = Store::memory().unwrap();
        let error = Import::into_store(&store).read_from(text.as_bytes()).expect_err(&number.to_string());
        let (found, at, _) = place(&error);
        assert_eq!((found, at), (*kind, *line), "case {number}: {error}");
        let store = Store::memory().unwrap();
        match Import::into_store(&store).skip_errors(9).read_from(text.as_bytes()) {
            Ok(report) => {
                assert!(!fatal, "case {number}");
                assert_eq!(place(&report.errors[0]).1, *line, "case {number}");
                assert_eq!(
                    report.documents,
                    store.census().unwrap().iter().map(|entry| entry.documents).sum::<u64>()
                );
            }
            Err(error) => assert!(fatal, "case {number}: {error}"),
        }
    }
    println!("{} broken exports refused", cases.len());

    // Read as plain lines it would be something else altogether.
    let error = Import::into(&store.documents("plain").unwrap()).read_from(text.as_bytes()).unwrap_err();
    assert_eq!(place(&error), (InvalidText, 1, 1));
    assert!(error.to_string().contains("full()"));
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Thing {
    c: Value,
}

impl Versioned for Thing {
    const KIND: &'static str = "thing";

    fn evolution() -> Evolution {
        evolution(3)
    }
}

/// The types need not fit what is stored: documents are brought to them when they are read.
#[test]
fn a_typed_collection_takes_documents_of_older_stamps() {
    let (store, _) = prepared();
    let things = store.collection_with::<Value>("first", "thing", &evolution(2)).unwrap();
    let mut text = Vec::new();
    Export::new(&things).full().write_to(&mut text).unwrap();
    let copy = Store::memory().unwrap();
    let typed = copy.collection::<Thing>("things").unwrap();
    assert_eq!(Import::into(&typed).full().read_from(&*text).unwrap().documents, 3);
    assert_eq!(typed.require(7).unwrap().value, Thing { c: json!(1) });
}

#[test]
fn other_names_of_a_kind_come_along() {
    let (store, backend) = open();
    let people = store.collection_with::<Value>("people", "person", &evolution(1)).unwrap();
    people.insert_with_id(1, &json!({"b": 1})).unwrap();
    drop(people);
    store.close().unwrap();
    let store = reopened(&backend);
    let people = store.collection::<User>("people").unwrap();
    people.insert_with_id(2, &User::default()).unwrap();
    let text = exported(&store);
    let kinds: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = kinds.iter().filter(|line| line["type"] == "kind").collect();
    assert_eq!(*kinds[0], json!({"type": "kind", "name": "person"}));
    assert_eq!(*kinds[1], json!({"type": "kind", "name": "user", "aliases": ["person"]}));
    let (other, backend) = open();
    Import::into_store(&other).read_from(text.as_bytes()).unwrap();
    assert_eq!(exported(&other), text);
    other.close().unwrap();
    // A program that knows it by its former name, and nothing of the other, finds both.
    let other = reopened(&backend);
    let people = other.collection_with::<Value>("people", "person", &evolution(1)).unwrap();
    assert_eq!(people.count().unwrap(), 2);
    // Of one collection, too.
    let mut one = Vec::new();
    Export::new(&people).full().write_to(&mut one).unwrap();
    assert!(String::from_utf8(one).unwrap().contains(r#""aliases":["person"]"#));
    let malformed = text.replace(r#"["person"]"#, "[1]");
    let (store, _) = open();
    assert_eq!(
        Import::into_store(&store).read_from(malformed.as_bytes()).unwrap_err().kind(),
        ErrorKind::InvalidText
    );
}

/// What came in of another name of a kind that was open was out of reach until the store was opened again.
#[test]
fn other_names_of_a_kind_that_is_declared_arrive_at_once() {
    // As a program from before the renaming left it, and as the one after it did.
    let (store, backend) = open();
    let people = store.collection_with::<Value>("people", "person", &evolution(1)).unwrap();
    people.insert_with_id(1, &json!({"c": 1})).unwrap();
    drop(people);
    store.close().unwrap();
    let store = reopened(&backend);
    let people = store.collection::<User>("people").unwrap();
    people.insert_with_id(2, &User { c: 2 }).unwrap();
    let text = exported(&store);
    // Into a store that has either of them open, and whose kind has had no other name.
    let (other, _) = open();
    let people = other.collection_with::<Value>("people", "user", &evolution(1)).unwrap();
    let view = people.view::<Value>(1).unwrap();
    let older = other.collection_with::<Value>("people", "user", &evolution(1)).unwrap();
    Import::into_store(&other).read_from(text.as_bytes()).unwrap();
    for people in [&people, &older] {
        let c = |id: i32| people.require(id).unwrap()["c"].clone();
        assert_eq!((c(1), c(2)), (json!(1), json!(2)));
    }
    assert_eq!(view.require(1).unwrap()["b"], 1);
    let (other, _) = open();
    let people = other.collection_with::<Value>("people", "person", &evolution(1)).unwrap();
    Import::into_store(&other).read_from(text.as_bytes()).unwrap();
    assert_eq!(people.count().unwrap(), 2);
    assert_eq!(people.require(2).unwrap()["c"], 2);
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct User {
    #[serde(default)]
    c: u32,
}

impl Versioned for User {
    const KIND: &'static str = "user";

    fn aliases() -> &'static [&'static str] {
        &["person"]
    }

    fn evolution() -> Evolution {
        evolution(1)
    }
}

#[test]
fn indexes_that_were_made_by_calls_come_along_and_are_built() {
    let (store, _) = open();
    let things = store.collection_with::<Value>("things", "thing", &evolution(2)).unwrap();
    for n in 0..20 {
        things.insert_with_id(n, &json!({"c": n, "d": n / 2})).unwrap();
    }
    things.create_index(&Index::unique("c").named("one")).unwrap();
    things
        .create_index(&Index::on("d").and_descending("c").sparse().only(json!({"c": {"$gte": 5}})))
        .unwrap();
    // Its values are not unique: it has failed here, and fails there, and keeps no document out.
    things.create_index(&Index::unique("d").named("failed")).unwrap();
    things.create_index(&Index::on("e").named("off")).unwrap();
    things.disable_index("off").unwrap();
    let text = exported(&store);
    assert_eq!(text.matches(r#""type":"index""#).count(), 3);
    let (other, backend) = open();
    Import::into_store(&other).read_from(text.as_bytes()).unwrap();
    assert_eq!(exported(&other), text);
    other.close().unwrap();
    let other = reopened(&backend);
    let things = other.collection_with::<Value>("things", "thing", &evolution(2)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let states = || -> Vec<_> {
        let indexes = things.indexes().unwrap().into_iter();
        indexes.map(|index| (index.name, index.state, index.duplicates)).collect()
    };
    while states().iter().any(|(_, state, _)| *state == IndexState::Building) {
        assert!(Instant::now() < deadline, "{:?}", states());
        std::thread::sleep(Duration::from_millis(5));
    }
    let state = |name: &str, state, duplicates| (name.to_owned(), state, duplicates);
    let mut found = states();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        found,
        [
            state("d,-c", IndexState::Readable, 0),
            state("failed", IndexState::Failed, 10),
            state("one", IndexState::Readable, 0)
        ]
    );
    assert_eq!(things.index_entries("d,-c").unwrap(), 15);
    assert!(things.insert(&json!({"c": 3})).unwrap_err().is_unique_violation());
    assert!(Verify::new(&other).run().unwrap().is_sound());
    // Into a collection that has one of the name, which stays.
    let (store, _) = open();
    let mine = store.documents("things").unwrap();
    mine.create_index(&Index::on("x").named("one").of_kinds(["thing"])).unwrap();
    Import::into_store(&store).read_from(text.as_bytes()).unwrap();
    let one = mine.indexes().unwrap().into_iter().find(|index| index.name == "one").unwrap();
    assert_eq!((one.unique, one.paths[0].to_string()), (false, "x".to_owned()));
    let malformed = text.replace(r#""descending":true"#, r#""descending":7"#);
    let (store, _) = open();
    assert_eq!(
        Import::into_store(&store).read_from(malformed.as_bytes()).unwrap_err().kind(),
        ErrorKind::InvalidText
    );
}

/// They stand beside each other, as indexes of different names do. Of all of one name only one came along.
#[test]
fn indexes_of_one_name_and_different_kinds_come_along() {
    let (store, _) = open();
    for kind in ["cat", "dog"] {
        let pets = store.collection_with::<Value>("pets", kind, &Evolution::new()).unwrap();
        pets.create_index(&Index::unique("name")).unwrap();
        pets.insert(&json!({"name": "Rex"})).unwrap();
    }
    let text = exported(&store);
    assert_eq!(text.matches(r#""type":"index""#).count(), 2);
    let (other, _) = open();
    Import::into_store(&other).read_from(text.as_bytes()).unwrap();
    assert_eq!(exported(&other), text);
    for kind in ["cat", "dog"] {
        let pets = other.collection_with::<Value>("pets", kind, &Evolution::new()).unwrap();
        assert!(pets.insert(&json!({"name": "Rex"})).unwrap_err().is_unique_violation(), "{kind}");
    }
    // Where one of them is there already, it stays, and the other is made.
    let (other, _) = open();
    let dogs = other.collection_with::<Value>("pets", "dog", &Evolution::new()).unwrap();
    dogs.create_index(&Index::on("name")).unwrap();
    Import::into_store(&other).read_from(text.as_bytes()).unwrap();
    let indexes = dogs.indexes().unwrap();
    let found: Vec<_> = indexes.iter().map(|index| (index.kinds[0].as_str(), index.unique)).collect();
    assert_eq!(found, [("dog", false), ("cat", true)]);
}
