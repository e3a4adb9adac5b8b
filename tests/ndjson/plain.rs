//! The plain form, line by line.

use pivotdb::{Collection, Error, ErrorKind, Evolution, Export, Function, Import, Op, Store, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::place;

fn collection() -> Collection<Value> {
    Store::memory().unwrap().documents("lines").unwrap()
}

fn values(collection: &Collection<Value>) -> Vec<Value> {
    collection.iter().map(|document| document.unwrap().value).collect()
}

fn refused(input: &str) -> (Error, Vec<Value>) {
    let collection = collection();
    let error = Import::into(&collection).read_from(input.as_bytes()).unwrap_err();
    let imported = values(&collection);
    assert_eq!(error.context().detail("imported"), Some(&*imported.len().to_string()), "{error}");
    (error, imported)
}

#[test]
fn what_makes_a_line() {
    for (input, expected) in [
        ("", vec![]),
        ("\n\n", vec![]),
        ("\u{feff}", vec![]),
        ("\u{feff}\n1\n", vec![json!(1)]),
        ("1", vec![json!(1)]),
        ("1\n", vec![json!(1)]),
        ("1\r\n\r\n\r\n2\r\n", vec![json!(1), json!(2)]),
        ("\u{feff}{\"a\":1}\n\n  {\"a\":2}\t\n\n", vec![json!({"a": 1}), json!({"a": 2})]),
        ("null\nfalse\n\"\\n\"\n[]", vec![json!(null), json!(false), json!("\n"), json!([])]),
    ] {
        let collection = collection();
        let report = Import::into(&collection).read_from(input.as_bytes()).unwrap();
        assert_eq!(values(&collection), expected, "{input:?}");
        assert_eq!(
            (report.documents, report.bytes),
            (expected.len() as u64, input.len() as u64),
            "{input:?}"
        );
        assert_eq!((report.skipped, report.errors.len()), (0, 0));
    }
}

#[test]
fn every_error_names_line_and_column_and_what_precedes_it_is_there() {
    use ErrorKind::InvalidText;
    for (input, line, column, before) in [
        ("{\"a\":1}\n{\"a\":}\n3\n", 2, 6, 1),
        ("\n\r\n 18446744073709551616\n", 3, 2, 0),
        ("1\n{\"ä\":-9223372036854775809}", 2, 6, 1),
        ("1\n2\n{\"a\":1,\"b\":{\"c\":1,\"c\":2}}\n", 3, 19, 2),
        ("1\n1e309", 2, 1, 1),
        ("1\n2 3\n", 2, 3, 1),
        ("{\"a\":\n1}\n", 1, 6, 0),
        // A byte order mark that is not at the very beginning is no blank either.
        ("1\n\u{feff}2\n", 2, 1, 1),
        ("\n\u{feff}\n", 2, 1, 0),
        ("1\n\u{feff}\u{feff}2\n", 2, 1, 1),
        ("\u{feff}\u{feff}2\n", 1, 1, 0),
        ("\"a\u{0}\"", 1, 3, 0),
    ] {
        let (error, imported) = refused(input);
        assert_eq!(place(&error), (InvalidText, line, column), "{input:?}: {error}");
        assert_eq!(imported.len(), before, "{input:?}");
    }
    let deep = "[".repeat(129) + &"]".repeat(129);
    assert_eq!(place(&refused(&format!("1\n{deep}\n")).0), (ErrorKind::TooDeep, 2, 129));
}

#[test]
fn the_limits_of_the_store_hold() {
    let store = Store::builder().document_limit(100).depth_limit(2).memory().unwrap();
    let collection = store.documents("small").unwrap();
    let long = format!("\"{}\"", "x".repeat(200));
    let longer = format!("\"{}\"", "x".repeat(70_000));
    let input = format!("[[1]]\n{long}\n[[[1]]]\n{longer}\n2\n");
    let report = Import::into(&collection).skip_errors(3).read_from(input.as_bytes()).unwrap();
    let places: Vec<_> = report.errors.iter().map(place).collect();
    let (deep, large) = (ErrorKind::TooDeep, ErrorKind::TooLarge);
    assert_eq!(places, [(large, 2, 1), (deep, 3, 3), (large, 4, 1)]);
    assert_eq!(values(&collection), [json!([[1]]), json!(2)]);
    let error = Import::into(&collection).one_document().read_from(longer.as_bytes()).unwrap_err();
    assert_eq!(place(&error), (large, 1, 1));

    // A commit that is too large is cut, and what does not fit alone is refused.
    let store = Store::builder().commit_limit(2000).memory().unwrap();
    let collection = store.documents("commits").unwrap();
    let large = format!("\"{}\"\n", "x".repeat(3000));
    let mut input: String = (0..100).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    input.insert_str(input.find("{\"n\":40}").unwrap(), &large);
    let report = Import::into(&collection).skip_errors(1).read_from(input.as_bytes()).unwrap();
    assert_eq!((report.documents, place(&report.errors[0])), (100, (ErrorKind::TooLarge, 41, 1)));
    assert_eq!(values(&collection), (0..100).map(|n| json!({"n": n})).collect::<Vec<_>>());
}

#[test]
fn lines_can_be_passed_over_up_to_a_bound() {
    let input = "1\nx\n2\n{\"a\":1,\"a\":2}\n3\n[\n4\n";
    for bound in 0..5 {
        let collection = collection();
        let result = Import::into(&collection).skip_errors(bound).read_from(input.as_bytes());
        match result {
            Ok(report) => {
                assert!(bound >= 3);
                assert_eq!(report.errors.iter().map(|error| place(error).1).collect::<Vec<_>>(), [2, 4, 6]);
                assert_eq!(values(&collection), [json!(1), json!(2), json!(3), json!(4)]);
            }
            Err(error) => {
                assert_eq!(place(&error).1, [2, 4, 6][bound]);
                assert_eq!(collection.count().unwrap(), bound as u64 + 1);
            }
        }
    }
    let collection = collection();
    let report =
        Import::into(&collection).skip_errors(2).allow_duplicate_keys().read_from(input.as_bytes()).unwrap();
    assert_eq!((report.documents, report.errors.len()), (5, 2));
    assert_eq!(values(&collection)[2], json!({"a": 2}));
}

#[test]
fn ids_come_from_a_field_or_by_chance() {
    let collection = collection();
    let input = "{\"id\":7,\"n\":0}\n{\"id\":-9223372036854775808,\"n\":1}\n{\"id\":18446744073709551615,\"n\":2}\n\
                 {\"n\":3,\"id\":\"a\"}\n{\"id\":\"00000000-0000-4000-8000-000000000000\",\"n\":4}\n";
    Import::into(&collection).id_field("id").read_from(input.as_bytes()).unwrap();
    assert_eq!(collection.require(7).unwrap().value, json!({"id": 7, "n": 0}));
    assert_eq!(collection.require(i64::MIN).unwrap()["n"], 1);
    assert_eq!(collection.require(u64::MAX).unwrap()["n"], 2);
    assert_eq!(collection.require("a").unwrap()["n"], 3);
    assert_eq!(collection.require("00000000-0000-4000-8000-000000000000").unwrap()["n"], 4);
    for line in ["{}", "{\"id\":null}", "{\"id\":1.0}", "{\"id\":{}}", "[1]", "1", "{\"x\":{\"id\":1}}"] {
        let error = Import::into(&collection)
            .id_field("id")
            .read_from(format!("\n{line}").as_bytes())
            .expect_err(line);
        assert_eq!(place(&error), (ErrorKind::InvalidText, 2, 1), "{error}");
        assert_eq!(error.context().path(), Some("id"));
    }
    let long = format!("{{\"id\":\"{}\"}}", "x".repeat(1025));
    let error = Import::into(&collection).id_field("id").read_from(long.as_bytes()).unwrap_err();
    assert_eq!(place(&error), (ErrorKind::InvalidId, 1, 1));

    Import::into(&collection).read_from(&b"\"by chance\""[..]).unwrap();
    let last = collection.iter().map(Result::unwrap).find(|document| document.value == "by chance").unwrap();
    assert!(last.id().as_uuid().is_some());
}

#[test]
fn what_becomes_of_taken_ids() {
    let input = "{\"id\":1,\"v\":2}\n{\"id\":5,\"v\":2}\n{\"id\":2,\"v\":2}\n{\"id\":5,\"v\":3}\n{\"id\":6,\"v\":2}\n";
    let prepared = || {
        let collection = collection();
        for id in [1, 2, 3] {
            collection.insert_with_id(id, &json!({"id": id, "v": 1, "kept": true})).unwrap();
        }
        collection.update(2, |value| value["v"] = json!(1.5)).unwrap();
        collection
    };
    let state = |collection: &Collection<Value>| -> Vec<(u64, Value)> {
        let state = collection.iter().map(|document| {
            let document = document.unwrap();
            (document.revision().get(), json!([document["id"], document["v"], document["kept"]]))
        });
        state.collect()
    };

    let collection = prepared();
    let error = Import::into(&collection).id_field("id").read_from(input.as_bytes()).unwrap_err();
    assert_eq!(place(&error), (ErrorKind::AlreadyExists, 1, 1));
    assert_eq!((error.context().id(), error.context().collection()), (Some(&1.into()), Some("lines")));
    assert_eq!(collection.count().unwrap(), 3);

    let collection = prepared();
    let report = Import::into(&collection).id_field("id").skip_errors(3).read_from(input.as_bytes()).unwrap();
    let places: Vec<_> = report.errors.iter().map(place).collect();
    assert_eq!(places, [1, 3, 4].map(|line| (ErrorKind::AlreadyExists, line, 1)));
    assert_eq!((report.documents, collection.count().unwrap()), (2, 5));

    // The third refusal is one too many: what precedes it is there.
    let collection = prepared();
    let error =
        Import::into(&collection).id_field("id").skip_errors(2).read_from(input.as_bytes()).unwrap_err();
    assert_eq!((place(&error).1, collection.count().unwrap()), (4, 4));
    assert_eq!(error.context().detail("imported"), Some("1"));

    let collection = prepared();
    let report =
        Import::into(&collection).id_field("id").skip_existing().read_from(input.as_bytes()).unwrap();
    assert_eq!((report.documents, report.skipped), (2, 3));
    let expected = [
        (1, json!([1, 1, true])),
        (2, json!([2, 1.5, true])),
        (1, json!([3, 1, true])),
        (1, json!([5, 2, null])),
        (1, json!([6, 2, null])),
    ];
    assert_eq!(state(&collection), expected);

    let collection = prepared();
    let created = collection.require(2).unwrap().created();
    let report =
        Import::into(&collection).id_field("id").overwrite_existing().read_from(input.as_bytes()).unwrap();
    assert_eq!((report.documents, report.skipped), (5, 0));
    let expected = [
        (2, json!([1, 2, null])),
        (3, json!([2, 2, null])),
        (1, json!([3, 1, true])),
        (2, json!([5, 3, null])),
        (1, json!([6, 2, null])),
    ];
    assert_eq!(state(&collection), expected);
    assert_eq!(collection.require(2).unwrap().created(), created);
    assert_eq!(collection.count().unwrap(), 5);
}

#[derive(Serialize, Deserialize)]
struct Point {
    x: i64,
}

impl Versioned for Point {
    const KIND: &'static str = "point";

    fn evolution() -> Evolution {
        Evolution::new().step("x", [Op::rename("a", "x")])
    }
}

/// The same under another name.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    x: i64,
}

impl Versioned for Place {
    const KIND: &'static str = "place";

    fn aliases() -> &'static [&'static str] {
        &["point"]
    }

    fn evolution() -> Evolution {
        Point::evolution()
    }
}

/// A document that was stored under another name of the kind was taken for one of another kind: a full export through a typed handle left it out, no import could overwrite it, and none of the full
/// form could bring it back.
#[test]
fn what_is_stored_under_another_name_of_the_kind_is_overwritten() {
    let backend = std::sync::Arc::new(pivotdb::backend::MemoryBackend::new());
    let open = || Store::builder().open_backend(backend.clone()).unwrap();
    let store = open();
    let points = store.collection::<Point>("places").unwrap();
    points.insert_with_id(1, &Point { x: 1 }).unwrap();
    store.close().unwrap();
    let store = open();
    let places = store.collection::<Place>("places").unwrap();
    let mut full = Vec::new();
    assert_eq!(Export::new(&places).full().write_to(&mut full).unwrap().documents, 1);
    let import = || Import::into(&places).id_field("x").overwrite_existing();
    assert_eq!(import().read_from(&b"{\"x\":1,\"more\":2}"[..]).unwrap().documents, 1);
    let untyped = store.documents("places").unwrap();
    let found = untyped.require(1).unwrap();
    assert_eq!((found.kind(), &found.value), ("place", &json!({"x": 1, "more": 2})));
    // And back, under the former name.
    assert_eq!(Import::into(&places).full().overwrite_existing().read_from(&full[..]).unwrap().documents, 1);
    assert_eq!(untyped.require(1).unwrap().value, json!({"x": 1}));
    store.close().unwrap();
}

#[test]
fn a_typed_collection_takes_what_fits_its_type() {
    let store = Store::memory().unwrap();
    let points = store.collection::<Point>("mixed").unwrap();
    let input = "{\"x\":1,\"more\":[1]}\n{\"x\":\"1\"}\n{\"y\":1}\n";
    let report = Import::into(&points).skip_errors(9).read_from(input.as_bytes()).unwrap();
    let places: Vec<_> = report.errors.iter().map(place).collect();
    assert_eq!(places, [(ErrorKind::Mismatch, 2, 1), (ErrorKind::Mismatch, 3, 1)]);
    let stored = store.documents("mixed").unwrap().iter().next().unwrap().unwrap();
    assert_eq!((stored.kind(), stored.stamp().schema_version), ("point", 2));
    assert_eq!(stored.value, json!({"x": 1, "more": [1]}), "what the type does not know is kept");

    // Another kind's document is not overwritten.
    let others = store.collection_with::<Value>("mixed", "other", &Evolution::new()).unwrap();
    others.insert_with_id(3, &json!({})).unwrap();
    let import = || Import::into(&points).id_field("x").overwrite_existing();
    let error = import().read_from(&b"{\"x\":3}"[..]).unwrap_err();
    assert_eq!(place(&error), (ErrorKind::KindMismatch, 1, 1));
    // And it cannot be told which kind is meant.
    let error = Import::into(&store.documents("mixed").unwrap()).read_from(&b"1"[..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KindRequired);

    let mut text = Vec::new();
    assert_eq!(Export::new(&points).write_to(&mut text).unwrap().documents, 1);
    assert_eq!(text, b"{\"x\":1,\"more\":[1]}\n");
}

#[test]
fn an_export_has_the_programs_shape_or_says_what_it_leaves_out() {
    let store = Store::memory().unwrap();
    let runs = store.documents("runs").unwrap();
    for (id, value) in [(1, json!({"acc": "0.5"})), (2, json!({"acc": "odd"})), (3, json!({"acc": "2"}))] {
        runs.insert_with_id(id, &value).unwrap();
    }
    let parse = Function::new("parse", |body: &mut Value, _: &_| {
        let number: f64 = body["accuracy"].as_str().ok_or("no text")?.parse().map_err(|_| "no number")?;
        body["accuracy"] = number.into();
        Ok::<(), &str>(())
    });
    runs.evolve(Evolution::new().step("a number", (Op::rename("acc", "accuracy"), parse))).unwrap();
    let mut text = Vec::new();
    let error = Export::new(&runs).write_to(&mut text).unwrap_err();
    assert_eq!((error.kind(), error.context().id()), (ErrorKind::StepFailed, Some(&2.into())));
    text.clear();
    let report = Export::new(&runs).skip_errors(1).write_to(&mut text).unwrap();
    assert_eq!((report.documents, report.errors.len(), report.bytes), (2, 1, text.len() as u64));
    assert_eq!(report.errors[0].context().collection(), Some("runs"));
    assert_eq!(text, b"{\"accuracy\":0.5}\n{\"accuracy\":2.0}\n");
    // As it is stored, all of it can be exported.
    assert_eq!(Export::new(&runs).full().write_to(std::io::sink()).unwrap().documents, 3);
}

#[test]
fn snapshots_transactions_and_views() {
    let store = Store::memory().unwrap();
    let points = store.collection::<Point>("points").unwrap();
    points.insert_with_id(1, &Point { x: 1 }).unwrap();
    let exported = |collection: &Collection<Point>| {
        let mut text = Vec::new();
        Export::new(collection).write_to(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    let snapshot = store.snapshot().unwrap();
    points.insert_with_id(2, &Point { x: 2 }).unwrap();
    assert_eq!(exported(&snapshot.on(&points)), "{\"x\":1}\n");
    assert_eq!(exported(&points), "{\"x\":1}\n{\"x\":2}\n");
    assert_eq!(exported(&points.view(1).unwrap()), "{\"a\":1}\n{\"a\":2}\n");

    let line = &b"{\"x\":3}"[..];
    let kind = |collection: &Collection<Point>| {
        Import::into(collection).read_from(line).map_err(|error| error.kind())
    };
    store
        .transaction(|tx| {
            tx.on(&points).delete(1)?;
            assert_eq!(exported(&tx.on(&points)), "{\"x\":2}\n");
            assert_eq!(kind(&tx.on(&points)).unwrap_err(), ErrorKind::InvalidOption);
            assert_eq!(kind(&points).unwrap_err(), ErrorKind::InsideTransaction);
            let whole = Import::into_store(&store).read_from(line).unwrap_err();
            assert_eq!(whole.kind(), ErrorKind::InsideTransaction);
            let whole = Export::store(&store).write_to(std::io::sink()).unwrap_err();
            assert_eq!(whole.kind(), ErrorKind::InsideTransaction);
            Ok(())
        })
        .unwrap();
    assert_eq!(kind(&snapshot.on(&points)).unwrap_err(), ErrorKind::InvalidOption);
    let view = points.view::<Value>(1).unwrap();
    Import::into(&view).id_field("a").read_from(&b"{\"a\":4}"[..]).unwrap();
    assert_eq!(points.require(4).unwrap().stamp().schema_version, 1);
    assert_eq!(exported(&points), "{\"x\":2}\n{\"x\":4}\n");
}

#[test]
fn numbers_are_exact_both_ways() {
    let text = "[0,-0.0,1,1.0,-1,18446744073709551615,-9223372036854775808,5e-324,1.7976931348623157e308,0.1,1e16,1e-7]\n";
    let collection = collection();
    Import::into(&collection).read_from(text.as_bytes()).unwrap();
    let mut again = Vec::new();
    Export::new(&collection).write_to(&mut again).unwrap();
    let same: [Value; 2] = [text.as_bytes(), &again].map(|text| serde_json::from_slice(text).unwrap());
    assert_eq!(same[0], same[1]);
    let twice = self::collection();
    Import::into(&twice).read_from(&*again).unwrap();
    let mut third = Vec::new();
    Export::new(&twice).write_to(&mut third).unwrap();
    assert_eq!(again, third);
}
