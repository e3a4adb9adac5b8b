//! Queries by index, in every way of asking; and what is refused.

use pivotdb::{Document, ErrorKind, Evolution, Index, IndexState, Op, field};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{Medium, check, fill, index, things};

#[derive(Debug, Serialize, Deserialize)]
struct Small {
    n: u64,
}

#[test]
fn first_count_exists_and_a_smaller_type() {
    let (store, things) = things();
    fill(&things, 100);
    things.create_index(&Index::on("m").and_descending("n")).unwrap();
    let query = || things.find(field("m").eq(7));
    assert!(query().explain().unwrap().index.is_some());
    assert_eq!(query().count().unwrap(), 10);
    assert_eq!(query().skip(8).limit(5).count().unwrap(), 2);
    assert_eq!(query().first().unwrap().unwrap()["n"], 7);
    assert_eq!(query().sort_desc("n").first().unwrap().unwrap()["n"], 97);
    assert!(query().exists().unwrap() && !things.find(field("m").eq(70)).exists().unwrap());
    assert!(things.find(field("m").eq(70)).first().unwrap().is_none());
    let small: Vec<Document<Small>> = query().sort_desc("n").limit(2).project().to_vec().unwrap();
    assert_eq!(small.iter().map(|small| small.n).collect::<Vec<_>>(), [97, 87]);
    // A transaction sees its own writes by the index, and nobody else's.
    let transaction = store.begin().unwrap();
    let within = transaction.on(&things);
    within.insert_with_id(1000, &json!({"n": 1000, "m": 7})).unwrap();
    within.delete(97).unwrap();
    let own = || within.find(field("m").eq(7)).sort_desc("n");
    assert_eq!(own().first().unwrap().unwrap()["n"], 1000);
    assert_eq!((own().count().unwrap(), own().exists().unwrap()), (10, true));
    assert_eq!(query().sort_desc("n").first().unwrap().unwrap()["n"], 97);
    // What would have been found had it been there is a phantom.
    things.insert_with_id(2000, &json!({"n": 2000, "m": 7})).unwrap();
    assert!(transaction.commit().unwrap_err().is_conflict());
    check(&store);
}

#[test]
fn what_is_too_large_for_a_filter_is_refused_and_changes_nothing() {
    let (store, things) = things();
    fill(&things, 10);
    let keys = store.stats().unwrap().keys;
    for pattern in ["x".repeat((16 << 10) + 1), "(x{1000}){1000}".to_owned()] {
        let filter = json!({"n": {"$regex": pattern}});
        let kind = things.find(filter.clone()).count().unwrap_err().kind();
        assert_eq!(kind, ErrorKind::InvalidFilter);
        let refused = things.create_index(&Index::on("n").only(filter)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidFilter);
    }
    assert_eq!(store.stats().unwrap().keys, keys);
    assert!(things.indexes().unwrap().is_empty());
}

/// As many shapes as there are flags for; then it is built anew.
#[test]
fn a_generation_goes_along_with_fifteen_steps_and_no_more() {
    let medium = Medium::new();
    let mut steps = Evolution::new();
    for step in 1..=18 {
        let (store, things) = medium.things(&steps);
        things.create_index(&Index::on("n").named("i")).unwrap();
        things.insert_with_id(step, &json!({"n": step})).unwrap();
        let newest = index(&things, "i").unwrap();
        let generation = if step <= 16 { 1 } else { 2 };
        assert_eq!((newest.generation, newest.state), (generation, IndexState::Readable), "{step}");
        assert_eq!(things.find(field("n").gte(1)).count().unwrap(), step);
        check(&store);
        store.close().unwrap();
        steps = steps.step(&format!("step {step}"), [Op::add(&*format!("more{step}"), 1)]);
    }
}

/// The ids that an index leads to took the place of what was to be sorted, so that a query failed that a scan answers.
#[test]
fn a_sort_that_a_scan_can_do_is_done_with_an_index_too() {
    let (_store, things) = things();
    fill(&things, 100);
    let asked = |limit: Option<u64>, bytes: usize| {
        let query = things.find(field("n").gte(0)).sort_desc("m").sort_limit(bytes);
        let query = query.limit(limit.unwrap_or(u64::MAX));
        let ids = query.to_vec().map(|all| all.iter().map(|one| one.id().clone()).collect::<Vec<_>>());
        (ids.map_err(|error| error.kind()), query.iter().skipped())
    };
    let asks = [(Some(1), 4_850), (Some(1), 300), (Some(5), 5_000), (None, 4_850), (None, 20_000)];
    let scanned = asks.map(|(limit, bytes)| asked(limit, bytes));
    assert!(scanned[0].0.is_ok() && scanned[3].0 == Err(ErrorKind::SortTooLarge));
    things.create_index(&Index::on("n")).unwrap();
    assert_eq!(asks.map(|(limit, bytes)| asked(limit, bytes)), scanned);
    let explained = things.find(field("n").gte(0)).sort("m").limit(1).sort_limit(4_850).explain().unwrap();
    assert_eq!((explained.plan.as_str(), explained.notes.len()), ("scan", 1), "{explained}");
    assert_eq!(explained.documents_returned, 1);
}

/// And what cannot be read is told of once.
#[test]
fn what_was_left_out_before_a_sort_became_a_scan_is_counted_once() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    fill(&things, 100);
    things.insert_with_id(100, &json!({"n": 100, "m": 1, "c": "odd"})).unwrap();
    things.create_index(&Index::on("n")).unwrap();
    store.close().unwrap();
    let (_store, things) =
        medium.things(&Evolution::new().step("c", [Op::convert("c", pivotdb::To::Integer)]));
    let query = things.find(field("n").gte(0)).sort("m").limit(1).sort_limit(4_900);
    let query = query.unreadable(pivotdb::Unreadable::Skip);
    let mut results = query.iter();
    assert_eq!(results.by_ref().count(), 1);
    assert_eq!(results.skipped(), 1);
    assert!(query.explain().unwrap().plan.starts_with("scan"));
}

#[test]
fn a_document_of_many_entries_is_kept_once() {
    let (_store, things) = things();
    let tags: Vec<u32> = (0..100).collect();
    for n in 0..3 {
        things.insert_with_id(format!("{n:0100}"), &json!({"tags": tags, "n": n})).unwrap();
    }
    things.create_index(&Index::on("tags")).unwrap();
    let query = things.find(field("tags").gte(0)).sort("n").sort_limit(4_000);
    assert!(query.explain().unwrap().plan.starts_with("index"));
    assert_eq!(query.to_vec().unwrap().len(), 3);
}
