//! Documents that somebody else has made: what browsers can do, from MDN's compatibility data.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use pivotdb::Versioned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What one feature of the web is, and which browsers have it. The file has one object for each, under `__compat`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// The names of the objects on the way to it.
    pub path: String,
    /// Ours, in no order of theirs: something to sort by.
    pub number: u64,
    pub source_file: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mdn_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_url: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// By browser; a statement, or a list of them.
    pub support: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub deprecated: bool,
    pub experimental: bool,
    pub standard_track: bool,
}

impl Versioned for Feature {
    const KIND: &'static str = "feature";
}

/// Where shared corpora are: in the folder that `PIVOTDB_CORPORA` names, or beside the checkout.
fn corpora() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    std::env::var_os("PIVOTDB_CORPORA").map_or_else(beside, PathBuf::from)
}

/// All features of the newest release there is; `None`, and a line that says so, where there is none.
pub fn features() -> Option<Vec<Feature>> {
    let Some(archive) = newest(&corpora().join("perf")) else {
        println!("skipped: no corpora");
        return None;
    };
    let data = data(&archive).expect("the archive can be read");
    let mut features = Vec::new();
    for (name, value) in &data {
        if name != "browsers" && !name.starts_with("__") {
            collect(name, value, &mut features);
        }
    }
    Some(features)
}

fn newest(folder: &Path) -> Option<PathBuf> {
    let files = folder.read_dir().ok()?.flatten().map(|entry| entry.path());
    let named = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("mdn-browser-compat-data-") && name.ends_with(".tgz")
    };
    files.filter(named).max()
}

fn data(archive: &Path) -> io::Result<Map<String, Value>> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(archive)?));
    for entry in archive.entries()? {
        let entry = entry?;
        if entry.path()?.ends_with("data.json") {
            return Ok(serde_json::from_reader(io::BufReader::new(entry))?);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn collect(path: &str, value: &Value, features: &mut Vec<Feature>) {
    let Value::Object(members) = value else { return };
    if let Some(Value::Object(compat)) = members.get("__compat") {
        let mut compat = compat.clone();
        let number = (features.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        compat.insert("path".to_owned(), path.into());
        compat.insert("number".to_owned(), number.into());
        features.push(serde_json::from_value(Value::Object(compat)).expect("it is a feature"));
    }
    for (name, value) in members {
        if name != "__compat" {
            collect(&format!("{path}.{name}"), value, features);
        }
    }
}
