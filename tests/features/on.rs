//! What serde_json's `arbitrary_precision`, `preserve_order` and `raw_value` add, and how a store takes it.

mod stored;

use std::collections::BTreeMap;

use pivotdb::{ErrorKind, Evolution, Store};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Number, Value};

use crate::stored::Stored;

#[test]
fn the_features_are_on() {
    let value: Value = serde_json::from_str(r#"{"b": 1.10, "a": 1e400}"#).unwrap();
    assert_eq!(value.to_string(), r#"{"b":1.10,"a":1e+400}"#);
}

#[test]
fn numbers_are_stored_as_what_they_are() {
    let store = Store::memory().unwrap();
    let values = store.documents("numbers").unwrap();
    for (id, (text, stored)) in (1..).zip([
        ("1.10", "1.1"),
        ("1.0", "1.0"),
        ("1e2", "100.0"),
        ("-0", "-0.0"),
        ("0.1000000000000000055511151231257827", "0.1"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
    ]) {
        let value: Value = serde_json::from_str(&format!("{{\"n\": [{text}]}}")).unwrap();
        values.insert_with_id(id, &value).unwrap();
        assert_eq!(values.require(id).unwrap().to_string(), format!("{{\"n\":[{stored}]}}"));
    }
    for text in ["18446744073709551616", "-9223372036854775809", "1e400", "-1e400"] {
        let value: Value = serde_json::from_str(&format!("{{\"n\": [0, {text}]}}")).unwrap();
        let error = values.insert(&value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotRepresentable, "{text}");
        assert_eq!(error.context().path(), Some("/n/1"), "{text}");
    }
}

#[test]
fn the_order_of_members_is_kept() {
    let store = Store::memory().unwrap();
    let values = store.documents("values").unwrap();
    let text = r#"{"z":1,"a":{"y":[],"b":null},"m":2}"#;
    values.insert_with_id(1, &serde_json::from_str(text).unwrap()).unwrap();
    assert_eq!(values.require(1).unwrap().to_string(), text);
}

#[derive(Debug, Serialize, Deserialize)]
struct Lazy {
    raw: Box<RawValue>,
    list: Vec<Box<RawValue>>,
    number: Number,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[test]
fn raw_values_and_numbers_within_types() {
    let stored = Stored::new();
    let lazy = stored.store.collection_with::<Lazy>("lazy", "lazy", &Evolution::new()).unwrap();
    let text = r#"{"raw":{"b":[1,2.5,"é"],"a":null},"list":[1,"x",[]],"number":0.1,"more":[1.0,{"k":2}]}"#;
    lazy.insert_with_id(1, &serde_json::from_str(text).unwrap()).unwrap();
    #[rustfmt::skip]
    stored.assert_body(&[
        &[0x08, 75][..],
        b"\x03raw", &[0x08, 20], b"\x01b", &[0x07, 13], &[0x81], &[0x05, 0, 0, 0, 0, 0, 0, 0x04, 0x40], b"\x42\xc3\xa9", b"\x01a", &[0x00],
        b"\x04list", &[0x07, 5], &[0x81], b"\x41x", &[0x07, 0],
        b"\x06number", &[0x05, 0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f],
        b"\x04more", &[0x07, 14], &[0x05, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f], &[0x08, 3], b"\x01k", &[0x82],
    ].concat());
    let stored = stored.reopened();
    let lazy = stored.store.collection_with::<Lazy>("lazy", "lazy", &Evolution::new()).unwrap();
    let read = lazy.require(1).unwrap();
    assert_eq!(serde_json::to_string(&*read).unwrap(), text);
    lazy.overwrite(1, &read).unwrap();
    assert_eq!(serde_json::to_string(&*lazy.require(1).unwrap()).unwrap(), text);

    for (raw, path) in [("[18446744073709551616]", "/raw/0"), (r#"{"k": 1, "k": 2}"#, "/raw/k")] {
        let value = Lazy {
            raw: RawValue::from_string(raw.to_owned()).unwrap(),
            list: Vec::new(),
            number: 1.into(),
            rest: BTreeMap::new(),
        };
        let error = lazy.insert(&value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotRepresentable, "{raw}");
        assert_eq!(error.context().path(), Some(path), "{raw}");
    }
}

#[test]
fn what_serde_json_would_mistake_is_not_read_as_something_else() {
    let store = Store::memory().unwrap();
    let values = store.documents("values").unwrap();
    let maps = store.collection_with::<BTreeMap<String, String>>("maps", "map", &Evolution::new()).unwrap();
    for name in ["$serde_json::private::Number", "$serde_json::private::RawValue"] {
        let map = BTreeMap::from([(name.to_owned(), "1".to_owned())]);
        let value = Value::Object(map.iter().map(|(key, value)| (key.clone(), value[..].into())).collect());
        let id = values.insert(&value).unwrap();
        let error = values.require(id).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        assert_eq!(error.context().path(), Some(&*format!("/{name}")));
        // A type that asks for a map is not concerned.
        let id = maps.insert(&map).unwrap();
        assert_eq!(*maps.require(id).unwrap(), map);
    }
}

#[test]
fn floats_under_flatten_and_untagged() {
    // From text, serde_json with arbitrary_precision cannot read these.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outer {
        #[serde(flatten)]
        inner: Inner,
        choice: Choice,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        float: f64,
        integer: u64,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Choice {
        Integer(i64),
        Float(f64),
    }
    let store = Store::memory().unwrap();
    let outers = store.collection_with::<Outer>("outers", "outer", &Evolution::new()).unwrap();
    let outer = Outer { inner: Inner { float: 0.1, integer: u64::MAX }, choice: Choice::Float(2.0) };
    outers.insert_with_id(1, &outer).unwrap();
    assert_eq!(*outers.require(1).unwrap(), outer);
}
