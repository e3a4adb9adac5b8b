//! MongoDB's semantics, by the vectors of Meteor's minimongo in `../shared/corpora` (or the folder that `PIVOTDB_CORPORA` names).
//!
//! Vectors of operators that PivotDB does not have are not run, nor are those in which today's MongoDB says otherwise than minimongo; they
//! are listed. Of what is run everything has to pass, and at least 90% of each kind have to be run.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on says where"
)]

mod vectors;

use std::collections::BTreeMap;
use std::io::Write as _;

use pivotdb::{ErrorKind, Filter, Projection, Store};
use serde_json::{Value, json};

use vectors::{Kind, Vector, vectors};

/// What has become of the vectors of one kind.
#[derive(Default)]
struct Tally {
    all: usize,
    passed: usize,
    failed: Vec<String>,
    /// Why not, and how many.
    not_run: BTreeMap<String, usize>,
}

enum Outcome {
    Passed,
    Failed(String),
    NotRun(String),
}

impl Tally {
    fn run(vectors: &[Vector], kind: Kind, run: impl Fn(&Value) -> Outcome) -> Self {
        let mut tally = Self::default();
        for vector in vectors.iter().filter(|vector| vector.kind == kind) {
            tally.all += 1;
            match run(&vector.value) {
                Outcome::Passed => tally.passed += 1,
                Outcome::Failed(why) => tally.failed.push(format!("{}: {why}", vector.value)),
                Outcome::NotRun(why) => *tally.not_run.entry(why).or_default() += 1,
            }
        }
        tally
    }

    fn ran(&self) -> usize {
        self.passed + self.failed.len()
    }
}

fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

/// What today's MongoDB and minimongo differ in, and what JSON's numbers are.
fn differs(vector: &Value) -> Option<String> {
    // A guard of Meteor's against deleting too much.
    if vector["selector"].get("_id").is_some_and(|id| *id == json!(0) || *id == json!(false)) {
        return Some("an _id that is false in JavaScript".into());
    }
    let of_type = &vector["selector"]["a"]["$type"];
    // Since 3.6 a list is of the type "array" itself.
    if *of_type == json!(4) && vector["doc"]["a"].is_array() {
        return Some("$type 4 (as MongoDB before 3.6)".into());
    }
    // JavaScript's numbers are all doubles.
    (*of_type == json!(1)).then(|| "$type 1 (1 is no double here)".into())
}

fn matches(vector: &Value) -> Outcome {
    if let Some(why) = differs(vector) {
        return Outcome::NotRun(why);
    }
    let filter = Filter::from(&vector["selector"]);
    // Where documents lie, too.
    let stored = Store::memory().and_then(|store| store.documents("c")).and_then(|documents| {
        documents.insert(&vector["doc"])?;
        Ok(documents.find(&filter).count()? == 1)
    });
    let matched = filter.matches(&vector["doc"]);
    if let (Ok(matched), Ok(stored)) = (&matched, &stored)
        && matched != stored
    {
        return Outcome::Failed(format!("gave {matched}, and {stored} where it is stored"));
    }
    match matched {
        Ok(matched) if json!(matched) == vector["result"] => Outcome::Passed,
        Ok(matched) => Outcome::Failed(format!("gave {matched}")),
        Err(error) if error.kind() == ErrorKind::InvalidFilter => {
            let operator = error.context().detail("operator").unwrap_or("an id for a filter");
            Outcome::NotRun(operator.to_owned())
        }
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

fn projects(vector: &Value) -> Outcome {
    match Projection::from(vector["projection"].clone()).apply(&vector["doc"]) {
        Ok(projected) if projected == vector["expected"] => Outcome::Passed,
        Ok(projected) => Outcome::Failed(format!("gave {projected}")),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// What a specification of an order says: paths, and whether they descend.
fn sort_keys(spec: &Value) -> Vec<(String, bool)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    match spec {
        Value::Object(keys) => keys.iter().map(|(path, way)| (path.clone(), *way == json!(-1))).collect(),
        Value::Array(keys) => {
            let key = |key: &Value| match key {
                Value::Array(pair) => (text(&pair[0]), pair[1] == "desc"),
                path => (text(path), false),
            };
            keys.iter().map(key).collect()
        }
        other => panic!("no order: {other}"),
    }
}

fn sorts(vector: &Value) -> Outcome {
    let values = vector["values"].as_array().expect("a list");
    let documents = Store::memory().and_then(|store| store.documents("c")).expect("a store");
    for (id, value) in (0_u64..).zip(values.iter().rev()) {
        documents.insert_with_id(id, value).expect("a document");
    }
    let mut query = documents.find(json!({}));
    for (path, descending) in sort_keys(&vector["spec"]) {
        query = if descending { query.sort_desc(path) } else { query.sort(path) };
    }
    match query.to_vec() {
        Ok(sorted) if sorted.iter().map(|document| &document.value).eq(values) => Outcome::Passed,
        Ok(sorted) => {
            Outcome::Failed(format!("gave {:?}", sorted.into_iter().map(|row| row.value).collect::<Vec<_>>()))
        }
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

#[test]
fn vectors_of_minimongo() {
    let Some(vectors) = vectors() else {
        say("skipped: no corpora");
        return;
    };
    let tallies = [
        ("match", Tally::run(&vectors, Kind::Match, matches)),
        ("ordering", Tally::run(&vectors, Kind::Ordering, sorts)),
        ("projection", Tally::run(&vectors, Kind::Projection, projects)),
    ];
    let (mut all, mut ran, mut passed) = (0, 0, 0);
    let mut not_run = Vec::new();
    for (name, tally) in &tallies {
        say(&format!("{name}: {}/{} of {}", tally.passed, tally.ran(), tally.all));
        all += tally.all;
        ran += tally.ran();
        passed += tally.passed;
        not_run.extend(tally.not_run.iter().map(|(why, count)| format!("{why} x{count}")));
    }
    let not_run = if not_run.is_empty() { "nothing".to_owned() } else { not_run.join(", ") };
    say(&format!("filters: {all} vectors, {ran} run, {passed} passed, not run: {not_run}"));
    for (name, tally) in &tallies {
        assert!(
            tally.failed.is_empty(),
            "{name}: {} failed\n{}",
            tally.failed.len(),
            tally.failed.join("\n")
        );
        let (ran, all) = (tally.ran(), tally.all);
        assert!(all > 0 && ran * 10 >= all * 9, "{name}: only {ran} of {all} vectors were run");
    }
}

/// The control: turned round, every vector that is run fails.
#[test]
fn vectors_turned_round_fail() {
    let Some(vectors) = vectors() else {
        say("skipped: no corpora");
        return;
    };
    let turned = |vector: &Value| {
        let mut vector = vector.clone();
        vector["result"] = json!(vector["result"] != json!(true));
        matches(&vector)
    };
    // The other way round no two documents are in order, not even those that are sorted by nothing but their ids.
    let backwards = |vector: &Value| {
        let mut vector = vector.clone();
        vector["values"].as_array_mut().expect("a list").reverse();
        sorts(&vector)
    };
    let with_more = |vector: &Value| {
        let mut vector = vector.clone();
        vector["expected"]["more"] = json!(1);
        projects(&vector)
    };
    let tallies = [
        ("match", Tally::run(&vectors, Kind::Match, turned)),
        ("ordering", Tally::run(&vectors, Kind::Ordering, backwards)),
        ("projection", Tally::run(&vectors, Kind::Projection, with_more)),
    ];
    for (name, tally) in &tallies {
        say(&format!("control, {name}: {} of {} failed", tally.failed.len(), tally.ran()));
        assert_eq!((tally.passed, tally.failed.is_empty()), (0, false), "{name}");
    }
}
