//! The tables of the documentation, held against the ops.

use std::collections::BTreeMap;

use pivotdb::{Class, Complement, DocumentId, Evolution, Op, Path, Plan, StepContext, To, ToPath as _, When};
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../src/documentation/evolution.md");

/// Each op, its paths called as the documentation calls them.
fn ops() -> Vec<(&'static str, Op)> {
    vec![
        ("rename", Op::rename("from", "to")),
        ("move_field", Op::move_field("from", "to")),
        ("copy", Op::copy("from", "to")),
        ("add", Op::add("path", 1)),
        ("remove", Op::remove("path")),
        ("wrap_list", Op::wrap_list("path")),
        ("unwrap_list", Op::unwrap_list("path")),
        ("wrap_object", Op::wrap_object("path", "name")),
        ("unwrap_object", Op::unwrap_object("path", "name")),
        ("inside", Op::inside("path", [Op::remove("inner")])),
        ("each", Op::each("path", [Op::remove("inner")])),
        ("each_value", Op::each_value("path", [Op::remove("inner")])),
        ("convert", Op::convert("path", To::Integer)),
        ("split", Op::split("path", " ", ["into.0", "into.1"])),
        ("join", Op::join(["from.0", "from.1"], " ", "to")),
        ("trim", Op::trim("path")),
        ("lowercase", Op::lowercase("path")),
        ("uppercase", Op::uppercase("path")),
        ("set", Op::set("path", 1).when(When::absent("when"))),
        ("rename_value", Op::rename_value("path", 1, 2)),
    ]
}

/// The rows of the table that has this head, by the name of the op; those of several ops count for each.
fn table(head: &str) -> BTreeMap<&'static str, Vec<&'static str>> {
    let rows = PAGE.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let mut table = BTreeMap::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        for op in cells[0].split('`').skip(1).step_by(2) {
            table.insert(op.split('(').next().unwrap_or_default(), cells.clone());
        }
    }
    table
}

fn names(paths: &[Path]) -> String {
    let mut names: Vec<&str> = paths.iter().filter_map(|path| path.names().next()).collect();
    names.dedup();
    names.join(", ")
}

fn up(op: &Op, body: Value) -> Result<Value, pivotdb::Error> {
    let plan = Plan::between(&Evolution::new().step("s", [op.clone()]), "k", 1, 2)?;
    plan.apply(body, &StepContext::new("k", &DocumentId::from(1)))
}

#[test]
fn the_documentation_tells_the_class_of_every_op() {
    let table = table("| op | does |");
    for (name, op) in ops() {
        let class = match op.class() {
            Some(Class::Iso) => "iso",
            Some(Class::UpLossy) => "up-lossy",
            Some(Class::DownLossy) => "down-lossy",
            Some(Class::Lossy) => "lossy",
            None => "none",
        };
        let told = table[name][3];
        // An op that carries out others has theirs, here that of a remove.
        assert_eq!(if told == "theirs" { "up-lossy" } else { told }, class, "{name}");
        assert_eq!(op.name(), if name == "move_field" { "move" } else { name });
    }
    assert_eq!(table.keys().filter(|name| **name != "when").count(), ops().len(), "{:?}", table.keys());
}

#[test]
fn the_documentation_tells_what_every_op_reads_writes_and_makes_of_nothing() {
    let table = table("| op | reads |");
    for (name, op) in ops() {
        let row = &table[name];
        assert_eq!((row[1], row[2]), (&*names(&op.reads()), &*names(&op.writes())), "{name}");
        let source = if matches!(name, "rename" | "move_field" | "copy" | "join") { "from" } else { "path" };
        let absent = json!({"other": 7});
        let mut null = absent.clone();
        null[source] = if name == "join" { json!({"0": null, "1": null}) } else { Value::Null };
        let stays = row[3].starts_with("stays");
        assert_eq!(up(&op, absent.clone()).unwrap() == absent, stays, "{name}, absent");
        let of_null = up(&op, null.clone()).unwrap();
        match row[4] {
            "stays" | "stays, or `or`" => assert_eq!(of_null, null, "{name}, null"),
            "[]" | "`[]`" => assert_eq!(of_null["path"], json!([]), "{name}, null"),
            "a value" if name == "rename_value" => assert_eq!(of_null, null, "{name}, null"),
            "a value" | "nulls" | "null" | "puts" => assert_ne!(of_null, null, "{name}, null"),
            other => panic!("{name}: {other}"),
        }
        if row[5].starts_with("error") {
            let mut taken = json!({"from": 1, "to": 2, "path": "a b", "into": {"0": 3}});
            if name == "join" {
                taken["from"] = json!({"0": "a", "1": "b"});
            }
            assert!(up(&op, taken).is_err(), "{name}, taken");
        }
    }
    assert_eq!(table.len(), ops().len(), "{:?}", table.keys());
}

/// Going up, by what the documentation says each op keeps: of the first document nothing, of the second something, where there is such a one.
#[test]
fn the_documentation_tells_what_every_op_keeps() {
    let of = |value: Value| json!({"path": value});
    let samples = [
        ("rename", json!({"from": 1}), Some(json!({"to": 1}))),
        ("move_field", json!({"from": 1}), Some(json!({"to": 1}))),
        ("copy", json!({"from": 1}), Some(json!({"to": 1}))),
        ("add", json!({}), Some(of(json!(2)))),
        ("remove", json!({}), Some(of(json!(1)))),
        ("wrap_list", of(json!(null)), None),
        ("unwrap_list", of(json!([1])), Some(of(json!([1, 2])))),
        ("wrap_object", of(json!(null)), None),
        ("unwrap_object", of(json!({"name": 1})), Some(of(json!({"name": 1, "x": 2})))),
        ("inside", of(json!({})), Some(of(json!({"inner": 1})))),
        ("each", of(json!([{}])), Some(of(json!([{"inner": 1}])))),
        ("each_value", of(json!({"x": {}})), Some(of(json!({"x": {"inner": 1}})))),
        ("convert", of(json!("7")), Some(of(json!("07")))),
        ("split", of(json!("a b c")), Some(of(json!(" a")))),
        ("join", json!({"from": {"0": "a", "1": "b"}}), Some(json!({"from": {"0": "a b", "1": "c"}}))),
        ("trim", of(json!("a")), Some(of(json!(" a")))),
        ("lowercase", of(json!("a")), Some(of(json!("A")))),
        ("uppercase", of(json!("A")), Some(of(json!("a")))),
        ("set", of(json!(1)), Some(of(json!(2)))),
        ("rename_value", of(json!(1)), Some(of(json!(2)))),
    ];
    let table = table("| op | reads |");
    let id = DocumentId::from(1);
    let context = StepContext::new("k", &id);
    for ((name, op), (of, exact, lossy)) in ops().into_iter().zip(samples) {
        assert_eq!(name, of);
        let plan = Plan::between(&Evolution::new().step("s", [op]), "k", 1, 2).unwrap();
        let keeps = |body| {
            let (_, kept) = plan.apply_keeping(body, &Complement::empty(), &context).unwrap();
            !kept.is_empty()
        };
        assert!(!keeps(exact), "{name} keeps something for nothing");
        let kept = lossy.map(keeps);
        assert_eq!(kept, (!table[name][6].starts_with("nothing")).then_some(true), "{name}");
    }
}

/// Whatever a member is called, an op finds it, and nothing else, by its path in Rust and in a file.
#[test]
fn any_name_whatever() {
    for name in ["a.b", "$x", "~", "/", "", "~1", "a/b", "0", " ", "ü"] {
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let path = Path::from_names([name]).unwrap();
        assert_eq!(pointer.as_str().to_path().unwrap(), path, "{name:?}");
        let file = json!([{"name": "s", "ops": [
            {"op": "rename", "from": pointer, "to": "plain"},
            {"op": "copy", "from": "plain", "to": format!("/in{pointer}")},
            {"op": "convert", "path": format!("/in{pointer}"), "to": "text"},
        ]}]);
        let read = Evolution::from_json(&file.to_string()).unwrap();
        let inner = Path::from_names(["in", name]).unwrap();
        let built = Evolution::new().step(
            "s",
            [Op::rename(&path, "plain"), Op::copy("plain", &inner), Op::convert(&inner, To::Text)],
        );
        assert_eq!(read.to_json().unwrap(), built.to_json().unwrap(), "{name:?}");
        let again = Evolution::from_json(&built.to_json().unwrap()).unwrap();
        let id = DocumentId::from(1);
        let context = StepContext::new("k", &id);
        let before = json!({name: 1, "a": {"b": 2, "x": 3}, "x": 4});
        let after = json!({"plain": 1, "in": {name: "1"}, "a": {"b": 2, "x": 3}, "x": 4});
        for evolution in [read, built, again] {
            let plan = |from, to| Plan::between(&evolution, "k", from, to).unwrap();
            assert_eq!(plan(1, 2).apply(before.clone(), &context).unwrap(), after, "{name:?}");
            assert_eq!(plan(2, 1).apply(after.clone(), &context).unwrap(), before, "{name:?}");
        }
    }
}
