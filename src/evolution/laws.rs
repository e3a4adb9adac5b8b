//! What ops, functions and plans promise, put to the test.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use serde_json::{Map, Value, json};

use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::evolution::apply::apply;
use crate::evolution::context::StepContext;
use crate::evolution::evolution::Evolution;
use crate::evolution::fault::StepError;
use crate::evolution::function::Function;
use crate::evolution::history::History;
use crate::evolution::op::{Action, Op, Repr};
use crate::model::id::DocumentId;
use crate::value::path::{Path, as_index};

/// Runs one way or the other over encoded bytes, as a record is.
fn run(evolution: &Evolution, up: bool, body: &Value) -> Result<Value, StepError> {
    let history = History::new("k", evolution).unwrap();
    let (low, high) = (history.own(1).unwrap(), history.current());
    let plan = if up { history.plan(low, high) } else { history.plan(high, low) }.unwrap();
    let bytes = Node::from_value(body.clone()).unwrap().to_bytes(Limits::default()).unwrap();
    let mut node = Node::Raw(Raw::new(&bytes).unwrap());
    plan.run(&mut node, &StepContext::new("k", &DocumentId::from(1)))?;
    let bytes = node.to_bytes(Limits::default()).unwrap();
    Ok(Raw::new(&bytes).unwrap().to_value().unwrap())
}

fn up(op: Op, body: Value) -> Result<Value, (String, String)> {
    let result = run(&Evolution::new().step("s", [op]), true, &body);
    result.map_err(|error| (error.fault.to_string(), error.path.unwrap().to_string()))
}

fn down(op: Op, body: Value) -> Value {
    run(&Evolution::new().step("s", [op]), false, &body).unwrap()
}

#[test]
fn rename() {
    let op = || Op::rename("a.b", "a.c");
    assert_eq!(up(op(), json!({"a": {"b": 1, "x": 2}, "b": 3})), Ok(json!({"a": {"c": 1, "x": 2}, "b": 3})));
    assert_eq!(up(op(), json!({"a": {"b": null}})), Ok(json!({"a": {"c": null}})));
    for untouched in [json!({}), json!({"a": {}}), json!({"a": null}), json!(null), json!({"a": {"c": 1}})] {
        assert_eq!(up(op(), untouched.clone()), Ok(untouched));
    }
    let failed = |fault: &str, path: &str| Err((fault.to_owned(), path.to_owned()));
    let taken = "there is something at the target already";
    assert_eq!(up(op(), json!({"a": {"b": 1, "c": null}})), failed(taken, "a.c"));
    let element = "an element of a list cannot be taken out or put in by its index";
    assert_eq!(up(Op::rename("a.0", "a.1"), json!({"a": [1]})), failed(element, "a.0"));
    assert_eq!(up(Op::rename("a.0.b", "a.0.c"), json!({"a": [{"b": 1}]})), Ok(json!({"a": [{"c": 1}]})));
    assert_eq!(down(op(), json!({"a": {"c": 1}})), json!({"a": {"b": 1}}));
}

#[test]
fn move_field() {
    let op = || Op::move_field("a", "b.c.d");
    assert_eq!(up(op(), json!({"a": 1, "b": {"x": 2}})), Ok(json!({"b": {"x": 2, "c": {"d": 1}}})));
    assert_eq!(up(op(), json!({"a": 1, "b": null})), Ok(json!({"b": {"c": {"d": 1}}})));
    assert_eq!(up(op(), json!({"b": 5})), Ok(json!({"b": 5})));
    assert!(up(op(), json!({"a": 1, "b": 5})).is_err());
    assert!(up(op(), json!({"a": 1, "b": [5]})).is_err());
    assert!(up(Op::move_field("a", "b.0"), json!({"a": 1, "b": [5]})).is_err());
    assert!(up(op(), json!({"a": 1, "b": {"c": {"d": null}}})).is_err());
    assert_eq!(down(op(), json!({"b": {"c": {"d": 1}}})), json!({"a": 1}));
    assert_eq!(down(op(), json!({"b": {"x": 1, "c": {"d": 1}}})), json!({"a": 1, "b": {"x": 1}}));
    assert_eq!(down(op(), json!({"b": {"c": {}}})), json!({"b": {"c": {}}}));
    let hoist = || Op::move_field("a.b", "c");
    assert_eq!(up(hoist(), json!({"a": {"b": 1}})), Ok(json!({"a": {}, "c": 1})));
    assert_eq!(down(hoist(), json!({"c": 1})), json!({"a": {"b": 1}}));
    let within = || Op::move_field("a.x", "a.b.y");
    assert_eq!(down(within(), json!({"a": {"b": {"y": 1}}})), json!({"a": {"x": 1}}));
}

#[test]
fn add_and_remove() {
    let op = || Op::add("a.b", json!([1]));
    assert_eq!(up(op(), json!({})), Ok(json!({"a": {"b": [1]}})));
    assert_eq!(up(op(), json!({"a": null})), Ok(json!({"a": {"b": [1]}})));
    assert_eq!(up(op(), json!({"a": {"b": null}})), Ok(json!({"a": {"b": null}})));
    assert!(up(op(), json!({"a": "text"})).is_err());
    assert!(up(Op::add("a.0", 1), json!({"a": []})).is_err());
    assert_eq!(down(op(), json!({"a": {"b": 7}})), json!({}));
    assert_eq!(down(op(), json!({"a": {"b": 7, "c": 1}})), json!({"a": {"c": 1}}));
    let op = || Op::remove("a.b");
    assert_eq!(up(op(), json!({"a": {"b": 1}})), Ok(json!({"a": {}})));
    assert_eq!(up(op(), json!({"x": 1})), Ok(json!({"x": 1})));
    assert_eq!(up(op(), json!({"a": 3})), Ok(json!({"a": 3})));
    assert!(up(Op::remove("a.0"), json!({"a": [1]})).is_err());
    assert_eq!(up(Op::remove("a.1"), json!({"a": [1]})), Ok(json!({"a": [1]})));
    assert_eq!(down(op(), json!({"a": {}})), json!({"a": {}}));
}

#[test]
fn a_function_sees_what_the_ops_before_it_left_and_the_way_back_is_reversed() {
    let append = |text: &'static str| {
        move |body: &mut Value, _: &StepContext<'_>| {
            let seen = format!("{}{text}", body["b"].as_str().unwrap_or("?"));
            body["b"] = seen.into();
        }
    };
    let function = |identity, up, down| Function::new(identity, append(up)).down(append(down));
    let evolution = Evolution::new()
        .step("one", ([Op::rename("a", "b")], function("f", "1", "-1")))
        .step("two", function("g", "2", "-2"))
        .step("three", ([Op::rename("b", "c"), Op::rename("c", "b")], function("h", "3", "-3")));
    assert_eq!(run(&evolution, true, &json!({"a": ""})).unwrap(), json!({"b": "123"}));
    assert_eq!(run(&evolution, false, &json!({"b": ""})).unwrap(), json!({"a": "-3-2-1"}));
}

#[test]
fn errors_and_panics_of_functions_are_errors() {
    let run =
        |function| Error::from(run(&Evolution::new().step("s", function), true, &json!({})).unwrap_err());
    let error = run(Function::new("f", |_, _| Err::<(), _>(std::fmt::Error)));
    assert_eq!((error.kind(), error.context().step()), (ErrorKind::StepFailed, Some("s")));
    assert!(error.downcast_ref::<std::fmt::Error>().is_some());
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let error = run(Function::new("f", |body, _| body["a"]["b"][0] = json!(1)));
    std::panic::set_hook(hook);
    assert_eq!(error.kind(), ErrorKind::StepFailed);
    assert!(error.context().detail("panic").is_some());
    let deep = |body: &mut Value, _: &StepContext<'_>| {
        *body = (0..200).fold(json!(1), |inner, _| json!([inner]));
    };
    assert_eq!(run(Function::new("f", deep)).kind(), ErrorKind::StepFailed);
}

#[test]
fn bytes_that_are_no_body_are_an_error() {
    let evolution = Evolution::new().step("s", [Op::rename("a", "b")]);
    let history = History::new("k", &evolution).unwrap();
    let plan = history.plan(history.own(1).unwrap(), history.current()).unwrap();
    let mut node = Node::Raw(Raw::new(b"\x08\x03\x01a\x09").unwrap());
    let id = DocumentId::from(1);
    let error = plan.run(&mut node, &StepContext::new("k", &id)).unwrap_err();
    assert_eq!(Error::from(error).kind(), ErrorKind::Corrupt);
}

fn documents() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![Just(Value::Null), (0..3).prop_map(Value::from), "x?".prop_map(Value::from)];
    let value = scalar.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![5 => objects(inner.clone(), 0), 1 => proptest::collection::vec(inner, 0..3).prop_map(Value::Array)]
    });
    objects(value, 2)
}

fn objects(value: impl Strategy<Value = Value>, least: usize) -> impl Strategy<Value = Value> {
    proptest::collection::btree_map(names(), value, least..5)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![12 => "[abc]", 1 => Just(String::new()), 1 => Just("a.b".to_owned()), 1 => "[~/$0]"]
}

fn paths() -> impl Strategy<Value = Path> {
    let names = prop_oneof![2 => proptest::collection::vec(names(), 1), 1 => proptest::collection::vec(names(), 2..4)];
    names.prop_map(|names| Path::from_names(names).unwrap())
}

fn actions() -> impl Strategy<Value = Action> {
    let any = prop_oneof![
        (paths(), names())
            .prop_map(|(from, to)| Action::rename(from.clone(), from.parent().unwrap().child(&to))),
        (paths(), paths()).prop_map(|(from, to)| Action::move_field(from, to)),
        (paths(), documents()).prop_map(|(path, value)| Action::add(path, value)),
        paths().prop_map(Action::remove),
    ];
    any.prop_filter_map("senseless", Result::ok)
}

fn evolutions() -> impl Strategy<Value = Evolution> {
    let op = actions().prop_map(|action| Op(Repr::Action(action)));
    proptest::collection::vec(proptest::collection::vec(op, 1..3), 1..4).prop_map(|steps| {
        let steps = steps.into_iter().enumerate();
        steps.fold(Evolution::new(), |evolution, (number, ops)| evolution.step(&number.to_string(), ops))
    })
}

/// Checks `law` on many inputs, and that it was put to the test on enough of them: `law` says whether it was.
fn hold<S: Strategy>(
    name: &str,
    inputs: S,
    least: u32,
    law: impl Fn(&S::Value) -> Result<bool, TestCaseError>,
) {
    let (all, exercised) = (Cell::new(0), Cell::new(0));
    let outcome = TestRunner::new(Config { cases: 1_500, failure_persistence: None, ..Config::default() })
        .run(&inputs, |input| {
            all.set(all.get() + 1);
            exercised.set(exercised.get() + u32::from(law(&input)?));
            Ok(())
        });
    outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
    println!("{name}: {} documents, {} to the point", all.get(), exercised.get());
    assert!(exercised.get() >= least, "{name}: only {} documents to the point", exercised.get());
}

#[test]
fn total_and_deterministic() {
    hold(
        "total and deterministic",
        (evolutions(), documents(), any::<bool>()),
        500,
        |(evolution, document, direction)| {
            let once = run(evolution, *direction, document).map_err(|error| error.to_string());
            let twice = run(evolution, *direction, document).map_err(|error| error.to_string());
            prop_assert_eq!(&once, &twice);
            Ok(once.as_ref() != Ok(document))
        },
    );
}

#[test]
fn step_by_step_is_the_plan() {
    hold(
        "step by step = plan",
        (evolutions(), documents(), any::<bool>()),
        300,
        |(evolution, document, direction)| {
            let whole = run(evolution, *direction, document).map_err(|error| error.to_string());
            let history = History::new("k", evolution).unwrap();
            let mut stepwise = Ok(document.clone());
            let mut versions: Vec<_> = (1..=evolution.schema_version()).collect();
            if !direction {
                versions.reverse();
            }
            for pair in versions.windows(2) {
                let plan =
                    history.plan(history.own(pair[0]).unwrap(), history.own(pair[1]).unwrap()).unwrap();
                prop_assert_eq!(plan.len(), 1);
                stepwise = stepwise.and_then(|body| {
                    let mut node = Node::from_value(body).unwrap();
                    plan.run(&mut node, &StepContext::new("k", &DocumentId::from(1)))
                        .map_err(|error| error.to_string())?;
                    Ok(node.to_value().unwrap())
                });
            }
            prop_assert_eq!(&whole, &stepwise);
            Ok(versions.len() > 2 && whole.is_ok_and(|body| body != *document))
        },
    );
}

#[test]
fn unknown_fields_are_kept() {
    hold(
        "unknown fields kept",
        (evolutions(), documents(), any::<bool>()),
        400,
        |(evolution, document, direction)| {
            let mut with = document.clone();
            with["unknown"] = json!({"kept": [1.5]});
            let (without, with) = (run(evolution, *direction, document), run(evolution, *direction, &with));
            prop_assert_eq!(without.is_ok(), with.is_ok());
            let (Ok(mut without), Ok(with)) = (without, with) else { return Ok(false) };
            let changed = without != *document;
            without["unknown"] = json!({"kept": [1.5]});
            prop_assert_eq!(without, with);
            Ok(changed)
        },
    );
}

type Invert = fn(&Action, &mut Node<'_>) -> bool;

/// `down(up(x)) == x`, for a document in which the op's target is not taken and what is around it is not empty: without a complement nothing
/// tells these from what the op itself makes. Whether the document was one, and was changed.
fn round_trip(action: &Action, document: &Value, invert: Invert) -> Result<bool, TestCaseError> {
    let target = match action {
        Action::Rename { to, .. } | Action::Move { to, .. } | Action::Add { path: to, .. } => to,
        Action::Remove { .. } => return Ok(false),
    };
    let mut around = Some(document);
    for name in target.names() {
        around = match around {
            Some(Value::Object(members)) if members.is_empty() => return Ok(false),
            Some(Value::Null) => return Ok(false),
            Some(Value::Array(_)) if as_index(name).is_some() => return Ok(false),
            Some(value) => value.get(name),
            None => None,
        };
    }
    let mut node = Node::from_value(document.clone()).unwrap();
    if around.is_some() || apply(action, true, &mut node).is_err() {
        return Ok(false);
    }
    let changed = node.to_value().unwrap() != *document;
    prop_assert!(invert(action, &mut node));
    prop_assert_eq!(&node.to_value().unwrap(), document);
    Ok(changed)
}

#[test]
fn inverses_round_trip() {
    // The borrow of the op must be as long as the tree's, which a test cannot promise for each case: encode in between.
    let invert: Invert = |action, node| {
        let bytes = node.to_bytes(Limits::default()).unwrap();
        let mut inner = Node::Raw(Raw::new(&bytes).unwrap());
        let inverted = apply(action, false, &mut inner).is_ok();
        node.absorb_value(inner.to_value().unwrap()).unwrap();
        inverted
    };
    hold("inverse round trips", (actions(), documents()), 200, |(action, document)| {
        round_trip(action, document, invert)
    });
}

#[test]
fn a_wrong_inverse_is_caught() {
    let wrong: Invert = |action, node| match action {
        // Forgets to go back where the target is called `c`.
        Action::Rename { to, .. } if to.last() == Some("c") => true,
        _ => {
            let mut value = node.to_value().unwrap();
            let mut inner = Node::from_value(std::mem::take(&mut value)).unwrap();
            let inverted = apply(action, false, &mut inner).is_ok();
            node.absorb_value(inner.to_value().unwrap()).unwrap();
            inverted
        }
    };
    let outcome = TestRunner::new(Config { cases: 20_000, failure_persistence: None, ..Config::default() })
        .run(&(actions(), documents()), |(action, document)| round_trip(&action, &document, wrong).map(drop));
    let Err(TestError::Fail(_, (action, document))) = outcome else { panic!("the control was not caught") };
    let fields = fields(&document);
    println!("control caught: {action:?} on {document}: {fields} fields");
    assert!(fields <= 5);
}

fn fields(document: &Value) -> usize {
    let count = |members: &Map<String, Value>| members.values().map(fields).sum::<usize>() + members.len();
    document.as_object().map_or(0, count)
}
