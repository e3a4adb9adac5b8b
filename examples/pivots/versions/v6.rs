//! Pivot: fields change their type. Schema version 5.

use pivotdb::{Evolution, Op, To, Versioned};
use serde::{Deserialize, Serialize};

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
        v5::Package::evolution().step("edition is a number", Op::convert("edition", To::Integer))
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
        v5::Target::evolution().step("edition is a number", Op::convert("edition", To::Integer))
    }
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
        v5::Dependency::evolution().step("platform is a list", Op::wrap_list("platform"))
    }
}
