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

use pivotdb::{Collection, ErrorKind, Query};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::Value;

use cases::{Asked, Indexed, Written};
use oracle::{Flaw, Oracle};

type Case = (Vec<Written>, Vec<Indexed>, Vec<Asked>);

/// How often something happened that a law is about.
#[derive(Default)]
struct Counts {
    selective: Cell<usize>,
    indexed: Cell<usize>,
    ordered: Cell<usize>,
    building: Cell<usize>,
}

fn count(cell: &Cell<usize>, happened: bool) {
    cell.set(cell.get() + usize::from(happened));
}

fn cases() -> impl Strategy<Value = Case> {
    (cases::documents(), cases::indexes(), proptest::collection::vec(cases::asked(), 1..6))
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

fn check(
    oracle: &Oracle,
    (documents, indexes, queries): &Case,
    counts: &Counts,
) -> Result<(), TestCaseError> {
    let (store, collection) = cases::stored(documents, indexes);
    for asked in queries {
        let expected = expected(oracle, documents, asked);
        let unbounded = self::expected(oracle, documents, &Asked { skip: 0, limit: None, ..asked.clone() });
        count(&counts.selective, !unbounded.is_empty() && unbounded.len() < documents.len());
        let query = query(&collection, asked);
        let explained = query.explain().unwrap();
        count(&counts.indexed, explained.index.is_some());
        count(&counts.ordered, explained.index.is_some() && !asked.sort.is_empty() && !explained.sorted);
        prop_assert_eq!(ids(&query), expected.clone(), "{:?} {}", asked, explained);
        prop_assert_eq!(query.count().unwrap(), expected.len() as u64);
        prop_assert_eq!(query.exists().unwrap(), !expected.is_empty());
        let first = query.first().unwrap().map(|document| document.id().as_u64().unwrap());
        prop_assert_eq!(first, expected.first().copied());
        prop_assert_eq!(paged(&collection, asked, 3), unbounded, "by cursors: {:?}", asked);
        let snapshot = store.snapshot();
        prop_assert_eq!(ids(&self::query(&snapshot.unwrap().on(&collection), asked)), expected.clone());
        prop_assert_eq!(explained.documents_returned, expected.len() as u64);
    }
    // What a transaction has written is as if it had been there.
    let transaction = store.begin().unwrap();
    let inside = transaction.on(&collection);
    for (id, written) in documents.iter().enumerate().filter(|(id, _)| id % 2 == 0) {
        // It says the same as what is there, so that it does not matter whether an index takes it.
        if let Err(error) = inside.overwrite(id as u64, &cases::migrated(written)) {
            prop_assert_eq!(error.kind(), ErrorKind::NotIndexable);
        }
    }
    for asked in queries {
        prop_assert_eq!(ids(&query(&inside, asked)), expected(oracle, documents, asked));
    }
    Ok(())
}

fn run(flaw: Flaw, cases: u32, shrinks: u32) -> (Counts, Result<(), TestError<Case>>) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: shrinks, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let counts = Counts::default();
    let result = runner.run(&self::cases(), |case| check(&Oracle(flaw), &case, &counts));
    (counts, result)
}

fn number_of_cases() -> u32 {
    std::env::var("PIVOTDB_QUERY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(120)
}

/// Queries between the steps of builds. Ids count on while documents repeat, so that there are enough for a build.
fn check_building(case: &Case, counts: &Counts) -> Result<(), TestCaseError> {
    let (documents, indexes, queries) = case;
    let many: Vec<_> = documents.iter().cycle().take(700).cloned().collect();
    // Of one path each: a document with lists at several would keep queries away from the index.
    let single = |index: &Indexed| Indexed {
        before: 4,
        paths: index.paths.iter().take(1).cloned().collect(),
        ..index.clone()
    };
    let indexes: Vec<_> = indexes.iter().map(single).collect();
    let (store, collection) = cases::stored(&many, &indexes);
    for asked in queries.iter().cycle().take(12) {
        let explained = query(&collection, asked).explain().unwrap();
        count(
            &counts.building,
            explained.index.as_ref().is_some_and(|index| index.state.starts_with("building")),
        );
        prop_assert_eq!(
            ids(&query(&collection, asked)),
            expected(&Oracle(Flaw::None), &many, asked),
            "{:?} {}",
            asked,
            explained
        );
        let all = Asked { skip: 0, limit: None, ..asked.clone() };
        let all_ids = expected(&Oracle(Flaw::None), &many, &all);
        prop_assert_eq!(query(&collection, &all).count().unwrap(), all_ids.len() as u64);
        prop_assert_eq!(paged(&collection, asked, 250), all_ids);
        store.step().unwrap();
    }
    Ok(())
}

#[test]
fn answers_are_the_oracles_while_indexes_are_built() {
    let cases = number_of_cases() / 6;
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 50, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let counts = Counts::default();
    let result = runner.run(&self::cases(), |case| check_building(&case, &counts));
    say(&format!("queries: {cases} cases, {} queries by an index in mid-build", counts.building.get()));
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(counts.building.get() > cases as usize / 2, "too few queries meet a build");
}

fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

#[test]
fn answers_are_the_oracles() {
    let cases = number_of_cases();
    let (counts, result) = run(Flaw::None, cases, 200);
    let Counts { selective, indexed, ordered, .. } = &counts;
    let (selective, indexed, ordered) = (selective.get(), indexed.get(), ordered.get());
    say(&format!(
        "queries: {cases} cases, {selective} selective queries, {indexed} by an index, {ordered} of them in its order"
    ));
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(selective > cases as usize * 3 / 4, "too few queries select some and not all");
    assert!(indexed > cases as usize / 2 && ordered > cases as usize / 10, "too few queries use an index");
}

#[test]
fn a_broken_rule_is_found() {
    for flaw in [Flaw::MissingIsNotNull, Flaw::ListsAreOpaque, Flaw::TypesCompare, Flaw::LeastForDescending] {
        let (_, result) = run(flaw, 600, 0);
        assert!(matches!(result, Err(TestError::Fail(..))), "{flaw:?} was not found");
    }
}
