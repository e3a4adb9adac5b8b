//! What an index may be carried over: a rename, and who was stored above it.
//!
//! A rename does nothing where its source is absent, on the way down as on the way up. A document that a newer program had stored, and that had something at the former
//! name, was entered with that by the older program; and when the newer one came back, it took the index for its own.

use pivotdb::{Error, ErrorKind, Evolution, Impact, Index, IndexState, Op, To, Warning, field};
use serde_json::{Value, json};

use crate::support::{Medium, check, fill, index};

fn renamed() -> Evolution {
    Evolution::new().step("n is called number", [Op::rename("n", "number")])
}

#[test]
fn documents_stored_above_a_rename_have_the_index_built_anew() {
    let medium = Medium::new();
    let (store, things) = medium.things(&renamed());
    things.insert_with_id("stray", &json!({"n": 7})).unwrap();
    things.insert_with_id("whole", &json!({"number": 8})).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::on("n").named("i")).unwrap();
    assert_eq!(things.find(json!({"n": 7})).count().unwrap(), 1);
    let impact = store.impact("thing", &renamed()).unwrap();
    assert_eq!(impact[0].impact, Impact::Rebuild { step: "n is called number".into() });
    check(&store);
    store.close().unwrap();
    let (store, things) = medium.things(&renamed());
    assert_eq!(things.find(json!({"number": 7})).count().unwrap(), 0);
    assert_eq!(things.find(json!({"number": {"$exists": false}})).count().unwrap(), 1);
    assert_eq!(
        index(&things, "i").map(|info| (info.generation, info.state)),
        Some((2, IndexState::Readable))
    );
    check(&store);
    things.update("stray", |stray| stray["number"] = json!(9)).unwrap();
    assert_eq!(things.index_entries("i").unwrap(), 2);
    check(&store);
}

fn twice() -> Evolution {
    Evolution::new()
        .step("n is called k", [Op::rename("n", "k")])
        .step("k is called number", [Op::rename("k", "number")])
}

/// Between two shapes of an index a document is entered as in the one above.
#[test]
fn a_document_between_two_shapes_is_entered_upward() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    fill(&things, 10);
    things.create_index(&Index::on("n").named("i")).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&twice());
    assert_eq!(index(&things, "i").map(|info| (info.generation, info.current)), Some((1, true)));
    let between = things.view::<Value>(2).unwrap();
    between.insert_with_id("stray", &json!({"n": 777})).unwrap();
    between.insert_with_id("whole", &json!({"k": 778})).unwrap();
    let found = |number: u32| things.find(json!({"number": number})).count().unwrap();
    assert_eq!((found(777), found(778), found(3)), (0, 1, 1));
    assert_eq!(things.find(json!({"number": {"$exists": false}})).count().unwrap(), 1);
    check(&store);
    things.overwrite("stray", &json!({"number": 5})).unwrap();
    assert_eq!(things.index_entries("i").unwrap(), 12);
    assert_eq!((found(777), found(5)), (0, 2));
    check(&store);
    store.close().unwrap();
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::on("n").named("i")).unwrap();
    assert_eq!(index(&things, "i").map(|info| info.generation), Some(2));
    check(&store);
}

/// Away and back is not the same as never away: what was in between stays.
#[test]
fn a_rename_that_is_undone_by_another_is_not_nothing() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.insert_with_id("stray", &json!({"m": 5})).unwrap();
    things.create_index(&Index::on("n").named("i")).unwrap();
    store.close().unwrap();
    let there_and_back =
        Evolution::new().step("away", [Op::rename("n", "m")]).step("back", [Op::rename("m", "n")]);
    let (store, things) = medium.things(&there_and_back);
    assert_eq!(*things.require("stray").unwrap(), json!({"n": 5}));
    assert_eq!(things.find(json!({"n": 5})).count().unwrap(), 1);
    check(&store);
}

/// What is said of a deploy before it is what it does.
#[test]
fn impact_says_what_the_deploy_does() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    fill(&things, 10);
    things.create_index(&Index::on("n").named("i")).unwrap();
    things.create_index(&Index::on("tags").named("t")).unwrap();
    let whole = store.impact("thing", &renamed()).unwrap();
    assert!(matches!(whole[0].impact, Impact::Renamed { .. }));
    assert_eq!(whole[1].impact, Impact::Untouched);
    things.insert_with_id("without", &json!({"m": 1})).unwrap();
    let impact = store.impact("thing", &renamed()).unwrap();
    assert_eq!(impact[0].impact, Impact::Rebuild { step: "n is called number".into() });
    store.close().unwrap();
    let (store, things) = medium.things(&renamed());
    assert_eq!(index(&things, "i").map(|info| info.generation), Some(3));
    assert_eq!(index(&things, "t").map(|info| info.generation), Some(2));
    // And of the way back: the former one is there still.
    let back = store.impact("thing", &Evolution::new()).unwrap();
    let back: Vec<_> = back.into_iter().map(|impact| (impact.generation, impact.impact)).collect();
    assert_eq!(back, [(2, Impact::Untouched), (1, Impact::Untouched)]);
}

/// The story: a view took a document that has nothing at the former path and another one's value at the new one. It held *nothing*, and not the value; the index said that it was
/// readable, and two documents had one value.
#[test]
fn a_view_takes_no_value_that_another_document_has() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.insert_with_id(1, &json!({"n": 1})).unwrap();
    things.create_index(&Index::unique("n").named("i")).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&renamed());
    assert_eq!(index(&things, "i").map(|info| (info.generation, info.current)), Some((1, true)));
    things.insert_with_id(7, &json!({"number": 7})).unwrap();
    let former = things.view::<Value>(1).unwrap();
    let is_violation = |error: Error| error.is_unique_violation();
    assert!(former.insert(&json!({"number": 7})).is_err_and(is_violation));
    let within = store.transaction(|tx| tx.on(&former).insert(&json!({"number": 7})));
    assert!(within.is_err_and(is_violation));
    let mut bulk = former.bulk().unwrap();
    bulk.insert(&json!({"number": 7})).unwrap();
    assert!(bulk.finish().is_err_and(is_violation));
    former.insert_with_id(8, &json!({"number": 8})).unwrap();
    assert!(things.insert(&json!({"number": 8})).is_err_and(is_violation));
    // Nobody has nothing there.
    things.insert_with_id("none", &json!({"number": null})).unwrap();
    assert!(things.insert(&json!({})).is_err_and(is_violation));
    let info = index(&things, "i").unwrap();
    assert_eq!((info.state, info.current), (IndexState::Readable, true));
    assert!(things.find(field("number").eq(8)).explain().unwrap().index.is_some());
    store.run().unwrap();
    check(&store);
}

/// In a transaction that is the first to do so.
#[test]
fn a_transaction_takes_no_value_that_another_document_has() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::unique("n").named("i")).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&renamed());
    things.insert_with_id(7, &json!({"number": 7})).unwrap();
    let former = things.view::<Value>(1).unwrap();
    let both = store.transaction(|tx| {
        let former = tx.on(&former);
        former.insert(&json!({"number": 8}))?;
        former.insert(&json!({"number": 7}))
    });
    assert!(both.unwrap_err().is_unique_violation());
    store.transaction(|tx| tx.on(&former).insert(&json!({"number": 8}))).unwrap();
    assert!(things.insert(&json!({"number": 8})).unwrap_err().is_unique_violation());
    check(&store);
}

/// A build that goes on under another name meets what the index would not hold there.
#[test]
fn a_build_that_meets_what_a_rename_does_not_carry_begins_anew() {
    let medium = Medium::new();
    let open = || medium.open_with(|builder| builder.index_at_once(0).build_batch(2));
    let store = open();
    let things = store.collection_with::<Value>("things", "thing", &Evolution::new()).unwrap();
    for (id, body) in [(1, json!({"n": 1})), (2, json!({"n": 2})), (3, json!({"number": 1}))] {
        things.insert_with_id(id, &body).unwrap();
    }
    things.create_index(&Index::unique("n").named("i")).unwrap();
    store.step().unwrap();
    store.close().unwrap();
    let store = open();
    let things = store.collection_with::<Value>("things", "thing", &renamed()).unwrap();
    assert_eq!(index(&things, "i").map(|info| (info.generation, info.current)), Some((1, true)));
    store.run().unwrap();
    let info = index(&things, "i").unwrap();
    assert_eq!((info.generation, info.state, info.duplicate_ids), (2, IndexState::Failed, vec![3.into()]));
    things.delete(3).unwrap();
    things.rebuild_index("i").unwrap();
    store.run().unwrap();
    assert!(things.insert(&json!({"number": 1})).unwrap_err().is_unique_violation());
    check(&store);
}

/// Of a document that cannot be read it is not known what it has at a path that was away in between, be it within one step.
#[test]
fn what_was_away_and_is_back_is_not_known_of_a_document_that_cannot_be_read() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.insert_with_id(1, &json!({"b": 5, "n": "odd"})).unwrap();
    store.close().unwrap();
    let ops = [Op::rename("a", "b"), Op::rename("b", "a"), Op::convert("n", To::Integer)];
    let (_store, things) = medium.things(&Evolution::new().step("s", ops));
    for indexed in [false, true] {
        if indexed {
            things.create_index(&Index::on("a")).unwrap();
        }
        let asked = |a: u64| things.find(field("a").eq(a)).to_vec().map_err(|error| error.kind());
        assert!(matches!(asked(5), Err(ErrorKind::StepFailed)));
    }
}

/// And of an index over two kinds, of which only one goes where the steps lead.
#[test]
fn impact_says_what_the_deploy_of_one_of_two_kinds_does() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    let others = store.collection_with::<Value>("things", "other", &Evolution::new()).unwrap();
    things.create_index(&Index::on("n").named("i").of_kinds(["thing", "other"])).unwrap();
    things.insert_with_id(1, &json!({"n": 1})).unwrap();
    others.insert_with_id(2, &json!({"n": 2})).unwrap();
    let more = Evolution::new().step("more", [Op::add("more", 1)]);
    assert_eq!(store.impact("thing", &more).unwrap()[0].impact, Impact::Untouched);
    let left = Impact::LeftBehind { step: "n is called number".into() };
    assert_eq!(store.impact("thing", &renamed()).unwrap()[0].impact, left);
    store.close().unwrap();
    let (store, things) = medium.things(&renamed());
    let warned = store.warnings().iter().any(|warning| matches!(warning, Warning::IndexLeftBehind { .. }));
    assert!(warned, "{:?}", store.warnings());
    assert_eq!(index(&things, "i").map(|info| (info.generation, info.current)), Some((1, false)));
    check(&store);
}

/// An untyped program promises nothing of a kind that others have declared. It gave their index up where a value that it wrote was one that a newer program would not have found there.
#[test]
fn an_untyped_program_keeps_up_what_is_right_for_others() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::unique("n").named("i")).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&renamed());
    things.insert_with_id(7, &json!({"number": 7})).unwrap();
    store.close().unwrap();
    // Right here, and no longer where it has another name.
    let (store, things) = medium.things(&Evolution::new());
    things.insert_with_id(1, &json!({})).unwrap();
    store.close().unwrap();
    let store = medium.open();
    store.documents("things").unwrap().overwrite(7, &json!({"number": 9})).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&Evolution::new());
    let info = index(&things, "i").unwrap();
    assert_eq!((info.generation, info.state, info.current), (1, IndexState::Readable, true));
    assert!(things.insert(&json!({"n": 9})).unwrap_err().is_unique_violation());
    things.insert(&json!({"n": 7})).unwrap();
    check(&store);
}

/// Where a step is damaged, nobody knows any more which steps there were: an untyped program relied on the index for a shape of which it knew nothing, and its write went round for ever.
#[test]
fn a_write_beyond_a_damaged_step_comes_to_an_end() {
    let medium = Medium::new();
    let (store, things) = medium.things(&Evolution::new());
    things.create_index(&Index::unique("n").named("i")).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&renamed());
    things.insert_with_id(7, &json!({"number": 7})).unwrap();
    store.close().unwrap();
    let (store, things) = medium.things(&Evolution::new());
    things.insert_with_id(1, &json!({})).unwrap();
    store.close().unwrap();
    medium.damage(&[1, 0x01, 0x03]);
    let store = medium.open();
    let all = store.documents("things").unwrap();
    all.overwrite(7, &json!({"number": 9})).unwrap();
    assert_eq!(index(&all, "i").map(|info| info.state), Some(IndexState::Unmaintained));
}

/// Where only one of two kinds has gone back to the former name, there is no one path that an index of both could be on. One on the name of the first was made, which the other has nothing
/// at: its second document was one too many.
#[test]
fn what_has_parted_is_given_up_and_not_built_anew() {
    let medium = Medium::new();
    let open = |of_thing: &Evolution, of_other: &Evolution| {
        let (store, things) = medium.things(of_thing);
        let others = store.collection_with::<Value>("things", "other", of_other).unwrap();
        (store, things, others)
    };
    let (store, things, _) = open(&Evolution::new(), &Evolution::new());
    things.create_index(&Index::unique("n").named("i").of_kinds(["thing", "other"])).unwrap();
    store.close().unwrap();
    let (store, things, _) = open(&renamed(), &renamed());
    assert_eq!(index(&things, "i").map(|info| (info.generation, info.current)), Some((1, true)));
    store.close().unwrap();
    let (store, things, others) = open(&renamed(), &Evolution::new());
    others.insert_with_id(1, &json!({"n": 1})).unwrap();
    others.insert_with_id(2, &json!({"n": 2})).unwrap();
    things.view::<Value>(1).unwrap().insert_with_id(3, &json!({"number": 3})).unwrap();
    let info = index(&things, "i").unwrap();
    assert_eq!((info.generation, info.state), (1, IndexState::Unmaintained));
    check(&store);
}

/// Through the program's own eyes and those of its former self, at random: no two documents have one value where the program sees them, and none is refused for a value that nobody has.
#[test]
fn whoever_writes_no_value_is_taken_twice_and_none_is_refused_for_nothing() {
    let (mut refused, mut anew) = (0, 0);
    for seed in 1..=if cfg!(debug_assertions) { 30 } else { 300 } {
        let mut state = u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) % below
        };
        let medium = Medium::new();
        let (store, things) = medium.things(&Evolution::new());
        things.create_index(&Index::unique("n").named("i")).unwrap();
        for id in 0..below(4) {
            things.insert_with_id(100 + id, &json!({"n": 100 + id})).unwrap();
        }
        store.close().unwrap();
        let (store, things) = medium.things(&renamed());
        let former = things.view::<Value>(1).unwrap();
        for _ in 0..40 {
            let (of, id) = (if below(3) == 0 { &former } else { &things }, below(12));
            let path = ["n", "number", "number"][usize::try_from(below(3)).unwrap()];
            let value = if below(6) == 0 { Value::Null } else { json!(below(8)) };
            let written = match (of.exists(id).unwrap(), below(4)) {
                (true, 0) => of.delete(id).map(drop),
                (true, _) => of.overwrite(id, &json!({path: value})).map(drop),
                (false, _) => of.insert_with_id(id, &json!({path: value})),
            };
            let seen = |found: pivotdb::Document<Value>| {
                (found.id().as_u64().unwrap(), found.get("number").cloned().unwrap_or_default())
            };
            let mut all: Vec<_> = things.iter().map(|found| seen(found.unwrap())).collect();
            if let Err(error) = written {
                assert!(error.is_unique_violation(), "{error}");
                // A rename up moves what a view has at the former path, and nothing else is moved.
                let is_moved = std::ptr::eq(of, &former) && path == "n";
                let wanted = if is_moved || path == "number" { value } else { Value::Null };
                assert!(
                    all.iter().any(|(other, there)| *other != id && *there == wanted),
                    "{seed}: {error}; {all:?}"
                );
                refused += 1;
            }
            all.sort_by_key(|(_, value)| value.to_string());
            all.dedup_by(|(_, one), (_, other)| one == other);
            assert_eq!(all.len() as u64, things.count().unwrap(), "{seed}: a value twice");
        }
        let info = index(&things, "i").unwrap();
        assert_eq!((info.state, info.current), (IndexState::Readable, true), "{seed}");
        anew += u64::from(info.generation > 1);
        store.run().unwrap();
        check(&store);
    }
    println!("carried: {refused} refused, {anew} made anew");
    assert!(refused > 100 && anew > 10);
}
