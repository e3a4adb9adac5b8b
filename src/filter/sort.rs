//! Sort keys of documents, as bytes that sort as the documents do.

use crate::encoding::body::error::BodyError;
use crate::encoding::body::raw::{Kind, Raw};
use crate::encoding::key::value;
use crate::filter::error::{Flaw, InvalidFilter};
use crate::filter::route::{Route, Step};
use crate::filter::walk::{self, Names};

/// What to sort by: paths, the first counting most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SortKeys(Vec<SortKey>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortKey {
    pub(crate) route: Route,
    pub(crate) descending: bool,
}

impl SortKeys {
    /// The most paths to sort by.
    pub(crate) const MAX: usize = 32;

    pub(crate) fn push(&mut self, key: SortKey) -> Result<(), InvalidFilter> {
        let twice = self.0.iter().any(|known| known.route == key.route);
        if twice || self.0.len() >= Self::MAX {
            return Err(InvalidFilter::new(Flaw::Sort { limit: Self::MAX }).at_path(key.route.path()));
        }
        self.0.push(key);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &SortKey> {
        self.0.iter()
    }

    /// Appends the bytes by which `root` is sorted: the [keys](crate::encoding::key::value) of its values, one after the other, those of
    /// descending paths inverted.
    ///
    /// A list counts with its least element, with its greatest where the path is descending, and an empty one as what is missing. Where paths go
    /// through the same list, they count with values of the same element.
    pub(crate) fn write(&self, root: Raw<'_>, out: &mut Vec<u8>) -> Result<(), BodyError> {
        if let [only] = self.0.as_slice() {
            out.append(&mut alone(root, only, only.route.steps())?);
            return Ok(());
        }
        let keys: Vec<_> = self.0.iter().map(|key| Part { key, steps: key.route.steps() }).collect();
        for bytes in together(root, &keys)? {
            out.extend_from_slice(&bytes);
        }
        Ok(())
    }
}

/// A key, and what is left of its path.
#[derive(Clone, Copy)]
struct Part<'k> {
    key: &'k SortKey,
    steps: &'k [Step],
}

/// The bytes of each key, from `root`, at which all of them are.
fn together(root: Raw<'_>, parts: &[Part<'_>]) -> Result<Vec<Vec<u8>>, BodyError> {
    let mut found: Vec<Option<Vec<u8>>> = vec![None; parts.len()];
    let lists = parts.iter().map(|part| list_on(root, part.steps)).collect::<Result<Vec<_>, _>>()?;
    for (at, part) in parts.iter().enumerate() {
        if found.get(at).is_some_and(Option::is_some) {
            continue;
        }
        let mates = match lists.get(at) {
            Some(Some((list, depth))) => {
                let shared = |other: &usize| {
                    let same_way = |other: &Part<'_>| other.steps.get(..*depth) == part.steps.get(..*depth);
                    matches!(lists.get(*other), Some(Some((_, other))) if other == depth)
                        && parts.get(*other).is_some_and(same_way)
                };
                let mates: Vec<_> = (at..parts.len()).filter(shared).collect();
                (mates.len() > 1).then_some((*list, *depth, mates))
            }
            _ => None,
        };
        let Some((list, depth, mates)) = mates else {
            let bytes = alone(root, part.key, part.steps)?;
            found.iter_mut().skip(at).take(1).for_each(|slot| *slot = Some(bytes.clone()));
            continue;
        };
        let rest: Vec<_> = mates
            .iter()
            .filter_map(|mate| parts.get(*mate))
            .map(|mate| Part { key: mate.key, steps: mate.steps.get(depth..).unwrap_or_default() })
            .collect();
        for (mate, bytes) in mates.iter().zip(of_elements(list, &rest)?) {
            found.iter_mut().skip(*mate).take(1).for_each(|slot| *slot = Some(bytes.clone()));
        }
    }
    Ok(found.into_iter().flatten().collect())
}

/// The bytes of keys that are in the same list: those of the element that sorts first.
fn of_elements(list: Raw<'_>, parts: &[Part<'_>]) -> Result<Vec<Vec<u8>>, BodyError> {
    let mut best: Option<Vec<Vec<u8>>> = None;
    for element in list.elements() {
        let element = element?;
        if element.kind() != Kind::Object && parts.iter().all(|part| !part.steps.is_empty()) {
            continue;
        }
        let bytes = together(element, parts)?;
        if best.as_ref().is_none_or(|best| bytes < *best) {
            best = Some(bytes);
        }
    }
    Ok(best.unwrap_or_else(|| {
        parts.iter().map(|part| encode(None, part.key.descending)).map(Result::unwrap_or_default).collect()
    }))
}

/// The bytes of one key.
fn alone(root: Raw<'_>, key: &SortKey, steps: &[Step]) -> Result<Vec<u8>, BodyError> {
    let mut best: Option<Vec<u8>> = None;
    walk::keys_along(root, steps, Names::Never, &mut |value| {
        let bytes = encode(value, key.descending)?;
        if best.as_ref().is_none_or(|best| bytes < *best) {
            best = Some(bytes);
        }
        Ok(())
    })?;
    Ok(best.unwrap_or_default())
}

/// The first list that the steps meet, and how many of them lead there; `None` where there is none, or where they name its elements by position.
fn list_on<'t>(root: Raw<'t>, steps: &[Step]) -> Result<Option<(Raw<'t>, usize)>, BodyError> {
    let mut value = root;
    for (taken, step) in steps.iter().enumerate() {
        if value.kind() == Kind::Array {
            return Ok((taken > 0 && step.index.is_none()).then_some((value, taken)));
        }
        match value.get(&step.name)? {
            Some(member) => value = member,
            None => return Ok(None),
        }
    }
    Ok((!steps.is_empty() && value.kind() == Kind::Array).then_some((value, steps.len())))
}

fn encode(value: Option<Raw<'_>>, descending: bool) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::with_capacity(16);
    match value {
        Some(value) => value::write(value, &mut bytes)?,
        None => value::write_missing(&mut bytes),
    }
    if descending {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::filter::testing::{body, documents, paths};
    use crate::value::path::Path;

    fn keys(paths: &[(&str, bool)]) -> SortKeys {
        let mut keys = SortKeys::default();
        for (path, descending) in paths {
            let key = SortKey { route: Route::new(Path::new(path).unwrap()), descending: *descending };
            keys.push(key).unwrap();
        }
        keys
    }

    fn bytes(keys: &SortKeys, document: &Value) -> Vec<u8> {
        let (body, mut out) = (body(document), Vec::new());
        keys.write(Raw::new(&body).unwrap(), &mut out).unwrap();
        out
    }

    fn sorted(by: &[(&str, bool)], documents: &[Value]) -> bool {
        let keys = keys(by);
        documents.windows(2).all(|pair| bytes(&keys, &pair[0]) < bytes(&keys, &pair[1]))
    }

    #[test]
    fn lists_count_with_one_element() {
        assert!(sorted(&[("a", false)], &[json!({"a": [3, 1]}), json!({"a": 2}), json!({"a": [2.5, 9]})]));
        assert!(sorted(&[("a", true)], &[json!({"a": [9, 1]}), json!({"a": 2}), json!({"a": [1]})]));
        let all = [
            json!({"a": []}),
            json!({"a": null}),
            json!({"a": 1}),
            json!({"a": "x"}),
            json!({"a": {}}),
            json!({"a": [[]]}),
            json!({"a": false}),
        ];
        assert!(sorted(&[("a", false)], &all));
    }

    #[test]
    fn paths_through_one_list_count_with_one_element() {
        let (one, other) =
            (json!({"a": [{"x": 0, "y": 4}]}), json!({"a": [{"x": 0, "y": 5}, {"x": 1, "y": 3}]}));
        assert!(sorted(&[("a.x", false), ("a.y", false)], &[one.clone(), other.clone()]));
        assert!(sorted(&[("a.y", false), ("a.x", false)], &[other, one]));
    }

    #[test]
    fn a_path_counts_once() {
        let mut keys = keys(&[("a", false)]);
        let again = SortKey { route: Route::new(Path::new("/a").unwrap()), descending: true };
        assert!(keys.push(again).is_err());
    }

    proptest! {
        /// With one path, and for what is in no list with several, the order is that of each path for itself.
        #[test]
        fn without_shared_lists_each_path_counts_for_itself(document in documents(), one in paths(), other in paths(), descending in any::<bool>()) {
            let (by_one, by_other) = (keys(&[(&one, false)]), keys(&[(&other, descending)]));
            prop_assume!(one.as_bytes()[0] != other.as_bytes()[0]);
            let both = keys(&[(&one, false), (&other, descending)]);
            prop_assert_eq!(bytes(&both, &document), [bytes(&by_one, &document), bytes(&by_other, &document)].concat());
        }

        /// The first path alone decides, whatever the others share with it.
        #[test]
        fn the_first_path_counts_most(document in documents(), one in paths(), other in paths()) {
            prop_assume!(one != other);
            let both = bytes(&keys(&[(&one, false), (&other, false)]), &document);
            prop_assert!(both.starts_with(&bytes(&keys(&[(&one, false)]), &document)));
        }
    }
}
