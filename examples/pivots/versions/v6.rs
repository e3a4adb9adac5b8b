//! Pivot: fields change their type, by functions in Rust. Schema version 5.

use pivotdb::{Evolution, Function, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::versions::v5;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) spdx: Option<String>,
    pub(crate) about: v5::About,
    /// `2021`
    pub(crate) edition: u16,
    #[serde(default)]
    pub(crate) reviewed: bool,
    #[serde(default)]
    pub(crate) stars: u32,
}

impl Versioned for Package {
    const KIND: &'static str = "package";

    fn evolution() -> Evolution {
        v5::Package::evolution().step("edition is a number", edition_is_a_number())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) package: String,
    pub(crate) name: String,
    pub(crate) kinds: Vec<String>,
    pub(crate) directory: String,
    pub(crate) file: String,
    pub(crate) edition: u16,
    pub(crate) checks: v5::Checks,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) stars: u32,
}

impl Versioned for Target {
    const KIND: &'static str = "target";

    fn evolution() -> Evolution {
        v5::Target::evolution().step("edition is a number", edition_is_a_number())
    }
}

/// The same function serves two kinds.
fn edition_is_a_number() -> Function {
    Function::new("parse edition", |document: &mut Value, _| {
        let edition = document["edition"].as_str().ok_or("edition is no text")?;
        document["edition"] = edition.parse::<u16>().map_err(|_| "edition is no number")?.into();
        Ok::<(), &str>(())
    })
    .down(|document: &mut Value, _| {
        let edition = document["edition"].as_u64().ok_or("edition is no number")?;
        document["edition"] = edition.to_string().into();
        Ok::<(), &str>(())
    })
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) operator: String,
    pub(crate) version: String,
    pub(crate) kind: Option<String>,
    /// None, or one, or several.
    pub(crate) platform: Vec<String>,
    pub(crate) activation: v5::Activation,
    #[serde(default)]
    pub(crate) note: Option<String>,
    #[serde(default)]
    pub(crate) stars: u32,
}

impl Versioned for Dependency {
    const KIND: &'static str = "dependency";

    fn evolution() -> Evolution {
        v5::Dependency::evolution().step(
            "platform is a list",
            Function::new("null or text to list", |dependency: &mut Value, _| {
                let platform = dependency["platform"].take();
                dependency["platform"] = platform.is_string().then_some(platform).into_iter().collect();
            })
            .down(|dependency: &mut Value, _| {
                // The former shape has room for one.
                dependency["platform"] = dependency["platform"].get(0).cloned().unwrap_or_default();
            }),
        )
    }
}
