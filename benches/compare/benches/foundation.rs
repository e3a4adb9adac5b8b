//! One document at a time, and all of them: what PivotDB costs over sled and serde_json.
//!
//! `cargo bench --manifest-path benches/compare/Cargo.toml --bench foundation`, with `-- --quick` for a look that takes a minute, or
//! `-- get` for the workloads with that in their name.

use std::cell::OnceCell;
use std::hint::black_box;
use std::time::Duration;

use compare::arguments::Scale;
use compare::contest::{Contest, timed};
use compare::data::{Data, Loaded};
use compare::documents::{LargeOrder, MediumOrder, Sample, User};
use compare::durable::Durable;
use compare::duty::on_duty;
use compare::ids::Ids;
use compare::mirror::Writer;
use compare::stall;
use compare::table::Table;
use criterion::Criterion;
use pivotdb::{Collection, Range};

/// How often a raw writer asks whether the disk is behind: every other millisecond or so.
const HOLD_BACK_EVERY: u64 = 64;

fn main() {
    let scale = Scale::from_arguments();
    let mut criterion = scale.criterion();
    let mut table = Table::default();
    size::<User>(&scale, &mut criterion, &mut table, 1.0);
    size::<MediumOrder>(&scale, &mut criterion, &mut table, 0.8);
    size::<LargeOrder>(&scale, &mut criterion, &mut table, 0.65);
    durable(&mut criterion, &mut table);
    if scale.wants("stall/150B") {
        stall::run(scale.stall_documents, &mut table);
    }
    criterion.final_summary();
    if scale.measures() {
        println!("\n{table}");
    }
}

fn size<T: Sample>(scale: &Scale, criterion: &mut Criterion, table: &mut Table, get_aim: f64) {
    let data = Data::<T>::new(scale);
    get(scale, &data, get_aim).run(criterion, table);
    iterate(&data).run(criterion, table);
    write("put", scale, &data, |collection, id, value| {
        collection.put(id, value).expect("a document is put");
    })
    .run(criterion, table);
    write("overwrite", scale, &data, |collection, id, value| {
        collection.overwrite(id, value).expect("a document is overwritten");
    })
    .run(criterion, table);
    data.tell(table);
}

/// One document by its id, anywhere in the data.
fn get<'a, T: Sample>(scale: &Scale, data: &'a Data<T>, aim: f64) -> Contest<'a> {
    let (mut ours, mut theirs) = (Ids::below(scale.documents), Ids::below(scale.documents));
    Contest::new("get", T::SIZE, 100, "PivotDB get", move |operations| {
        let collection = &data.get().collection;
        timed(operations, || {
            black_box(collection.get(ours.next_id()).expect("it can be read").expect("it is there"));
        })
    })
    .against("sled get + from_slice", "get", aim, move |operations| {
        let database = &data.get().raw.database;
        timed(operations, || {
            let id = theirs.next_id().to_be_bytes();
            let text = database.get(id).expect("it can be read").expect("it is there");
            black_box(serde_json::from_slice::<T>(&text).expect("it is a document"));
        })
    })
}

/// All documents, one after the other.
fn iterate<T: Sample>(data: &Data<T>) -> Contest<'_> {
    let mut ours: Option<Range<T>> = None;
    let mut theirs: Option<sled::Iter> = None;
    Contest::new("iterate", T::SIZE, 1000, "PivotDB iter", move |operations| {
        let collection = &data.get().collection;
        timed(operations, || {
            loop {
                if let Some(document) = ours.get_or_insert_with(|| collection.iter()).next() {
                    black_box(document.expect("it can be read"));
                    return;
                }
                ours = None;
            }
        })
    })
    .against("sled iter + from_slice", "iterate", None, move |operations| {
        let database = &data.get().raw.database;
        timed(operations, || {
            loop {
                if let Some(entry) = theirs.get_or_insert_with(|| database.iter()).next() {
                    let (_, text) = entry.expect("it can be read");
                    black_box(serde_json::from_slice::<T>(&text).expect("it is a document"));
                    return;
                }
                theirs = None;
            }
        })
    })
}

/// A document that is there is written again, changed. An operation is so many writes in a row as take longer than a window of syncing,
/// and then a wait for the disk, all of it measured, so that a side pays for what it leaves to its threads. Each sample is one turn.
fn write<'a, T: Sample>(
    workload: &str,
    scale: &'a Scale,
    data: &'a Data<T>,
    write: impl Fn(&Collection<T>, u64, &T) + 'a,
) -> Contest<'a> {
    let mut ids = Ids::below(scale.hot);
    let mut hot: Option<Vec<(u64, T)>> = None;
    let subject = move |operations| {
        let Loaded { store, collection, .. } = data.get();
        let hot = hot.get_or_insert_with(|| data.hot());
        let commits = || store.stats().expect("it is open").commits;
        let before = commits();
        let writes = operations * scale.writes;
        let took = timed(1, || {
            for _ in 0..writes {
                let (id, value) = &mut hot[ids.next_id() as usize];
                value.touch();
                write(collection, *id, value);
            }
            store.flush().expect("the disk syncs");
        });
        assert_eq!(commits() - before, writes, "each of them changed something");
        took.div_f64(scale.writes as f64)
    };
    Contest::new(workload, T::SIZE, u64::MAX, &format!("PivotDB {workload}"), subject)
        .against(
            "sled apply_batch, same bytes",
            &format!("{workload}/batch"),
            1.3,
            raw_write(scale, data, Writer::apply_batch),
        )
        .against("sled insert", &format!("{workload}/insert"), None, raw_write(scale, data, Writer::insert))
}

/// The same with sled, which is given PivotDB's duty of getting it to the disk.
fn raw_write<'a, T: Sample>(
    scale: &Scale,
    data: &'a Data<T>,
    write: fn(&mut Writer<'a>, u64),
) -> impl FnMut(u64) -> Duration + 'a {
    let Scale { documents, hot, writes, .. } = *scale;
    let mut ids = Ids::below(hot);
    let mut writer = None;
    move |operations| {
        let mirror = data.mirror();
        let writer = writer.get_or_insert_with(|| mirror.writer());
        let mut done = 0_u64;
        let took = timed(1, || {
            on_duty(&mirror.raw, |duty| {
                for _ in 0..operations * writes {
                    write(writer, ids.next_id() * (documents / hot));
                    done += 1;
                    if done.is_multiple_of(HOLD_BACK_EVERY) {
                        duty.hold_back();
                    }
                }
            });
        });
        took.div_f64(writes as f64)
    }
}

fn durable(criterion: &mut Criterion, table: &mut Table) {
    let durable: OnceCell<Durable> = OnceCell::new();
    let commit = |threads: u64| {
        let durable = &durable;
        move |operations| durable.get_or_init(Durable::new).pivotdb(threads, operations)
    };
    let mut contest = Contest::new("durable", User::SIZE, u64::MAX, "PivotDB, 1 thread", commit(1)).against(
        "sled insert, flush, sync_data",
        "durable",
        None,
        |operations| durable.get_or_init(Durable::new).raw(operations),
    );
    for threads in [2, 4, 8, 16] {
        let called = format!("durable-{threads}-threads");
        let aim = (threads == 8).then_some(5.0);
        contest = contest.gaining(&format!("PivotDB, {threads} threads"), &called, aim, commit(threads));
    }
    contest.run(criterion, table);
}
