//! The first program: three kinds, no steps, schema version 1.

use pivotdb::Versioned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Package {
    /// `serde@1.0.228`
    pub(crate) spec: String,
    pub(crate) license: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) authors: Vec<String>,
    pub(crate) repository: Option<String>,
    /// `"2021"`
    pub(crate) edition: String,
}

impl Versioned for Package {
    const KIND: &'static str = "package";
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) package: String,
    pub(crate) name: String,
    /// `["lib"]`
    pub(crate) kind: Vec<String>,
    /// `src/lib.rs`
    pub(crate) path: String,
    pub(crate) edition: String,
    pub(crate) test: bool,
    pub(crate) doc: bool,
    pub(crate) doctest: bool,
}

impl Versioned for Target {
    const KIND: &'static str = "target";
}

/// An edge: one package needs another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) from: String,
    pub(crate) to: String,
    /// `^1.0.220`
    pub(crate) req: String,
    /// `null`, `"dev"` or `"build"`
    pub(crate) kind: Option<String>,
    /// `"cfg(windows)"`
    pub(crate) platform: Option<String>,
    pub(crate) optional: bool,
    pub(crate) features: Vec<String>,
    pub(crate) uses_default_features: bool,
}

impl Versioned for Dependency {
    const KIND: &'static str = "dependency";
}
