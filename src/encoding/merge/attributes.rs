//! The laws of merging for types with serde's attributes, one by one.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::encoding::merge::keys::ArrayKeys;
use crate::encoding::merge::laws::unknown_survives;
use crate::encoding::merge::testing::view;
use crate::encoding::merge::trial::merge_values;

/// Members that are left out.
const ABSENT: &str = "absent";

/// Edits values through `T`, and holds against each result that `T` reads what it wrote, that members beginning with `u` are where they
/// were, and that no edit changes nothing. Two ways to write that are wrong must be found out in the same run: writing
/// what the type has and nothing else, and writing it over what is there. `over`: the second one is wrong of this type.
fn law<T: Serialize + DeserializeOwned, E: Debug>(
    name: &str,
    over: bool,
    bases: impl Strategy<Value = Value>,
    edits: impl Strategy<Value = E>,
    edit: impl Fn(&mut T, &E),
) {
    let counts = Cell::new((0, 0, 0));
    let mut runner = TestRunner::new(Config::with_cases(500));
    let result = runner.run(&(bases, edits), |(base, made)| {
        let base = without_absent(base);
        let mut typed: T = serde_json::from_value(base.clone()).unwrap();
        let before = serde_json::to_value(&typed).unwrap();
        edit(&mut typed, &made);
        let after = serde_json::to_value(&typed).unwrap();
        let result = merge_values(base.clone(), before.clone(), after.clone(), &ArrayKeys::none(), view::<T>);
        let result = result.map_err(|error| TestCaseError::fail(error.to_string()))?;
        holds::<T>(&base, &after, &result)?;
        if before == after {
            prop_assert_eq!(&result, &base);
        } else {
            let (changed, alone, laid) = counts.get();
            let caught = |result: &Value| usize::from(holds::<T>(&base, &after, result).is_err());
            counts.set((changed + 1, alone + caught(&after), laid + caught(&laid_over(&base, &after))));
        }
        Ok(())
    });
    result.unwrap();
    let (changed, alone, laid) = counts.get();
    println!("serde {name}: {changed} changes; caught: the type's alone {alone}, laid over {laid}");
    assert!(changed > 200 && alone > 100 && (laid > 20 || !over), "{name}: {changed}, {alone}, {laid}");
}

fn holds<T: Serialize + DeserializeOwned>(
    base: &Value,
    after: &Value,
    result: &Value,
) -> Result<(), TestCaseError> {
    let read = view::<T>(result.clone());
    prop_assert_eq!(read.as_ref(), Some(after));
    unknown_survives(base, after, result).map(drop)
}

fn laid_over(base: &Value, after: &Value) -> Value {
    match (base, after) {
        (Value::Object(base), Value::Object(after)) => {
            let mut both = base.clone();
            for (key, value) in after {
                let value = base.get(key).map_or_else(|| value.clone(), |base| laid_over(base, value));
                both.insert(key.clone(), value);
            }
            Value::Object(both)
        }
        _ => after.clone(),
    }
}

fn without_absent(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let there = members.into_iter().filter(|(_, value)| value != ABSENT);
            Value::Object(there.map(|(key, value)| (key, without_absent(value))).collect())
        }
        other => other,
    }
}

/// Something of the caller's that the type knows nothing of, or nothing.
fn unknown() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(ABSENT)),
        (0..9_u8).prop_map(Value::from),
        (0..9_u8).prop_map(|n| json!({"n": [n], "a": null})),
    ]
}

fn number() -> impl Strategy<Value = u8> {
    0..4_u8
}

/// A member, or none.
fn perhaps() -> impl Strategy<Value = Value> {
    prop_oneof![Just(json!(ABSENT)), number().prop_map(Value::from)]
}

#[derive(Serialize, Deserialize)]
struct Aliased {
    #[serde(alias = "old")]
    a: u8,
    #[serde(default, alias = "older", alias = "oldest")]
    b: u8,
    #[serde(alias = "inside")]
    within: Within,
}

#[derive(Serialize, Deserialize)]
struct Within {
    #[serde(alias = "former")]
    n: u8,
}

#[test]
fn alias() {
    let names = (
        prop_oneof!["a", "old"],
        prop_oneof!["b", "older", "oldest"],
        prop_oneof!["within", "inside"],
        prop_oneof!["n", "former"],
    );
    let bases = (names, number(), perhaps(), number(), unknown(), unknown()).prop_map(
        |((a, b, within, n), one, two, three, top, deep)| json!({a: one, "u": top, b: two, within: {n: three, "u1": deep}}),
    );
    law::<Aliased, _>("alias", true, bases, (number(), number(), number()), |typed, (a, b, n)| {
        (typed.a, typed.b, typed.within.n) = (*a, *b, *n);
    });
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Renamed {
    first_name: u8,
    #[serde(rename = "type")]
    kind: u8,
    #[serde(rename(serialize = "size", deserialize = "size"), default)]
    length: u8,
}

#[test]
fn rename() {
    let bases = (number(), number(), perhaps(), unknown(), unknown()).prop_map(|(first, kind, size, one, two)| {
        json!({"u": one, "firstName": first, "type": kind, "size": size, "u_first_name": two})
    });
    law::<Renamed, _>(
        "rename",
        false,
        bases,
        (number(), number(), number()),
        |typed, (first, kind, size)| {
            (typed.first_name, typed.kind, typed.length) = (*first, *kind, *size);
        },
    );
}

#[derive(Serialize, Deserialize)]
struct Skipping {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    o: Option<u8>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    l: Vec<u8>,
    #[serde(default, skip_serializing_if = "is_zero")]
    n: u8,
    #[serde(skip, default)]
    s: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(n: &u8) -> bool {
    *n == 0
}

#[test]
fn skip_serializing_if() {
    let nullable = prop_oneof![perhaps(), Just(json!(null))];
    let list =
        prop_oneof![Just(json!(ABSENT)), proptest::collection::vec(number(), 0..3).prop_map(Value::from)];
    let bases = (nullable, list, perhaps(), perhaps(), unknown())
        .prop_map(|(o, l, n, s, top)| json!({"o": o, "u": top, "l": l, "n": n, "u_s": s}));
    let edits = (proptest::option::of(number()), proptest::collection::vec(number(), 0..3), number());
    law::<Skipping, _>("skip_serializing_if", true, bases, edits, |typed, (o, l, n)| {
        (typed.o, typed.l, typed.n) = (*o, l.clone(), *n);
        typed.s = 7;
    });
}

#[derive(Serialize, Deserialize)]
struct Defaulting {
    #[serde(default)]
    zero: u8,
    #[serde(default = "two")]
    two: u8,
    #[serde(default)]
    inner: Inner,
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Inner {
    x: u8,
    y: u8,
}

impl Default for Inner {
    fn default() -> Self {
        Self { x: 1, y: 3 }
    }
}

fn two() -> u8 {
    2
}

#[test]
fn default() {
    let inner = prop_oneof![
        Just(json!(ABSENT)),
        (perhaps(), perhaps(), unknown()).prop_map(|(x, y, deep)| json!({"x": x, "y": y, "u1": deep})),
    ];
    let bases = (perhaps(), perhaps(), inner, unknown())
        .prop_map(|(zero, two, inner, top)| json!({"zero": zero, "two": two, "inner": inner, "u": top}));
    let edits = (number(), number(), number(), number());
    law::<Defaulting, _>("default", false, bases, edits, |typed, (zero, two, x, y)| {
        (typed.zero, typed.two) = (*zero, *two);
        (typed.inner.x, typed.inner.y) = (*x, *y);
    });
}

#[derive(Serialize, Deserialize)]
struct Flattening {
    a: u8,
    #[serde(flatten)]
    part: Part,
    #[serde(flatten)]
    perhaps: Option<Other>,
}

#[derive(Serialize, Deserialize)]
struct Part {
    b: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<u8>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Other {
    d: u8,
}

#[test]
fn flatten() {
    let bases = (number(), number(), perhaps(), perhaps(), unknown())
        .prop_map(|(a, b, c, d, top)| json!({"a": a, "u": top, "b": b, "c": c, "d": d}));
    let other = proptest::option::of(number().prop_map(|d| Other { d }));
    let edits = (number(), number(), proptest::option::of(number()), other);
    law::<Flattening, _>("flatten", true, bases, edits, |typed, (a, b, c, other)| {
        (typed.a, typed.part.b, typed.part.c, typed.perhaps) = (*a, *b, *c, other.clone());
    });
}

#[derive(Serialize, Deserialize)]
struct Shaped<S> {
    n: u8,
    shape: S,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum External {
    A { x: u8 },
    B { x: u8, y: u8 },
    C(u8),
    D,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Internal {
    A { x: u8 },
    B { x: u8, y: u8 },
    D,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    A { x: u8 },
    B { x: u8, y: u8 },
    C(u8),
    D,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    A { x: u8 },
    B { y: u8 },
    C(u8),
}

fn switched<S: Serialize + DeserializeOwned + Debug + Clone + 'static>(
    name: &str,
    over: bool,
    stored: fn(usize, u8, Value) -> Value,
    shape: fn(usize, u8) -> S,
) {
    let bases = (number(), 0..4_usize, number(), unknown(), unknown()).prop_map(
        move |(n, variant, x, top, deep)| json!({"n": n, "u": top, "shape": stored(variant, x, deep)}),
    );
    let edits = (number(), 0..4_usize, number()).prop_map(move |(n, variant, x)| (n, shape(variant, x)));
    law::<Shaped<S>, _>(name, over, bases, edits, |typed, (n, shape)| {
        (typed.n, typed.shape) = (*n, shape.clone());
    });
}

#[test]
fn variants_externally_tagged() {
    let stored: fn(usize, u8, Value) -> Value = |variant, x, deep| match variant {
        0 => json!({"A": {"x": x, "u1": deep}}),
        1 => json!({"B": {"u1": deep, "x": x, "y": 0}}),
        2 => json!({"C": x}),
        _ => json!("D"),
    };
    switched("enum, externally tagged", true, stored, |variant, x| match variant {
        0 => External::A { x },
        1 => External::B { x, y: 1 },
        2 => External::C(x),
        _ => External::D,
    });
}

#[test]
fn variants_internally_tagged() {
    let stored: fn(usize, u8, Value) -> Value = |variant, x, deep| match variant {
        0 => json!({"type": "A", "x": x, "u1": deep}),
        1 => json!({"u1": deep, "x": x, "y": 0, "type": "B"}),
        _ => json!({"type": "D", "u1": deep}),
    };
    switched("enum, internally tagged", false, stored, |variant, x| match variant {
        0 => Internal::A { x },
        1 => Internal::B { x, y: 1 },
        _ => Internal::D,
    });
}

#[test]
fn variants_adjacently_tagged() {
    let stored: fn(usize, u8, Value) -> Value = |variant, x, deep| match variant {
        0 => json!({"t": "A", "c": {"x": x, "u1": deep}}),
        1 => json!({"u2": deep, "c": {"x": x, "y": 0}, "t": "B"}),
        2 => json!({"t": "C", "c": x}),
        _ => json!({"t": "D", "u2": deep}),
    };
    switched("enum, adjacently tagged", true, stored, |variant, x| match variant {
        0 => Adjacent::A { x },
        1 => Adjacent::B { x, y: 1 },
        2 => Adjacent::C(x),
        _ => Adjacent::D,
    });
}

#[test]
fn variants_untagged() {
    let stored: fn(usize, u8, Value) -> Value = |variant, x, deep| match variant {
        0 => json!({"x": x, "u1": deep}),
        1 => json!({"u1": deep, "y": x}),
        _ => json!(x),
    };
    switched("enum, untagged", true, stored, |variant, x| match variant {
        0 => Untagged::A { x },
        1 => Untagged::B { y: x },
        _ => Untagged::C(x),
    });
}

#[derive(Serialize, Deserialize)]
struct Holding {
    entries: BTreeMap<String, Entry>,
    #[serde(default)]
    counts: BTreeMap<u8, u8>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    n: u8,
}

#[derive(Debug)]
enum Change {
    Set(String, u8),
    Remove(String),
    Rename(String, String),
    Count(u8, u8),
}

/// What is in a map is known by its key, and may hold what the type of its values does not know.
#[test]
fn maps_as_dictionaries() {
    let key = || "[abc]";
    let entry = (number(), unknown()).prop_map(|(n, deep)| json!({"u1": deep, "n": n}));
    let entries = proptest::collection::btree_map(key(), entry, 0..4);
    let counts = prop_oneof![Just(json!(ABSENT)), number().prop_map(|n| json!({"1": n, "20": 0}))];
    let bases = (entries, counts, unknown())
        .prop_map(|(entries, counts, top)| json!({"u": top, "entries": entries, "counts": counts}));
    let change = prop_oneof![
        3 => (key(), number()).prop_map(|(key, n)| Change::Set(key, n)),
        1 => key().prop_map(Change::Remove),
        1 => (key(), key()).prop_map(|(from, to)| Change::Rename(from, to)),
        1 => (number(), number()).prop_map(|(key, n)| Change::Count(key, n)),
    ];
    let edits = proptest::collection::vec(change, 0..4);
    law::<Holding, _>("maps as dictionaries", true, bases, edits, |typed, edits| {
        for edit in edits {
            match edit {
                Change::Set(key, n) => drop(typed.entries.insert(key.clone(), Entry { n: *n })),
                Change::Remove(key) => drop(typed.entries.remove(key)),
                Change::Rename(from, to) => {
                    if let Some(entry) = typed.entries.remove(from) {
                        typed.entries.insert(to.clone(), entry);
                    }
                }
                Change::Count(key, n) => drop(typed.counts.insert(*key, *n)),
            }
        }
    });
}
