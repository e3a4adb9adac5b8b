//! Pivot: one field becomes two, by an op where there is one that cuts there, otherwise by a function in Rust. Schema version 3.

use pivotdb::{Evolution, Function, Op, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::versions::v3;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) spdx: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) authors: Vec<String>,
    pub(crate) repository: Option<String>,
    pub(crate) edition: String,
    #[serde(default)]
    pub(crate) reviewed: bool,
}

impl Versioned for Package {
    const KIND: &'static str = "package";

    fn evolution() -> Evolution {
        let split = Op::split("spec", "@", ["name", "version"]);
        v3::Package::evolution().step("spec is name and version", split)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) package: String,
    pub(crate) name: String,
    pub(crate) kinds: Vec<String>,
    pub(crate) directory: String,
    pub(crate) file: String,
    pub(crate) edition: String,
    pub(crate) test: bool,
    pub(crate) doc: bool,
    pub(crate) doctest: bool,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
}

impl Versioned for Target {
    const KIND: &'static str = "target";

    fn evolution() -> Evolution {
        v3::Target::evolution().step(
            "path is directory and file",
            Function::new("split path at the last /", |target: &mut Value, _| {
                let path = take(target, "path")?;
                let (directory, file) = path.rsplit_once('/').unwrap_or(("", &path));
                target["directory"] = directory.into();
                target["file"] = file.into();
                Ok::<(), &str>(())
            })
            .down(|target: &mut Value, _| {
                let (directory, file) = (take(target, "directory")?, take(target, "file")?);
                let path = if directory.is_empty() { file } else { format!("{directory}/{file}") };
                target["path"] = path.into();
                Ok::<(), &str>(())
            }),
        )
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) operator: String,
    pub(crate) version: String,
    pub(crate) kind: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) optional: bool,
    pub(crate) features: Vec<String>,
    pub(crate) uses_default_features: bool,
    #[serde(default)]
    pub(crate) note: Option<String>,
}

impl Versioned for Dependency {
    const KIND: &'static str = "dependency";

    fn evolution() -> Evolution {
        v3::Dependency::evolution().step(
            "requirement is operator and version",
            Function::new("split requirement before the first digit", |dependency: &mut Value, _| {
                let requirement = take(dependency, "requirement")?;
                let digit = requirement.find(|char: char| char.is_ascii_digit());
                let (operator, version) = requirement.split_at(digit.unwrap_or(requirement.len()));
                dependency["operator"] = operator.into();
                dependency["version"] = version.into();
                Ok::<(), &str>(())
            })
            .down(|dependency: &mut Value, _| {
                let (operator, version) = (take(dependency, "operator")?, take(dependency, "version")?);
                dependency["requirement"] = (operator + &version).into();
                Ok::<(), &str>(())
            }),
        )
    }
}

/// Takes a text out of a document.
fn take(document: &mut Value, field: &str) -> Result<String, &'static str> {
    match document.as_object_mut().and_then(|document| document.remove(field)) {
        Some(Value::String(text)) => Ok(text),
        _ => Err("a text is missing"),
    }
}
