//! Functions that panic: an error of the document, which names the step, and of nothing else.

use std::sync::Once;

use pivotdb::{Collection, Error, ErrorKind, Evolution, Function, Index, Store, Unreadable, Verify};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::on_every_backend;

/// What is said of it on stderr helps nobody; other panics are told as ever.
fn quietly() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload_as_str().is_none_or(|message| !message.contains("planted")) {
                told(panic);
            }
        }));
    });
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Planted {
    Up,
    Down,
}

/// Panics on documents whose `n` is 2, going that way.
fn untyped(planted: Planted) -> Function {
    let check = move |way: Planted, body: &Value| {
        assert!(way != planted || body["n"] != 2, "planted");
    };
    let up = move |body: &mut Value, _: &pivotdb::StepContext<'_>| {
        check(Planted::Up, body);
        body["m"] = json!(body["n"].as_i64().map(|n| 10 * n));
    };
    let down = move |body: &mut Value, _: &pivotdb::StepContext<'_>| {
        check(Planted::Down, body);
        body.as_object_mut().and_then(|members| members.remove("m"));
    };
    Function::new("ten times", up).down(down)
}

#[derive(Debug, Serialize, Deserialize)]
struct Old {
    n: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct New {
    n: i64,
    m: i64,
}

fn typed(planted: Planted) -> Function {
    let check = move |way: Planted, n: i64| assert!(way != planted || n != 2, "planted");
    let up = move |Old { n }| {
        check(Planted::Up, n);
        New { n, m: 10 * n }
    };
    let down = move |New { n, .. }| {
        check(Planted::Down, n);
        Old { n }
    };
    Function::typed("ten times", up).typed_down(down)
}

fn evolution(function: Function) -> Evolution {
    Evolution::new().step("before", pivotdb::Op::add("before", true)).step("ten times", function)
}

/// The error is that of document 2.
fn names_the_step(error: &Error) {
    let context = error.context();
    assert_eq!(error.kind(), ErrorKind::StepFailed, "{error}");
    assert_eq!((context.collection(), context.id()), (Some("things"), Some(&2.into())), "{error}");
    assert_eq!((context.kind(), context.step()), (Some("thing"), Some("ten times")), "{error}");
    assert_eq!(context.detail("panic"), Some("planted"), "{error}");
}

/// Everything that comes upon document 2 fails, and everything else goes on. `field` is one that documents have as `things` shows them, with `n` times `times` in it.
fn one_document_fails(store: &Store, things: &Collection<Value>, field: &str, times: i64) {
    let raw = things.get_stored(2).unwrap().unwrap();
    for error in [
        things.get(2).unwrap_err(),
        things.update(2, |thing| thing["x"] = json!(1)).unwrap_err(),
        things.put(2, &json!({"n": 7})).unwrap_err(),
        things.merge_patch(2, &json!({"x": 1})).unwrap_err(),
        things.iter().find_map(Result::err).unwrap(),
        things.find(json!({field: {"$gte": 0}})).to_vec().unwrap_err(),
        things.find(json!({"n": 2})).count().unwrap_err(),
        store.transaction(|tx| tx.on(things).update(2, |thing| thing["x"] = json!(1))).unwrap_err(),
    ] {
        names_the_step(&error);
    }
    let readable: Vec<_> = things.iter().flatten().map(|thing| thing[field].clone()).collect();
    assert_eq!(readable, [json!(times), json!(3 * times)]);
    let after = things.get_stored(2).unwrap().unwrap();
    assert_eq!((&*after, after.revision(), after.stamp()), (&*raw, raw.revision(), raw.stamp()), "as it was");
    let updated = things.update(3, |thing| thing["x"] = json!(1)).unwrap();
    assert_eq!((&updated[field], &updated["x"]), (&json!(3 * times), &json!(1)));
}

fn up(function: fn(Planted) -> Function) {
    quietly();
    on_every_backend(|store| {
        let things: Collection<Value> =
            store.collection_with("things", "thing", &evolution(function(Planted::Up))).unwrap();
        let older = things.view::<Value>(1).unwrap();
        for id in 1..=3 {
            older.insert_with_id(id, &json!({"n": id})).unwrap();
        }
        one_document_fails(&store, &things, "m", 10);

        // A build comes upon it, too, and goes on. The index lacks it, so that whoever asks is told.
        things.create_index(&Index::on("m").named("by m")).unwrap();
        let query = || things.find(json!({"m": {"$gte": 10}})).sort("m");
        let found = || {
            let found = query().unreadable(Unreadable::Skip).to_vec().unwrap();
            found.iter().map(|thing| thing.id().as_i64().unwrap()).collect::<Vec<_>>()
        };
        let explained = query().unreadable(Unreadable::Skip).explain().unwrap();
        assert_eq!(explained.plan, "scan", "{explained}");
        assert!(explained.to_string().contains("lacks documents that cannot be read"), "{explained}");
        assert_eq!(found(), [1, 3]);
        names_the_step(&query().to_vec().unwrap_err());
        names_the_step(&things.update(2, |thing| thing["x"] = json!(1)).unwrap_err());

        // In a shape that does not need the step it can be mended, and then is a document like others.
        older.update(2, |thing| thing["n"] = json!(4)).unwrap();
        things.insert_with_id(5, &json!({"n": 5, "m": 50})).unwrap();
        assert_eq!(things.require(2).unwrap()["m"], 40);
        assert_eq!(found(), [1, 3, 2, 5]);
        let explained = query().explain().unwrap();
        assert!(explained.plan.starts_with("index"), "{explained}");
        assert_eq!(Verify::new(&store).run().unwrap().findings.len(), 0);
    });
}

fn down(function: fn(Planted) -> Function) {
    quietly();
    on_every_backend(|store| {
        let things: Collection<Value> =
            store.collection_with("things", "thing", &evolution(function(Planted::Down))).unwrap();
        for id in 1..=3 {
            things.insert_with_id(id, &json!({"n": id, "m": 10 * id, "before": true})).unwrap();
        }
        let older = things.view::<Value>(1).unwrap();
        one_document_fails(&store, &older, "n", 1);
        // The newer shape has nothing to do with it.
        assert_eq!(things.find(json!({"m": {"$gte": 0}})).count().unwrap(), 3);
        things.update(2, |thing| thing["x"] = json!(1)).unwrap();
        names_the_step(&older.get(2).unwrap_err());
        things.update(2, |thing| thing["n"] = json!(4)).unwrap();
        assert_eq!(older.require(2).unwrap()["n"], 4);
        assert_eq!(Verify::new(&store).run().unwrap().findings.len(), 0);
    });
}

#[test]
fn a_function_panics_going_up() {
    up(untyped);
}

#[test]
fn a_function_panics_going_down() {
    down(untyped);
}

#[test]
fn a_typed_function_panics_going_up() {
    up(typed);
}

#[test]
fn a_typed_function_panics_going_down() {
    down(typed);
}
