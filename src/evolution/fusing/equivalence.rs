//! Ops carried out together do what they do one by one, or nothing: whatever the ops, the documents, the limits, and be the bytes
//! malformed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use serde_json::{Map, Value, json};

use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
use crate::error::error::Error;
use crate::evolution::action::Taken;
use crate::evolution::condition::When;
use crate::evolution::context::StepContext;
use crate::evolution::conversion::To;
use crate::evolution::evolution::Evolution;
use crate::evolution::function::Function;
use crate::evolution::fusing::layout::Layout;
use crate::evolution::fusing::trace::Marks;
use crate::evolution::history::History;
use crate::evolution::op::{Op, Repr};
use crate::evolution::plan::Plan;
use crate::model::id::DocumentId;
use crate::value::path::Path;

/// Steps, each a few ops, and documents of before them.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) steps: Vec<Vec<Op>>,
    /// Before which step there is a function as well.
    pub(super) function: Option<usize>,
    pub(super) documents: Vec<Document>,
}

#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) value: Value,
    depth: usize,
    /// A byte that is another one.
    damage: Option<(usize, u8)>,
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![12 => "[abc]", 1 => Just("0".to_owned()), 1 => Just("long name".to_owned())]
}

fn paths() -> impl Strategy<Value = Path> {
    prop_oneof![4 => prop::collection::vec(names(), 1), 4 => prop::collection::vec(names(), 2), 1 => prop::collection::vec(names(), 3)]
        .prop_map(|names| Path::from_names(names).unwrap())
}

fn values() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        4 => (-3..300_i64).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => prop_oneof![Just(1.5), Just(-0.0), Just(7.0), Just(1e300)].prop_map(Value::from),
        2 => "[aB ]{0,3}".prop_map(Value::from),
        2 => prop_oneof![Just("7"), Just(" +007"), Just("1.50"), Just("-12"), Just("yes")].prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![4 => objects(inner.clone()), 1 => prop::collection::vec(inner, 0..3).prop_map(Value::from)]
    })
}

fn objects(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let name = prop_oneof![3 => names(), 1 => "[xyz]{1,2}"];
    prop::collection::vec((name, value), 0..5)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

fn taken() -> impl Strategy<Value = Taken> {
    prop_oneof![Just(Taken::Fail), Just(Taken::Keep), Just(Taken::Replace)]
}

fn conversions() -> impl Strategy<Value = To> {
    prop_oneof![
        3 => Just(To::Text),
        3 => Just(To::Integer),
        2 => Just(To::Number),
        1 => Just(To::Bool),
        1 => Just(To::table([(json!(1), json!("one")), (json!("one"), json!(2)), (json!(2), json!(1))])),
    ]
}

/// Ops that name members and change values.
fn ops() -> impl Strategy<Value = Op> {
    let rename = (paths(), names(), taken()).prop_map(|(from, name, taken)| {
        let to = from.parent().unwrap().child(&name);
        Op::rename(from, to).if_taken(taken)
    });
    let moved = || (paths(), paths(), taken());
    let flat = prop_oneof![
        5 => rename,
        5 => moved().prop_map(|(from, to, taken)| Op::move_field(from, to).if_taken(taken)),
        2 => moved().prop_map(|(from, to, taken)| Op::copy(from, to).if_taken(taken)),
        4 => (paths(), values()).prop_map(|(path, value)| Op::add(path, value)),
        4 => paths().prop_map(Op::remove),
        1 => paths().prop_map(Op::wrap_list),
        1 => paths().prop_map(Op::unwrap_list),
        2 => (paths(), names()).prop_map(|(path, name)| Op::wrap_object(path, &name)),
        2 => (paths(), names()).prop_map(|(path, name)| Op::unwrap_object(path, &name)),
        4 => (paths(), conversions(), values()).prop_map(|(path, to, or)| Op::convert(path, to).or(or).if_present()),
        1 => (paths(), conversions(), values()).prop_map(|(path, to, or)| Op::convert(path, to).or(or)),
        4 => (paths(), conversions()).prop_map(|(path, to)| Op::convert(path, to)),
        1 => paths().prop_map(Op::trim),
        1 => paths().prop_map(Op::lowercase),
        1 => (paths(), values()).prop_map(|(path, value)| Op::set(path, value)),
        1 => (paths(), values(), values()).prop_map(|(path, from, to)| Op::rename_value(path, from, to)),
        1 => paths().prop_map(|path| Op::convert("", To::Text).if_present().or(path.to_string())),
    ];
    flat.prop_recursive(2, 6, 3, |inner| {
        let ops = prop::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            6 => inner,
            1 => (paths(), ops.clone()).prop_map(|(path, ops)| Op::inside(path, ops)),
            1 => (paths(), ops.clone()).prop_map(|(path, ops)| Op::each_value(path, ops)),
            1 => (paths(), ops).prop_map(|(path, ops)| Op::each(path, ops)),
        ]
    })
}

/// Ops that are always carried out by themselves.
fn lone_ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        (paths(), paths(), values())
            .prop_map(|(path, known, value)| Op::set(path, value).when(When::present(known))),
        (paths(), paths(), paths()).prop_map(|(path, one, other)| Op::split(path, " ", [one, other])),
        (paths(), paths(), paths()).prop_map(|(path, one, other)| Op::join([one, other], " ", path)),
    ]
}

pub(super) fn cases() -> impl Strategy<Value = Case> {
    let op = prop_oneof![40 => ops(), 1 => lone_ops()]
        .prop_filter("makes sense", |op| !matches!(op.0, Repr::Flawed(..)));
    let steps = prop::collection::vec(prop::collection::vec(op, 1..3), 1..9);
    let depth = prop_oneof![5 => Just(Limits::MAX_DEPTH), 1 => 1..6_usize];
    let damage = prop::option::weighted(0.1, (any::<usize>(), any::<u8>()));
    let document = (objects(values()), depth, damage);
    let document = document.prop_map(|(value, depth, damage)| Document { value, depth, damage });
    let function = prop::option::weighted(0.05, 0..9_usize);
    (steps, function, prop::collection::vec(document, 1..8)).prop_map(|(steps, function, documents)| Case {
        steps,
        function,
        documents,
    })
}

pub(super) fn evolution(steps: &[Vec<Op>], function: Option<usize>) -> Evolution {
    steps.iter().enumerate().fold(Evolution::new(), |evolution, (number, ops)| {
        let name = format!("step {number}");
        let evolution = evolution.step(&name, ops.clone());
        if function != Some(number) {
            return evolution;
        }
        let mark = |body: &mut Value, _: &StepContext<'_>| {
            body.as_object_mut().ok_or("not an object")?.insert("a".into(), json!({"b": 1}));
            Ok::<(), &str>(())
        };
        evolution.step(&format!("mark {number}"), Function::new("mark", mark))
    })
}

/// `None` where the steps themselves are refused.
fn plan(evolution: &Evolution) -> Option<Plan> {
    let history = History::new("k", evolution).ok()?;
    history.plan(history.own(1)?, history.current()).ok()
}

/// What has become of documents.
#[derive(Debug, Default)]
struct Tally {
    fused: BTreeMap<usize, usize>,
    fell_back: usize,
    failed: BTreeMap<String, usize>,
    damaged: usize,
}

fn describe(result: Result<Vec<u8>, Error>) -> Result<Vec<u8>, String> {
    result.map_err(|error| format!("{error:?}"))
}

/// Rewrites the documents of the case by `fused`, and holds it to what the case's own steps do one by one.
fn hold(fused: &Plan, case: &Case, tally: &mut Tally) -> Result<(), TestCaseError> {
    let Some(plan) = plan(&evolution(&case.steps, case.function)) else {
        return Err(TestCaseError::reject("the steps make no sense"));
    };
    let id = DocumentId::from(1);
    let context = StepContext::new("k", &id);
    for document in &case.documents {
        let mut bytes =
            Node::from_value(document.value.clone()).unwrap().to_bytes(Limits::default()).unwrap();
        if let Some((place, byte)) = document.damage {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        let limits = Limits { depth: document.depth, ..Limits::default() };
        let Ok(raw) = Raw::new(&bytes) else { continue };
        let one_by_one = || {
            let mut node = Node::Raw(raw);
            plan.run(&mut node, &context)?;
            Ok(node.to_bytes(limits)?)
        };
        let expected = describe(one_by_one());
        let ops = case.steps.iter().map(Vec::len).sum();
        match fused.rewrite(raw, limits) {
            Some(rewritten) => {
                prop_assert_eq!(&Ok(rewritten), &expected, "{:?}", document);
                *tally.fused.entry(ops).or_default() += 1;
                tally.damaged += usize::from(document.damage.is_some());
            }
            None => match expected {
                Ok(_) => tally.fell_back += 1,
                Err(error) => *tally.failed.entry(error.chars().take(60).collect()).or_default() += 1,
            },
        }
    }
    Ok(())
}

pub(super) fn runner(cases: u32) -> TestRunner {
    let config =
        Config { cases, max_global_rejects: 1 << 20, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
}

#[test]
fn together_is_one_by_one() {
    let tally = RefCell::new(Tally::default());
    let result = runner(6000).run(&cases(), |case| match plan(&evolution(&case.steps, case.function)) {
        Some(fused) => hold(&fused, &case, &mut tally.borrow_mut()),
        None => Err(TestCaseError::reject("the steps make no sense")),
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let tally = tally.into_inner();
    let of_many = tally.fused.iter().filter(|(ops, _)| **ops >= 4).map(|(_, count)| count).sum::<usize>();
    let all = tally.fused.values().sum::<usize>();
    println!("fused: {all} documents, {of_many} of them over four ops or more, {} damaged", tally.damaged);
    println!("by number of ops: {:?}", tally.fused);
    println!("not fused though nothing failed: {}; failed: {:?}", tally.fell_back, tally.failed);
    assert!(all > 6000 && of_many > 2000 && tally.damaged > 100, "too little of it was seen");
    assert!(
        tally.failed.values().sum::<usize>() > 1000 && tally.failed.len() > 3,
        "too few failures were seen"
    );
}

type Mistake = fn(&mut Vec<Vec<Op>>);

/// What somebody who fuses ops might get wrong.
const MISTAKES: [(&str, Mistake); 4] = [
    ("an op is missed", |steps| drop(steps.pop())),
    ("ops change places", |steps| steps.reverse()),
    ("what is in the way is kept", |steps| {
        for op in steps.iter_mut().flatten() {
            *op = match &op.0 {
                Repr::Action(_) if ["rename", "move"].contains(&op.name()) => {
                    op.clone().if_taken(Taken::Keep)
                }
                _ => op.clone(),
            };
        }
    }),
    ("what is dropped later is not converted", |steps| {
        let removes = |op: &Op| (op.name() == "remove").then(|| op.writes());
        let removed: Vec<_> = steps.iter().flatten().filter_map(removes).flatten().collect();
        for ops in steps.iter_mut() {
            ops.retain(|op| op.name() != "convert" || op.writes().iter().all(|path| !removed.contains(path)));
        }
        steps.retain(|ops| !ops.is_empty());
    }),
];

#[test]
fn mistakes_are_found() {
    for (name, mistake) in MISTAKES {
        let result = runner(20_000).run(&cases(), |case| {
            let mut steps = case.steps.clone();
            mistake(&mut steps);
            match plan(&evolution(&steps, case.function)) {
                Some(fused) => hold(&fused, &case, &mut Tally::default()),
                None => Err(TestCaseError::reject("the steps make no sense")),
            }
        });
        match result {
            Err(TestError::Fail(_, case)) => println!("found that {name}: {:?}", case.steps),
            other => panic!("not found that {name}: {other:?}"),
        }
    }
}

/// The cases that matter most, by name.
#[test]
fn in_particular() {
    let rewritten = |steps: &[Op], body: Value| {
        let plan =
            plan(&evolution(&steps.iter().map(|op| vec![op.clone()]).collect::<Vec<_>>(), None)).unwrap();
        let bytes = Node::from_value(body).unwrap().to_bytes(Limits::default()).unwrap();
        let rewritten = plan.rewrite(Raw::new(&bytes).unwrap(), Limits::default())?;
        Some(Raw::new(&rewritten).unwrap().to_value().unwrap().to_string())
    };
    let chain = [Op::rename("a", "b"), Op::rename("b", "c")];
    assert_eq!(rewritten(&chain, json!({"a": 1, "x": 2})).as_deref(), Some(r#"{"c":1,"x":2}"#));
    assert_eq!(rewritten(&chain, json!({"x": 2})).as_deref(), Some(r#"{"x":2}"#));
    assert_eq!(rewritten(&chain, json!({"b": 2})).as_deref(), Some(r#"{"c":2}"#));
    assert_eq!(rewritten(&chain, json!({"a": 1, "b": 2})), None);
    let turns = [Op::convert("a", To::Text), Op::convert("a", To::Integer), Op::remove("b")];
    assert_eq!(rewritten(&turns, json!({"a": -5})).as_deref(), Some(r#"{"a":-5}"#));
    assert_eq!(rewritten(&turns, json!({"a": " 05"})).as_deref(), Some(r#"{"a":5}"#));
    assert_eq!(rewritten(&turns, json!({"a": "x"})), None);
    // What is dropped must have been convertible.
    let dropped = [Op::convert("a", To::Integer), Op::remove("a")];
    assert_eq!(rewritten(&dropped, json!({"a": "5"})).as_deref(), Some("{}"));
    assert_eq!(rewritten(&dropped, json!({"a": "x"})), None);
    // What comes to where an op looks later was looked at before it came.
    let moved = [Op::move_field("b.c", "a"), Op::rename("a.d", "a.e"), Op::add("a.f", 1)];
    assert_eq!(
        rewritten(&moved, json!({"b": {"c": {"d": 1}}})).as_deref(),
        Some(r#"{"a":{"e":1,"f":1},"b":{}}"#)
    );
    assert_eq!(rewritten(&moved, json!({"b": {"c": 1}})), None);
    // An op on the inside of what is no object fails, also where it names nothing inside.
    let inside = [Op::inside("a", [Op::convert("", To::Text).or("x").if_present()]), Op::remove("b")];
    assert_eq!(rewritten(&inside, json!({"a": false, "b": 1})), None);
    assert_eq!(rewritten(&inside, json!({"a": {}, "b": 1})).as_deref(), Some(r#"{"a":"x"}"#));
}

#[test]
fn names_may_be_long() {
    let name = "x".repeat(70_000);
    let plan = plan(&evolution(&[vec![Op::rename("a", name.as_str())]], None)).unwrap();
    let bytes = Node::from_value(json!({"a": 1})).unwrap().to_bytes(Limits::default()).unwrap();
    let rewritten = plan.rewrite(Raw::new(&bytes).unwrap(), Limits::default()).unwrap();
    assert_eq!(Raw::new(&rewritten).unwrap().to_value().unwrap(), json!({name: 1}));
}

/// The names of gaps were as long as the longest of ops, one for each member that is named: a gigabyte.
#[test]
fn long_names_are_not_made_longer_names_of() {
    let long = |n: usize| format!("{n}{}", "x".repeat(1 << 20));
    let names: Vec<_> =
        (0..100).map(|n| format!("n{n}")).chain([long(0), "0.1".into(), "1.1".into()]).collect();
    let ops: Vec<_> = names.iter().map(|name| Op::add(Path::from_names([name]).unwrap(), 1)).collect();
    let layout = Layout::new(ops.iter().filter_map(Op::action)).unwrap();
    let marks = Marks::new(&layout, ops.iter().filter_map(Op::action));
    let gaps: Vec<_> = marks.gaps().collect();
    assert_eq!(gaps.len(), names.len());
    assert!(gaps.iter().all(|gap| gap.len() < 8 && names.iter().all(|name| name != gap)));
}

/// Where a part of the way was carried out and a later one failed, all was done again from the start, and functions were called twice.
#[test]
fn functions_are_called_once() {
    for fails in [false, true] {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let function = Function::new("count", move |_: &mut Value, _: &StepContext<'_>| {
            counted.fetch_add(1, Ordering::Relaxed);
            if fails { Err("no") } else { Ok(()) }
        });
        let evolution = Evolution::new()
            .step("one", [Op::rename("a", "b")])
            .step("two", function)
            .step("three", [Op::convert("b", To::Integer)]);
        let plan = plan(&evolution).unwrap();
        let bytes = Node::from_value(json!({"a": "x"})).unwrap().to_bytes(Limits::default()).unwrap();
        let raw = Raw::new(&bytes).unwrap();
        let id = DocumentId::from(1);
        let context = StepContext::new("k", &id);
        assert_eq!(plan.rewrite(raw, Limits::default()), None);
        plan.run(&mut Node::Raw(raw), &context).unwrap_err();
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}
