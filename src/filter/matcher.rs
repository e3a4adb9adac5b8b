//! Whether a document is what a filter asks for.

use std::cmp::Ordering;

use crate::encoding::body::error::BodyError;
use crate::encoding::body::raw::Kind;
use crate::filter::condition::{Comparison, Condition, Elements, Test};
use crate::filter::literal::Literal;
use crate::filter::route::Route;
use crate::filter::tree::{Scalar, Tree};
use crate::filter::walk::{Met, visit};

impl Condition {
    /// Whether `root` is so. Looks at the paths of the condition and nowhere else.
    pub(crate) fn matches<'t>(&self, root: impl Tree<'t>) -> Result<bool, BodyError> {
        match self {
            Self::All(conditions) => {
                for condition in conditions {
                    if !condition.matches(root)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(conditions) => {
                for condition in conditions {
                    if condition.matches(root)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(condition) => Ok(!condition.matches(root)?),
            Self::At(route, test) => visit(root, route, &mut |met| test.passes(met)),
        }
    }
}

/// Where in a value stands what a path leads to in another shape of it; `None` where that is not known.
pub(crate) type Places<'p> = dyn Fn(&Route) -> Result<Option<Route>, BodyError> + 'p;

impl Condition {
    /// Whether a document is so of which `root` is another shape; `None` where what is known does not tell.
    pub(crate) fn matches_elsewhere<'t>(
        &self,
        root: impl Tree<'t>,
        places: &Places<'_>,
    ) -> Result<Option<bool>, BodyError> {
        let decided = |conditions: &[Self], by: bool| {
            let mut all_known = true;
            for condition in conditions {
                match condition.matches_elsewhere(root, places)? {
                    Some(found) if found == by => return Ok(Some(by)),
                    Some(_) => {}
                    None => all_known = false,
                }
            }
            Ok(all_known.then_some(!by))
        };
        match self {
            Self::All(conditions) => decided(conditions, false),
            Self::Any(conditions) => decided(conditions, true),
            Self::Not(condition) => Ok(condition.matches_elsewhere(root, places)?.map(|found| !found)),
            Self::At(route, test) => match places(route)? {
                Some(place) => visit(root, &place, &mut |met| test.passes(met)).map(Some),
                None => Ok(None),
            },
        }
    }
}

impl Test {
    fn passes<'t>(&self, met: Met<impl Tree<'t>>) -> Result<bool, BodyError> {
        let (value, elements_too) = match met {
            Met::Missing => return Ok(self.passes_missing()),
            Met::Value(value) => (value, true),
            Met::Whole(value) => (value, false),
        };
        match self {
            Self::Exists => return Ok(true),
            Self::Size(size) => {
                let is_list = value.kind() == Kind::Array;
                return Ok(
                    is_list && u64::try_from(value.elements().count()).is_ok_and(|count| count == *size)
                );
            }
            Self::Element { condition, what } => {
                for element in value.elements() {
                    let element = element?;
                    let with_members = matches!(element.kind(), Kind::Object | Kind::Array);
                    if (*what == Elements::Every || with_members) && condition.matches(element)? {
                        return Ok(true);
                    }
                }
                return Ok(false);
            }
            _ => {}
        }
        if elements_too && value.kind() == Kind::Array {
            for element in value.elements() {
                if self.holds(element?)? {
                    return Ok(true);
                }
            }
        }
        self.holds(value)
    }

    fn passes_missing(&self) -> bool {
        let null = |literal: &Literal| literal.kind() == Kind::Null;
        match self {
            Self::Equal(literal) | Self::Compare(Comparison::AtMost | Comparison::AtLeast, literal) => {
                null(literal)
            }
            Self::OneOf(literals) => literals.iter().any(null),
            _ => false,
        }
    }

    /// Of one value, its elements aside.
    fn holds<'t>(&self, value: impl Tree<'t>) -> Result<bool, BodyError> {
        match self {
            Self::Equal(literal) => literal.equals(value),
            Self::OneOf(literals) => {
                for literal in literals {
                    if literal.equals(value)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Compare(comparison, literal) => {
                let Some(order) = literal.order_of(value)? else { return Ok(false) };
                let strictly = match comparison {
                    Comparison::Less | Comparison::AtMost => Ordering::Less,
                    Comparison::Greater | Comparison::AtLeast => Ordering::Greater,
                };
                let may_equal = matches!(comparison, Comparison::AtMost | Comparison::AtLeast);
                Ok(order == strictly || may_equal && order.is_eq())
            }
            Self::Type(types) => {
                for name in types {
                    if name.is(value)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Remainder { divisor, remainder } => Ok(match value.scalar()? {
                Some(Scalar::Integer(n)) => leaves(n, *divisor, *remainder),
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "as MongoDB does; what lies beyond 64 bits is not asked"
                )]
                Some(Scalar::Float(float)) if float.abs() < 9.3e18 => {
                    leaves(float as i128, *divisor, *remainder)
                }
                _ => false,
            }),
            Self::Bits(bits) => Ok(bits.are_so(value.scalar()?)),
            Self::Matches(pattern) => {
                Ok(matches!(value.scalar()?, Some(Scalar::Text(text)) if pattern.is_match(text)))
            }
            // Asked of lists as a whole.
            Self::Exists | Self::Size(_) | Self::Element { .. } => Ok(false),
        }
    }
}

fn leaves(n: i128, divisor: i64, remainder: i64) -> bool {
    n.checked_rem(divisor.into()) == Some(remainder.into())
}
