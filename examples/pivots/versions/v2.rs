//! Pivot: fields are added. Old documents do without them, so there is no step; the schema version is still 1.

use pivotdb::Versioned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) spec: String,
    pub(crate) license: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) authors: Vec<String>,
    pub(crate) repository: Option<String>,
    pub(crate) edition: String,
    #[serde(default)]
    pub(crate) reviewed: bool,
}

impl Versioned for Package {
    const KIND: &'static str = "package";
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) package: String,
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
    pub(crate) path: String,
    pub(crate) edition: String,
    pub(crate) test: bool,
    pub(crate) doc: bool,
    pub(crate) doctest: bool,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
}

impl Versioned for Target {
    const KIND: &'static str = "target";
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) req: String,
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
}
