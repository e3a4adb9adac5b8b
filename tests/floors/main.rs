//! The floors of `src`: which module may import which, as a map, and the test that holds the code to it.
//!
//! Read `MAP` from the top down: a module imports only from lines below its own. The rules, in full:
//!
//! 1. no import from a higher floor, nor from the facade `lib.rs`;
//! 2. no import between modules on one line;
//! 3. no cycle between files, also where the map leaves the order inside a room open;
//! 4. no import through a re-export, only from the module that defines the thing;
//! 5. every room has its place on the map, and so has every module of a room that declares an inner order;
//! 6. a dependency that the map confines is named only in the modules it is confined to;
//! 7. `mod.rs` declares modules and `lib.rs` re-exports by name; neither holds anything else;
//! 8. nothing hides from this test: no `#[path]`, no `include!`, no file that no `mod` declares.
//!
//! An import is a `use`, at any depth, or a path written out in code, in an attribute or in the body of a macro.
//! Unit tests keep the same rules. What a program in `src/bin` does is its own affair: it sees the crate from outside.

mod check;
#[cfg(test)]
mod fixtures;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use check::{Map, Rule, check};

/// The house. Inside a room the map names only what is there.
const MAP: Map = Map {
    order: &[
        (
            "",
            &[
                "testing",           // F9
                "maintenance",       // F8
                "store",             // F7
                "query",             // F6
                "index",             // F5
                "record",            // F4
                "catalog",           // F3
                "stored",            // F2b
                "evolution storage", // F2
                "filter",            // F1b
                "encoding",          // F1a
                "value",             // F1
                "error",             // F0
                "model",             // F0
                "documentation",     // text only
            ],
        ),
        ("storage", &["commit disk", "memory redb sled", "directory", "backend watermark", "bytes"]),
        ("encoding", &["key merge text", "body envelope"]),
    ],
    confined: &[
        ("bincode", &["encoding::envelope"]),
        ("json_event_parser", &["encoding::body::json_text", "encoding::text"]),
        ("redb", &["storage::redb"]),
        ("sled", &["storage::bytes", "storage::sled"]),
    ],
};

fn sources() -> std::io::Result<BTreeMap<String, String>> {
    let mut sources = BTreeMap::new();
    source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut sources)?;
    Ok(sources)
}

#[test]
fn src_keeps_its_floors() -> std::io::Result<()> {
    let sources = sources()?;
    let report = check(&MAP, &sources);
    let breaches: Vec<String> = report.breaches.iter().map(ToString::to_string).collect();
    assert!(
        breaches.is_empty(),
        "{} breaches; the rules and the map are in tests/floors/main.rs\n{}",
        breaches.len(),
        breaches.join("\n")
    );
    println!("floors: {} files, {} imports inside the crate, 0 breaches", report.files, report.imports);
    assert!(report.imports > report.files / 2, "most imports were not seen");
    Ok(())
}

/// The negative control on the real tree: an upward import planted in every file is found in every file.
#[test]
fn an_upward_import_planted_in_any_file_is_found() -> std::io::Result<()> {
    let mut sources = sources()?;
    sources.insert("testing.rs".into(), "pub(crate) struct Planted;".into());
    if let Some(root) = sources.get_mut("lib.rs") {
        root.push_str("\nmod testing;\n");
    }
    let mut planted = 0;
    for (file, text) in &mut sources {
        if !file.starts_with("testing") && !file.starts_with("bin/") && file != "lib.rs" {
            text.push_str("\nuse crate::{testing::{Planted as _}};\n");
            planted += 1;
        }
    }
    let report = check(&MAP, &sources);
    let found = report.breaches.iter().filter(|breach| breach.rule == Rule::Upward).count();
    println!("floors: {planted} upward imports planted, {found} found");
    assert_eq!(found, planted);
    assert!(planted > 5);
    Ok(())
}
