//! What every op does, case by case. What all of them promise is put to the test in `tests/laws.rs`.

use serde_json::{Value, json};

use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
use crate::encoding::text::parse::{Duplicates, parse};
use crate::encoding::text::print::print;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::evolution::action::Taken;
use crate::evolution::condition::When;
use crate::evolution::context::StepContext;
use crate::evolution::conversion::To;
use crate::evolution::evolution::Evolution;
use crate::evolution::fault::StepError;
use crate::evolution::function::Function;
use crate::evolution::history::History;
use crate::evolution::op::Op;
use crate::evolution::plan::Plan;
use crate::evolution::values::Complement;
use crate::model::id::DocumentId;

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

/// Up with an empty complement; then down with what that kept.
fn there_and_back(op: &Op, body: &Value) -> (Value, Value, bool) {
    let evolution = Evolution::new().step("s", [op.clone()]);
    let id = DocumentId::from(1);
    let context = StepContext::new("k", &id);
    let up = Plan::between(&evolution, "k", 1, 2).unwrap();
    let (there, kept) = up.apply_keeping(body.clone(), &Complement::empty(), &context).unwrap();
    let down = Plan::between(&evolution, "k", 2, 1).unwrap();
    let (back, _) = down.apply_keeping(there.clone(), &kept, &context).unwrap();
    (there, back, kept.is_empty())
}

/// The op makes `after` of `before`, and comes back; `computed` is what the inverse makes of `after` without a complement.
fn check(op: Op, before: Value, after: Value, computed: Value) {
    let (there, back, nothing_kept) = there_and_back(&op, &before);
    assert_eq!(there, after, "{op:?} on {before}");
    assert_eq!(back, before, "{op:?}, back from {after}");
    assert_eq!(down(op.clone(), after), computed, "{op:?}, back without a complement");
    assert_eq!(nothing_kept, before == computed, "{op:?} keeps something only if it must");
}

fn refused(op: Op, body: Value, fault: &str, path: &str) {
    assert_eq!(up(op.clone(), body), Err((fault.to_owned(), path.to_owned())), "{op:?}");
}

#[test]
fn taken_targets() {
    let both = json!({"a": 1, "b": 2, "c": 3});
    for (op, kept, replaced) in [
        (Op::rename("a", "b"), json!({"b": 2, "c": 3}), json!({"b": 1, "c": 3})),
        (Op::move_field("a", "b"), json!({"b": 2, "c": 3}), json!({"b": 1, "c": 3})),
        (Op::copy("a", "b"), both.clone(), json!({"a": 1, "b": 1, "c": 3})),
    ] {
        refused(op.clone(), both.clone(), "there is something at the target already", "b");
        for (taken, after) in [(Taken::Keep, kept), (Taken::Replace, replaced)] {
            let (there, back, _) = there_and_back(&op.clone().if_taken(taken), &both);
            assert_eq!((there, back), (after, both.clone()), "{op:?} {taken:?}");
        }
    }
    assert_eq!(up(Op::rename("a", "b").if_taken(Taken::Replace), json!({"a": 1})), Ok(json!({"b": 1})));
    let split = Op::split("a", " ", ["b", "c"]).if_taken(Taken::Keep);
    assert_eq!(up(split, json!({"a": "x y", "b": 0})), Ok(json!({"b": 0, "c": "y"})));
}

#[test]
fn what_was_there_before_comes_back() {
    // An object around the target that was empty before, or null, or held something else.
    let op = || Op::move_field("a", "b.c.d");
    check(op(), json!({"a": 1}), json!({"b": {"c": {"d": 1}}}), json!({"a": 1}));
    check(op(), json!({"a": 1, "b": {}}), json!({"b": {"c": {"d": 1}}}), json!({"a": 1}));
    check(op(), json!({"a": 1, "b": null}), json!({"b": {"c": {"d": 1}}}), json!({"a": 1}));
    check(op(), json!({"a": 1, "b": {"c": null}}), json!({"b": {"c": {"d": 1}}}), json!({"a": 1}));
    check(op(), json!({"b": {"c": {"d": 1}}}), json!({"b": {"c": {"d": 1}}}), json!({"a": 1}));
    check(Op::rename("a", "b"), json!({"b": 1}), json!({"b": 1}), json!({"a": 1}));
    check(Op::add("a.b", 1), json!({"a": {}}), json!({"a": {"b": 1}}), json!({}));
    check(Op::add("a", 1), json!({"a": null}), json!({"a": null}), json!({}));
    check(Op::copy("a", "b.c"), json!({"a": 1}), json!({"a": 1, "b": {"c": 1}}), json!({"a": 1}));
    check(Op::remove("a.b"), json!({"a": {"b": 1}}), json!({"a": {}}), json!({"a": {}}));
    check(Op::remove("a.b"), json!({"a": 5}), json!({"a": 5}), json!({"a": 5}));
    check(Op::remove("a").restoring(0), json!({"a": 7}), json!({}), json!({"a": 0}));
    check(Op::remove("a").restoring(0), json!({}), json!({}), json!({"a": 0}));
    check(Op::remove("a").restoring(0), json!({"a": 0}), json!({}), json!({"a": 0}));
}

#[test]
fn wrapping() {
    let op = || Op::wrap_list("a");
    check(op(), json!({"a": 1}), json!({"a": [1]}), json!({"a": 1}));
    check(op(), json!({"a": [1]}), json!({"a": [[1]]}), json!({"a": [1]}));
    check(op(), json!({"a": null}), json!({"a": []}), json!({"a": null}));
    check(op(), json!({}), json!({}), json!({}));
    assert_eq!(down(op(), json!({"a": [1, 2]})), json!({"a": 1}));
    let op = || Op::unwrap_list("a");
    check(op(), json!({"a": [1, 2]}), json!({"a": 1}), json!({"a": [1]}));
    check(op(), json!({"a": [null]}), json!({"a": null}), json!({"a": []}));
    check(op(), json!({"a": null}), json!({"a": null}), json!({"a": []}));
    refused(op(), json!({"a": 1}), "the value is not a list", "a");
    let op = || Op::wrap_object("a.b", "in");
    check(op(), json!({"a": {"b": 1}}), json!({"a": {"b": {"in": 1}}}), json!({"a": {"b": 1}}));
    check(op(), json!({"a": {"b": null}}), json!({"a": {"b": {"in": null}}}), json!({"a": {"b": null}}));
    check(op(), json!({"a": {}}), json!({"a": {}}), json!({"a": {}}));
    let op = || Op::unwrap_object("a", "in");
    check(op(), json!({"a": {"in": 1, "x": 2}}), json!({"a": 1}), json!({"a": {"in": 1}}));
    check(op(), json!({"a": {"x": 2}}), json!({}), json!({}));
    refused(op(), json!({"a": [1]}), "the value is not an object", "a");
    check(Op::wrap_object("", "data"), json!({"a": 1}), json!({"data": {"a": 1}}), json!({"a": 1}));
}

#[test]
fn ops_within() {
    let op = || Op::inside("a", [Op::add("b", 1), Op::rename("c", "d")]);
    check(op(), json!({"a": {"c": 2}}), json!({"a": {"b": 1, "d": 2}}), json!({"a": {"c": 2}}));
    check(op(), json!({"a": {"b": 7}}), json!({"a": {"b": 7}}), json!({"a": {}}));
    check(op(), json!({"a": null}), json!({"a": null}), json!({"a": null}));
    check(op(), json!({}), json!({}), json!({}));
    refused(op(), json!({"a": 1}), "the value is not an object", "a");
    refused(op(), json!({"a": {"c": 1, "d": 2}}), "there is something at the target already", "a.d");
    let op = || Op::each("a", [Op::each("", [Op::convert("n", To::Integer)])]);
    check(
        op(),
        json!({"a": [[{"n": "1"}], [], [{"n": "02"}, {"n": 3}]]}),
        json!({"a": [[{"n": 1}], [], [{"n": 2}, {"n": 3}]]}),
        json!({"a": [[{"n": "1"}], [], [{"n": "2"}, {"n": "3"}]]}),
    );
    refused(op(), json!({"a": [[{"n": 1}, {"n": {}}]]}), "the value is not convertible", "a.0.1.n");
    refused(op(), json!({"a": [{}]}), "the value is not a list", "a.0");
    refused(op(), json!({"a": {}}), "the value is not a list", "a");
    let op = || Op::each_value("a", [Op::uppercase("")]);
    check(
        op(),
        json!({"a": {"x": "b", "/": "C"}}),
        json!({"a": {"x": "B", "/": "C"}}),
        json!({"a": {"x": "B", "/": "C"}}),
    );
    refused(op(), json!({"a": []}), "the value is not an object", "a");
    refused(
        Op::each_value("a", [Op::add("b.c", 1)]),
        json!({"a": {"x.y": {"b": 1}}}),
        NO_OBJECT,
        "/a/x.y/b/c",
    );
}

const NO_OBJECT: &str = "the path leads into a value that is not an object";

#[test]
fn what_an_element_keeps_goes_where_it_goes() {
    let evolution =
        Evolution::new().step("s", [Op::each("a", [Op::convert("n", To::Integer), Op::remove("x")])]);
    let id = DocumentId::from(1);
    let context = StepContext::new("k", &id);
    let up = Plan::between(&evolution, "k", 1, 2).unwrap();
    let down = Plan::between(&evolution, "k", 2, 1).unwrap();
    let before = json!({"a": [{"n": "01", "i": 0}, {"n": "2", "i": 1}, {"n": "03", "i": 2, "x": true}]});
    let (after, kept) = up.apply_keeping(before, &Complement::empty(), &context).unwrap();
    let come_back = |edit: &dyn Fn(&mut Vec<Value>)| {
        let mut after = after.clone();
        edit(after["a"].as_array_mut().unwrap());
        down.apply_keeping(after, &kept, &context).unwrap().0["a"].clone()
    };
    let (one, two) = (json!({"n": "01", "i": 0}), json!({"n": "2", "i": 1}));
    let three = json!({"n": "03", "i": 2, "x": true});
    assert_eq!(come_back(&|list| list.reverse()), json!([three, two, one]));
    assert_eq!(come_back(&|list| drop(list.remove(0))), json!([two, three]));
    assert_eq!(come_back(&|list| list.insert(0, json!({"n": 9}))), json!([{"n": "9"}, one, two, three]));
    assert_eq!(
        come_back(&|list| list[0]["new"] = json!(1)),
        json!([{"n": "1", "i": 0, "new": 1}, two, three])
    );
    // Equal elements: what one keeps is restored once, where it was.
    let before = json!({"a": [{"n": "7"}, {"n": "007"}, {"n": 7}]});
    let (after, kept) = up.apply_keeping(before.clone(), &Complement::empty(), &context).unwrap();
    assert_eq!(after, json!({"a": [{"n": 7}, {"n": 7}, {"n": 7}]}));
    assert_eq!(down.apply_keeping(after, &kept, &context).unwrap().0, before);
}

#[test]
fn converting() {
    let op = || Op::convert("a", To::Integer);
    check(op(), json!({"a": "7"}), json!({"a": 7}), json!({"a": "7"}));
    check(op(), json!({"a": "007"}), json!({"a": 7}), json!({"a": "7"}));
    check(op(), json!({"a": 7}), json!({"a": 7}), json!({"a": "7"}));
    check(op(), json!({"a": null}), json!({"a": null}), json!({"a": null}));
    check(op(), json!({}), json!({}), json!({}));
    refused(op(), json!({"a": "x"}), "the value is not convertible", "a");
    check(op().or(0), json!({"a": "x"}), json!({"a": 0}), json!({"a": "0"}));
    check(op().or(0), json!({"a": null}), json!({"a": 0}), json!({"a": "0"}));
    check(op().or(0), json!({}), json!({"a": 0}), json!({"a": "0"}));
    check(op().or(0).if_present(), json!({"a": "x"}), json!({"a": 0}), json!({"a": "0"}));
    check(op().or(0).if_present(), json!({"a": null}), json!({"a": null}), json!({"a": null}));
    check(op().or(0).if_present(), json!({}), json!({}), json!({}));
    check(op().back(To::Bool), json!({"a": true}), json!({"a": 1}), json!({"a": true}));
    let text = || Op::convert("a", To::Text).or_back(-1);
    check(text(), json!({"a": 1.0}), json!({"a": "1.0"}), json!({"a": 1.0}));
    assert_eq!(down(text(), json!({"a": "x"})), json!({"a": -1}));
    let evolution = Evolution::new().step("s", [Op::convert("a", To::Text)]);
    let error = run(&evolution, false, &json!({"a": "x"})).unwrap_err();
    assert_eq!(
        (error.fault.to_string(), error.path.unwrap().to_string()),
        ("the value is not convertible".into(), "a".into())
    );
}

#[test]
fn splitting_and_joining() {
    let op = || Op::split("name", " ", ["first", "last"]);
    check(
        op(),
        json!({"name": "Ada Lovelace"}),
        json!({"first": "Ada", "last": "Lovelace"}),
        json!({"name": "Ada Lovelace"}),
    );
    check(op(), json!({"name": "A  B C"}), json!({"first": "A", "last": " B C"}), json!({"name": "A  B C"}));
    check(op(), json!({"name": "Plato"}), json!({"first": "Plato", "last": ""}), json!({"name": "Plato"}));
    check(op(), json!({"name": " x"}), json!({"first": "", "last": "x"}), json!({"name": "x"}));
    check(op(), json!({"name": null}), json!({"first": null, "last": null}), json!({"name": null}));
    check(op(), json!({"x": 1}), json!({"x": 1}), json!({"x": 1}));
    refused(op(), json!({"name": 1}), "the value is not a text", "name");
    refused(op(), json!({"name": "a b", "last": 1}), "there is something at the target already", "last");
    let same = || Op::split("a", ",", ["a", "b.c"]);
    check(same(), json!({"a": "1,2"}), json!({"a": "1", "b": {"c": "2"}}), json!({"a": "1,2"}));
    let op = || Op::join(["street", "number"], " ", "line");
    check(
        op(),
        json!({"street": "S", "number": "1"}),
        json!({"line": "S 1"}),
        json!({"street": "S", "number": "1"}),
    );
    check(
        op(),
        json!({"street": "S T", "number": "1"}),
        json!({"line": "S T 1"}),
        json!({"street": "S", "number": "T 1"}),
    );
    check(op(), json!({"number": "1"}), json!({"line": "1"}), json!({"street": "1", "number": ""}));
    check(op(), json!({"street": null}), json!({"line": null}), json!({"street": null, "number": null}));
    check(op(), json!({}), json!({}), json!({}));
    refused(op(), json!({"street": "S", "number": 1}), "the value is not a text", "number");
}

#[test]
fn texts_values_and_conditions() {
    check(Op::trim("a"), json!({"a": " x\t"}), json!({"a": "x"}), json!({"a": "x"}));
    check(Op::lowercase("a"), json!({"a": "Ä"}), json!({"a": "ä"}), json!({"a": "ä"}));
    check(Op::uppercase("a"), json!({"a": "ß"}), json!({"a": "SS"}), json!({"a": "SS"}));
    check(Op::trim("a"), json!({"a": 1}), json!({"a": 1}), json!({"a": 1}));
    check(Op::rename_value("a", "x", "y"), json!({"a": "x"}), json!({"a": "y"}), json!({"a": "x"}));
    check(Op::rename_value("a", "x", "y"), json!({"a": "y"}), json!({"a": "y"}), json!({"a": "x"}));
    check(Op::rename_value("a", 1, 2), json!({"a": 1.0}), json!({"a": 1.0}), json!({"a": 1.0}));
    check(Op::set("a.b", 1), json!({"a": {"b": 2}}), json!({"a": {"b": 1}}), json!({"a": {"b": 1}}));
    check(Op::set("a.b", 1), json!({}), json!({"a": {"b": 1}}), json!({"a": {"b": 1}}));
    assert!(up(Op::set("a.b", 1), json!({"a": 2})).is_err());
    let when = |condition| Op::set("a", 1).when(condition);
    let applies = |condition, body: Value| up(when(condition), body.clone()).unwrap() != body;
    for (condition, body, holds) in [
        (When::present("b"), json!({"b": null}), true),
        (When::present("b"), json!({}), false),
        (When::absent("b.c"), json!({"b": 1}), true),
        (When::absent("b.c"), json!({"b": {"c": 1}}), false),
        (When::equals("b", 1), json!({"b": 1}), true),
        (When::equals("b", 1), json!({"b": 1.0}), false),
        (When::equals("b", json!({"x": [1]})), json!({"b": {"x": [1]}}), true),
        (When::one_of("b", ["x", "y"]), json!({"b": "y"}), true),
        (When::one_of("b", ["x", "y"]), json!({"b": "z"}), false),
        (When::one_of("b", [0; 0]), json!({"b": null}), false),
        (When::not(When::equals("b", 1)), json!({}), true),
        (When::all([When::present("b"), When::present("c")]), json!({"b": 1}), false),
        (When::all([When::present("b"), When::present("c")]), json!({"b": 1, "c": 1}), true),
        (When::all([]), json!({}), true),
    ] {
        assert_eq!(applies(condition.clone(), body.clone()), holds, "{condition:?} on {body}");
    }
}

#[test]
fn elements_are_changed_where_they_are() {
    check(
        Op::convert("a.1.n", To::Integer),
        json!({"a": [0, {"n": "07"}]}),
        json!({"a": [0, {"n": 7}]}),
        json!({"a": [0, {"n": "7"}]}),
    );
    check(Op::lowercase("a.0"), json!({"a": ["X"]}), json!({"a": ["x"]}), json!({"a": ["x"]}));
    check(Op::set("a.0", 1), json!({"a": ["X"]}), json!({"a": [1]}), json!({"a": [1]}));
    let element = "an element of a list cannot be taken out or put in by its index";
    refused(Op::move_field("a.0", "b"), json!({"a": [1]}), element, "a.0");
    refused(Op::set("a.1", 1), json!({"a": [1]}), NO_OBJECT, "a.1");
    refused(Op::unwrap_object("a.0", "x"), json!({"a": [{}]}), element, "a.0");
}

/// What was put into an element of a list could not be taken out again: every way back was an error.
#[test]
fn targets_within_elements_are_undone() {
    let a = |element: Value| json!({ "a": [element] });
    check(Op::add("a.0.b", 1), a(json!({"x": 1})), a(json!({"x": 1, "b": 1})), a(json!({"x": 1})));
    check(Op::add("a.0.b", 1), a(json!({})), a(json!({"b": 1})), a(json!({})));
    check(Op::add("a.0.b.c", 1), a(json!({})), a(json!({"b": {"c": 1}})), a(json!({})));
    check(Op::add("a.0.0.b", 1), a(json!([{}])), a(json!([{"b": 1}])), a(json!([{}])));
    check(
        Op::move_field("x", "a.0.b"),
        json!({"x": 1, "a": [{}]}),
        a(json!({"b": 1})),
        json!({"x": 1, "a": [{}]}),
    );
    check(
        Op::move_field("a.0.x", "a.0.b.c"),
        a(json!({"x": 1})),
        a(json!({"b": {"c": 1}})),
        a(json!({"x": 1})),
    );
    check(
        Op::copy("x", "a.0.b"),
        json!({"x": 1, "a": [{"y": 2}]}),
        json!({"x": 1, "a": [{"y": 2, "b": 1}]}),
        json!({"x": 1, "a": [{"y": 2}]}),
    );
    check(
        Op::split("a.0.n", " ", ["a.0.b.f", "a.0.b.l"]),
        a(json!({"n": "x y"})),
        a(json!({"b": {"f": "x", "l": "y"}})),
        a(json!({"n": "x y"})),
    );
    check(
        Op::join(["x", "y"], " ", "a.0.b"),
        json!({"x": "x", "y": "y", "a": [{}]}),
        a(json!({"b": "x y"})),
        json!({"x": "x", "y": "y", "a": [{}]}),
    );
}

#[test]
fn functions_keep_what_they_changed() {
    let trim = |body: &mut Value, _: &StepContext<'_>| {
        if let Some(name) = body["name"].as_str() {
            body["name"] = name.trim().into();
        }
    };
    let evolution = Evolution::new().step("s", Function::new("trim", trim).down(|_, _| ()));
    let id = DocumentId::from(1);
    let context = StepContext::new("k", &id);
    let up = Plan::between(&evolution, "k", 1, 2).unwrap();
    let down = Plan::between(&evolution, "k", 2, 1).unwrap();
    let before = json!({"name": " x ", "age": 1});
    let (mut after, kept) = up.apply_keeping(before.clone(), &Complement::empty(), &context).unwrap();
    assert_eq!(after, json!({"name": "x", "age": 1}));
    assert_eq!(down.apply_keeping(after.clone(), &kept, &context).unwrap().0, before);
    after["age"] = json!(2);
    assert_eq!(
        down.apply_keeping(after.clone(), &kept, &context).unwrap().0,
        json!({"name": " x ", "age": 2})
    );
    after["name"] = json!("y");
    assert_eq!(down.apply_keeping(after, &kept, &context).unwrap().0, json!({"name": "y", "age": 2}));
    let exact = up.apply_keeping(json!({"name": "x"}), &Complement::empty(), &context).unwrap();
    assert!(exact.1.is_empty());
    // Values that compare as equal, and are not stored as equal ones.
    let sign = |body: &mut Value, _: &StepContext<'_>| body["x"]["y"] = json!([0.0]);
    let evolution = Evolution::new().step("s", Function::new("sign", sign).down(|_, _| ()));
    let up = Plan::between(&evolution, "k", 1, 2).unwrap();
    let down = Plan::between(&evolution, "k", 2, 1).unwrap();
    let (after, kept) =
        up.apply_keeping(json!({"x": {"y": [-0.0]}}), &Complement::empty(), &context).unwrap();
    assert_eq!(after.to_string(), r#"{"x":{"y":[0.0]}}"#);
    let (before, _) = down.apply_keeping(after, &kept, &context).unwrap();
    assert_eq!(before.to_string(), r#"{"x":{"y":[-0.0]}}"#);
    // A body that is no object.
    let number = Function::new("n", |body, _| *body = json!(1)).down(|_, _| ());
    let evolution = Evolution::new().step("s", number);
    let up = Plan::between(&evolution, "k", 1, 2).unwrap();
    let down = Plan::between(&evolution, "k", 2, 1).unwrap();
    let (after, kept) = up.apply_keeping(json!({"a": 1}), &Complement::empty(), &context).unwrap();
    assert_eq!(down.apply_keeping(after, &kept, &context).unwrap().0, json!({"a": 1}));
}

/// A step that does more than it is declared to do names itself and the path; nothing else of the document is touched, nor its order.
#[test]
fn a_function_with_paths_does_nothing_elsewhere() {
    let greedy = |body: &mut Value, _: &StepContext<'_>| {
        body["a"] = json!(1);
        body["b"]["d"] = json!(2);
    };
    let greedy = Function::new("greedy", greedy).down(|body, _| *body = json!([])).on(["a", "b.c"]);
    let evolution = Evolution::new().step("more than it says", greedy);
    for (up, path) in [(true, "b.d"), (false, "")] {
        let error = Error::from(run(&evolution, up, &json!({"a": 0, "b": {"d": 1}})).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::StepFailed, "{error}");
        assert_eq!(
            (error.context().step(), error.context().path()),
            (Some("more than it says"), Some(path)),
            "{error}"
        );
    }
    let count = |body: &mut Value, _: &StepContext<'_>| {
        assert_eq!(body["b"].get("k"), None, "it was given more than it may see");
        body["b"]["n"] = (body["b"]["n"].as_u64().unwrap_or(0) + 1).into();
        body["z"] = json!("new");
        body.as_object_mut().unwrap().remove("y");
    };
    let evolution = Evolution::new().step("count", Function::new("count", count).on(["b.n", "y", "z"]));
    let plan = Plan::between(&evolution, "k", 1, 2).unwrap();
    let text = r#"{"y":1,"x":-0.0,"b":{"n":1,"k":[1.0,{"t":1,"s":2}],"a":null},"a":18446744073709551615}"#;
    let bytes = parse(text.as_bytes(), Duplicates::Refuse, Limits::default(), 1).unwrap();
    let mut node = Node::Raw(Raw::new(&bytes).unwrap());
    plan.run(&mut node, &StepContext::new("k", &DocumentId::from(1))).unwrap();
    let after = node.to_bytes(Limits::default()).unwrap();
    let mut text = Vec::new();
    print(Raw::new(&after).unwrap(), &mut text).unwrap();
    assert_eq!(
        String::from_utf8(text).unwrap(),
        r#"{"x":-0.0,"b":{"n":2,"k":[1.0,{"t":1,"s":2}],"a":null},"a":18446744073709551615,"z":"new"}"#
    );
}

#[test]
fn the_json_of_the_documentation_reads_back() {
    let page = include_str!("../documentation/evolution.md");
    let text = page.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let evolution = Evolution::from_json(text).unwrap();
    let again = Evolution::from_json(&evolution.to_json().unwrap()).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for (one, other) in evolution.steps.iter().zip(&again.steps) {
        assert_eq!((&one.name, &one.ops, &one.redefines), (&other.name, &other.ops, &other.redefines));
        names.extend(one.ops.iter().map(|op| op.name().to_owned()));
    }
    assert_eq!(names.len(), 20, "an op is not in the example: {names:?}");
}

/// What had nothing at the source of an op could be read, but no longer written, where the target was an element of a list.
#[test]
fn where_there_is_no_source_nothing_is_asked_of_the_target() {
    let body = json!({"l": [1]});
    for op in [Op::rename("l.a", "l.0"), Op::move_field("a", "l.0"), Op::move_field("a", "l.0.b")] {
        assert_eq!(up(op.clone(), body.clone()), Ok(body.clone()));
        let (after, back, _) = there_and_back(&op, &body);
        assert_eq!((after, back), (body.clone(), body.clone()), "{op:?}");
    }
}
