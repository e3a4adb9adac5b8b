//! One workload, so many times, for a profiler or an instruction counter.
//!
//! ```sh
//! cargo build --release --manifest-path benches/compare/Cargo.toml --bin repeat
//! valgrind --tool=callgrind --toggle-collect='*measured*' benches/compare/target/release/repeat get 750B 2000
//! ```

use std::hint::black_box;
use std::process::ExitCode;

use compare::arguments::Scale;
use compare::data::{Data, Loaded, load_pivotdb, load_raw};
use compare::documents::{LargeOrder, MediumOrder, Sample, User};
use compare::ids::Ids;
use compare::raw::{Raw, Sled};

const USAGE: &str =
    "usage: repeat get|get-sled|iterate|iterate-sled|put|overwrite|insert|load|load-sled 150B|750B|5KB TIMES";

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [workload, size, times] = given.as_slice() else { return fail() };
    let Ok(times) = times.parse() else { return fail() };
    let known = match size.as_str() {
        "150B" => repeat::<User>(workload, times),
        "750B" => repeat::<MediumOrder>(workload, times),
        "5KB" => repeat::<LargeOrder>(workload, times),
        _ => false,
    };
    if known { ExitCode::SUCCESS } else { fail() }
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

fn repeat<T: Sample>(workload: &str, times: u64) -> bool {
    let scale = Scale::quick();
    let data = Data::<T, Sled>::new(&scale);
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
        "get-sled" => {
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
        "iterate-sled" => {
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
        "batch-sled" | "insert-sled" => {
            let mut writer = data.mirror().writer();
            let mut ids = Ids::below(scale.hot);
            measured(|| {
                for _ in 0..times {
                    let id = ids.next_id() * (scale.documents / scale.hot);
                    match workload {
                        "batch-sled" => writer.apply_batch(id),
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
        "load" | "load-sled" => {
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
