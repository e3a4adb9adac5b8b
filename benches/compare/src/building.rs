//! How long writers wait while an index is built: the time below which 99 of 100 writes are, beside the same with nothing else going on.
//!
//! Writes come at a steady pace, as from users, and not as fast as they can, which would measure the disk. They change documents of a
//! big collection, of which the index is built that is being built. Rounds of both take turns; each index is dropped again, and what
//! it had is removed before the next round begins. The thread that builds has its default throttle.

use std::thread;
use std::time::{Duration, Instant};

use pivotdb::{Collection, Durability, Index, IndexState, Store};

use crate::asked::Asked;
use crate::contest::Pair;
use crate::data::{CACHE, COLLECTION, directory};
use crate::documents::{Sample, User};
use crate::ids::Ids;
use crate::pairs::{Names, Runner, quantile};
use crate::table::time;

/// So many in a thousand are below it.
const P99: usize = 990;

/// Builds are repeated until so many writes have been made meanwhile, that something can be said of one in a hundred.
const WRITES: usize = 1000;

/// Before that, no more builds than these.
const MOST_ROUNDS: usize = 20;

/// `build-p99` of writes that wait for the disk, and of buffered ones.
pub fn run(runner: &mut Runner) {
    for (workload, durability, pace) in [
        ("build-p99", Durability::Immediate, Duration::from_millis(4)),
        ("build-p99-buffered", Durability::Buffered, Duration::from_millis(1)),
    ] {
        if runner.scale.wants(workload) {
            waits(runner, workload, durability, pace);
        }
    }
}

fn waits(runner: &mut Runner, workload: &'static str, durability: Durability, pace: Duration) {
    let documents = runner.scale.asked;
    let directory = directory();
    let builder = Store::builder().durability(Durability::Buffered).cache_capacity(CACHE);
    let store = builder.open(directory.path().join("pivotdb")).expect("a store opens");
    let users = store.collection::<User>(COLLECTION).expect("a collection is made");
    let mut bulk = users.bulk().expect("a load begins");
    for id in 0..documents {
        bulk.insert_with_id(id, &User::make(id)).expect("a document is inserted");
    }
    bulk.finish().expect("a load ends");
    let mut writer =
        Writer { users: users.clone().with_durability(durability), ids: Ids::below(documents), pace };
    let (mut idle, mut building, mut builds) = (Vec::new(), Vec::new(), Duration::ZERO);
    let mut rounds = 0;
    while building.len() < WRITES && rounds < MOST_ROUNDS {
        rounds += 1;
        let begun = Instant::now();
        users.create_index(&Index::on(User::ORDER)).expect("an index is made");
        let meanwhile = writer.write(|_| is_building(&users));
        builds += begun.elapsed();
        assert!(users.drop_index(User::ORDER).expect("it is dropped"), "it was there");
        wait_until(|| users.indexes().expect("they are known").is_empty());
        store.flush().expect("the disk syncs");
        idle.extend(writer.write(|written| written < meanwhile.len()));
        building.extend(meanwhile);
    }
    let pair =
        Pair { operations: 1, subject: quantile(&mut building, P99), reference: quantile(&mut idle, P99) };
    runner.table.remark(format!(
        "BUILD {workload}: {} writes during {rounds} builds of {documents} documents in {:.2} s each: 99 of 100 below {}, the longest {}; \
         idle {}, the longest {}",
        building.len(),
        builds.as_secs_f64() / rounds as f64,
        told(&mut building, P99),
        told(&mut building, 1000),
        told(&mut idle, P99),
        told(&mut idle, 1000),
    ));
    let names = Names { workload, size: <User as Sample>::SIZE, beside: "idle", aim: Some(3.0) };
    runner.add(names, ("p99 while an index is built", "p99, idle"), &[pair]);
}

fn told(times: &mut [Duration], in_a_thousand: usize) -> String {
    time(quantile(times, in_a_thousand).as_secs_f64() * 1e9)
}

fn is_building(users: &Collection<User>) -> bool {
    let indexes = users.indexes().expect("they are known");
    indexes.iter().any(|index| index.state == IndexState::Building)
}

fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Changes documents, one at each tick of a clock.
struct Writer {
    users: Collection<User>,
    ids: Ids,
    pace: Duration,
}

impl Writer {
    /// What each write took, as long as more are wanted.
    fn write(&mut self, goes_on: impl Fn(usize) -> bool) -> Vec<Duration> {
        let mut times = Vec::new();
        let mut due = Instant::now();
        while goes_on(times.len()) {
            let id = self.ids.next_id();
            let mut user = User::make(id);
            user.visits = 1000 + times.len() as u64;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let begun = Instant::now();
            self.users.put(id, &user).expect("a document is put");
            times.push(begun.elapsed());
            due = (due + self.pace).max(Instant::now());
        }
        times
    }
}
