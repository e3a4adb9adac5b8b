//! The user's trait.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::evolution::evolution::Evolution;

/// A type whose values are documents of a kind, and how that kind came to its present shape.
///
/// Plain serde types work everywhere a body is read or written; this trait is asked for where a collection is opened by
/// type. A compatible change, such as a new field with `#[serde(default)]`, needs no step.
///
/// ```
/// use pivotdb::{Evolution, Op, Versioned};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct User {
///     full_name: String,
///     #[serde(default)]
///     tags: Vec<String>, // a compatible change: no step
/// }
///
/// impl Versioned for User {
///     const KIND: &'static str = "user";
///
///     fn evolution() -> Evolution {
///         Evolution::new().step("name is the full name", [Op::rename("name", "full_name")])
///     }
/// }
/// ```
pub trait Versioned: Serialize + DeserializeOwned {
    /// The name of the kind. Stored with each document; changing it makes a new kind.
    const KIND: &'static str;

    /// How the kind came to its present shape. Without steps it is at schema version 1.
    #[must_use]
    fn evolution() -> Evolution {
        Evolution::new()
    }
}
