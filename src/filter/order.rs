//! MongoDB's order of values, restricted to JSON, and equality.

use std::cmp::Ordering;

use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::Kind;
use crate::filter::tree::{Scalar, Tree};

/// Where a type stands among the others. Integers and floats stand together.
pub(crate) fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Null => 1,
        Kind::Integer | Kind::Float => 2,
        Kind::String => 3,
        Kind::Object => 4,
        Kind::Array => 5,
        Kind::Bool => 6,
    }
}

/// The order of two values: that of their [keys](crate::encoding::key::value). Numbers are compared by value, objects member by member in the order of
/// their names: by type, then name, then value.
pub(crate) fn compare<'a, 'b>(one: impl Tree<'a>, other: impl Tree<'b>) -> Result<Ordering, BodyError> {
    compare_within(one, other, Limits::MAX_DEPTH)
}

fn compare_within<'a, 'b>(
    one: impl Tree<'a>,
    other: impl Tree<'b>,
    depth: usize,
) -> Result<Ordering, BodyError> {
    let ranks = rank(one.kind()).cmp(&rank(other.kind()));
    if ranks.is_ne() {
        return Ok(ranks);
    }
    if let (Some(one), Some(other)) = (one.scalar()?, other.scalar()?) {
        return Ok(of_scalars(one, other).unwrap_or(Ordering::Equal));
    }
    let depth = deeper(depth)?;
    if one.kind() == Kind::Array {
        let (mut one, mut other) = (one.elements(), other.elements());
        loop {
            let order = match (one.next(), other.next()) {
                (None, None) => return Ok(Ordering::Equal),
                (None, Some(_)) => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
                (Some(one), Some(other)) => compare_within(one?, other?, depth)?,
            };
            if order.is_ne() {
                return Ok(order);
            }
        }
    }
    let (mut one, mut other) = (one.members()?, other.members()?);
    one.sort_unstable_by_key(|(key, _)| *key);
    other.sort_unstable_by_key(|(key, _)| *key);
    for ((key, value), (other_key, other_value)) in one.iter().zip(&other) {
        let order = rank(value.kind())
            .cmp(&rank(other_value.kind()))
            .then_with(|| key.as_bytes().cmp(other_key.as_bytes()));
        let order = if order.is_eq() { compare_within(*value, *other_value, depth)? } else { order };
        if order.is_ne() {
            return Ok(order);
        }
    }
    Ok(one.len().cmp(&other.len()))
}

/// Where one scalar stands to another; `None` where they are of different types.
pub(crate) fn of_scalars(one: Scalar<'_>, other: Scalar<'_>) -> Option<Ordering> {
    Some(match (one, other) {
        (Scalar::Integer(one), Scalar::Integer(other)) => one.cmp(&other),
        (Scalar::Text(one), Scalar::Text(other)) => one.as_bytes().cmp(other.as_bytes()),
        (Scalar::Float(one), Scalar::Float(other)) => one.partial_cmp(&other).unwrap_or(Ordering::Equal),
        (Scalar::Integer(one), Scalar::Float(other)) => compare_exactly(one, other),
        (Scalar::Float(one), Scalar::Integer(other)) => compare_exactly(other, one).reverse(),
        (Scalar::Bool(one), Scalar::Bool(other)) => one.cmp(&other),
        (Scalar::Null, Scalar::Null) => Ordering::Equal,
        _ => return None,
    })
}

/// An integer of 64 bits and a float, by value and without rounding.
fn compare_exactly(integer: i128, float: f64) -> Ordering {
    const BEYOND: f64 = 1e30;
    if float >= BEYOND {
        return Ordering::Less;
    }
    if float <= -BEYOND {
        return Ordering::Greater;
    }
    let whole = float.trunc();
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and below 2^100")]
    let order = integer.cmp(&(whole as i128));
    order.then_with(|| 0.0_f64.partial_cmp(&(float - whole)).unwrap_or(Ordering::Equal))
}

/// Whether two values are equal: numbers by value, so that `1` is `1.0`; objects whatever the order of their members.
///
/// MongoDB asks for the same order of members. In Rust a map of serde_json's sorts its members unless some dependency says otherwise, so that such a
/// filter could not be written down reliably.
pub(crate) fn equal<'a, 'b>(one: impl Tree<'a>, other: impl Tree<'b>) -> Result<bool, BodyError> {
    equal_within(one, other, Limits::MAX_DEPTH)
}

fn equal_within<'a, 'b>(one: impl Tree<'a>, other: impl Tree<'b>, depth: usize) -> Result<bool, BodyError> {
    if rank(one.kind()) != rank(other.kind()) {
        return Ok(false);
    }
    if let (Some(one), Some(other)) = (one.scalar()?, other.scalar()?) {
        return Ok(of_scalars(one, other) == Some(Ordering::Equal));
    }
    let depth = deeper(depth)?;
    if one.kind() == Kind::Array {
        let (mut one, mut other) = (one.elements(), other.elements());
        loop {
            match (one.next().transpose()?, other.next().transpose()?) {
                (None, None) => return Ok(true),
                (Some(one), Some(other)) => {
                    if !equal_within(one, other, depth)? {
                        return Ok(false);
                    }
                }
                _ => return Ok(false),
            }
        }
    }
    let (mut one, mut other) = (one.members()?, other.members()?);
    if one.len() != other.len() {
        return Ok(false);
    }
    if one.iter().map(|(key, _)| key).ne(other.iter().map(|(key, _)| key)) {
        one.sort_unstable_by_key(|(key, _)| *key);
        other.sort_unstable_by_key(|(key, _)| *key);
    }
    for ((key, value), (other_key, other_value)) in one.into_iter().zip(other) {
        if key != other_key || !equal_within(value, other_value, depth)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn deeper(depth: usize) -> Result<usize, BodyError> {
    depth.checked_sub(1).ok_or_else(|| BodyError::new(Fault::TooDeep { limit: Limits::MAX_DEPTH }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::encoding::body::raw::Raw;
    use crate::encoding::key::value;
    use crate::filter::testing::{body, few_values};

    #[test]
    fn members_may_stand_in_any_order() {
        let (one, other) =
            (body(&json!({"a": 1, "b": [2, {"c": 3.0}]})), body(&json!({"a": 1.0, "b": [2, {"c": 3}]})));
        assert!(equal(Raw::new(&one).unwrap(), Raw::new(&other).unwrap()).unwrap());
        // {"a":1,"b":2} and {"b":2,"a":1}, written by hand.
        let (one, other) = ([8, 6, 1, b'a', 0x81, 1, b'b', 0x82], [8, 6, 1, b'b', 0x82, 1, b'a', 0x81]);
        let (one, other) = (Raw::new(&one).unwrap(), Raw::new(&other).unwrap());
        assert!(equal(one, other).unwrap());
        assert!(compare(one, other).unwrap().is_eq());
    }

    proptest! {
        #[test]
        fn is_the_order_of_keys(one in few_values(), other in few_values()) {
            let (one, other) = (body(&one), body(&other));
            let (one, other) = (Raw::new(&one).unwrap(), Raw::new(&other).unwrap());
            let (mut key, mut other_key) = (Vec::new(), Vec::new());
            value::write(one, &mut key).unwrap();
            value::write(other, &mut other_key).unwrap();
            prop_assert_eq!(compare(one, other).unwrap(), key.cmp(&other_key));
            // Members of serde_json's maps are in one order, here.
            prop_assert_eq!(equal(one, other).unwrap(), key == other_key);
        }
    }
}
