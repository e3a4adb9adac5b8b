//! Random calls, in transactions and outside, with snapshots held and the store reopened, against a sorted map: on every backend.

#![expect(clippy::indexing_slicing, reason = "a number of a collection comes from the list of them")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use pivotdb::{Collection, DocumentId, Durability, ErrorKind, Snapshot, Store, Verify};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::backends::{BACKENDS, Tested};

const COLLECTIONS: [&str; 2] = ["first", "second"];

/// Where a call goes: which collection, and which document.
type Target = (usize, DocumentId);

#[derive(Debug, Clone)]
enum Call {
    Insert(Target, Value),
    Put(Target, Value),
    Overwrite(Target, Value),
    Update(Target, i64),
    Delete(Target),
    Get(Target),
    Scan { collection: usize, from: DocumentId, reversed: bool },
    Count(usize),
}

#[derive(Debug, Clone)]
enum Statement {
    Alone(Call),
    Together { calls: Vec<Call>, commit: bool },
    Bulk(usize, BTreeMap<DocumentId, Value>),
    TakeSnapshot,
    LookAtSnapshots,
    Reopen,
}

/// What a call gives.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Done,
    Deleted(bool),
    Found(Option<Value>),
    Scanned(Vec<(DocumentId, Value)>),
    Counted(u64),
    Failed(ErrorKind),
}

/// What is wrong with the model, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planted {
    Nothing,
    KeepsWhatIsDeletedTogether,
    SeesTheFutureInSnapshots,
    ForgetsWhatWasBufferedWhenReopened,
}

/// The same in every run: all backends get the same calls, and what is planted is found each time.
const SEED: &[u8; 32] = b"documents agree with a sorted ma";

type Content = BTreeMap<Target, Value>;

fn ids() -> impl Strategy<Value = DocumentId> {
    prop_oneof![
        4 => (-4_i64..4).prop_map(DocumentId::from),
        1 => (0..4_u64).prop_map(|n| DocumentId::from(u64::MAX - n)),
        2 => "[ab\u{e9}]{0,2}".prop_map(DocumentId::from),
    ]
}

fn targets() -> impl Strategy<Value = Target> {
    (0..COLLECTIONS.len(), ids())
}

/// Some of them in several chunks.
fn values() -> impl Strategy<Value = Value> {
    let length = prop_oneof![6 => Just(0_usize), 3 => 1..2_000_usize, 1 => 15_000..70_000_usize];
    (any::<i64>(), length).prop_map(|(n, length)| json!({"n": n, "text": "x".repeat(length)}))
}

fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => (targets(), values()).prop_map(|(target, value)| Call::Insert(target, value)),
        2 => (targets(), values()).prop_map(|(target, value)| Call::Put(target, value)),
        2 => (targets(), values()).prop_map(|(target, value)| Call::Overwrite(target, value)),
        2 => (targets(), any::<i64>()).prop_map(|(target, n)| Call::Update(target, n)),
        2 => targets().prop_map(Call::Delete),
        2 => targets().prop_map(Call::Get),
        2 => (0..COLLECTIONS.len(), ids(), any::<bool>())
            .prop_map(|(collection, from, reversed)| Call::Scan { collection, from, reversed }),
        1 => (0..COLLECTIONS.len()).prop_map(Call::Count),
    ]
}

fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let together = (prop::collection::vec(calls(), 1..8), prop::bool::weighted(0.7));
    let bulk = (0..COLLECTIONS.len(), prop::collection::btree_map(ids(), values(), 1..6));
    let statement = prop_oneof![
        12 => calls().prop_map(Statement::Alone),
        5 => together.prop_map(|(calls, commit)| Statement::Together { calls, commit }),
        1 => bulk.prop_map(|(collection, values)| Statement::Bulk(collection, values)),
        2 => Just(Statement::TakeSnapshot),
        1 => Just(Statement::LookAtSnapshots),
        1 => Just(Statement::Reopen),
    ];
    prop::collection::vec(statement, 1..60)
}

fn expected(content: &mut Content, call: &Call) -> Outcome {
    let missing = Outcome::Failed(ErrorKind::NotFound);
    match call {
        Call::Insert(target, _) if content.contains_key(target) => Outcome::Failed(ErrorKind::AlreadyExists),
        Call::Insert(target, value) | Call::Put(target, value) | Call::Overwrite(target, value) => {
            content.insert(target.clone(), value.clone());
            Outcome::Done
        }
        Call::Update(target, n) => content.get_mut(target).map_or(missing, |value| {
            value["n"] = json!(n);
            Outcome::Found(Some(value.clone()))
        }),
        Call::Delete(target) => Outcome::Deleted(content.remove(target).is_some()),
        Call::Get(target) => Outcome::Found(content.get(target).cloned()),
        Call::Scan { collection, from, reversed } => {
            let of_it = content.iter().filter(|((number, id), _)| number == collection && id >= from);
            let mut found: Vec<_> = of_it.map(|((_, id), value)| (id.clone(), value.clone())).collect();
            if *reversed {
                found.reverse();
            }
            Outcome::Scanned(found)
        }
        Call::Count(collection) => {
            Outcome::Counted(content.keys().filter(|(number, _)| number == collection).count() as u64)
        }
    }
}

fn made(collections: &[Collection<Value>], call: &Call) -> Outcome {
    let on = |target: &Target| (&collections[target.0], target.1.clone());
    let outcome = match call {
        Call::Insert(target, value) => {
            let (collection, id) = on(target);
            collection.insert_with_id(id, value).map(|()| Outcome::Done)
        }
        Call::Put(target, value) => {
            let (collection, id) = on(target);
            collection.put(id, value).map(|_| Outcome::Done)
        }
        Call::Overwrite(target, value) => {
            let (collection, id) = on(target);
            collection.overwrite(id, value).map(|_| Outcome::Done)
        }
        Call::Update(target, n) => {
            let (collection, id) = on(target);
            let updated = collection.update(id, |value| value["n"] = json!(n));
            updated.map(|document| Outcome::Found(Some(document.into_value())))
        }
        Call::Delete(target) => {
            let (collection, id) = on(target);
            collection.delete(id).map(Outcome::Deleted)
        }
        Call::Get(target) => {
            let (collection, id) = on(target);
            collection.get(id).map(|found| Outcome::Found(found.map(|document| document.into_value())))
        }
        Call::Scan { collection, from, reversed } => {
            let range = collections[*collection].range(from.clone()..);
            let range = if *reversed { range.reversed() } else { range };
            let each = |document: pivotdb::Document<Value>| (document.id().clone(), document.into_value());
            range.map(|document| document.map(each)).collect::<Result<_, _>>().map(Outcome::Scanned)
        }
        Call::Count(collection) => collections[*collection].count().map(Outcome::Counted),
    };
    outcome.unwrap_or_else(|error| Outcome::Failed(error.kind()))
}

/// How often something happened that the test is about.
#[derive(Debug, Default)]
struct Tally {
    calls: u64,
    committed: u64,
    rolled_back: u64,
    snapshots_of_other_states: u64,
    reopened: u64,
}

fn agree(call: &Call, made: Outcome, expected: Outcome) -> Result<(), TestCaseError> {
    prop_assert!(made == expected, "{call:?} gave {made:?} where {expected:?} is right");
    Ok(())
}

fn all_agree(collections: &[Collection<Value>], content: &Content) -> Result<(), TestCaseError> {
    let mut content = content.clone();
    for collection in 0..collections.len() {
        let scan = |reversed| Call::Scan { collection, from: DocumentId::from(i64::MIN), reversed };
        for call in [scan(false), scan(true), Call::Count(collection)] {
            agree(&call, made(collections, &call), expected(&mut content, &call))?;
        }
    }
    Ok(())
}

fn run(
    backend: Tested,
    statements: &[Statement],
    planted: Planted,
    tally: &RefCell<Tally>,
) -> Result<(), TestCaseError> {
    let tally = &mut *tally.borrow_mut();
    let site = backend.site();
    let builder = Store::builder().durability(Durability::Buffered);
    let open = || -> (Store, Vec<Collection<Value>>) {
        let store = site.open(&builder);
        let collections = COLLECTIONS.map(|name| store.documents(name).unwrap()).to_vec();
        (store, collections)
    };
    let (mut store, mut collections) = open();
    let mut content = Content::new();
    let mut before_the_last = Content::new();
    let mut snapshots: Vec<(Snapshot, Content)> = Vec::new();
    for statement in statements {
        match statement {
            Statement::Alone(call) => {
                tally.calls += 1;
                before_the_last = content.clone();
                agree(call, made(&collections, call), expected(&mut content, call))?;
            }
            Statement::Together { calls, commit } => {
                let transaction = store.begin().unwrap();
                let inside: Vec<_> =
                    collections.iter().map(|collection| transaction.on(collection)).collect();
                let mut own = content.clone();
                for call in calls {
                    tally.calls += 1;
                    let kept = match (planted, call) {
                        (Planted::KeepsWhatIsDeletedTogether, Call::Delete(target)) => {
                            own.get(target).cloned().map(|value| (target.clone(), value))
                        }
                        _ => None,
                    };
                    agree(call, made(&inside, call), expected(&mut own, call))?;
                    own.extend(kept);
                }
                if *commit {
                    transaction.commit().unwrap();
                    before_the_last = std::mem::replace(&mut content, own);
                    tally.committed += 1;
                } else {
                    transaction.rollback();
                    tally.rolled_back += 1;
                }
            }
            Statement::Bulk(collection, values) => {
                let new: Vec<_> = (values.iter())
                    .filter(|(id, _)| !content.contains_key(&(*collection, (*id).clone())))
                    .collect();
                let mut bulk = collections[*collection].bulk().unwrap();
                for (id, value) in new {
                    bulk.insert_with_id(id.clone(), value).unwrap();
                    content.insert((*collection, id.clone()), value.clone());
                }
                bulk.finish().unwrap();
            }
            Statement::TakeSnapshot => snapshots.push((store.snapshot().unwrap(), content.clone())),
            Statement::LookAtSnapshots => look(&snapshots, &collections, &content, planted, tally)?,
            Statement::Reopen => {
                look(&snapshots, &collections, &content, planted, tally)?;
                snapshots.clear();
                store.close().unwrap();
                (store, collections) = open();
                tally.reopened += 1;
                if planted == Planted::ForgetsWhatWasBufferedWhenReopened {
                    content.clone_from(&before_the_last);
                }
                all_agree(&collections, &content)?;
                let verified = Verify::new(&store).run().unwrap();
                prop_assert!(verified.is_sound(), "{verified:?}");
            }
        }
    }
    look(&snapshots, &collections, &content, planted, tally)?;
    all_agree(&collections, &content)?;
    store.close().unwrap();
    Ok(())
}

fn look(
    snapshots: &[(Snapshot, Content)],
    collections: &[Collection<Value>],
    now: &Content,
    planted: Planted,
    tally: &mut Tally,
) -> Result<(), TestCaseError> {
    for (snapshot, then) in snapshots {
        tally.snapshots_of_other_states += u64::from(then != now);
        let then = if planted == Planted::SeesTheFutureInSnapshots { now } else { then };
        let held: Vec<_> = collections.iter().map(|collection| snapshot.on(collection)).collect();
        all_agree(&held, then)?;
    }
    Ok(())
}

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, max_shrink_iters: 400, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, SEED))
}

#[test]
fn random_calls_agree_with_a_sorted_map() {
    for backend in BACKENDS {
        let tally = RefCell::new(Tally::default());
        let agreed =
            runner(30).run(&statements(), |statements| run(*backend, &statements, Planted::Nothing, &tally));
        assert!(agreed.is_ok(), "{backend:?}: {}", agreed.unwrap_err());
        let tally = tally.into_inner();
        println!("model on {}: {tally:?}", backend.name);
        assert!(tally.calls > 1000 && tally.committed > 100 && tally.rolled_back > 50, "{tally:?}");
        assert!(tally.snapshots_of_other_states > 50 && tally.reopened > 20, "{tally:?}");
    }
}

#[test]
fn what_disagrees_is_found() {
    use Planted::{ForgetsWhatWasBufferedWhenReopened, KeepsWhatIsDeletedTogether, SeesTheFutureInSnapshots};
    for planted in [KeepsWhatIsDeletedTogether, SeesTheFutureInSnapshots, ForgetsWhatWasBufferedWhenReopened]
    {
        let tally = RefCell::new(Tally::default());
        let found =
            runner(30).run(&statements(), |statements| run(BACKENDS[0], &statements, planted, &tally));
        assert!(found.is_err(), "{planted:?}");
    }
}
