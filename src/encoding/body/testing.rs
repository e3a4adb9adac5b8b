//! Values to test with.

use proptest::prelude::*;
use serde_json::{Number, Value};

/// Any finite float, by its bits.
pub(super) fn any_float() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |float| float.is_finite())
}

/// Any number a body can hold, with the edges of encodings.
pub(super) fn any_number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<u64>().prop_map(Number::from),
        any::<i64>().prop_map(Number::from),
        (0..=64_u32, any::<bool>()).prop_map(|(bits, less)| {
            Number::from((1_u128 << bits).wrapping_sub(u128::from(less)).min(u128::from(u64::MAX)) as u64)
        }),
        (-300..300_i64).prop_map(Number::from),
        any_float().prop_map(|float| Number::from_f64(float).unwrap()),
        prop::sample::select(vec![0.0, -0.0, 1.0, f64::MAX, f64::MIN_POSITIVE, 5e-324])
            .prop_map(|float| Number::from_f64(float).unwrap()),
    ]
}

/// Any text: empty, with zeros, beyond the basic plane, around the length where its form changes.
pub(super) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]{0,2}",
        2 => any::<String>(),
        1 => "[\\x00\u{1F600}\u{10FFFF}~/a]{0,4}",
        1 => "[a-z]{60,66}",
        1 => "[a-z]{126,130}",
    ]
}

/// Any JSON value.
pub(super) fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any_number().prop_map(Value::Number),
        any_text().prop_map(Value::String),
    ];
    scalar.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((any_text(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
