//! Filters as a tree.

use crate::filter::bits::Bits;
use crate::filter::literal::Literal;
use crate::filter::pattern::Pattern;
use crate::filter::route::Route;
use crate::filter::types::TypeName;

/// What a document has to be. Both front ends end here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// All of them; of none, always.
    All(Vec<Condition>),
    /// At least one of them; of none, never.
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// Something that the path leads to passes the test.
    At(Route, Test),
}

/// What something that a path leads to has to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// There is something at all.
    Exists,
    /// The value, or an element of it. What is missing equals null.
    Equal(Literal),
    /// As above, one of these.
    OneOf(Vec<Literal>),
    /// The value, or an element of it, of the same type.
    Compare(Comparison, Literal),
    /// The value, or an element of it.
    Type(Vec<TypeName>),
    /// The value, or an element of it: a number whose integer part leaves this remainder.
    Remainder { divisor: i64, remainder: i64 },
    /// The value, or an element of it: an integer with such bits.
    Bits(Bits),
    /// The value, or an element of it: a text.
    Matches(Pattern),
    /// A list of so many elements.
    Size(u64),
    /// A list with an element that is as the condition says.
    Element { condition: Box<Condition>, what: Elements },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    AtMost,
    AtLeast,
    Greater,
}

/// Which elements of a list are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elements {
    /// All of them; the condition is about the element itself.
    Every,
    /// Objects, and lists as if they were objects with positions for names; the condition is about their members.
    WithMembers,
}

impl Condition {
    pub(crate) fn everything() -> Self {
        Self::All(Vec::new())
    }

    pub(crate) fn is_everything(&self) -> bool {
        matches!(self, Self::All(conditions) if conditions.is_empty())
    }

    pub(crate) fn all(mut conditions: Vec<Self>) -> Self {
        match conditions.pop() {
            Some(only) if conditions.is_empty() => only,
            last => {
                conditions.extend(last);
                Self::All(conditions)
            }
        }
    }

    pub(crate) fn any(mut conditions: Vec<Self>) -> Self {
        match conditions.pop() {
            Some(only) if conditions.is_empty() => only,
            last => {
                conditions.extend(last);
                Self::Any(conditions)
            }
        }
    }

    pub(crate) fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// How many conditions there are within each other.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::All(conditions) | Self::Any(conditions) => {
                1 + conditions.iter().map(Self::depth).max().unwrap_or(0)
            }
            Self::Not(condition) | Self::At(_, Test::Element { condition, .. }) => 1 + condition.depth(),
            Self::At(..) => 1,
        }
    }

    /// Every path that the answer depends on.
    pub(crate) fn routes<'c>(&'c self, out: &mut Vec<&'c Route>) {
        match self {
            Self::All(conditions) | Self::Any(conditions) => {
                conditions.iter().for_each(|condition| condition.routes(out));
            }
            Self::Not(condition) => condition.routes(out),
            // What is within elements is within the list.
            Self::At(route, _) => out.push(route),
        }
    }
}
