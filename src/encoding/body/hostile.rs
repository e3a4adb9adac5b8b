//! No bytes do harm: whatever reads them gives a value or a typed error.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::encoding::body::de::from_body;
use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::{Raw, View};
use crate::encoding::body::ser::to_body;
use crate::encoding::body::validate::validate;
use crate::encoding::body::varint;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Choice {
    Unit,
    Newtype(Box<Choice>),
    Tuple(i8, f32),
    Struct { list: Vec<Choice> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct List(Vec<List>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Linked {
    next: Option<Box<Linked>>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(f64),
    List(Vec<Untagged>),
    Map(HashMap<String, Untagged>),
    Other(Value),
}

/// Reads everything there is, in every way there is.
fn read_all(bytes: &[u8]) {
    fn walk(raw: Raw<'_>, depth: usize) -> Result<(), BodyError> {
        let depth = depth.checked_sub(1).ok_or_else(|| BodyError::malformed("deep enough"))?;
        raw.get("a")?;
        match raw.view()? {
            View::Array(elements) => elements.into_iter().try_for_each(|element| walk(element?, depth)),
            View::Object(entries) => entries.into_iter().try_for_each(|entry| walk(entry?.1, depth)),
            _ => Ok(()),
        }
    }
    let Ok(raw) = Raw::new(bytes) else { return };
    let _ = walk(raw, 1000);
    let _ = raw.check_depth(128);
    let _ = raw.to_value();
    let _ = expand_all(&mut Node::Raw(raw));
    let _ = Node::Raw(raw).to_bytes(Limits::default());
    let _ = Node::Raw(raw) == Node::Array(vec![Node::Raw(raw)]);
    let _ = from_body::<Value>(raw);
    let _ = from_body::<IgnoredAny>(raw);
    let _ = from_body::<Choice>(raw);
    let _ = from_body::<List>(raw);
    let _ = from_body::<Linked>(raw);
    let _ = from_body::<Untagged>(raw);
    let _ = from_body::<BTreeMap<i8, Vec<Choice>>>(raw);
    let _ = from_body::<(u8, &str, Option<bool>)>(raw);
}

fn expand_all(node: &mut Node<'_>) -> Result<(), BodyError> {
    match node.expand()? {
        Node::Array(elements) => elements.iter_mut().try_for_each(expand_all),
        Node::Object(members) => members.iter_mut().try_for_each(|(_, value)| expand_all(value)),
        _ => Ok(()),
    }
}

/// What is valid reads as a value, whose encoding it is. Whether it is.
fn valid_is_canonical(
    bytes: &[u8],
    validate: impl Fn(&[u8]) -> Result<Raw<'_>, BodyError>,
) -> Result<bool, TestCaseError> {
    let failed = |error: BodyError| TestCaseError::fail(format!("valid, but {error}"));
    let Ok(raw) = validate(bytes) else { return Ok(false) };
    let mut node = Node::Raw(raw);
    expand_all(&mut node).map_err(failed)?;
    prop_assert_eq!(node.to_bytes(Limits::default()).map_err(failed)?, bytes);
    let value = raw.to_value().map_err(failed)?;
    prop_assert_eq!(&from_body::<Value>(raw).map_err(failed)?, &value);
    prop_assert!(Node::from_value(value).map_err(failed)? == node);
    Ok(true)
}

fn corpus() -> Vec<Vec<u8>> {
    let values = [
        json!({"a": 1, "b": [true, null, "text"], "c": {"d": -129, "e": 1.5, "f": 300}}),
        json!({"next": {"next": null, "x": [1]}, "long": "l".repeat(70), "y": u64::MAX, "z": i64::MIN}),
        json!([{"Newtype": {"Tuple": [1, 2.5]}}, {"Struct": {"list": ["Unit", "Unit"]}}]),
        json!([[[[], []], []], {}, {"": {"": {}}}, "\u{e9}\u{1f600}"]),
        json!({"many": (0..8).map(|n| json!({"n": n, "half": f64::from(n) / 2.0})).collect::<Value>()}),
        json!((0..34).map(|n| (format!("key{n}"), json!(n))).collect::<BTreeMap<_, _>>()),
    ];
    values.iter().map(|value| to_body(value, Limits::default()).unwrap()).collect()
}

#[derive(Debug, Clone)]
enum Mutation {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Truncate(prop::sample::Index),
    /// A piece, copied to another place.
    Copy(prop::sample::Index, usize, prop::sample::Index),
    /// The second byte, which is the length of the whole, made right again if it can be.
    Mend,
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        if len == 0 {
            return;
        }
        match self {
            Self::Flip(at, bit) => bytes[at.index(len)] ^= 1 << (bit % 8),
            Self::Set(at, byte) => bytes[at.index(len)] = *byte,
            Self::Insert(at, byte) => bytes.insert(at.index(len), *byte),
            Self::Remove(at) => drop(bytes.remove(at.index(len))),
            Self::Truncate(at) => bytes.truncate(at.index(len)),
            Self::Copy(from, size, to) => {
                let from = from.index(len);
                let piece = bytes[from..(from + size).min(len)].to_vec();
                let to = to.index(len);
                bytes.splice(to..to, piece);
            }
            Self::Mend => {
                if (2..0x82).contains(&len) {
                    bytes[1] = (len - 2) as u8;
                }
            }
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    let byte = || prop_oneof![any::<u8>(), 0..9_u8, 0x40..0x48_u8, 0x80..0x88_u8];
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), byte()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        at().prop_map(Mutation::Remove),
        at().prop_map(Mutation::Truncate),
        (at(), 1..8_usize, at()).prop_map(|(from, size, to)| Mutation::Copy(from, size, to)),
        Just(Mutation::Mend),
    ]
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(corpus()), prop::collection::vec(mutation(), 1..4)).prop_map(
        |(mut bytes, mutations)| {
            for mutation in mutations {
                mutation.apply(&mut bytes);
            }
            bytes
        },
    )
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) })
}

/// All of them where the optimizer makes them quick.
const MUTATIONS: u32 = if cfg!(debug_assertions) { 20_000 } else { 100_000 };

#[test]
fn mutated_bodies_are_canonical_or_refused() {
    let (cases, valid) = (Cell::new(0_u32), Cell::new(0_u32));
    let originals = corpus();
    runner(MUTATIONS)
        .run(&mutated(), |bytes| {
            read_all(&bytes);
            cases.set(cases.get() + 1);
            if !originals.contains(&bytes)
                && valid_is_canonical(&bytes, |bytes| validate(bytes, Limits::default()))?
            {
                valid.set(valid.get() + 1);
            }
            Ok(())
        })
        .unwrap();
    println!("mutated_bodies_are_canonical_or_refused: {} cases, {} still valid", cases.get(), valid.get());
    assert!(cases.get() >= MUTATIONS && valid.get() >= MUTATIONS / 50, "too few were still valid");
}

#[test]
fn a_lax_validator_is_caught() {
    // It looks at the outermost value alone.
    let found =
        runner(5_000).run(&mutated(), |bytes| valid_is_canonical(&bytes, |bytes| Raw::new(bytes)).map(drop));
    assert!(matches!(found, Err(TestError::Fail(..))), "{found:?}");
}

#[test]
fn any_bytes_at_all() {
    let byte = prop_oneof![any::<u8>(), 0..9_u8, 0x40..0x44_u8, 0x80..0x84_u8];
    let (entered, valid) = (Cell::new(0_u32), Cell::new(0_u32));
    runner(5_000)
        .run(&prop::collection::vec(byte, 0..40), |content| {
            // In a container of the right length, or no more than the first byte would count.
            for tag in [0x07, 0x08] {
                let bytes = [&[tag, content.len() as u8], content.as_slice()].concat();
                entered.set(entered.get() + u32::from(Raw::new(&bytes).is_ok()));
                read_all(&bytes);
                let is_valid = valid_is_canonical(&bytes, |bytes| validate(bytes, Limits::default()))?;
                valid.set(valid.get() + u32::from(is_valid));
            }
            read_all(&content);
            Ok(())
        })
        .unwrap();
    println!("any_bytes_at_all: {} entered, {} valid", entered.get(), valid.get());
    assert!(entered.get() >= 10_000 && valid.get() >= 100);
}

/// `depth` containers, each made by `wrap` of the bytes of the one inside.
fn bomb(depth: usize, innermost: &[u8], wrap: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    (0..depth).fold(innermost.to_vec(), |inner, _| wrap(&inner))
}

fn container(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    varint::push(&mut bytes, content.len() as u64);
    bytes.extend_from_slice(content);
    bytes
}

#[test]
fn depth_bombs_end_in_an_error() {
    fn refused<T: Debug + for<'de> Deserialize<'de>>(bytes: &[u8]) {
        let error = from_body::<T>(Raw::new(bytes).unwrap()).unwrap_err();
        let message = error.to_string();
        assert!(
            *error.fault() == Fault::TooDeep { limit: 128 } || message.contains("did not match"),
            "{message}"
        );
    }
    let object = |key: &'static str| {
        move |inner: &[u8]| {
            let member = [&[key.len() as u8], key.as_bytes(), inner].concat();
            container(0x08, &member)
        }
    };
    for depth in [129, 5000] {
        let arrays = bomb(depth, &[0x07, 0], |inner| container(0x07, inner));
        let linked = bomb(depth, &[0x00], object("next"));
        let variants = bomb(depth, b"\x44Unit", object("Newtype"));
        for bytes in [&arrays, &linked, &variants] {
            read_all(bytes);
            refused::<Value>(bytes);
            refused::<Untagged>(bytes);
            from_body::<IgnoredAny>(Raw::new(bytes).unwrap()).unwrap();
            assert_eq!(
                *validate(bytes, Limits::default()).unwrap_err().fault(),
                Fault::TooDeep { limit: 128 }
            );
        }
        refused::<List>(&arrays);
        refused::<Linked>(&linked);
        refused::<Choice>(&variants);
    }
    // And as deep as allowed is well.
    let arrays = bomb(127, &[0x07, 0], |inner| container(0x07, inner));
    from_body::<List>(Raw::new(&arrays).unwrap()).unwrap();
    from_body::<Value>(Raw::new(&arrays).unwrap()).unwrap();
    let variants = bomb(128, b"\x44Unit", object("Newtype"));
    from_body::<Choice>(Raw::new(&variants).unwrap()).unwrap();
}

#[test]
fn claimed_lengths_reserve_nothing() {
    // Were any of these lengths believed, the process would be out of memory.
    for tag in [0x06, 0x07, 0x08] {
        for len in [u64::from(u32::MAX), 1 << 40, u64::MAX] {
            let mut claim = vec![tag];
            varint::push(&mut claim, len);
            claim.push(0x80);
            assert!(Raw::new(&claim).is_err());
            assert!(validate(&claim, Limits::default()).is_err());
            let inside = container(0x07, &claim);
            read_all(&inside);
            assert!(from_body::<Vec<Value>>(Raw::new(&inside).unwrap()).is_err());
            assert!(from_body::<Vec<String>>(Raw::new(&inside).unwrap()).is_err());
            let member = container(0x08, &[&[1, b'a'], claim.as_slice()].concat());
            read_all(&member);
            assert!(from_body::<BTreeMap<String, Vec<u64>>>(Raw::new(&member).unwrap()).is_err());
        }
    }
}
