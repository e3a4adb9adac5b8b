//! Writes that change nothing, through a type that does not know all there is: not a byte on the medium is another one, and no revision is counted.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use pivotdb::backend::{Backend, Direction, KeyRange, MemoryBackend, PageLimit};
use pivotdb::{Collection, Evolution, Op, Store, Versioned};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The same in every run, so that the floors are no matter of luck.
const SEED: &[u8; 32] = b"nothing is written where nothing";
const CASES: u32 = 150;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    title: String,
    origin: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    lines: Vec<Line>,
    address: Address,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(alias = "status")]
    state: State,
    #[serde(default)]
    counts: BTreeMap<String, Line>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    sku: String,
    #[serde(default = "one")]
    count: u32,
    #[serde(default)]
    price: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Address {
    #[serde(alias = "town")]
    city: String,
    #[serde(default)]
    zip: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum State {
    Open,
    Paid { by: String },
    Sent(Vec<Line>),
}

fn one() -> u32 {
    1
}

/// What was called otherwise and was not there when the oldest documents were written.
fn steps(newest: u32) -> Evolution {
    let mut steps = Evolution::new();
    if newest > 1 {
        steps = steps.step("name is the title", [Op::rename("name", "title")]);
    }
    if newest > 2 {
        steps = steps.step("all have an origin", [Op::add("origin", json!("unknown"))]);
    }
    steps
}

impl Versioned for Order {
    const KIND: &'static str = "order";

    fn evolution() -> Evolution {
        steps(3)
    }
}

/// Anything, as long as it is none of the type's own.
fn unknown() -> impl Strategy<Value = Map<String, Value>> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        "[a-z]{0,12}".prop_map(Value::from),
    ];
    let value = scalar.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(|members| json!(members)),
        ]
    });
    let members = prop::collection::btree_map("u_[a-z]{1,4}", value, 0..4);
    members.prop_map(|members| members.into_iter().collect())
}

/// An object of these members, those that are `None` aside, and of unknown ones.
fn object<const N: usize>(
    members: impl Strategy<Value = [(&'static str, Option<Value>); N]>,
) -> impl Strategy<Value = Value> {
    (members, unknown()).prop_map(|(members, unknown)| {
        let known = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(known.chain(unknown).collect())
    })
}

fn perhaps(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Option<Value>> {
    prop::option::of(values)
}

fn text() -> impl Strategy<Value = Value> {
    "[a-c]{0,3}".prop_map(Value::from)
}

fn lines() -> impl Strategy<Value = Value> {
    // A price may be stored as an integer.
    let price = prop_oneof![(0..9_u32).prop_map(Value::from), (0.0..9.0).prop_map(Value::from)];
    let line = object(
        (text(), perhaps((0..4_u32).prop_map(Value::from)), perhaps(price))
            .prop_map(|(sku, count, price)| [("sku", Some(sku)), ("count", count), ("price", price)]),
    );
    prop::collection::vec(line, 0..4).prop_map(Value::from)
}

fn states() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("Open")),
        object(text().prop_map(|by| [("by", Some(by))])).prop_map(|paid| json!({ "Paid": paid })),
        lines().prop_map(|lines| json!({ "Sent": lines })),
    ]
}

/// A document at a schema version.
fn documents() -> impl Strategy<Value = (u32, Value)> {
    let address = (prop_oneof!["city", "town"], text(), perhaps((0..9_u32).prop_map(Value::from)), unknown());
    let address = address.prop_map(|(name, city, zip, mut members)| {
        members.insert(name, city);
        members.extend(zip.map(|zip| ("zip".to_owned(), zip)));
        Value::Object(members)
    });
    let counts = lines().prop_map(|lines| {
        let lines = lines.as_array().cloned().unwrap_or_default().into_iter().enumerate();
        Value::Object(lines.map(|(n, line)| (format!("k{n}"), line)).collect())
    });
    let note = prop_oneof![text(), Just(Value::Null)];
    let tags = prop::collection::vec(text(), 0..3).prop_map(Value::from);
    let parts = (text(), address, states(), prop_oneof![Just("state"), Just("status")]);
    let optional = (perhaps(tags), perhaps(lines()), perhaps(note), perhaps(counts));
    (1..4_u32, parts, optional, unknown()).prop_map(
        |(version, (title, address, state, state_name), (tags, lines, note, counts), mut members)| {
            let mut put = |name: &str, value: Option<Value>| {
                members.extend(value.map(|value| (name.to_owned(), value)));
            };
            put(if version == 1 { "name" } else { "title" }, Some(title));
            put("origin", (version == 3).then(|| json!("here")));
            put("address", Some(address));
            put(state_name, Some(state));
            put("tags", tags);
            put("lines", lines);
            put("note", note);
            put("counts", counts);
            (version, Value::Object(members))
        },
    )
}

/// All that is on the medium.
fn bytes(backend: &MemoryBackend) -> Vec<(Vec<u8>, Vec<u8>)> {
    let limit = PageLimit { entries: usize::MAX, bytes: usize::MAX };
    let page = backend.page(&KeyRange::all(), Direction::Forward, limit).unwrap();
    page.entries.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// Stores the documents, each by a program of its schema version.
fn stored(backend: &Arc<MemoryBackend>, documents: &[(u32, Value)]) {
    for version in 1..4 {
        let store = Store::builder().open_backend(Arc::clone(backend) as _).unwrap();
        let orders = store.collection_with::<Value>("orders", "order", &steps(version)).unwrap();
        for (id, (_, document)) in (0_i64..).zip(documents).filter(|(_, (of, _))| *of == version) {
            orders.insert_with_id(id, document).unwrap();
        }
        store.close().unwrap();
    }
}

type Write = fn(&Collection<Order>, i64) -> pivotdb::Result<()>;

/// Each changes nothing that a program can see.
const NOTHING: [(&str, Write); 7] = [
    ("update", |orders, id| orders.update(id, |_| {}).map(drop)),
    ("update with what was read", |orders, id| orders.update(id, |order| *order = order.clone()).map(drop)),
    ("try_update", |orders, id| orders.try_update(id, |_| Ok(())).map(drop)),
    ("put", |orders, id| orders.put(id, &orders.require(id)?.value).map(drop)),
    ("replace", |orders, id| orders.replace(&mut orders.require(id)?)),
    ("merge_patch", |orders, id| orders.merge_patch(id, &json!({})).map(drop)),
    ("merge_patch with a value that it has", |orders, id| {
        let title = orders.require(id)?.value.title;
        orders.merge_patch(id, &json!({ "title": title })).map(drop)
    }),
];

#[test]
fn what_changes_nothing_writes_nothing() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, SEED);
    let config = Config { failure_persistence: None, ..Config::with_cases(CASES) };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let (current, older, edits) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let outcome = runner.run(&prop::collection::vec(documents(), 1..6), |documents| {
        let backend = Arc::new(MemoryBackend::new());
        stored(&backend, &documents);
        let store = Store::builder().open_backend(Arc::clone(&backend) as _).unwrap();
        let orders = store.collection::<Order>("orders").unwrap();
        let before = bytes(&backend);
        for (id, (version, document)) in (0_i64..).zip(&documents) {
            let revision = orders.require(id).unwrap().revision();
            for (name, write) in NOTHING {
                write(&orders, id).map_err(|error| TestCaseError::fail(format!("{name}: {error}")))?;
                prop_assert!(bytes(&backend) == before, "{} wrote something: {}", name, document);
            }
            let now = orders.require(id).unwrap();
            prop_assert_eq!((now.revision(), now.stamp().schema_version), (revision, *version));
            let count = if *version == 3 { &current } else { &older };
            count.set(count.get() + NOTHING.len());
        }
        // The control: an edit is seen.
        orders.update(0, |order| order.title.push('!')).unwrap();
        edits.set(edits.get() + usize::from(bytes(&backend) != before));
        Ok(())
    });
    outcome.unwrap();
    let (current, older, edits) = (current.get(), older.get(), edits.get());
    println!(
        "writes of nothing: {current} at the current stamp, {older} at older ones, none wrote; {edits} of {CASES} edits seen"
    );
    assert!(current > 500 && older > 1000, "too few were made");
    assert_eq!(edits, usize::try_from(CASES).unwrap());
}
