//! The user's trait.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::evolution::evolution::Evolution;
use crate::index::definition::Index;

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
    /// The name of the kind. Stored with each document; changing it makes a new kind, unless the former one is among its
    /// [`aliases`](Self::aliases).
    const KIND: &'static str;

    /// Names the kind has had before. Documents that were stored under them are documents of this kind; they keep the name until they are
    /// written. Programs that know the kind by one of these names find those that are stored under the new one, too.
    #[must_use]
    fn aliases() -> &'static [&'static str] {
        &[]
    }

    /// How the kind came to its present shape. Without steps it is at schema version 1.
    #[must_use]
    fn evolution() -> Evolution {
        Evolution::new()
    }

    /// The indexes of every collection that is opened with the type. They are declared when a collection is opened, which builds those that are new at once
    /// in a small collection, and in the background otherwise; see [`Collection::create_index`](crate::Collection::create_index). Where documents
    /// have the same value already, opening the collection succeeds all the same and a unique index fails: [`Store::warnings`](crate::Store::warnings) tells of
    /// it, [`Collection::indexes`](crate::Collection::indexes) gives its `duplicate_ids`, and [`rebuild_index`](crate::Collection::rebuild_index) builds it anew once these are changed. An index is called by its paths unless it is
    /// [`named`](Index::named): after a step that renames one of them, the name is what keeps it, and without one another index is built.
    #[must_use]
    fn indexes() -> Vec<Index> {
        Vec::new()
    }

    /// Which member identifies the elements of which list: pairs of the list's path and the member's name. A path passes through lists by
    /// itself: `("orders.lines", "sku")` speaks of the lines of every order.
    ///
    /// A write of a list that was changed looks for each element among the stored ones, so that members the type does not know stay
    /// with their element. With a key it finds elements that were edited, moved or both. Without one it finds those
    /// that were moved, and those that were edited where they stood; an element that was edited and moved at once is a new one. And an element that is put into
    /// the place of another, with as many before and after, counts as that one, edited: what the type does not know of the other stays with it. A list that is changed so
    /// needs a key.
    #[must_use]
    fn element_keys() -> &'static [(&'static str, &'static str)] {
        &[]
    }
}
