//! What notes spare a merge, and that they change nothing.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::encoding::body::de::from_body;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::noting::{Notes, from_body_noting};
use crate::encoding::body::raw::Raw;
use crate::encoding::body::ser::to_body;
use crate::encoding::body::writer::Writer;
use crate::encoding::merge::keys::ArrayKeys;
use crate::encoding::merge::testing::{body, json};
use crate::encoding::merge::typed::{merge, merge_noted};

const LIMITS: Limits = Limits { depth: Limits::MAX_DEPTH, size: Limits::MAX_SIZE };

/// Members in the order they are given in, as no map of serde_json has them.
fn object(members: &[(&str, Value)]) -> Vec<u8> {
    let mut writer = Writer::new(LIMITS);
    let mark = writer.begin_object().unwrap();
    for (key, value) in members {
        writer.key(key).unwrap();
        writer.raw(Raw::new(&body(value.clone())).unwrap()).unwrap();
    }
    writer.end(mark).unwrap();
    writer.finish().unwrap()
}

struct Outcome {
    noted: Option<Vec<u8>>,
    general: Option<Vec<u8>>,
    after: Vec<u8>,
    /// Whether the type had to be asked.
    asked: bool,
}

/// An edit merged with notes and without; `None` where the type does not read `base`.
fn merged<T: Serialize + DeserializeOwned>(base: &[u8], edit: impl FnOnce(&mut T)) -> Option<Outcome> {
    let base = Raw::new(base).unwrap();
    let (mut typed, notes) = from_body_noting::<T>(base).ok()?;
    let before = to_body(&typed, LIMITS).unwrap();
    let alone = to_body(&from_body::<T>(base).unwrap(), LIMITS).unwrap();
    assert_eq!(json(&before), json(&alone));
    edit(&mut typed);
    let after = to_body(&typed, LIMITS).unwrap();
    let asked = Cell::new(false);
    let reread = |body: Raw<'_>| {
        asked.set(true);
        to_body(&from_body::<T>(body).ok()?, LIMITS).ok()
    };
    let keys = ArrayKeys::none();
    let [old, new] = [&before, &after].map(|body| Raw::new(body).unwrap());
    let noted = merge_noted(&notes, old, new, LIMITS, &keys, &reread).ok().map(|merged| merged.into_owned());
    let asked = asked.take();
    let general = merge(base, old, new, LIMITS, &keys, &reread).ok().map(|merged| merged.into_owned());
    Some(Outcome { noted, general, after, asked })
}

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    visits: u64,
    #[serde(alias = "status")]
    state: String,
    price: f64,
    #[serde(default, alias = "remark", skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default)]
    lines: Vec<Line>,
    #[serde(default)]
    address: Option<Line>,
    #[serde(default)]
    counts: BTreeMap<String, u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    #[serde(alias = "count")]
    n: u8,
}

fn small() -> impl Strategy<Value = u8> {
    0..3_u8
}

fn orders() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let line = || {
        // Of what is below a known member, the notes say nothing, so that the type is asked.
        (prop_oneof![6 => Just("n"), 1 => Just("count")], small(), prop::bool::weighted(0.15))
            .prop_map(|(name, n, more)| if more { json!({name: n, "u": n}) } else { json!({name: n}) })
    };
    let state = prop_oneof![6 => Just("state"), 1 => Just("status")];
    let note = prop_oneof![6 => Just("note"), 1 => Just("remark")];
    let price = prop_oneof![small().prop_map(Value::from), small().prop_map(|n| json!(f64::from(n)))];
    let members = (
        (small(), state, small(), price, note),
        prop_oneof![1 => Just(Value::Null), 6 => small().prop_map(|n| json!(n.to_string()))],
        vec(line(), 0..3),
        line(),
        prop::collection::hash_map("[a-d]", small(), 0..4),
        (small(), line()),
    );
    let members =
        members.prop_map(|((visits, state, of, price, note), text, lines, address, counts, more)| {
            vec![
                ("visits", json!(visits)),
                (state, json!(of.to_string())),
                ("price", price),
                (note, text),
                ("lines", json!(lines)),
                ("address", address),
                ("counts", json!(counts)),
                ("u1", json!(more.0)),
                ("u2", more.1),
            ]
        });
    // The first three are required.
    (members.prop_shuffle(), vec(prop::bool::weighted(0.95), 9)).prop_map(|(members, keep)| {
        let required = ["visits", "state", "status", "price"];
        let kept = members.into_iter().zip(keep).filter(|((key, _), keep)| *keep || required.contains(key));
        kept.map(|(member, _)| member).collect()
    })
}

#[derive(Debug, Clone)]
enum Edit {
    Visits(u8),
    State(u8),
    Price(u8),
    Note(Option<u8>),
    Line(u8),
    Lines(u8),
    Address(Option<u8>),
    Count(String, u8),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        4 => small().prop_map(Edit::Visits),
        4 => small().prop_map(Edit::State),
        2 => small().prop_map(Edit::Price),
        2 => prop::option::of(small()).prop_map(Edit::Note),
        1 => small().prop_map(Edit::Line),
        1 => small().prop_map(Edit::Lines),
        1 => prop::option::of(small()).prop_map(Edit::Address),
        1 => ("[a-d]", small()).prop_map(|(key, n)| Edit::Count(key, n)),
    ];
    vec(edit, 1..3)
}

impl Order {
    fn edit(&mut self, edits: &[Edit]) {
        for edit in edits {
            match edit {
                Edit::Visits(n) => self.visits = (*n).into(),
                Edit::State(n) => self.state = n.to_string(),
                Edit::Price(n) => self.price = f64::from(*n),
                Edit::Note(note) => self.note = note.map(|n| n.to_string()),
                Edit::Line(n) => self.lines.iter_mut().for_each(|line| line.n = *n),
                Edit::Lines(n) => self.lines = vec![Line { n: *n }],
                Edit::Address(n) => self.address = n.map(|n| Line { n }),
                Edit::Count(key, n) => drop(self.counts.insert(key.clone(), *n)),
            }
        }
    }
}

#[test]
fn notes_change_nothing() {
    let counts = Cell::new((0, 0));
    let mut runner = TestRunner::new(Config::with_cases(2000));
    let result = runner.run(&(orders(), edits()), |(members, edits)| {
        let base = object(&members);
        let outcome = merged::<Order>(&base, |order| order.edit(&edits)).unwrap();
        prop_assert_eq!(&outcome.noted, &outcome.general);
        let result = outcome.noted.unwrap();
        let read =
            |body: &[u8]| to_body(&from_body::<Order>(Raw::new(body).unwrap()).unwrap(), LIMITS).unwrap();
        prop_assert_eq!(json(&read(&result)), json(&outcome.after));
        let changed = result != base && result != outcome.after;
        let (plain, asked) = counts.get();
        counts.set((plain + usize::from(changed && !outcome.asked), asked + usize::from(outcome.asked)));
        Ok(())
    });
    result.unwrap();
    let (plain, asked) = counts.get();
    println!("notes change nothing: {plain} merges without a question, {asked} with one");
    assert!(plain > 200 && asked > 200);
}

/// What a plain edit makes of `members`, for which the type must not be asked.
fn plainly(members: &[(&str, Value)], edits: &[Edit]) -> Vec<u8> {
    let outcome = merged::<Order>(&object(members), |order| order.edit(edits)).unwrap();
    assert!(!outcome.asked, "{edits:?}");
    assert_eq!(outcome.noted, outcome.general);
    outcome.noted.unwrap()
}

#[test]
fn plain_edits_ask_nothing() {
    let members = [
        ("u1", json!([1, {"a": 2}])),
        ("price", json!(3)),
        ("state", json!("open")),
        ("note", json!("soon")),
        ("lines", json!([{"n": 1}])),
        ("u2", json!("x".repeat(130))),
        ("address", json!({"n": 1})),
        ("counts", json!({})),
        ("visits", json!(1)),
    ];
    let with = |at: usize, value: Value| {
        let mut members = members.clone();
        members[at].1 = value;
        members
    };
    assert_eq!(plainly(&members, &[Edit::Visits(2)]), object(&with(8, json!(2))));
    assert_eq!(plainly(&members, &[Edit::State(7)]), object(&with(2, json!("7"))));
    assert_eq!(plainly(&members, &[Edit::Price(9)]), object(&with(1, json!(9.0))));
    assert_eq!(plainly(&members, &[Edit::Address(None)]), object(&with(6, json!(null))));
    let without: Vec<_> = members.iter().filter(|(key, _)| *key != "note").cloned().collect();
    assert_eq!(plainly(&members, &[Edit::Note(None)]), object(&without));
    let added: Vec<_> = without.iter().cloned().chain([("note", json!("5"))]).collect();
    assert_eq!(plainly(&without, &[Edit::Note(Some(5))]), object(&added));
}

#[test]
fn where_notes_do_not_tell_the_type_is_asked() {
    let asks = |members: &[(&str, Value)], edits: &[Edit]| {
        let outcome = merged::<Order>(&object(members), |order| order.edit(edits)).unwrap();
        assert_eq!(outcome.noted, outcome.general);
        assert!(outcome.asked, "{members:?}");
    };
    let members = |state, lines| {
        [
            (state, json!("open")),
            ("price", json!(0.5)),
            ("lines", lines),
            ("address", json!({"n": 1, "u": 1})),
            ("counts", json!({})),
            ("visits", json!(1)),
            ("u", json!(1)),
        ]
    };
    // Under another name.
    asks(&members("status", json!([])), &[Edit::Visits(2)]);
    // Changed where there is more than the type knows.
    asks(&members("state", json!([])), &[Edit::Address(Some(2))]);
    // Not changed, where there is more than the type knows.
    asks(&members("state", json!([{"n": 1, "u": 1}])), &[Edit::Visits(2)]);
    // A default.
    let members = members("state", json!([]));
    let without: Vec<_> = members.into_iter().filter(|(key, _)| *key != "counts").collect();
    asks(&without, &[Edit::Visits(2)]);
}

#[derive(Serialize, Deserialize)]
struct Counted {
    counts: HashMap<String, u8>,
    n: u8,
    of: u8,
}

#[test]
fn a_map_that_comes_out_in_any_order_stays_as_it_is() {
    let counts: serde_json::Map<_, _> = (0..20).map(|n| (n.to_string(), json!(n))).collect();
    let members = |n| [("counts", json!(counts)), ("n", json!(n)), ("of", json!(1)), ("u", json!(1))];
    let outcome = merged::<Counted>(&object(&members(1)), |counted| counted.n = 2).unwrap();
    assert_eq!(outcome.noted.unwrap(), object(&members(2)));
    assert!(!outcome.asked);
}

/// An adjacently tagged enum asks for a struct, and what it knows of the one member follows from the other.
#[derive(Serialize, Deserialize, Clone)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    A {
        x: u8,
    },
    B {
        x: u8,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        z: Option<u8>,
    },
}

#[test]
fn a_variant_makes_known_what_was_not() {
    let base = object(&[("t", json!("A")), ("c", json!({"x": 1, "z": 5})), ("u", json!(0))]);
    let outcome = merged::<Adjacent>(&base, |shape| *shape = Adjacent::B { x: 1, z: None }).unwrap();
    assert_eq!((outcome.noted, outcome.general), (None, None));
    let outcome = merged::<Adjacent>(&base, |shape| *shape = Adjacent::A { x: 2 }).unwrap();
    assert_eq!(json(&outcome.noted.unwrap()), json!({"t": "A", "c": {"x": 2, "z": 5}, "u": 0}));
    // Also where all that the type does not know is below.
    let base = object(&[("t", json!("A")), ("c", json!({"x": 1, "z": 5}))]);
    let outcome = merged::<Adjacent>(&base, |shape| *shape = Adjacent::B { x: 1, z: None }).unwrap();
    assert_eq!((outcome.noted, outcome.general), (None, None));
    let outcome = merged::<Adjacent>(&base, |shape| *shape = Adjacent::A { x: 2 }).unwrap();
    assert_eq!(json(&outcome.noted.unwrap()), json!({"t": "A", "c": {"x": 2, "z": 5}}));
}

/// As [`Adjacent`], with more members.
#[derive(Serialize, Deserialize, Clone)]
#[serde(from = "Wire", into = "Wire")]
enum Wired {
    A { x: u8 },
    B { x: u8, z: Option<u8> },
}

#[derive(Serialize, Deserialize)]
struct Wire {
    id: u8,
    t: String,
    c: BTreeMap<String, u8>,
}

impl From<Wire> for Wired {
    fn from(Wire { t, c, .. }: Wire) -> Self {
        let x = c["x"];
        if t == "A" { Self::A { x } } else { Self::B { x, z: c.get("z").copied() } }
    }
}

impl From<Wired> for Wire {
    fn from(wired: Wired) -> Self {
        let (t, x, z) = match wired {
            Wired::A { x } => ("A", x, None),
            Wired::B { x, z } => ("B", x, z),
        };
        let c = [("x", Some(x)), ("z", z)];
        let c = c.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Self { id: 1, t: t.to_owned(), c }
    }
}

#[test]
fn a_variant_makes_known_what_was_not_among_more_members() {
    for more in [vec![("u", json!(0))], vec![]] {
        let mut members = vec![("id", json!(1)), ("t", json!("A")), ("c", json!({"x": 1, "z": 5}))];
        members.extend(more);
        let base = object(&members);
        let outcome = merged::<Wired>(&base, |wired| *wired = Wired::B { x: 1, z: None }).unwrap();
        assert_eq!((outcome.noted, outcome.general), (None, None));
        let outcome = merged::<Wired>(&base, |wired| *wired = Wired::A { x: 2 }).unwrap();
        assert_eq!(json(&outcome.noted.unwrap())["c"], json!({"x": 2, "z": 5}));
    }
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Plain {
    x: u8,
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Wide {
    x: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    z: Option<u8>,
}

fn plain(x: u8) -> Plain {
    Plain { x }
}

fn wide(x: u8) -> Wide {
    Wide { x, z: None }
}

/// As [`Adjacent`], with a list of what the variants know.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(tag = "t", content = "c")]
enum Listed {
    A(Vec<Plain>),
    B(Vec<Wide>),
    /// Lists within lists.
    C(Vec<Vec<Plain>>),
    D(Vec<Vec<Wide>>),
}

/// As [`Wired`], with two places in a list for the variant and what it knows.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(from = "(String, Wide)", into = "(String, Wide)")]
enum Paired {
    A(Plain),
    B(Wide),
}

impl From<(String, Wide)> for Paired {
    fn from((tag, wide): (String, Wide)) -> Self {
        if tag == "A" { Self::A(plain(wide.x)) } else { Self::B(wide) }
    }
}

impl From<Paired> for (String, Wide) {
    fn from(paired: Paired) -> Self {
        match paired {
            Paired::A(Plain { x }) => ("A".to_owned(), wide(x)),
            Paired::B(wide) => ("B".to_owned(), wide),
        }
    }
}

/// What the program wrote, or nothing: never a value that it had set to nothing.
fn written_or_refused<T>(base: Value, edit: impl Fn(&mut T))
where
    T: Serialize + DeserializeOwned + PartialEq + fmt::Debug,
{
    let base = body(base);
    let mut meant = from_body::<T>(Raw::new(&base).unwrap()).unwrap();
    edit(&mut meant);
    let outcome = merged::<T>(&base, |typed| edit(typed)).unwrap();
    assert_eq!(outcome.noted, outcome.general);
    assert!(outcome.asked, "{meant:?}");
    if let Some(result) = outcome.noted {
        assert_eq!(from_body::<T>(Raw::new(&result).unwrap()).unwrap(), meant, "{}", json(&result));
    }
}

/// What a variant came to know in an element beside the one that changed came back, although the program had set it to nothing.
#[test]
fn a_variant_makes_known_what_was_not_beside_a_changed_element() {
    let list = json!({"t": "A", "c": [{"x": 1}, {"x": 2, "z": 5}]});
    for edited in [
        vec![wide(9), wide(2)],
        vec![wide(1), wide(2), wide(3)],
        vec![wide(2)],
        vec![wide(2), wide(1)],
        vec![wide(0), wide(2)],
    ] {
        written_or_refused(list.clone(), |it: &mut Listed| *it = Listed::B(edited.clone()));
    }
    let lists = json!({"t": "C", "c": [[{"x": 1}], [{"x": 1}, {"x": 2, "z": 5}]]});
    for edited in [vec![vec![wide(9)], vec![wide(1), wide(2)]], vec![vec![wide(1)], vec![wide(9), wide(2)]]] {
        written_or_refused(lists.clone(), |it: &mut Listed| *it = Listed::D(edited.clone()));
    }
    written_or_refused(json!(["A", {"x": 1, "z": 5}]), |it: &mut Paired| *it = Paired::B(wide(1)));
    // Under the same variant all stays.
    let outcome = merged::<Listed>(&body(list), |it| *it = Listed::A(vec![plain(9), plain(2)])).unwrap();
    assert_eq!(json(&outcome.noted.unwrap()), json!({"t": "A", "c": [{"x": 9}, {"x": 2, "z": 5}]}));
}

/// Writes a name that it does not read.
#[derive(Serialize, Deserialize)]
struct Crossed {
    #[serde(rename(serialize = "size", deserialize = "length"), default)]
    length: u8,
    n: u8,
}

#[test]
fn a_name_that_is_written_and_not_read_is_not_doubled() {
    for members in [
        vec![("size", json!(1)), ("n", json!(1)), ("u", json!(1))],
        vec![("length", json!(1)), ("n", json!(1)), ("u", json!(1))],
        vec![("length", json!(1)), ("n", json!(1)), ("size", json!(4))],
    ] {
        for edit in [|it: &mut Crossed| it.length = 9, |it: &mut Crossed| it.n = 9] {
            let outcome = merged::<Crossed>(&object(&members), edit).unwrap();
            assert_eq!(outcome.noted, outcome.general, "{members:?}");
        }
    }
}

/// Reads two members into one, and writes both.
#[derive(Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
struct Length {
    metres: u32,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    unit: String,
    of: u32,
}

impl From<Stored> for Length {
    fn from(stored: Stored) -> Self {
        Self { metres: if stored.unit == "km" { 1000 * stored.of } else { stored.of } }
    }
}

impl From<&Length> for Stored {
    fn from(length: &Length) -> Self {
        Self { unit: "m".to_owned(), of: length.metres }
    }
}

impl From<Length> for Stored {
    fn from(length: Length) -> Self {
        Self::from(&length)
    }
}

impl Clone for Length {
    fn clone(&self) -> Self {
        Self { metres: self.metres }
    }
}

/// Here the unit neither changed nor may stay.
#[test]
fn a_member_that_says_what_another_means_is_no_plain_one() {
    let base = object(&[("unit", json!("km")), ("of", json!(5)), ("u", json!(1))]);
    let outcome = merged::<Length>(&base, |length| length.metres += 1).unwrap();
    assert_eq!((outcome.noted, outcome.general), (None, None));
    let base = object(&[("unit", json!("m")), ("of", json!(5)), ("u", json!(1))]);
    let outcome = merged::<Length>(&base, |length| length.metres += 1).unwrap();
    assert_eq!(json(&outcome.noted.unwrap()), json!({"unit": "m", "of": 6, "u": 1}));
    assert!(!outcome.asked);
}

/// Says it knows `n`, and reads `hidden` as well.
#[derive(Serialize)]
struct Liar {
    n: u8,
}

impl<'de> Deserialize<'de> for Liar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Liar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("n")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Liar, A::Error> {
                let mut n = 0;
                while let Some(key) = map.next_key::<String>()? {
                    match &*key {
                        "n" | "hidden" => n = map.next_value()?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Liar { n })
            }
        }
        deserializer.deserialize_struct("Liar", &["n"], Reader)
    }
}

#[test]
fn a_type_that_looks_at_more_than_it_says_is_asked() {
    for (members, plain) in [
        (vec![("n", json!(1)), ("u", json!(1))], true),
        (vec![("n", json!(1)), ("hidden", json!(2)), ("u", json!(1))], false),
        (vec![("hidden", json!(2)), ("u", json!(1))], false),
    ] {
        let outcome = merged::<Liar>(&object(&members), |liar| liar.n = 9).unwrap();
        assert_eq!(outcome.noted, outcome.general);
        assert_eq!(outcome.asked, !plain, "{members:?}");
    }
}

#[test]
fn a_body_above_the_limit_is_refused() {
    let base = object(&[("n", json!(1)), ("u", json!("x"))]);
    let (_, notes) = from_body_noting::<Line>(Raw::new(&base).unwrap()).unwrap();
    let (before, after) = (body(json!({"n": 1})), body(json!({"n": 1000})));
    let [before, after] = [&before, &after].map(|body| Raw::new(body).unwrap());
    let small = Limits { size: base.len() + 1, ..LIMITS };
    let merge = |limits, notes: &Notes<'_>| {
        merge_noted(notes, before, after, limits, &ArrayKeys::none(), &|_| None).map(|body| body.len()).ok()
    };
    assert_eq!(merge(small, &notes), None);
    assert_eq!(merge(LIMITS, &notes), Some(base.len() + 2));
    assert_eq!(merge(LIMITS, &Notes::silent(notes.body())), Some(base.len() + 2));
}
