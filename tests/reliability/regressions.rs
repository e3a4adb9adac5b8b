//! What the harnesses have found, reduced; each test failed once.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use pivotdb::backend::MemoryBackend;
use pivotdb::testing::fault::{Fault, FaultBackend, Faults, Operation, Plan};
use pivotdb::{Builder, Collection, ErrorKind, Result, Store};
use serde_json::{Value, json};

/// A store on a medium that can be made to fail, and a document in it.
fn faulty(builder: Builder) -> (Store, Collection<Value>, Faults) {
    let (backend, faults) = FaultBackend::new(MemoryBackend::new());
    let store = builder.open_backend(Arc::new(backend)).unwrap();
    let notes = store.documents("notes").unwrap();
    notes.insert_with_id(1, &json!("note")).unwrap();
    (store, notes, faults)
}

/// A backend that panicked while it was read took the reader's thread with it.
#[test]
fn a_panic_of_the_backend_in_a_read_is_an_error_of_that_read() {
    let (store, notes, faults) = faulty(Store::builder());
    let snapshot = store.snapshot().unwrap();
    let reads: [&dyn Fn() -> Result<()>; 4] = [
        &|| notes.get(1).map(drop),
        &|| snapshot.on(&notes).get(1).map(drop),
        &|| notes.get_many([1]).map(drop),
        &|| notes.iter().next().unwrap().map(drop),
    ];
    for read in reads {
        faults.arm(Plan::nth(1, Fault::panic()));
        assert_eq!(read().unwrap_err().kind(), ErrorKind::Io);
        read().unwrap();
    }
    notes.overwrite(1, &json!("it takes writes")).unwrap();
    let (backend, faults) = FaultBackend::new(MemoryBackend::new());
    faults.arm(Plan::nth(1, Fault::panic()));
    assert_eq!(Store::builder().open_backend(Arc::new(backend)).unwrap_err().kind(), ErrorKind::Io);
}

/// Closing waited for every call into the backend to end: for ever, where one hung.
#[test]
fn closing_does_not_wait_for_a_call_that_hangs() {
    for operation in [Operation::Apply, Operation::Get] {
        let (store, notes, faults) = faulty(Store::builder().sync_deadline(Duration::from_millis(50)));
        thread::scope(|scope| {
            faults.hold(operation);
            let hung = scope.spawn(|| match operation {
                Operation::Apply => notes.overwrite(1, &json!(1)).map(drop),
                _ => notes.get(1).map(drop),
            });
            assert!(faults.wait_until_held(Duration::from_secs(60)));
            let (closing, calls) = (store.clone(), faults.clone());
            let closed = thread::spawn(move || closing.close());
            for _ in 0..1000 {
                if closed.is_finished() {
                    break;
                }
                thread::sleep(Duration::from_millis(10));
            }
            let in_time = closed.is_finished();
            calls.release();
            assert!(in_time, "it waits");
            assert_eq!(closed.join().unwrap().unwrap_err().kind(), ErrorKind::CommitOutcomeUnknown);
            assert_eq!(notes.get(1).unwrap_err().kind(), ErrorKind::Closed);
            let _ = hung.join().unwrap();
        });
        // What hung has come back, so the backend is given up now; that a write failed is told until then.
        assert_eq!(store.close().unwrap_err().kind(), ErrorKind::Poisoned);
        store.close().unwrap();
    }
}

/// Figures of a store waited for the group that was being applied: for ever, where the medium hung.
#[test]
fn stats_do_not_wait_for_an_apply_that_hangs() {
    let (store, notes, faults) = faulty(Store::builder());
    let before = store.stats().unwrap();
    thread::scope(|scope| {
        faults.hold(Operation::Apply);
        scope.spawn(|| notes.overwrite(1, &json!("new")).unwrap());
        assert!(faults.wait_until_held(Duration::from_secs(60)));
        let (asked, (told, answer)) = (store.clone(), mpsc::channel());
        thread::spawn(move || told.send(asked.stats()));
        let stats = answer.recv_timeout(Duration::from_secs(10));
        faults.release();
        assert_eq!(stats.expect("it waits").unwrap().digest, before.digest);
    });
    assert_ne!(store.stats().unwrap().digest, before.digest);
}
