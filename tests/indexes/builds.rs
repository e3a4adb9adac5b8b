//! Building: resumable, cancellable, in the background.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use pivotdb::{ErrorKind, Evolution, Index, IndexState, Op, Store, Throttle};
use serde_json::{Value, json};

use crate::support::{Medium, Watched, check, fill, index, state, things};

#[test]
fn a_small_collection_is_indexed_at_once() {
    let (store, things) = things();
    fill(&things, 500);
    things.create_index(&Index::on("n")).unwrap();
    assert_eq!(state(&things, "n"), Some(IndexState::Readable));
    assert!(store.step().unwrap().is_none());
}

#[test]
fn progress_is_told_and_a_build_that_is_stopped_goes_on_where_it_was() {
    let (store, things) = things();
    fill(&things, 1000);
    things.create_index(&Index::on("n")).unwrap();
    let mut seen = Vec::new();
    let stopped = store.run_with(|progress| {
        seen.extend(progress.documents);
        if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(seen.is_sorted() && seen[2] < 1000, "{seen:?}");
    assert_eq!(index(&things, "n").unwrap().documents, seen[2]);
    check(&store);
    store.run().unwrap();
    assert_eq!(things.index_entries("n").unwrap(), 1000);
    check(&store);
}

#[test]
fn writes_between_the_steps_of_a_build_are_in_the_index() {
    let (store, things) = things();
    fill(&things, 1000);
    things.create_index(&Index::on("n")).unwrap();
    let mut round = 0;
    while store.step().unwrap().is_some() {
        // Before and behind the frontier.
        for id in [round, 999 - round] {
            things.update(id, |thing| thing["n"] = json!("changed")).unwrap();
            things.delete(500 - round).unwrap();
            things.insert_with_id(2000 + id, &json!({"n": id})).unwrap();
        }
        round += 1;
        check(&store);
    }
    assert!(round > 5, "{round}");
    assert_eq!(things.index_entries("n").unwrap(), things.count().unwrap());
    check(&store);
}

#[test]
fn a_build_in_the_background_ends_among_writers() {
    let store = Store::memory().unwrap();
    let things = store.documents("things").unwrap();
    fill(&things, 3000);
    things.create_index(&Index::on("n")).unwrap();
    things.create_index(&Index::unique("u").sparse()).unwrap();
    thread::scope(|scope| {
        for writer in 0..3_u64 {
            let things = &things;
            scope.spawn(move || {
                for round in 0..300 {
                    let id = (round * 37 + writer * 11) % 3000;
                    things.put(id, &json!({"n": round, "u": id})).unwrap();
                }
            });
        }
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    while state(&things, "n") != Some(IndexState::Readable)
        || state(&things, "u") != Some(IndexState::Readable)
    {
        assert!(Instant::now() < deadline, "the build does not end");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(things.index_entries("n").unwrap(), 3000);
    check(&store);
    store.close().unwrap();
}

#[test]
fn a_store_can_be_dropped_and_opened_again_while_it_builds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Store::open(&path).unwrap();
    let things = store.documents("things").unwrap();
    fill(&things, 2000);
    things.create_index(&Index::on("n")).unwrap();
    drop(things);
    drop(store);
    let store = Store::open(&path).unwrap();
    check(&store);
}

#[test]
fn what_a_snapshot_has_is_not_what_was_built_after_it() {
    let (store, things) = things();
    fill(&things, 600);
    let before = store.snapshot().unwrap();
    things.create_index(&Index::on("n")).unwrap();
    let begun = store.snapshot().unwrap();
    store.run().unwrap();
    assert_eq!(before.on(&things).indexes().unwrap(), []);
    assert_eq!(state(&begun.on(&things), "n"), Some(IndexState::Building));
    assert_eq!(state(&things, "n"), Some(IndexState::Readable));
}

/// The story: a step of a build that took more than a commit may hold failed, was done again, and failed; and no other build began.
#[test]
fn a_build_takes_no_more_than_a_commit_may_hold() {
    let store = Store::builder().background(false).index_at_once(0).commit_limit(4 << 10).memory().unwrap();
    let things = store.documents("things").unwrap();
    for n in 0..200 {
        things.insert_with_id(n, &json!({"n": format!("{n:0100}"), "m": n})).unwrap();
    }
    things.create_index(&Index::on("n")).unwrap();
    things.create_index(&Index::on("m")).unwrap();
    let mut steps = 0;
    while store.step().unwrap().is_some() {
        steps += 1;
        check(&store);
    }
    assert!(steps > 10, "{steps}");
    assert_eq!(state(&things, "n"), Some(IndexState::Readable));
    assert_eq!(state(&things, "m"), Some(IndexState::Readable));
    check(&store);
}

#[test]
fn a_document_that_no_commit_can_index_ends_its_build_and_stops_no_other() {
    let store = Store::builder().background(false).index_at_once(0).commit_limit(12 << 10).memory().unwrap();
    let things = store.documents("things").unwrap();
    for n in 0..20 {
        let words: Vec<_> = (0..if n == 7 { 400 } else { 1 }).map(|word| format!("{word:016}")).collect();
        things.insert_with_id(n, &json!({"words": words, "m": n})).unwrap();
    }
    things.create_index(&Index::on("words")).unwrap();
    things.create_index(&Index::on("m")).unwrap();
    store.run().unwrap();
    assert_eq!(state(&things, "m"), Some(IndexState::Readable));
    let failed = index(&things, "words").unwrap();
    assert_eq!((failed.state, failed.documents, failed.duplicates), (IndexState::Failed, 7, 0));
    let failure = failed.failure.unwrap();
    assert!(failure.contains("id 7") && failure.contains("12288"), "{failure}");
    check(&store);
    // Queries go without it, and writes keep up what there is of it.
    assert_eq!(things.find(json!({"words": "0000000000000300"})).count().unwrap(), 1);
    things.insert_with_id(20, &json!({"words": ["a"], "m": 20})).unwrap();
    things.update(3, |three| three["words"] = json!(["b"])).unwrap();
    check(&store);
    things.delete(7).unwrap_err();
    things.rebuild_index("words").unwrap();
    store.run().unwrap();
    assert_eq!(state(&things, "words"), Some(IndexState::Failed), "it is still there");
    things.disable_index("words").unwrap();
    things.delete(7).unwrap();
    things.rebuild_index("words").unwrap();
    store.run().unwrap();
    let mended = index(&things, "words").unwrap();
    assert_eq!((mended.state, mended.failure), (IndexState::Readable, None));
    assert_eq!(things.index_entries("words").unwrap(), 20);
    check(&store);
}

/// However many documents a step may take.
#[test]
fn what_a_step_holds_is_bounded_by_bytes_and_not_by_documents() {
    let store = Store::builder().background(false).index_at_once(0).build_batch(10_000).memory().unwrap();
    let things = store.documents("things").unwrap();
    let long = "x".repeat(900);
    let words: Vec<_> = (0..100).map(|n| format!("{n:03}{long}")).collect();
    for n in 0..60 {
        things.insert_with_id(n, &json!({"words": words})).unwrap();
    }
    things.create_index(&Index::on("words")).unwrap();
    let before = store.stats().unwrap().keys;
    let mut most = 0;
    let mut last = before;
    while store.step().unwrap().is_some() {
        let keys = store.stats().unwrap().keys;
        most = most.max(keys - last);
        last = keys;
    }
    // 128 KiB, and what one document has beyond.
    assert!(most <= 300, "{most} keys of 900 bytes in one step");
    assert_eq!(things.index_entries("words").unwrap(), 6_000);
    check(&store);
}

#[test]
fn a_build_is_as_slow_as_it_is_told_to_be_and_ends_at_once() {
    let (sender, progress) = mpsc::channel();
    let store = Store::builder()
        .index_at_once(0)
        .build_batch(50)
        .build_throttle(Throttle::DocumentsPerSecond(500))
        .on_build_progress(move |progress| {
            sender.send(progress).unwrap();
            panic!("of the user's");
        })
        .memory()
        .unwrap();
    let things = store.documents("things").unwrap();
    fill(&things, 450);
    let begun = Instant::now();
    things.create_index(&Index::on("n")).unwrap();
    let mut seen = Vec::new();
    for progress in &progress {
        seen.extend(progress.documents);
        assert_eq!((progress.name.as_str(), progress.of_documents), ("n", 450));
        if progress.state == IndexState::Readable {
            break;
        }
    }
    assert!(begun.elapsed() >= Duration::from_millis(800), "{:?}", begun.elapsed());
    assert_eq!(seen, (1..=9).map(|step| step * 50).collect::<Vec<_>>());
    // While it rests.
    let slow =
        Store::builder().index_at_once(0).build_throttle(Throttle::DocumentsPerSecond(1)).memory().unwrap();
    let things = slow.documents("things").unwrap();
    fill(&things, 450);
    things.create_index(&Index::on("n")).unwrap();
    while index(&things, "n").unwrap().documents == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    let begun = Instant::now();
    assert!(things.drop_index("n").unwrap());
    slow.close().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_throttle_that_lets_nothing_through_is_refused() {
    for throttle in [Throttle::Share(0), Throttle::Share(101), Throttle::DocumentsPerSecond(0)] {
        let error = Store::builder().build_throttle(throttle).memory().unwrap_err();
        assert_eq!(
            (error.kind(), error.context().detail("option")),
            (ErrorKind::InvalidOption, Some("build_throttle"))
        );
    }
}

/// The thread has found nothing that it could do, since the program had not declared the kind yet; and nobody woke it.
#[test]
fn a_build_goes_on_in_a_program_that_declares_its_steps_after_it_has_opened_the_store() {
    let medium = Medium::new();
    let steps = Evolution::new().step("s", Op::add("more", 1));
    let (store, things) = medium.things(&steps);
    fill(&things, 1000);
    things.create_index(&Index::on("n")).unwrap();
    store.step().unwrap();
    store.close().unwrap();
    let store = medium.open_with_thread();
    thread::sleep(Duration::from_millis(300));
    let things = store.collection_with::<Value>("things", "thing", &steps).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while state(&things, "n") != Some(IndexState::Readable) {
        assert!(Instant::now() < deadline, "the build does not go on");
        thread::sleep(Duration::from_millis(5));
    }
    store.close().unwrap();
}

/// The story: the last step read that there is nothing behind the last document, and was refused for as long as somebody appended any; and what had been appended
/// meanwhile was entered once more.
#[test]
fn a_build_ends_among_documents_that_are_appended() {
    const STEPS: usize = 200;
    for unique in [false, true] {
        let medium = Arc::new(Watched::default());
        let store = Store::builder().background(false).open_backend(medium.clone()).unwrap();
        let things = store.documents("things").unwrap();
        let all = (0..1000_u64).map(|n| n * 2);
        all.for_each(|n| things.insert_with_id(n, &json!({"n": n})).unwrap());
        let index = if unique { Index::unique("n") } else { Index::on("n") };
        things.create_index(&index).unwrap();
        // In the middle of every step: more documents than a step takes, and one of about every part that a step takes.
        let (mut next, mut between) = (10_000, 1);
        let appender = things.clone();
        *medium.meanwhile.lock().unwrap() = Some(Box::new(move || {
            let parts = (0..15).map(|part| part * 128 + between % 128);
            for n in (next..next + 100).chain(parts.filter(|_| between < 40)) {
                appender.insert_with_id(n, &json!({"n": n})).unwrap();
            }
            next += 100;
            between += 2;
        }));
        let mut steps = 0;
        while store.step().unwrap().is_some() {
            steps += 1;
            assert!(steps < STEPS, "the build does not end");
        }
        *medium.meanwhile.lock().unwrap() = None;
        assert_eq!(state(&things, "n"), Some(IndexState::Readable));
        assert_eq!(things.index_entries("n").unwrap(), things.count().unwrap());
        check(&store);
    }
}

/// With ids as `insert` makes them, which are larger than those that there are.
#[test]
fn a_build_ends_among_threads_that_append() {
    let store = Store::builder().background(false).memory().unwrap();
    let things = store.documents("things").unwrap();
    let n = AtomicU64::new(0);
    let insert = || things.insert(&json!({"n": n.fetch_add(1, Ordering::Relaxed)})).unwrap();
    (0..1000).for_each(|_| drop(insert()));
    things.create_index(&Index::unique("n")).unwrap();
    let (ended, begun) = (AtomicBool::new(false), Barrier::new(5));
    let steps = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                begun.wait();
                while !ended.load(Ordering::Relaxed) {
                    insert();
                }
            });
        }
        begun.wait();
        let mut steps = 0;
        while steps < 1000 && store.step().unwrap().is_some() {
            steps += 1;
        }
        ended.store(true, Ordering::Relaxed);
        steps
    });
    assert_eq!(state(&things, "n"), Some(IndexState::Readable), "after {steps} steps");
    assert!(steps <= 100, "{steps}");
    assert_eq!(things.index_entries("n").unwrap(), things.count().unwrap());
    check(&store);
}
