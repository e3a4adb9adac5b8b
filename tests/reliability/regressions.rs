//! What the harnesses have found, reduced; each test failed once.

use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use pivotdb::backend::MemoryBackend;
use pivotdb::testing::fault::{Fault, FaultBackend, Faults, Operation, Plan};
use pivotdb::{Builder, Collection, ErrorKind, Function, Index, Result, Store};
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

/// Closing waited for the thread that builds indexes to end its step: for ever, where the medium hung, or a step of the program's own.
#[test]
fn closing_does_not_wait_for_an_index_build_that_hangs() {
    let deadline = Duration::from_millis(100);
    let many = |notes: &Collection<Value>, count: i64| {
        notes.insert_many((0..count).map(|n| json!({"n": n}))).unwrap();
    };
    let closes = |store: &Store| {
        let store = store.clone();
        let (told, closed) = mpsc::channel();
        thread::spawn(move || told.send(store.close()));
        closed.recv_timeout(Duration::from_secs(20)).ok()
    };
    // The medium hangs. One document in each step, so that the build is under way for long enough.
    for operation in [Operation::Page, Operation::Apply] {
        let options = Store::builder().sync_deadline(deadline).index_at_once(0).build_batch(1);
        let (store, notes, faults) = faulty(options);
        many(&notes, 3_000);
        notes.create_index(&Index::on("n")).unwrap();
        faults.hold(operation);
        assert!(faults.wait_until_held(Duration::from_secs(60)), "the build does not go on");
        let outcome = closes(&store);
        faults.release();
        let error = outcome.expect("closing waits for the build").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommitOutcomeUnknown);
        assert_eq!(notes.get(1).unwrap_err().kind(), ErrorKind::Closed);
    }
    // A function hangs, which the program has declared; the medium is well, and everything reaches it.
    let gate = Arc::new((Mutex::new((false, false)), Condvar::new()));
    let (store, notes, _) = faulty(Store::builder().sync_deadline(deadline).index_at_once(0));
    many(&notes, 50);
    let inside = Arc::clone(&gate);
    let hang = Function::new("hang", move |_, _| {
        let (state, changed) = &*inside;
        let mut state = state.lock().unwrap();
        state.0 = true;
        changed.notify_all();
        while !state.1 {
            state = changed.wait(state).unwrap();
        }
        Ok::<(), &str>(())
    });
    notes.evolve(pivotdb::Evolution::new().step("hang", hang)).unwrap();
    notes.create_index(&Index::on("n")).unwrap();
    let (state, changed) = &*gate;
    let mut hanging = state.lock().unwrap();
    while !hanging.0 {
        hanging = changed.wait(hanging).unwrap();
    }
    drop(hanging);
    let outcome = closes(&store);
    // Dropping the last handles does not wait either.
    let (told, dropped) = mpsc::channel();
    thread::spawn(move || {
        drop((store, notes));
        told.send(())
    });
    let dropped = dropped.recv_timeout(Duration::from_secs(20));
    state.lock().unwrap().1 = true;
    changed.notify_all();
    outcome.expect("closing waits for the function").unwrap();
    dropped.expect("dropping waits for the function");
}
