//! Who reads waits for no sync, whatever becomes of indexes meanwhile.
//!
//! The story: a write held what is to be kept up still while it waited for the medium. Whoever declared an index waited for that, and every query behind him.

use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use pivotdb::backend::{
    Backend, BackendError, Batch, Bytes, Direction, KeyRange, MemoryBackend, Page, PageLimit,
};
use pivotdb::{Index, Store, field};
use serde_json::json;

/// A medium that can be told not to answer.
#[derive(Debug, Default)]
struct Slow {
    memory: MemoryBackend,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    held: bool,
    waiting: usize,
}

impl Slow {
    fn hold(&self, held: bool) {
        self.state.lock().unwrap().held = held;
        self.changed.notify_all();
    }

    /// Until a sync hangs.
    fn wait(&self) {
        let state = self.state.lock().unwrap();
        let waited =
            self.changed.wait_timeout_while(state, Duration::from_secs(20), |state| state.waiting == 0);
        assert!(!waited.unwrap().1.timed_out(), "nothing is synced");
    }
}

impl Backend for Slow {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        self.memory.get(key)
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        self.memory.page(range, direction, limit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        self.memory.apply(batch)
    }

    fn flush(&self) -> Result<(), BackendError> {
        Ok(())
    }

    fn sync(&self) -> Result<(), BackendError> {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| state.held).unwrap();
        state.waiting -= 1;
        Ok(())
    }
}

#[test]
fn queries_go_on_while_a_write_waits_for_the_medium_and_an_index_for_the_write() {
    let slow = Arc::new(Slow::default());
    let builder = Store::builder().background(false).buffered_window(Duration::from_secs(3600));
    let store = builder.open_backend(slow.clone()).unwrap();
    let things = store.documents("things").unwrap();
    for n in 0..10 {
        things.insert_with_id(n, &json!({"n": n, "m": n})).unwrap();
    }
    things.create_index(&Index::on("m")).unwrap();
    slow.hold(true);
    thread::scope(|scope| {
        let writer = scope.spawn(|| things.insert_with_id(10, &json!({"n": 10, "m": 10})));
        slow.wait();
        let declarer = scope.spawn(|| things.create_index(&Index::on("n")));
        // Time for it to come to where it would wait.
        thread::sleep(Duration::from_millis(100));
        let (done, answer) = mpsc::channel();
        let reader = scope.spawn({
            let things = things.clone();
            move || {
                let found = things.find(field("m").gte(8)).count().unwrap();
                let all = things.iter().count();
                let indexes = things.indexes().unwrap().len();
                done.send((found, all, indexes)).unwrap();
            }
        });
        let answer = answer.recv_timeout(Duration::from_secs(5));
        let declared = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(20));
            declarer.is_finished()
        });
        slow.hold(false);
        writer.join().unwrap().unwrap();
        declarer.join().unwrap().unwrap();
        reader.join().unwrap();
        let (found, all, _) = answer.expect("a query has waited for a sync");
        assert_eq!((found, all), (3, 11));
        assert!(declared, "declaring an index has waited for a sync");
    });
    assert_eq!(things.index_entries("n").unwrap(), 11);
    store.close().unwrap();
}
