//! The part of a body that a function has been declared on.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::evolution::fault::Fault;
use crate::evolution::invalid::PathsFlaw;
use crate::value::path::{Path, ToPath};

/// The paths of a function. None of them is within another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part(Arc<[Path]>);

impl Part {
    pub(crate) fn new<P: ToPath>(paths: impl IntoIterator<Item = P>) -> Result<Self, PathsFlaw> {
        let mut known: Vec<Path> = Vec::new();
        for path in paths {
            let path = path.to_path()?;
            if path.is_root() {
                return Err(PathsFlaw::WholeDocument);
            }
            if known.iter().any(|known| known.overlaps(&path)) {
                return Err(PathsFlaw::Within(path));
            }
            known.push(path);
        }
        if known.is_empty() { Err(PathsFlaw::Empty) } else { Ok(Self(known.into())) }
    }

    pub(crate) fn paths(&self) -> &[Path] {
        &self.0
    }

    /// Has `change` change what is at the paths: it is given an object with that alone, and what it leaves there is put where it was. As with ops, what is absent or null on the way
    /// to it becomes an object, and going down, objects that have become empty by it are taken out. After an error the body is half done.
    pub(crate) fn change(
        &self,
        body: &mut Value,
        up: bool,
        change: impl FnOnce(&mut Value) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut part = Value::Object(Map::new());
        let mut taken = Vec::new();
        for path in self.paths() {
            if let Some(value) = take(body, path) {
                put(&mut part, path, value)?;
                taken.push(path);
            }
        }
        change(&mut part)?;
        for path in self.paths() {
            if let Some(value) = take(&mut part, path) {
                put(body, path, value)?;
            }
        }
        if let Some(path) = self.surplus(&part, &Path::root()) {
            return Err(Fault::Undeclared { path });
        }
        if !up {
            taken.into_iter().for_each(|path| prune(body, path));
        }
        Ok(())
    }

    /// Where something is left in what is at `above` and was to have nothing but at the paths, from which it has been taken.
    fn surplus(&self, left: &Value, above: &Path) -> Option<Path> {
        let Value::Object(members) = left else { return Some(above.clone()) };
        members.iter().find_map(|(name, value)| {
            let path = above.child(name);
            let leads_on = self.paths().iter().any(|declared| path.contains(declared));
            if leads_on { self.surplus(value, &path) } else { Some(path) }
        })
    }
}

/// What leads to what is at the path, and its last name.
fn around(path: &Path) -> Option<(Path, &str)> {
    path.parent().zip(path.last())
}

fn find<'v>(body: &'v Value, path: &Path) -> Option<&'v Value> {
    path.names().try_fold(body, |value, name| value.get(name))
}

fn take(body: &mut Value, path: &Path) -> Option<Value> {
    let (above, name) = around(path)?;
    let members = above.names().try_fold(body, |value, name| value.get_mut(name))?;
    members.as_object_mut()?.remove(name)
}

fn put(body: &mut Value, path: &Path, value: Value) -> Result<(), Fault> {
    let mut place = body;
    for name in path.names() {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(members) = place else { return Err(Fault::NoPlace { path: path.clone() }) };
        place = members.entry(name).or_insert(Value::Null);
    }
    *place = value;
    Ok(())
}

/// Takes out the objects around `path` that are empty, from the inside.
fn prune(body: &mut Value, path: &Path) {
    let mut empty = path.parent().filter(|above| !above.is_root());
    while let Some(above) = empty
        && find(body, &above).and_then(Value::as_object).is_some_and(Map::is_empty)
    {
        take(body, &above);
        empty = above.parent().filter(|above| !above.is_root());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// With what the function was given.
    fn change(paths: &[&str], up: bool, body: &Value, to: &Value) -> (Value, Result<Value, String>) {
        let (mut body, mut given) = (body.clone(), Value::Null);
        let changed = Part::new(paths).unwrap().change(&mut body, up, |part| {
            given = std::mem::replace(part, to.clone());
            Ok(())
        });
        (given, changed.map(|()| body).map_err(|fault| fault.to_string()))
    }

    #[test]
    fn it_is_given_what_is_at_the_paths_and_nothing_else() {
        let body =
            json!({"a": 1, "b": {"c": null, "d": [2], "e": {}}, "f": 3, "2": "x", "l": [{"m": 1}], "s": 4});
        for (paths, part) in [
            (&["a"][..], json!({"a": 1})),
            (&["b"], json!({"b": {"c": null, "d": [2], "e": {}}})),
            (&["b.c", "f"], json!({"b": {"c": null}, "f": 3})),
            (&["b.c", "b.d"], json!({"b": {"c": null, "d": [2]}})),
            (&["b.x", "x.y.z", "b.e.x"], json!({})),
            // Of an element of a list it is given nothing; a member may have such a name.
            (&["l.0", "b.d.0", "s.t"], json!({})),
            (&["2"], json!({"2": "x"})),
        ] {
            for up in [true, false] {
                assert_eq!(change(paths, up, &body, &part), (part.clone(), Ok(body.clone())), "{paths:?}");
            }
        }
        for body in [json!(1), json!([1]), Value::Null] {
            assert_eq!(change(&["a", "b.0"], true, &body, &json!({})), (json!({}), Ok(body)));
        }
    }

    #[test]
    fn what_it_leaves_is_put_back() {
        for (paths, up, body, to, after) in [
            (
                &["a", "b.c"][..],
                true,
                json!({"a": 1, "k": 2}),
                json!({"b": {"c": 3}}),
                json!({"k": 2, "b": {"c": 3}}),
            ),
            (&["b.c"], true, json!({"b": null}), json!({"b": {"c": null}}), json!({"b": {"c": null}})),
            (&["b.c"], true, json!({"b": {"c": 1}}), json!({}), json!({"b": {}})),
            (&["b.c"], true, json!({"b": {"c": 1}}), json!({"b": {}}), json!({"b": {}})),
            // Going down, as ops do.
            (&["b.c"], false, json!({"b": {"c": 1}}), json!({}), json!({})),
            (&["b.c.d"], false, json!({"b": {"c": {"d": 1}, "k": 2}}), json!({}), json!({"b": {"k": 2}})),
            (&["b.c", "b.d"], false, json!({"b": {"c": 1}}), json!({"b": {"d": 1}}), json!({"b": {"d": 1}})),
            (&["b.c"], false, json!({"b": {}}), json!({}), json!({"b": {}})),
            // It is nothing that it makes nothing of.
            (&["b.c"], true, json!({"k": 1}), json!({"b": {}}), json!({"k": 1})),
            (&["a"], true, Value::Null, json!({"a": 1}), json!({"a": 1})),
        ] {
            assert_eq!(change(paths, up, &body, &to).1, Ok(after), "{paths:?} {body} {to}");
        }
    }

    #[test]
    fn what_it_leaves_elsewhere_is_an_error_and_so_is_what_has_no_place() {
        let undeclared = |path: &str| Fault::Undeclared { path: Path::new(path).unwrap() }.to_string();
        let no_place = |path: &str| Fault::NoPlace { path: Path::new(path).unwrap() }.to_string();
        for (body, to, error) in [
            (json!({"k": 2}), json!({"k": 2}), undeclared("k")),
            (json!({}), json!({"a": 1, "b": {"c": 1, "d": 1}}), undeclared("b.d")),
            (json!({}), json!({"b": 1}), undeclared("b")),
            (json!({}), json!({"b": null}), undeclared("b")),
            (json!({}), json!([]), undeclared("")),
            (json!({}), Value::Null, undeclared("")),
            (json!({"b": 1}), json!({"b": {"c": 1}}), no_place("b.c")),
            (json!({"b": [{}]}), json!({"b": {"c": 1}}), no_place("b.c")),
            (json!(1), json!({"a": 1}), no_place("a")),
        ] {
            assert_eq!(change(&["a", "b.c"], true, &body, &to).1, Err(error), "{body} {to}");
        }
    }

    #[test]
    fn paths_that_make_no_sense_are_refused() {
        let refused = |paths: &[&str]| Part::new(paths).unwrap_err();
        assert_eq!(refused(&[]), PathsFlaw::Empty);
        assert_eq!(refused(&["a", ""]), PathsFlaw::WholeDocument);
        assert!(matches!(refused(&["a", "b..c"]), PathsFlaw::Path(_)));
        for paths in [["a", "/a"], ["a.b", "a"], ["a", "a.b.c"]] {
            assert_eq!(refused(&paths), PathsFlaw::Within(Path::new(paths[1]).unwrap()));
        }
        assert!(Part::new(["a.b", "ab", "a.c", "/a.b"]).is_ok());
    }
}
