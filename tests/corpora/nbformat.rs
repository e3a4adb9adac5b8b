//! Notebooks, held against the conversions of `nbformat`; and random ones, there and back again.

use pivotdb::{Complement, DocumentId, ErrorKind, Plan, StepContext};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::notebooks::{MIMES, evolution};
use crate::{carry, corpus, difference, program, say};

/// Joins the texts that files have line by line, as the tool does when it reads one; and drops what does not belong to the notebook.
fn read(notebook: &Value, version: u64) -> Value {
    let mut notebook = notebook.clone();
    if version == 4 {
        if let Some(Value::Object(metadata)) = notebook.get_mut("metadata") {
            for name in ["orig_nbformat", "orig_nbformat_minor", "signature"] {
                metadata.remove(name);
            }
        }
        for cell in elements(&mut notebook, "cells") {
            join(cell.get_mut("source"), "");
            for attachment in cell.get_mut("attachments").and_then(Value::as_object_mut).into_iter().flatten()
            {
                join_data(attachment.1);
            }
            for output in elements(cell, "outputs") {
                join(output.get_mut("text"), "");
                output.get_mut("data").into_iter().for_each(join_data);
            }
        }
        return notebook;
    }
    for sheet in elements(&mut notebook, "worksheets") {
        for cell in elements(sheet, "cells") {
            join(cell.get_mut("source"), "\n");
            join(cell.get_mut("input"), "\n");
            for output in elements(cell, "outputs") {
                for (alias, _) in MIMES {
                    join(output.get_mut(alias), "\n");
                }
            }
        }
    }
    notebook
}

fn elements<'v>(value: &'v mut Value, name: &str) -> impl Iterator<Item = &'v mut Value> {
    value.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

/// `separator`: between lines that do not end in one.
fn join(lines: Option<&mut Value>, separator: &str) {
    let Some(value) = lines else { return };
    let Some(lines) = value.as_array() else { return };
    let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
    let complete = lines.first().is_some_and(|line| line.ends_with('\n'));
    *value = lines.join(if complete { "" } else { separator }).into();
}

fn join_data(data: &mut Value) {
    for (mime, value) in data.as_object_mut().into_iter().flatten() {
        if mime != "application/json" && !mime.ends_with("+json") {
            join(Some(value), "");
        }
    }
}

/// Whether a notebook has what its version asks for, as far as the steps rely on it.
pub(crate) fn is_valid(notebook: &Value, version: u64) -> bool {
    let is_json = |text: &Value| {
        text.as_str().is_some_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
    };
    let output = |output: &Value| {
        output["output_type"].is_string() && (version == 4 || output.get("json").is_none_or(is_json))
    };
    let cell = |cell: &Value| {
        let code = cell["cell_type"] == "code";
        let source = if code && version < 4 { "input" } else { "source" };
        cell["cell_type"].is_string()
            && cell[source].is_string()
            && (version < 4 || cell["metadata"].is_object())
            && (cell["cell_type"] != "heading" || cell.get("level").is_none_or(Value::is_u64))
            && (!code || cell["outputs"].as_array().is_some_and(|outputs| outputs.iter().all(output)))
    };
    let cells = |value: &Value| value["cells"].as_array().is_some_and(|cells| cells.iter().all(cell));
    let sheets =
        |value: &Value| value["worksheets"].as_array().is_some_and(|sheets| sheets.iter().all(cells));
    notebook["metadata"].is_object() && if version == 4 { cells(notebook) } else { sheets(notebook) }
}

/// Ids of cells are random where the tool makes them, and left out of what is expected.
fn without_ids(mut notebook: Value) -> Value {
    for cell in elements(&mut notebook, "cells") {
        cell.as_object_mut().unwrap().remove("id");
    }
    notebook
}

#[test]
fn notebooks_become_what_the_tool_makes_of_them() {
    let Some(folder) = corpus("nbformat") else { return };
    let program = program("notebook", &evolution());
    let text = std::fs::read_to_string(folder.join("nbformat-pairs.ndjson")).unwrap();
    let (mut pairs, mut across, mut equal, mut refused, mut different) = (0, 0, 0, 0, Vec::new());
    for line in text.lines() {
        let pair: Value = serde_json::from_str(line).unwrap();
        let (from, to) = (pair["from"][0].as_u64().unwrap(), pair["to"].as_u64().unwrap());
        let version = |notebook: u64| u32::try_from(notebook - 1).unwrap();
        let name = format!("{} from {from} to {to}", pair["file"]);
        let input = read(&pair["input"], from);
        pairs += 1;
        across += usize::from(from != to);
        match carry(&program, version(from), version(to), &input) {
            Ok(found) => match difference(&without_ids(found), &without_ids(pair["expected"].clone())) {
                None => equal += 1,
                Some(path) => different.push(format!("{name}{path}")),
            },
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::StepFailed, "{name}: {error}");
                assert!(!is_valid(&input, from), "{name} is valid: {error}");
                refused += 1;
            }
        }
    }
    assert!(pairs > 50, "{pairs}");
    assert!(across >= 34, "only {across} pairs are of different versions");
    say(&format!("nbformat: {pairs} pairs, {equal} equal, {refused} refused, {} different", different.len()));
    say(&format!("nbformat: {across} of the pairs are of different versions"));
    assert_eq!(different, Vec::<String>::new());
}

fn texts() -> impl Strategy<Value = Value> {
    prop_oneof!["[a-c#\\n ]{0,8}", "#{1,3} {0,2}[a-c]{0,3}"].prop_map(Value::from)
}

fn maybe<S: Strategy<Value = Value>>(name: &'static str, value: S) -> impl Strategy<Value = Value> {
    prop::option::of(value)
        .prop_map(move |value| value.map_or_else(|| json!({}), |value| json!({name: value})))
}

fn merged(parts: Vec<Value>) -> Value {
    let parts = parts.into_iter().filter_map(|part| match part {
        Value::Object(members) => Some(members),
        _ => None,
    });
    Value::Object(parts.flatten().collect())
}

/// An output, in the names of version 3 or 4.
fn outputs(four: bool) -> impl Strategy<Value = Value> {
    let data = proptest::collection::btree_map(0..MIMES.len(), texts(), 0..3).prop_map(move |data| {
        let named = data.into_iter().map(|(index, text)| {
            let (alias, mime) = MIMES[index];
            let text = if alias == "json" && !four { json!(json!({"t": text}).to_string()) } else { text };
            (if four { mime } else { alias }.to_owned(), text)
        });
        Value::Object(named.collect())
    });
    let data = data.prop_map(move |data| if four { json!({"data": data}) } else { data }).boxed();
    let count = prop_oneof![Just(Value::Null), (0..9).prop_map(Value::from)];
    let (result, error) = if four { ("execute_result", "error") } else { ("pyout", "pyerr") };
    let (number, stream) = if four { ("execution_count", "name") } else { ("prompt_number", "stream") };
    let metadata = json!({"metadata": {}});
    prop_oneof![
        (data.clone(), count)
            .prop_map(move |(data, count)| merged(vec![json!({"output_type": result, number: count}), data])),
        data.prop_map(move |data| merged(vec![
            json!({"output_type": "display_data"}),
            metadata.clone(),
            data
        ])),
        texts().prop_map(move |text| json!({"output_type": "stream", stream: "stderr", "text": text})),
        texts().prop_map(move |text| json!({"output_type": error, "ename": text, "traceback": []})),
    ]
}

fn cells(version: u64) -> impl Strategy<Value = Value> {
    let four = version == 4;
    let (source, number) = if four { ("source", "execution_count") } else { ("input", "prompt_number") };
    let metadata =
        || prop_oneof![Just(json!({})), Just(json!({"tags": ["x"]})), Just(json!({"collapsed": true}))];
    let metadata = move || {
        let metadata = metadata().prop_map(|metadata| json!({"metadata": metadata}));
        if version == 2 { Just(json!({})).boxed() } else { metadata.boxed() }
    };
    let code = (
        metadata(),
        texts(),
        maybe(number, (0..9).prop_map(Value::from)),
        proptest::collection::vec(outputs(four), 0..3),
        maybe(if four { "id" } else { "language" }, "[a-z]{3}".prop_map(Value::from)),
        maybe(if four { "unknown" } else { "collapsed" }, any::<bool>().prop_map(Value::from)),
    )
        .prop_map(move |(metadata, text, number, outputs, a, b)| {
            let code = json!({"cell_type": "code", source: text, "outputs": outputs});
            merged(vec![code, metadata, number, a, b])
        });
    let kinds: &[&str] = match version {
        2 => &["markdown", "html"],
        3 => &["markdown", "html", "raw", "heading"],
        _ => &["markdown", "raw"],
    };
    let other =
        (prop::sample::select(kinds), metadata(), texts(), 1..7).prop_map(|(kind, metadata, text, level)| {
            let level = if kind == "heading" { json!({"level": level}) } else { json!({}) };
            merged(vec![json!({"cell_type": kind, "source": text}), metadata, level])
        });
    prop_oneof![code, other]
}

pub(crate) fn notebooks(version: u64) -> impl Strategy<Value = Value> {
    let cells = proptest::collection::vec(cells(version), 0..4);
    let cells = cells.prop_map(move |cells| match version {
        4 => json!({"cells": cells}),
        _ => json!({"worksheets": [{"cells": cells, "metadata": {}}]}),
    });
    let head = json!({"nbformat": version, "nbformat_minor": 0});
    (cells, prop_oneof![Just(json!({"name": "n"})), Just(json!({"kernelspec": {"name": "k"}}))])
        .prop_map(move |(cells, metadata)| merged(vec![head.clone(), json!({"metadata": metadata}), cells]))
}

#[test]
fn random_notebooks_come_back_from_every_version() {
    let evolution = evolution();
    let id = DocumentId::from(1);
    let context = StepContext::new("notebook", &id);
    let go = |from: u32, to: u32, body: Value, kept: &Complement| {
        let plan = Plan::between(&evolution, "notebook", from, to).unwrap();
        plan.apply_keeping(body, kept, &context).unwrap()
    };
    let (cases, mut changed) = (if cfg!(debug_assertions) { 40 } else { 400 }, 0);
    for version in [2, 3, 4] {
        let from = u32::try_from(version - 1).unwrap();
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let count = std::cell::Cell::new(0);
        TestRunner::new(config)
            .run(&notebooks(version), |notebook| {
                for to in (1..=3).filter(|to| *to != from) {
                    let (there, kept) = go(from, to, notebook.clone(), &Complement::empty());
                    prop_assert_ne!(&there, &notebook);
                    let (back, _) = go(to, from, there, &kept);
                    prop_assert_eq!(difference(&back, &notebook), None);
                    count.set(count.get() + 1);
                }
                Ok(())
            })
            .unwrap();
        changed += count.get();
    }
    say(&format!(
        "nbformat: {} random notebooks, {changed} trips to another version and back, all equal",
        3 * cases
    ));
}
