//! Training in several threads, each of which logs as it goes along, while another one looks at the whole.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pivotdb::{Collection, DocumentId, Store, field};
use serde_json::{Value, json};

use crate::Failable;
use crate::days::{Program, RUNS};
use crate::known::{All, Known, id};
use crate::training::{Data, train};

/// A summary of each day, kept in the commits that end a run.
const DAYS: &str = "days";

/// How many epochs go by between two writes.
const LOGGED: usize = 10;

/// Trains the runs of these numbers; tells what they were, and how often the whole was looked at meanwhile.
pub(crate) fn log<P: Program>(
    store: &Store,
    data: &Data,
    numbers: Range<usize>,
    threads: usize,
) -> Failable<(All, u64)> {
    let (runs, days) = (P::open(store)?, store.documents(DAYS)?);
    let (next, ended) = (AtomicUsize::new(numbers.start), AtomicBool::new(false));
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch::<P>(store, &days, &ended));
        let workers: Vec<_> = (0..threads as u32)
            .map(|worker| {
                let (next, runs, days) = (&next, &runs, &days);
                scope.spawn(move || -> Failable<All> {
                    let mut all = All::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= numbers.end {
                            return Ok(all);
                        }
                        let known = Known { worker, ..Known::planned(P::DAY, number) };
                        all.insert(id(number), one::<P>(store, (runs, days), data, number, known)?);
                    }
                })
            })
            .collect();
        let logged: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        ended.store(true, Ordering::Relaxed);
        let looks = watcher.join().map_err(|_| "the watcher panicked")??;
        let mut all = All::new();
        for logged in logged {
            all.append(&mut logged.map_err(|_| "a worker panicked")??);
        }
        Ok((all, looks))
    })
}

fn one<P: Program>(
    store: &Store,
    (runs, days): (&Collection<P::Run>, &Collection<Value>),
    data: &Data,
    number: usize,
    mut known: Known,
) -> pivotdb::Result<Known> {
    // The first two programs write what has come out; later ones also what is going on.
    let (id, live) = (id(number), P::DAY >= 3);
    if live {
        runs.insert_with_id(&id, &P::run(&known))?;
    }
    let config = known.config.clone();
    let accuracy = train(&config, data, |epoch| -> pivotdb::Result<()> {
        known.epochs.push(epoch);
        if live && known.epochs.len().is_multiple_of(LOGGED) {
            runs.update(&id, |run| *run = P::run(&known))?;
        }
        Ok(())
    })?;
    known.accuracy = accuracy;
    known.running = false;
    // The run and the summary of the day, together or not at all. The summary is what all threads contend for.
    store.transaction(|tx| {
        let (runs, days) = (tx.on(runs), tx.on(days));
        if live {
            runs.update(&id, |run| *run = P::run(&known))?;
        } else {
            runs.insert_with_id(&id, &P::run(&known))?;
        }
        let before = days.get(P::DAY)?.map_or(0, |day| day["runs"].as_u64().unwrap_or(0));
        days.put(P::DAY, &json!({"runs": before + 1}))?;
        Ok(())
    })?;
    Ok(known)
}

/// Looks at one state of the store after the other: each must fit together, and its index must say what its documents say.
fn watch<P: Program>(store: &Store, days: &Collection<Value>, ended: &AtomicBool) -> Failable<u64> {
    let documents = store.documents(RUNS)?;
    let mut looks = 0;
    while !ended.load(Ordering::Relaxed) {
        let snapshot = store.snapshot()?;
        let (runs, days) = (snapshot.on(&documents), snapshot.on(days));
        let finished = runs.find(field("running").missing()).count()?;
        let mut summed = 0;
        for day in days.iter() {
            summed += day?["runs"].as_u64().unwrap_or(0);
        }
        if finished != summed {
            return Err(format!("{finished} runs have ended, and {summed} in the summaries").into());
        }
        if let Some(path) = P::ACCURACY {
            let best = runs.find(field(path).gte(0.0)).sort_desc(path).limit(5);
            let found: Vec<DocumentId> =
                best.iter().map(|run| Ok(run?.id().clone())).collect::<pivotdb::Result<_>>()?;
            let mut scanned = Vec::new();
            for run in runs.iter() {
                let run = run?;
                let accuracy = path.split('.').fold(&*run, |value, name| &value[name]).as_f64();
                scanned.extend(accuracy.map(|accuracy| (accuracy, run.id().clone())));
            }
            scanned.sort_by(|(a, one), (b, other)| b.total_cmp(a).then_with(|| one.cmp(other)));
            if !scanned.iter().take(5).map(|(_, id)| id).eq(&found) {
                return Err(format!("the index says {found:?}, the documents {scanned:?}").into());
            }
        }
        looks += 1;
        thread::sleep(Duration::from_millis(3));
    }
    Ok(looks)
}
