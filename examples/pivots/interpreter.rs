//! The ops of a file of steps, carried out on `serde_json` values: what PivotDB's answers are compared with. It shares no code with
//! PivotDB, on purpose; what the ops do is written down in PivotDB's documentation of evolution.

use serde_json::{Map, Value};

/// A step as it is written in the file.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) name: &'a str,
    ops: &'a [Value],
}

/// The ops that are known here, with all their members.
const KNOWN: [(&str, &[&str]); 4] = [
    ("rename", &["from", "op", "to"]),
    ("move", &["from", "op", "to"]),
    ("add", &["op", "path", "value"]),
    ("remove", &["op", "path"]),
];

/// The steps of a file, which has been found right.
pub(crate) fn steps(file: &Value) -> Vec<Step<'_>> {
    let steps = file.as_array().into_iter().flatten();
    steps
        .map(|step| Step {
            name: step.get("name").and_then(Value::as_str).unwrap_or_default(),
            ops: step.get("ops").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default(),
        })
        .collect()
}

impl Step<'_> {
    /// Whether every op of it is known here.
    pub(crate) fn is_known(&self) -> bool {
        self.ops.iter().all(|op| {
            let mut members: Vec<&str> =
                op.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            members.sort_unstable();
            KNOWN.iter().any(|(name, known)| op["op"] == *name && members == *known)
        })
    }

    /// Carries the step out; after an error the document is half done.
    pub(crate) fn apply(&self, document: &mut Value) -> Result<(), String> {
        self.ops.iter().try_for_each(|op| apply(op, document))
    }
}

fn apply(op: &Value, document: &mut Value) -> Result<(), String> {
    let path = |name: &str| names(op[name].as_str().unwrap_or_default());
    match op["op"].as_str().unwrap_or_default() {
        "rename" => {
            let (from, to) = (path("from"), path("to"));
            let (Some(from), Some(to)) = (from.split_last(), to.last()) else { return Ok(()) };
            let Some(members) = find(document, from.1, from.0)? else { return Ok(()) };
            if !members.contains_key(from.0) {
                return Ok(());
            }
            vacant(members, to)?;
            if let Some(value) = members.remove(from.0) {
                members.insert(to.clone(), value);
            }
            Ok(())
        }
        "move" => {
            let Some(value) = take(document, &path("from"))? else { return Ok(()) };
            let to = path("to");
            let Some((last, way)) = to.split_last() else { return Ok(()) };
            let members = make(document, way)?;
            vacant(members, last)?;
            members.insert(last.clone(), value);
            Ok(())
        }
        "add" => {
            let path = path("path");
            let Some((last, way)) = path.split_last() else { return Ok(()) };
            make(document, way)?.entry(last.clone()).or_insert_with(|| op["value"].clone());
            Ok(())
        }
        _ => take(document, &path("path")).map(drop),
    }
}

fn vacant(members: &Map<String, Value>, name: &str) -> Result<(), String> {
    if members.contains_key(name) { Err(format!("{name:?} is taken")) } else { Ok(()) }
}

/// The names in a path: dotted, or a JSON Pointer.
fn names(path: &str) -> Vec<String> {
    match path.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect(),
        None => path.split('.').map(str::to_owned).collect(),
    }
}

/// The element's index, if there is such an element.
fn element(list: &[Value], name: &str) -> Option<usize> {
    name.parse().ok().filter(|index: &usize| index.to_string() == name && *index < list.len())
}

fn take(document: &mut Value, path: &[String]) -> Result<Option<Value>, String> {
    let Some((last, way)) = path.split_last() else { return Ok(None) };
    Ok(find(document, way, last)?.and_then(|members| members.remove(last)))
}

/// The object that may have the member `last`; nothing is there where the way to it ends before.
fn find<'v>(
    document: &'v mut Value,
    way: &[String],
    last: &str,
) -> Result<Option<&'v mut Map<String, Value>>, String> {
    let mut value = document;
    for name in way {
        let next = match value {
            Value::Object(members) => members.get_mut(name),
            Value::Array(list) => element(list, name).and_then(|index| list.get_mut(index)),
            _ => None,
        };
        let Some(next) = next else { return Ok(None) };
        value = next;
    }
    match value {
        Value::Object(members) => Ok(Some(members)),
        Value::Array(list) if element(list, last).is_some() => Err("an element cannot be taken out".into()),
        _ => Ok(None),
    }
}

/// The object at the end of the way, made where there is nothing.
fn make<'v>(document: &'v mut Value, way: &[String]) -> Result<&'v mut Map<String, Value>, String> {
    let mut value = document;
    for name in way {
        if value.is_null() {
            *value = Value::Object(Map::new());
        }
        value = match value {
            Value::Object(members) => members.entry(name.clone()).or_insert(Value::Null),
            Value::Array(list) => {
                element(list, name).and_then(|index| list.get_mut(index)).ok_or("there is no such element")?
            }
            _ => return Err("the way leads through a scalar".into()),
        };
    }
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().ok_or_else(|| "the way ends in something else than an object".into())
}
