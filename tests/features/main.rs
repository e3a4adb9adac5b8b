//! What must not depend on serde_json's features. This file is a test of two packages: the library's, where
//! `arbitrary_precision`, `preserve_order` and `raw_value` are off, and the one beside it, where they are on.

mod stored;

use std::collections::BTreeMap;

use pivotdb::{Complement, DocumentId, ErrorKind, Evolution, Function, Op, Plan, StepContext, Store, To};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::stored::Stored;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    number: u64,
    total: f64,
    lines: Vec<Line>,
    note: Option<String>,
    rest: BTreeMap<String, Value>,
    key: BTreeMap<i32, (bool, f32)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Line {
    Item { price: f64, count: i64 },
    Shipping(Shipping),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Shipping {
    zone: u8,
    #[serde(flatten)]
    more: BTreeMap<String, Number>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Integer(i64),
    Float(f64),
}

fn order() -> Order {
    Order {
        number: 300,
        total: -0.0,
        lines: vec![
            Line::Item { price: 0.1, count: -1 },
            Line::Shipping(Shipping {
                zone: 3,
                more: BTreeMap::from([("a".into(), Number::Integer(1)), ("b".into(), Number::Float(1.0))]),
            }),
        ],
        note: None,
        rest: BTreeMap::from([("x".into(), json!([1, 1.0, u64::MAX, "s", {}]))]),
        key: BTreeMap::from([(-1, (true, 0.5))]),
    }
}

#[test]
fn a_typed_value_has_the_same_bytes() {
    let stored = Stored::new();
    let orders = stored.store.collection_with::<Order>("orders", "order", &Evolution::new()).unwrap();
    orders.insert_with_id(1, &order()).unwrap();
    #[rustfmt::skip]
    let body = [
        &[0x08, 0xa7, 0x01][..],
        b"\x06number", &[0x03, 0xac, 0x02],
        b"\x05total", &[0x05, 0, 0, 0, 0, 0, 0, 0, 0x80],
        b"\x05lines", &[0x07, 71],
            &[0x08, 33], b"\x04type\x44Item",
                b"\x05price", &[0x05, 0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f],
                b"\x05count", &[0x04, 0x00],
            &[0x08, 34], b"\x04type\x48Shipping",
                b"\x04zone", &[0x83],
                b"\x01a", &[0x81],
                b"\x01b", &[0x05, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
        b"\x04note", &[0x00],
        b"\x04rest", &[0x08, 29], b"\x01x", &[0x07, 25],
            &[0x81], &[0x05, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
            &[0x03, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            b"\x41s", &[0x08, 0],
        b"\x03key", &[0x08, 15], b"\x02-1", &[0x07, 10], &[0x02], &[0x05, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f],
    ]
    .concat();
    stored.assert_body(&body);
    let read = orders.require(1).unwrap();
    assert_eq!(*read, order());
    assert!(read.total.is_sign_negative());
    assert_eq!(orders.update(1, |order| order.note = None).unwrap().value, order());
    stored.assert_body(&body);
}

#[test]
fn a_function_gives_the_same_bytes() {
    let stored = Stored::new();
    let first = Evolution::new();
    let notes = stored.store.collection_with::<Note>("notes", "note", &first).unwrap();
    notes.insert_with_id(1, &Note { z: 1, a: Inner { y: 2, b: 3 }, more: BTreeMap::new() }).unwrap();

    let reopened = stored.reopened();
    let second = Evolution::new().step(
        "more",
        Function::new("adds", |note, _| {
            note["new"] = json!({"q": 1, "p": 2});
            note["also"] = json!(1.0);
            note["a"]["b"] = json!(4);
            note["a"]["added"] = json!(null);
        }),
    );
    let notes = reopened.store.collection_with::<Note>("notes", "note", &second).unwrap();
    notes.update(1, |note| note.z += 1).unwrap();
    // What was there keeps its order; what a function adds follows, sorted.
    #[rustfmt::skip]
    reopened.assert_body(&[
        &[0x08, 46][..],
        b"\x01z", &[0x82],
        b"\x01a", &[0x08, 13], b"\x01y", &[0x82], b"\x01b", &[0x84], b"\x05added", &[0x00],
        b"\x04also", &[0x05, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
        b"\x03new", &[0x08, 6], b"\x01p", &[0x82], b"\x01q", &[0x81],
    ].concat());
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    z: i64,
    a: Inner,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Inner {
    y: u8,
    b: u8,
}

#[test]
fn values_come_back_equal() {
    let store = Store::memory().unwrap();
    let values = store.documents("values").unwrap();
    for (id, text) in (1..).zip([
        "null",
        "-0.0",
        "[0, 127, 128, 18446744073709551615, -1, -9223372036854775808]",
        "[1.0, 0.1, 5e-324, 1.7976931348623157e308, 1e22, 123456789012345680000.0]",
        r#"{"z": {"y": 1.5, "x": [true, {}]}, "a": "\u0000\ud83d\ude00", "": ""}"#,
    ]) {
        let value: Value = serde_json::from_str(text).unwrap();
        values.insert_with_id(id, &value).unwrap();
        let read = values.require(id).unwrap();
        assert_eq!(exactly(&read), exactly(&value), "{text}");
        values.overwrite(id, &read).unwrap();
        assert_eq!(exactly(&values.require(id).unwrap()), exactly(&value), "{text}");
    }
}

/// A value as text in which only the value counts: members sorted, floats by their bits.
fn exactly(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => format!("{:x?}", number.as_f64().map(f64::to_bits)),
        Value::Array(elements) => format!("{:?}", elements.iter().map(exactly).collect::<Vec<_>>()),
        Value::Object(members) => {
            let sorted: BTreeMap<_, _> =
                members.iter().map(|(key, value)| (key.clone(), exactly(value))).collect();
            format!("{sorted:?}")
        }
        scalar => scalar.to_string(),
    }
}

#[test]
fn what_cannot_be_exact_is_refused_with_its_path() {
    let store = Store::memory().unwrap();
    fn refused<T: Serialize + for<'de> Deserialize<'de>>(store: &Store, value: T, path: &str) {
        let values = store.collection_with::<T>("refused", "refused", &Evolution::new()).unwrap();
        let error = values.insert(&value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotRepresentable);
        assert_eq!(error.context().path(), Some(path));
        assert_eq!(values.count().unwrap(), 0);
    }
    refused(&store, vec![0.0, f64::NAN], "/1");
    refused(&store, BTreeMap::from([(7, f32::INFINITY)]), "/7");
    refused(&store, (0, u128::MAX), "/1");
    refused(&store, [i128::from(i64::MIN) - 1], "/0");
}

/// Stamps and complements are compared byte by byte, by programs that know nothing of each other's features.
#[test]
fn stamps_and_complements_do_not_depend_on_features() {
    let constant = json!({"y": 1.5, "x": [null, "é", -0.0, u64::MAX, 1e300], "a": {}});
    let trim = |body: &mut Value, _: &StepContext<'_>| body["z"] = json!([{"b": 0.1, "a": -0.0}]);
    let evolution = Evolution::new()
        .step("one", [Op::rename("a", "b"), Op::add("c.d", constant), Op::each("list", [Op::remove("x")])])
        .step(
            "two",
            (
                [Op::convert("n", To::table([(json!({"q": 1.0, "p": 1}), json!(2.5))]))],
                Function::new("f", trim).down(|_, _| ()),
            ),
        );
    let plan = Plan::between(&evolution, "order", 1, 3).unwrap();
    assert_eq!(plan.to().to_string(), "3:0b3055905260a3ee");
    let id = DocumentId::from(1);
    let context = StepContext::new("order", &id);
    let body = json!({"c": {}, "a": 1, "n": {"p": 1, "q": 1.0}, "list": [{"y": 0.1, "x": {"u": -0.0, "v": 1e22}}], "z": {"k": 1.0, "j": 2}});
    let (after, complement) = plan.apply_keeping(body.clone(), &Complement::empty(), &context).unwrap();
    let bytes: Vec<String> = complement.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        bytes.concat(),
        "07980107620391b1e9e7eec2a394fd010207540711818003d392aaa6f1afc1d8680703070182073f8282073b0739\
         8003c8d387df94d7a5a9fa01072b0729808003cffad2deb8dec98540071b07198108160175050000000000000080\
         01760592d54d06cff08044073203eec7829385b295980b02072507238184038880bc84b6f693e3aa010714071241\
         7a080e016a82016b05000000000000f03f"
    );
    let back = Plan::between(&evolution, "order", 3, 1).unwrap();
    assert_eq!(back.apply_keeping(after, &complement, &context).unwrap().0, body);
}
