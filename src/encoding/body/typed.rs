//! What serde does through bodies is what it does through serde_json's text.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::encoding::body::de::from_body;
use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::json_text;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
use crate::encoding::body::ser::{append_body, to_body};
use crate::encoding::body::testing::{any_float, any_value};
use crate::encoding::body::validate::validate;
use crate::encoding::body::writer::Writer;

fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let bytes = to_body(value, Limits::default()).unwrap();
    validate(&bytes, Limits::default()).unwrap();
    bytes
}

fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, BodyError> {
    from_body(Raw::new(bytes).unwrap())
}

fn encode_text(text: &str) -> Vec<u8> {
    let mut writer = Writer::new(Limits::default());
    json_text::write(text, &mut writer).unwrap();
    writer.finish().unwrap()
}

/// The body has the members of serde_json's text in their order, and gives the value back.
#[track_caller]
fn agrees<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let bytes = encode(&value);
    let text = serde_json::to_string(&value).unwrap();
    assert_eq!(bytes, encode_text(&text), "{text}");
    assert_eq!(decode::<T>(&bytes).unwrap(), value, "{text}");
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), value, "the table itself: {text}");
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Newtype(u8);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tuple(u8, String, Option<f64>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Plain {
    a: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<String>,
    #[serde(rename = "c d", alias = "c")]
    c: Vec<bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum External {
    Unit,
    Newtype(Vec<u8>),
    Tuple(i8, Option<bool>),
    Empty(),
    Struct { a: String, b: Newtype },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Internal {
    Unit,
    Newtype(Plain),
    Struct { a: u64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Unit,
    Newtype(u8),
    Tuple(i8, String),
    Struct { a: Option<u8> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Unit,
    Integer(i64),
    Float(f64),
    Text(String),
    Pair(u8, u8),
    Struct { a: u8 },
    Other(Value),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flat {
    first: u8,
    #[serde(flatten)]
    plain: Plain,
    #[serde(flatten)]
    choice: Option<Internal>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Key {
    One,
    #[serde(rename = "the other")]
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct NewKey(i32);

fn plain() -> Plain {
    Plain { a: -129, b: Some("x".repeat(64)), c: vec![true, false] }
}

#[test]
fn scalars() {
    agrees(());
    agrees(Unit);
    agrees(Newtype(200));
    agrees(true);
    for n in [i8::MIN, -1, 0, i8::MAX] {
        agrees(n);
    }
    for n in [i16::MIN, 300] {
        agrees(n);
    }
    for n in [i32::MIN, i32::MAX] {
        agrees(n);
    }
    for n in [i64::MIN, -129, -128, 127, 128, i64::MAX] {
        agrees(n);
        agrees(i128::from(n));
    }
    agrees((u8::MAX, u16::MAX, u32::MAX));
    agrees(u64::MAX);
    agrees(u128::from(u64::MAX));
    agrees(i128::from(u64::MAX));
    agrees('a');
    agrees('\u{10ffff}');
    agrees('\0');
    agrees(String::new());
    agrees("\0\u{1f600}".repeat(40));
    agrees(f64::MIN_POSITIVE);
    agrees(0.1);
    agrees(Duration::new(3, 5));
    agrees(Box::new(5_u8));
    agrees(Cow::<str>::Owned("cow".to_owned()));
    agrees(std::num::NonZeroU8::new(3));
    agrees(std::cmp::Reverse(1));
    agrees(Ok::<u8, String>(3));
    agrees(0..5_u8);
}

#[test]
fn floats_of_32_bits_are_widened_exactly() {
    for float in [0.1_f32, f32::MAX, f32::MIN_POSITIVE, -0.0, 1.0 / 3.0] {
        assert_eq!(encode(&float), encode(&f64::from(float)));
        assert_eq!(decode::<f32>(&encode(&float)).unwrap().to_bits(), float.to_bits());
    }
}

#[test]
fn human_readable_types_are_text() {
    agrees(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
    assert_eq!(decode::<String>(&encode(&Uuid::nil())).unwrap(), Uuid::nil().to_string());
    agrees("127.0.0.1".parse::<IpAddr>().unwrap());
    agrees("[2001:db8::1]:8080".parse::<SocketAddr>().unwrap());
    agrees(std::path::PathBuf::from("a/b"));
    assert!(<&mut Writer as Serializer>::is_human_readable(&&mut Writer::new(Limits::default())));
}

#[test]
fn options() {
    agrees(None::<u8>);
    agrees(Some(3));
    agrees(vec![Some("a".to_owned()), None]);
    // As text does, `Some(None)` becomes null, which is read as the outer `None`.
    assert_eq!(encode(&Some(None::<u8>)), [0x00]);
    assert_eq!(decode::<Option<Option<u8>>>(&[0x00]).unwrap(), None);
    agrees(Some(Some(3_u8)));
    assert_eq!(encode(&Some(())), [0x00]);
}

#[test]
fn compounds() {
    agrees(vec![vec![1_u8], vec![]]);
    agrees((1, "a".to_owned(), 2.5, [0_u8; 4]));
    agrees(Tuple(1, "a".to_owned(), None));
    agrees(plain());
    agrees(Plain { b: None, ..plain() });
    agrees(vec![plain(); 30]);
    agrees(std::collections::BTreeSet::from(["b".to_owned(), "a".to_owned()]));
}

#[test]
fn enums_in_all_taggings() {
    agrees(vec![
        External::Unit,
        External::Newtype(vec![0, 127, 128, 255]),
        External::Tuple(-1, None),
        External::Empty(),
        External::Struct { a: "x".to_owned(), b: Newtype(1) },
    ]);
    agrees(vec![Internal::Unit, Internal::Newtype(plain()), Internal::Struct { a: u64::MAX }]);
    agrees(vec![
        Adjacent::Unit,
        Adjacent::Newtype(1),
        Adjacent::Tuple(-1, "x".to_owned()),
        Adjacent::Struct { a: None },
    ]);
    agrees(vec![
        Untagged::Unit,
        Untagged::Integer(-5),
        Untagged::Float(1.0),
        Untagged::Text("x".to_owned()),
        Untagged::Pair(1, 2),
        Untagged::Struct { a: 1 },
        Untagged::Other(json!({"b": [1, 2.5, null]})),
        Untagged::Other(json!(true)),
    ]);
}

#[test]
fn flattened() {
    for choice in [None, Some(Internal::Unit), Some(Internal::Struct { a: 1 })] {
        let rest = BTreeMap::from([("rest".to_owned(), json!([1, {"x": 0.5}]))]);
        let flat = Flat { first: 1, plain: plain(), choice, rest };
        let bytes = to_body(&flat, Limits::default());
        // `Plain` and `Internal::Struct` both have an `a`: text would carry it twice.
        if matches!(flat.choice, Some(Internal::Struct { .. })) {
            let error = bytes.unwrap_err();
            assert_eq!((error.fault(), &*error.path()), (&Fault::DuplicateKey, "/a"));
        } else {
            let text = serde_json::to_string(&flat).unwrap();
            assert_eq!(bytes.unwrap(), encode_text(&text));
            assert_eq!(decode::<Flat>(&encode_text(&text)).unwrap(), serde_json::from_str(&text).unwrap());
        }
    }
}

#[test]
fn keys_of_maps() {
    agrees(BTreeMap::from([(-1, 'a'), (300, 'b'), (i64::MIN, 'c')]));
    agrees(BTreeMap::from([(u128::MAX, 1), (0, 2)]));
    agrees(BTreeMap::from([(i128::MIN, 1)]));
    agrees(BTreeMap::from([(true, 1), (false, 2)]));
    agrees(BTreeMap::from([('\u{1f600}', 1)]));
    agrees(BTreeMap::from([(Key::One, 1), (Key::Other, 2)]));
    agrees(BTreeMap::from([(NewKey(-3), 1)]));
    agrees(BTreeMap::from([(Some(3), 1)]));
    agrees(BTreeMap::from([(Uuid::nil(), 1)]));
    agrees(BTreeMap::from([(String::new(), 1), ("\0".repeat(200), 2)]));
    agrees((0..500).map(|n| (n, n.to_string())).collect::<HashMap<_, _>>());

    #[derive(Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
    struct Float(f64);
    impl Eq for Float {}
    #[expect(clippy::derive_ord_xor_partial_ord, reason = "no NaN in this test")]
    impl Ord for Float {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.total_cmp(&other.0)
        }
    }
    agrees(BTreeMap::from([(Float(0.1), 1), (Float(-1e300), 2), (Float(3.0), 3), (Float(1e20), 4)]));

    fn refused<K: Serialize + Ord>(key: K) {
        let error = to_body(&[BTreeMap::from([(key, 1)])], Limits::default()).unwrap_err();
        assert!(matches!(error.fault(), Fault::NotRepresentable { .. }), "{error:?}");
        assert_eq!(error.path(), "/0");
    }
    refused(());
    refused(None::<u8>);
    refused((1, 2));
    refused(vec!["a"]);
    refused(BTreeMap::from([(1, 2)]));
    refused(Float(f64::NAN));
}

/// As `serde_bytes` does it.
#[derive(Debug, PartialEq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}

#[test]
fn bytes_are_arrays_of_numbers() {
    agrees(Bytes((0..=255).collect()));
    assert_eq!(decode::<Bytes>(&encode("text")).unwrap(), Bytes(b"text".to_vec()));
}

#[test]
fn texts_can_be_borrowed() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Borrowed<'a> {
        text: &'a str,
        #[serde(borrow)]
        cow: Cow<'a, str>,
        #[serde(borrow)]
        map: BTreeMap<&'a str, &'a str>,
    }
    let bytes = encode(&json!({"text": "a\"b", "cow": "\u{1f600}", "map": {"k": "v"}}));
    let borrowed: Borrowed<'_> = decode(&bytes).unwrap();
    assert_eq!(borrowed.text, "a\"b");
    assert!(matches!(borrowed.cow, Cow::Borrowed("\u{1f600}")));
    assert_eq!(encode(&borrowed).len(), bytes.len());
}

#[test]
fn displayed_texts_of_every_length() {
    struct Displayed(usize);
    impl Serialize for Displayed {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&format_args!("{:>1$}", "x", self.0))
        }
    }
    for len in [1, 62, 63, 64, 65, 127, 128, 16_383, 16_384] {
        assert_eq!(encode(&Displayed(len)), encode(&format!("{:>1$}", "x", len)), "{len}");
        assert_eq!(
            encode(&BTreeMap::from([(format!("{:>1$}", "x", len), 1)])),
            {
                struct Map(usize);
                impl Serialize for Map {
                    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                        serializer.collect_map([(Displayed(self.0), 1)])
                    }
                }
                encode(&Map(len))
            },
            "{len}"
        );
    }
    let error = to_body(&Displayed(10), Limits { size: 5, ..Limits::default() }).unwrap_err();
    assert_eq!(*error.fault(), Fault::TooLarge { limit: 5 });
}

#[test]
fn what_json_cannot_hold_is_refused_with_its_path() {
    #[derive(Serialize)]
    struct Outer<T> {
        list: Vec<BTreeMap<&'static str, T>>,
    }
    #[derive(Serialize)]
    enum Choice<T> {
        Newtype(T),
        Tuple(u8, T),
        Struct { field: T },
    }
    fn at(value: impl Serialize) -> (Fault, String) {
        let error = to_body(&value, Limits::default()).unwrap_err();
        (error.fault().clone(), error.path())
    }
    fn nested<T: Serialize>(value: T) -> (Fault, String) {
        at(Outer { list: vec![BTreeMap::new(), BTreeMap::from([("a/b", value)])] })
    }
    let not_representable = |(fault, path): (Fault, String), expected: &str| {
        assert!(matches!(fault, Fault::NotRepresentable { .. }), "{fault:?}");
        assert_eq!(path, expected);
    };
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        not_representable(at(float), "");
        not_representable(nested(float), "/list/1/a~1b");
        not_representable(nested(float as f32), "/list/1/a~1b");
        not_representable(nested(Choice::Newtype(float)), "/list/1/a~1b/Newtype");
        not_representable(nested(Choice::Tuple(1, float)), "/list/1/a~1b/Tuple/1");
        not_representable(nested(Choice::Struct { field: float }), "/list/1/a~1b/Struct/field");
        not_representable(at(BTreeMap::from([(7, Some((0, float)))])), "/7/1");
    }
    not_representable(nested(u128::from(u64::MAX) + 1), "/list/1/a~1b");
    not_representable(nested(i128::from(i64::MIN) - 1), "/list/1/a~1b");
    not_representable(nested(i128::MAX), "/list/1/a~1b");

    #[derive(Serialize)]
    struct Twice {
        one: u8,
        #[serde(rename = "one")]
        other: u8,
    }
    assert_eq!(nested(Twice { one: 1, other: 2 }), (Fault::DuplicateKey, "/list/1/a~1b/one".to_owned()));
    struct Pairs;
    impl Serialize for Pairs {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([("x", 1), ("y", 2), ("x", 3)])
        }
    }
    assert_eq!(at([Pairs]), (Fault::DuplicateKey, "/0/x".to_owned()));

    struct GivesUp;
    impl Serialize for GivesUp {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    assert_eq!(nested(GivesUp), (Fault::Refused { message: "no".into() }, "/list/1/a~1b".to_owned()));
}

#[test]
fn an_error_that_a_serialize_drops_is_not_forgotten() {
    struct Careless;
    impl Serialize for Careless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeMap;
            let mut map = serializer.serialize_map(None)?;
            let _ = map.serialize_entry("\u{1}", &f64::NAN);
            map.serialize_entry("", &None::<u8>)?;
            map.end()
        }
    }
    assert!(matches!(to_body(&Careless, Limits::default()).unwrap_err().fault(), Fault::Refused { .. }));
}

#[test]
fn limits_hold_while_writing() {
    let nested = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let error = to_body(&nested, Limits::default()).unwrap_err();
    assert_eq!((error.fault(), error.path()), (&Fault::TooDeep { limit: 128 }, "/0".repeat(128)));
    let allowed = (0..128).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(decode::<Value>(&encode(&allowed)).unwrap(), allowed);

    struct Endless;
    impl Serialize for Endless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(std::iter::repeat(1_u8))
        }
    }
    let error = to_body(&[Endless], Limits::default()).unwrap_err();
    assert_eq!((error.fault(), &*error.path()), (&Fault::TooLarge { limit: 16 << 20 }, ""));
}

#[test]
fn appending_leaves_what_was_there() {
    let mut buffer = b"head".to_vec();
    append_body(&mut buffer, &json!([1]), Limits::default()).unwrap();
    assert_eq!(buffer, b"head\x07\x01\x81");
    assert!(append_body(&mut buffer, &[1.0, f64::NAN], Limits::default()).is_err());
    assert_eq!(buffer, b"head\x07\x01\x81");
}

#[test]
fn mismatches_name_their_path() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Target {
        list: Vec<External>,
        map: BTreeMap<u8, Plain>,
    }
    let at = |value: Value| {
        let bytes = encode(&value);
        let error = decode::<Target>(&bytes).unwrap_err();
        assert!(matches!(error.fault(), Fault::Mismatch { .. }), "{error:?}");
        error.path()
    };
    assert_eq!(at(json!([])), "");
    assert_eq!(at(json!({"list": []})), "");
    assert_eq!(at(json!({"list": 1})), "/list");
    assert_eq!(at(json!({"list": ["Unit", "Other"]})), "/list/1");
    assert_eq!(at(json!({"list": ["Newtype"]})), "/list/0");
    assert_eq!(at(json!({"list": [{"Newtype": [256]}]})), "/list/0/Newtype/0");
    assert_eq!(at(json!({"list": [{"Tuple": [1]}]})), "/list/0/Tuple");
    assert_eq!(at(json!({"list": [{"Tuple": [1, null, 3]}]})), "/list/0/Tuple");
    assert_eq!(at(json!({"list": [{"Struct": {"a": 1, "b": 1}}]})), "/list/0/Struct/a");
    assert_eq!(at(json!({"list": [{"Unit": null, "Newtype": []}]})), "/list/0");
    assert_eq!(at(json!({"list": [{}]})), "/list/0");
    assert_eq!(at(json!({"map": {"1": {"a": 1, "c": []}, "2": {"a": "x"}}})), "/map/2/a");
    assert_eq!(at(json!({"map": {"x": {"a": 1, "c": []}}})), "/map/x");
    assert_eq!(at(json!({"map": {"1": {"a": 1.0, "c": []}}})), "/map/1/a");
    assert_eq!(at(json!({"map": {"1": {"a": 1}}})), "/map/1");
}

proptest! {
    #[test]
    fn values_give_the_same_bytes_by_every_way(value in any_value()) {
        let bytes = encode(&value);
        prop_assert_eq!(&bytes, &Node::from_value(value.clone()).unwrap().to_bytes(Limits::default()).unwrap());
        prop_assert_eq!(decode::<Value>(&bytes).unwrap(), value.clone());
        prop_assert_eq!(&encode(&decode::<Value>(&bytes).unwrap()), &bytes);
        decode::<IgnoredAny>(&bytes).unwrap();
    }

    #[test]
    fn floats_come_back_bit_for_bit(float in any_float(), other in any::<f32>()) {
        prop_assert_eq!(decode::<f64>(&encode(&float)).unwrap().to_bits(), float.to_bits());
        prop_assume!(other.is_finite());
        prop_assert_eq!(decode::<f32>(&encode(&other)).unwrap().to_bits(), other.to_bits());
    }

    #[test]
    fn integers_come_back(signed: i64, unsigned: u64, key: i64) {
        agrees((signed, unsigned, BTreeMap::from([(key, i128::from(signed))])));
    }
}

/// A value that fits some type of this file, with up to three places changed.
fn near_values() -> impl Strategy<Value = Value> {
    let samples = vec![
        json!({"Newtype": [0, 255]}),
        json!({"Tuple": [-1, null]}),
        json!({"Struct": {"a": "x", "b": 1}}),
        json!({"Empty": []}),
        json!({"type": "Newtype", "a": 1, "b": "x", "c d": [true]}),
        json!({"type": "Struct", "a": 3}),
        json!({"t": "Tuple", "c": [1, "x"]}),
        json!({"t": "Struct", "c": {"a": null}}),
        json!({"t": "Unit"}),
        json!({"a": 1, "c": [false]}),
        json!({"first": 1, "a": -2, "c d": [], "type": "Unit", "rest": {"x": [1]}}),
        json!([1, "x", 2.5]),
        json!([1, null, 3]),
        json!({"1": [], "-3": {"x": 1}}),
        json!({"true": 1, "false": null}),
        json!({"One": 1, "the other": 2}),
        json!("Unit"),
        json!("the other"),
        json!(-5),
        json!(2.5),
    ];
    let replacement = prop_oneof![
        Just(None),
        prop::sample::select(vec![
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(256),
            json!(1.0),
            json!("Unit"),
            json!("One"),
            json!("x"),
            json!([]),
            json!({}),
            json!({"a": 1}),
            json!({"Newtype": 1}),
        ])
        .prop_map(Some),
        any_value().prop_map(Some),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), replacement), 0..=3);
    (prop::sample::select(samples), changes).prop_map(|(mut value, changes)| {
        for (place, replacement) in changes {
            let place = place.index(places(&value));
            change(&mut value, place, replacement);
        }
        value
    })
}

/// How many values there are in a value, itself included.
fn places(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(places).sum(),
        Value::Object(members) => members.values().map(places).sum(),
        _ => 0,
    }
}

/// Replaces the value at a place; without a replacement, takes the last child out.
fn change(value: &mut Value, mut place: usize, replacement: Option<Value>) {
    if place == 0 {
        match (replacement, value) {
            (Some(replacement), value) => *value = replacement,
            (None, Value::Array(elements)) => drop(elements.pop()),
            (None, Value::Object(members)) => {
                if let Some(key) = members.keys().next_back().cloned() {
                    members.remove(&key);
                }
            }
            (None, _) => {}
        }
        return;
    }
    place -= 1;
    let children: Vec<&mut Value> = match value {
        Value::Array(elements) => elements.iter_mut().collect(),
        Value::Object(members) => members.values_mut().collect(),
        _ => Vec::new(),
    };
    for child in children {
        let inside = places(child);
        if place < inside {
            return change(child, place, replacement);
        }
        place -= inside;
    }
}

/// Whether a type takes a value, and as what, is the same from a body and from text. 1 where it took it, 0 where it did not.
fn same_verdict<T: DeserializeOwned + PartialEq + Debug>(
    bytes: &[u8],
    text: &str,
) -> Result<u32, TestCaseError> {
    // Not `from_str`, which in serde_json 1.0.154 makes text that is not UTF-8 of a key like "\u{e9}" where a bool is expected.
    match (decode::<T>(bytes), serde_json::from_slice::<T>(text.as_bytes())) {
        (Ok(ours), Ok(theirs)) => {
            prop_assert_eq!(ours, theirs);
            Ok(1)
        }
        (Err(_), Err(_)) => Ok(0),
        (ours, theirs) => Err(TestCaseError::fail(format!("{text}: {ours:?}, serde_json {theirs:?}"))),
    }
}

#[test]
fn types_take_what_they_take_from_text() {
    let taken: [Cell<u32>; 16] = std::array::from_fn(|_| Cell::new(0));
    let cases = Cell::new(0_u32);
    let values = prop_oneof![7 => near_values(), 1 => any_value()];
    TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })
        .run(&values, |value| {
            let (bytes, text) = (encode(&value), value.to_string());
            let verdicts = [
                same_verdict::<External>(&bytes, &text)?,
                same_verdict::<Internal>(&bytes, &text)?,
                same_verdict::<Adjacent>(&bytes, &text)?,
                same_verdict::<Untagged>(&bytes, &text)?,
                same_verdict::<Plain>(&bytes, &text)?,
                same_verdict::<Flat>(&bytes, &text)?,
                same_verdict::<Tuple>(&bytes, &text)?,
                same_verdict::<Vec<Option<Newtype>>>(&bytes, &text)?,
                same_verdict::<BTreeMap<i8, Value>>(&bytes, &text)?,
                same_verdict::<BTreeMap<bool, Value>>(&bytes, &text)?,
                same_verdict::<HashMap<String, Untagged>>(&bytes, &text)?,
                same_verdict::<Key>(&bytes, &text)?,
                same_verdict::<f64>(&bytes, &text)?,
                same_verdict::<Bytes>(&bytes, &text)?,
                same_verdict::<char>(&bytes, &text)?,
                same_verdict::<i128>(&bytes, &text)?,
            ];
            cases.set(cases.get() + 1);
            for (sum, verdict) in taken.iter().zip(verdicts) {
                sum.set(sum.get() + verdict);
            }
            Ok(())
        })
        .unwrap();
    let (cases, taken) = (cases.get(), taken.map(Cell::into_inner));
    println!("types_take_what_they_take_from_text: {cases} values, taken by type {taken:?}");
    assert!(taken.iter().all(|&taken| taken >= 20), "too few for some type: {taken:?} of {cases}");
}

/// serde_json's own types, in the forms they take under its features.
mod magic {
    use super::*;

    #[derive(Serialize)]
    #[serde(rename = "$serde_json::private::Number")]
    struct Number {
        #[serde(rename = "$serde_json::private::Number")]
        text: &'static str,
    }

    #[derive(Serialize)]
    #[serde(rename = "$serde_json::private::RawValue")]
    struct RawValue {
        #[serde(rename = "$serde_json::private::RawValue")]
        text: &'static str,
    }

    #[test]
    fn numbers_as_text_become_numbers() {
        for (text, bytes) in [
            ("0", encode(&0)),
            ("-9223372036854775808", encode(&i64::MIN)),
            ("18446744073709551615", encode(&u64::MAX)),
            ("1.0", encode(&1.0)),
            ("1.10", encode(&1.1)),
            ("1e2", encode(&100.0)),
            ("-0", encode(&-0.0)),
            ("0.1000000000000000055511151231257827021181583404541015625", encode(&0.1)),
        ] {
            assert_eq!(encode(&[Number { text }]), [&[0x07, bytes.len() as u8], &*bytes].concat(), "{text}");
        }
        for text in ["18446744073709551616", "-9223372036854775809", "1e400", "NaN", ""] {
            let error = to_body(&(1, Number { text }), Limits::default()).unwrap_err();
            assert!(matches!(error.fault(), Fault::NotRepresentable { .. }), "{text}");
            assert_eq!(error.path(), "/1");
        }
    }

    #[test]
    fn as_keys_the_names_are_keys_like_others() {
        for name in ["$serde_json::private::Number", "$serde_json::private::RawValue", "$serde_json", "$"] {
            agrees(json!({name: "1"}));
            agrees(BTreeMap::from([(name.to_owned(), 1)]));
        }
    }

    #[test]
    fn raw_text_becomes_its_value() {
        let bytes = encode(&[RawValue { text: " {\"b\": [1, 2.50, \"\\u00e9\"], \"a\": null} " }]);
        assert_eq!(bytes, encode_text("[{\"b\": [1, 2.5, \"é\"], \"a\": null}]"));
        for (text, path) in [("[0, 18446744073709551616]", "/0/1"), ("{\"a\": 1, \"a\": 2}", "/0/a")] {
            let error = to_body(&[RawValue { text }], Limits::default()).unwrap_err();
            assert_eq!(error.path(), path);
        }
    }

    #[test]
    fn values_become_raw_text() {
        struct RawText(String);
        impl<'de> Deserialize<'de> for RawText {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = RawText;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("any valid JSON value")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<RawText, A::Error> {
                        assert_eq!(map.next_key::<String>()?.unwrap(), "$serde_json::private::RawValue");
                        let text = map.next_value()?;
                        assert_eq!(map.next_key::<String>()?, None);
                        Ok(RawText(text))
                    }
                }
                deserializer.deserialize_newtype_struct("$serde_json::private::RawValue", Visitor)
            }
        }
        let text = "{\"b\":[1,-2,2.5,\"é\",true],\"a\":null}";
        let bytes = encode_text(&format!("[{text}]"));
        let [raw] = decode::<[RawText; 1]>(&bytes).unwrap();
        assert_eq!(raw.0, text);
        // {"k": 1, "k": 1}, which no writer writes.
        let twice = [0x07, 8, 0x08, 6, 1, b'k', 0x81, 1, b'k', 0x81];
        assert!(matches!(decode::<[RawText; 1]>(&twice).err().unwrap().fault(), Fault::Malformed { .. }));
    }
}
