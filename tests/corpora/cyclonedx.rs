//! Bills of material in CycloneDX, the same ones at 1.2 to 1.7: upcast from one version to the next, they are what a tool has written at the next, on the paths that
//! the step declares, and everywhere else what they were.

use std::collections::BTreeMap;

use pivotdb::{Evolution, Function, Op, StepBody};
use serde_json::{Map, Value, json};

use crate::{carry, corpus, difference, program, say};

const VERSIONS: [&str; 6] = ["1.2b", "1.3a", "1.4", "1.5", "1.6", "1.7"];

/// What every step does: from a version to the next.
fn head(from: &str, to: &str) -> Vec<Op> {
    let schema = |version: &str| format!("http://cyclonedx.org/schema/bom-{version}.schema.json");
    let plain = |version: &str| version.trim_end_matches(char::is_alphabetic).to_owned();
    vec![
        Op::rename_value("$schema", schema(from), schema(to)),
        Op::rename_value("specVersion", plain(from), plain(to)),
    ]
}

/// Version 1.2 is schema version 1.
fn evolution() -> Evolution {
    let ops = VERSIONS.windows(2).map(|pair| head(pair[0], pair[1]));
    let own: [StepBody; 5] = [
        Vec::new().into(),
        // A component need not have a version any more; tools had written an empty one.
        Function::new("no empty version", |bom, _| {
            each_component(bom, false, &mut |component| {
                if component.get("version").is_some_and(|version| version == "") {
                    component.remove("version");
                }
            });
        })
        .down(|bom, _| {
            each_component(bom, false, &mut |component| {
                component.entry("version").or_insert_with(|| "".into());
            });
        })
        .into(),
        // Tools are components.
        [Op::inside(
            "metadata",
            [
                Op::wrap_object("tools", "components"),
                Op::inside("tools", [Op::each("components", [Op::add("type", "application")])]),
            ],
        )]
        .into(),
        // There may be several identities.
        [Op::each("components", [Op::inside("evidence", [Op::wrap_list("identity")])])].into(),
        Vec::new().into(),
    ];
    let steps = ops.zip(own).zip(&VERSIONS[1..]);
    steps.fold(Evolution::new(), |evolution, ((head, own), version)| {
        let evolution = evolution.step(&format!("CycloneDX {version}"), head);
        evolution.step(&format!("what is new in {version}"), own)
    })
}

/// Wherever one may be, also within another.
fn each_component(value: &mut Value, here: bool, work: &mut dyn FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            if here {
                work(members);
            }
            for (name, value) in members {
                let lists = ["component", "components", "ancestors", "descendants", "variants"];
                each_component(value, lists.contains(&name.as_str()), work);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| each_component(element, here, work)),
        _ => {}
    }
}

/// What a tool could say at the former version already: of lists, those elements, and of objects, those members, that it did.
fn is_within(found: &Value, file: &Value) -> Option<String> {
    match (found, file) {
        (Value::Object(found), Value::Object(file)) => found.iter().find_map(|(name, found)| {
            let inner = match file.get(name) {
                Some(file) => is_within(found, file),
                None => Some(format!(": {found} is too much")),
            };
            inner.map(|inner| format!("/{name}{inner}"))
        }),
        (Value::Array(found), Value::Array(file)) if found.len() <= file.len() => {
            found.iter().zip(file).enumerate().find_map(|(index, (found, file))| {
                is_within(found, file).map(|inner| format!("/{index}{inner}"))
            })
        }
        _ => difference(found, file),
    }
}

/// What becomes of a bill at the next version: what is at the paths that every step writes is what the file has there, the step's own changes are made,
/// and everything else is as it was.
fn carried_on(bill: &Value, file: &Value, version: u32) -> Value {
    let mut bill = bill.clone();
    let position = version as usize - 2;
    for op in head(VERSIONS[position], VERSIONS[position + 1]) {
        for path in op.writes() {
            let name = path.to_string();
            bill[&name] = file[&name].clone();
        }
    }
    match version {
        3 => each_component(&mut bill, false, &mut |component| {
            component.retain(|name, value| name != "version" || value != "");
        }),
        4 => {
            if let Some(tools) = bill.pointer_mut("/metadata/tools") {
                for tool in tools.as_array_mut().unwrap() {
                    tool["type"] = "application".into();
                }
                *tools = json!({"components": tools.take()});
            }
        }
        5 => {
            for component in bill.get_mut("components").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(identity) = component.pointer_mut("/evidence/identity") {
                    *identity = json!([identity.take()]);
                }
            }
        }
        _ => {}
    }
    bill
}

/// Why what was found of a bill is not what a tool writes at the next version, as far as the former version had room for it: that it lacks something that was there, or has something
/// that the file does not have.
fn differs(found: &Value, bill: &Value, file: &Value, version: u32) -> Option<String> {
    difference(found, &carried_on(bill, file, version)).or_else(|| is_within(found, file))
}

#[test]
fn bills_become_what_a_tool_writes_at_the_next_version() {
    let Some(folder) = corpus("cyclonedx") else { return };
    let program = program("bom", &evolution());
    let mut bills: BTreeMap<(String, u32), Value> = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        if let Some((name, version)) = name.rsplit_once("-1.") {
            let bill = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            bills.insert((name.into(), version.parse().unwrap()), bill);
        }
    }
    let (mut pairs, mut different, mut stubs) = (0, Vec::new(), 0);
    for ((name, version), bill) in &bills {
        let Some(file) = bills.get(&(name.clone(), version + 1)) else { continue };
        pairs += 1;
        // Each version is two schema versions on from the last.
        let (from, to) = (2 * (version - 2) + 1, 2 * (version - 2) + 3);
        let found = carry(&program, from, to, bill).unwrap();
        let path = differs(&found, bill, file, *version);
        different.extend(path.map(|path| format!("{name} from 1.{version}{path}")));
        assert!(is_within(bill, file).is_some(), "{name} has not changed");
        // The control: one that has lost everything but its head.
        let head = ["$schema", "specVersion", "version"];
        let stub = Map::from_iter(head.map(|name| (name.to_owned(), file[name].clone())));
        stubs += usize::from(differs(&stub.into(), bill, file, *version).is_some());
    }
    assert!(pairs > 60, "{pairs}");
    let equal = pairs - different.len();
    say(&format!("cyclonedx: {pairs} pairs, {equal} equal, 0 refused, {} different", different.len()));
    say(&format!("cyclonedx, control: {stubs} of {pairs} stubs different"));
    assert_eq!(different, Vec::<String>::new());
    assert_eq!(stubs, pairs, "a bill that has lost everything passes for one that has not");
}
