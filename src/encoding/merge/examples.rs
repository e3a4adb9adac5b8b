//! What becomes of a stored document when programs change it through types of all kinds.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::encoding::merge::keys::ArrayKeys;
use crate::encoding::merge::testing::view;
use crate::encoding::merge::trial::{change, merge_values};
use crate::error::error::Error;
use crate::error::kind::ErrorKind;

#[derive(Serialize, Deserialize)]
struct User {
    #[serde(alias = "mail")]
    email: String,
    #[serde(default)]
    age: u32,
    #[serde(default, alias = "nick", skip_serializing_if = "Option::is_none")]
    nickname: Option<String>,
    #[serde(default, alias = "residence")]
    address: Address,
}

#[derive(Serialize, Deserialize, Default)]
struct Address {
    #[serde(default, alias = "town")]
    city: String,
    #[serde(default)]
    zip: u32,
}

fn user() -> serde_json::Value {
    json!({"email": "a@b", "age": 3, "address": {"city": "Ulm", "zip": 1, "floor": 2}, "pet": "cat"})
}

#[test]
fn what_the_type_does_not_know_stays() {
    let changed = change(user(), |user: &mut User| {
        user.age = 4;
        user.address.zip = 2;
    });
    let expected =
        json!({"email": "a@b", "age": 4, "address": {"city": "Ulm", "zip": 2, "floor": 2}, "pet": "cat"});
    assert_eq!(changed.unwrap(), expected);
}

#[test]
fn a_default_is_written_when_it_is_changed() {
    let base = json!({"email": "a@b", "pet": 0});
    let changed = change(base.clone(), |user: &mut User| user.email.push('c')).unwrap();
    assert_eq!(changed, json!({"email": "a@bc", "pet": 0}));
    // A member of the same value as the default is not taken for another name of it.
    let changed = change(base, |user: &mut User| user.age = 7).unwrap();
    assert_eq!(changed, json!({"email": "a@b", "pet": 0, "age": 7}));
}

#[test]
fn an_alias_is_never_doubled() {
    let base =
        json!({"mail": "a@b", "nick": "al", "residence": {"town": "Ulm", "zip": 1, "x": 2}, "pet": "al"});
    // Nothing to do with the names: they stay.
    let changed = change(base.clone(), |user: &mut User| user.age = 1).unwrap();
    assert_eq!(changed["mail"], "a@b");
    // A change takes the name that the type writes. Required, optional, removed, and within what is itself called otherwise.
    let changed = change(base.clone(), |user: &mut User| user.email = "c@d".into()).unwrap();
    assert_eq!((&changed["email"], changed.get("mail")), (&json!("c@d"), None));
    let changed = change(base.clone(), |user: &mut User| user.nickname = Some("bo".into())).unwrap();
    assert_eq!(
        (&changed["nickname"], changed.get("nick"), &changed["pet"]),
        (&json!("bo"), None, &json!("al"))
    );
    let changed = change(base.clone(), |user: &mut User| user.nickname = None).unwrap();
    assert_eq!((changed.get("nickname"), changed.get("nick"), &changed["pet"]), (None, None, &json!("al")));
    let changed = change(base.clone(), |user: &mut User| user.address.city.push('!')).unwrap();
    assert_eq!(changed["address"], json!({"city": "Ulm!", "zip": 1, "x": 2}));
    let changed = change(base, |user: &mut User| {
        user.email = "c@d".into();
        user.nickname = None;
        user.address.zip = 5;
    });
    let expected = json!({"email": "c@d", "address": {"town": "Ulm", "zip": 5, "x": 2}, "pet": "al"});
    assert_eq!(changed.unwrap(), expected);
}

/// A change was refused where the document had the field under another name with the value of the default: without it the type read the same.
#[test]
fn an_alias_that_holds_the_default_is_not_doubled() {
    let base = json!({"email": "", "nick": null, "residence": {"town": "", "zip": 0, "x": 2}, "pet": null});
    let changed = change(base, |user: &mut User| {
        user.nickname = Some("al".into());
        user.address.city = "Ulm".into();
    });
    let expected =
        json!({"email": "", "nickname": "al", "address": {"city": "Ulm", "zip": 0, "x": 2}, "pet": null});
    assert_eq!(changed.unwrap(), expected);
}

#[derive(Serialize, Deserialize)]
struct Holder<S> {
    name: u32,
    shape: S,
}

#[derive(Serialize, Deserialize)]
enum External {
    #[serde(alias = "Ring")]
    Circle {
        r: u32,
    },
    Square {
        a: u32,
    },
    Point,
}

#[test]
fn a_variant_makes_way_for_another() {
    let base = |shape| json!({"name": 1, "shape": shape, "more": 0});
    for stored in [json!({"Circle": {"r": 1, "x": 2}}), json!({"Ring": {"r": 1, "x": 2}})] {
        let changed = change(base(stored.clone()), |holder: &mut Holder<External>| {
            holder.shape = External::Square { a: 3 };
        });
        assert_eq!(changed.unwrap(), base(json!({"Square": {"a": 3}})));
        let changed =
            change(base(stored.clone()), |holder: &mut Holder<External>| holder.shape = External::Point);
        assert_eq!(changed.unwrap(), base(json!("Point")));
        let changed = change(base(stored), |holder: &mut Holder<External>| {
            holder.shape = External::Circle { r: 9 };
        });
        assert_eq!(changed.unwrap(), base(json!({"Circle": {"r": 9, "x": 2}})));
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Internal {
    A {
        x: u32,
    },
    B {
        x: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        z: Option<u32>,
    },
    C {
        #[serde(default = "seven")]
        x: u32,
    },
    D {
        #[serde(default = "eight")]
        x: u32,
    },
}

fn seven() -> u32 {
    7
}

fn eight() -> u32 {
    8
}

#[test]
fn a_variant_does_not_inherit_what_another_did_not_know() {
    let base = json!({"type": "A", "x": 1, "z": 5, "more": 0});
    let changed = change(base, |shape: &mut Internal| *shape = Internal::B { x: 1, z: None });
    assert_eq!(changed.unwrap(), json!({"type": "B", "x": 1, "more": 0}));
    // The default of one variant is not that of the other.
    let changed =
        change(json!({"type": "C", "more": 0}), |shape: &mut Internal| *shape = Internal::D { x: 7 });
    assert_eq!(changed.unwrap(), json!({"type": "D", "x": 7, "more": 0}));
}

#[derive(Serialize, Deserialize)]
struct Flat {
    a: u32,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

#[test]
fn what_is_flattened_is_known() {
    let changed = change(json!({"a": 1, "b": 2, "c": 3}), |flat: &mut Flat| {
        flat.rest.remove("b");
        flat.rest.insert("d".into(), json!([1]));
    });
    assert_eq!(changed.unwrap(), json!({"a": 1, "c": 3, "d": [1]}));
}

#[derive(Serialize, Deserialize, PartialEq, Eq, Hash, Clone)]
struct Tag {
    id: u32,
}

#[derive(Serialize, Deserialize)]
struct Tagged {
    tags: HashSet<Tag>,
}

#[test]
fn a_set_comes_out_in_any_order() {
    let tags: Vec<_> = (0..20).map(|id| json!({"id": id, "of": id})).collect();
    let base = json!({"tags": tags, "more": 0});
    let mut typed: Tagged = serde_json::from_value(base.clone()).unwrap();
    let before = serde_json::to_value(&typed).unwrap();
    typed.tags.remove(&Tag { id: 4 });
    typed.tags.insert(Tag { id: 99 });
    let after = serde_json::to_value(&typed).unwrap();
    let changed = merge_values(base, before, after, &ArrayKeys::none(), view::<Tagged>).unwrap();
    let tags = changed["tags"].as_array().unwrap();
    assert_eq!(tags.len(), 20);
    for tag in tags {
        assert_eq!(tag.get("of"), (tag["id"] != 99).then_some(&tag["id"]));
    }
}

/// Passes over what it cannot read.
#[derive(Serialize)]
struct Lenient {
    shapes: Vec<External>,
}

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Stored {
            shapes: Vec<serde_json::Value>,
        }
        let shapes = Stored::deserialize(deserializer)?.shapes;
        Ok(Self {
            shapes: shapes.into_iter().filter_map(|shape| serde_json::from_value(shape).ok()).collect(),
        })
    }
}

#[test]
fn elements_that_the_type_passes_over_stay_where_they_are() {
    let base = json!({"shapes": [{"Star": 1}, {"Circle": {"r": 1, "x": 1}}, {"Star": 2}, {"Square": {"a": 2}}, "Line"]});
    let changed = change(base.clone(), |lenient: &mut Lenient| lenient.shapes.push(External::Point)).unwrap();
    let expected = json!([{"Star": 1}, {"Circle": {"r": 1, "x": 1}}, {"Star": 2}, {"Square": {"a": 2}}, "Line", "Point"]);
    assert_eq!(changed["shapes"], expected);
    let changed = change(base, |lenient: &mut Lenient| {
        lenient.shapes.remove(0);
    })
    .unwrap();
    assert_eq!(changed["shapes"], json!([{"Star": 1}, {"Star": 2}, {"Square": {"a": 2}}, "Line"]));
}

#[derive(Serialize, Deserialize)]
struct Unique {
    ids: std::collections::BTreeSet<Short>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Short {
    id: u32,
}

/// Here an element that was passed over would come back to life.
#[test]
fn elements_that_the_type_would_read_again_go() {
    let base = json!({"ids": [{"id": 1, "x": 1}, {"id": 1, "x": 2}, {"id": 2, "x": 3}]});
    let changed = change(base, |unique: &mut Unique| unique.ids.retain(|short| short.id != 1)).unwrap();
    assert_eq!(changed, json!({"ids": [{"id": 2, "x": 3}]}));
}

#[test]
fn what_cannot_be_told_apart_is_refused() {
    // A type that reads a number it does not write.
    let view = |value: serde_json::Value| Some(json!({"sum": value["a"].as_u64()? + value["b"].as_u64()?}));
    let (base, before, after) = (json!({"a": 1, "b": 2}), json!({"sum": 3}), json!({"sum": 4}));
    // It does not read what it writes either: then there is nothing to go by.
    assert!(merge_values(base.clone(), before.clone(), after.clone(), &ArrayKeys::none(), view).is_ok());
    let view = |value: serde_json::Value| match value.get("sum") {
        Some(sum) if value.get("a").is_none() => Some(json!({"sum": sum})),
        _ => view(value),
    };
    let error = merge_values(base, before, after, &ArrayKeys::none(), view).unwrap_err();
    assert_eq!(Error::from(error).kind(), ErrorKind::Mismatch);
}

#[test]
fn nulls_that_the_type_leaves_out_stay_or_are_replaced() {
    let base = json!({"email": "", "age": 0, "nickname": null, "address": {"city": "", "zip": 0}});
    let changed = change(base.clone(), |user: &mut User| user.age = 1).unwrap();
    assert_eq!(changed["nickname"], json!(null));
    let changed = change(base, |user: &mut User| user.nickname = Some("x".into())).unwrap();
    assert_eq!(changed["nickname"], json!("x"));
}
