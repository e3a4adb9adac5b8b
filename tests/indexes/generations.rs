//! What becomes of indexes when programs of other schema versions come and go.

use pivotdb::{Collection, Evolution, Function, Impact, Index, IndexState, Op, Store, Taken, Unreadable};
use serde_json::{Value, json};

use crate::support::{Medium, check, fill, index, state, states};

fn renamed() -> Evolution {
    Evolution::new().step("n is called number", [Op::rename("n", "number")])
}

fn untouched() -> Evolution {
    Evolution::new().step("more", [Op::add("more", 1)])
}

fn changed() -> Evolution {
    Evolution::new().step("in text", [Op::convert("n", pivotdb::To::Text)])
}

fn generation(things: &Collection<Value>, name: &str) -> u32 {
    index(things, name).unwrap().generation
}

#[test]
fn what_a_step_leaves_alone_goes_on_as_it_is() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    fill(&things, 600);
    things.create_index(&Index::on("n")).unwrap();
    store.run().unwrap();
    assert_eq!(store.impact("thing", &untouched()).unwrap()[0].impact, Impact::Untouched);
    store.close().unwrap();
    let (store, things) = medium.things(&untouched());
    things.create_index(&Index::on("n")).unwrap();
    let info = index(&things, "n").unwrap();
    assert_eq!((info.generation, info.state, info.current), (1, IndexState::Readable, true));
    things.update(3, |three| three["n"] = json!("three")).unwrap();
    check(&store);
    store.close().unwrap();
    let (store, things) = medium.things(&Evolution::new());
    assert_eq!(generation(&things, "n"), 1);
    things.update(3, |three| three["n"] = json!("drei")).unwrap();
    things.insert_with_id(1000, &json!({"n": 1})).unwrap();
    check(&store);
}

#[test]
fn a_renamed_path_takes_its_index_along() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    fill(&things, 600);
    things.create_index(&Index::on("n").named("i")).unwrap();
    store.run().unwrap();
    let impact = store.impact("thing", &renamed()).unwrap();
    assert!(matches!(&impact[0].impact, Impact::Renamed { paths } if paths[0].to_string() == "number"));
    store.close().unwrap();
    let (store, things) = medium.things(&renamed());
    // An index that was made by a call goes along by itself.
    let info = index(&things, "i").unwrap();
    assert_eq!((info.generation, info.current, info.paths[0].to_string()), (1, true, "number".to_owned()));
    things.insert_with_id(1000, &json!({"number": 5})).unwrap();
    assert_eq!(things.index_entries("i").unwrap(), 601);
    check(&store);
    store.close().unwrap();
    let (store, things) = medium.things(&Evolution::new());
    assert_eq!(generation(&things, "i"), 1);
    things.update(1000, |thing| thing["n"] = json!(6)).unwrap();
    check(&store);
}

/// A rename does nothing where its source is absent, and what is at its target has been there before: it is not in the index.
#[test]
fn a_document_without_the_renamed_member_has_the_index_built_anew() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    fill(&things, 10);
    things.insert_with_id("stray", &json!({"number": 5})).unwrap();
    things.create_index(&Index::on("n").named("i")).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&renamed());
    things.create_index(&Index::on("number").named("i")).unwrap();
    let info = index(&things, "i").unwrap();
    assert_eq!((info.generation, info.state), (2, IndexState::Readable));
    check(&store);
    store.close().unwrap();
    // Nobody lacks it in this shape, and yet those who come from the other one may.
    let (store, things) = medium.things(&Evolution::new());
    assert_eq!(index(&things, "i").map(|info| info.current), Some(false));
    assert_eq!(things.indexes().unwrap()[0].generation, 1);
    check(&store);
}

#[test]
fn a_rename_that_may_drop_something_has_the_index_built_anew() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::on("n").named("i")).unwrap();
    things.insert(&json!({"n": 1, "number": 2})).unwrap();
    let steps = Evolution::new().step("s", [Op::rename("n", "number").if_taken(Taken::Keep)]);
    let impact = store.impact("thing", &steps).unwrap();
    assert_eq!(impact[0].impact, Impact::Rebuild { step: "s".into() });
    store.close().unwrap();
    let (store, things) = medium.things(&steps);
    things.create_index(&Index::on("number").named("i")).unwrap();
    // It had been taken along by itself.
    assert_eq!(generation(&things, "i"), 2);
    check(&store);
}

/// The test of the issue: N+1 replaces an index, writes, rollback to N, N writes and queries, forward again.
#[test]
fn forth_and_back_and_forth() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    fill(&things, 100);
    things.create_index(&Index::on("n").named("i")).unwrap();
    check(&store);
    store.close().unwrap();

    let (store, things) = medium.things(&changed());
    things.create_index(&Index::on("n").named("i")).unwrap();
    assert_eq!(states(&things).len(), 2, "the former one is kept up");
    // It does not go back to a number, and yet the index has to follow.
    things.update(5, |five| five["n"] = json!("five")).unwrap();
    things.update(6, |six| six["n"] = json!("66")).unwrap();
    things.insert_with_id(1000, &json!({"n": "1000"})).unwrap();
    things.delete(7).unwrap();
    check(&store);
    store.close().unwrap();

    let (store, things) = medium.things(&Evolution::new());
    let former = things.indexes().unwrap().remove(0);
    assert_eq!((former.generation, former.state, former.current), (1, IndexState::Readable, true));
    assert_eq!(things.index_entries("i").unwrap(), 100);
    things.update(8, |eight| eight["n"] = json!(88)).unwrap();
    things.update(6, |six| six["n"] = json!(666)).unwrap();
    things.insert_with_id(1001, &json!({"n": 1001})).unwrap();
    check(&store);
    store.close().unwrap();

    let (store, things) = medium.things(&changed());
    things.create_index(&Index::on("n").named("i")).unwrap();
    let info = index(&things, "i").unwrap();
    assert_eq!((info.generation, info.state, info.current), (2, IndexState::Readable, true));
    assert_eq!(*things.require(6).unwrap(), json!({"n": "666", "m": 6, "tags": [6, 7]}));
    check(&store);
}

fn by_function(identity: &str) -> Evolution {
    let function = Function::new(identity, |body, _| {
        let n = body["n"].as_u64().unwrap_or(0);
        body["n"] = json!(n + 1_000_000);
    });
    let function = function.down(|body, _| {
        let n = body["n"].as_u64().unwrap_or(1_000_000);
        body["n"] = json!(n - 1_000_000);
    });
    Evolution::new().step("by function", function)
}

/// What was an index on `n` before it, and what is one on `m` or on `s.n`, has nothing to do with it.
fn on_s_and_x() -> Function {
    let up = |body: &mut Value, _: &pivotdb::StepContext<'_>| {
        assert!(body.get("n").is_none() && body["s"].get("n").is_none(), "it was given more than it may see");
        body["x"] = json!(body["s"]["x"].as_u64().unwrap_or(0) + 1);
    };
    let down = |body: &mut Value, _: &pivotdb::StepContext<'_>| {
        body.as_object_mut().unwrap().remove("x");
    };
    Function::new("x is more", up).down(down).on(["s.x", "x"])
}

/// Impact, and what becomes of the index over a deploy, a rollback, and the deploy again: by the generation that there is in the end.
fn deployed(index: &Index, function: Function) -> (Impact, u32) {
    let evolution = Evolution::new().step("by function", function);
    let medium = Medium::new();
    let name = index.name();
    let (store, things) = medium.things(&Evolution::new());
    let insert = |things: &Collection<Value>, id: u64| {
        let body = json!({"n": id % 7, "m": id, "s": {"n": id % 7, "x": id, "y": [1]}});
        things.insert_with_id(id, &body).unwrap();
    };
    (0..600).for_each(|id| insert(&things, id));
    things.create_index(index).unwrap();
    store.run().unwrap();
    let impact = store.impact("thing", &evolution).unwrap().remove(0).impact;
    // By a scan, and by the index.
    let agree = |store: &Store, things: &Collection<Value>, current: usize| {
        store.run().unwrap();
        for path in ["n", "m", "s.n", "s.x", "x"] {
            for value in [0, 3, 601] {
                let found = |filter: Value| {
                    let query = things.find(filter).unreadable(Unreadable::Skip);
                    query.iter().filter_map(|found| Some(found.ok()?.id().clone())).collect::<Vec<_>>()
                };
                // A scan, since no index has anything to do with it.
                let all = things.find(json!({})).unreadable(Unreadable::Skip);
                let scanned = all.iter().filter_map(|found| {
                    let found = found.ok()?;
                    let at = path.split('.').try_fold(&*found, |value, name| value.get(name));
                    (at == Some(&json!(value))).then(|| found.id().clone())
                });
                assert_eq!(found(json!({path: value})), scanned.collect::<Vec<_>>(), "{path} {value}");
            }
        }
        let readable = things.find(json!({})).unreadable(Unreadable::Skip).to_vec().unwrap();
        assert_eq!(readable.len(), current);
        check(store);
    };
    store.close().unwrap();
    let mut last = 0;
    let mut all = 600;
    for (round, steps) in [&evolution, &Evolution::new(), &evolution].into_iter().enumerate() {
        let (store, things) = medium.things(steps);
        let old = round == 1;
        // What the newer program has written, 3 and 1000, the older one cannot read.
        agree(&store, &things, if old { all - 2 } else { all });
        insert(&things, 1000 + round as u64);
        all += 1;
        things.update(3 + round as u64, |body| body["n"] = json!(4)).unwrap();
        if old {
            things.overwrite(1000, &json!({"n": 5, "m": 601, "s": {"n": 0}})).unwrap();
        }
        let explained = things.find(json!({"n": 1})).explain().unwrap();
        last = explained.indexes.iter().rfind(|index| index.name == name).unwrap().generation;
        if round == 0 {
            let of_first = explained.indexes.iter().find(|index| index.name == name).unwrap();
            assert_eq!(of_first.impact.as_ref(), Some(&impact));
        }
        agree(&store, &things, if old { all - 1 } else { all });
        store.close().unwrap();
    }
    (impact, last)
}

/// A function that is declared on some paths leaves the others alone.
#[test]
fn what_a_function_is_not_declared_on_goes_on_as_it_is() {
    for index in [Index::on("n"), Index::unique("m"), Index::on("s.n"), Index::on("s.n").and("m").named("i")]
    {
        assert_eq!(deployed(&index, on_s_and_x()), (Impact::Untouched, 1), "{index:?}");
    }
    let rebuilt = || Impact::Rebuild { step: "by function".into() };
    for index in [Index::on("s.x"), Index::on("m").and("s").named("i"), Index::on("n").only(json!({"x": 1}))]
    {
        assert_eq!(deployed(&index, on_s_and_x()), (rebuilt(), 3), "{index:?}");
    }
    // The control: it does the same, and does not say so. The older program gives the second one up, and the newer one builds a third.
    let undeclared = Function::new("x is more", |body, _| {
        body["x"] = json!(body["s"]["x"].as_u64().unwrap_or(0) + 1);
    });
    let undeclared = undeclared.down(|body, _| drop(body.as_object_mut().unwrap().remove("x")));
    assert_eq!(deployed(&Index::on("n"), undeclared), (rebuilt(), 3));
}

/// Whoever lacks a function cannot keep an index up that is beyond it, notes that before its first write, and whoever comes back builds it anew.
#[test]
fn a_program_without_the_function_gives_the_index_up_before_it_writes() {
    let medium = Medium::new();
    let (store, things) = medium.things(&by_function("f"));
    fill(&things, 20);
    things.create_index(&Index::on("n").named("i")).unwrap();
    things.create_index(&Index::on("m")).unwrap();
    check(&store);
    store.close().unwrap();

    let (store, things) = medium.things(&Evolution::new());
    assert_eq!(state(&things, "i"), Some(IndexState::Readable), "nothing has been written yet");
    let sequence = store.stats().unwrap().sequence;
    things.insert_with_id(1000, &json!({"n": 3, "m": 3})).unwrap();
    let info = index(&things, "i").unwrap();
    assert_eq!((info.state, info.since), (IndexState::Unmaintained, sequence));
    check(&store);
    store.close().unwrap();

    let (store, things) = medium.things(&by_function("f"));
    let info = index(&things, "i").unwrap();
    assert_eq!((info.generation, info.state), (3, IndexState::Readable), "it was built anew");
    assert_eq!(things.index_entries("i").unwrap(), 21);
    store.run().unwrap();
    check(&store);
}

/// Documents that are brought to the index by a function: what was entered is found by reverse records, also where the function does something else now.
#[test]
fn entries_that_a_function_made_are_found_again() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    fill(&things, 20);
    store.close().unwrap();
    let (store, things) = medium.things(&by_function("f"));
    things.create_index(&Index::unique("n").named("i")).unwrap();
    assert_eq!(things.index_entries("i").unwrap(), 20);
    check(&store);
    store.close().unwrap();

    // The same identity, and yet another function.
    let other = Function::new("f", |body: &mut Value, _: &pivotdb::StepContext<'_>| {
        let n = body["n"].as_u64().unwrap_or(0);
        body["n"] = json!(n + 5_000_000);
    });
    let (store, things) = medium.things(&Evolution::new().step("by function", other));
    for id in 0..20 {
        things.delete(id).unwrap();
    }
    assert_eq!(things.index_entries("i").unwrap(), 0);
    things.insert(&json!({"n": 1_000_003})).unwrap();
    check(&store);
}

#[test]
fn a_document_that_cannot_be_upcast_is_noted_and_stops_nothing() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    fill(&things, 10);
    things.insert_with_id("odd", &json!({"n": {"not": "a scalar"}})).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&changed());
    things.create_index(&Index::on("n")).unwrap();
    assert_eq!(state(&things, "n"), Some(IndexState::Readable));
    assert_eq!(things.index_entries("n").unwrap(), 10);
    check(&store);
    things.overwrite("odd", &json!({"n": "mended"})).unwrap();
    assert_eq!(things.index_entries("n").unwrap(), 11);
    check(&store);
}

#[test]
fn what_is_superseded_can_be_dropped() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    fill(&things, 10);
    things.create_index(&Index::on("n")).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&changed());
    store.run().unwrap();
    assert_eq!(states(&things).len(), 2);
    assert_eq!(things.drop_superseded_indexes().unwrap(), 1);
    store.run().unwrap();
    assert_eq!(states(&things), [("n".to_owned(), IndexState::Readable)]);
    check(&store);
}

#[test]
fn steps_that_are_declared_at_run_time_take_indexes_along() {
    let medium = Medium::new();
    let store = medium.open();
    let runs = store.documents("runs").unwrap();
    fill(&runs, 10);
    runs.create_index(&Index::on("n").named("a")).unwrap();
    runs.create_index(&Index::on("m").named("b")).unwrap();
    let steps = [Op::rename("n", "number"), Op::convert("m", pivotdb::To::Text)];
    runs.evolve(Evolution::new().step("s", steps)).unwrap();
    let info = index(&runs, "a").unwrap();
    assert_eq!((info.generation, info.paths[0].to_string(), info.current), (1, "number".to_owned(), true));
    let info = index(&runs, "b").unwrap();
    assert_eq!((info.generation, info.state, info.current), (3, IndexState::Readable, true));
    runs.insert(&json!({"number": 5, "m": "x"})).unwrap();
    check(&store);
}

#[test]
fn a_superseded_unique_index_refuses_nothing() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::unique("n").named("i")).unwrap();
    things.insert_with_id(1, &json!({"n": 1})).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&changed());
    things.create_index(&Index::on("n").named("i")).unwrap();
    things.insert_with_id(2, &json!({"n": "1"})).unwrap();
    check(&store);
    store.close().unwrap();
    // The program that relied on it finds it given up, and builds it anew: it cannot be unique now.
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::unique("n").named("i")).unwrap();
    assert_eq!(state(&things, "i"), Some(IndexState::Failed));
    things.delete(2).unwrap();
    things.rebuild_index("i").unwrap();
    assert_eq!(state(&things, "i"), Some(IndexState::Readable));
    check(&store);
}

/// As with a value twice: it would be readable, and take the document's values from others.
#[test]
fn a_superseded_unique_index_is_given_up_with_a_document_that_it_cannot_have() {
    let (store, things) = crate::support::things();
    fill(&things, 600);
    let unique = Index::unique("n").named("i");
    things.create_index(&unique).unwrap();
    store.run().unwrap();
    things.create_index(&Index::on("m").named("i")).unwrap();
    let superseded = || things.indexes().unwrap()[0].state;
    things.insert_with_id(1000, &json!({"n": 1000})).unwrap();
    assert_eq!(superseded(), IndexState::Readable);
    let many: Vec<u32> = (1001..2002).collect();
    things.insert_with_id(1001, &json!({"n": many})).unwrap();
    assert_eq!(superseded(), IndexState::Unmaintained);
    check(&store);
    things.create_index(&unique).unwrap();
    store.run().unwrap();
    let failed = index(&things, "i").unwrap();
    assert_eq!((failed.state, failed.unreadable_ids), (IndexState::Failed, vec![1001.into()]));
    check(&store);
}

/// A store in which indexes are built step by step, however few documents there are.
fn opened_to_build(medium: &Medium) -> (Store, Collection<Value>) {
    let store = medium.open_with(|builder| builder.index_at_once(0).build_batch(2));
    let things = store.collection_with("things", "thing", &Evolution::new()).unwrap();
    (store, things)
}

/// When the store was opened while one index was built in the place of another one of its name, the former one stayed, and a unique one went on to refuse duplicates for ever.
#[test]
fn what_is_replaced_goes_also_if_the_store_is_opened_meanwhile() {
    let medium = Medium::new();
    let (store, things) = opened_to_build(&medium);
    for n in 0..9 {
        things.insert_with_id(n, &json!({"n": n})).unwrap();
    }
    things.create_index(&Index::unique("n").named("it")).unwrap();
    store.run().unwrap();
    things.create_index(&Index::on("n").named("it")).unwrap();
    store.close().unwrap();
    let (store, things) = opened_to_build(&medium);
    // As it would be without the opening.
    things.insert_with_id(10, &json!({"n": 1})).unwrap();
    store.run().unwrap();
    let of_name: Vec<_> =
        things.indexes().unwrap().into_iter().map(|index| (index.unique, index.state)).collect();
    assert_eq!(of_name, [(false, IndexState::Readable)]);
}

/// The same without a duplicate, so that the former one is right until the end.
#[test]
fn what_is_replaced_goes_once_the_new_one_is_there() {
    let medium = Medium::new();
    let (store, things) = opened_to_build(&medium);
    for n in 0..9 {
        things.insert_with_id(n, &json!({"n": n})).unwrap();
    }
    things.create_index(&Index::on("n").sparse().named("it")).unwrap();
    store.run().unwrap();
    things.create_index(&Index::on("n").named("it")).unwrap();
    store.close().unwrap();
    let (store, things) = opened_to_build(&medium);
    store.run().unwrap();
    let of_name: Vec<_> =
        things.indexes().unwrap().into_iter().map(|index| (index.sparse, index.state)).collect();
    assert_eq!(of_name, [(false, IndexState::Readable)]);
}

/// Of an index that was declared otherwise and then as before again, while that was built, both ways stayed for ever, and the one that was no longer wanted counted as the last one.
#[test]
fn what_is_declared_as_before_again_is_what_was_declared_last() {
    let medium = Medium::new();
    let (store, things) = opened_to_build(&medium);
    for n in 0..9 {
        things.insert_with_id(n, &json!({"n": n})).unwrap();
    }
    things.create_index(&Index::unique("n").named("it")).unwrap();
    store.run().unwrap();
    things.create_index(&Index::on("n").named("it")).unwrap();
    assert!(store.step().unwrap().is_some());
    things.create_index(&Index::unique("n").named("it")).unwrap();
    store.close().unwrap();
    let (store, things) = opened_to_build(&medium);
    assert!(things.insert(&json!({"n": 1})).unwrap_err().is_unique_violation());
    store.run().unwrap();
    assert!(things.insert(&json!({"n": 1})).unwrap_err().is_unique_violation());
    let of_name: Vec<_> =
        things.indexes().unwrap().into_iter().map(|index| (index.unique, index.state)).collect();
    assert_eq!(of_name, [(true, IndexState::Readable)]);
}
