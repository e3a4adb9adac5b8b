//! Reading the vectors.

use std::path::PathBuf;

use serde_json::Value;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Match,
    Ordering,
    Projection,
}

pub(crate) struct Vector {
    pub(crate) kind: Kind,
    pub(crate) value: Value,
}

/// The vectors of the kinds above; `None` where there are no corpora.
pub(crate) fn vectors() -> Option<Vec<Vector>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let corpora = std::env::var_os("PIVOTDB_CORPORA").map_or_else(beside, PathBuf::from);
    let text = std::fs::read_to_string(corpora.join("filters/vectors.ndjson")).ok()?;
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).expect("a vector is JSON");
        let kind = match value["kind"].as_str()? {
            "match" => Kind::Match,
            "ordering" => Kind::Ordering,
            "projection" => Kind::Projection,
            _ => return None,
        };
        Some(Vector { kind, value })
    };
    Some(text.lines().filter_map(read).collect())
}
