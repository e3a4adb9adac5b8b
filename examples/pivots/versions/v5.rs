//! Pivot: fields move into an object of their own. Schema version 4. And, without a step, everything can have stars.

use pivotdb::{Evolution, Op, Versioned};
use serde::{Deserialize, Serialize};

use crate::versions::v4;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) spdx: Option<String>,
    pub(crate) about: About,
    pub(crate) edition: String,
    #[serde(default)]
    pub(crate) reviewed: bool,
    #[serde(default)]
    pub(crate) stars: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) description: Option<String>,
    pub(crate) authors: Vec<String>,
    pub(crate) repository: Option<String>,
}

impl Versioned for Package {
    const KIND: &'static str = "package";

    fn evolution() -> Evolution {
        v4::Package::evolution().step(
            "what is about a package is in about",
            [
                Op::move_field("description", "about.description"),
                Op::move_field("authors", "about.authors"),
                Op::move_field("repository", "about.repository"),
            ],
        )
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
    pub(crate) checks: Checks,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) stars: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checks {
    pub(crate) test: bool,
    pub(crate) doc: bool,
    pub(crate) doctest: bool,
}

impl Versioned for Target {
    const KIND: &'static str = "target";

    fn evolution() -> Evolution {
        v4::Target::evolution().step(
            "what is checked is in checks",
            [
                Op::move_field("test", "checks.test"),
                Op::move_field("doc", "checks.doc"),
                Op::move_field("doctest", "checks.doctest"),
            ],
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
    pub(crate) activation: Activation,
    #[serde(default)]
    pub(crate) note: Option<String>,
    #[serde(default)]
    pub(crate) stars: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Activation {
    pub(crate) optional: bool,
    pub(crate) features: Vec<String>,
    pub(crate) defaults: bool,
}

impl Versioned for Dependency {
    const KIND: &'static str = "dependency";

    fn evolution() -> Evolution {
        v4::Dependency::evolution().step(
            "what is activated is in activation",
            [
                Op::move_field("optional", "activation.optional"),
                Op::move_field("features", "activation.features"),
                Op::move_field("uses_default_features", "activation.defaults"),
            ],
        )
    }
}
