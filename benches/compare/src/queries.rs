//! Questions to PivotDB and to SQLite, about the same documents.
//!
//! | workload | PivotDB | SQLite |
//! |---|---|---|
//! | `equality` | `find(field(NAME).eq(..))`: one document, by an index | `WHERE name = ?` |
//! | `range-100` | `gte` and `lt` on one path, sorted by it: 100 documents or, where values are equal, some more | `WHERE k >= ? AND k < ? ORDER BY k, id` |
//! | `page-1`, `page-1000` | 20 documents in the order of an index, from the start or behind a cursor; and the next cursor | 20 by `WHERE k >= ? AND (k, id) > (?, ?) ORDER BY k, id LIMIT 20`; without the first half SQLite would walk from the start of an index on an expression |
//! | `scan` | a filter that no index helps, which some in a hundred documents meet | the same `WHERE` |
//! | `count`, `count-scan` | how many documents have a value, by an index; how many meet the filter of `scan` | `SELECT count(*)` |
//!
//! `scan` is also put beside a walk over the bytes of the same documents as PivotDB has stored them, with sled alone.

use std::hint::black_box;
use std::sync::Arc;

use pivotdb::backend::MemoryBackend;
use pivotdb::{Collection, Cursor, Durability, Filter, Index, Query, Store, field};
use rusqlite::types::Value as Parameter;
use serde_json::Value;
use tempfile::TempDir;

use crate::asked::{Asked, extract};
use crate::data::{CACHE, COLLECTION, directory};
use crate::ids::Ids;
use crate::mirror::copy;
use crate::pairs::{Names, Runner};
use crate::raw::{Raw, Sled};
use crate::sqlite::{DOCUMENT, Sqlite, Synchronous, parameter};

/// Documents on a page, and the pages far behind that are asked for in turn.
const PAGE: usize = 20;
const FAR: usize = 1000;
const FAR_PAGES: usize = 16;

/// Documents in a range.
const RANGE: usize = 100;

/// How many different questions are asked in turn.
const QUESTIONS: usize = 1 << 12;

/// The same documents on both sides, with the same indexes.
struct Sides<T> {
    documents: Vec<T>,
    /// Their numbers, in the order of what they are sorted by.
    order: Vec<usize>,
    ours: Collection<T>,
    theirs: Sqlite,
    _store: Store,
    _directory: TempDir,
}

/// The place behind a document.
struct Place {
    cursor: Cursor,
    parameters: [Parameter; 2],
}

impl<T: Asked> Sides<T> {
    fn load(documents: Vec<T>) -> Self {
        let directory = directory();
        let builder = Store::builder().durability(Durability::Buffered).cache_capacity(CACHE);
        let store = builder.open(directory.path().join("pivotdb")).expect("a store opens");
        let ours = store.collection::<T>(COLLECTION).expect("a collection is made");
        for path in T::indexed() {
            ours.create_index(&Index::on(path)).expect("an index is made");
        }
        load(&ours, &documents);
        let theirs = Sqlite::open(&directory.path().join("sqlite"), Synchronous::Normal);
        theirs.insert((0..).zip(&documents));
        for path in T::indexed() {
            theirs.create_index(path);
        }
        theirs.execute("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)");
        let mut order: Vec<_> = (0..documents.len()).collect();
        order.sort_by(|one, other| compared(&documents[*one].order(), &documents[*other].order()));
        let sides = Self { documents, order, ours, theirs, _store: store, _directory: directory };
        sides.warm();
        sides
    }

    /// Reads everything once, and sees that it is the same.
    fn warm(&self) {
        let ours = self.ours.iter().map(|document| document.expect("it can be read").into_value());
        let theirs = self.theirs.documents::<T>(&format!("{DOCUMENT} ORDER BY id"), &[]);
        assert_eq!(theirs.len(), self.documents.len());
        assert!(ours.eq(theirs.into_iter().map(|(_, document)| document)), "both have the same documents");
    }

    /// The numbers of documents that are asked for, one after the other.
    fn picks(&self) -> impl Iterator<Item = usize> {
        let mut ids = Ids::below(self.documents.len() as u64);
        (0..QUESTIONS).map(move |_| usize::try_from(ids.next_id()).expect("it fits"))
    }

    fn sorted(&self) -> Query<T> {
        self.ours.find(Filter::everything()).sort(T::ORDER)
    }

    /// The place behind the first `before` documents in the order.
    fn place(&self, before: usize) -> Place {
        let mut results = self.sorted().skip(before as u64 - 1).limit(1).iter();
        results.next().expect("there is one").expect("it can be read");
        let cursor = results.cursor().expect("there is a place").expect("behind a document");
        let last = self.order[before - 1];
        let id = i64::try_from(last).expect("it fits");
        let parameters = [parameter(&self.documents[last].order()), id.into()];
        Place { cursor, parameters }
    }
}

/// Loads documents under their numbers.
fn load<T: Asked>(collection: &Collection<T>, documents: &[T]) {
    let mut bulk = collection.bulk().expect("a load begins");
    for (id, document) in (0_u64..).zip(documents) {
        bulk.insert_with_id(id, document).expect("a document is inserted");
    }
    bulk.finish().expect("a load ends");
}

fn compared(one: &Value, other: &Value) -> std::cmp::Ordering {
    let number = |value: &Value| value.as_f64().expect("what is sorted by is a number");
    number(one).total_cmp(&number(other))
}

/// Everything about documents of one type.
pub fn run<T: Asked>(runner: &mut Runner) {
    let workloads = ["equality", "range-100", "page-1", "page-1000", "scan", "count", "count-scan"];
    if !workloads.iter().any(|workload| runner.scale.wants(workload)) {
        return;
    }
    let Some(documents) = T::documents(runner.scale.asked) else { return };
    let sides = Sides::load(documents);
    equality(runner, &sides);
    range(runner, &sides);
    pages(runner, &sides);
    scan(runner, &sides);
    iteration(runner, &sides);
    counts(runner, &sides);
}

fn names<T: Asked>(workload: &'static str, aim: Option<f64>) -> Names {
    Names { workload, size: T::SIZE, beside: "sqlite", aim }
}

fn values<T: Asked>(query: &Query<T>) -> Vec<T> {
    query.iter().map(|document| document.expect("it can be read").into_value()).collect()
}

fn selected<T: Asked>(sqlite: &Sqlite, query: &str, parameters: &[Parameter]) -> Vec<T> {
    sqlite.documents(query, parameters).into_iter().map(|(_, document)| document).collect()
}

fn in_turn<Q>(questions: &[Q], turn: u64) -> &Q {
    &questions[usize::try_from(turn).expect("it fits") % questions.len()]
}

fn equality<T: Asked>(runner: &mut Runner, sides: &Sides<T>) {
    let wanted: Vec<_> = sides.picks().map(|number| sides.documents[number].name()).collect();
    let query = format!("{DOCUMENT} WHERE {} = ?1", extract(T::NAME));
    runner.compare(
        names::<T>("equality", Some(1.0)),
        |turn| values(&sides.ours.find(field(T::NAME).eq(in_turn(&wanted, turn)))),
        |turn| selected::<T>(&sides.theirs, &query, &[parameter(in_turn(&wanted, turn))]),
    );
}

fn range<T: Asked>(runner: &mut Runner, sides: &Sides<T>) {
    let bound = |position: usize| sides.documents[sides.order[position]].order();
    let bounds: Vec<_> = sides
        .picks()
        .map(|number| number % (sides.documents.len() - RANGE))
        .map(|first| (bound(first), bound(first + RANGE)))
        .collect();
    let key = extract(T::ORDER);
    let query = format!("{DOCUMENT} WHERE {key} >= ?1 AND {key} < ?2 ORDER BY {key}, id");
    runner.compare(
        names::<T>("range-100", Some(1.0)),
        |turn| {
            let (from, to) = in_turn(&bounds, turn);
            let within = field(T::ORDER).gte(from).and(field(T::ORDER).lt(to));
            values(&sides.ours.find(within).sort(T::ORDER))
        },
        |turn| {
            let (from, to) = in_turn(&bounds, turn);
            selected::<T>(&sides.theirs, &query, &[parameter(from), parameter(to)])
        },
    );
}

fn pages<T: Asked>(runner: &mut Runner, sides: &Sides<T>) {
    let key = extract(T::ORDER);
    let page = |after: Option<&Cursor>| {
        let query = sides.sorted().limit(PAGE as u64);
        let query = match after {
            Some(cursor) => query.after(cursor),
            None => query,
        };
        let mut results = query.iter();
        let page: Vec<T> =
            results.by_ref().map(|document| document.expect("it can be read").into_value()).collect();
        black_box(results.cursor().expect("there is a place"));
        page
    };
    let page_of = |query: &str, parameters: &[Parameter]| {
        let page = sides.theirs.documents::<T>(query, parameters);
        black_box(page.last().map(|(id, last)| (last.order(), *id)));
        page.into_iter().map(|(_, document)| document).collect::<Vec<_>>()
    };
    let first = format!("{DOCUMENT} ORDER BY {key}, id LIMIT {PAGE}");
    runner.compare(names::<T>("page-1", Some(1.0)), |_| page(None), |_| page_of(&first, &[]));
    if !runner.scale.wants("page-1000") {
        return;
    }
    let next =
        format!("{DOCUMENT} WHERE {key} >= ?1 AND ({key}, id) > (?1, ?2) ORDER BY {key}, id LIMIT {PAGE}");
    let far: Vec<_> = (0..FAR_PAGES).map(|page| sides.place((FAR - FAR_PAGES + page) * PAGE)).collect();
    assert!(sides.theirs.plan(&next, &far[0].parameters).contains("SEARCH documents USING INDEX"));
    runner.compare(
        names::<T>("page-1000", Some(1.0)),
        |turn| page(Some(&in_turn(&far, turn).cursor)),
        |turn| page_of(&next, &in_turn(&far, turn).parameters),
    );
}

fn scan<T: Asked>(runner: &mut Runner, sides: &Sides<T>) {
    let query = format!("{DOCUMENT} WHERE {}", T::RARE.sql());
    runner.compare(
        names::<T>("scan", None),
        |_| values(&sides.ours.find(T::RARE.filter())),
        |_| selected::<T>(&sides.theirs, &query, &[]),
    );
}

/// The same scan beside a walk over the bytes of all documents, which sled does by itself.
fn iteration<T: Asked>(runner: &mut Runner, sides: &Sides<T>) {
    if !runner.scale.wants("scan") {
        return;
    }
    let (raw, _directory) = bytes(&sides.documents);
    let aim = (T::SIZE == "150B").then_some(2.0);
    runner.measure(
        Names { beside: "iteration", ..names::<T>("scan", aim) },
        |_| drop(black_box(values(&sides.ours.find(T::RARE.filter())))),
        |_| {
            black_box(raw.values().map(|value| value.len()).sum::<usize>());
        },
    );
}

/// The keys and values that PivotDB makes of documents, without indexes, in a sled of their own.
fn bytes<T: Asked>(documents: &[T]) -> (Sled, TempDir) {
    let memory = Arc::new(MemoryBackend::new());
    let builder = Store::builder().durability(Durability::Buffered);
    let store = builder.open_backend(Arc::<MemoryBackend>::clone(&memory)).expect("a store opens");
    load(&store.collection::<T>(COLLECTION).expect("a collection is made"), documents);
    store.close().expect("a store closes");
    let directory = directory();
    let raw = Sled::open(&directory.path().join("raw"), CACHE);
    copy(&memory, &raw);
    // Read once before it is measured, as on the other side.
    assert!(raw.values().count() >= documents.len());
    (raw, directory)
}

fn counts<T: Asked>(runner: &mut Runner, sides: &Sides<T>) {
    let groups: Vec<_> = sides.picks().map(|number| sides.documents[number].group()).collect();
    let query = format!("SELECT count(*) FROM documents WHERE {} = ?1", extract(T::GROUP));
    let count = |filter: Filter| sides.ours.find(filter).count().expect("they can be counted");
    runner.compare(
        names::<T>("count", None),
        |turn| count(field(T::GROUP).eq(in_turn(&groups, turn))),
        |turn| sides.theirs.number(&query, [parameter(in_turn(&groups, turn))]),
    );
    let query = format!("SELECT count(*) FROM documents WHERE {}", T::RARE.sql());
    runner.compare(
        names::<T>("count-scan", None),
        |_| count(T::RARE.filter()),
        |_| sides.theirs.number(&query, []),
    );
}
