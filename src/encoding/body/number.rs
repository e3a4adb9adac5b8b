//! Numbers as text, and as serde_json has them.

use crate::encoding::body::error::BodyError;
use crate::encoding::body::writer::Writer;

/// A number that a body can hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Unsigned(u64),
    /// Below zero.
    Negative(i64),
    /// Finite.
    Float(f64),
}

impl Number {
    /// The number that `text`, in JSON's grammar, stands for: an integer exactly, if it is written as one, otherwise the nearest
    /// float. As in serde_json, `-0` is the float.
    pub(super) fn parse(text: &str) -> Result<Self, BodyError> {
        let integer = match form(text) {
            None => return Err(BodyError::not_representable("a number that is not in JSON's grammar")),
            Some(Form::Integer) if text != "-0" => text,
            Some(_) => return nearest(text).map(Self::Float),
        };
        let parsed = if integer.starts_with('-') {
            integer.parse().map(Self::Negative)
        } else {
            integer.parse().map(Self::Unsigned)
        };
        parsed.map_err(|_| integer_out_of_range())
    }

    /// What serde_json holds, which is text when some dependency has switched on its `arbitrary_precision`.
    pub(super) fn from_json(number: &serde_json::Number) -> Result<Self, BodyError> {
        if let Some(n) = number.as_u64() {
            return Ok(Self::Unsigned(n));
        }
        match number.as_i64() {
            // The text `-0`; any other zero is unsigned.
            Some(0) => Ok(Self::Float(-0.0)),
            Some(n) => Ok(Self::Negative(n)),
            None if number.is_f64() => match number.as_f64() {
                Some(float) if float.is_finite() => Ok(Self::Float(float)),
                _ => Err(BodyError::not_representable("a number beyond the largest float")),
            },
            None => Self::parse(&number.to_string()),
        }
    }

    /// Writes it.
    pub(super) fn write(self, writer: &mut Writer) -> Result<(), BodyError> {
        match self {
            Self::Unsigned(n) => writer.unsigned(n),
            Self::Negative(n) => writer.integer(n),
            Self::Float(float) => writer.float(float),
        }
    }

    /// As serde_json holds it.
    pub(super) fn to_json(self) -> serde_json::Value {
        match self {
            Self::Unsigned(n) => n.into(),
            Self::Negative(n) => n.into(),
            // From a finite float this never is null.
            Self::Float(float) => float.into(),
        }
    }
}

#[cold]
pub(super) fn integer_out_of_range() -> BodyError {
    BodyError::not_representable("an integer outside 64 bits")
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Integer,
    /// With a fraction or an exponent.
    Decimal,
}

/// How `text` is written; `None` where it is not in JSON's grammar.
pub(super) fn form(text: &str) -> Option<Form> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    let whole = digits.strip_suffix(rest)?;
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    if rest.is_empty() {
        return Some(Form::Integer);
    }
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (fraction, exponent) = match rest.split_once(['e', 'E']) {
        Some((fraction, exponent)) => (fraction, Some(exponent)),
        None => (rest, None),
    };
    let is_decimal = (fraction.is_empty() || fraction.strip_prefix('.').is_some_and(is_digits))
        && exponent.is_none_or(|exponent| is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
    is_decimal.then_some(Form::Decimal)
}

/// The float nearest to a number in JSON's grammar.
pub(super) fn nearest(text: &str) -> Result<f64, BodyError> {
    match text.parse::<f64>() {
        Ok(float) if float.is_finite() => Ok(float),
        _ => Err(BodyError::not_representable("a number beyond the largest float")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text() {
        for (text, number) in [
            ("0", Number::Unsigned(0)),
            ("18446744073709551615", Number::Unsigned(u64::MAX)),
            ("-9223372036854775808", Number::Negative(i64::MIN)),
            ("-1", Number::Negative(-1)),
            ("1.0", Number::Float(1.0)),
            ("1e2", Number::Float(100.0)),
            ("-1.5E-3", Number::Float(-0.0015)),
            ("1e-400", Number::Float(0.0)),
            ("18446744073709551616.0", Number::Float(18_446_744_073_709_551_616.0)),
        ] {
            assert_eq!(Number::parse(text).unwrap(), number, "{text}");
        }
        assert!(
            matches!(Number::parse("-0"), Ok(Number::Float(zero)) if zero.to_bits() == (-0.0_f64).to_bits())
        );
        for refused in [
            "",
            "-",
            "+1",
            "01",
            "1.",
            ".5",
            "1e",
            "1e+",
            " 1",
            "1 ",
            "1_0",
            "NaN",
            "inf",
            "0x1",
            "1.e1",
            "--1",
            "18446744073709551616",
            "-9223372036854775809",
            "1e400",
            "-1e400",
            "1e5.0",
        ] {
            assert!(Number::parse(refused).is_err(), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in "-?[0-9]{1,21}(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?") {
            let ours = Number::parse(&text);
            match serde_json::from_str::<serde_json::Number>(&text) {
                Err(_) => prop_assert!(ours.is_err()),
                // serde_json rounds integers it cannot hold; a body refuses them.
                Ok(theirs) if theirs.is_f64() && !text.contains(['.', 'e', 'E']) && text != "-0" => {
                    prop_assert!(ours.is_err());
                }
                Ok(theirs) => {
                    let ours = ours.unwrap();
                    prop_assert_eq!(ours, Number::from_json(&theirs).unwrap());
                    prop_assert_eq!(ours.to_json(), serde_json::Value::Number(theirs));
                }
            }
        }
    }
}
