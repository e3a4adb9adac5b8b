//! Bodies and `serde_json::Value`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::limits::Limits;
use crate::encoding::body::members::Members;
use crate::encoding::body::node::Node;
use crate::encoding::body::number::Number;
use crate::encoding::body::raw::{Raw, View, key_twice};

impl Raw<'_> {
    /// As serde_json has it.
    pub(crate) fn to_value(self) -> Result<Value, BodyError> {
        raw_to_value(self, Limits::MAX_DEPTH)
    }
}

impl Node<'_> {
    /// As serde_json has it.
    pub(crate) fn to_value(&self) -> Result<Value, BodyError> {
        node_to_value(self, Limits::MAX_DEPTH)
    }
}

impl<'a> Node<'a> {
    /// A value of serde_json's, with members in the order in which it yields them.
    pub(crate) fn from_value(value: Value) -> Result<Self, BodyError> {
        from_value(value, Limits::MAX_DEPTH, Order::AsYielded)
    }

    /// Becomes `value`, which is what became of [`to_value`](Self::to_value). Members that are still there keep their order, new
    /// ones follow, sorted by key, at every level; elements are matched by position. So the bytes do not depend on how serde_json orders its
    /// maps. On an error it is neither what it was nor `value`.
    pub(crate) fn absorb_value(&mut self, value: Value) -> Result<(), BodyError> {
        absorb(self, value, Limits::MAX_DEPTH)
    }
}

fn deeper(depth: usize) -> Result<usize, BodyError> {
    depth.checked_sub(1).ok_or_else(|| BodyError::new(Fault::TooDeep { limit: Limits::MAX_DEPTH }))
}

fn raw_to_value(raw: Raw<'_>, depth: usize) -> Result<Value, BodyError> {
    Ok(match raw.view()? {
        View::Null => Value::Null,
        View::Bool(bool) => Value::Bool(bool),
        View::Unsigned(n) => Number::Unsigned(n).to_json(),
        View::Negative(n) => Number::Negative(n).to_json(),
        View::Float(float) => Number::Float(float).to_json(),
        View::String(string) => Value::String(string.to_owned()),
        View::Array(elements) => {
            let depth = deeper(depth)?;
            let mut array = Vec::new();
            for element in elements {
                let index = array.len();
                let element = element.and_then(|element| raw_to_value(element, depth));
                array.push(element.map_err(|error| error.under_index(index))?);
            }
            Value::Array(array)
        }
        View::Object(entries) => {
            let depth = deeper(depth)?;
            let mut object = Map::new();
            for entry in entries {
                let (key, value) = entry?;
                let value = raw_to_value(value, depth).map_err(|error| error.under_key(key))?;
                if object.insert(key.to_owned(), value).is_some() {
                    return Err(key_twice(key.as_bytes()));
                }
            }
            Value::Object(object)
        }
    })
}

fn node_to_value(node: &Node<'_>, depth: usize) -> Result<Value, BodyError> {
    Ok(match node {
        Node::Null => Value::Null,
        Node::Bool(bool) => Value::Bool(*bool),
        Node::Unsigned(n) => Number::Unsigned(*n).to_json(),
        Node::Integer(n) => Number::Negative(*n).to_json(),
        Node::Float(float) => Number::Float(*float).to_json(),
        Node::String(string) => Value::String(string.clone().into_owned()),
        Node::Raw(raw) => raw_to_value(*raw, depth)?,
        Node::Array(elements) => {
            let depth = deeper(depth)?;
            let mut array = Vec::with_capacity(elements.len());
            for (index, element) in elements.iter().enumerate() {
                array.push(node_to_value(element, depth).map_err(|error| error.under_index(index))?);
            }
            Value::Array(array)
        }
        Node::Object(members) => {
            let depth = deeper(depth)?;
            let mut object = Map::new();
            for (key, value) in members.iter() {
                let value = node_to_value(value, depth).map_err(|error| error.under_key(key))?;
                object.insert(key.to_owned(), value);
            }
            Value::Object(object)
        }
    })
}

/// In which order the members of a map become members of an object.
#[derive(Clone, Copy)]
enum Order {
    AsYielded,
    ByKey,
}

fn from_value<'a>(value: Value, depth: usize, order: Order) -> Result<Node<'a>, BodyError> {
    Ok(match value {
        Value::Null => Node::Null,
        Value::Bool(bool) => Node::Bool(bool),
        Value::Number(number) => match Number::from_json(&number)? {
            Number::Unsigned(n) => Node::Unsigned(n),
            Number::Negative(n) => Node::Integer(n),
            Number::Float(float) => Node::Float(float),
        },
        Value::String(string) => Node::String(Cow::Owned(string)),
        Value::Array(array) => {
            let depth = deeper(depth)?;
            let mut elements = Vec::with_capacity(array.len());
            for (index, element) in array.into_iter().enumerate() {
                elements.push(from_value(element, depth, order).map_err(|error| error.under_index(index))?);
            }
            Node::Array(elements)
        }
        Value::Object(object) => {
            let mut members = Members::new();
            append(&mut members, object, deeper(depth)?, order)?;
            Node::Object(members)
        }
    })
}

/// Adds members that are known to be new.
fn append<'a>(
    members: &mut Members<'a, Node<'a>>,
    object: Map<String, Value>,
    depth: usize,
    order: Order,
) -> Result<(), BodyError> {
    let mut entries: Vec<_> = object.into_iter().collect();
    if let Order::ByKey = order {
        entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    }
    for (key, value) in entries {
        let value = from_value(value, depth, order).map_err(|error| error.under_key(&key))?;
        members.push_distinct(Cow::Owned(key), value);
    }
    Ok(())
}

fn absorb(node: &mut Node<'_>, value: Value, depth: usize) -> Result<(), BodyError> {
    match value {
        Value::Object(mut object) => {
            if let Some(members) = node.as_object_mut()? {
                let depth = deeper(depth)?;
                let mut result = Ok(());
                members.retain_mut(|key, old| match object.remove(key) {
                    Some(new) if result.is_ok() => {
                        result = absorb(old, new, depth).map_err(|error| error.under_key(key));
                        true
                    }
                    new => new.is_some(),
                });
                result?;
                return append(members, object, depth, Order::ByKey);
            }
            *node = from_value(Value::Object(object), depth, Order::ByKey)?;
        }
        Value::Array(array) => {
            if let Some(elements) = node.as_array_mut()? {
                let depth = deeper(depth)?;
                elements.truncate(array.len());
                for (index, value) in array.into_iter().enumerate() {
                    let absorbed = match elements.get_mut(index) {
                        Some(element) => absorb(element, value, depth),
                        None => from_value(value, depth, Order::ByKey).map(|element| elements.push(element)),
                    };
                    absorbed.map_err(|error| error.under_index(index))?;
                }
                return Ok(());
            }
            *node = from_value(Value::Array(array), depth, Order::ByKey)?;
        }
        scalar => *node = from_value(scalar, depth, Order::ByKey)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::encoding::body::testing::any_value;
    use crate::encoding::body::validate::validate;

    fn encode(value: &Value) -> Vec<u8> {
        Node::from_value(value.clone()).unwrap().to_bytes(Limits::default()).unwrap()
    }

    proptest! {
        #[test]
        fn every_value_comes_back(value in any_value()) {
            let bytes = encode(&value);
            let raw = validate(&bytes, Limits::default()).unwrap();
            prop_assert_eq!(raw.to_value().unwrap(), value.clone());
            // Through text, since equality of values takes 0.0 for -0.0.
            prop_assert_eq!(raw.to_value().unwrap().to_string(), value.to_string());
            prop_assert_eq!(Node::Raw(raw).to_value().unwrap(), value);
            prop_assert_eq!(Node::Raw(raw).to_bytes(Limits::default()).unwrap(), bytes.clone());
        }

        #[test]
        fn absorbing_what_did_not_change_changes_no_byte(value in any_value(), reversed in any_value()) {
            for value in [value, reverse_members(reversed)] {
                let bytes = encode(&value);
                let mut node = Node::Raw(Raw::new(&bytes).unwrap());
                node.absorb_value(node.to_value().unwrap()).unwrap();
                prop_assert_eq!(node.to_bytes(Limits::default()).unwrap(), bytes.clone());
            }
        }

        #[test]
        fn absorbing_gives_the_value(before in any_value(), after in any_value()) {
            let bytes = encode(&before);
            let mut node = Node::Raw(Raw::new(&bytes).unwrap());
            node.absorb_value(after.clone()).unwrap();
            prop_assert_eq!(&node, &Node::from_value(after.clone()).unwrap());
            prop_assert_eq!(node.to_value().unwrap(), after.clone());
            let bytes = node.to_bytes(Limits::default()).unwrap();
            prop_assert_eq!(validate(&bytes, Limits::default()).unwrap().to_value().unwrap(), after);
        }
    }

    /// Members in the reverse order, at the top level, as far as serde_json keeps it.
    fn reverse_members(value: Value) -> Value {
        match value {
            Value::Object(object) => Value::Object(object.into_iter().rev().collect()),
            other => other,
        }
    }

    #[test]
    fn absorbed_members_keep_their_order_and_new_ones_are_sorted() {
        let mut node = Node::Object(Members::new());
        let members = node.as_object_mut().unwrap().unwrap();
        for key in ["z", "gone", "a"] {
            members.insert(key, Node::Null);
        }
        let bytes = node.to_bytes(Limits::default()).unwrap();
        let mut node = Node::Raw(Raw::new(&bytes).unwrap());
        node.absorb_value(json!({"y": 1, "a": {"q": 1, "p": 2}, "z": 3, "b": [{"d": 1, "c": 2}]})).unwrap();
        let bytes = node.to_bytes(Limits::default()).unwrap();
        let raw = Raw::new(&bytes).unwrap();
        let keys =
            |raw: Raw<'_>| raw.members().map(|member| member.unwrap().0.to_owned()).collect::<Vec<_>>();
        assert_eq!(keys(raw), ["z", "a", "b", "y"]);
        assert_eq!(keys(raw.get("a").unwrap().unwrap()), ["p", "q"]);
    }

    #[test]
    fn too_deep_is_told_before_the_stack_ends() {
        let mut value = Value::Null;
        for _ in 0..200 {
            value = Value::Array(vec![value]);
        }
        let error = Node::from_value(value).unwrap_err();
        assert_eq!(*error.fault(), Fault::TooDeep { limit: 128 });
        assert_eq!(error.path(), "/0".repeat(128));
    }
}
