//! Evolutions of the real world, held against what others make of the same documents: Jupyter notebooks of versions 2, 3 and 4, up and down;
//! Open Contracting releases from 1.0 to 1.1; CycloneDX bills of material from 1.2 to 1.7.
//!
//! `cargo test --release --test corpora -- --nocapture` prints how many are equal. The documents are read from the folder that `PIVOTDB_CORPORA` names, or from
//! `../shared/corpora`, and are in no copy here; where they are not, a line says so.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on says where")]

mod cyclonedx;
mod digest;
mod invalid;
mod nbformat;
mod notebooks;
mod ocds;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use pivotdb::{Collection, Error, Evolution, Store};
use serde_json::Value;

/// The folder of a corpus; says so where there is none.
fn corpus(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let folder = std::env::var_os("PIVOTDB_CORPORA").map_or_else(beside, PathBuf::from).join(name);
    if !folder.is_dir() {
        say(&format!("skipped: no corpora of {name}"));
        return None;
    }
    Some(folder)
}

fn say(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// A program with these steps, on a store of its own.
fn program(kind: &str, evolution: &Evolution) -> Collection<Value> {
    Store::memory().unwrap().collection_with(kind, kind, evolution).unwrap()
}

/// What a program at schema version `to` reads of a document that one at `from` has written.
fn carry(program: &Collection<Value>, from: u32, to: u32, document: &Value) -> Result<Value, Error> {
    let id = program.view::<Value>(from).unwrap().insert(document).unwrap();
    Ok(program.view::<Value>(to).unwrap().require(id)?.into_value())
}

/// The first path at which two values differ.
fn difference(found: &Value, expected: &Value) -> Option<String> {
    if found == expected {
        return None;
    }
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let names = found.keys().chain(expected.keys());
            let mut inner = names.filter_map(|name| match (found.get(name), expected.get(name)) {
                (Some(found), Some(expected)) => {
                    difference(found, expected).map(|inner| format!("/{name}{inner}"))
                }
                (found, expected) => Some(format!("/{name}: {found:?} instead of {expected:?}")),
            });
            inner.next()
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            let mut inner =
                found.iter().zip(expected).enumerate().filter_map(|(index, (found, expected))| {
                    difference(found, expected).map(|inner| format!("/{index}{inner}"))
                });
            inner.next()
        }
        _ => Some(format!(": {found} instead of {expected}")),
    }
}
