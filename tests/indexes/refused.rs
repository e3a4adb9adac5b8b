//! Every call of queries and indexes where it cannot be: after the close, within a transaction by a handle from outside, and by a handle that was taken
//! into another store. It says so, and changes nothing.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use pivotdb::{Collection, Cursor, ErrorKind, Evolution, Index, Op, Result, Store, field};
use serde_json::{Value, json};

use crate::support::{Medium, fill};

type Things = Collection<Value>;
type Call = (&'static str, fn(&Things) -> Result<()>);

/// Calls that read.
const READS: &[Call] = &[
    ("find", |things| things.find(field("n").gt(1)).to_vec().map(drop)),
    ("find by an index", |things| things.find(field("n").eq(1)).to_vec().map(drop)),
    ("find sorted", |things| things.find(json!({})).sort_desc("m").limit(2).to_vec().map(drop)),
    ("find projected", |things| things.find(json!({})).project::<Value>().to_vec().map(drop)),
    ("first", |things| things.find(field("n").eq(1)).first().map(drop)),
    ("count", |things| things.find(field("n").eq(1)).count().map(drop)),
    ("count of all", |things| things.find(json!({})).count().map(drop)),
    ("exists", |things| things.find(field("m").eq(1)).exists().map(drop)),
    ("explain", |things| things.find(field("n").eq(1)).explain().map(drop)),
    ("iter", |things| things.find(json!({})).iter().try_for_each(|one| one.map(drop))),
    ("into_iter", |things| things.find(json!({})).into_iter().try_for_each(|one| one.map(drop))),
    ("select", |things| things.find(json!({})).select(json!({"n": 1})).try_for_each(|one| one.map(drop))),
    ("indexes", |things| things.indexes().map(drop)),
    ("index_entries", |things| things.index_entries("n").map(drop)),
];

/// Calls that change.
const CHANGES: &[Call] = &[
    ("create_index", |things| things.create_index(&Index::on("new"))),
    ("create_index that is there", |things| things.create_index(&Index::on("n"))),
    ("create_index of another definition", |things| things.create_index(&Index::unique("m").named("n"))),
    ("rebuild_index", |things| things.rebuild_index("n")),
    ("drop_index", |things| things.drop_index("n").map(drop)),
    ("disable_index", |things| things.disable_index("n").map(drop)),
    ("drop_index that is not there", |things| things.drop_index("none").map(drop)),
    ("drop_superseded_indexes", |things| things.drop_superseded_indexes().map(drop)),
];

type StoreCall = (&'static str, fn(&Store) -> Result<()>);

/// Calls of the store itself.
const OF_THE_STORE: &[StoreCall] = &[
    ("run", Store::run),
    ("run_with", |store| store.run_with(|_| ControlFlow::Continue(()))),
    ("step", |store| store.step().map(drop)),
    ("drop_corrupt_indexes", |store| store.drop_corrupt_indexes().map(drop)),
];

fn impact(store: &Store, kind: &str) -> Result<()> {
    store.impact(kind, &Evolution::new().step("n is m", [Op::rename("n", "m")])).map(drop)
}

fn kinds(calls: &[Call], things: &Things) -> BTreeMap<&'static str, Option<ErrorKind>> {
    calls.iter().map(|(name, call)| (*name, call(things).err().map(|error| error.kind()))).collect()
}

fn all_are(kinds: &BTreeMap<&'static str, Option<ErrorKind>>, expected: ErrorKind) {
    let others: Vec<_> = kinds.iter().filter(|(_, kind)| **kind != Some(expected)).collect();
    assert!(others.is_empty(), "not {expected:?}: {others:?}");
}

/// With an index `n` that is built, and one, `m`, that is not.
fn filled(medium: &Medium) -> (Store, Things) {
    let store = medium.open();
    let things = store.documents("things").unwrap();
    things.create_index(&Index::on("n")).unwrap();
    fill(&things, 600);
    things.create_index(&Index::on("m")).unwrap();
    (store, things)
}

fn digest(store: &Store) -> (u64, u128) {
    let stats = store.stats().unwrap();
    (stats.sequence, stats.digest)
}

/// A query that has been half read, and its cursor.
fn half_read(things: &Things) -> (pivotdb::Results<Value>, Cursor) {
    let mut results = things.find(json!({})).sort("n").iter();
    results.next().unwrap().unwrap();
    let cursor = results.cursor().unwrap().unwrap();
    (results, cursor)
}

#[test]
fn after_the_close_all_say_so() {
    let medium = Medium::new();
    let (store, things) = filled(&medium);
    let (mut results, cursor) = half_read(&things);
    let snapshot = store.snapshot().unwrap();
    let then = snapshot.on(&things);
    let before = digest(&store);
    store.close().unwrap();
    for things in [&things, &then] {
        all_are(&kinds(READS, things), ErrorKind::Closed);
    }
    all_are(&kinds(CHANGES, &things), ErrorKind::Closed);
    for (name, call) in OF_THE_STORE {
        assert_eq!(call(&store).unwrap_err().kind(), ErrorKind::Closed, "{name}");
    }
    for kind in ["things", "none"] {
        assert_eq!(impact(&store, kind).unwrap_err().kind(), ErrorKind::Closed);
    }
    // What has been read already may be given; then it ends with an error, and once.
    let rest: Vec<_> = results.by_ref().collect();
    let (last, given) = rest.split_last().unwrap();
    assert_eq!(last.as_ref().unwrap_err().kind(), ErrorKind::Closed);
    assert!(given.iter().all(|one| one.is_ok()) && results.next().is_none());
    assert_eq!(results.cursor().unwrap_err().kind(), ErrorKind::Closed);
    let after = things.find(json!({})).sort("n").after(&cursor);
    assert_eq!(after.first().unwrap_err().kind(), ErrorKind::Closed);
    drop((store, things, then, snapshot, results));

    let store = medium.open();
    assert_eq!(digest(&store), before);
    store.close().unwrap();
}

#[test]
fn inside_a_transaction_the_outer_handle_is_refused() {
    let medium = Medium::new();
    let (store, things) = filled(&medium);
    let (mut results, cursor) = half_read(&things);
    let before = digest(&store);
    store
        .transaction(|tx| {
            all_are(&kinds(READS, &things), ErrorKind::InsideTransaction);
            all_are(&kinds(CHANGES, &things), ErrorKind::InsideTransaction);
            for (name, call) in OF_THE_STORE {
                assert_eq!(call(&store).unwrap_err().kind(), ErrorKind::InsideTransaction, "{name}");
            }
            // Reads of what is known and of a state of its own, and changes nothing.
            impact(&store, "things")?;
            let after = things.find(json!({})).sort("n").after(&cursor);
            assert_eq!(after.first().unwrap_err().kind(), ErrorKind::InsideTransaction);

            let mine = tx.on(&things);
            assert!(kinds(READS, &mine).values().all(Option::is_none));
            all_are(&kinds(CHANGES, &mine), ErrorKind::InvalidOption);
            Ok(())
        })
        .unwrap();
    // Taken before, and of a state of its own.
    assert!(results.next().unwrap().is_ok());
    assert_eq!(digest(&store), before);

    let snapshot = store.snapshot().unwrap();
    let then = snapshot.on(&things);
    assert!(kinds(READS, &then).values().all(Option::is_none));
    all_are(&kinds(CHANGES, &then), ErrorKind::InvalidOption);
    assert_eq!(digest(&store), before);
}

#[test]
fn a_handle_of_another_store_is_refused() {
    let (medium, other) = (Medium::new(), Medium::new());
    let ((store, _), (others, foreign)) = (filled(&medium), filled(&other));
    let before = (digest(&store), digest(&others));
    let tx = store.begin().unwrap();
    let snapshot = store.snapshot().unwrap();
    for things in [tx.on(&foreign), snapshot.on(&foreign)] {
        all_are(&kinds(READS, &things), ErrorKind::InvalidOption);
        all_are(&kinds(CHANGES, &things), ErrorKind::InvalidOption);
    }
    tx.commit().unwrap();
    assert_eq!((digest(&store), digest(&others)), before);
}

#[test]
fn after_the_end_of_its_transaction_a_handle_is_closed() {
    let medium = Medium::new();
    let (store, things) = filled(&medium);
    let before = digest(&store);
    let mut kept = None;
    store
        .transaction(|tx| {
            kept = Some((tx.on(&things), half_read(&tx.on(&things)).0));
            Ok(())
        })
        .unwrap();
    let (things, mut results) = kept.unwrap();
    all_are(&kinds(READS, &things), ErrorKind::TransactionClosed);
    assert!(kinds(CHANGES, &things).values().all(Option::is_some));
    let rest: Vec<_> = results.by_ref().collect();
    assert_eq!(rest.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::TransactionClosed);
    assert_eq!(digest(&store), before);
}
