//! Numbers as JSON text has them.

use crate::encoding::text::error::TextFault;

/// A number as a body has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Natural(u64),
    Negative(i64),
    Float(f64),
}

/// The number `text`, whose grammar has been checked: an integer exactly where it is written as one, otherwise the float nearest to it.
/// `-0` is the float, since no integer has a negative zero; serde_json reads it so too.
pub(super) fn parse(text: &str) -> Result<Number, TextFault> {
    if text == "-0" {
        return Ok(Number::Float(-0.0));
    }
    if text.contains(['.', 'e', 'E']) {
        let float = text.parse().map_err(|_| TextFault::Syntax)?;
        return if f64::is_finite(float) { Ok(Number::Float(float)) } else { Err(TextFault::FloatRange) };
    }
    let integer = if text.starts_with('-') {
        text.parse().map(Number::Negative)
    } else {
        text.parse().map(Number::Natural)
    };
    integer.map_err(|_| TextFault::IntegerRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_exact_or_refused() {
        assert_eq!(parse("0"), Ok(Number::Natural(0)));
        assert_eq!(parse("18446744073709551615"), Ok(Number::Natural(u64::MAX)));
        assert_eq!(parse("18446744073709551616"), Err(TextFault::IntegerRange));
        assert_eq!(parse("-9223372036854775808"), Ok(Number::Negative(i64::MIN)));
        assert_eq!(parse("-9223372036854775809"), Err(TextFault::IntegerRange));
    }

    #[test]
    fn floats_are_rounded_to_the_nearest_or_refused() {
        assert_eq!(parse("18446744073709551616.0"), Ok(Number::Float(2_f64.powi(64))));
        assert_eq!(parse("1e0"), Ok(Number::Float(1.0)));
        assert_eq!(parse("5e-324"), Ok(Number::Float(5e-324)));
        assert_eq!(parse("1e-400"), Ok(Number::Float(0.0)));
        assert_eq!(parse("1e309"), Err(TextFault::FloatRange));
        assert_eq!(parse("-1e309"), Err(TextFault::FloatRange));
        assert!(matches!(parse("-0"), Ok(Number::Float(zero)) if zero.is_sign_negative()));
        assert!(matches!(parse("-0e1"), Ok(Number::Float(zero)) if zero.is_sign_negative()));
    }
}
