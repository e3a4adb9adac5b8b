//! What is forgotten is nowhere, and nothing else is lost.

use serde_json::{Value, json};

use crate::evolution::context::StepContext;
use crate::evolution::evolution::Evolution;
use crate::evolution::function::Function;
use crate::evolution::op::Op;
use crate::evolution::plan::Plan;
use crate::evolution::values::Complement;
use crate::model::id::DocumentId;

fn carry(evolution: &Evolution, from: u32, to: u32, body: Value, kept: &Complement) -> (Value, Complement) {
    let id = DocumentId::from(1);
    let plan = Plan::between(evolution, "user", from, to).unwrap();
    plan.apply_keeping(body, kept, &StepContext::new("user", &id)).unwrap()
}

fn text(kept: &Complement) -> String {
    String::from_utf8_lossy(kept.as_bytes()).into_owned()
}

#[test]
fn what_steps_above_have_kept_survives() {
    for evolution in [
        Evolution::new().step("f", [Op::remove("ssn").forget()]),
        Evolution::new()
            .step("g", Function::new("g", |_, _| ()).down(|_, _| ()))
            .step("f", [Op::remove("ssn").forget()]),
    ] {
        let evolution = evolution.step("c", [Op::add("country", "NL")]);
        let last = evolution.schema_version();
        let body = json!({"country": "GB"});
        let (low, kept) = carry(&evolution, last, 1, body.clone(), &Complement::empty());
        assert_eq!(low, json!({}));
        assert_eq!(carry(&evolution, 1, last, low.clone(), &kept).0, body);
        // In two goes.
        let (middle, kept) = carry(&evolution, 1, last - 1, low, &kept);
        assert_eq!(carry(&evolution, last - 1, last, middle, &kept).0, body);
    }
}

#[test]
fn copies_are_forgotten_too() {
    let forget = || Op::remove("ssn").forget();
    for middle in [
        vec![vec![Op::copy("ssn", "backup")], vec![Op::remove("backup")]],
        vec![vec![Op::copy("ssn", "backup")], vec![Op::lowercase("backup")], vec![Op::remove("backup")]],
        vec![vec![Op::copy("ssn", "a.b"), Op::inside("a", [Op::copy("b", "c")])], vec![Op::remove("a.c")]],
        vec![vec![Op::rename("q", "ssn")], vec![Op::copy("ssn", "t.u")], vec![Op::remove("t")]],
        vec![vec![Op::copy("ssn", "l")], vec![Op::wrap_list("l")], vec![Op::each("l", [Op::trim("")])]],
        vec![
            vec![Op::copy("ssn", "one")],
            vec![Op::split("one", "-", ["two", "three"])],
            vec![Op::remove("two")],
        ],
    ] {
        let mut evolution = Evolution::new();
        for (number, ops) in middle.into_iter().enumerate() {
            evolution = evolution.step(&number.to_string(), ops);
        }
        let last = evolution.schema_version();
        let evolution = evolution.step("forget", [forget()]);
        let body = json!({"ssn": " Secret-Number "});
        let body = if carry_fails(&evolution) { json!({"q": " Secret-Number "}) } else { body };
        let (high, kept) = carry(&evolution, 1, last, body.clone(), &Complement::empty());
        let (_, kept) = carry(&evolution, last, last + 1, high, &kept);
        assert!(!text(&kept).to_lowercase().contains("secret"), "{evolution:?}");
        let (_, kept) = carry(&evolution, 1, last + 1, body, &Complement::empty());
        assert!(!text(&kept).to_lowercase().contains("secret"), "{evolution:?}");
    }
}

/// Whether the first step is a rename to what is forgotten.
fn carry_fails(evolution: &Evolution) -> bool {
    evolution.steps[0].ops[0].name() == "rename"
}

#[test]
fn what_never_met_it_is_kept() {
    let evolution = Evolution::new()
        .step("one", [Op::trim("a"), Op::trim("other")])
        .step("two", [Op::split("a", " ", ["b", "c"]), Op::trim("more"), Op::rename("c", "d")])
        .step("three", [Op::remove("late"), Op::remove("b").forget(), Op::trim("after")]);
    let body = json!({"a": " s t", "other": " x ", "more": " y ", "late": 1, "after": " z "});
    let (high, kept) = carry(&evolution, 1, 4, body, &Complement::empty());
    assert_eq!(high, json!({"d": "t", "other": "x", "more": "y", "after": "z"}));
    let (low, _) = carry(&evolution, 4, 1, high, &kept);
    assert_eq!(low, json!({"a": "t", "other": " x ", "more": " y ", "late": 1, "after": " z "}));
}

#[test]
fn copies_made_by_functions_are_forgotten_too() {
    let copy = Function::new("copy", |body, _| body["backup"] = body["ssn"].clone()).down(|body, _| {
        if let Some(members) = body.as_object_mut() {
            members.remove("backup");
        }
    });
    let evolution = Evolution::new()
        .step("copy", copy)
        .step("remove", [Op::remove("backup")])
        .step("forget", [Op::remove("ssn").forget()]);
    let (_, kept) = carry(&evolution, 1, 4, json!({"ssn": "secret"}), &Complement::empty());
    assert!(!text(&kept).contains("secret"));
}

/// What is kept in two steps around a function, one above the other: a copy of what is forgotten, or not.
#[test]
fn a_function_takes_it_to_its_paths_and_nowhere_else() {
    let copy = |from: &'static str, to: &'static str| {
        let up = move |body: &mut Value, _: &StepContext<'_>| body[to] = body[from].clone();
        Function::new("copy", up).down(move |body, _| drop(body.as_object_mut().unwrap().remove(to)))
    };
    let evolution = |function: Function| {
        Evolution::new()
            .step("one", [Op::trim("other"), Op::remove("a")])
            .step("copy", function)
            .step("two", [Op::lowercase("to"), Op::trim("more"), Op::remove("to")])
            .step("forget", [Op::remove("ssn").forget()])
    };
    let body = json!({"ssn": "Secret", "from": "Open", "a": 1, "other": " x ", "more": " y "});
    for (function, comes_back) in [
        (
            copy("from", "to").on(["from", "to"]),
            json!({"from": "Open", "a": 1, "other": " x ", "more": " y "}),
        ),
        // It may be anywhere among its paths, and is where it has put it.
        (copy("ssn", "to").on(["ssn", "to"]), json!({"from": "Open", "a": 1, "other": " x ", "more": " y "})),
        (
            copy("ssn", "to").on(["other", "to", "ssn"]),
            json!({"from": "Open", "a": 1, "other": "x", "more": " y "}),
        ),
        // As far as anybody knows.
        (copy("from", "to"), json!({"from": "Open", "other": "x", "more": "y"})),
    ] {
        let evolution = evolution(function);
        let (high, kept) = carry(&evolution, 1, 4, body.clone(), &Complement::empty());
        let (high, kept) = carry(&evolution, 4, 5, high, &kept);
        assert!(!text(&kept).to_lowercase().contains("secret"), "{evolution:?}");
        assert_eq!(carry(&evolution, 5, 1, high, &kept).0, comes_back, "{evolution:?}");
    }
    // What the function itself has kept: the whole of a member, of which it is declared on a part.
    let trim = |body: &mut Value, _: &StepContext<'_>| {
        body["p"]["q"] = body["p"]["q"].as_str().unwrap_or_default().trim().into();
    };
    let evolution = Evolution::new()
        .step("trim", Function::new("trim", trim).down(|_, _| ()).on(["p.q"]))
        .step("forget", [Op::remove("p.ssn").forget()]);
    let (_, kept) =
        carry(&evolution, 1, 3, json!({"p": {"q": " x ", "ssn": "secret"}}), &Complement::empty());
    assert!(!text(&kept).contains("secret"));
    // A body that has no members it has kept as a whole.
    let put = |body: &mut Value, _: &StepContext<'_>| body["to"] = json!(1);
    let evolution = Evolution::new()
        .step("put", Function::new("put", |_, _| ()).down(put).on(["to"]))
        .step("forget", [Op::remove("0.ssn").forget()]);
    let (_, kept) = carry(&evolution, 1, 2, json!([{"ssn": "secret"}]), &Complement::empty());
    assert!(text(&kept).contains("secret"), "there is something to forget");
    let (_, kept) = carry(&evolution, 2, 3, json!([{"ssn": "secret"}]), &kept);
    assert!(!text(&kept).contains("secret"));
    let evolution = Evolution::new()
        .step("trim", Function::new("trim", trim).down(|_, _| ()).on(["p.q"]))
        .step("forget", [Op::remove("ssn").forget()]);
    let body = json!({"p": {"q": " x ", "r": 1}, "ssn": "secret"});
    let (high, kept) = carry(&evolution, 1, 3, body, &Complement::empty());
    assert!(!text(&kept).contains("secret"));
    assert_eq!(carry(&evolution, 3, 1, high, &kept).0, json!({"p": {"q": " x ", "r": 1}}));
}

#[test]
fn what_ops_beside_it_have_kept_survives() {
    let step = |ops| Evolution::new().step("s", ops);
    for (evolution, body, middle) in [
        (
            step([Op::each("a", [Op::trim("t"), Op::remove("ssn").forget()])]),
            json!({"a": [{"t": " x ", "ssn": "secret"}, {"t": "y"}]}),
            json!({"a": [{"t": "x"}, {"t": "y"}]}),
        ),
        (
            step([Op::inside("a", [Op::trim("t"), Op::remove("ssn").forget(), Op::remove("u")])]),
            json!({"a": {"t": " x ", "u": 1, "ssn": "secret"}}),
            json!({"a": {"t": "x"}}),
        ),
        (
            step([Op::each_value("a", [Op::each("", [Op::remove("ssn").forget(), Op::trim("t")])])]),
            json!({"a": {"b": [{"t": " x ", "ssn": "secret"}]}}),
            json!({"a": {"b": [{"t": "x"}]}}),
        ),
    ] {
        let (high, kept) = carry(&evolution, 1, 2, body.clone(), &Complement::empty());
        assert_eq!(high, middle);
        assert!(!text(&kept).contains("secret"));
        let (low, _) = carry(&evolution, 2, 1, high, &kept);
        let without = body.to_string().replace(r#""ssn":"secret","#, "").replace(r#","ssn":"secret""#, "");
        assert_eq!(low, serde_json::from_str::<Value>(&without).unwrap());
    }
}

/// A digest of what is short can be guessed at, and one of an element of a list was of all of it.
#[test]
fn no_digest_of_it_is_kept() {
    let evolution = Evolution::new()
        .step("trim", [Op::each("l", [Op::trim("t")]), Op::each("m", [Op::trim("t")])])
        .step("forget", [Op::each("l", [Op::remove("ssn").forget()])]);
    let body = |ssn: &str| json!({"l": [{"t": " x ", "ssn": ssn}], "m": [{"t": " y "}]});
    let [(high, kept), (_, other)] =
        ["123", "456"].map(|ssn| carry(&evolution, 1, 3, body(ssn), &Complement::empty()));
    assert_eq!(kept.as_bytes(), other.as_bytes());
    // What lists without it have kept stays.
    let (low, _) = carry(&evolution, 3, 1, high, &kept);
    assert_eq!(low, json!({"l": [{"t": "x"}], "m": [{"t": " y "}]}));
}
