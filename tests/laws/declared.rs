//! Functions that are declared on paths: the laws of functions hold for them, and they leave everything else alone.

use pivotdb::{Complement, Evolution, Function, Path, StepContext};
use serde_json::{Map, Value, json};

use crate::cases::Case;
use crate::harness::{System, holds};
use crate::{long_round_trip, real};

fn upper(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.to_uppercase(),
        Value::Array(elements) => elements.iter_mut().for_each(upper),
        Value::Object(members) => members.values_mut().for_each(upper),
        _ => {}
    }
}

/// What leads to the path, made where it is not there.
fn place<'v>(mut value: &'v mut Value, path: &Path) -> &'v mut Value {
    for name in path.names() {
        if !value.is_object() {
            *value = json!({});
        }
        value = value.as_object_mut().unwrap().entry(name).or_insert(Value::Null);
    }
    value
}

fn declared(case: &Case) -> Vec<Path> {
    case.paths.iter().cloned().chain([Path::new("count").unwrap()]).collect()
}

/// A function that loses something both ways, of all that it sees, and puts something where there may have been nothing.
fn lossy(case: &Case) -> Function {
    let target = case.paths[1].clone();
    let up = move |body: &mut Value, _: &StepContext<'_>| {
        upper(body);
        let target = place(body, &target);
        *target = json!({"was": target.take()});
        body["count"] = body.as_object().map(Map::len).into();
    };
    let down = |body: &mut Value, _: &StepContext<'_>| {
        if let Some(members) = body.as_object_mut() {
            members.retain(|name, _| !["count", "a", "b"].contains(&name.as_str()));
            members.values_mut().for_each(upper);
        }
    };
    Function::new("lossy", up).down(down).on(declared(case))
}

#[test]
fn functions_on_paths_are_undone() {
    let broken = || System { forget_complements: true, ..real() };
    let law = |there| {
        move |system: &System, case: &Case| {
            let alone = Evolution::new().step("function", lossy(case));
            let beside = Evolution::new().step("both", ([case.op()], lossy(case)));
            let above = case.evolution().step("function", lossy(case));
            if case.others.is_empty() {
                long_round_trip(system, case, [beside, alone], there)
            } else {
                long_round_trip(system, case, [above.step("again", [case.op()]), alone], there)
            }
        }
    };
    holds("down(up(x)) == x, over functions on paths", true, 32, law(true), &broken());
    holds("up(down(y)) == y, over functions on paths", false, 32, law(false), &broken());
}

/// Where something is another that is at none of the paths.
fn changed(before: &Value, after: &Value, declared: &[Path], above: &Path) -> Option<Path> {
    let none = Map::new();
    let members = |value: &Value| match value {
        Value::Object(members) => Some(members.clone()),
        Value::Null => Some(none.clone()),
        _ => None,
    };
    let (Some(before), Some(after)) = (members(before), members(after)) else {
        return (before != after).then(|| above.clone());
    };
    before.keys().chain(after.keys()).find_map(|name| {
        let path = above.child(name);
        let get = |members: &Map<String, Value>| members.get(name).cloned();
        match (get(&before), get(&after)) {
            _ if declared.contains(&path) => None,
            (one, other) if one == other => None,
            (one, other) if declared.iter().any(|declared| path.contains(declared)) => {
                changed(&one.unwrap_or_default(), &other.unwrap_or_default(), declared, &path)
            }
            _ => Some(path),
        }
    })
}

#[test]
fn functions_on_paths_leave_the_rest_alone() {
    let law = |up| {
        move |system: &System, case: &Case| {
            let evolution = Evolution::new().step("function", lossy(case));
            let (from, to) = if up { (1, 2) } else { (2, 1) };
            let run = system.run(&evolution, from, to, &case.document, &Complement::empty());
            let Ok((body, _)) = run else { return Ok(false) };
            match changed(&case.document, &body, &declared(case), &Path::root()) {
                None => Ok(body != case.document),
                Some(path) => Err(format!("{} became {body}, also at {path}", case.document)),
            }
        }
    };
    let broken = || System { drop_member: Some("d"), ..real() };
    holds("functions on paths leave the rest alone", true, 32, law(true), &broken());
    holds("functions on paths leave the rest alone, going down", false, 32, law(false), &broken());
}
