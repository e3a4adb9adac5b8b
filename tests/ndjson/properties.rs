//! What must hold for any store.

use std::sync::atomic::{AtomicUsize, Ordering};

use pivotdb::backend::MemoryBackend;
use pivotdb::{DocumentId, Export, Import, Store};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::support::{documents, evolution, exported, open, reopened};

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-300..300_i64).prop_map(Value::from),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Value::from),
        prop::sample::select(vec![-0.0, 0.0, 1.0, 5e-324, f64::MAX, 1e16, 1e-7]).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        (any::<char>(), 0..24_000_usize).prop_map(|(char, times)| char.to_string().repeat(times).into()),
    ];
    scalar.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-d]{1,2}|.{0,3}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    vec(("x|[abx]|marked|.{0,2}", value()), 1..6)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

fn id() -> impl Strategy<Value = DocumentId> {
    prop_oneof![
        12 => (-1..2_i64).prop_map(DocumentId::from),
        1 => any::<i64>().prop_map(DocumentId::from),
        1 => any::<u64>().prop_map(DocumentId::from),
        1 => any::<u128>().prop_map(|bits| Uuid::from_u128(bits).into()),
        2 => "[a-c\\x00\"\u{ff}]{0,3}|.{0,20}".prop_map(DocumentId::from),
    ]
}

#[derive(Debug, Clone)]
enum Action {
    /// The program, in its version with so many steps, takes over.
    Program(usize),
    Put(&'static str, &'static str, DocumentId, Value),
    Delete(&'static str, DocumentId),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let names = || prop::sample::select(vec!["a", "b \"ü\""]);
    let kinds = || prop::sample::select(vec!["thing", "other thing"]);
    let action = prop_oneof![
        3 => (0..4_usize).prop_map(Action::Program),
        8 => (names(), kinds(), id(), prop_oneof![3 => object(), 1 => value()]).prop_map(|(name, kind, id, value)| Action::Put(name, kind, id, value)),
        1 => (names(), id()).prop_map(|(name, id)| Action::Delete(name, id)),
    ];
    vec(action, 0..40)
}

fn run(actions: &[Action]) -> (Store, std::sync::Arc<MemoryBackend>) {
    let (mut store, backend) = open();
    let mut steps = 0;
    for action in actions {
        match action {
            Action::Program(version) => {
                steps = *version;
                store =
                    Store::builder().open_backend(std::sync::Arc::<MemoryBackend>::clone(&backend)).unwrap();
            }
            Action::Put(name, kind, id, value) => {
                let collection = store.collection_with::<Value>(name, kind, &evolution(steps)).unwrap();
                // What a step cannot be taken back for is refused, which is not this test's matter.
                let _ = collection.overwrite(id, value);
            }
            Action::Delete(name, id) => {
                store.documents(name).unwrap().delete(id).unwrap();
            }
        }
    }
    // The newest program updates every other document, so that complements are made.
    store = reopened(&backend);
    for name in store.collections() {
        for kind in ["thing", "other thing"] {
            let collection = store.collection_with::<Value>(&name, kind, &evolution(3)).unwrap();
            let ids: Vec<_> =
                collection.iter().flatten().map(|document| document.id().clone()).step_by(2).collect();
            for id in ids {
                let _ = collection.update(id, |value| {
                    if let Some(value) = value.as_object_mut() {
                        value.insert("updated".into(), true.into());
                    }
                });
            }
        }
    }
    (store, backend)
}

/// How a program with all steps sees the store; what cannot be upcast as the error's text.
fn seen(store: &Store) -> Vec<Value> {
    let mut seen = Vec::new();
    for name in store.collections() {
        for kind in ["thing", "other thing"] {
            let collection = store.collection_with::<Value>(&name, kind, &evolution(3)).unwrap();
            seen.extend(collection.iter().map(|document| match document {
                Ok(document) => json!([document.id().to_string(), document.value]),
                Err(error) => error.to_string().into(),
            }));
        }
    }
    seen
}

static DOCUMENTS: AtomicUsize = AtomicUsize::new(0);
static CHUNKED: AtomicUsize = AtomicUsize::new(0);
static OLD: AtomicUsize = AtomicUsize::new(0);
static COMPLEMENTS: AtomicUsize = AtomicUsize::new(0);

fn full_round_trip(actions: &[Action]) -> Result<(), TestCaseError> {
    let (store, backend) = run(actions);
    let text = exported(&store);
    let (copy, copied) = open();
    Import::into_store(&copy).read_from(text.as_bytes()).unwrap();
    let stored = documents(&backend);
    prop_assert!(documents(&copied) == stored, "other bytes");
    prop_assert_eq!(copy.census().unwrap(), store.census().unwrap());
    prop_assert!(exported(&copy) == text, "another text");
    let census = copy.census().unwrap();
    prop_assert!(seen(&reopened(&copied)) == seen(&reopened(&backend)));

    let count: u64 = census.iter().map(|entry| entry.documents).sum();
    let old: u64 =
        census.iter().filter(|entry| entry.stamp.schema_version < 4).map(|entry| entry.documents).sum();
    DOCUMENTS.fetch_add(count as usize, Ordering::Relaxed);
    CHUNKED.fetch_add(stored.len() - count as usize, Ordering::Relaxed);
    OLD.fetch_add(old as usize, Ordering::Relaxed);
    COMPLEMENTS.fetch_add(text.matches(",\"complement\":\"").count(), Ordering::Relaxed);
    Ok(())
}

#[test]
fn any_store_comes_through_the_full_form_unchanged() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        source_file: Some(file!()),
        ..ProptestConfig::with_cases(128)
    });
    runner.run(&actions(), |actions| full_round_trip(&actions)).unwrap();
    let [documents, chunks, old, complements] =
        [&DOCUMENTS, &CHUNKED, &OLD, &COMPLEMENTS].map(|count| count.load(Ordering::Relaxed));
    println!(
        "full form: {documents} documents came through, {old} of them at older stamps, {chunks} chunks, {complements} complements"
    );
    assert!(documents > 100 && chunks > 10 && old > 50 && complements > 10);
}

/// The negative control: one byte of one body, changed on the way, is found.
#[test]
fn a_change_on_the_way_is_found() {
    let actions = [
        Action::Put("a", "thing", 1.into(), json!({"n": 1})),
        Action::Put("a", "thing", 2.into(), json!({"n": 2})),
    ];
    let (store, backend) = run(&actions);
    let text = exported(&store).replace("{\"n\":2}", "{\"n\":3}");
    let (copy, copied) = open();
    Import::into_store(&copy).read_from(text.as_bytes()).unwrap();
    assert_ne!(documents(&copied), documents(&backend));
    assert_eq!(exported(&copy), text);
    assert_ne!(seen(&reopened(&copied)), seen(&reopened(&backend)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_documents_come_through_the_plain_form_unchanged(values in vec(value(), 0..20)) {
        let store = Store::memory().unwrap();
        let collection = store.documents("values").unwrap();
        for (id, value) in (0_u64..).zip(&values) {
            collection.insert_with_id(id, value).unwrap();
        }
        let mut text = Vec::new();
        Export::new(&collection).write_to(&mut text).unwrap();
        let copy = store.documents("copy").unwrap();
        let report = Import::into(&copy).read_from(&*text).unwrap();
        prop_assert_eq!(report.documents, values.len() as u64);
        // Random ids sort by the time they were made, so the order is the same.
        let copied: Vec<_> = copy.iter().map(|document| document.unwrap().value).collect();
        prop_assert_eq!(&copied, &values);
        let mut again = Vec::new();
        Export::new(&copy).write_to(&mut again).unwrap();
        prop_assert_eq!(again, text);
    }

    /// Neither crash nor silence: what is imported is counted, and what is refused has a place.
    #[test]
    fn any_bytes_are_imported_or_refused(input in vec(prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:01\n\r \xef\xbb\xbf".to_vec())], 0..60)) {
        let store = Store::memory().unwrap();
        let collection = store.documents("any").unwrap();
        let report = Import::into(&collection).skip_errors(usize::MAX).read_from(&*input).unwrap();
        prop_assert_eq!(report.bytes, input.len() as u64);
        prop_assert_eq!(report.documents, collection.count().unwrap());
        for error in &report.errors {
            let (_, line, column) = crate::support::place(error);
            prop_assert!(line >= 1 && column >= 1);
        }
        let lines = input.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty() && *line != b"\xef\xbb\xbf").count();
        let taken = report.documents as usize + report.errors.len();
        prop_assert!(taken == lines || taken == lines + 1, "{} of {}", taken, lines);
    }
}
