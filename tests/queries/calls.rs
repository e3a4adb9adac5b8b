//! Each call of a query's, and what goes wrong.

use pivotdb::{
    Cursor, Document, ErrorKind, Evolution, Function, Index, Op, Projection, Store, Unreadable, field,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cases;

fn days(store: &Store) -> pivotdb::Collection<Value> {
    let days = store.documents("days").unwrap();
    for day in 1..=9 {
        days.insert_with_id(day, &json!({"day": day, "even": day % 2 == 0, "note": "x".repeat(100)}))
            .unwrap();
    }
    days
}

fn kind<T: std::fmt::Debug>(result: pivotdb::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn a_bad_query_is_an_error_at_its_first_use() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    let bad = days.find(json!({"day": {"$near": 1}}));
    assert_eq!(kind(bad.to_vec()), ErrorKind::InvalidFilter);
    assert_eq!(kind(bad.count()), ErrorKind::InvalidFilter);
    let mut results = bad.iter();
    let error = results.next().unwrap().unwrap_err();
    assert_eq!(
        (error.context().collection(), error.context().detail("operator")),
        (Some("days"), Some("$near"))
    );
    assert!(results.next().is_none());
    assert_eq!(kind(days.find(json!({})).sort("a..b").first()), ErrorKind::InvalidFilter);
    assert_eq!(kind(days.find(json!({})).sort("day").sort_desc("day").count()), ErrorKind::InvalidFilter);
}

/// A cursor is text of anybody's: it does not make a store look damaged.
#[test]
fn a_cursor_of_another_store_is_no_damage() {
    let (store, other) = (Store::memory().unwrap(), Store::memory().unwrap());
    other.documents("nights").unwrap().insert(&json!({"night": 1})).unwrap();
    let (days, others) = (days(&store), days(&other));
    let mut results = others.find(json!({})).iter();
    results.next().unwrap().unwrap();
    let cursor = results.cursor().unwrap().unwrap();
    // The kind in it has a number that this store has not given.
    assert_eq!(kind(days.find(json!({})).after(&cursor).to_vec()), ErrorKind::InvalidCursor);
    assert_eq!(kind(days.find(json!({})).after(&cursor).count()), ErrorKind::InvalidCursor);
}

#[test]
fn one_query_sees_one_state() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    let mut results = days.find(field("day").gt(2)).sort_desc("day").into_iter();
    assert_eq!(results.next().unwrap().unwrap()["day"], 9);
    days.delete(8).unwrap();
    days.update(7, |day| day["day"] = json!(0)).unwrap();
    days.insert(&json!({"day": 4})).unwrap();
    let rest: Vec<_> = results.map(|day| day.unwrap()["day"].as_i64().unwrap()).collect();
    assert_eq!(rest, [8, 7, 6, 5, 4, 3]);
}

#[test]
fn a_transaction_that_writes_as_it_goes_sees_what_was_there_when_it_began() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    store
        .transaction(|tx| {
            let days = tx.on(&days);
            let mut seen = 0;
            for day in days.find(field("even").eq(true)).sort_desc("day") {
                let day = day?;
                seen += 1;
                for id in 1..=9 {
                    days.update(id, |other| other["even"] = json!(false))?;
                }
                assert_eq!(day["even"], true);
            }
            assert_eq!(seen, 4);
            assert_eq!(days.find(field("even").eq(true)).count()?, 0);
            Ok(())
        })
        .unwrap();
}

#[test]
fn phantoms_are_excluded() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    let transaction = store.begin().unwrap();
    let inside = transaction.on(&days);
    assert_eq!(inside.find(field("day").gt(5)).count().unwrap(), 4);
    inside.insert_with_id("count", &json!({"is": 4})).unwrap();
    days.insert(&json!({"day": 6})).unwrap();
    assert_eq!(kind(transaction.commit()), ErrorKind::Conflict);

    // Only what has been read counts.
    let transaction = store.begin().unwrap();
    let inside = transaction.on(&days);
    assert_eq!(inside.find(field("day").gte(1)).limit(2).to_vec().unwrap().len(), 2);
    inside.insert_with_id("first", &json!({})).unwrap();
    days.update(5, |day| day["day"] = json!(50)).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn a_sort_is_bounded_and_says_so() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    let all = days.find(json!({})).sort("note").sort_limit(1000);
    let error = all.to_vec().unwrap_err();
    assert_eq!((error.kind(), error.context().detail("limit")), (ErrorKind::SortTooLarge, Some("1000")));
    assert_eq!(all.limit(3).to_vec().unwrap().len(), 3);
}

#[test]
fn cursors_belong_to_their_query() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    let mut results = days.find(field("day").gt(1)).sort("even").limit(2).into_iter();
    assert_eq!(results.cursor().unwrap(), None);
    results.by_ref().for_each(|day| drop(day.unwrap()));
    let cursor = results.cursor().unwrap().unwrap();
    assert_eq!(
        kind(days.find(field("day").gt(2)).sort("even").after(&cursor).to_vec()),
        ErrorKind::InvalidCursor
    );
    assert_eq!(
        kind(days.find(field("day").gt(1)).sort_desc("even").after(&cursor).to_vec()),
        ErrorKind::InvalidCursor
    );
    assert_eq!(kind("00ff".parse::<Cursor>()), ErrorKind::InvalidCursor);
    let rest = days.find(json!({"day": {"$gt": 1}})).sort("even").after(&cursor).to_vec().unwrap();
    assert_eq!(rest.iter().map(|day| day["day"].as_i64().unwrap()).collect::<Vec<_>>(), [7, 9, 2, 4, 6, 8]);
}

#[test]
fn a_cursor_is_stale_after_a_step_at_its_paths() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    let cursor = |query: pivotdb::Query<Value>| {
        let mut results = query.limit(2).into_iter();
        results.by_ref().for_each(|day| drop(day.unwrap()));
        results.cursor().unwrap().unwrap()
    };
    let typed = store.collection_with::<Value>("days", "days", &Evolution::new()).unwrap();
    let cursor = cursor(typed.find(json!({})).sort("day"));
    let steps = Evolution::new().step("notes are gone", [Op::remove("note")]);
    days.evolve(steps.clone()).unwrap();
    let typed = store.collection_with::<Value>("days", "days", &steps).unwrap();
    let rest = typed.find(json!({})).sort("day").after(&cursor).to_vec().unwrap();
    assert_eq!(
        rest.iter().map(|day| day["day"].as_i64().unwrap()).collect::<Vec<_>>(),
        [3, 4, 5, 6, 7, 8, 9]
    );

    let steps = steps.step("day is called date", [Op::rename("day", "date")]);
    days.evolve(steps.clone()).unwrap();
    let typed = store.collection_with::<Value>("days", "days", &steps).unwrap();
    assert_eq!(kind(typed.find(json!({})).sort("day").after(&cursor).to_vec()), ErrorKind::CursorStale);
}

#[test]
fn a_smaller_type_and_parts_of_documents() {
    #[derive(Debug, Deserialize, Serialize)]
    struct Day {
        day: u32,
    }
    let store = Store::memory().unwrap();
    let days = days(&store);
    let small: Vec<Document<Day>> = days.find(field("even").eq(true)).project().to_vec().unwrap();
    assert_eq!(small.iter().map(|day| day.day).collect::<Vec<_>>(), [2, 4, 6, 8]);
    let parts = days.find(field("day").lt(3)).select(Projection::exclude(["note"]));
    let parts: Vec<_> = parts.map(|part| part.unwrap().1).collect();
    assert_eq!(parts, [json!({"day": 1, "even": false}), json!({"day": 2, "even": true})]);
}

#[test]
fn documents_that_cannot_be_read_stop_nothing_else() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    let strict = Function::new(
        "no fives",
        |day: &mut Value, _: &pivotdb::StepContext<'_>| {
            if day["day"] == 5 { Err("a five") } else { Ok(()) }
        },
    );
    days.evolve(Evolution::new().step("strict", strict)).unwrap();

    let query = || days.find(field("day").gt(3));
    let yielded: Vec<_> = query().into_iter().map(|day| day.is_ok()).collect();
    assert_eq!(yielded, [true, false, true, true, true, true]);
    let sorted: Vec<_> = query().sort_desc("day").into_iter().map(|day| day.is_ok()).collect();
    assert_eq!(sorted, [false, true, true, true, true, true]);
    let error = query().to_vec().unwrap_err();
    assert_eq!((error.kind(), error.context().id()), (ErrorKind::StepFailed, Some(&5.into())));
    assert_eq!(kind(query().count()), ErrorKind::StepFailed);

    let mut failing = query().unreadable(Unreadable::Fail).into_iter();
    assert!(failing.next().unwrap().is_ok() && failing.next().unwrap().is_err() && failing.next().is_none());

    let mut skipping = query().unreadable(Unreadable::Skip).into_iter();
    assert_eq!(skipping.by_ref().filter(|day| day.is_ok()).count(), 5);
    assert_eq!(skipping.skipped(), 1);
    assert_eq!(query().unreadable(Unreadable::Skip).count().unwrap(), 5);
}

#[test]
fn explain_tells_what_was_looked_at() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    let explained = days.find(field("day").gt(3).and(field("dya").missing())).limit(2).explain().unwrap();
    assert_eq!(
        (explained.plan.as_str(), explained.documents_examined, explained.documents_returned),
        ("scan", 5, 2)
    );
    assert_eq!(explained.paths, [("day".to_owned(), 5), ("dya".to_owned(), 0)]);
    assert!(explained.to_string().contains("path \"dya\": seen in 0 documents"), "{explained}");
    assert_eq!(explained.to_json()["documents_returned"], 2);

    let (_store, mixed) = cases::stored(
        &[
            cases::Written { schema_version: 1, value: json!({"x": 1}) },
            cases::Written { schema_version: 3, value: json!({"a": 1, "c": 2}) },
        ],
        &[],
    );
    let explained = mixed.find(field("a").eq(1)).explain().unwrap();
    assert_eq!((explained.documents_upcast, explained.documents_returned), (1, 2));
}

#[test]
fn an_index_leads_to_what_is_meant_and_gives_the_order() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    days.create_index(&Index::on("even").and("day")).unwrap();
    let even = days.find(field("even").eq(true)).sort_desc("day");
    let explained = even.explain().unwrap();
    let index = explained.index.clone().unwrap();
    assert_eq!(
        (index.name.as_str(), index.state.as_str(), explained.sorted),
        ("even,day", "readable", false)
    );
    assert_eq!((explained.keys_examined, explained.documents_examined), (4, 4), "{explained}");
    let found: Vec<_> = even.iter().map(|day| day.unwrap()["day"].as_i64().unwrap()).collect();
    assert_eq!(found, [8, 6, 4, 2]);

    // A limit reads no more than it gives, and a sort that needs no memory is not bounded by it.
    let few = days.find(field("even").eq(false)).sort("day").limit(2).sort_limit(0).explain().unwrap();
    assert_eq!((few.documents_examined, few.documents_returned), (2, 2), "{few}");
    let range = days.find(field("even").eq(true).and(field("day").gt(2)).and(field("day").lte(6)));
    assert_eq!(range.explain().unwrap().keys_examined, 2);
    assert_eq!(range.count().unwrap(), 2);
    let other = days.find(field("note").eq("y")).explain().unwrap();
    assert_eq!((other.plan.as_str(), other.notes.len()), ("scan", 1));
}

#[test]
fn large_groups_of_equal_values_keep_the_order_of_ids_backward() {
    let store = Store::memory().unwrap();
    let things = store.documents("things").unwrap();
    things.create_index(&Index::on("n")).unwrap();
    things.insert_many((0..3000).map(|n| json!({"n": i64::from(n % 3 == 0)})).collect::<Vec<_>>()).unwrap();
    let query = things.find(json!({})).sort_desc("n");
    assert!(query.explain().unwrap().plan.contains("backward"));
    let found: Vec<_> = query
        .iter()
        .map(|thing| thing.unwrap())
        .map(|thing| (-thing["n"].as_i64().unwrap(), thing.id().clone()))
        .collect();
    assert_eq!(found.len(), 3000);
    assert!(found.is_sorted());
}

#[test]
fn phantoms_are_excluded_from_what_an_index_has_said() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    let typed = store.collection_with::<Value>("days", "days", &Evolution::new()).unwrap();
    days.create_index(&Index::on("day")).unwrap();
    let attempt = |other: i64| {
        let transaction = store.begin().unwrap();
        let inside = transaction.on(&typed);
        let query = inside.find(field("day").gt(5).and(field("day").lt(8)));
        assert!(query.explain().unwrap().index.is_some());
        assert_eq!(query.count().unwrap(), 2);
        inside.insert_with_id(format!("seen {other}"), &json!({})).unwrap();
        days.insert(&json!({"day": other})).unwrap();
        transaction.commit()
    };
    // Beyond what has been read nobody minds.
    attempt(50).unwrap();
    assert_eq!(kind(attempt(6)), ErrorKind::Conflict);
}

/// A count of everything asked the census, whatever a query says of documents that cannot be read.
#[test]
fn a_count_of_everything_knows_of_what_cannot_be_read() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    assert_eq!(days.find(json!({})).count().unwrap(), 9);
    let strict = Function::new(
        "no fives",
        |day: &mut Value, _: &pivotdb::StepContext<'_>| {
            if day["day"] == 5 { Err("a five") } else { Ok(()) }
        },
    );
    days.evolve(Evolution::new().step("strict", strict)).unwrap();
    let all = || days.find(json!({}));
    assert_eq!(kind(all().to_vec()), ErrorKind::StepFailed);
    assert_eq!(kind(all().count()), ErrorKind::StepFailed);
    assert_eq!(all().unreadable(Unreadable::Skip).count().unwrap(), 8);
    assert_eq!(all().unreadable(Unreadable::Skip).skip(2).limit(5).count().unwrap(), 5);
    assert_eq!(days.count().unwrap(), 9, "of documents, read or not");
}

/// Cursors of handles that see all kinds were stale after any step, and whenever somebody had inserted a document of another kind.
#[test]
fn a_cursor_over_all_kinds_is_stale_after_a_step_at_its_paths_alone() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    let sorted = || days.find(json!({})).sort("day");
    let mut results = sorted().limit(2).into_iter();
    results.by_ref().for_each(|day| drop(day.unwrap()));
    let cursor = results.cursor().unwrap().unwrap();
    let rest = || -> pivotdb::Result<Vec<i64>> {
        let rest = sorted().after(&cursor.to_string().parse()?).to_vec()?;
        Ok(rest.iter().map(|day| day["day"].as_i64().unwrap()).collect())
    };
    assert_eq!(rest().unwrap(), [3, 4, 5, 6, 7, 8, 9]);
    // It belongs to its kind from the start, so that `evolve` below knows which one is meant.
    let steps = Evolution::new().step("notes are gone", [Op::remove("note")]);
    days.evolve(steps.clone()).unwrap();
    assert_eq!(rest().unwrap(), [3, 4, 5, 6, 7, 8, 9]);
    days.insert(&json!({"day": 10})).unwrap();
    let nights = store.collection_with::<Value>("days", "night", &Evolution::new()).unwrap();
    nights.insert(&json!({"day": 2.5})).unwrap();
    nights.delete(nights.find(json!({})).first().unwrap().unwrap().id().clone()).unwrap();
    assert_eq!(rest().unwrap(), [3, 4, 5, 6, 7, 8, 9, 10]);
    days.evolve(steps.step("day is called date", [Op::rename("day", "date")])).unwrap();
    assert_eq!(kind(rest()), ErrorKind::CursorStale);
    let newer = results.cursor().unwrap().unwrap();
    assert_eq!(
        kind(sorted().after(&newer).to_vec()),
        ErrorKind::CursorStale,
        "its values are of before the step"
    );
}

/// An index on what its own filter speaks of was not used where that was all that was asked for.
#[test]
fn a_partial_index_serves_its_own_filter() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    days.create_index(&Index::on("day").only(field("day").gte(7))).unwrap();
    let query = days.find(field("day").gte(7));
    let explained = query.explain().unwrap();
    assert_eq!((explained.keys_examined, explained.documents_examined), (3, 3), "{explained}");
    assert_eq!((query.count().unwrap(), query.to_vec().unwrap().len()), (3, 3));
    let narrower = days.find(field("day").gte(7).and(field("day").lt(9)));
    assert_eq!((narrower.count().unwrap(), narrower.explain().unwrap().keys_examined), (2, 2));
    assert_eq!(days.find(field("day").gte(6)).explain().unwrap().plan, "scan");
}

/// Whether there is any was asked of the whole range, so that in a transaction it conflicted with every write there.
#[test]
fn whether_there_is_any_is_known_after_one() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    days.create_index(&Index::on("day")).unwrap();
    let typed = store.collection_with::<Value>("days", "days", &Evolution::new()).unwrap();
    let transaction = store.begin().unwrap();
    let inside = transaction.on(&typed);
    assert!(inside.find(field("day").gt(2)).exists().unwrap());
    assert!(inside.find(field("day").gt(2)).sort("note").exists().unwrap());
    inside.insert_with_id("seen", &json!({"day": 0})).unwrap();
    days.insert(&json!({"day": 6})).unwrap();
    transaction.commit().unwrap();
    let any = |filter: Value| days.find(filter).exists().unwrap();
    assert!(any(json!({"day": {"$gt": 2}, "even": false})) && !any(json!({"day": {"$gt": 2}, "even": 3})));
    assert!(!days.find(field("day").gt(2)).skip(8).exists().unwrap());
    assert!(days.find(field("day").gt(2)).skip(7).exists().unwrap());
    assert!(!days.find(field("day").gt(2)).limit(0).exists().unwrap());
    // That there is none is said of all of it.
    let transaction = store.begin().unwrap();
    let inside = transaction.on(&typed);
    assert!(!inside.find(field("day").gt(20)).exists().unwrap());
    inside.insert_with_id("none", &json!({"day": 0})).unwrap();
    days.insert(&json!({"day": 60})).unwrap();
    assert_eq!(kind(transaction.commit()), ErrorKind::Conflict);
}

/// The text of a cursor was as long as what is sorted by, twice: up to 32 MiB.
#[test]
fn a_cursor_is_bounded_and_says_so() {
    let store = Store::memory().unwrap();
    let days = days(&store);
    days.insert_with_id(0, &json!({"note": "y".repeat(100_000)})).unwrap();
    let mut results = days.find(json!({})).sort("note").into_iter();
    results.by_ref().take(9).for_each(|day| drop(day.unwrap()));
    assert!(results.cursor().unwrap().is_some());
    assert_eq!(results.by_ref().count(), 1);
    let error = results.cursor().map(drop).unwrap_err();
    assert_eq!((error.kind(), error.context().detail("limit")), (ErrorKind::TooLarge, Some("16384")));
    assert!(error.to_string().ends_with("(sort by shorter values)"), "{error}");
}
