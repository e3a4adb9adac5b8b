//! What filters look at: a body where it lies, or one that steps have changed.

use std::slice;

use crate::encoding::body::error::BodyError;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::{Elements, Kind, Raw, View};

/// A JSON value that can be looked into. What is inside it may be malformed, so every look can fail.
///
/// Everything that filters, sorts and projections do is written once, over this; so a document gets the same answer whether it is
/// read where it lies or has been upcast a moment ago.
pub(crate) trait Tree<'t>: Copy {
    /// The elements of a list.
    type Elements: Iterator<Item = Result<Self, BodyError>>;

    fn kind(self) -> Kind;

    /// The value, if it is a scalar.
    fn scalar(self) -> Result<Option<Scalar<'t>>, BodyError>;

    /// The member of this name, if it is an object that has one.
    fn member(self, name: &str) -> Result<Option<Self>, BodyError>;

    /// The elements; none if it is not a list.
    fn elements(self) -> Self::Elements;

    /// The members in their order; none if it is not an object.
    fn members(self) -> Result<Vec<(&'t str, Self)>, BodyError>;
}

/// A value without parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar<'t> {
    Null,
    Bool(bool),
    /// Of 64 bits, of either sign.
    Integer(i128),
    /// Finite.
    Float(f64),
    Text(&'t str),
}

impl<'t> Tree<'t> for Raw<'t> {
    type Elements = Elements<'t>;

    fn kind(self) -> Kind {
        Raw::kind(self)
    }

    #[inline]
    fn scalar(self) -> Result<Option<Scalar<'t>>, BodyError> {
        Ok(Some(match self.view()? {
            View::Null => Scalar::Null,
            View::Bool(bool) => Scalar::Bool(bool),
            View::Unsigned(n) => Scalar::Integer(n.into()),
            View::Negative(n) => Scalar::Integer(n.into()),
            View::Float(float) => Scalar::Float(float),
            View::String(text) => Scalar::Text(text),
            View::Array(_) | View::Object(_) => return Ok(None),
        }))
    }

    #[inline]
    fn member(self, name: &str) -> Result<Option<Self>, BodyError> {
        self.get(name)
    }

    fn elements(self) -> Elements<'t> {
        Raw::elements(self)
    }

    fn members(self) -> Result<Vec<(&'t str, Self)>, BodyError> {
        Raw::members(self).collect()
    }
}

/// A part of a body that steps have changed: what they have touched, or what still lies as it was.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Twig<'t> {
    Node(&'t Node<'t>),
    Raw(Raw<'t>),
}

impl<'t> Twig<'t> {
    pub(crate) fn new(node: &'t Node<'t>) -> Self {
        match node {
            Node::Raw(raw) => Self::Raw(*raw),
            _ => Self::Node(node),
        }
    }
}

impl<'t> Tree<'t> for Twig<'t> {
    type Elements = Twigs<'t>;

    fn kind(self) -> Kind {
        match self {
            Self::Node(node) => node.kind(),
            Self::Raw(raw) => raw.kind(),
        }
    }

    fn scalar(self) -> Result<Option<Scalar<'t>>, BodyError> {
        let node = match self {
            Self::Raw(raw) => return raw.scalar(),
            Self::Node(node) => node,
        };
        Ok(Some(match node {
            Node::Null => Scalar::Null,
            Node::Bool(bool) => Scalar::Bool(*bool),
            Node::Unsigned(n) => Scalar::Integer((*n).into()),
            Node::Integer(n) => Scalar::Integer((*n).into()),
            Node::Float(float) => Scalar::Float(*float),
            Node::String(text) => Scalar::Text(text),
            Node::Raw(raw) => return raw.scalar(),
            Node::Array(_) | Node::Object(_) => return Ok(None),
        }))
    }

    fn member(self, name: &str) -> Result<Option<Self>, BodyError> {
        match self {
            Self::Raw(raw) | Self::Node(&Node::Raw(raw)) => Ok(raw.get(name)?.map(Self::Raw)),
            Self::Node(Node::Object(members)) => {
                Ok(members.iter().find(|(key, _)| *key == name).map(|(_, value)| Self::new(value)))
            }
            Self::Node(_) => Ok(None),
        }
    }

    fn elements(self) -> Twigs<'t> {
        match self {
            Self::Raw(raw) | Self::Node(&Node::Raw(raw)) => Twigs::Raw(raw.elements()),
            Self::Node(Node::Array(elements)) => Twigs::Nodes(elements.iter()),
            Self::Node(_) => Twigs::Nodes([].iter()),
        }
    }

    fn members(self) -> Result<Vec<(&'t str, Self)>, BodyError> {
        match self {
            Self::Raw(raw) | Self::Node(&Node::Raw(raw)) => {
                raw.members().map(|member| member.map(|(key, value)| (key, Self::Raw(value)))).collect()
            }
            Self::Node(Node::Object(members)) => {
                Ok(members.iter().map(|(key, value)| (key, Self::new(value))).collect())
            }
            Self::Node(_) => Ok(Vec::new()),
        }
    }
}

/// The elements of a list that steps may have changed.
#[derive(Debug, Clone)]
pub(crate) enum Twigs<'t> {
    Nodes(slice::Iter<'t, Node<'t>>),
    Raw(Elements<'t>),
}

impl<'t> Iterator for Twigs<'t> {
    type Item = Result<Twig<'t>, BodyError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Nodes(nodes) => nodes.next().map(|node| Ok(Twig::new(node))),
            Self::Raw(elements) => elements.next().map(|element| element.map(Twig::Raw)),
        }
    }
}
