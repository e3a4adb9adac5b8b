//! Parts of documents.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::{Kind, Raw};
use crate::encoding::body::writer::Writer;
use crate::error::error::{Error, Result};
use crate::filter::error::{Flaw, InvalidFilter};
use crate::value::path::{InvalidPath, Path, ToPath};

/// Which members of a document are taken in, or left out. Paths go into lists: each element that is an object is treated so.
///
/// ```
/// use pivotdb::Projection;
/// use serde_json::json;
///
/// let document = json!({"name": "Ada", "orders": [{"item": "pen", "price": 3}, {"item": "ink", "price": 2}]});
/// let names = Projection::include(["name", "orders.item"]);
/// assert_eq!(names.apply(&document)?, json!({"name": "Ada", "orders": [{"item": "pen"}, {"item": "ink"}]}));
/// let free = Projection::exclude(["orders.price"]);
/// assert_eq!(free.apply(&document)?, names.apply(&document)?);
/// # Ok::<(), pivotdb::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Projection(Result<Parts, InvalidFilter>);

#[derive(Debug, Clone)]
struct Parts {
    taking: bool,
    names: Names,
    /// What MongoDB makes of the member `_id`, which it takes in unless told otherwise.
    id: Option<bool>,
}

/// Members by name; what has no names within is meant whole.
#[derive(Debug, Clone, Default)]
struct Names(BTreeMap<Box<str>, Self>);

impl Projection {
    /// Nothing but what stands at these paths.
    #[must_use]
    pub fn include(paths: impl IntoIterator<Item = impl ToPath>) -> Self {
        Self::of(paths, true)
    }

    /// Everything but what stands at these paths.
    #[must_use]
    pub fn exclude(paths: impl IntoIterator<Item = impl ToPath>) -> Self {
        Self::of(paths, false)
    }

    /// `document`, so far as it is meant.
    ///
    /// # Errors
    /// `InvalidFilter` when it is no projection; `NotRepresentable` or `TooDeep` when the value cannot be a document.
    pub fn apply(&self, document: &Value) -> Result<Value> {
        let bytes = Node::from_value(document.clone())?.to_bytes(Limits::default())?;
        let projected = self.project(Raw::new(&bytes)?)?;
        Ok(Raw::new(&projected)?.to_value()?)
    }

    /// The body of what is meant of a body.
    pub(crate) fn project(&self, body: Raw<'_>) -> Result<Vec<u8>> {
        let parts = self.0.as_ref().map_err(|error| Error::from(error.clone()))?;
        let mut writer = Writer::new(Limits::default());
        let written = parts.write(body, &mut writer);
        written.and_then(|()| writer.finish()).map_err(Error::from)
    }

    fn of(paths: impl IntoIterator<Item = impl ToPath>, taking: bool) -> Self {
        let paths: Result<Vec<_>, InvalidPath> = paths.into_iter().map(|path| path.to_path()).collect();
        let names = paths.map_err(InvalidFilter::from).and_then(|paths| Names::new(&paths));
        Self(names.map(|names| Parts { taking, names, id: None }))
    }
}

impl From<Value> for Projection {
    /// Reads a projection document of MongoDB's: `{"a": 1, "b.c": 1}` takes in, `{"a": 0}` leaves out. As there, a member `_id` is taken in unless
    /// it is left out by name.
    fn from(document: Value) -> Self {
        Self(parse(&document))
    }
}

fn parse(document: &Value) -> Result<Parts, InvalidFilter> {
    let Value::Object(members) = document else { return Err(InvalidFilter::new(Flaw::Projection)) };
    let (mut taking, mut paths, mut id) = (None, Vec::new(), true);
    for (name, value) in members {
        let taken = match value {
            Value::Bool(taken) => *taken,
            Value::Number(number) => number.as_f64().is_none_or(|number| number != 0.0),
            Value::Object(inner) => {
                let error = InvalidFilter::new(Flaw::Projection).at_path(name);
                return Err(match inner.keys().find(|key| key.starts_with('$')) {
                    Some(operator) => {
                        InvalidFilter::new(Flaw::UnknownOperator).at_operator(operator).at_path(name)
                    }
                    None => error,
                });
            }
            _ => return Err(InvalidFilter::new(Flaw::Projection).at_path(name)),
        };
        if name == "_id" {
            id = taken;
            continue;
        }
        if taking.is_some_and(|taking| taking != taken) {
            return Err(InvalidFilter::new(Flaw::ProjectionMixed).at_path(name));
        }
        taking = Some(taken);
        paths.push(Path::parse(name)?);
    }
    // With nothing but `_id` in it, it says whether that alone, or everything else.
    let taking = taking.unwrap_or(members.contains_key("_id") && id);
    Ok(Parts { taking, names: Names::new(&paths)?, id: Some(id) })
}

impl Parts {
    fn write(&self, body: Raw<'_>, writer: &mut Writer) -> Result<(), BodyError> {
        if body.kind() != Kind::Object {
            return self.names.write(body, self.taking, writer, Limits::MAX_DEPTH);
        }
        let mark = writer.begin_object()?;
        for member in body.members() {
            let (key, value) = member?;
            match (self.id, key) {
                (Some(false), "_id") => {}
                (Some(true), "_id") => {
                    writer.key(key)?;
                    writer.raw(value)?;
                }
                _ => self.names.write_member(key, value, self.taking, writer, Limits::MAX_DEPTH)?,
            }
        }
        writer.end(mark)
    }
}

impl Names {
    fn new(paths: &[Path]) -> Result<Self, InvalidFilter> {
        let mut root = Self::default();
        for path in paths {
            let overlap = || InvalidFilter::new(Flaw::ProjectionOverlap).at_path(path);
            let (mut at, mut fresh) = (&mut root, false);
            for (position, name) in path.names().enumerate() {
                // A path that ended here means all that is within.
                if position > 0 && !fresh && at.0.is_empty() {
                    return Err(overlap());
                }
                fresh = !at.0.contains_key(name);
                at = at.0.entry(name.into()).or_default();
            }
            if !fresh || path.is_root() {
                return Err(overlap());
            }
        }
        Ok(root)
    }

    fn write(
        &self,
        value: Raw<'_>,
        taking: bool,
        writer: &mut Writer,
        depth: usize,
    ) -> Result<(), BodyError> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| BodyError::new(Fault::TooDeep { limit: Limits::MAX_DEPTH }))?;
        match value.kind() {
            Kind::Object => {
                let mark = writer.begin_object()?;
                for member in value.members() {
                    let (key, value) = member?;
                    self.write_member(key, value, taking, writer, depth)?;
                }
                writer.end(mark)
            }
            Kind::Array => {
                let mark = writer.begin_array()?;
                for element in value.elements() {
                    let element = element?;
                    // What has no members has none of those that are taken in.
                    if !taking || matches!(element.kind(), Kind::Object | Kind::Array) {
                        self.write(element, taking, writer, depth)?;
                    }
                }
                writer.end(mark)
            }
            _ => writer.raw(value),
        }
    }

    fn write_member(
        &self,
        key: &str,
        value: Raw<'_>,
        taking: bool,
        writer: &mut Writer,
        depth: usize,
    ) -> Result<(), BodyError> {
        match self.0.get(key) {
            None if taking => Ok(()),
            Some(within) if within.0.is_empty() && !taking => Ok(()),
            Some(within) if !within.0.is_empty() => {
                if taking && !matches!(value.kind(), Kind::Object | Kind::Array) {
                    return Ok(());
                }
                writer.key(key)?;
                within.write(value, taking, writer, depth)
            }
            None | Some(_) => {
                writer.key(key)?;
                writer.raw(value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::kind::ErrorKind;

    #[test]
    fn takes_in_and_leaves_out() {
        let document = json!({"a": {"b": [{"c": 1, "d": 2}, 3, [{"c": 4}]], "e": 5}, "f": 6});
        let include = Projection::include(["a.b.c", "f"]);
        assert_eq!(include.apply(&document).unwrap(), json!({"a": {"b": [{"c": 1}, [{"c": 4}]]}, "f": 6}));
        let exclude = Projection::exclude(["a.b.c", "f"]);
        assert_eq!(exclude.apply(&document).unwrap(), json!({"a": {"b": [{"d": 2}, 3, [{}]], "e": 5}}));
    }

    #[test]
    fn what_is_no_projection_is_told_at_its_use() {
        let cases = [
            Projection::include(["a", "a.b"]),
            Projection::include(["a.b", "a"]),
            Projection::exclude(["a", "a"]),
            Projection::include(["a..b"]),
            json!({"a": 1, "b": 0}).into(),
            json!({"a": {"$slice": 1}}).into(),
            json!({"a": "x"}).into(),
            json!([]).into(),
        ];
        for projection in cases {
            assert_eq!(projection.apply(&json!({})).unwrap_err().kind(), ErrorKind::InvalidFilter);
        }
    }
}
