//! Values to test with: few, so that filters meet them.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;

pub(crate) fn body(value: &Value) -> Vec<u8> {
    Node::from_value(value.clone()).unwrap().to_bytes(Limits::default()).unwrap()
}

pub(crate) fn few_values() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-2..4_i64).prop_map(Value::from),
        (-2..4_i64).prop_map(|n| json!(n as f64)),
        prop::sample::select(vec![0.5, -0.0, 1e300]).prop_map(|float| json!(float)),
        prop::sample::select(vec![
            json!(u64::MAX),
            json!(i64::MIN),
            json!((1_u64 << 53) + 1),
            json!((1_u64 << 53) as f64)
        ]),
        "[ab]{0,2}".prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 20, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[abc0]", inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Objects with members `a`, `b`, `c` and `0`.
pub(crate) fn documents() -> impl Strategy<Value = Value> {
    vec(("[abc0]", few_values()), 0..4).prop_map(|members| Value::Object(members.into_iter().collect()))
}

pub(crate) fn paths() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "a.b", "a.0", "a.b.c", "a.0.b", "a.1", "a.b.0", "0.a"])
        .prop_map(str::to_owned)
}

/// Filters as documents.
pub(crate) fn filters() -> impl Strategy<Value = Value> {
    let value = || few_values();
    let types = prop::sample::select(vec![
        json!("number"),
        json!("array"),
        json!(2),
        json!(["null", "object"]),
        json!("int"),
    ]);
    let test = prop_oneof![
        4 => value().prop_map(|v| json!({"$eq": v})),
        2 => value().prop_map(|v| json!({"$ne": v})),
        4 => (prop::sample::select(vec!["$gt", "$gte", "$lt", "$lte"]), value()).prop_map(|(op, v)| json!({op: v})),
        2 => (prop::sample::select(vec!["$in", "$nin", "$all"]), vec(value(), 0..3)).prop_map(|(op, v)| json!({op: v})),
        1 => any::<bool>().prop_map(|v| json!({"$exists": v})),
        1 => types.prop_map(|v| json!({"$type": v})),
        1 => (0..3_u64).prop_map(|v| json!({"$size": v})),
        1 => (1..4_i64, 0..3_i64).prop_map(|(d, r)| json!({"$mod": [d, r]})),
        1 => (prop::sample::select(vec!["$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear"]), 0..4_u64)
            .prop_map(|(op, mask)| json!({op: mask})),
        1 => ("[ab^$.]{0,2}", prop::sample::select(vec!["", "i", "ms"])).prop_map(|(p, o)| json!({"$regex": p, "$options": o})),
    ];
    let tests = test.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|test| json!({"$not": test})),
            inner.clone().prop_map(|test| json!({"$elemMatch": test})),
            (paths(), inner).prop_map(|(path, test)| json!({"$elemMatch": {path: test}})),
        ]
    });
    let at = prop_oneof![
        4 => (paths(), tests).prop_map(|(path, test)| json!({path: test})),
        1 => (paths(), value()).prop_filter_map("an operator", |(path, v)| Some(json!({path: v}))),
    ];
    at.prop_recursive(3, 12, 3, |inner| {
        (prop::sample::select(vec!["$and", "$or", "$nor"]), vec(inner, 1..4))
            .prop_map(|(op, list)| json!({op: list}))
    })
}
