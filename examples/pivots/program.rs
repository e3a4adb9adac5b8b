//! What the pivots have to know about a program: its types, and an edit it makes.

use std::fmt::Debug;

use pivotdb::Versioned;
use serde::de::DeserializeOwned;

use crate::versions::{v1, v2, v3, v4, v5, v6};

/// What can be read, compared and shown.
pub(crate) trait Readable: DeserializeOwned + PartialEq + Debug {}

impl<T: DeserializeOwned + PartialEq + Debug> Readable for T {}

/// A document type of a program.
pub(crate) trait Shape: Versioned + Readable {}

impl<T: Versioned + Readable> Shape for T {}

/// One version of the program.
pub(crate) trait Program {
    /// Its number; `edit` in `eager.rs` goes by it.
    const NUMBER: usize;
    /// The schema version it writes.
    const SCHEMA_VERSION: u32;

    type Package: Shape;
    type Target: Shape;
    type Dependency: Shape;

    /// A typed update, as a program of this version may make it.
    fn edit_package(package: &mut Self::Package);
    fn edit_target(target: &mut Self::Target);
    fn edit_dependency(dependency: &mut Self::Dependency);
}

macro_rules! program {
    (
        $(#[$doc:meta])* $name:ident, $number:literal, $schema_version:literal, $module:ident,
        |$package:ident, $target:ident, $dependency:ident| $edit_package:expr, $edit_target:expr, $edit_dependency:expr
    ) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl Program for $name {
            const NUMBER: usize = $number;
            const SCHEMA_VERSION: u32 = $schema_version;

            type Package = $module::Package;
            type Target = $module::Target;
            type Dependency = $module::Dependency;

            fn edit_package($package: &mut $module::Package) {
                $edit_package;
            }

            fn edit_target($target: &mut $module::Target) {
                $edit_target;
            }

            fn edit_dependency($dependency: &mut $module::Dependency) {
                $edit_dependency;
            }
        }
    };
}

program!(
    First,
    1,
    1,
    v1,
    |package, target, dependency| package.license = Some("MIT".into()),
    target.test = false,
    dependency.optional = true
);
program!(
    Added,
    2,
    1,
    v2,
    |package, target, dependency| package.reviewed = true,
    target.tags.push("seen".into()),
    dependency.note = Some("checked".into())
);
program!(
    Renamed,
    3,
    2,
    v3,
    |package, target, dependency| package.spdx = Some("Apache-2.0".into()),
    target.kinds.push("example".into()),
    dependency.requirement = "=0.0.1".into()
);
program!(
    Split,
    4,
    3,
    v4,
    |package, target, dependency| package.version.push_str("-edited"),
    target.directory = "elsewhere".into(),
    dependency.operator = "~".into()
);
program!(
    Moved,
    5,
    4,
    v5,
    |package, target, dependency| {
        package.about.authors.push("Ada".into());
        package.stars = 5;
    },
    {
        target.checks.doc = false;
        target.stars = 4;
    },
    {
        dependency.activation.defaults = false;
        dependency.stars = 3;
    }
);
program!(
    Retyped,
    6,
    5,
    v6,
    |package, target, dependency| package.edition = 2027,
    target.edition = 2027,
    dependency.platform.extend(["cfg(unix)".into(), "cfg(windows)".into()])
);
