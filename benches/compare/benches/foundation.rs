//! One document at a time, and all of them: what PivotDB costs over sled, redb and serde_json.
//!
//! `cargo bench --manifest-path benches/compare/Cargo.toml --bench foundation`, with `-- --quick` for a look that takes one minute,
//! `-- get` for the workloads with that in their name, or `-- redb` for those on redb.

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
use compare::opening::Opening;
use compare::raw::{Raw, Redb, Sled};
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
    let aims = Aims { get: [Some(1.0), Some(0.8), Some(0.65)], batch: Some(1.3), eight_threads: Some(5.0) };
    on::<Sled>(&scale, &mut criterion, &mut table, aims);
    on::<Redb>(&scale, &mut criterion, &mut table, Aims::default());
    criterion.final_summary();
    if scale.measures() {
        println!("\n{table}");
    }
}

/// What is aimed at on one backend.
#[derive(Debug, Default, Clone, Copy)]
struct Aims {
    /// For each size.
    get: [Option<f64>; 3],
    batch: Option<f64>,
    eight_threads: Option<f64>,
}

fn on<R: Raw>(scale: &Scale, criterion: &mut Criterion, table: &mut Table, aims: Aims) {
    size::<User, R>(scale, criterion, table, aims.get[0], aims.batch);
    size::<MediumOrder, R>(scale, criterion, table, aims.get[1], aims.batch);
    size::<LargeOrder, R>(scale, criterion, table, aims.get[2], aims.batch);
    durable::<R>(criterion, table, aims.eight_threads);
    if scale.wants(&R::workload("stall/150B")) {
        stall::run::<R>(scale.stall_documents, table);
    }
}

fn size<T: Sample, R: Raw>(
    scale: &Scale,
    criterion: &mut Criterion,
    table: &mut Table,
    get_aim: Option<f64>,
    batch_aim: Option<f64>,
) {
    let data = Data::<T, R>::new(scale);
    get(scale, &data, get_aim).run(criterion, table);
    iterate(&data).run(criterion, table);
    write("put", scale, &data, batch_aim, |collection, id, value| {
        collection.put(id, value).expect("a document is put");
    })
    .run(criterion, table);
    write("overwrite", scale, &data, batch_aim, |collection, id, value| {
        collection.overwrite(id, value).expect("a document is overwritten");
    })
    .run(criterion, table);
    data.tell(table);
    opening::<T, R>(scale, criterion, table);
}

/// A store that holds the documents, after it has been closed.
fn opening<T: Sample, R: Raw>(scale: &Scale, criterion: &mut Criterion, table: &mut Table) {
    let made: OnceCell<Opening<R>> = OnceCell::new();
    let stores = || made.get_or_init(|| Opening::new::<T>(scale.documents));
    Contest::new(&R::workload("open"), T::SIZE, 1, "PivotDB open", |times| stores().pivotdb(times))
        .against(&format!("{} open", R::NAME), &R::workload("open"), None, |times| stores().raw(times))
        .run(criterion, table);
}

/// One document by its id, anywhere in the data.
fn get<'a, T: Sample, R: Raw>(scale: &Scale, data: &'a Data<T, R>, aim: Option<f64>) -> Contest<'a> {
    let (mut ours, mut theirs) = (Ids::below(scale.documents), Ids::below(scale.documents));
    Contest::new(&R::workload("get"), T::SIZE, 100, "PivotDB get", move |operations| {
        let collection = &data.get().collection;
        timed(operations, || {
            black_box(collection.get(ours.next_id()).expect("it can be read").expect("it is there"));
        })
    })
    .against(&format!("{} get + from_slice", R::NAME), &R::workload("get"), aim, move |operations| {
        let raw = &data.get().raw;
        timed(operations, || {
            let id = theirs.next_id().to_be_bytes();
            let text = raw.get(&id).expect("it is there");
            black_box(serde_json::from_slice::<T>(&text).expect("it is a document"));
        })
    })
}

/// All documents, one after the other.
fn iterate<T: Sample, R: Raw>(data: &Data<T, R>) -> Contest<'_> {
    let mut ours: Option<Range<T>> = None;
    let mut theirs: Option<R::Values> = None;
    Contest::new(&R::workload("iterate"), T::SIZE, 1000, "PivotDB iter", move |operations| {
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
    .against(
        &format!("{} iter + from_slice", R::NAME),
        &R::workload("iterate"),
        None,
        move |operations| {
            let raw = &data.get().raw;
            timed(operations, || {
                loop {
                    if let Some(text) = theirs.get_or_insert_with(|| raw.values()).next() {
                        black_box(serde_json::from_slice::<T>(&text).expect("it is a document"));
                        return;
                    }
                    theirs = None;
                }
            })
        },
    )
}

/// A document that is there is written again, changed. An operation is so many writes in a row as take longer than a window of syncing,
/// and then a wait for the disk, all of it measured, so that a side pays for what it leaves to its threads. Each sample is one turn.
fn write<'a, T: Sample, R: Raw>(
    workload: &str,
    scale: &'a Scale,
    data: &'a Data<T, R>,
    batch_aim: Option<f64>,
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
    Contest::new(&R::workload(workload), T::SIZE, u64::MAX, &format!("PivotDB {workload}"), subject)
        .against(
            &format!("{} apply_batch, same bytes", R::NAME),
            &R::workload(&format!("{workload}/batch")),
            batch_aim,
            raw_write(scale, data, Writer::apply_batch),
        )
        .against(
            &format!("{} insert", R::NAME),
            &R::workload(&format!("{workload}/insert")),
            None,
            raw_write(scale, data, Writer::insert),
        )
}

/// The same without PivotDB, where the backend is given PivotDB's duty of getting it to the disk.
fn raw_write<'a, T: Sample, R: Raw>(
    scale: &Scale,
    data: &'a Data<T, R>,
    write: fn(&mut Writer<'a, R>, u64),
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

fn durable<R: Raw>(criterion: &mut Criterion, table: &mut Table, aim: Option<f64>) {
    let durable: OnceCell<Durable<R>> = OnceCell::new();
    let commit = |threads: u64| {
        let durable = &durable;
        move |operations| durable.get_or_init(Durable::new).pivotdb(threads, operations)
    };
    let mut contest =
        Contest::new(&R::workload("durable"), User::SIZE, u64::MAX, "PivotDB, 1 thread", commit(1)).against(
            &format!("{} insert, synced", R::NAME),
            &R::workload("durable"),
            None,
            |operations| durable.get_or_init(Durable::new).raw(operations),
        );
    for threads in [2, 4, 8, 16] {
        let called = R::workload(&format!("durable-{threads}-threads"));
        let aim = aim.filter(|_| threads == 8);
        contest = contest.gaining(&format!("PivotDB, {threads} threads"), &called, aim, commit(threads));
    }
    contest.run(criterion, table);
    table.tell_rates("COMMITS", &R::workload("durable-"));
}
