//! What becomes of documents when steps are redefined, and of what had been kept of them.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::encoding::body::node::Node;
use crate::evolution::action::Taken;
use crate::evolution::context::StepContext;
use crate::evolution::evolution::Evolution;
use crate::evolution::function::Function;
use crate::evolution::history::{History, Recorded, Relation};
use crate::evolution::notes::OpenComplement;
use crate::evolution::op::Op;
use crate::evolution::plan::Plan;
use crate::model::id::DocumentId;

fn history(evolution: &Evolution) -> History {
    History::new("user", evolution).unwrap()
}

/// As a catalog would keep it.
fn recorded(history: &History) -> Vec<Recorded> {
    history.declared()
}

/// What is written after a plan: the body, and what is kept.
fn write(plan: &Plan, body: &Value, kept: &[u8]) -> (Value, Vec<u8>) {
    let id = DocumentId::from(1);
    let mut node = Node::from_value(body.clone()).unwrap();
    let kept = OpenComplement::read(kept).unwrap();
    let kept = plan.write(&mut node, &kept, &StepContext::new("user", &id)).unwrap();
    (node.to_value().unwrap(), kept.to_bytes().unwrap())
}

fn up_only() -> Function {
    Function::new("no way back", |body, _| body["seen"] = json!(true))
}

fn old() -> Evolution {
    Evolution::new().step("one", [Op::trim("a")])
}

fn new() -> Evolution {
    Evolution::new().step("one", [Op::trim("a"), Op::trim("b")]).redefine("nobody had a b")
}

#[test]
fn the_steps_above_a_redefined_one_are_the_same_steps() {
    let above = |evolution: Evolution| evolution.step("two", up_only()).step("three", [Op::add("c", 1)]);
    let (before, mut after) = (history(&above(old())), history(&above(new())));
    after.learn(recorded(&before));
    for version in 1..=4 {
        let (theirs, ours) = (before.own(version).unwrap(), after.own(version).unwrap());
        assert_eq!(after.relation(theirs, ours), Relation::Same, "{version}");
        assert!(after.plan(theirs, ours).unwrap().is_empty());
    }
    assert!(after.plan(before.current(), after.current()).is_ok());
    // The older program sees it likewise.
    let mut before = before;
    before.learn(recorded(&after));
    assert_eq!(before.relation(after.current(), before.current()), Relation::Same);
    // Above them somebody else has gone on.
    let more = history(&above(old()).step("four", [Op::rename("c", "d")]));
    after.learn(recorded(&more));
    assert_eq!(after.relation(more.current(), after.current()), Relation::Descendant);
    let plan = after.plan(more.current(), after.current()).unwrap();
    assert_eq!(write(&plan, &json!({"d": 2}), &[]).0, json!({"c": 2}));
    // A step that is another one above it stays another one.
    let other = history(&old().step("two", [Op::add("x", 1)]));
    after.learn(recorded(&other));
    assert_eq!(after.relation(other.current(), after.current()), Relation::Diverged);
}

#[test]
fn it_does_not_matter_in_which_order_definitions_are_met() {
    let definitions = [
        old(),
        new(),
        Evolution::new().step("one", [Op::trim("a"), Op::trim("b"), Op::trim("c")]).redefine("nor a c"),
        Evolution::new().step("one", [Op::lowercase("a")]),
    ];
    let histories: Vec<_> =
        definitions.into_iter().map(|evolution| history(&evolution.step("two", up_only()))).collect();
    for own in 0..4 {
        let mut seen = Vec::new();
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            let mut ours = histories[own].clone();
            for other in order.into_iter().filter(|other| *other != own) {
                ours.learn(recorded(&histories[other]));
            }
            for theirs in &histories {
                assert_eq!(
                    ours.relation(theirs.current(), ours.current()),
                    Relation::Same,
                    "{own} {order:?}"
                );
            }
            let stranger = history(&Evolution::new());
            let mut stranger = stranger;
            for other in order {
                stranger.learn(recorded(&histories[other]));
            }
            seen.push(stranger.plan(stranger.current(), histories[0].own(2).unwrap()).unwrap());
        }
        let ops = |plan: &Plan| {
            plan.crossings().iter().map(|crossing| crossing.step.ops.clone()).collect::<Vec<_>>()
        };
        assert!(seen.iter().all(|plan| ops(plan) == ops(&seen[0])));
    }
}

#[test]
fn a_redefinition_that_was_recorded_holds_when_its_line_is_deleted() {
    let above = |evolution: Evolution| evolution.step("two", up_only());
    let (first, second) = (history(&above(old())), history(&above(new())));
    let mut third = history(&above(Evolution::new().step("one", [Op::trim("a"), Op::trim("b")])));
    third.learn(recorded(&first));
    assert_eq!(third.relation(first.current(), third.current()), Relation::Diverged, "nobody has said it");
    third.learn(recorded(&second));
    assert_eq!(third.relation(first.current(), third.current()), Relation::Same);
    assert_eq!(third.relation(second.current(), third.current()), Relation::Same);
}

#[test]
fn the_reason_of_a_redefinition_is_not_part_of_the_stamp() {
    let one = history(&old().redefine("a typo hree"));
    let other = history(&old().redefine("a typo here"));
    assert_eq!(one.current(), other.current());
    assert_ne!(one.current(), history(&old()).current(), "whether it redefines is");
}

#[test]
fn what_one_definition_has_kept_is_not_applied_to_another_op() {
    let body = json!({"a": "x", "b": " x"});
    for (before, after) in [
        ([Op::trim("b")], [Op::trim("a")]),
        ([Op::trim("b")], [Op::lowercase("b")]),
        ([Op::inside("", [Op::trim("b")])], [Op::inside("", [Op::trim("a")])]),
    ] {
        let first = history(&Evolution::new().step("one", before));
        let mut second = history(&Evolution::new().step("one", after.clone()).redefine("it is a"));
        second.learn(recorded(&first));
        let up = first.plan(first.own(1).unwrap(), first.current()).unwrap();
        let (stored, kept) = write(&up, &body, &[]);
        assert_eq!(stored, json!({"a": "x", "b": "x"}));
        let down = second.plan(first.current(), second.own(1).unwrap()).unwrap();
        assert_eq!(write(&down, &stored, &kept).0, json!({"a": "x", "b": "x"}), "{after:?}");
        let down = first.plan(first.current(), first.own(1).unwrap()).unwrap();
        assert_eq!(write(&down, &stored, &kept).0, body);
    }
    let body = json!({"a": [{"t": "x"}], "b": [{"t": " x"}]});
    let first = history(&Evolution::new().step("one", [Op::each("b", [Op::trim("t")])]));
    let mut second =
        history(&Evolution::new().step("one", [Op::each("a", [Op::trim("t")])]).redefine("it is a"));
    second.learn(recorded(&first));
    let up = first.plan(first.own(1).unwrap(), first.current()).unwrap();
    let (stored, kept) = write(&up, &body, &[]);
    let down = second.plan(first.current(), second.own(1).unwrap()).unwrap();
    assert_eq!(write(&down, &stored, &kept).0, stored);
    // Functions, by their identity.
    let function = |identity: &str, name: &'static str| {
        Function::new(identity, move |body, _| body[name] = json!(1)).down(|_, _| ())
    };
    let first = history(&Evolution::new().step("one", function("f", "n")));
    let mut second = history(&Evolution::new().step("one", function("g", "n")).redefine("better"));
    second.learn(recorded(&first));
    let up = first.plan(first.own(1).unwrap(), first.current()).unwrap();
    let (stored, kept) = write(&up, &json!({"n": 2}), &[]);
    let down = second.plan(first.current(), second.own(1).unwrap()).unwrap();
    assert_eq!(write(&down, &stored, &kept).0, json!({"n": 1}));
}

/// What is spared is told by position, and of the one definition that counts.
#[test]
fn what_another_definition_has_kept_is_forgotten_too() {
    let first = history(&Evolution::new().step("one", [Op::trim("ssn")]));
    let second = Evolution::new().step("one", [Op::trim("other")]).redefine("nobody has blanks");
    let mut second = history(&second.step("two", [Op::remove("ssn").forget()]));
    second.learn(recorded(&first));
    let up = first.plan(first.own(1).unwrap(), first.current()).unwrap();
    let (stored, kept) = write(&up, &json!({"ssn": " secret "}), &[]);
    let up = second.plan(first.current(), second.current()).unwrap();
    let (stored, kept) = write(&up, &stored, &kept);
    assert_eq!((stored, String::from_utf8_lossy(&kept).contains("secret")), (json!({}), false));
}

fn holds_the_secret(kept: &[u8]) -> bool {
    String::from_utf8_lossy(kept).contains("secret")
}

/// Documents of the former definition are past the step, and nothing was forgotten of them where no step was crossed.
#[test]
fn what_a_former_definition_has_kept_is_forgotten_without_a_crossing() {
    let above = |evolution: Evolution| evolution.step("more", [Op::trim("b")]);
    let keeps = || Evolution::new().step("one", [Op::trim("a")]).step("drop", [Op::remove("ssn")]);
    let forgets = || Evolution::new().step("one", [Op::trim("a")]).step("drop", [Op::remove("ssn").forget()]);
    let forgets = || forgets().redefine("it must not live on");
    for (keeps, forgets) in [(keeps(), forgets()), (above(keeps()), above(forgets()))] {
        let (first, mut second) = (history(&keeps), history(&forgets));
        second.learn(recorded(&first));
        let up = first.plan(first.own(1).unwrap(), first.current()).unwrap();
        let (stored, kept) = write(&up, &json!({"a": " x ", "b": " y ", "ssn": "secret"}), &[]);
        assert!(holds_the_secret(&kept));
        // An older program may put what it has kept beside a document at the newer stamp.
        for from in [first.current(), second.current()] {
            // It is shown nowhere,
            let down = second.plan(from, second.own(1).unwrap()).unwrap();
            let (shown, _) = write(&down, &stored, &kept);
            assert_eq!(shown, json!({"a": " x ", "b": " y "}));
            // also not where nothing is written,
            let id = DocumentId::from(1);
            let (mut node, open) =
                (Node::from_value(stored.clone()).unwrap(), OpenComplement::read(&kept).unwrap());
            down.read(&mut node, &open, &StepContext::new("user", &id)).unwrap();
            assert_eq!(node.to_value().unwrap(), shown);
            // and is gone with the next write, with nothing else.
            let same = second.plan(from, second.current()).unwrap();
            assert!(same.is_empty());
            let (same, kept) = write(&same, &stored, &kept);
            assert_eq!((&same, holds_the_secret(&kept)), (&stored, false));
            let down = second.plan(second.current(), second.own(1).unwrap()).unwrap();
            assert_eq!(write(&down, &same, &kept).0, shown);
        }
    }
}

/// Whatever steps above it had kept was dropped as well where a function was among them: what a former definition takes away was thought to be still there.
#[test]
fn what_steps_above_have_kept_stays_when_a_step_is_redefined_to_forget() {
    let counts =
        || Function::new("counts", |body, _| body["n"] = json!(1)).down(|body, _| body["n"] = json!(0));
    let above = |evolution: Evolution| {
        evolution
            .step("function", counts())
            .step("more", [Op::remove("legacy")])
            .step("each", [Op::each("l", [Op::trim("t")])])
    };
    let keeps = || Evolution::new().step("drop", [Op::remove("ssn")]);
    let forgets =
        || Evolution::new().step("drop", [Op::remove("ssn").forget()]).redefine("it must not live on");
    let both_forget = || Evolution::new().step("drop", [Op::remove("ssn").forget(), Op::trim("a")]);
    for (former, holds) in [(keeps(), true), (both_forget(), false)] {
        let (first, mut second) = (history(&above(former)), history(&above(forgets())));
        second.learn(recorded(&first));
        let body = json!({"n": 7, "legacy": "old", "l": [{"t": " t "}], "ssn": "secret"});
        let up = first.plan(first.own(1).unwrap(), first.current()).unwrap();
        let (stored, kept) = write(&up, &body, &[]);
        assert_eq!(holds_the_secret(&kept), holds);
        let same = second.plan(first.current(), second.current()).unwrap();
        let (same, kept) = write(&same, &stored, &kept);
        assert!(!holds_the_secret(&kept));
        let down = second.plan(second.current(), second.own(1).unwrap()).unwrap();
        let (down, _) = write(&down, &same, &kept);
        assert_eq!(down, json!({"n": 7, "legacy": "old", "l": [{"t": " t "}]}));
    }
}

/// Of a step below the one that forgets, whatever another definition had kept was dropped.
#[test]
fn what_a_former_definition_has_kept_and_never_met_it_stays() {
    let first = history(&old());
    let mut second = history(&new().step("two", [Op::remove("ssn").forget()]));
    second.learn(recorded(&first));
    let up = first.plan(first.own(1).unwrap(), first.current()).unwrap();
    let (stored, kept) = write(&up, &json!({"a": " x ", "ssn": "secret"}), &[]);
    let up = second.plan(first.current(), second.current()).unwrap();
    let (stored, kept) = write(&up, &stored, &kept);
    assert_eq!(stored, json!({"a": "x"}));
    let down = second.plan(second.current(), second.own(1).unwrap()).unwrap();
    assert_eq!(write(&down, &stored, &kept).0, json!({"a": " x "}));
}

/// The definition that counts has copied it nowhere, but a former one has, to where a later step keeps it.
#[test]
fn what_a_former_definition_has_copied_is_forgotten_too() {
    let above = |evolution: Evolution| evolution.step("two", [Op::remove("backup"), Op::remove("other")]);
    for copies in [Op::copy("ssn", "backup"), Op::copy("number", "ssn")] {
        let first = history(&Evolution::new().step("one", [copies]));
        let second = Evolution::new().step("one", [Op::trim("a")]).redefine("nobody wants it");
        let mut second = history(&above(second).step("three", [Op::remove("ssn").forget()]));
        second.learn(recorded(&first));
        let body = json!({"ssn": "secret", "other": "kept"});
        let up = first.plan(first.own(1).unwrap(), first.current()).unwrap();
        let (stored, kept) = write(&up, &body, &[]);
        let up = second.plan(first.current(), second.current()).unwrap();
        let (_, kept) = write(&up, &stored, &kept);
        assert!(!holds_the_secret(&kept) && String::from_utf8_lossy(&kept).contains("kept"));
    }
}

#[test]
fn what_was_kept_comes_back_through_a_redefined_step_and_those_above() {
    let above = |evolution: Evolution| evolution.step("two", [Op::remove("x")]);
    let (first, mut second) = (history(&above(old())), history(&above(new())));
    second.learn(recorded(&first));
    let up = first.plan(first.own(1).unwrap(), first.current()).unwrap();
    let body = json!({"a": " x ", "x": 7});
    let (stored, kept) = write(&up, &body, &[]);
    assert_eq!(stored, json!({"a": "x"}));
    let down = second.plan(first.current(), second.own(1).unwrap()).unwrap();
    let (back, kept) = write(&down, &stored, &kept);
    assert_eq!(back, body);
    let up = second.plan(second.own(1).unwrap(), second.current()).unwrap();
    assert_eq!(write(&up, &back, &kept).0, stored);
}

/// A branch has the same ops twice: the first one took what the second had kept, and what the first had kept was gone.
#[test]
fn a_step_is_matched_with_one_step_of_the_other_branch() {
    let add = || Op::add("country", "NL");
    let theirs = history(
        &Evolution::new()
            .step("one", [add()])
            .step("two", [Op::rename("country", "land")])
            .step("three", [add()]),
    );
    let mut ours = history(
        &Evolution::new()
            .step("uno", [add()])
            .step("due", [Op::rename("country", "paese")])
            .step("tre", [add()]),
    );
    ours.learn(recorded(&theirs));
    let plan = ours.plan(theirs.current(), ours.current()).unwrap();
    let (body, _) = write(&plan, &json!({"land": "GB", "country": "FR"}), &[]);
    assert_eq!(body, json!({"paese": "GB", "country": "FR"}));
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let name = || prop_oneof![Just("a"), Just("b"), Just("c"), Just("ssn")];
    let taken = || prop_oneof![Just(Taken::Keep), Just(Taken::Replace)];
    let pair = || (name(), name(), taken()).prop_filter("they differ", |(from, to, _)| from != to);
    let flat = prop_oneof![
        name().prop_map(Op::trim),
        name().prop_map(Op::uppercase),
        name().prop_map(Op::remove),
        name().prop_map(|path| Op::add(path, 1)),
        pair().prop_map(|(from, to, taken)| Op::rename(from, to).if_taken(taken)),
        pair().prop_map(|(from, to, taken)| Op::move_field(from, to).if_taken(taken)),
        pair().prop_map(|(from, to, taken)| Op::copy(from, to).if_taken(taken)),
        pair().prop_map(|(from, to, taken)| Op::copy(from, format!("in.{to}")).if_taken(taken)),
        pair().prop_map(|(from, to, _)| Op::inside("in", [Op::rename(from, to).if_taken(Taken::Keep)])),
        name().prop_map(|path| Op::remove(format!("in.{path}"))),
        name().prop_map(|path| Op::split(path, "-", ["in.a", "in.b"]).if_taken(Taken::Replace)),
        name().prop_map(|path| Op::join(["in.a", "in.b"], "-", path).if_taken(Taken::Replace)),
    ];
    prop::collection::vec(flat, 1..3)
}

/// What one step does to one program, and to another one that has redefined it.
fn definitions() -> impl Strategy<Value = Vec<[Vec<Op>; 2]>> {
    let step = prop_oneof![1 => ops().prop_map(|ops| [ops.clone(), ops]), 2 => [ops(), ops()]];
    prop::collection::vec(step, 1..4)
}

/// Two programs with these steps, and a last one that the second has forget something unless it is to be caught.
fn programs(steps: &[[Vec<Op>; 2]], forgets: bool, last_is_redefined: bool) -> Option<[History; 2]> {
    let evolution = |of: usize| {
        let steps = steps.iter().enumerate();
        steps.fold(Evolution::new(), |evolution, (number, definitions)| {
            let evolution = evolution.step(&number.to_string(), definitions[of].clone());
            let same = definitions[0] == definitions[1];
            if of == 1 && !same { evolution.redefine("better") } else { evolution }
        })
    };
    let forget = if forgets { Op::remove("ssn").forget() } else { Op::remove("ssn") };
    let (mut first, mut second) = (evolution(0), evolution(1).step("drop", [forget]));
    if last_is_redefined {
        first = first.step("drop", [Op::remove("ssn")]);
        second = second.redefine("it must not live on");
    }
    let [first, mut second] = [first, second].map(|evolution| History::new("user", &evolution).ok());
    second.as_mut()?.learn(recorded(first.as_ref()?));
    Some([first?, second?])
}

/// Brings a document up, some of the way by the first program and the rest by the second, and down again. Gives how much there was to forget.
fn forget(
    steps: &[[Vec<Op>; 2]],
    (crossed, redefined, forgets): (usize, bool, bool),
    body: &Value,
) -> Result<bool, String> {
    let Some([first, second]) = programs(steps, forgets, redefined) else { return Ok(false) };
    let id = DocumentId::from(1);
    let go = |plan: &Plan, body: &Value, kept: &[u8]| {
        let mut node = Node::from_value(body.clone()).unwrap();
        let open = OpenComplement::read(kept).unwrap();
        let kept = plan.write(&mut node, &open, &StepContext::new("user", &id)).ok()?;
        Some((node.to_value().unwrap(), kept.to_bytes().unwrap()))
    };
    let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_lowercase().contains("secret");
    let version = u32::try_from(crossed % first.declared().len() + 2).unwrap();
    let middle = first.own(version).unwrap();
    let up = first.plan(first.own(1).unwrap(), middle).unwrap();
    let Some((stored, kept)) = go(&up, body, &[]) else { return Ok(false) };
    let had = holds(&kept) || stored.get("ssn").is_some_and(|ssn| holds(ssn.to_string().as_bytes()));
    let Ok(up) = second.plan(middle, second.current()) else { return Ok(false) };
    let Some((high, kept)) = go(&up, &stored, &kept) else { return Ok(false) };
    if holds(&kept) {
        return Err(format!("kept: {}", String::from_utf8_lossy(&kept)));
    }
    let down = second.plan(second.current(), second.own(1).unwrap()).unwrap();
    match go(&down, &high, &kept) {
        Some((low, _)) if holds(low.to_string().as_bytes()) && !holds(high.to_string().as_bytes()) => {
            Err(format!("shown: {low}"))
        }
        _ => Ok(had && !holds(high.to_string().as_bytes())),
    }
}

/// Whatever definitions of the steps below a document has crossed, and whichever of the step that forgets.
#[test]
fn what_is_forgotten_lives_on_nowhere() {
    let body = || {
        let text = || prop_oneof![Just(json!(" secret-secret ")), Just(json!(" x ")), Just(json!("y-z"))];
        (text(), text(), text()).prop_map(|(a, b, c)| {
            // What is secret is in one place, and wherever steps take it from there.
            let tame = |value: Value| if value == json!(" secret-secret ") { json!(1) } else { value };
            json!({"a": tame(a), "b": tame(b), "c": tame(c), "ssn": " secret-secret "})
        })
    };
    let inputs = || (definitions(), (0..4_usize, any::<bool>()), body());
    let config = || Config { cases: 3000, failure_persistence: None, ..Config::default() };
    let met = std::cell::Cell::new(0);
    TestRunner::new(config())
        .run(&inputs(), |(steps, (crossed, redefined), body)| {
            let had = forget(&steps, (crossed, redefined, true), &body).map_err(TestCaseError::fail)?;
            met.set(met.get() + u32::from(had));
            Ok(())
        })
        .unwrap();
    let caught = TestRunner::new(config()).run(&inputs(), |(steps, (crossed, redefined), body)| {
        forget(&steps, (crossed, redefined, false), &body).map(drop).map_err(TestCaseError::fail)
    });
    assert!(caught.is_err(), "the control was not caught");
    println!(
        "forgotten: 3000 documents, {} with something to forget, 0 with any of it left, control caught",
        met.get()
    );
    assert!(met.get() > 500, "there was too little to forget: {}", met.get());
}
