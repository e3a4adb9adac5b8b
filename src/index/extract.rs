//! The entries of a document. Pure.

use crate::encoding::body::raw::Raw;
use crate::encoding::key::index::{cut, reservation_of};
use crate::encoding::key::value;
use crate::error::error::Error;
use crate::filter::route::Route;
use crate::filter::walk;
use crate::index::definition::Definition;
use crate::index::error::IndexError;
use crate::index::flags::Flags;

/// The most entries one document may have in one index.
pub(crate) const MAX_ENTRIES: usize = 1_000;

/// What an index has of one document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Extracted {
    /// In order, none twice.
    pub(crate) parts: Vec<Part>,
    /// What the document says of the index as a whole.
    pub(crate) flags: Flags,
    /// Whether nothing at all was found at some path.
    pub(crate) missing: bool,
}

/// One entry, without generation and id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    /// Cut already.
    pub(crate) values: Vec<u8>,
    /// What of the reservation's key is its own; empty where the index is not unique.
    pub(crate) reservation: Vec<u8>,
}

/// What a component has found.
struct Found {
    keys: Vec<Vec<u8>>,
    lists: bool,
    /// Whether something is missing,
    missing: bool,
    /// or everything is.
    absent: bool,
}

/// The entries of `body`, whose shape has the components of `definition` at `routes`.
///
/// # Errors
/// `NotIndexable`; `Corrupt` when the body is malformed.
pub(crate) fn extract(definition: &Definition, routes: &[Route], body: Raw<'_>) -> Result<Extracted, Error> {
    if let Some(partial) = &definition.partial
        && !partial.condition.matches(body)?
    {
        return Ok(Extracted::default());
    }
    let mut found = Vec::with_capacity(routes.len());
    for route in routes {
        found.push(find(route, body)?);
    }
    let mut extracted =
        Extracted { missing: found.iter().any(|found| found.missing), ..Extracted::default() };
    check_lists(routes, &found)?;
    for (position, _) in found.iter().enumerate().filter(|(_, found)| found.lists) {
        extracted.flags.insert(Flags::list(position));
    }
    if definition.sparse && found.iter().all(|found| found.absent) {
        return Ok(extracted);
    }
    let combinations = found.iter().map(|found| found.keys.len()).try_fold(1_usize, usize::checked_mul);
    if combinations.is_none_or(|combinations| combinations > MAX_ENTRIES) {
        return Err(IndexError::TooManyEntries { limit: MAX_ENTRIES }.into());
    }
    let mut wholes: Vec<(Vec<u8>, Vec<u8>)> = vec![Default::default()];
    for (component, found) in definition.components.iter().zip(&found) {
        wholes = wholes
            .iter()
            .flat_map(|(values, reserved)| {
                found.keys.iter().map(|key| {
                    let mut values = values.clone();
                    match component.descending {
                        false => values.extend_from_slice(key),
                        true => values.extend(key.iter().map(|byte| !byte)),
                    }
                    let mut reserved = reserved.clone();
                    if definition.unique {
                        reserved.extend_from_slice(if value::is_missing(key) {
                            value::NULL_KEY
                        } else {
                            key
                        });
                    }
                    (values, reserved)
                })
            })
            .collect();
    }
    for (values, reserved) in wholes {
        let (kept, is_cut) = cut(&values);
        if is_cut {
            extracted.flags.insert(Flags::CUT);
        }
        let reservation = if definition.unique { reservation_of(&reserved) } else { Vec::new() };
        extracted.parts.push(Part { values: kept.to_vec(), reservation });
    }
    extracted.parts.sort_unstable();
    extracted.parts.dedup();
    Ok(extracted)
}

fn find(route: &Route, body: Raw<'_>) -> Result<Found, Error> {
    let mut found = Found { keys: Vec::new(), lists: false, missing: false, absent: true };
    let mut failed = None;
    found.lists = walk::keys(body, route, &mut |value: Option<Raw<'_>>| {
        let mut key = Vec::new();
        match value {
            Some(value) => {
                found.absent = false;
                value::write(value, &mut key)?;
            }
            None => {
                found.missing = true;
                value::write_missing(&mut key);
            }
        }
        if found.keys.len() > MAX_ENTRIES {
            // Twice the same is one, so that a few more may do.
            found.keys.sort_unstable();
            found.keys.dedup();
            if found.keys.len() > MAX_ENTRIES {
                failed = Some(IndexError::TooManyEntries { limit: MAX_ENTRIES });
                return Ok(());
            }
        }
        found.keys.push(key);
        Ok(())
    })?;
    if let Some(failed) = failed {
        return Err(failed.into());
    }
    found.keys.sort_unstable();
    found.keys.dedup();
    Ok(found)
}

/// Lists at several paths would have as many entries as their lengths multiply to, unless they are one list.
fn check_lists(routes: &[Route], found: &[Found]) -> Result<(), Error> {
    let mut with_lists = routes.iter().zip(found).filter(|(_, found)| found.lists).map(|(route, _)| route);
    let Some(first) = with_lists.next() else { return Ok(()) };
    match with_lists.find(|other| other.path().names().next() != first.path().names().next()) {
        None => Ok(()),
        Some(other) => {
            let (path, other) = (first.path().clone(), other.path().clone());
            Err(IndexError::SeveralLists { path, other }.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::encoding::body::limits::Limits;
    use crate::encoding::body::node::Node;
    use crate::error::kind::ErrorKind;
    use crate::index::definition::Index;

    fn body(value: &Value) -> Vec<u8> {
        Node::from_value(value.clone()).unwrap().to_bytes(Limits::default()).unwrap()
    }

    fn routes(index: &Index) -> Vec<Route> {
        index.definition.paths().into_iter().map(Route::new).collect()
    }

    fn extracted(index: &Index, document: &Value) -> Result<Extracted, Error> {
        extract(&index.definition, &routes(index), Raw::new(&body(document)).unwrap())
    }

    fn values(index: &Index, document: &Value) -> Vec<Vec<u8>> {
        extracted(index, document).unwrap().parts.into_iter().map(|part| part.values).collect()
    }

    /// The keys of components, one after the other; `None`: missing.
    fn keys(of: &[Option<Value>]) -> Vec<u8> {
        let mut key = Vec::new();
        for value in of {
            match value {
                Some(value) => value::write(Raw::new(&body(value)).unwrap(), &mut key).unwrap(),
                None => value::write_missing(&mut key),
            }
        }
        key
    }

    fn key(value: Value) -> Vec<u8> {
        keys(&[Some(value)])
    }

    #[test]
    fn one_entry_for_each_value() {
        let on = Index::on("a");
        assert_eq!(values(&on, &json!({"a": 1})), [key(json!(1))]);
        assert_eq!(values(&on, &json!({"a": null})), [key(json!(null))]);
        assert_eq!(values(&on, &json!({})), [keys(&[None])]);
        assert_eq!(values(&on, &json!({"a": []})), [keys(&[None])]);
        assert_eq!(
            values(&on, &json!({"a": [2, 1, 2.0, [3]]})),
            [key(json!(1)), key(json!(2)), key(json!([3]))]
        );
        let nested = Index::on("a.b");
        let document = json!({"a": [{"b": [1, 2]}, {"b": 3}, {}]});
        assert_eq!(values(&nested, &document), [keys(&[None]), key(json!(1)), key(json!(2)), key(json!(3))]);
        assert!(extracted(&nested, &document).unwrap().flags.contains(Flags::list(0)));
        assert!(!extracted(&on, &json!({"a": 1})).unwrap().flags.contains(Flags::list(0)));
    }

    #[test]
    fn compound_ones_have_all_combinations_of_one_list() {
        let index = Index::on("a").and("b");
        let found = values(&index, &json!({"a": [1, 2], "b": 3}));
        assert_eq!(found, [keys(&[Some(json!(1)), Some(json!(3))]), keys(&[Some(json!(2)), Some(json!(3))])]);
        let error = extracted(&index, &json!({"a": [1], "b": [2]})).unwrap_err();
        assert_eq!((error.kind(), error.context().path()), (ErrorKind::NotIndexable, Some("a")));
        let shared = Index::on("a.b").and("a.c");
        assert_eq!(values(&shared, &json!({"a": [{"b": 1, "c": 2}, {"b": 3, "c": 4}]})).len(), 4);
    }

    #[test]
    fn sparse_ones_leave_out_what_has_nothing_at_all() {
        let index = Index::on("a").and("b").sparse();
        assert!(values(&index, &json!({"c": 1})).is_empty());
        assert_eq!(values(&index, &json!({"a": null})).len(), 1);
        assert_eq!(values(&index, &json!({"b": 1})).len(), 1);
        assert!(extracted(&index, &json!({"c": 1})).unwrap().missing);
    }

    #[test]
    fn to_a_unique_one_missing_is_null() {
        let index = Index::unique("a");
        let reserved = |document| extracted(&index, &document).unwrap().parts.remove(0).reservation;
        assert_eq!(reserved(json!({})), reserved(json!({"a": null})));
        assert_ne!(reserved(json!({"a": "x".repeat(2000)})), reserved(json!({"a": "x".repeat(2001)})));
        assert_eq!(reserved(json!({"a": 1})), reserved(json!({"a": 1.0})));
    }

    #[test]
    fn too_many_entries_are_refused() {
        let list = |n| json!({"a": (0..n).collect::<Vec<_>>()});
        assert_eq!(values(&Index::on("a"), &list(1000)).len(), 1000);
        let error = extracted(&Index::on("a"), &list(1001)).unwrap_err();
        assert_eq!((error.kind(), error.context().detail("limit")), (ErrorKind::NotIndexable, Some("1000")));
        assert_eq!(values(&Index::on("a"), &json!({"a": vec![1; 5000]})).len(), 1);
    }

    #[test]
    fn long_values_are_cut() {
        let text = "x".repeat(3000);
        let found = extracted(&Index::on("a"), &json!({"a": text})).unwrap();
        assert_eq!(found.parts[0].values.len(), 1024);
        assert!(found.flags.contains(Flags::CUT));
    }

    proptest! {
        /// Entries sort as their components do, each in its direction.
        #[test]
        fn directions_are_kept(a: (i64, String), b: (i64, String), directions: (bool, bool)) {
            let index = match directions {
                (false, false) => Index::on("n").and("t"),
                (false, true) => Index::on("n").and_descending("t"),
                (true, false) => Index::descending("n").and("t"),
                (true, true) => Index::descending("n").and_descending("t"),
            };
            let of = |(n, t): &(i64, String)| values(&index, &json!({"n": n % 3, "t": t})).remove(0);
            let turned = |order: std::cmp::Ordering, descending| if descending { order.reverse() } else { order };
            let expected = turned((a.0 % 3).cmp(&(b.0 % 3)), directions.0)
                .then(turned(a.1.as_bytes().cmp(b.1.as_bytes()), directions.1));
            prop_assert_eq!(of(&a).cmp(&of(&b)), expected);
        }
    }
}
