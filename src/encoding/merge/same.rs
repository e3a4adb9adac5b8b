//! Whether encoded values are the same value, whatever the order of their members.
//!
//! All of these recurse. At least one of the values is what a type wrote, so a writer has bounded its depth; where there are two, they are
//! entered together.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::encoding::body::error::BodyError;
use crate::encoding::body::raw::{Kind, Raw};
use crate::encoding::merge::lookup::Lookup;

/// Whether both are the same JSON value. Mostly one comparison of bytes: equal values have bodies of equal length, whatever the order of
/// their members. Recurses as deep as the shallower of both.
pub(super) fn same(one: Raw<'_>, other: Raw<'_>) -> Result<bool, BodyError> {
    if one.bytes() == other.bytes() {
        return Ok(true);
    }
    if one.bytes().len() != other.bytes().len() {
        return Ok(false);
    }
    match (one.kind(), other.kind()) {
        (Kind::Object, Kind::Object) => {
            // Mostly they have the same order.
            let mut others = other.members();
            for member in one.members() {
                let (key, value) = member?;
                match others.next().transpose()? {
                    Some((other_key, _)) if other_key != key => return same_in_any_order(one, other),
                    Some((_, other)) if same(value, other)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(others.next().is_none())
        }
        (Kind::Array, Kind::Array) => {
            let mut elements = other.elements();
            for element in one.elements() {
                let Some(other) = elements.next() else { return Ok(false) };
                if !same(element?, other?)? {
                    return Ok(false);
                }
            }
            Ok(elements.next().is_none())
        }
        _ => Ok(false),
    }
}

fn same_in_any_order(one: Raw<'_>, other: Raw<'_>) -> Result<bool, BodyError> {
    let mut members = Lookup::new(other)?;
    for member in one.members() {
        let (key, value) = member?;
        match members.find(key) {
            Some(found) if same(value, found)? => {}
            _ => return Ok(false),
        }
    }
    Ok(members.rest().next().is_none())
}

/// Whether the order of elements counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elements {
    InOrder,
    /// For types whose sets come out in any order.
    InAnyOrder,
}

/// Equal for values that are [`same`]; other values differ but for accidents.
pub(super) fn digest(value: Raw<'_>, elements: Elements) -> Result<u64, BodyError> {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    match value.kind() {
        Kind::Object => value.members().try_fold(1_u64, |sum, member| {
            let (key, value) = member?;
            Ok(sum.wrapping_add(xxh3_64_with_seed(key.as_bytes(), digest(value, elements)?)))
        }),
        Kind::Array => value.elements().try_fold(2_u64, |sum, element| {
            let element = digest(element?, elements)?.wrapping_mul(ODD);
            Ok(match elements {
                Elements::InOrder => (sum ^ element).wrapping_mul(ODD).rotate_left(29),
                Elements::InAnyOrder => sum.wrapping_add(element ^ element >> 32),
            })
        }),
        _ => Ok(xxh3_64(value.bytes())),
    }
}

/// How many scalars of `view`, what a type made of a value, stand in `stored` as well; `None` where one stands there otherwise, so that `view` cannot
/// have been made of `stored` without changing it. Members that only one of both has say nothing; floats may have lost precision.
pub(super) fn resemblance(stored: Raw<'_>, view: Raw<'_>) -> Result<Option<usize>, BodyError> {
    match (stored.kind(), view.kind()) {
        (Kind::Object, Kind::Object) => {
            let mut members = Lookup::new(stored)?;
            let mut sum = Some(0_usize);
            for member in view.members() {
                let (key, value) = member?;
                if let Some(stored) = members.find(key) {
                    match resemblance(stored, value)? {
                        Some(more) => sum = sum.map(|sum| sum.saturating_add(more)),
                        None => return Ok(None),
                    }
                }
            }
            Ok(sum)
        }
        (Kind::Array, Kind::Array) => {
            let mut elements = view.elements();
            let mut sum = 0_usize;
            for stored in stored.elements() {
                let Some(element) = elements.next() else { return Ok(None) };
                match resemblance(stored?, element?)? {
                    Some(more) => sum = sum.saturating_add(more),
                    None => return Ok(None),
                }
            }
            Ok(elements.next().is_none().then_some(sum))
        }
        (Kind::Integer | Kind::Float, Kind::Integer | Kind::Float) => {
            Ok((single(stored) == single(view)).then_some(1))
        }
        _ => Ok((stored.bytes() == view.bytes()).then_some(1)),
    }
}

/// Whether `stored` is `view` but for the order of members, and for integers that `view` has as floats.
pub(super) fn is_written_so(stored: Raw<'_>, view: Raw<'_>) -> Result<bool, BodyError> {
    if stored.bytes() == view.bytes() {
        return Ok(true);
    }
    match (stored.kind(), view.kind()) {
        (Kind::Object, Kind::Object) => {
            let mut members = Lookup::new(stored)?;
            for member in view.members() {
                let (key, value) = member?;
                match members.find(key) {
                    Some(stored) if is_written_so(stored, value)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(members.rest().next().is_none())
        }
        (Kind::Array, Kind::Array) => {
            let mut elements = view.elements();
            for stored in stored.elements() {
                let Some(element) = elements.next() else { return Ok(false) };
                if !is_written_so(stored?, element?)? {
                    return Ok(false);
                }
            }
            Ok(elements.next().is_none())
        }
        (Kind::Integer, Kind::Float) => Ok(is_integer(stored, view)),
        _ => Ok(false),
    }
}

/// Whether a float is an integer, which both hold exactly.
#[expect(clippy::cast_precision_loss, reason = "no integer up to EXACT loses any")]
fn is_integer(integer: Raw<'_>, float: Raw<'_>) -> bool {
    const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
    let exact = integer.as_i64().filter(|n| n.unsigned_abs() <= EXACT);
    exact.is_some_and(|n| float.as_f64() == Some(n as f64))
}

/// A number to the precision of the coarsest type that may have read it.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "that is what is asked for")]
fn single(number: Raw<'_>) -> f32 {
    let double = number
        .as_f64()
        .or_else(|| number.as_u64().map(|n| n as f64))
        .or_else(|| number.as_i64().map(|n| n as f64));
    double.unwrap_or(0.0) as f32
}
