//! The laws of evolution, each put to the test on many documents, op by op, with a control: a system that breaks the law, which the same test must catch.
//!
//! `cargo test --release --test laws -- --nocapture` prints, for each law, how many documents it was tested on, and how many of them the op changed; and
//! below that the same for each op. "At least 10,000 documents and at least 30% non-identity outcomes per op" is read so: for each op, the law was put to the test by at least 30%
//! of its documents, which the op changed. Of documents there are at least 10,000 for each law, and for each op where the law is what ops are defined by: that
//! they are undone. An op that a law says nothing of (a computed inverse where there is none) is not counted; how many are is fixed, so that none drops out unseen.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod declared;
#[cfg(test)]
mod documented;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod opaque;
#[cfg(test)]
mod redefined;
#[cfg(test)]
mod stores;

use cases::Class;
use harness::{Run, System, fails, holds, holds_for_many, is_same};
use pivotdb::{Complement, ErrorKind, Evolution, Function, Op, Path, StepContext};
use serde_json::{Value, json};

fn real() -> System {
    System::default()
}

/// The document, or why there is none.
fn outcome(run: Run) -> Result<Value, String> {
    run.map(|(body, _)| body).map_err(|error| error.to_string())
}

#[test]
fn total_or_typed_error() {
    let law = |system: &System, case: &cases::Case| {
        for (from, to) in [(1, 2), (2, 1)] {
            match system.run(&case.evolution(), from, to, &case.document, &Complement::empty()) {
                Err(error) if error.kind() != ErrorKind::StepFailed => return Err(format!("{error:?}")),
                Err(error) if error.context().step() != Some("step 1") => return Err(format!("{error:?}")),
                Err(error) if error.context().op().is_none() => return Err(format!("{error:?}")),
                Ok((body, _)) if body.is_null() && !case.document.is_null() => return Err("lost".to_owned()),
                _ => {}
            }
        }
        Ok(outcome(system.up(case)).is_ok_and(|body| body != case.document))
    };
    let broken = System { lose_everything_at: Some("\"a\""), ..real() };
    holds("total or typed error", true, 32, law, &broken);
}

#[test]
fn deterministic() {
    let law = |system: &System, case: &cases::Case| {
        let once = system.up(case);
        let twice = system.up(case);
        let changed = once.as_ref().is_ok_and(|(body, _)| *body != case.document);
        let same = match (once, twice) {
            (Ok(once), Ok(twice)) => once == twice,
            (Err(once), Err(twice)) => once.to_string() == twice.to_string(),
            _ => false,
        };
        if same { Ok(changed) } else { Err("once this and once that".to_owned()) }
    };
    let broken = System { count_calls: true, ..real() };
    holds("deterministic", true, 32, law, &broken);
}

/// What is kept may be kept in another order.
fn same_but_for_the_order(one: &Complement, other: &Complement) -> bool {
    let sorted = |complement: &Complement| {
        let mut bytes = complement.as_bytes().to_vec();
        bytes.sort_unstable();
        bytes
    };
    sorted(one) == sorted(other)
}

#[test]
fn step_by_step_is_the_plan() {
    let law = |system: &System, case: &cases::Case| {
        let chain = case.chain();
        let last = chain.schema_version();
        let mut changed = false;
        for up in [true, false] {
            let (from, to) = if up { (1, last) } else { (last, 1) };
            let whole = system.run(&chain, from, to, &case.document, &Complement::empty());
            let mut stepwise = Ok((case.document.clone(), Complement::empty()));
            for step in 1..last {
                let (from, to) = if up { (step, step + 1) } else { (last - step + 1, last - step) };
                stepwise =
                    stepwise.and_then(|(body, complement)| system.run(&chain, from, to, &body, &complement));
            }
            let same = match (&whole, &stepwise) {
                (Ok(whole), Ok(stepwise)) => {
                    let back = |kept| outcome(system.run(&chain, to, from, &whole.0, kept));
                    whole.0 == stepwise.0
                        && same_but_for_the_order(&whole.1, &stepwise.1)
                        && back(&whole.1) == back(&stepwise.1)
                }
                (Err(whole), Err(stepwise)) => whole.to_string() == stepwise.to_string(),
                _ => false,
            };
            if !same {
                return Err(format!("{whole:?} and {stepwise:?}"));
            }
            changed |= whole.is_ok_and(|(body, _)| body != case.document);
        }
        Ok(changed)
    };
    let broken = System { skip_last_of_many: true, ..real() };
    holds("step by step = plan", true, 32, law, &broken);
}

#[test]
fn what_is_read_is_what_would_be_written() {
    let law = |system: &System, case: &cases::Case| {
        let mut changed = false;
        for evolution in [case.chain(), case.evolution()] {
            let last = evolution.schema_version();
            for (from, to) in [(1, last), (last, 1)] {
                let read = system.read(&evolution, from, to, &case.document);
                let written = system.run(&evolution, from, to, &case.document, &Complement::empty());
                if !is_same(&read, &written) {
                    return Err(format!("{read:?} and {written:?}"));
                }
                changed |= read.is_ok_and(|body| body != case.document);
            }
        }
        Ok(changed)
    };
    let broken = System { misread: true, ..real() };
    holds("read = written", true, 32, law, &broken);
}

/// Puts something into the objects on the way to where the op writes; whether there are any.
fn plant(case: &cases::Case, body: &mut Value) -> Vec<Path> {
    let mut planted = Vec::new();
    for path in case.op().writes() {
        for depth in 0..path.names().len() + usize::from(case.name().starts_with("inside")) {
            let around = path.prefix(depth);
            if let Some(Value::Object(members)) = cases::at(body, &around)
                && !planted.contains(&around)
            {
                members.insert("unknown".to_owned(), json!({"kept": [1.5, {"a": null}]}));
                planted.push(around);
            }
        }
    }
    planted
}

#[test]
fn unknown_fields_kept() {
    let law = |system: &System, case: &cases::Case| {
        let mut changed = false;
        for (from, to) in [(1, 2), (2, 1)] {
            let run = |body: &Value| system.run(&case.evolution(), from, to, body, &Complement::empty());
            let mut with = case.document.clone();
            with["unknown"] = json!({"kept": [1.5, {"a": null}]});
            let (without, with) = (outcome(run(&case.document)), outcome(run(&with)));
            let expected = without.clone().map(|mut body| {
                body["unknown"] = json!({"kept": [1.5, {"a": null}]});
                body
            });
            if with != expected {
                return Err(format!("{with:?}"));
            }
            let mut planted = case.document.clone();
            let places = plant(case, &mut planted);
            let mut found = outcome(run(&planted));
            if found.is_ok() != without.is_ok() {
                return Err(format!("{found:?} of {planted}"));
            }
            if let Ok(body) = &mut found {
                for place in &places {
                    let kept = cases::at(body, place).and_then(|object| object.get("unknown"));
                    if kept != Some(&json!({"kept": [1.5, {"a": null}]})) {
                        return Err(format!("{planted} became {body} without what is at {place}"));
                    }
                }
            }
            changed |= without.is_ok_and(|body| body != case.document);
        }
        Ok(changed)
    };
    let broken = System { drop_member: Some("unknown"), ..real() };
    holds("unknown fields kept", true, 32, law, &broken);
}

/// There and back again, with the complement: the same document, and no complement left but what was there.
fn round_trip(system: &System, case: &cases::Case, there: bool) -> Result<bool, String> {
    let evolution = case.evolution();
    let (from, to) = if there { (1, 2) } else { (2, 1) };
    let Ok((body, complement)) = system.run(&evolution, from, to, &case.document, &Complement::empty())
    else {
        return Ok(false);
    };
    let back = system.run(&evolution, to, from, &body, &complement);
    let (back, _) = back.map_err(|error| format!("{error} on the way back"))?;
    if back == case.document { Ok(body != case.document) } else { Err(format!("{body} came back as {back}")) }
}

#[test]
fn down_after_up() {
    let law = |system: &System, case: &cases::Case| round_trip(system, case, true);
    let wrong = System { invert: Some(wrong_inverse), ..real() };
    let fields = fails("down(up(x)) == x", true, law, &wrong).expect("the wrong inverse must be caught");
    assert!(fields <= 5, "shrunk to {fields} fields only");
    println!("down(up(x)) == x: a wrong inverse was caught and shrunk to {fields} fields");
    let broken = System { forget_complements: true, ..real() };
    holds_for_many("down(up(x)) == x", true, 32, law, &broken);
}

#[test]
fn up_after_down() {
    let broken = System { forget_complements: true, ..real() };
    holds_for_many("up(down(y)) == y", false, 27, |system, case| round_trip(system, case, false), &broken);
}

/// Whatever was renamed is renamed back to something else.
fn wrong_inverse(_: &Evolution) -> Evolution {
    Evolution::new().step("step 1", [Op::rename("wrong", "b"), Op::rename("wrong", "a")])
}

/// Without a complement, for ops that lose nothing, and documents in which their targets are free.
#[test]
fn computed_inverses() {
    let law = |system: &System, case: &cases::Case| {
        if case.class() != Class::Iso || !case.free() {
            return Ok(false);
        }
        let none = Complement::empty();
        let evolution = case.evolution();
        let Ok((body, _)) = system.run(&evolution, 1, 2, &case.document, &none) else { return Ok(false) };
        let back = outcome(system.run(&evolution, 2, 1, &body, &none))?;
        if back == case.document {
            Ok(body != case.document)
        } else {
            Err(format!("{body} came back as {back}"))
        }
    };
    let broken = System { invert: Some(wrong_inverse), ..real() };
    let fields = holds_for_many("computed inverses", true, 5, law, &broken);
    assert!(fields <= 5, "shrunk to {fields} fields only");
}

/// What a program reads, edits and writes at one schema version, it reads back, and what the other version has to say stays.
#[test]
fn put_get_after_edits() {
    let law = |system: &System, case: &cases::Case| {
        let evolution = case.evolution();
        let none = Complement::empty();
        let Ok((shown, complement)) = system.run(&evolution, 2, 1, &case.document, &none) else {
            return Ok(false);
        };
        let mut edited = shown.clone();
        if !case.edit(&mut edited) {
            return Ok(false);
        }
        let Ok((stored, complement)) = system.run(&evolution, 1, 2, &edited, &complement) else {
            return Ok(false);
        };
        let (read, _) =
            system.run(&evolution, 2, 1, &stored, &complement).map_err(|error| error.to_string())?;
        if read == edited { Ok(shown != case.document) } else { Err(format!("{edited} is read as {read}")) }
    };
    let broken = System { believe_stale: true, ..real() };
    holds("PutGet after edits on iso paths, and all others", false, 27, law, &broken);
}

#[test]
fn stale_complements_are_discarded() {
    let law = |system: &System, case: &cases::Case| {
        let evolution = case.evolution();
        let Ok((mut body, complement)) = system.up(case) else { return Ok(false) };
        let changed = body != case.document;
        if !case.edit_written(&mut body) {
            return Ok(false);
        }
        let with = outcome(system.run(&evolution, 2, 1, &body, &complement));
        let without = outcome(system.run(&evolution, 2, 1, &body, &Complement::empty()));
        if with == without { Ok(changed) } else { Err(format!("{with:?} instead of {without:?}")) }
    };
    let broken = System { believe_stale: true, ..real() };
    holds("complement discarded when stale", true, 32, law, &broken);
}

/// The steps of a case, and before or after them one that forgets something which its documents do not have; `None` where they make no sense.
fn forgetting(case: &cases::Case, chain: &Evolution) -> Option<Evolution> {
    let steps = |evolution: &Evolution| {
        let text = evolution.to_json().ok()?;
        serde_json::from_str::<Vec<Value>>(&text).ok()
    };
    let forget = steps(&Evolution::new().step("forget", [Op::remove("gone").forget()]))?;
    let mut steps = steps(chain)?;
    let place = case.others.first().map_or(1, |other| other % (steps.len() + 1));
    steps.splice(place..place, forget);
    Evolution::from_json(&Value::from(steps).to_string()).ok()
}

/// There and back again over several steps, the longest way that does not fail.
fn long_round_trip(
    system: &System,
    case: &cases::Case,
    evolutions: impl IntoIterator<Item = Evolution>,
    there: bool,
) -> Result<bool, String> {
    for evolution in evolutions {
        let last = evolution.schema_version();
        let (from, to) = if there { (1, last) } else { (last, 1) };
        let Ok((body, complement)) = system.run(&evolution, from, to, &case.document, &Complement::empty())
        else {
            continue;
        };
        let back = outcome(system.run(&evolution, to, from, &body, &complement));
        let back = back.map_err(|error| format!("{error} on the way back"))?;
        return if back == case.document {
            Ok(body != case.document)
        } else {
            Err(format!("{body} came back as {back} over {evolution:?}"))
        };
    }
    Ok(false)
}

/// What a step forgets is no business of what others have kept.
#[test]
fn several_steps_one_of_which_forgets() {
    let broken = || System { forget_complements: true, ..real() };
    let law = |there| {
        move |system: &System, case: &cases::Case| {
            let evolutions = [forgetting(case, &case.chain()), forgetting(case, &case.evolution())];
            let met = long_round_trip(system, case, evolutions.into_iter().flatten(), there)?;
            let (from, to) = if there { (1, 2) } else { (2, 1) };
            let alone = system.run(&case.evolution(), from, to, &case.document, &Complement::empty());
            Ok(met && alone.is_ok_and(|(body, _)| body != case.document))
        }
    };
    holds("down(up(x)) == x, forgetting something", true, 32, law(true), &broken());
    holds("up(down(y)) == y, forgetting something", false, 27, law(false), &broken());
}

/// A function that loses something both ways.
fn lossy() -> Function {
    let up = |body: &mut Value, _: &StepContext<'_>| {
        if let Some(members) = body.as_object_mut() {
            members.values_mut().for_each(|value| {
                if let Some(text) = value.as_str() {
                    *value = text.to_uppercase().into();
                }
            });
            members.insert("count".to_owned(), members.len().into());
        }
    };
    let down = |body: &mut Value, _: &StepContext<'_>| {
        if let Some(members) = body.as_object_mut() {
            members.remove("count");
            members.remove("a");
        }
    };
    Function::new("lossy", up).down(down)
}

#[test]
fn functions_are_undone() {
    let broken = || System { forget_complements: true, ..real() };
    let law = |there| {
        move |system: &System, case: &cases::Case| {
            let before = Evolution::new().step("function", lossy());
            let beside = Evolution::new().step("both", ([case.op()], lossy()));
            let above = case.evolution().step("function", lossy());
            if case.others.is_empty() {
                long_round_trip(system, case, [beside, before], there)
            } else {
                long_round_trip(system, case, [above.step("again", [case.op()]), before], there)
            }
        }
    };
    holds("down(up(x)) == x, over functions", true, 32, law(true), &broken());
    holds("up(down(y)) == y, over functions", false, 32, law(false), &broken());
}

#[test]
fn forgotten_is_forgotten() {
    let law = |system: &System, case: &cases::Case| {
        let mut document = case.document.clone();
        document["secret"] = json!("  Q7-secret-Q7 ");
        let evolution = case
            .evolution()
            .step("tidy", [Op::trim("secret"), Op::rename("secret", "hidden"), Op::uppercase("hidden")])
            .step("back up", [Op::copy("hidden", "backup")])
            .step("shorten", [Op::lowercase("backup")])
            .step("once is enough", [Op::remove("backup")])
            .step(
                "forget",
                [if system.only_remove { Op::remove("hidden") } else { Op::remove("hidden").forget() }],
            );
        let Ok((middle, complement)) = system.run(&evolution, 1, 6, &document, &Complement::empty()) else {
            return Ok(false);
        };
        let (body, complement) =
            system.run(&evolution, 6, 7, &middle, &complement).map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(complement.as_bytes()).to_lowercase();
        if text.contains("secret") || body.to_string().to_lowercase().contains("secret") {
            return Err(format!("{text} lives on"));
        }
        // Rolled back, everything but that is there again.
        let rolled_back = outcome(system.run(&evolution, 7, 1, &body, &complement))?;
        if rolled_back != case.document {
            return Err(format!("{} came back as {rolled_back}", case.document));
        }
        Ok(!complement.is_empty() || body != document)
    };
    let broken = System { only_remove: true, ..real() };
    holds("forgotten is forgotten", true, 32, law, &broken);
}
