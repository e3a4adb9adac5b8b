//! Queries, held against an oracle that reads every document, migrates it by hand, and looks at it slowly.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says where"
)]

mod calls;
mod cases;
mod oracle;

use std::cell::Cell;
use std::io::Write as _;

use pivotdb::{Collection, Query};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::Value;

use cases::{Asked, Written};
use oracle::{Flaw, Oracle};

type Case = (Vec<Written>, Vec<Asked>);

fn cases() -> impl Strategy<Value = Case> {
    (cases::documents(), proptest::collection::vec(cases::asked(), 1..6))
}

/// The ids of what is asked for, by the oracle.
fn expected(oracle: &Oracle, documents: &[Written], asked: &Asked) -> Vec<u64> {
    let migrated: Vec<_> = documents.iter().map(cases::migrated).collect();
    let mut found: Vec<_> =
        (0..).zip(&migrated).filter(|(_, document)| oracle.matches(&asked.filter, document)).collect();
    found.sort_by(|(_, one), (_, other)| oracle.order(&asked.sort, one, other));
    let ids = found.into_iter().map(|(id, _)| id).skip(asked.skip as usize);
    ids.take(asked.limit.map_or(usize::MAX, |limit| limit as usize)).collect()
}

fn query(collection: &Collection<Value>, asked: &Asked) -> Query<Value> {
    let mut query = collection.find(&asked.filter).skip(asked.skip);
    for (path, descending) in &asked.sort {
        query = if *descending { query.sort_desc(path) } else { query.sort(path) };
    }
    match asked.limit {
        Some(limit) => query.limit(limit),
        None => query,
    }
}

fn ids(query: &Query<Value>) -> Vec<u64> {
    query.iter().map(|document| document.unwrap().id().as_u64().unwrap()).collect()
}

/// Page after page, by cursors in their text form.
fn paged(collection: &Collection<Value>, asked: &Asked, page: u64) -> Vec<u64> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = query(collection, &Asked { skip: 0, limit: Some(page), ..asked.clone() });
        if let Some(cursor) = &cursor {
            query = query.after(&cursor.parse().unwrap());
        }
        let mut results = query.iter();
        let before = found.len();
        found.extend(results.by_ref().map(|document| document.unwrap().id().as_u64().unwrap()));
        if (found.len() - before) < page as usize {
            return found;
        }
        cursor = results.cursor().unwrap().map(|cursor| cursor.to_string());
    }
}

fn check(oracle: &Oracle, (documents, queries): &Case, selective: &Cell<usize>) -> Result<(), TestCaseError> {
    let (store, collection) = cases::stored(documents);
    for asked in queries {
        let expected = expected(oracle, documents, asked);
        let unbounded = self::expected(oracle, documents, &Asked { skip: 0, limit: None, ..asked.clone() });
        if !unbounded.is_empty() && unbounded.len() < documents.len() {
            selective.set(selective.get() + 1);
        }
        let query = query(&collection, asked);
        prop_assert_eq!(ids(&query), expected.clone(), "{:?}", asked);
        prop_assert_eq!(query.count().unwrap(), expected.len() as u64);
        prop_assert_eq!(query.exists().unwrap(), !expected.is_empty());
        let first = query.first().unwrap().map(|document| document.id().as_u64().unwrap());
        prop_assert_eq!(first, expected.first().copied());
        prop_assert_eq!(paged(&collection, asked, 3), unbounded, "by cursors: {:?}", asked);
        let snapshot = store.snapshot();
        prop_assert_eq!(ids(&self::query(&snapshot.unwrap().on(&collection), asked)), expected.clone());
        let explained = query.explain().unwrap();
        prop_assert_eq!(explained.documents_returned, expected.len() as u64);
    }
    // What a transaction has written is as if it had been there.
    let transaction = store.begin().unwrap();
    let inside = transaction.on(&collection);
    for (id, written) in documents.iter().enumerate().filter(|(id, _)| id % 2 == 0) {
        inside.overwrite(id as u64, &cases::migrated(written)).unwrap();
    }
    for asked in queries {
        prop_assert_eq!(ids(&query(&inside, asked)), expected(oracle, documents, asked));
    }
    Ok(())
}

fn run(flaw: Flaw, cases: u32) -> (usize, Result<(), TestError<Case>>) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let selective = Cell::new(0);
    let result = runner.run(&self::cases(), |case| check(&Oracle(flaw), &case, &selective));
    (selective.get(), result)
}

fn number_of_cases() -> u32 {
    std::env::var("PIVOTDB_QUERY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(120)
}

#[test]
fn answers_are_the_oracles() {
    let cases = number_of_cases();
    let (selective, result) = run(Flaw::None, cases);
    let line = format!("queries: {cases} cases, {selective} selective queries\n");
    let _ = std::io::stdout().write_all(line.as_bytes());
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(selective > cases as usize, "too few queries select some and not all");
}

#[test]
fn a_broken_rule_is_found() {
    for flaw in [Flaw::MissingIsNotNull, Flaw::ListsAreOpaque, Flaw::TypesCompare, Flaw::LeastForDescending] {
        let (_, result) = run(flaw, 2000);
        assert!(matches!(result, Err(TestError::Fail(..))), "{flaw:?} was not found");
    }
}
