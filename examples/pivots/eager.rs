//! The same pivots, made eagerly on `serde_json` values: what PivotDB's answers are compared with. It shares no code with the
//! programs, on purpose.

use serde_json::{Map, Value, json};

/// Which of the three kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Package,
    Target,
    Dependency,
}

type Document = Map<String, Value>;

/// A document of program `number - 1` as one of program `number`.
pub(crate) fn up(number: usize, kind: Kind, document: &mut Document) {
    match (number, kind) {
        (3, Kind::Package) => rename(document, "license", "spdx"),
        (3, Kind::Target) => rename(document, "kind", "kinds"),
        (3, Kind::Dependency) => rename(document, "req", "requirement"),
        (4, Kind::Package) => {
            let spec = text(document.remove("spec"));
            let at = spec.find('@').unwrap_or(spec.len());
            document.insert("name".into(), spec[..at].into());
            document.insert("version".into(), spec[at + 1..].into());
        }
        (4, Kind::Target) => {
            let path = text(document.remove("path"));
            let mut parts: Vec<&str> = path.split('/').collect();
            document.insert("file".into(), parts.pop().into());
            document.insert("directory".into(), parts.join("/").into());
        }
        (4, Kind::Dependency) => {
            let requirement = text(document.remove("requirement"));
            let operator: String = requirement.chars().take_while(|char| !char.is_ascii_digit()).collect();
            document.insert("version".into(), requirement[operator.len()..].into());
            document.insert("operator".into(), operator.into());
        }
        (5, Kind::Package) => gather(document, "about", &ABOUT),
        (5, Kind::Target) => gather(document, "checks", &CHECKS),
        (5, Kind::Dependency) => gather(document, "activation", &ACTIVATION),
        (6, Kind::Package | Kind::Target) => {
            let edition: u64 = text(document.remove("edition")).parse().unwrap_or_default();
            document.insert("edition".into(), edition.into());
        }
        (6, Kind::Dependency) => {
            let platform = match document.remove("platform") {
                Some(Value::String(platform)) => json!([platform]),
                _ => json!([]),
            };
            document.insert("platform".into(), platform);
        }
        _ => {}
    }
}

/// A document of program `number` as one of program `number - 1`: the last three pivots, which are rolled back.
pub(crate) fn down(number: usize, kind: Kind, document: &mut Document) {
    match (number, kind) {
        (4, Kind::Package) => {
            let spec = [text(document.remove("name")), text(document.remove("version"))].join("@");
            document.insert("spec".into(), spec.into());
        }
        (4, Kind::Target) => {
            let path = [text(document.remove("directory")), text(document.remove("file"))].join("/");
            document.insert("path".into(), path.trim_start_matches('/').into());
        }
        (4, Kind::Dependency) => {
            let requirement = text(document.remove("operator")) + &text(document.remove("version"));
            document.insert("requirement".into(), requirement.into());
        }
        (5, Kind::Package) => scatter(document, "about", &ABOUT),
        (5, Kind::Target) => scatter(document, "checks", &CHECKS),
        (5, Kind::Dependency) => scatter(document, "activation", &ACTIVATION),
        (6, Kind::Package | Kind::Target) => {
            let edition = document.remove("edition").map(|edition| edition.to_string());
            document.insert("edition".into(), edition.into());
        }
        (6, Kind::Dependency) => {
            let platform =
                document.remove("platform").and_then(|mut platform| Some(platform.get_mut(0)?.take()));
            document.insert("platform".into(), platform.unwrap_or_default());
        }
        _ => {}
    }
}

/// The edit that program `number` makes through its types.
pub(crate) fn edit(number: usize, kind: Kind, document: &mut Document) {
    let mut set = |path: &str, value: Value| {
        let (parent, field) = path.rsplit_once('/').unwrap_or_default();
        let parent = match parent {
            "" => Some(&mut *document),
            inner => document.get_mut(inner.trim_start_matches('/')).and_then(Value::as_object_mut),
        };
        if let Some(parent) = parent {
            parent.insert(field.into(), value);
        }
    };
    match (number, kind) {
        (1, Kind::Package) => set("/license", json!("MIT")),
        (1, Kind::Target) => set("/test", json!(false)),
        (1, Kind::Dependency) => set("/optional", json!(true)),
        (2, Kind::Package) => set("/reviewed", json!(true)),
        (2, Kind::Target) => set("/tags", json!(["seen"])),
        (2, Kind::Dependency) => set("/note", json!("checked")),
        (3, Kind::Package) => set("/spdx", json!("Apache-2.0")),
        (3, Kind::Target) => push(document.get_mut("kinds"), "example"),
        (3, Kind::Dependency) => set("/requirement", json!("=0.0.1")),
        (4, Kind::Package) => {
            let version = text(document.get("version").cloned()) + "-edited";
            document.insert("version".into(), version.into());
        }
        (4, Kind::Target) => set("/directory", json!("elsewhere")),
        (4, Kind::Dependency) => set("/operator", json!("~")),
        (5, Kind::Package) => {
            set("/stars", json!(5));
            push(document.get_mut("about").and_then(|about| about.get_mut("authors")), "Ada");
        }
        (5, Kind::Target) => {
            set("/stars", json!(4));
            set("/checks/doc", json!(false));
        }
        (5, Kind::Dependency) => {
            set("/stars", json!(3));
            set("/activation/defaults", json!(false));
        }
        (6, Kind::Package | Kind::Target) => set("/edition", json!(2027)),
        (6, Kind::Dependency) => {
            push(document.get_mut("platform"), "cfg(unix)");
            push(document.get_mut("platform"), "cfg(windows)");
        }
        _ => {}
    }
}

/// Fields before and after the move.
type Moves = [(&'static str, &'static str); 3];

const ABOUT: Moves = [("description", "description"), ("authors", "authors"), ("repository", "repository")];
const CHECKS: Moves = [("test", "test"), ("doc", "doc"), ("doctest", "doctest")];
const ACTIVATION: Moves =
    [("optional", "optional"), ("features", "features"), ("uses_default_features", "defaults")];

fn gather(document: &mut Document, object: &str, moves: &Moves) {
    let inner = moves.iter().filter_map(|(from, to)| Some(((*to).to_owned(), document.remove(*from)?)));
    let inner: Document = inner.collect();
    document.insert(object.into(), inner.into());
}

fn scatter(document: &mut Document, object: &str, moves: &Moves) {
    let Some(Value::Object(mut inner)) = document.remove(object) else { return };
    for (from, to) in moves {
        document.extend(inner.remove(*to).map(|value| ((*from).to_owned(), value)));
    }
}

fn rename(document: &mut Document, from: &str, to: &str) {
    if let Some(value) = document.remove(from) {
        document.insert(to.into(), value);
    }
}

fn text(value: Option<Value>) -> String {
    value.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn push(list: Option<&mut Value>, value: &str) {
    if let Some(list) = list.and_then(Value::as_array_mut) {
        list.push(value.into());
    }
}
