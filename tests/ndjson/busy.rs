//! Exports of stores that others write to: more than the overlay holds, while `out` is slow.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pivotdb::{Builder, Collection, Durability, ErrorKind, Export, Store};
use serde_json::{Value, json};

use crate::backends::BACKENDS;

const DOCUMENTS: i64 = 300;
/// A fifth of what the documents take.
const OVERLAY: usize = 50_000;

/// Runs `test` on each backend with a store of [`DOCUMENTS`] documents.
fn on_every_backend(test: impl Fn(&Store, &Collection<Value>)) {
    for backend in BACKENDS {
        let builder: Builder = Store::builder().overlay_limit(OVERLAY).durability(Durability::Buffered);
        let site = backend.site();
        let store = site.open(&builder);
        let busy = store.documents("busy").unwrap();
        overwrite(&store, &busy, 0);
        // One that is in chunks.
        busy.overwrite("long", &json!("x".repeat(300_000))).unwrap();
        test(&store, &busy);
        let figures = store.stats().unwrap();
        assert_eq!((figures.snapshots, figures.overlay_bytes), (0, 0), "{}", backend.name);
        store.close().unwrap();
    }
}

/// Every document anew, in one commit: far more than the overlay holds.
fn overwrite(store: &Store, busy: &Collection<Value>, round: u64) {
    store
        .transaction(|tx| {
            let busy = tx.on(busy);
            (0..DOCUMENTS).try_for_each(|n| busy.overwrite(n, &document(n, round)).map(drop))
        })
        .unwrap();
}

fn document(n: i64, round: u64) -> Value {
    json!({"n": n, "round": round, "text": "x".repeat(800)})
}

/// The three exports there are.
fn exports<'a>(store: &Store, busy: &Collection<Value>) -> [Export<'a>; 3] {
    [Export::new(busy), Export::new(busy).full(), Export::store(store)]
}

fn written(export: Export<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    export.write_to(&mut text).unwrap();
    text
}

/// Calls `meanwhile` before each write.
struct Slow<F>(Vec<u8>, F);

impl<F: FnMut()> Write for Slow<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.1)();
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Stops the writers, however a test ends.
struct Stops<'s>(&'s AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_export_of_a_busy_store_is_of_one_state() {
    on_every_backend(|store, busy| {
        let mut round = 0;
        for one_by_one in [true, false] {
            for which in 0..3 {
                let [before, export] = [(); 2].map(|()| exports(store, busy).into_iter().nth(which).unwrap());
                let before = written(before);
                let mut writes = 0;
                let mut out = Slow(Vec::new(), || {
                    writes += 1;
                    if writes > 3 {
                        return;
                    }
                    round += 1;
                    if one_by_one {
                        for n in (0..DOCUMENTS).rev() {
                            busy.overwrite(n, &document(n, round)).unwrap();
                        }
                        busy.delete(0).unwrap();
                    } else {
                        overwrite(store, busy, round);
                    }
                    busy.insert(&json!("late")).unwrap();
                    busy.overwrite("long", &json!(round)).unwrap();
                });
                let report = export.write_to(&mut out).unwrap();
                assert!(report.documents >= 300 && report.errors.is_empty());
                assert!(out.0 == before, "export {which}: {} bytes of {}", out.0.len(), before.len());
                busy.overwrite("long", &json!("x".repeat(300_000))).unwrap();
            }
        }
        assert_eq!(round, 18);
    });
}

/// Writers on other threads never wait for `out`, however long that takes.
#[test]
fn writers_do_not_wait_for_who_reads_the_export() {
    on_every_backend(|store, busy| {
        let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let _stops = Stops(&stop);
            let writer = |first: i64| {
                let (stop, rounds) = (&stop, &rounds);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let round = rounds.fetch_add(1, Ordering::Relaxed);
                        for n in (first..DOCUMENTS).step_by(2) {
                            busy.overwrite(n, &document(n, round)).unwrap();
                        }
                    }
                });
            };
            writer(0);
            writer(1);
            for export in exports(store, busy) {
                // More than the overlay holds within one write of `out`, and within the callback.
                let wait = || {
                    let then = rounds.load(Ordering::Relaxed);
                    while rounds.load(Ordering::Relaxed) < then + 2 {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                };
                let mut waits = 0;
                let export = export.progress(|_| {
                    wait();
                    ControlFlow::Continue(())
                });
                let mut out = Slow(Vec::new(), || {
                    waits += 1;
                    if waits < 3 {
                        wait();
                    }
                });
                let report = export.write_to(&mut out).unwrap();
                assert_eq!(report.documents, DOCUMENTS as u64 + 1);
            }
        });
    });
}

/// The handle of a snapshot as well; the snapshot itself keeps to its bound.
#[test]
fn an_export_goes_on_when_its_snapshot_has_expired() {
    on_every_backend(|store, busy| {
        let before = written(Export::new(busy));
        let snapshot = store.snapshot().unwrap();
        let mut out = Slow(Vec::new(), || overwrite(store, busy, 1));
        Export::new(&snapshot.on(busy)).write_to(&mut out).unwrap();
        assert!(out.0 == before);
        assert_eq!(snapshot.on(busy).count().unwrap_err().kind(), ErrorKind::SnapshotExpired);
    });
}

/// Whoever stops an export, stops what is done for it beside.
#[test]
fn an_export_of_a_busy_store_can_be_stopped() {
    on_every_backend(|store, busy| {
        for export in exports(store, busy) {
            let stopped = export.progress(|_| {
                overwrite(store, busy, 1);
                ControlFlow::Break(())
            });
            assert_eq!(stopped.write_to(io::sink()).unwrap_err().kind(), ErrorKind::Cancelled);
        }
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let out = Slow(Vec::new(), || panic!("planted"));
            Export::store(store).write_to(out).map(drop)
        }));
        assert!(panicked.is_err());
        overwrite(store, busy, 2);
    });
}
