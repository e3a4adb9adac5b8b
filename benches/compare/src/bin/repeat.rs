//! One workload, so many times, for a profiler or an instruction counter.
//!
//! ```sh
//! cargo build --release --manifest-path benches/compare/Cargo.toml --bin repeat
//! valgrind --tool=callgrind --toggle-collect='*measured*' benches/compare/target/release/repeat get 750B 2000
//! ```

use std::hint::black_box;
use std::process::ExitCode;

use compare::arguments::Scale;
use compare::chain::{Chain, Mix};
use compare::data::{Data, Loaded, load_pivotdb, load_raw};
use compare::documents::{LargeOrder, MediumOrder, Sample, User};
use compare::ids::Ids;
use compare::raw::{Raw, Redb, Sled};
use compare::stale::Stale;
use compare::visits::{change, change_text};
use pivotdb::testing::merging::stored;
use pivotdb::{Collection, Filter, Index, IndexState, field};

const USAGE: &str = "usage: repeat get|iterate|put|overwrite|insert|load|merge|merge-flatten|equality|range|page|scan|get-raw|iterate-raw|\
     batch-raw|insert-raw|load-raw 150B|750B|5KB TIMES [sled|redb], or repeat stale|interrupted|current 150B|750B|5KB TIMES OPS";

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let (workload, size, times, backend) = match given.as_slice() {
        [workload, size, times] => (*workload, *size, *times, Sled::NAME),
        [workload, size, times, backend] => (*workload, *size, *times, *backend),
        _ => return fail(),
    };
    let Ok(times) = times.parse() else { return fail() };
    if let ("stale" | "interrupted" | "current", Ok(ops)) = (workload, backend.parse()) {
        let stale = workload != "current";
        let mix = if workload == "interrupted" { Mix::Interrupted } else { Mix::Together };
        let chain = |place| Chain::new(place, ops, mix);
        return match size {
            "150B" => upcast::<User>(stale, times, &chain(None)),
            "750B" => upcast::<MediumOrder>(stale, times, &chain(Some("customer"))),
            "5KB" => upcast::<LargeOrder>(stale, times, &chain(Some("customer"))),
            _ => fail(),
        };
    }
    let known = match backend {
        Sled::NAME => sized::<Sled>(workload, size, times),
        Redb::NAME => sized::<Redb>(workload, size, times),
        _ => false,
    };
    if known { ExitCode::SUCCESS } else { fail() }
}

fn sized<R: Raw>(workload: &str, size: &str, times: u64) -> bool {
    match size {
        "150B" => repeat::<User, R>(workload, times),
        "750B" => repeat::<MediumOrder, R>(workload, times),
        "5KB" => repeat::<LargeOrder, R>(workload, times),
        _ => false,
    }
}

fn fail() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::FAILURE
}

/// Where a profiler may begin to look.
#[inline(never)]
fn measured(work: impl FnOnce()) {
    work();
}

/// Reads documents that are so many ops old, or the same ones as they are today.
fn upcast<T: Sample>(stale: bool, times: u64, chain: &Chain) -> ExitCode {
    const DOCUMENTS: u64 = 200;
    let data = Stale::<T>::load(chain, DOCUMENTS);
    let mut ids = Ids::below(DOCUMENTS);
    let first = if stale { 0 } else { DOCUMENTS };
    measured(|| {
        for _ in 0..times {
            black_box(data.get(first + ids.next_id()));
        }
    });
    ExitCode::SUCCESS
}

fn repeat<T: Sample, R: Raw>(workload: &str, times: u64) -> bool {
    match workload {
        "merge" => in_memory(times, |n| stored(&T::make(n)).expect("it is stored"), change),
        "merge-flatten" => {
            in_memory(times, |n| serde_json::to_vec(&T::make(n)).expect("it is JSON"), change_text);
        }
        _ => return in_store::<T, R>(workload, times),
    }
    true
}

fn in_memory(times: u64, make: fn(u64) -> Vec<u8>, change: fn(&[u8]) -> Vec<u8>) {
    let documents: Vec<_> = (0..100).map(make).collect();
    measured(|| {
        for document in documents.iter().cycle().take(times as usize) {
            black_box(change(black_box(document)));
        }
    });
}

fn in_store<T: Sample, R: Raw>(workload: &str, times: u64) -> bool {
    let scale = Scale::quick();
    let data = Data::<T, R>::new(&scale);
    let mut ids = Ids::below(scale.documents);
    match workload {
        "get" => {
            let users = &data.get().collection;
            measured(|| {
                for _ in 0..times {
                    black_box(users.get(ids.next_id()).expect("it can be read").expect("it is there"));
                }
            });
        }
        "equality" | "range" | "page" | "scan" => {
            queried(workload, &data.get().collection, times);
        }
        "get-raw" => {
            let raw = &data.get().raw;
            measured(|| {
                for _ in 0..times {
                    let id = ids.next_id().to_be_bytes();
                    let text = raw.get(&id).expect("it is there");
                    black_box(serde_json::from_slice::<T>(&text).expect("it is a document"));
                }
            });
        }
        "iterate" => {
            let users = &data.get().collection;
            measured(|| {
                for document in users.iter().take(times as usize) {
                    black_box(document.expect("it can be read"));
                }
            });
        }
        "iterate-raw" => {
            let raw = &data.get().raw;
            measured(|| {
                for text in raw.values().take(times as usize) {
                    black_box(serde_json::from_slice::<T>(&text).expect("it is a document"));
                }
            });
        }
        "put" | "overwrite" => {
            let users = &data.get().collection;
            let mut hot = data.hot();
            let mut ids = Ids::below(scale.hot);
            measured(|| {
                for _ in 0..times {
                    let (id, value) = &mut hot[ids.next_id() as usize];
                    value.touch();
                    let written = match workload {
                        "put" => users.put(*id, value),
                        _ => users.overwrite(*id, value),
                    };
                    black_box(written.expect("it is written"));
                }
            });
        }
        "batch-raw" | "insert-raw" => {
            let mut writer = data.mirror().writer();
            let mut ids = Ids::below(scale.hot);
            measured(|| {
                for _ in 0..times {
                    let id = ids.next_id() * (scale.documents / scale.hot);
                    match workload {
                        "batch-raw" => writer.apply_batch(id),
                        _ => writer.insert(id),
                    }
                }
            });
        }
        "insert" => {
            let users = &data.get().collection;
            let values: Vec<T> = (0..times).map(T::make).collect();
            measured(|| {
                for (value, id) in values.iter().zip(scale.documents..) {
                    users.insert_with_id(id, value).expect("it is inserted");
                }
            });
        }
        "load" | "load-raw" => {
            let Loaded { collection, raw, .. } = data.get();
            let values: Vec<(u64, T)> = (0..times).map(|n| (scale.documents + n, T::make(n))).collect();
            measured(|| {
                match workload {
                    "load" => load_pivotdb(collection, &values),
                    _ => load_raw(raw, &values),
                };
            });
        }
        _ => return false,
    }
    true
}

/// Queries of documents with two indexes; each turn once before it is measured.
fn queried<T: Sample>(workload: &str, documents: &Collection<T>, times: u64) {
    let (name, order, rare) = match T::SIZE {
        "150B" => ("email", "balance", "visits"),
        _ => ("customer.email", "customer.balance", "customer.visits"),
    };
    for path in [name, order] {
        documents.create_index(&Index::on(path)).expect("an index is made");
    }
    while documents.indexes().expect("they are known").iter().any(|index| index.state != IndexState::Readable)
    {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut ids = Ids::below(Scale::quick().documents);
    let mut results = documents.find(Filter::everything()).sort(order).skip(500).limit(1).iter();
    results.next().expect("there is one").expect("it can be read");
    let cursor = results.cursor().expect("there is a place").expect("behind a document");
    let mut ask = || {
        let query = match workload {
            "equality" => documents.find(field(name).eq(format!("user{}@example.org", ids.next_id()))),
            "range" => documents.find(field(order).gte(1000).and(field(order).lt(2250))).sort(order),
            "page" => documents.find(Filter::everything()).sort(order).limit(20).after(&cursor),
            _ => documents.find(field(rare).lt(10)),
        };
        let mut results = query.iter();
        let mut found = 0;
        for document in results.by_ref() {
            black_box(document.expect("it can be read").into_value());
            found += 1;
        }
        if workload == "page" {
            black_box(results.cursor().expect("there is a place"));
        }
        found
    };
    println!("{} documents each", ask());
    measured(|| {
        for _ in 0..times {
            black_box(ask());
        }
    });
}
