//! Functions of two plain serde types.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::Raw;
use crate::encoding::body::ser::to_body;
use crate::evolution::context::StepContext;
use crate::evolution::fault::Cause;
use crate::evolution::function::Function;

impl Function {
    /// The function that makes a value of the new type of one of the old.
    ///
    /// What the old type does not know is carried over to where the new one puts nothing, also within objects that both have; within lists it is
    /// not.
    ///
    /// ```
    /// use pivotdb::{Evolution, Function};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct OldPoint { x: f64, y: f64 }
    /// #[derive(Serialize, Deserialize)]
    /// struct Point { radius: f64, angle: f64 }
    ///
    /// let polar = Function::typed("cartesian to polar", |old: OldPoint| Point {
    ///     radius: old.x.hypot(old.y),
    ///     angle: old.y.atan2(old.x),
    /// })
    /// .typed_down(|new: Point| OldPoint {
    ///     x: new.radius * new.angle.cos(),
    ///     y: new.radius * new.angle.sin(),
    /// });
    /// Evolution::new().step("polar", polar);
    /// ```
    pub fn typed<Old, New>(identity: &str, up: impl Fn(Old) -> New + Send + Sync + 'static) -> Self
    where
        Old: Serialize + DeserializeOwned,
        New: Serialize,
    {
        Self::try_typed(identity, move |old| Ok::<_, Cause>(up(old)))
    }

    /// As [`typed`](Self::typed), for a function that can fail.
    pub fn try_typed<Old, New, E>(
        identity: &str,
        up: impl Fn(Old) -> Result<New, E> + Send + Sync + 'static,
    ) -> Self
    where
        Old: Serialize + DeserializeOwned,
        New: Serialize,
        E: Into<Cause>,
    {
        Self::new(identity, move |body: &mut Value, _: &StepContext<'_>| {
            convert(body, |old| up(old).map_err(Into::into))
        })
    }

    /// The same function with a way back.
    #[must_use]
    pub fn typed_down<New, Old>(self, down: impl Fn(New) -> Old + Send + Sync + 'static) -> Self
    where
        New: Serialize + DeserializeOwned,
        Old: Serialize,
    {
        self.try_typed_down(move |new| Ok::<_, Cause>(down(new)))
    }

    /// As [`typed_down`](Self::typed_down), for a function that can fail.
    #[must_use]
    pub fn try_typed_down<New, Old, E>(
        self,
        down: impl Fn(New) -> Result<Old, E> + Send + Sync + 'static,
    ) -> Self
    where
        New: Serialize + DeserializeOwned,
        Old: Serialize,
        E: Into<Cause>,
    {
        self.down(move |body: &mut Value, _: &StepContext<'_>| {
            convert(body, |new| down(new).map_err(Into::into))
        })
    }
}

fn convert<A, B>(body: &mut Value, change: impl FnOnce(A) -> Result<B, Cause>) -> Result<(), Cause>
where
    A: Serialize + DeserializeOwned,
    B: Serialize,
{
    let before = A::deserialize(&*body)?;
    let known = value_of(&before)?;
    let mut after = value_of(&change(before)?)?;
    for path in unknown::<A>(body, &known) {
        carry(body, &path, &mut after);
    }
    *body = after;
    Ok(())
}

/// Exactly, or not at all: serde_json itself makes null of NaN.
fn value_of(value: &impl Serialize) -> Result<Value, Cause> {
    let bytes = to_body(value, Limits::default())?;
    Ok(Raw::new(&bytes)?.to_value()?)
}

/// The members that make no difference to an `A`, by their names from the outside in.
fn unknown<A: Serialize + DeserializeOwned>(body: &Value, known: &Value) -> Vec<Vec<String>> {
    let mut candidates = Vec::new();
    differ(body, known, &mut Vec::new(), &mut candidates);
    // What the type does not write may still be something that it reads: under an alias, or where it skips what is empty.
    let is_unknown = |paths: &[Vec<String>]| {
        let mut without = body.clone();
        for path in paths {
            remove(&mut without, path);
        }
        A::deserialize(&without).is_ok_and(|same| value_of(&same).is_ok_and(|same| same == *known))
    };
    if !candidates.is_empty() && !is_unknown(&candidates) {
        candidates.retain(|path| is_unknown(std::slice::from_ref(path)));
    }
    candidates
}

fn differ(body: &Value, known: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let (Value::Object(body), Value::Object(known)) = (body, known) else { return };
    for (name, value) in body {
        path.push(name.clone());
        match known.get(name) {
            Some(known) => differ(value, known, path, found),
            None => found.push(path.clone()),
        }
        path.pop();
    }
}

fn remove(body: &mut Value, path: &[String]) {
    if let Some((last, around)) = path.split_last()
        && let Some(members) = members(body, around)
    {
        members.remove(last);
    }
}

fn carry(body: &Value, path: &[String], after: &mut Value) {
    let value = path.iter().try_fold(body, |value, name| value.get(name));
    if let (Some(value), Some((last, around))) = (value, path.split_last())
        && let Some(members) = members(after, around)
        && !members.contains_key(last)
    {
        members.insert(last.clone(), value.clone());
    }
}

fn members<'v>(value: &'v mut Value, path: &[String]) -> Option<&'v mut Map<String, Value>> {
    path.iter().try_fold(value, |value, name| value.get_mut(name))?.as_object_mut()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::model::id::DocumentId;

    #[derive(Serialize, Deserialize)]
    struct Old {
        #[serde(alias = "mail")]
        email: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nick: Option<String>,
        inner: Inner,
        fax: Option<u32>,
    }

    #[derive(Serialize, Deserialize)]
    struct Inner {
        a: u8,
    }

    #[derive(Serialize, Deserialize)]
    struct New {
        address: String,
        inner: Inner,
    }

    fn up(body: Value) -> Result<Value, String> {
        let function = Function::typed("f", |old: Old| New { address: old.email, inner: old.inner });
        let mut body = body;
        let result = function.run(true, &mut body, &StepContext::new("k", &DocumentId::from(1)));
        result.map(|()| body).map_err(|fault| match fault {
            crate::evolution::fault::Fault::Function(cause) => cause.to_string(),
            fault => fault.to_string(),
        })
    }

    #[test]
    fn what_the_type_does_not_know_is_carried_over() {
        let body = json!({
            "mail": "a@b", "nick": "x", "inner": {"a": 1, "more": [1]}, "fax": 7, "color": {"r": 1}, "address": "?"
        });
        let expected = json!({"address": "a@b", "inner": {"a": 1, "more": [1]}, "color": {"r": 1}});
        assert_eq!(up(body), Ok(expected));
        let exact = json!({"email": "a", "inner": {"a": 2}, "fax": null});
        assert_eq!(up(exact), Ok(json!({"address": "a", "inner": {"a": 2}})));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(up(json!({"email": 1})).is_err());
        assert!(up(json!([])).is_err());
        let function = Function::typed("f", |_: Value| f64::NAN);
        assert!(function.run(true, &mut json!(1), &StepContext::new("k", &DocumentId::from(1))).is_err());
        let function = Function::try_typed("f", |_: Value| Err::<(), _>("no"));
        assert!(function.run(true, &mut json!(1), &StepContext::new("k", &DocumentId::from(1))).is_err());
    }

    #[test]
    fn on_some_paths_the_types_have_those_members_alone() {
        #[derive(Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Whole {
            name: String,
        }
        #[derive(Serialize, Deserialize)]
        struct Parts {
            first: String,
            last: String,
        }
        let split = |Whole { name }| {
            let (first, last) = name.split_once(' ').unwrap_or((&name, ""));
            Parts { first: first.to_owned(), last: last.to_owned() }
        };
        let function = Function::typed("f", split)
            .on(["name", "first", "last"])
            .typed_down(|Parts { first, last }| Whole { name: format!("{first} {last}") });
        let id = DocumentId::from(1);
        let before = json!({"name": "Ada Byron", "age": 36});
        let mut body = before.clone();
        function.run(true, &mut body, &StepContext::new("k", &id)).unwrap();
        assert_eq!(body, json!({"first": "Ada", "last": "Byron", "age": 36}));
        function.run(false, &mut body, &StepContext::new("k", &id)).unwrap();
        assert_eq!(body, before);
    }

    #[test]
    fn comes_back() {
        let function =
            Function::typed("f", |old: Inner| (old.a, 1)).typed_down(|(a, _): (u8, u8)| Inner { a });
        let id = DocumentId::from(1);
        let mut body = json!({"a": 3});
        function.run(true, &mut body, &StepContext::new("k", &id)).unwrap();
        assert_eq!(body, json!([3, 1]));
        function.run(false, &mut body, &StepContext::new("k", &id)).unwrap();
        assert_eq!(body, json!({"a": 3}));
    }
}
