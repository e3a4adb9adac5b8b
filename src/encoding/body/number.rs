//! Numbers as text, and as serde_json has them.

use crate::encoding::body::error::BodyError;

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
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
        let whole = digits.strip_suffix(rest).unwrap_or_default();
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) || !is_fraction_and_exponent(rest)
        {
            return Err(BodyError::not_representable("a number that is not in JSON's grammar"));
        }
        if !rest.is_empty() || text == "-0" {
            let float: f64 = text.parse().unwrap_or(f64::INFINITY);
            return if float.is_finite() {
                Ok(Self::Float(float))
            } else {
                Err(BodyError::not_representable("a number beyond the largest float"))
            };
        }
        let integer =
            if negative { text.parse().map(Self::Negative) } else { text.parse().map(Self::Unsigned) };
        integer.map_err(|_| integer_out_of_range())
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

/// `.5`, `e5`, `.5E-5` or nothing.
fn is_fraction_and_exponent(text: &str) -> bool {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (fraction, exponent) = match text.split_once(['e', 'E']) {
        Some((fraction, exponent)) => (fraction, Some(exponent)),
        None => (text, None),
    };
    (fraction.is_empty() || fraction.strip_prefix('.').is_some_and(is_digits))
        && exponent.is_none_or(|exponent| is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
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
