//! Small transactions in every order in which their steps can fall, each outcome held against every serial order.

use std::cell::RefCell;
use std::collections::BTreeMap;

use pivotdb::testing::isolation::{self, Validation};
use pivotdb::{Collection, Store, Transaction};
use serde_json::{Value, json};

use crate::chance::Chance;

/// What a step reads from and writes to.
pub(crate) trait Data {
    fn get(&self, id: i32) -> Option<i64>;
    fn all(&self) -> Vec<(i32, i64)>;
    fn count(&self) -> i64;
    fn put(&self, id: i32, value: i64);
    fn delete(&self, id: i32);
    /// How many have something greater than `low`, and something less than `high`. Asks an index, if there is one.
    fn between(&self, low: i64, high: i64) -> i64;
    /// Puts a value that nobody else may have: 1, or 0 where somebody has it.
    fn claim(&self, id: i32, value: i64) -> i64;

    fn sum(&self) -> i64 {
        self.all().iter().map(|(_, value)| value).sum()
    }
}

/// What a transaction has seen.
pub(crate) type Seen = Vec<i64>;

pub(crate) type Step = fn(&dyn Data, &mut Seen);

/// A transaction: it begins, takes its steps one by one, and commits, or gives up.
pub(crate) struct Script {
    pub(crate) steps: &'static [Step],
    pub(crate) commits: bool,
}

/// Transactions among which an anomaly can show, and isolation that is too weak to prevent it.
pub(crate) struct Anomaly {
    pub(crate) initial: &'static [(i32, i64)],
    pub(crate) scripts: Vec<Script>,
    pub(crate) control: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Serializable,
    /// Reads of one state; of two that write the same, the second is refused.
    Snapshot,
    /// Reads of one state, and nothing is refused.
    Unvalidated,
    /// Each read of the newest state.
    Committed,
    /// As that, and writes are seen at once.
    Uncommitted,
}

struct Client<'a> {
    level: Level,
    live: &'a Collection<Value>,
    transaction: Transaction,
    mine: Collection<Value>,
}

impl<'a> Client<'a> {
    fn begin(level: Level, store: &Store, live: &'a Collection<Value>) -> Self {
        let transaction = store.begin().unwrap();
        let mine = transaction.on(live);
        Self { level, live, transaction, mine }
    }

    fn reads(&self) -> &Collection<Value> {
        match self.level {
            Level::Serializable | Level::Snapshot | Level::Unvalidated => &self.mine,
            Level::Committed | Level::Uncommitted => self.live,
        }
    }

    fn writes(&self) -> &Collection<Value> {
        if self.level == Level::Uncommitted { self.live } else { &self.mine }
    }

    /// Whether it was not refused.
    fn commit(&self) -> bool {
        let outcome = match self.level {
            Level::Serializable | Level::Uncommitted => self.transaction.commit(),
            Level::Snapshot => isolation::commit(&self.transaction, Validation::Written).map(drop),
            Level::Unvalidated | Level::Committed => {
                isolation::commit(&self.transaction, Validation::Nothing).map(drop)
            }
        };
        match outcome {
            Ok(()) => true,
            Err(error) if error.is_conflict() => false,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Values from here on stand for lists of two numbers, ten apart.
pub(crate) const LIST: i64 = 1_000_000;

fn numbers(value: i64) -> Vec<i64> {
    if value >= LIST { vec![value - LIST, value - LIST + 10] } else { vec![value] }
}

fn body(value: i64) -> Value {
    match numbers(value).as_slice() {
        [number] => json!({ "v": number }),
        numbers => json!({ "v": numbers }),
    }
}

fn number(value: &Value) -> i64 {
    let v = &value["v"];
    v.as_i64().unwrap_or_else(|| v[0].as_i64().unwrap() + LIST)
}

pub(crate) fn clear(collection: &Collection<Value>) {
    for (id, _) in contents(collection) {
        collection.delete(id).unwrap();
    }
}

fn contents(collection: &Collection<Value>) -> Vec<(i32, i64)> {
    let entry = |document: pivotdb::Document<Value>| {
        (i32::try_from(document.id().as_i64().unwrap()).unwrap(), number(&document))
    };
    collection.iter().map(|document| entry(document.unwrap())).collect()
}

impl Data for Client<'_> {
    fn get(&self, id: i32) -> Option<i64> {
        self.reads().get(id).unwrap().map(|document| number(&document))
    }

    fn all(&self) -> Vec<(i32, i64)> {
        contents(self.reads())
    }

    fn count(&self) -> i64 {
        i64::try_from(self.reads().count().unwrap()).unwrap()
    }

    fn put(&self, id: i32, value: i64) {
        self.writes().overwrite(id, &body(value)).unwrap();
    }

    fn delete(&self, id: i32) {
        self.writes().delete(id).unwrap();
    }

    fn between(&self, low: i64, high: i64) -> i64 {
        let found = self.reads().find(json!({"v": {"$gt": low, "$lt": high}}));
        i64::try_from(found.count().unwrap()).unwrap()
    }

    fn claim(&self, id: i32, value: i64) -> i64 {
        match self.writes().overwrite(id, &body(value)) {
            Ok(_) => 1,
            Err(error) if error.is_unique_violation() => 0,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Data for RefCell<BTreeMap<i32, i64>> {
    fn get(&self, id: i32) -> Option<i64> {
        self.borrow().get(&id).copied()
    }

    fn all(&self) -> Vec<(i32, i64)> {
        self.borrow().iter().map(|(id, value)| (*id, *value)).collect()
    }

    fn count(&self) -> i64 {
        i64::try_from(self.borrow().len()).unwrap()
    }

    fn put(&self, id: i32, value: i64) {
        self.borrow_mut().insert(id, value);
    }

    fn delete(&self, id: i32) {
        self.borrow_mut().remove(&id);
    }

    fn between(&self, low: i64, high: i64) -> i64 {
        let meant = |value: &i64| {
            let numbers = numbers(*value);
            numbers.iter().any(|number| *number > low) && numbers.iter().any(|number| *number < high)
        };
        i64::try_from(self.borrow().values().filter(|value| meant(value)).count()).unwrap()
    }

    fn claim(&self, id: i32, value: i64) -> i64 {
        let taken = self.borrow().iter().any(|(other, taken)| *other != id && *taken == value);
        if !taken {
            self.put(id, value);
        }
        i64::from(!taken)
    }
}

/// What became of the transactions in one order of their steps.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What those that were committed have seen.
    seen: Vec<Option<Seen>>,
    state: Vec<(i32, i64)>,
    /// When each began and ended.
    spans: Vec<(usize, usize)>,
}

impl Anomaly {
    /// Events of a transaction: its begin, its steps, its end.
    fn events(&self) -> Vec<usize> {
        self.scripts.iter().map(|script| script.steps.len() + 2).collect()
    }

    /// Every order of all events if there are no more than `at_most`, and otherwise so many at random; and whether these are all.
    pub(crate) fn orders(&self, at_most: usize, chance: &mut Chance) -> (Vec<Vec<usize>>, bool) {
        let events = self.events();
        let mut orders = Vec::new();
        if extend(&mut Vec::new(), &mut events.clone(), &mut orders, at_most) {
            return (orders, true);
        }
        let all: Vec<usize> = events.iter().enumerate().flat_map(|(n, count)| vec![n; *count]).collect();
        let shuffled = |_| {
            let mut order = all.clone();
            for position in (1..order.len()).rev() {
                order.swap(position, chance.below(position + 1));
            }
            order
        };
        ((0..at_most).map(shuffled).collect(), false)
    }

    pub(crate) fn run(
        &self,
        level: Level,
        store: &Store,
        live: &Collection<Value>,
        order: &[usize],
    ) -> Outcome {
        clear(live);
        for (id, value) in self.initial {
            live.insert_with_id(*id, &body(*value)).unwrap();
        }
        let count = self.scripts.len();
        let mut clients: Vec<Option<Client<'_>>> = (0..count).map(|_| None).collect();
        let mut taken = vec![0; count];
        let mut seen: Vec<Option<Seen>> = vec![Some(Seen::new()); count];
        let mut spans = vec![(0, 0); count];
        for (now, n) in order.iter().copied().enumerate() {
            let script = &self.scripts[n];
            match (taken[n], &clients[n]) {
                (0, _) => {
                    clients[n] = Some(Client::begin(level, store, live));
                    spans[n].0 = now;
                }
                (event, Some(client)) if event <= script.steps.len() => {
                    script.steps[event - 1](client, seen[n].as_mut().unwrap());
                }
                (_, Some(client)) => {
                    if !script.commits {
                        client.transaction.rollback();
                    }
                    if !script.commits || !client.commit() {
                        seen[n] = None;
                    }
                    spans[n].1 = now;
                }
                (_, None) => unreachable!(),
            }
            taken[n] += 1;
        }
        Outcome { seen, state: contents(live), spans }
    }

    /// Whether some serial order of those that were committed, with none before one that had ended when it began, gives the same.
    pub(crate) fn is_serial(&self, outcome: &Outcome) -> bool {
        let committed: Vec<usize> = (0..self.scripts.len()).filter(|n| outcome.seen[*n].is_some()).collect();
        let state = RefCell::new(self.initial.iter().copied().collect::<BTreeMap<_, _>>());
        self.continues(outcome, &committed, &state)
    }

    fn continues(&self, outcome: &Outcome, left: &[usize], state: &RefCell<BTreeMap<i32, i64>>) -> bool {
        if left.is_empty() {
            return state.all() == outcome.state;
        }
        left.iter().any(|next| {
            let others: Vec<usize> = left.iter().copied().filter(|other| other != next).collect();
            if others.iter().any(|other| outcome.spans[*other].1 < outcome.spans[*next].0) {
                return false;
            }
            let state = RefCell::new(state.borrow().clone());
            let mut seen = Seen::new();
            for step in self.scripts[*next].steps {
                step(&state, &mut seen);
            }
            outcome.seen[*next].as_ref() == Some(&seen) && self.continues(outcome, &others, &state)
        })
    }

    /// Whether one was refused.
    pub(crate) fn refused(&self, outcome: &Outcome) -> bool {
        self.scripts.iter().zip(&outcome.seen).any(|(script, seen)| script.commits && seen.is_none())
    }

    /// Whether one was refused although nobody else was there.
    pub(crate) fn refused_for_nothing(&self, outcome: &Outcome) -> bool {
        (0..self.scripts.len()).any(|n| {
            let (begun, ended) = outcome.spans[n];
            let alone =
                outcome.spans.iter().enumerate().all(|(m, (b, e))| m == n || *e < begun || *b > ended);
            alone && self.scripts[n].commits && outcome.seen[n].is_none()
        })
    }
}

/// Gives `false` where there are more than `at_most`.
fn extend(order: &mut Vec<usize>, left: &mut [usize], orders: &mut Vec<Vec<usize>>, at_most: usize) -> bool {
    if left.iter().all(|count| *count == 0) {
        orders.push(order.clone());
        return orders.len() <= at_most;
    }
    for n in 0..left.len() {
        if left[n] > 0 {
            left[n] -= 1;
            order.push(n);
            let goes_on = extend(order, left, orders, at_most);
            order.pop();
            left[n] += 1;
            if !goes_on {
                return false;
            }
        }
    }
    true
}

#[test]
fn all_orders_of_few_steps_are_taken() {
    let anomaly = Anomaly {
        initial: &[],
        scripts: vec![Script { steps: &[], commits: true }, Script { steps: &[|_, _| {}], commits: true }],
        control: Level::Committed,
    };
    assert_eq!(anomaly.orders(1000, &mut Chance::new(0)).0.len(), 10, "5! / (2! 3!)");
    assert_eq!(anomaly.orders(9, &mut Chance::new(0)).0.len(), 9);
}

#[test]
fn an_outcome_that_no_serial_order_gives_is_refused() {
    let add: Step = |data, seen| {
        let n = data.get(1).unwrap();
        seen.push(n);
        data.put(1, n + 1);
    };
    let scripts = [add, add].map(|step| Script { steps: Box::leak(Box::new([step])), commits: true }).into();
    let anomaly = Anomaly { initial: &[(1, 0)], scripts, control: Level::Unvalidated };
    let outcome = |seen: [Option<i64>; 2], state: i64, spans: [(usize, usize); 2]| Outcome {
        seen: seen.map(|seen| seen.map(|n| vec![n])).into(),
        state: vec![(1, state)],
        spans: spans.into(),
    };
    let overlap = [(0, 3), (1, 2)];
    assert!(anomaly.is_serial(&outcome([Some(0), Some(1)], 2, overlap)));
    assert!(anomaly.is_serial(&outcome([Some(1), Some(0)], 2, overlap)));
    assert!(anomaly.is_serial(&outcome([Some(0), None], 1, overlap)));
    assert!(!anomaly.is_serial(&outcome([Some(0), Some(0)], 1, overlap)), "lost update");
    assert!(!anomaly.is_serial(&outcome([Some(0), None], 2, overlap)), "a write from nowhere");
    assert!(!anomaly.is_serial(&outcome([Some(1), Some(0)], 2, [(0, 1), (2, 3)])), "against the clock");
}
