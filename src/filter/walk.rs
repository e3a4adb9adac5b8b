//! What a path leads to, through lists: MongoDB's rules.

use crate::encoding::body::error::BodyError;
use crate::encoding::body::raw::Kind;
use crate::filter::route::{Route, Step};
use crate::filter::tree::Tree;

/// What a path has led to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Met<T> {
    /// The path leads no further.
    Missing,
    /// A value. If it is a list, its elements count as well.
    Value(T),
    /// A value that is meant whole: the document itself, or an element named by its position.
    Whole(T),
}

/// Calls `visit` with everything that `route` leads to from `root`, until it says `true`; whether it has.
///
/// A list on the way gives what the rest of the path leads to in each of its elements that is an object, and in the element whose
/// position the next name is. A list within a list is gone into by position only. A path that meets lists may lead to nothing at all.
pub(crate) fn visit<'t, T: Tree<'t>>(
    root: T,
    route: &Route,
    visit: &mut impl FnMut(Met<T>) -> Result<bool, BodyError>,
) -> Result<bool, BodyError> {
    from_root(root, route.steps(), Names::Also, visit)
}

/// What a name means that meets a list and may be a position in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// The position, and the name of a member of each element.
    Also,
    /// The position alone.
    Never,
}

fn from_root<'t, T: Tree<'t>>(
    root: T,
    steps: &[Step],
    names: Names,
    visit: &mut impl FnMut(Met<T>) -> Result<bool, BodyError>,
) -> Result<bool, BodyError> {
    let Some((step, rest)) = steps.split_first() else { return visit(Met::Whole(root)) };
    // A list that is the root is named by position only: nobody says to look into all of a document's elements.
    if root.kind() == Kind::Array {
        by_position(root, step, rest, names, visit)
    } else {
        walk(root, steps, names, visit)
    }
}

fn walk<'t, T: Tree<'t>>(
    value: T,
    steps: &[Step],
    names: Names,
    visit: &mut impl FnMut(Met<T>) -> Result<bool, BodyError>,
) -> Result<bool, BodyError> {
    let Some((step, rest)) = steps.split_first() else { return visit(Met::Value(value)) };
    match value.kind() {
        Kind::Object => match value.member(&step.name)? {
            Some(member) => walk(member, rest, names, visit),
            None => visit(Met::Missing),
        },
        Kind::Array => {
            if step.index.is_none() || names == Names::Also {
                for element in value.elements() {
                    let element = element?;
                    if element.kind() == Kind::Object && walk(element, steps, names, visit)? {
                        return Ok(true);
                    }
                }
            }
            by_position(value, step, rest, names, visit)
        }
        _ => visit(Met::Missing),
    }
}

fn by_position<'t, T: Tree<'t>>(
    list: T,
    step: &Step,
    rest: &[Step],
    names: Names,
    visit: &mut impl FnMut(Met<T>) -> Result<bool, BodyError>,
) -> Result<bool, BodyError> {
    let Some(element) = step.index.and_then(|index| list.elements().nth(index)) else { return Ok(false) };
    let element = element?;
    if rest.is_empty() {
        return visit(Met::Whole(element));
    }
    match element.kind() {
        Kind::Object | Kind::Array => walk(element, rest, names, visit),
        _ => Ok(false),
    }
}

/// Calls `take` with everything on `route` that an index holds, `None` for what is missing. Whether a list was met on the way.
///
/// A list at the end gives its elements, an empty one what is missing; nothing at all gives what is missing. So there is always at least
/// one, and whatever value a filter compares is among them, but for lists that are compared as a whole.
pub(crate) fn keys<'t, T: Tree<'t>>(
    root: T,
    route: &Route,
    take: &mut impl FnMut(Option<T>) -> Result<(), BodyError>,
) -> Result<bool, BodyError> {
    keys_along(root, route.steps(), Names::Also, take)
}

/// As [`keys`], along a part of a path. A sort takes what may be a position for one.
pub(super) fn keys_along<'t, T: Tree<'t>>(
    root: T,
    steps: &[Step],
    names: Names,
    take: &mut impl FnMut(Option<T>) -> Result<(), BodyError>,
) -> Result<bool, BodyError> {
    let (mut met, mut lists) = (0_usize, false);
    from_root(root, steps, names, &mut |found| {
        met += 1;
        match found {
            Met::Missing => take(None)?,
            Met::Whole(value) => take(Some(value))?,
            Met::Value(value) if value.kind() == Kind::Array => {
                lists = true;
                let mut empty = true;
                for element in value.elements() {
                    empty = false;
                    take(Some(element?))?;
                }
                if empty {
                    take(None)?;
                }
            }
            Met::Value(value) => take(Some(value))?,
        }
        Ok(false)
    })?;
    if met == 0 {
        take(None)?;
    }
    Ok(lists || passes_list(root, steps)?)
}

/// Whether the way along `steps` meets a list before its end.
fn passes_list<'t, T: Tree<'t>>(root: T, steps: &[Step]) -> Result<bool, BodyError> {
    let mut value = root;
    for step in steps {
        if value.kind() == Kind::Array {
            return Ok(true);
        }
        match value.member(&step.name)? {
            Some(member) => value = member,
            None => return Ok(false),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::encoding::body::raw::Raw;
    use crate::filter::testing::body;
    use crate::value::path::Path;

    fn met(document: &Value, path: &str) -> Vec<String> {
        let bytes = body(document);
        let mut found = Vec::new();
        let route = Route::new(Path::new(path).unwrap());
        visit(Raw::new(&bytes).unwrap(), &route, &mut |met| {
            found.push(match met {
                Met::Missing => "missing".to_owned(),
                Met::Value(value) => value.to_value()?.to_string(),
                Met::Whole(value) => format!("whole {}", value.to_value()?),
            });
            Ok(false)
        })
        .unwrap();
        found
    }

    fn entries(document: &Value, path: &str) -> (Vec<Value>, bool) {
        let bytes = body(document);
        let mut found = Vec::new();
        let route = Route::new(Path::new(path).unwrap());
        let lists = keys(Raw::new(&bytes).unwrap(), &route, &mut |value: Option<Raw<'_>>| {
            found.push(value.map_or(Ok(json!("missing")), Raw::to_value)?);
            Ok(())
        });
        (found, lists.unwrap())
    }

    #[test]
    fn lists_are_gone_into_once() {
        let document = json!({"a": [{"b": 1}, {"b": [2, 3]}, {}, 4, [{"b": 5}]]});
        assert_eq!(met(&document, "a.b"), ["1", "[2,3]", "missing"]);
        assert_eq!(met(&document, "a.0"), ["missing", "missing", "missing", "whole {\"b\":1}"]);
        assert_eq!(met(&document, "a.4.b"), ["missing", "missing", "missing", "5"]);
        assert_eq!(met(&document, "a.3.b"), ["missing", "missing", "missing"]);
        assert_eq!(met(&json!({"a": []}), "a.b"), [""; 0]);
        assert_eq!(met(&json!({"a": 5}), "a.b"), ["missing"]);
        assert_eq!(met(&json!({}), "a"), ["missing"]);
        assert_eq!(met(&json!([[1], {"b": 2}]), "0"), ["whole [1]"]);
        assert_eq!(met(&json!([{"b": 2}]), "b"), [""; 0]);
        assert_eq!(met(&json!([1]), ""), ["whole [1]"]);
        assert_eq!(met(&json!({"a": [{"0": 7}]}), "a.0"), ["7", "whole {\"0\":7}"]);
    }

    #[test]
    fn entries_are_what_filters_compare() {
        assert_eq!(entries(&json!({"a": [1, [2]]}), "a"), (vec![json!(1), json!([2])], true));
        assert_eq!(entries(&json!({"a": []}), "a"), (vec![json!("missing")], true));
        assert_eq!(entries(&json!({"a": []}), "a.b"), (vec![json!("missing")], true));
        assert_eq!(entries(&json!({"a": [[1]]}), "a.0"), (vec![json!([1])], true));
        assert_eq!(entries(&json!({"a": {"b": 1}}), "a.b"), (vec![json!(1)], false));
        assert_eq!(entries(&json!({"a": 1}), "a.b"), (vec![json!("missing")], false));
        assert_eq!(entries(&json!({"a": [{"b": 1}, {}]}), "a.b"), (vec![json!(1), json!("missing")], true));
    }
}
