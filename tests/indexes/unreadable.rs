//! Documents that a step fails on: queries by index treat them as scans do.
//!
//! The story: an index that a step leaves alone goes on as it is. A document on which that step fails kept its entries, so that a query by index passed it over
//! where a scan reported it, and a count by index counted it.

use pivotdb::{
    Collection, Cursor, ErrorKind, Evolution, Function, Index, Op, Store, Taken, To, Unreadable, field,
};
use serde_json::{Value, json};

use crate::support::{Medium, check, index};

/// A program: its steps, and what the path of the index is called.
struct Program {
    steps: fn() -> Evolution,
    n: &'static str,
}

fn none() -> Evolution {
    Evolution::new()
}

fn converted() -> Evolution {
    Evolution::new().step("c is a number", [Op::convert("c", To::Integer)])
}

fn renamed() -> Evolution {
    Evolution::new().step("n is called number", [Op::rename("n", "number")])
}

fn within() -> Evolution {
    Evolution::new().step("into s", [Op::add("s.x", 1), Op::move_field("c", "s.c")])
}

fn both() -> Evolution {
    renamed().step("c is a number", [Op::convert("c", To::Integer).back(To::Bool)])
}

fn total() -> Evolution {
    let ops =
        [Op::add("more", 1), Op::remove("s"), Op::trim("c"), Op::rename("c", "d").if_taken(Taken::Keep)];
    Evolution::new().step("nothing that fails", ops)
}

const PROGRAMS: [(&str, Program); 6] = [
    ("none", Program { steps: none, n: "n" }),
    ("converted", Program { steps: converted, n: "n" }),
    ("renamed", Program { steps: renamed, n: "number" }),
    ("within", Program { steps: within, n: "n" }),
    ("both", Program { steps: both, n: "number" }),
    ("total", Program { steps: total, n: "n" }),
];

/// As `converted`, by a function.
fn function() -> Function {
    let up = |body: &mut Value, _: &pivotdb::StepContext<'_>| {
        let number: u64 = body["c"].as_str().ok_or("not a text")?.parse().map_err(|_| "not a number")?;
        body["c"] = number.into();
        Ok::<(), &str>(())
    };
    let down = |body: &mut Value, _: &pivotdb::StepContext<'_>| {
        body["c"] = body["c"].as_u64().ok_or("not a number")?.to_string().into();
        Ok::<(), &str>(())
    };
    Function::new("c is a number", up).down(down)
}

/// To these three it is the same step.
fn by_function() -> Evolution {
    Evolution::new().step("by function", function())
}

fn on_c() -> Evolution {
    Evolution::new().step("by function", function().on(["c"]))
}

fn on_c_and_n() -> Evolution {
    Evolution::new().step("by function", function().on(["c", "n"]))
}

fn renamed_and_on_c() -> Evolution {
    Evolution::new().step("both", ([Op::rename("n", "number")], function().on(["c"])))
}

/// Of which each knows something else of one function.
const BY_FUNCTION: [(&str, Program); 5] = [
    ("none", Program { steps: none, n: "n" }),
    ("on c", Program { steps: on_c, n: "n" }),
    ("by function", Program { steps: by_function, n: "n" }),
    ("on c and n", Program { steps: on_c_and_n, n: "n" }),
    ("renamed, on c", Program { steps: renamed_and_on_c, n: "number" }),
];

struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// Now and then what steps fail on, up or down.
    fn document(&mut self, n: &str) -> Value {
        let mut body = json!({n: self.below(6), "m": self.below(4)});
        body["c"] = if self.one_in(4) { json!("odd") } else { json!(self.below(9).to_string()) };
        if self.one_in(4) {
            body["s"] = if self.one_in(2) { json!(5) } else { json!({"x": 1}) };
        }
        if self.one_in(6) {
            body[if n == "n" { "number" } else { "n" }] = json!(self.below(6));
        }
        body
    }
}

fn indexes(things: &Collection<Value>, n: &str) {
    things.create_index(&Index::on(n).named("one")).unwrap();
    things.create_index(&Index::on("m").and_descending(n).named("two")).unwrap();
    things.create_index(&Index::on(n).only(json!({"m": {"$gte": 2}})).named("some")).unwrap();
}

type Given = Vec<Result<u64, Option<u64>>>;

/// Everything that a query gives, by id, errors too.
fn given(things: &Collection<Value>, ask: &Ask) -> (Given, Vec<Result<u64, ErrorKind>>, Option<Cursor>, u64) {
    let query = || {
        let mut query = things.find(ask.filter.clone()).unreadable(ask.unreadable).skip(ask.skip);
        for (path, descending) in &ask.sort {
            query = if *descending { query.sort_desc(path.as_str()) } else { query.sort(path.as_str()) };
        }
        if let Some(limit) = ask.limit {
            query = query.limit(limit);
        }
        match &ask.after {
            Some(after) => query.after(after),
            None => query,
        }
    };
    let mut results = query().iter();
    let mut all = Vec::new();
    for result in results.by_ref() {
        all.push(match result {
            Ok(found) => Ok(found.id().as_u64().unwrap()),
            Err(error) => {
                let fails = matches!(error.kind(), ErrorKind::StepFailed | ErrorKind::HistoryDiverged);
                assert!(fails, "{error}");
                Err(error.context().id().and_then(pivotdb::DocumentId::as_u64))
            }
        });
    }
    let kind = |error: pivotdb::Error| error.kind();
    let one = [
        query().count().map_err(kind),
        query().exists().map(u64::from).map_err(kind),
        query().first().map(|first| first.map_or(99, |first| first.id().as_u64().unwrap())).map_err(kind),
    ];
    let cursor = results.cursor().unwrap();
    // What had to be looked at for less than everything is not the same.
    let skipped = if ask.limit.is_none() && ask.after.is_none() { results.skipped() } else { 0 };
    (all, one.to_vec(), cursor, skipped)
}

#[derive(Debug, Clone)]
struct Ask {
    filter: Value,
    sort: Vec<(String, bool)>,
    skip: u64,
    limit: Option<u64>,
    unreadable: Unreadable,
    after: Option<Cursor>,
}

fn ask(random: &mut Random, n: &str) -> Ask {
    let mut all = Vec::new();
    for _ in 0..1 + random.below(2) {
        let (path, value) = match random.below(6) {
            0..3 => (n, random.below(6)),
            3..5 => ("m", random.below(4)),
            _ => ("c", random.below(9)),
        };
        all.push(match random.below(5) {
            0 => json!({path: value}),
            1 => json!({path: {"$gte": value}}),
            2 => json!({path: {"$lt": value}}),
            3 => json!({path: {"$in": [value, value + 1]}}),
            _ => json!({"$or": [{path: value}, {path: value + 2}]}),
        });
    }
    let by = |path: &str, descending: bool| (path.to_owned(), descending);
    let sort = match random.below(6) {
        0 => vec![by(n, false)],
        1 => vec![by(n, true)],
        2 => vec![by("m", false), by(n, true)],
        3 => vec![by("m", true), by(n, false)],
        _ => vec![],
    };
    let unreadable =
        [Unreadable::Yield, Unreadable::Skip, Unreadable::Fail][usize::try_from(random.below(3)).unwrap()];
    let limit = random.one_in(3).then(|| 1 + random.below(4));
    Ask { filter: json!({"$and": all}), sort, skip: random.below(4) / 3, limit, unreadable, after: None }
}

/// What queries by index had to do.
#[derive(Debug, Default)]
struct Seen {
    queries: u64,
    by_index: u64,
    reported: u64,
}

/// Two media with the same documents, one with indexes and one without, under one program after the other, of which the first is the oldest.
fn compare(
    seed: u64,
    seen: &mut Seen,
    programs: &[(&str, Program)],
    order: impl FnOnce(&mut Random) -> Vec<usize>,
) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (with, without) = (Medium::new(), Medium::new());
    let mut id = 0;
    for program in order(&mut random) {
        let (name, Program { steps, n }) = &programs[program];
        let (store, indexed) = with.things(&steps());
        let (other, scanned) = without.things(&steps());
        if id == 0 {
            indexes(&indexed, n);
        }
        for _ in 0..60 {
            let after = random.one_in(3);
            let mut asked = ask(&mut random, n);
            for round in 0..2 {
                let found = given(&indexed, &asked);
                let wanted = given(&scanned, &asked);
                let explained = indexed.find(asked.filter.clone()).explain().unwrap();
                assert_eq!(found, wanted, "seed {seed}, {name}, round {round}: {asked:?}; {explained}");
                seen.queries += 1;
                seen.by_index += u64::from(explained.index.is_some());
                seen.reported += u64::from(found.0.iter().any(Result::is_err));
                asked.after = found.2;
                if !after || asked.after.is_none() {
                    break;
                }
            }
        }
        for _ in 0..8 {
            let document = random.document(n);
            indexed.insert_with_id(id, &document).unwrap();
            scanned.insert_with_id(id, &document).unwrap();
            id += 1;
        }
        check(&store);
        store.close().unwrap();
        other.close().unwrap();
    }
}

#[test]
fn an_index_treats_them_as_a_scan_does() {
    let mut seen = Seen::default();
    for seed in 1..=if cfg!(debug_assertions) { 8 } else { 100 } {
        compare(seed, &mut seen, &PROGRAMS, |random| {
            // The older program comes, the newer one takes over, then the older one again, and so on.
            let newer = 1 + usize::try_from(random.below(5)).unwrap();
            vec![0, newer, 0, newer]
        });
    }
    println!("unreadable: {seen:?}");
    assert!(seen.by_index * 3 > seen.queries && seen.reported * 20 > seen.queries, "{seen:?}");
}

/// What one program has an index carried over, another one need not know to leave it alone.
#[test]
fn it_does_so_where_programs_know_different_things_of_a_function() {
    let mut seen = Seen::default();
    for seed in 1..=if cfg!(debug_assertions) { 8 } else { 100 } {
        compare(seed, &mut seen, &BY_FUNCTION, |random| {
            let mut other = || 1 + usize::try_from(random.below(4)).unwrap();
            vec![0, other(), other(), other(), other(), 0, 1]
        });
    }
    println!("by function: {seen:?}");
    assert!(seen.by_index * 8 > seen.queries && seen.reported * 20 > seen.queries, "{seen:?}");
}

/// 600 documents, on two of which the step fails.
fn failing() -> (Medium, Store, Collection<Value>) {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    let mut bulk = things.bulk().unwrap();
    for n in 0..600 {
        bulk.insert_with_id(n, &json!({"n": n / 2, "c": if n % 300 == 7 { "odd" } else { "1" }})).unwrap();
    }
    bulk.finish().unwrap();
    things.create_index(&Index::on("n")).unwrap();
    store.run().unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&converted());
    assert_eq!(index(&things, "n").map(|index| (index.generation, index.current)), Some((1, true)));
    (medium, store, things)
}

#[test]
fn a_query_that_a_document_cannot_be_meant_by_is_not_told_of_it() {
    let (_medium, _store, things) = failing();
    // 7 and 307 have 3 and 153 there, which the step leaves alone.
    assert_eq!(things.find(field("n").eq(4)).to_vec().unwrap().len(), 2);
    assert_eq!(things.find(field("n").eq(3)).to_vec().unwrap_err().kind(), ErrorKind::StepFailed);
    // Without an index too.
    assert!(things.drop_index("n").unwrap());
    assert_eq!(things.find(field("n").eq(4)).to_vec().unwrap().len(), 2);
    assert_eq!(things.find(field("n").eq(3)).to_vec().unwrap_err().kind(), ErrorKind::StepFailed);
    // What the step changes is not known of them.
    let skipped = |filter: Value| {
        let query = things.find(filter).unreadable(Unreadable::Skip);
        let mut results = query.iter();
        assert!(results.by_ref().all(|result| result.is_ok()));
        results.skipped()
    };
    assert_eq!(skipped(json!({"c": 5})), 2);
    assert_eq!(skipped(json!({"c": 5, "n": 3})), 1);
    assert_eq!(skipped(json!({"$or": [{"c": 5}, {"n": 4}]})), 2);
    assert_eq!(skipped(json!({"$nor": [{"n": 3}, {"n": 153}]})), 0);
}

#[test]
fn a_count_by_index_knows_of_them() {
    let (_medium, store, things) = failing();
    let range = || things.find(field("n").gte(2).and(field("n").lt(5)));
    assert_eq!(range().count().unwrap_err().kind(), ErrorKind::StepFailed);
    assert_eq!(range().unreadable(Unreadable::Skip).count().unwrap(), 5);
    assert_eq!(things.find(field("n").lt(3)).count().unwrap(), 6);
    // Sorted by the index, a document that cannot be read stands where it would if it could.
    let sorted: Vec<_> =
        range().sort("n").iter().map(|result| result.map(|found| found.id().clone())).collect();
    assert_eq!(sorted.iter().position(Result::is_err), Some(3));
    store.close().unwrap();
}

/// To and fro: what was at `a` is at `a` again, and so is what was at `b` where there was nothing at `a`.
#[test]
fn a_path_that_is_renamed_and_renamed_back_has_its_index_built_anew() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.insert_with_id(1, &json!({"b": 5})).unwrap();
    things.create_index(&Index::on("a").named("i")).unwrap();
    store.close().unwrap();
    let steps = Evolution::new().step("there", [Op::rename("a", "b")]).step("back", [Op::rename("b", "a")]);
    let (store, things) = medium.things(&steps);
    assert_eq!(things.require(1).unwrap()["a"], 5);
    assert_eq!(things.find(field("a").eq(5)).count().unwrap(), 1);
    assert_eq!(things.find(field("a").eq(5)).to_vec().unwrap().len(), 1);
    check(&store);
}

/// Nobody knows of the stamps that a damaged step led to but the documents that are stored at them.
#[test]
fn documents_at_a_stamp_of_which_the_step_is_damaged_are_told_of() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.insert_with_id(1, &json!({"n": 1})).unwrap();
    things.create_index(&Index::on("n")).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&total());
    things.insert_with_id(2, &json!({"n": 2})).unwrap();
    store.close().unwrap();
    // A step, in the catalog.
    medium.damage(&[1, 0x01, 0x03]);
    let (_store, things) = medium.things(&Evolution::new());
    let asked = |n: u64| {
        let query = things.find(field("n").eq(n));
        let kind = |error: pivotdb::Error| error.kind();
        (query.to_vec().map(|all| all.len()).map_err(kind), query.count().map_err(kind))
    };
    let by_index = [1, 2, 3].map(asked);
    things.disable_index("n").unwrap();
    assert_eq!(by_index, [1, 2, 3].map(asked));
    assert_eq!(by_index[2], (Err(ErrorKind::HistoryDiverged), Err(ErrorKind::HistoryDiverged)));
}
