//! The steps of Jupyter notebooks from version 2 to 3 to 4, as the tool `nbformat` converts them.

use pivotdb::{Evolution, Function, Op, When};
use serde_json::{Map, Value, json};

/// Schema version 1 is notebook version 2.
pub(crate) fn evolution() -> Evolution {
    Evolution::new()
        .step(
            "3",
            (
                [
                    Op::rename_value("nbformat", 2, 3),
                    Op::set("nbformat_minor", 0),
                    Op::set("orig_nbformat", 2),
                    Op::each(
                        "worksheets",
                        [Op::each("cells", [Op::set("metadata", json!({})).when(When::absent("metadata"))])],
                    ),
                ],
                // Version 2 has neither headings nor raw cells.
                Function::new("notebook 2 to 3", |_, _| ()).down(|notebook, _| {
                    list(notebook, "worksheets")?
                        .iter_mut()
                        .try_for_each(|sheet| list(sheet, "cells")?.iter_mut().try_for_each(cell_from_3_to_2))
                }),
            ),
        )
        .step(
            "4",
            (
                [
                    Op::rename_value("nbformat", 3, 4),
                    Op::set("nbformat_minor", 5),
                    Op::move_field("orig_nbformat", "metadata.orig_nbformat"),
                    Op::move_field("orig_nbformat_minor", "metadata.orig_nbformat_minor"),
                    Op::set("metadata.orig_nbformat", 3).when(When::absent("metadata.orig_nbformat")),
                    Op::set("metadata.orig_nbformat_minor", 0)
                        .when(When::absent("metadata.orig_nbformat_minor")),
                    Op::remove("metadata.name").restoring(""),
                    Op::remove("metadata.signature"),
                ],
                Function::new("notebook 3 to 4", |notebook, _| from_3_to_4(notebook))
                    .down(|notebook, _| from_4_to_3(notebook)),
            ),
        )
}

type Outcome<T = ()> = Result<T, &'static str>;

fn cell_from_3_to_2(cell: &mut Value) -> Outcome {
    let cell = object(cell)?;
    match kind(cell)? {
        "heading" => {
            let level = heading_level(cell)?;
            let source = format!("{} {}", "#".repeat(level), text(cell, "source")?);
            cell.extend([pair("cell_type", "markdown"), pair("source", source)]);
        }
        "raw" => drop(cell.insert("cell_type".into(), "markdown".into())),
        _ => {}
    }
    Ok(())
}

/// Worksheets are flattened; code cells and their outputs have other names for what they hold.
fn from_3_to_4(notebook: &mut Value) -> Outcome {
    let mut cells = Vec::new();
    for sheet in list(notebook, "worksheets")? {
        cells.append(list(sheet, "cells")?);
    }
    cells.iter_mut().try_for_each(cell_from_3_to_4)?;
    let notebook = object(notebook)?;
    notebook.remove("worksheets");
    notebook.insert("cells".into(), cells.into());
    Ok(())
}

fn cell_from_3_to_4(cell: &mut Value) -> Outcome {
    let cell = object(cell)?;
    match kind(cell)? {
        "code" => {
            cell.remove("language");
            if let Some(collapsed) = cell.remove("collapsed") {
                object(cell.entry("metadata").or_insert_with(|| json!({})))?
                    .insert("collapsed".into(), collapsed);
            }
            rename(cell, "input", "source", json!(""));
            rename(cell, "prompt_number", "execution_count", Value::Null);
            let outputs = cell.get_mut("outputs").and_then(Value::as_array_mut).ok_or("no outputs")?;
            outputs.iter_mut().try_for_each(output_from_3_to_4)?;
        }
        "heading" => {
            let level = heading_level(cell)?;
            let line = text(cell, "source")?.lines().collect::<Vec<_>>().join(" ");
            cell.extend([
                pair("cell_type", "markdown"),
                pair("source", format!("{} {line}", "#".repeat(level))),
            ]);
        }
        "html" => drop(cell.insert("cell_type".into(), "markdown".into())),
        _ => {}
    }
    Ok(())
}

fn output_from_3_to_4(output: &mut Value) -> Outcome {
    let output = object(output)?;
    match output_type(output)? {
        "pyout" => {
            output.extend([pair("output_type", "execute_result")]);
            rename(output, "prompt_number", "execution_count", Value::Null);
            data_from_3_to_4(output)?;
        }
        "display_data" => data_from_3_to_4(output)?,
        "pyerr" => output.extend([pair("output_type", "error")]),
        "stream" => rename(output, "stream", "name", json!("stdout")),
        _ => {}
    }
    Ok(())
}

fn data_from_3_to_4(output: &mut Map<String, Value>) -> Outcome {
    let stays = ["output_type", "execution_count", "metadata"];
    let (kept, data): (Map<_, _>, Map<_, _>) =
        std::mem::take(output).into_iter().partition(|(name, _)| stays.contains(&name.as_str()));
    *output = kept;
    let mut data: Map<_, _> = data.into_iter().map(|(name, value)| (mime(&name).into(), value)).collect();
    if let Some(json) = data.get_mut("application/json") {
        let text = json.as_str().ok_or("application/json is not a text")?;
        *json = serde_json::from_str(text).map_err(|_| "application/json is not JSON")?;
    }
    output.insert("data".into(), data.into());
    let metadata = object(output.entry("metadata").or_insert_with(|| json!({})))?;
    *metadata =
        std::mem::take(metadata).into_iter().map(|(name, value)| (mime(&name).into(), value)).collect();
    Ok(())
}

fn from_4_to_3(notebook: &mut Value) -> Outcome {
    let mut cells = std::mem::take(list(notebook, "cells")?);
    cells.iter_mut().try_for_each(cell_from_4_to_3)?;
    let notebook = object(notebook)?;
    notebook.remove("cells");
    notebook
        .extend([pair("nbformat_minor", 0), pair("worksheets", json!([{"cells": cells, "metadata": {}}]))]);
    let metadata = object(notebook.entry("metadata").or_insert_with(|| json!({})))?;
    metadata.entry("orig_nbformat").or_insert_with(|| 4.into());
    metadata.entry("orig_nbformat_minor").or_insert_with(|| 5.into());
    Ok(())
}

fn cell_from_4_to_3(cell: &mut Value) -> Outcome {
    let cell = object(cell)?;
    cell.remove("id");
    cell.remove("attachments");
    match kind(cell)? {
        "code" => {
            let collapsed = object(cell.get_mut("metadata").ok_or("no metadata")?)?.remove("collapsed");
            cell.extend([pair("language", "python"), pair("collapsed", collapsed.unwrap_or(false.into()))]);
            rename(cell, "source", "input", json!(""));
            rename(cell, "execution_count", "prompt_number", Value::Null);
            let outputs = cell.get_mut("outputs").and_then(Value::as_array_mut).ok_or("no outputs")?;
            outputs.iter_mut().try_for_each(output_from_4_to_3)?;
        }
        "markdown" => {
            let source = cell.get("source").and_then(Value::as_str).unwrap_or_default();
            if source.starts_with('#') && !source.contains('\n') {
                let line = source.trim_start_matches('#');
                let (level, line) = (source.len() - line.len(), line.trim_start().to_owned());
                cell.extend([pair("cell_type", "heading"), pair("level", level), pair("source", line)]);
            }
        }
        _ => {}
    }
    Ok(())
}

fn output_from_4_to_3(output: &mut Value) -> Outcome {
    let output = object(output)?;
    match output_type(output)? {
        "execute_result" => {
            output.extend([pair("output_type", "pyout")]);
            rename(output, "execution_count", "prompt_number", Value::Null);
            data_from_4_to_3(output)?;
        }
        "display_data" => data_from_4_to_3(output)?,
        "error" => output.extend([pair("output_type", "pyerr")]),
        "stream" => rename(output, "name", "stream", json!("stdout")),
        _ => {}
    }
    Ok(())
}

/// What version 3 has no name for is dropped.
fn data_from_4_to_3(output: &mut Map<String, Value>) -> Outcome {
    let Some(mut data) = output.remove("data") else { return Ok(()) };
    let data = object(&mut data)?;
    if let Some(json) = data.get_mut("application/json") {
        *json = json.to_string().into();
    }
    for (alias, mime) in MIMES {
        output.extend(data.remove(mime).map(|value| (alias.to_owned(), value)));
    }
    Ok(())
}

/// What version 3 calls the types of data that it knows.
pub(crate) const MIMES: [(&str, &str); 8] = [
    ("text", "text/plain"),
    ("html", "text/html"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("latex", "text/latex"),
    ("json", "application/json"),
    ("javascript", "application/javascript"),
];

fn mime(name: &str) -> &str {
    MIMES.into_iter().find(|(alias, _)| *alias == name).map_or(name, |(_, mime)| mime)
}

fn heading_level(cell: &mut Map<String, Value>) -> Outcome<usize> {
    let level = cell.remove("level").unwrap_or(1.into());
    usize::try_from(level.as_u64().ok_or("level is not a number")?).map_err(|_| "level is too large")
}

fn rename(members: &mut Map<String, Value>, from: &str, to: &str, or: Value) {
    let value = members.remove(from).unwrap_or(or);
    members.insert(to.into(), value);
}

fn pair(name: &str, value: impl Into<Value>) -> (String, Value) {
    (name.into(), value.into())
}

fn object(value: &mut Value) -> Outcome<&mut Map<String, Value>> {
    value.as_object_mut().ok_or("not an object")
}

fn list<'v>(value: &'v mut Value, name: &str) -> Outcome<&'v mut Vec<Value>> {
    value.get_mut(name).and_then(Value::as_array_mut).ok_or("no such list")
}

fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Outcome<&'m str> {
    members.get(name).and_then(Value::as_str).ok_or("no such text")
}

fn kind(cell: &Map<String, Value>) -> Outcome<&str> {
    text(cell, "cell_type")
}

fn output_type(output: &Map<String, Value>) -> Outcome<&str> {
    text(output, "output_type")
}
