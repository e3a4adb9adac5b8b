//! Bodies to test with.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::members::Members;
use crate::encoding::body::node::Node;

/// Any body, members in any order.
pub(super) fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let float = prop_oneof![
        any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |float| float.is_finite()),
        proptest::num::f64::SUBNORMAL,
        any::<i32>().prop_map(f64::from),
        prop::sample::select(vec![0.0, -0.0, 1e15, 1e16, 1e17, 1e-5, 1e-6, 1e21, f64::MAX, f64::MIN, 5e-324]),
    ];
    let scalar = prop_oneof![
        Just(Node::Null),
        any::<bool>().prop_map(Node::Bool),
        prop_oneof![0..300_u64, any::<u64>()].prop_map(Node::Unsigned),
        prop_oneof![-300..0_i64, i64::MIN..0].prop_map(Node::Integer),
        float.prop_map(Node::Float),
        any::<String>().prop_map(|text| Node::String(text.into())),
    ];
    let node = scalar.prop_recursive(5, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Node::Array),
            vec(("[a-c]{0,2}|.{0,3}", inner), 0..5).prop_map(|members| {
                let members: Members<Node<'_>> =
                    members.into_iter().map(|(key, value)| (key.into(), value)).collect();
                Node::Object(members)
            }),
        ]
    });
    node.prop_map(|node| node.to_bytes(Limits::default()).unwrap())
}
