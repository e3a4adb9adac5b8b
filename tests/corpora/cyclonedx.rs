//! Bills of material in CycloneDX, the same ones at 1.2 to 1.7: upcast from one version to the next, they are what a tool has written at the next, on the paths that
//! the step declares.

use std::collections::BTreeMap;

use pivotdb::{Evolution, Function, Op, StepBody};
use serde_json::{Map, Value};

use crate::{carry, corpus, difference, program, say};

/// Version 1.2 is schema version 1.
fn evolution() -> Evolution {
    let versions = ["1.2b", "1.3a", "1.4", "1.5", "1.6", "1.7"];
    let ops = versions.windows(2).map(|pair| {
        let schema = |version: &str| format!("http://cyclonedx.org/schema/bom-{version}.schema.json");
        let plain = |version: &str| version.trim_end_matches(char::is_alphabetic).to_owned();
        vec![
            Op::rename_value("$schema", schema(pair[0]), schema(pair[1])),
            Op::rename_value("specVersion", plain(pair[0]), plain(pair[1])),
        ]
    });
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
    let steps = ops.zip(own).zip(&versions[1..]);
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

/// Where the step from a version says that something changes, by the last names of its paths. Of what the former version had no room for, the upcast
/// knows nothing.
fn declared(version: u32) -> &'static [&'static str] {
    match version {
        3 => &["$schema", "specVersion", "version"],
        4 => &["$schema", "specVersion", "type"],
        _ => &["$schema", "specVersion"],
    }
}

/// Whether what is at the declared paths of the file is so in what was found, wherever that has their object.
fn differs(found: &Value, file: &Value, names: &[&str]) -> Option<String> {
    match (found, file) {
        (Value::Object(found), Value::Object(file)) => file.iter().find_map(|(name, file)| {
            let inner = match found.get(name) {
                Some(found) if names.contains(&name.as_str()) => difference(found, file),
                Some(found) => differs(found, file, names),
                None => names.contains(&name.as_str()).then(|| ": is missing".to_owned()),
            };
            inner.map(|inner| format!("/{name}{inner}"))
        }),
        (Value::Array(found), Value::Array(file)) => {
            found.iter().zip(file).enumerate().find_map(|(index, (found, file))| {
                differs(found, file, names).map(|inner| format!("/{index}{inner}"))
            })
        }
        _ => None,
    }
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
    let (mut pairs, mut different) = (0, Vec::new());
    for ((name, version), bill) in &bills {
        let Some(file) = bills.get(&(name.clone(), version + 1)) else { continue };
        pairs += 1;
        // Each version is two schema versions on from the last.
        let (from, to) = (2 * (version - 2) + 1, 2 * (version - 2) + 3);
        let found = carry(&program, from, to, bill).unwrap();
        let path = is_within(&found, file).or_else(|| differs(&found, file, declared(*version)));
        different.extend(path.map(|path| format!("{name} from 1.{version}{path}")));
        assert!(is_within(bill, file).is_some(), "{name} has not changed");
    }
    assert!(pairs > 60, "{pairs}");
    let equal = pairs - different.len();
    say(&format!("cyclonedx: {pairs} pairs, {equal} equal, 0 refused, {} different", different.len()));
    assert_eq!(different, Vec::<String>::new());
}
