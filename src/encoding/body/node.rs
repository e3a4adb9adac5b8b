//! A body that can be changed.

use std::borrow::Cow;

use crate::encoding::body::duplicates::{Classes, FEW};
use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::limits::Limits;
use crate::encoding::body::members::Members;
use crate::encoding::body::raw::{Kind, Raw, View, key_twice};
use crate::encoding::body::writer::Writer;

/// For how many members there is room at once, at most.
const ROOM: usize = 64;

/// A body that can be changed. What nobody has touched stays [`Raw`] and is copied as it is when the tree is encoded; it is
/// opened one level at a time, so a chain of ops pays for the paths it names.
#[derive(Debug, Clone)]
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    /// Usually below zero; one that is not equals its unsigned form.
    Integer(i64),
    Float(f64),
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    Object(Members<'a, Node<'a>>),
    /// Encoded, not yet looked into.
    Raw(Raw<'a>),
}

impl<'a> Node<'a> {
    /// What it is.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Unsigned(_) | Self::Integer(_) => Kind::Integer,
            Self::Float(_) => Kind::Float,
            Self::String(_) => Kind::String,
            Self::Array(_) => Kind::Array,
            Self::Object(_) => Kind::Object,
            Self::Raw(raw) => raw.kind(),
        }
    }

    /// Makes sure that the value itself is not [`Raw`]; its children may be. An error leaves it as it was.
    pub(crate) fn expand(&mut self) -> Result<&mut Self, BodyError> {
        if let Self::Raw(raw) = *self {
            *self = Self::open(raw)?;
        }
        Ok(self)
    }

    /// The value with itself not [`Raw`].
    pub(crate) fn expanded(&self) -> Result<Cow<'_, Self>, BodyError> {
        match self {
            Self::Raw(raw) => Self::open(*raw).map(Cow::Owned),
            _ => Ok(Cow::Borrowed(self)),
        }
    }

    /// The members, if it is an object; expands it.
    pub(crate) fn as_object_mut(&mut self) -> Result<Option<&mut Members<'a, Node<'a>>>, BodyError> {
        if self.kind() != Kind::Object {
            return Ok(None);
        }
        match self.expand()? {
            Self::Object(members) => Ok(Some(members)),
            _ => Ok(None),
        }
    }

    /// The elements, if it is an array; expands it.
    pub(crate) fn as_array_mut(&mut self) -> Result<Option<&mut Vec<Node<'a>>>, BodyError> {
        if self.kind() != Kind::Array {
            return Ok(None);
        }
        match self.expand()? {
            Self::Array(elements) => Ok(Some(elements)),
            _ => Ok(None),
        }
    }

    /// The text, if it is one.
    pub(crate) fn as_str(&self) -> Result<Option<&str>, BodyError> {
        match self {
            Self::String(string) => Ok(Some(string)),
            Self::Raw(raw) => raw.as_str(),
            _ => Ok(None),
        }
    }

    /// The member `key`, if it is an object that has one. Expands nothing.
    #[cfg(test)]
    pub(crate) fn get(&self, key: &str) -> Result<Option<Cow<'_, Self>>, BodyError> {
        match self {
            Self::Object(members) => Ok(members.get(key).map(Cow::Borrowed)),
            Self::Raw(raw) => Ok(raw.get(key)?.map(|value| Cow::Owned(Self::Raw(value)))),
            _ => Ok(None),
        }
    }

    /// Writes it. What is still [`Raw`] is copied.
    pub(crate) fn encode(&self, writer: &mut Writer) -> Result<(), BodyError> {
        match self {
            Self::Null => writer.null(),
            Self::Bool(bool) => writer.bool(*bool),
            Self::Unsigned(n) => writer.unsigned(*n),
            Self::Integer(n) => writer.integer(*n),
            Self::Float(float) => writer.float(*float),
            Self::String(string) => writer.string(string),
            Self::Raw(raw) => writer.raw(*raw),
            // The writer bounds the depth, and so the recursion.
            Self::Array(elements) => {
                let mark = writer.begin_array()?;
                for (index, element) in elements.iter().enumerate() {
                    element.encode(writer).map_err(|error| error.under_index(index))?;
                }
                writer.end(mark)
            }
            Self::Object(members) => {
                let mark = writer.begin_object()?;
                for (key, value) in members.iter() {
                    writer.key(key)?;
                    value.encode(writer).map_err(|error| error.under_key(key))?;
                }
                writer.end(mark)
            }
        }
    }

    /// Its bytes.
    pub(crate) fn to_bytes(&self, limits: Limits) -> Result<Vec<u8>, BodyError> {
        self.to_bytes_after(Vec::new(), limits)
    }

    /// Its bytes, after those in `prefix`, which may be empty and have room.
    pub(crate) fn to_bytes_after(&self, prefix: Vec<u8>, limits: Limits) -> Result<Vec<u8>, BodyError> {
        let mut writer = Writer::after(prefix, limits);
        self.encode(&mut writer)?;
        writer.finish()
    }

    /// One level of `raw`.
    fn open(raw: Raw<'a>) -> Result<Self, BodyError> {
        Ok(match raw.view()? {
            View::Null => Self::Null,
            View::Bool(bool) => Self::Bool(bool),
            View::Unsigned(n) => Self::Unsigned(n),
            View::Negative(n) => Self::Integer(n),
            View::Float(float) => Self::Float(float),
            View::String(string) => Self::String(Cow::Borrowed(string)),
            View::Array(elements) => {
                Self::Array(elements.map(|element| element.map(Self::Raw)).collect::<Result<_, _>>()?)
            }
            View::Object(entries) => {
                // Most members take more bytes than this; too many for those that do not are made room for as they come.
                let mut members = Members::with_capacity((raw.bytes().len() / 8).min(ROOM));
                let (mut classes, mut checked) = (Classes::default(), false);
                for entry in entries {
                    let (key, value) = entry?;
                    if !checked && classes.insert(key.as_bytes()) {
                        if members.len() >= FEW {
                            raw.check_keys()?;
                            checked = true;
                        } else if members.contains(key) {
                            return Err(key_twice(key.as_bytes()));
                        }
                    }
                    members.push_distinct(Cow::Borrowed(key), Self::Raw(value));
                }
                Self::Object(members)
            }
        })
    }
}

impl<'a> From<Members<'a, Node<'a>>> for Node<'a> {
    fn from(members: Members<'a, Node<'a>>) -> Self {
        Self::Object(members)
    }
}

/// As JSON values, the order of members aside: `1` and `1.0` differ, and so do `0.0` and `-0.0`, since they are stored differently.
/// Malformed bytes equal only themselves.
impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        equal(self, other, Limits::MAX_DEPTH).unwrap_or(false)
    }
}

/// `depth` is how many more levels may be opened: bodies have no more, and hostile bytes get no more.
fn equal(one: &Node<'_>, other: &Node<'_>, depth: usize) -> Result<bool, BodyError> {
    if let (Node::Raw(one), Node::Raw(other)) = (one, other)
        && one == other
    {
        return Ok(true);
    }
    if one.kind() != other.kind() {
        return Ok(false);
    }
    let (one, other) = (one.expanded()?, other.expanded()?);
    let deeper =
        || depth.checked_sub(1).ok_or_else(|| BodyError::new(Fault::TooDeep { limit: Limits::MAX_DEPTH }));
    match (&*one, &*other) {
        (Node::Null, Node::Null) => Ok(true),
        (Node::Bool(one), Node::Bool(other)) => Ok(one == other),
        (Node::Float(one), Node::Float(other)) => Ok(one.to_bits() == other.to_bits()),
        (Node::String(one), Node::String(other)) => Ok(one == other),
        (Node::Array(one), Node::Array(other)) => {
            let depth = deeper()?;
            all_equal(one.iter().zip(other), one.len() == other.len(), depth)
        }
        (Node::Object(one), Node::Object(other)) => {
            let depth = deeper()?;
            if one.iter().map(|(key, _)| key).eq(other.iter().map(|(key, _)| key)) {
                let values = one.iter().zip(other.iter()).map(|((_, one), (_, other))| (one, other));
                return all_equal(values, true, depth);
            }
            let (one, other) = (sorted(one), sorted(other));
            let same = one.iter().map(|(key, _)| key).eq(other.iter().map(|(key, _)| key));
            all_equal(one.iter().zip(&other).map(|((_, one), (_, other))| (*one, *other)), same, depth)
        }
        (one, other) => Ok(integer(one).is_some() && integer(one) == integer(other)),
    }
}

fn all_equal<'n, 'a: 'n>(
    pairs: impl Iterator<Item = (&'n Node<'a>, &'n Node<'a>)>,
    same_shape: bool,
    depth: usize,
) -> Result<bool, BodyError> {
    if !same_shape {
        return Ok(false);
    }
    for (one, other) in pairs {
        if !equal(one, other, depth)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn sorted<'n, 'a>(members: &'n Members<'a, Node<'a>>) -> Vec<(&'n str, &'n Node<'a>)> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(key, _)| *key);
    sorted
}

fn integer(node: &Node<'_>) -> Option<i128> {
    match node {
        Node::Unsigned(n) => Some(i128::from(*n)),
        Node::Integer(n) => Some(i128::from(*n)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::encoding::body::testing::any_value;

    fn node(value: serde_json::Value) -> Node<'static> {
        Node::from_value(value).unwrap()
    }

    /// Opens every level.
    fn expand_all(node: &mut Node<'_>) {
        match node.expand().unwrap() {
            Node::Array(elements) => elements.iter_mut().for_each(expand_all),
            Node::Object(members) => members.iter_mut().for_each(|(_, value)| expand_all(value)),
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn opening_changes_neither_value_nor_bytes(value in any_value()) {
            let bytes = node(value.clone()).to_bytes(Limits::default()).unwrap();
            let raw = Node::Raw(Raw::new(&bytes).unwrap());
            let mut opened = raw.clone();
            expand_all(&mut opened);
            prop_assert_eq!(&opened, &raw);
            prop_assert_eq!(&opened, &node(value));
            prop_assert_eq!(opened.to_bytes(Limits::default()).unwrap(), bytes.clone());
        }

        #[test]
        fn equality_is_that_of_values(one in any_value(), other in any_value()) {
            // Floats aside, where 0.0 and -0.0 differ here.
            let zeros = |value: &serde_json::Value| value.to_string().contains("-0.0");
            prop_assume!(!zeros(&one) && !zeros(&other));
            prop_assert_eq!(node(one.clone()) == node(other.clone()), one == other);
        }
    }

    #[test]
    fn equality_at_its_edges() {
        assert_ne!(node(json!(1)), node(json!(1.0)));
        assert_ne!(node(json!(0.0)), node(json!(-0.0)));
        assert_eq!(Node::Integer(1), Node::Unsigned(1));
        assert_eq!(
            node(json!({"a": 1, "b": [2]})),
            [("b", json!([2])), ("a", json!(1))]
                .into_iter()
                .map(|(key, value)| (Cow::Borrowed(key), node(value)))
                .collect::<Members<'_, _>>()
                .into()
        );
        assert_ne!(node(json!({"a": 1, "b": 2})), node(json!({"a": 1})));
        assert_ne!(node(json!([1, 2])), node(json!([2, 1])));
        assert_ne!(node(json!(null)), node(json!(false)));
    }

    #[test]
    fn hostile_depth_neither_equals_nor_overflows() {
        let nested = |innermost: u8| {
            let mut bytes = vec![innermost];
            for _ in 0..20_000 {
                let mut outer = vec![0x07];
                crate::encoding::body::varint::push(&mut outer, bytes.len() as u64);
                outer.append(&mut bytes);
                bytes = outer;
            }
            bytes
        };
        let (one, other) = (nested(0x80), nested(0x81));
        let (one, other) = (Node::Raw(Raw::new(&one).unwrap()), Node::Raw(Raw::new(&other).unwrap()));
        assert_eq!(one, one.clone());
        assert_ne!(one, other);
        assert_eq!(*one.to_bytes(Limits::default()).unwrap_err().fault(), Fault::TooDeep { limit: 128 });
        assert_eq!(*one.to_value().unwrap_err().fault(), Fault::TooDeep { limit: 128 });
    }

    #[test]
    fn the_depth_of_what_is_copied_counts() {
        let limits = Limits { depth: 2, ..Limits::default() };
        let bytes = node(json!([[1], {}])).to_bytes(limits).unwrap();
        let raw = Node::Raw(Raw::new(&bytes).unwrap());
        assert_eq!(raw.to_bytes(limits).unwrap(), bytes);
        let wrapped = Node::Array(vec![Node::Null, raw]);
        let error = wrapped.to_bytes(limits).unwrap_err();
        assert_eq!((error.fault(), &*error.path()), (&Fault::TooDeep { limit: 2 }, "/1"));
    }

    #[test]
    fn one_op_touches_only_its_path() {
        let bytes =
            node(json!({"a": {"b": 1, "c": [1, 2]}, "d": {"e": 2}})).to_bytes(Limits::default()).unwrap();
        let mut body = Node::Raw(Raw::new(&bytes).unwrap());
        let a = body.as_object_mut().unwrap().unwrap().get_mut("a").unwrap();
        a.as_object_mut().unwrap().unwrap().insert("b", Node::String("new".into()));
        let Node::Object(members) = &body else { panic!("{body:?}") };
        assert!(matches!(members.get("d"), Some(Node::Raw(_))));
        assert_eq!(body, node(json!({"a": {"b": "new", "c": [1, 2]}, "d": {"e": 2}})));
        assert_eq!(body.get("d").unwrap().unwrap().get("e").unwrap().as_deref(), Some(&Node::Unsigned(2)));
    }
}
