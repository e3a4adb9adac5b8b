//! Changing the type of a value.

use std::borrow::Cow;

use serde_json::Value;

use crate::encoding::body::error::BodyError;
use crate::encoding::body::node::Node;
use crate::evolution::constant::Constant;
use crate::evolution::invalid::OpFlaw;
use crate::evolution::time::{self, Instant, Time};

/// What an [`Op::convert`](crate::Op::convert) makes of a value.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub enum To {
    /// An integer of 64 bits: of a float without a fraction, a text that is a number, a bool (0 or 1).
    Integer,
    /// An integer or a float: of a text that is a number, a bool (0 or 1).
    Number,
    /// A text: of a number or a bool.
    Text,
    /// A bool: of 0 and 1, and of the texts true, yes, on, 1, false, no, off, 0 in any case.
    Bool,
    /// A point in time, written in another way.
    Time {
        /// How it is written.
        from: Time,
        /// How it shall be.
        to: Time,
    },
    /// The right side of the first pair whose left side is the value. Going down, the left side of the first pair whose right side it is.
    Table(Vec<(Value, Value)>),
}

impl To {
    /// A table of values and what becomes of them.
    pub fn table<A: Into<Value>, B: Into<Value>>(pairs: impl IntoIterator<Item = (A, B)>) -> Self {
        Self::Table(pairs.into_iter().map(|(from, to)| (from.into(), to.into())).collect())
    }
}

/// A [`To`] that makes sense.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Conversion {
    Integer,
    Number,
    Text,
    Bool,
    Time {
        from: Time,
        to: Time,
    },
    Table(Vec<(Constant, Constant)>),
    /// Right to left.
    Reversed(Vec<(Constant, Constant)>),
}

impl Conversion {
    pub(crate) fn new(to: To) -> Result<Self, OpFlaw> {
        Ok(match to {
            To::Integer => Self::Integer,
            To::Number => Self::Number,
            To::Text => Self::Text,
            To::Bool => Self::Bool,
            To::Time { from, to } if from == to => return Err(OpFlaw::Same),
            To::Time { from, to } => Self::Time { from, to },
            To::Table(pairs) if pairs.is_empty() => return Err(OpFlaw::Empty),
            To::Table(pairs) => Self::Table(
                pairs
                    .into_iter()
                    .map(|(from, to)| Ok((Constant::new(from)?, Constant::new(to)?)))
                    .collect::<Result<_, OpFlaw>>()?,
            ),
        })
    }

    /// What it makes, in a word.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Text => "text",
            Self::Bool => "bool",
            Self::Time { .. } => "time",
            Self::Table(_) | Self::Reversed(_) => "a value of the table",
        }
    }

    /// What usually undoes it.
    pub(crate) fn inverse(&self) -> Self {
        match self {
            Self::Integer | Self::Number | Self::Bool => Self::Text,
            Self::Text => Self::Number,
            Self::Time { from, to } => Self::Time { from: *to, to: *from },
            Self::Table(pairs) => Self::Reversed(pairs.clone()),
            Self::Reversed(pairs) => Self::Table(pairs.clone()),
        }
    }

    /// What becomes of `value`, which is not null; `None` where it is not convertible.
    pub(crate) fn convert<'a>(&'a self, value: &Node<'a>) -> Result<Option<Node<'a>>, BodyError> {
        let value = value.expanded()?;
        Ok(match self {
            Self::Integer => match &*value {
                Node::String(text) => integer_in(text.trim()),
                value => to_number(value).and_then(to_integer),
            },
            Self::Number => to_number(&value),
            Self::Text => to_text(&value),
            Self::Bool => to_bool(&value),
            Self::Time { from, to } => instant(&value, *from).and_then(|instant| written(instant, *to)),
            Self::Table(pairs) => {
                pairs.iter().find(|(from, _)| from.node() == *value).map(|(_, to)| to.node())
            }
            Self::Reversed(pairs) => {
                pairs.iter().find(|(_, to)| to.node() == *value).map(|(from, _)| from.node())
            }
        })
    }
}

fn to_number<'a>(value: &Node<'a>) -> Option<Node<'a>> {
    match value {
        Node::Unsigned(_) | Node::Integer(_) | Node::Float(_) => Some(value.clone()),
        Node::Bool(bool) => Some(Node::Unsigned((*bool).into())),
        Node::String(text) => number_in(text.trim()),
        _ => None,
    }
}

/// An integer where it is written as one, otherwise the nearest float. An integer that does not fit is no float instead: it would be rounded.
fn number_in<'a>(text: &str) -> Option<Node<'a>> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        // Rust reads "inf" and "nan".
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let unsigned = text.parse().ok().map(Node::Unsigned);
        return unsigned.or_else(|| text.parse().ok().map(Node::Integer));
    }
    text.parse().ok().filter(|float: &f64| float.is_finite()).map(Node::Float)
}

/// The integer that `text` is exactly, in whatever form it is written: by its digits, since a float would be rounded.
fn integer_in<'a>(text: &str) -> Option<Node<'a>> {
    let Some(Node::Float(_)) = number_in(text) else { return number_in(text) };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (number, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = [whole, fraction].concat();
    // With a point behind it.
    let significant = digits.trim_end_matches('0');
    if significant.trim_start_matches('0').is_empty() {
        return Some(Node::Unsigned(0));
    }
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent.parse().ok()?)?;
    // More digits than 64 bits have, leading zeros aside, are no use.
    let zeros = usize::try_from(point.checked_sub(i64::try_from(significant.len()).ok()?)?).ok()?;
    let zeros = "0".repeat(if zeros > 20 { return None } else { zeros });
    let sign = if text.starts_with('-') { "-" } else { "" };
    number_in(&[sign, significant, &zeros].concat())
}

fn to_integer(number: Node<'_>) -> Option<Node<'_>> {
    let Node::Float(float) = number else { return Some(number) };
    // 2^63 and 2^64 are floats, the greatest integers below them are not.
    if float.fract() != 0.0 {
        None
    } else if (0.0..18_446_744_073_709_551_616.0).contains(&float) {
        Some(Node::Unsigned(float as u64))
    } else if (-9_223_372_036_854_775_808.0..0.0).contains(&float) {
        Some(Node::Integer(float as i64))
    } else {
        None
    }
}

fn to_text<'a>(value: &Node<'a>) -> Option<Node<'a>> {
    let text = match value {
        Node::String(_) => return Some(value.clone()),
        Node::Unsigned(n) => n.to_string(),
        Node::Integer(n) => n.to_string(),
        // With a fraction or an exponent, so that it reads back as a float.
        Node::Float(float) => format!("{float:?}"),
        Node::Bool(bool) => bool.to_string(),
        _ => return None,
    };
    Some(Node::String(Cow::Owned(text)))
}

fn to_bool<'a>(value: &Node<'a>) -> Option<Node<'a>> {
    let bool = match value {
        Node::Bool(bool) => *bool,
        Node::Unsigned(0) | Node::Integer(0) => false,
        Node::Unsigned(1) | Node::Integer(1) => true,
        Node::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => true,
            "false" | "no" | "off" | "0" => false,
            _ => return None,
        },
        _ => return None,
    };
    Some(Node::Bool(bool))
}

fn instant(value: &Node<'_>, written: Time) -> Option<Instant> {
    match (value, written) {
        (Node::String(text), Time::Rfc3339) => time::parse(text),
        (Node::Unsigned(n), Time::EpochSeconds | Time::EpochMillis | Time::EpochMicros) => {
            Instant::from_units(i128::from(*n), written.units()?)
        }
        (Node::Integer(n), Time::EpochSeconds | Time::EpochMillis | Time::EpochMicros) => {
            Instant::from_units(i128::from(*n), written.units()?)
        }
        (Node::Float(float), Time::EpochSeconds | Time::EpochMillis | Time::EpochMicros) => {
            Instant::from_float(*float, written.units()?)
        }
        _ => None,
    }
}

fn written<'a>(instant: Instant, to: Time) -> Option<Node<'a>> {
    match to.units() {
        None => Some(Node::String(Cow::Owned(instant.to_rfc3339()))),
        Some(units) => i64::try_from(instant.in_units(units)).ok().map(Node::Integer),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn convert(to: To, value: Value) -> Option<Value> {
        let conversion = Conversion::new(to).unwrap();
        let value = Node::from_value(value).unwrap();
        conversion.convert(&value).unwrap().map(|value| value.to_value().unwrap())
    }

    #[test]
    fn numbers() {
        for (value, integer, number) in [
            (json!(7), Some(json!(7)), Some(json!(7))),
            (json!(-7), Some(json!(-7)), Some(json!(-7))),
            (json!(7.0), Some(json!(7)), Some(json!(7.0))),
            (json!(-7.0), Some(json!(-7)), Some(json!(-7.0))),
            (json!(7.5), None, Some(json!(7.5))),
            (json!(1e19), Some(json!(10_000_000_000_000_000_000_u64)), Some(json!(1e19))),
            (json!(1e20), None, Some(json!(1e20))),
            (json!(-1e19), None, Some(json!(-1e19))),
            (json!("42"), Some(json!(42)), Some(json!(42))),
            (json!(" +007 "), Some(json!(7)), Some(json!(7))),
            (json!("-9223372036854775808"), Some(json!(i64::MIN)), Some(json!(i64::MIN))),
            (json!("18446744073709551615"), Some(json!(u64::MAX)), Some(json!(u64::MAX))),
            (json!("18446744073709551616"), None, None),
            (json!("1e3"), Some(json!(1000)), Some(json!(1000.0))),
            (json!("1.5"), None, Some(json!(1.5))),
            (
                json!("9007199254740993.0"),
                Some(json!(9_007_199_254_740_993_u64)),
                Some(json!(9007199254740992.0)),
            ),
            (
                json!("-9007199254740993.00"),
                Some(json!(-9_007_199_254_740_993_i64)),
                Some(json!(-9007199254740992.0)),
            ),
            (json!("9007199254740993.1"), None, Some(json!(9007199254740993.1))),
            (
                json!("0.90071992547409930e16"),
                Some(json!(9_007_199_254_740_993_u64)),
                Some(json!(9007199254740992.0)),
            ),
            (json!("18446744073709551615.0"), Some(json!(u64::MAX)), Some(json!(18446744073709551615.0))),
            (json!("18446744073709551616.0"), None, Some(json!(18446744073709551616.0))),
            (json!("+1.20E+2"), Some(json!(120)), Some(json!(120.0))),
            (json!("120e-1"), Some(json!(12)), Some(json!(12.0))),
            (json!("-0.0"), Some(json!(0)), Some(json!(-0.0))),
            (json!("0e99"), Some(json!(0)), Some(json!(0.0))),
            (json!("1e-400"), None, Some(json!(0.0))),
            (json!(".5"), None, Some(json!(0.5))),
            (json!("1e999"), None, None),
            (json!("NaN"), None, None),
            (json!("inf"), None, None),
            (json!("-inf"), None, None),
            (json!(""), None, None),
            (json!("-"), None, None),
            (json!("0x10"), None, None),
            (json!("1 2"), None, None),
            (json!(true), Some(json!(1)), Some(json!(1))),
            (json!([1]), None, None),
            (json!({}), None, None),
        ] {
            assert_eq!(convert(To::Integer, value.clone()), integer, "{value}");
            assert_eq!(convert(To::Number, value.clone()), number, "{value}");
        }
    }

    #[test]
    fn texts_and_bools() {
        for (value, text, bool) in [
            (json!("yes"), Some("yes"), Some(true)),
            (json!(" OFF "), Some(" OFF "), Some(false)),
            (json!("maybe"), Some("maybe"), None),
            (json!(0), Some("0"), Some(false)),
            (json!(1), Some("1"), Some(true)),
            (json!(-2), Some("-2"), None),
            (json!(1.0), Some("1.0"), None),
            (json!(1e21), Some("1e21"), None),
            (json!(false), Some("false"), Some(false)),
            (json!([]), None, None),
        ] {
            assert_eq!(convert(To::Text, value.clone()), text.map(Value::from), "{value}");
            assert_eq!(convert(To::Bool, value.clone()), bool.map(Value::from), "{value}");
        }
    }

    #[test]
    fn tables() {
        let table = || {
            To::table([(json!("a"), json!(1)), (json!("b"), json!({"x": [1, 2]})), (json!("c"), json!(1))])
        };
        assert_eq!(convert(table(), json!("b")), Some(json!({"x": [1, 2]})));
        assert_eq!(convert(table(), json!("d")), None);
        let back = Conversion::new(table()).unwrap().inverse();
        let one = Node::Unsigned(1);
        assert_eq!(back.convert(&one).unwrap().unwrap().to_value().unwrap(), json!("a"));
        assert_eq!(back.inverse(), Conversion::new(table()).unwrap());
        assert!(Conversion::new(To::Table(Vec::new())).is_err());
    }

    #[test]
    fn times() {
        let time = |from, to| To::Time { from, to };
        let millis = time(Time::Rfc3339, Time::EpochMillis);
        assert_eq!(
            convert(millis.clone(), json!("2024-02-29T12:00:00.5+02:00")),
            Some(json!(1_709_200_800_500_i64))
        );
        assert_eq!(convert(millis, json!(5)), None);
        let text = time(Time::EpochSeconds, Time::Rfc3339);
        assert_eq!(convert(text.clone(), json!(-1)), Some(json!("1969-12-31T23:59:59Z")));
        assert_eq!(convert(text.clone(), json!(0.25)), Some(json!("1970-01-01T00:00:00.25Z")));
        assert_eq!(convert(text.clone(), json!(u64::MAX)), None);
        assert_eq!(convert(text, json!("0")), None);
        assert!(Conversion::new(time(Time::Rfc3339, Time::Rfc3339)).is_err());
    }
}
