//! Reads that wait for the medium, and what callers see when writes fail.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pivotdb::backend::MemoryBackend;
use pivotdb::testing::fault::{Fault, FaultBackend, Faults, Operation, Plan};
use pivotdb::{Collection, Durability, ErrorKind, Store};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(3600);

fn store() -> (Store, Collection<Value>, Faults) {
    let (backend, faults) = FaultBackend::new(MemoryBackend::new());
    let store = Store::builder().buffered_window(LONG).open_backend(Arc::new(backend)).unwrap();
    let values = store.documents("values").unwrap();
    values.insert_with_id(1, &json!(1)).unwrap();
    (store, values, faults)
}

#[test]
fn durable_reads_wait_for_the_sync_and_others_do_not() {
    type Read = fn(&Store, &Collection<Value>) -> pivotdb::Result<Value>;
    let reads: [Read; 6] = [
        |_, values| Ok(values.require(1)?.into_value()),
        |_, values| Ok(values.get_many([1])?.remove(0).unwrap().into_value()),
        |_, values| Ok(values.iter().next().unwrap()?.into_value()),
        |_, values| values.exists(1).map(|_| json!(2)),
        |_, values| values.count().map(|count| json!(count + 1)),
        |store, values| Ok(store.snapshot()?.on(values).require(1)?.into_value()),
    ];
    for read in reads {
        let (store, values, faults) = store();
        let durable = values.clone().durable_reads();
        assert!(read(&store, &durable).is_ok(), "synced already");
        faults.forget();
        assert!(read(&store, &durable).is_ok());
        assert_eq!(faults.count(Operation::Sync), 0, "nothing to wait for, so nobody is bothered");
        faults.hold(Operation::Sync);
        thread::scope(|scope| {
            let writer = scope.spawn(|| values.overwrite(1, &json!(2)));
            assert!(faults.wait_until_held(Duration::from_secs(60)));
            assert_eq!(read(&store, &values).unwrap(), json!(2), "applied means visible");
            let reader = scope.spawn(|| read(&store, &durable));
            thread::sleep(Duration::from_millis(100));
            assert!(!reader.is_finished() && !writer.is_finished());
            faults.release();
            assert_eq!(reader.join().unwrap().unwrap(), json!(2));
            writer.join().unwrap().unwrap();
        });
        // A buffered commit, which nobody else waits for.
        values.clone().with_durability(Durability::Buffered).overwrite(1, &json!(2)).unwrap();
        faults.forget();
        read(&store, &durable).unwrap();
        assert_eq!(faults.count(Operation::Sync), 1);
        // And one that cannot be made durable.
        values.clone().with_durability(Durability::Buffered).overwrite(1, &json!(2)).unwrap();
        faults.arm(Plan::nth(1, Fault::io()).of(Operation::Sync));
        assert_eq!(read(&store, &durable).unwrap_err().kind(), ErrorKind::CommitOutcomeUnknown);
        assert_eq!(read(&store, &durable).unwrap_err().kind(), ErrorKind::CommitOutcomeUnknown);
        assert_eq!(read(&store, &values).unwrap(), json!(2));
    }
}

#[test]
fn a_transaction_can_wait_for_what_it_has_seen() {
    let (store, values, faults) = store();
    values.clone().with_durability(Durability::Buffered).overwrite(1, &json!(2)).unwrap();
    faults.forget();
    let tx = store.begin().unwrap();
    assert_eq!(*tx.on(&values).require(1).unwrap(), json!(2));
    assert_eq!(faults.count(Operation::Sync), 0);
    assert_eq!(*tx.on(&values.clone().durable_reads()).require(1).unwrap(), json!(2));
    assert_eq!(faults.count(Operation::Sync), 1);
}

#[test]
fn a_failed_commit_is_unknown_then_writes_are_refused_and_reads_go_on() {
    for operation in Operation::WRITING {
        for fault in Fault::all() {
            let (store, values, faults) = store();
            faults.arm(Plan::nth(1, fault).of(operation));
            let outcome = store.transaction(|tx| {
                tx.on(&values).overwrite(1, &json!(2))?;
                tx.on(&values).insert_with_id(2, &json!(2))
            });
            assert_eq!(
                outcome.unwrap_err().kind(),
                ErrorKind::CommitOutcomeUnknown,
                "{operation:?} {fault:?}"
            );
            // Wholly there or wholly absent.
            let there = values.exists(2).unwrap();
            assert_eq!(*values.require(1).unwrap(), json!(if there { 2 } else { 1 }));
            assert_eq!(values.count().unwrap(), 1 + u64::from(there));
            assert_eq!(values.iter().count(), 1 + usize::from(there));
            let kinds = [
                values.insert(&json!(1)).map(drop).unwrap_err().kind(),
                values.update(1, |one| *one = json!(7)).map(drop).unwrap_err().kind(),
                values.delete(1).map(drop).unwrap_err().kind(),
                store.transaction(|tx| tx.on(&values).delete(1)).map(drop).unwrap_err().kind(),
                store.documents("others").map(drop).unwrap_err().kind(),
                store.flush().unwrap_err().kind(),
                store.close().unwrap_err().kind(),
            ];
            assert_eq!(kinds, [ErrorKind::Poisoned; 7], "{operation:?} {fault:?}");
            assert_eq!(values.get(1).map(drop).unwrap_err().kind(), ErrorKind::Closed);
        }
    }
}

#[test]
fn a_transaction_waits_as_the_handle_of_the_store_says() {
    let (store, values, faults) = store();
    let buffered = store.clone().with_durability(Durability::Buffered);
    let syncs = || {
        let count = faults.count(Operation::Sync);
        faults.forget();
        count
    };
    syncs();
    buffered.transaction(|tx| tx.on(&values).overwrite(1, &json!(2))).unwrap();
    buffered.documents("values").unwrap().overwrite(1, &json!(3)).unwrap();
    let tx = buffered.begin().unwrap();
    tx.on(&values).overwrite(1, &json!(4)).unwrap();
    tx.commit().unwrap();
    assert_eq!(syncs(), 0);
    store.transaction(|tx| tx.on(&values).overwrite(1, &json!(5))).unwrap();
    assert_eq!(syncs(), 1);
    let seen: Vec<Value> = (&values).into_iter().map(|value| value.unwrap().into_value()).collect();
    assert_eq!(seen, [json!(5)]);
}
