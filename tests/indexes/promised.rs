//! What the design promises of indexes, each promise by itself.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use pivotdb::{Collection, Cursor, Evolution, Index, IndexState, Op, field};
use serde_json::{Value, json};

use crate::support::{Medium, Watched, check, fill, index, states, things};

fn used<T>(of: &Collection<T>, filter: &Value) -> Option<u32> {
    of.find(filter.clone()).explain().unwrap().index.map(|index| index.generation)
}

#[test]
fn an_untyped_query_uses_an_index_only_where_it_covers_all_kinds_that_there_are() {
    let medium = Medium::new();
    let store = medium.open();
    let [cats, dogs] =
        ["cat", "dog"].map(|kind| store.collection_with::<Value>("pets", kind, &Evolution::new()).unwrap());
    let pets = store.documents("pets").unwrap();
    let tom = json!({"name": "Tom"});
    cats.create_index(&Index::on("name").named("of cats")).unwrap();
    cats.insert(&tom).unwrap();
    assert_eq!(used(&pets, &tom), Some(1), "there are cats alone");
    dogs.insert(&tom).unwrap();
    assert_eq!((used(&pets, &tom), used(&cats, &tom), used(&dogs, &tom)), (None, Some(1), None));
    assert_eq!(pets.find(tom.clone()).count().unwrap(), 2);
    cats.create_index(&Index::on("name").of_kinds(["cat", "dog"]).named("of both")).unwrap();
    assert_eq!((used(&pets, &tom), used(&dogs, &tom)), (Some(2), Some(2)));
    let typed = [&cats, &dogs, &pets].map(|of| of.find(tom.clone()).count().unwrap());
    assert_eq!(typed, [1, 1, 2]);
    check(&store);
}

#[test]
fn the_text_of_a_cursor_goes_on_over_steps_of_a_build_and_a_store_that_is_opened_again() {
    let medium = Medium::new();
    let (mut store, mut things) = medium.things(&Evolution::new());
    fill(&things, 1000);
    things.create_index(&Index::on("m").and_descending("n").named("i")).unwrap();
    let mut text: Option<String> = None;
    let (mut seen, mut plans) = (Vec::new(), Vec::new());
    loop {
        let query = things.find(json!({})).sort("m").sort_desc("n").limit(37);
        let query = match &text {
            Some(text) => query.after(&text.parse::<Cursor>().unwrap()),
            None => query,
        };
        let mut results = query.iter();
        let before = seen.len();
        seen.extend(results.by_ref().map(|found| found.unwrap().id().as_u64().unwrap()));
        if seen.len() == before {
            break;
        }
        text = results.cursor().unwrap().map(|cursor| cursor.to_string());
        // There and back, so that it is entered wherever the build is.
        for m in [99, 1] {
            things.update(901, |one| one["m"] = json!(m)).unwrap();
        }
        plans.push(query.explain().unwrap().plan);
        drop(store.step().unwrap());
        store.close().unwrap();
        (store, things) = medium.things(&Evolution::new());
    }
    let mut expected: Vec<u64> = (0..1000).collect();
    expected.sort_by_key(|n| (n % 10, std::cmp::Reverse(*n)));
    assert_eq!(seen, expected);
    assert!(plans[0].starts_with("scan"), "{plans:?}");
    assert!(plans.iter().any(|plan| plan.contains("then a scan of what")), "{plans:?}");
    assert!(plans.last().unwrap().starts_with("index") && !plans.last().unwrap().contains("then a scan"));
}

/// Ten documents, an index whose build is to take them in one step, and what is done once that has read them.
fn built_while(
    meanwhile: impl Fn(&Collection<Value>, &Collection<Value>) + Send + 'static,
) -> Vec<Option<u64>> {
    let medium = Arc::new(Watched::default());
    let store = pivotdb::Store::builder().background(false).index_at_once(0).build_batch(10);
    let store = store.open_backend(medium.clone()).unwrap();
    let (things, others) = (store.documents("things").unwrap(), store.documents("others").unwrap());
    fill(&things, 10);
    others.insert_with_id(5, &json!({"n": 5})).unwrap();
    things.create_index(&Index::unique("n")).unwrap();
    let handles = (things.clone(), others);
    let mut once = Some(meanwhile);
    *medium.meanwhile.lock().unwrap() = Some(Box::new(move || {
        if let Some(meanwhile) = once.take() {
            meanwhile(&handles.0, &handles.1);
        }
    }));
    let mut steps = Vec::new();
    while let Some(progress) = store.step().unwrap() {
        steps.push(progress.documents);
        check(&store);
    }
    *medium.meanwhile.lock().unwrap() = None;
    assert_eq!(index(&things, "n").map(|info| info.state), Some(IndexState::Readable));
    check(&store);
    steps
}

#[test]
fn the_commit_of_a_build_rests_on_what_the_step_has_read() {
    // What is written elsewhere is nothing to it.
    let undisturbed = built_while(|_, others| {
        others.update(5, |five| five["n"] = json!(500)).unwrap();
    });
    assert_eq!(undisturbed, [Some(10), None]);
    let disturbed = built_while(|things, _| {
        things.update(5, |five| five["n"] = json!(500)).unwrap();
        assert_eq!(things.find(json!({"n": 5})).count().unwrap(), 0);
    });
    assert_eq!(disturbed[0], Some(5), "half of them, once more: {disturbed:?}");
    let deleted = built_while(|things, _| assert!(things.delete(5).unwrap()));
    assert_eq!(deleted[0], Some(5), "{deleted:?}");
}

#[test]
fn a_count_by_index_alone_reads_no_document() {
    let medium = Arc::new(Watched::default());
    let store = pivotdb::Store::builder().background(false).open_backend(medium.clone()).unwrap();
    let things = store.documents("things").unwrap();
    fill(&things, 300);
    things.create_index(&Index::on("m").and("n").named("i")).unwrap();
    for (filter, expected) in [(json!({"m": 3}), 30), (json!({"m": 3, "n": {"$gte": 100}}), 20)] {
        let query = || things.find(filter.clone());
        medium.document_reads();
        assert_eq!((query().count().unwrap(), medium.document_reads()), (expected, 0), "{filter}");
        assert_eq!(query().to_vec().unwrap().len() as u64, expected);
        assert!(medium.document_reads() > 0);
    }
    // What the entries do not say is asked of documents.
    assert_eq!(things.find(json!({"m": 3, "tags": 13})).count().unwrap(), 1);
    assert!(medium.document_reads() > 0);
}

#[test]
fn a_replacement_that_fails_leaves_the_former_index_in_use() {
    let medium = Medium::new();
    let (mut store, mut things) = medium.things(&Evolution::new());
    fill(&things, 600);
    things.create_index(&Index::on("n").named("i")).unwrap();
    store.run().unwrap();
    things.create_index(&Index::unique("m").named("i")).unwrap();
    store.run().unwrap();
    for opened in [false, true] {
        if opened {
            store.close().unwrap();
            (store, things) = medium.things(&Evolution::new());
        }
        let both: Vec<_> = states(&things).into_iter().map(|(_, state)| state).collect();
        assert_eq!(both, [IndexState::Readable, IndexState::Failed]);
        assert_eq!(used(&things, &json!({"n": 7})), Some(1));
        assert_eq!(things.find(json!({"n": 7})).count().unwrap(), 1);
        let added = 1000 + u64::from(opened);
        things.insert_with_id(added, &json!({"n": added, "m": added})).unwrap();
        assert_eq!(things.find(json!({"n": added})).count().unwrap(), 1);
        check(&store);
    }
}

#[test]
fn a_query_of_a_state_from_the_middle_of_a_build_is_answered_as_it_was() {
    let (store, things) = things();
    fill(&things, 1000);
    things.create_index(&Index::on("n")).unwrap();
    for _ in 0..3 {
        store.step().unwrap().unwrap();
    }
    let middle = store.snapshot().unwrap();
    let frontier = index(&things, "n").unwrap().documents;
    assert!((1..1000).contains(&frontier));
    // On both sides of where the build was, before it ends and after.
    things.update(1, |one| one["n"] = json!(5000)).unwrap();
    things.delete(2).unwrap();
    things.update(998, |last| last["n"] = json!(5001)).unwrap();
    store.run().unwrap();
    things.delete(999).unwrap();
    things.insert_with_id(1000, &json!({"n": 5002})).unwrap();
    let then = middle.on(&things);
    let explained = then.find(field("n").lt(3)).explain().unwrap();
    let state = explained.index.unwrap().state;
    assert!(state.starts_with("building, has come to"), "{state}");
    assert!(explained.time > Duration::ZERO);
    let ids = |of: &Collection<Value>, filter: Value| {
        let found = of.find(filter).sort("n").iter();
        found.map(|found| found.unwrap().id().as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&then, json!({"n": {"$lt": 4}})), [0, 1, 2, 3]);
    assert_eq!(ids(&then, json!({"n": {"$gte": 997}})), [997, 998, 999]);
    assert_eq!(then.find(field("n").gte(0)).count().unwrap(), 1000);
    assert_eq!(ids(&things, json!({"n": {"$lt": 4}})), [0, 3]);
    assert_eq!(ids(&things, json!({"n": {"$gte": 997}})), [997, 1, 998, 1000]);
    check(&store);
}

/// Chunks without a head are all there is of a document. They were discarded after the builder had read them, and its mark came after that, for ever.
#[test]
fn what_is_discarded_while_a_build_comes_past_leaves_no_mark() {
    let medium = Arc::new(Watched::default());
    let open = || {
        let builder = pivotdb::Store::builder().background(false).index_at_once(0);
        builder.open_backend(medium.clone()).unwrap()
    };
    let store = open();
    let things = store.documents("things").unwrap();
    things.insert_with_id(1, &json!({"n": 1, "text": "x".repeat(100_000)})).unwrap();
    things.insert_with_id(2, &json!({"n": 2})).unwrap();
    things.create_index(&Index::on("n")).unwrap();
    store.close().unwrap();
    drop((things, store));
    medium.behead();
    let store = open();
    let things = store.documents("things").unwrap();
    let discarding = things.clone();
    let mut once = true;
    *medium.meanwhile.lock().unwrap() = Some(Box::new(move || {
        if std::mem::take(&mut once) {
            assert_eq!(discarding.discard_corrupt([1]).unwrap().len(), 1);
        }
    }));
    store.run().unwrap();
    *medium.meanwhile.lock().unwrap() = None;
    let info = index(&things, "n").unwrap();
    assert_eq!((info.state, info.unreadable), (IndexState::Readable, 0));
    assert_eq!(used(&things, &json!({"n": 2})), Some(1));
    check(&store);
}

/// A build that came to its end dropped what it was to replace, while somebody had found that and was about to say that he wants it again.
#[test]
fn an_index_that_is_wanted_again_is_not_dropped_by_what_was_to_take_its_place() {
    let medium = Arc::new(Watched::default());
    let open = |steps: &Evolution| {
        let builder = pivotdb::Store::builder().background(false).index_at_once(0);
        let store = builder.open_backend(medium.clone()).unwrap();
        let things = store.collection_with::<Value>("things", "thing", steps).unwrap();
        (store, things)
    };
    let (store, things) = open(&Evolution::new());
    fill(&things, 10);
    things.create_index(&Index::on("n").named("i")).unwrap();
    store.run().unwrap();
    things.create_index(&Index::on("m").named("i")).unwrap();
    store.close().unwrap();
    let (store, things) = open(&Evolution::new().step("more", [Op::add("more", 1)]));
    let (sender, building) = mpsc::channel();
    let (builder, mut counted) = (store.clone(), 0);
    *medium.while_counting.lock().unwrap() = Some(Box::new(move || {
        counted += 1;
        // It has been found, and is to go over to the program's shape.
        if counted == 2 {
            let builder = builder.clone();
            sender.send(thread::spawn(move || builder.run().unwrap())).unwrap();
            thread::sleep(Duration::from_millis(300));
        }
    }));
    things.create_index(&Index::on("n").named("i")).unwrap();
    *medium.while_counting.lock().unwrap() = None;
    building.try_recv().unwrap().join().unwrap();
    store.run().unwrap();
    assert_eq!(used(&things, &json!({"n": 3})), Some(1), "{:?}", states(&things));
    check(&store);
}
