//! What holds for every merge.

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::Raw;
use crate::encoding::merge::keys::ArrayKeys;
use crate::encoding::merge::testing::{body, json};
use crate::encoding::merge::trial::merge_values;
use crate::encoding::merge::typed::merge;

/// The view of a type that knows no member whose name begins with `u`.
fn strip(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let known = members.into_iter().filter(|(key, _)| !key.starts_with('u'));
            Value::Object(known.map(|(key, value)| (key, strip(value))).collect())
        }
        Value::Array(elements) => Value::Array(elements.into_iter().map(strip).collect()),
        scalar => scalar,
    }
}

fn values() -> impl Strategy<Value = Value> {
    let scalar =
        prop_oneof![(0..4_u32).prop_map(Value::from), "[xy]{0,2}".prop_map(Value::from), Just(Value::Null)];
    scalar.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..5).prop_map(Value::from),
            3 => vec(("[abc]|u[12]", inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[derive(Debug, Clone)]
enum Edit {
    Set(Value),
    Remove,
    Add(String, Value),
}

fn edits() -> impl Strategy<Value = Vec<(Index, Edit)>> {
    let edit = prop_oneof![
        values().prop_map(|value| Edit::Set(strip(value))),
        Just(Edit::Remove),
        ("[abcd]", values()).prop_map(|(key, value)| Edit::Add(key, strip(value))),
    ];
    vec((any::<Index>(), edit), 0..4)
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(members) => members.values().map(count).sum(),
        Value::Array(elements) => elements.iter().map(count).sum(),
        _ => 0,
    }
}

/// Makes an edit on the value that is `at`-th in the order in which they are written. Whether it is to be removed from what holds it.
fn apply(value: &mut Value, at: &mut usize, edit: &Edit) -> bool {
    if *at == 0 {
        *at = usize::MAX;
        match (edit, value) {
            (Edit::Set(new), value) => *value = new.clone(),
            (Edit::Remove, _) => return true,
            (Edit::Add(key, new), Value::Object(members)) => drop(members.insert(key.clone(), new.clone())),
            (Edit::Add(_, new), Value::Array(elements)) => elements.push(new.clone()),
            (Edit::Add(_, new), value) => *value = new.clone(),
        }
        return false;
    }
    *at -= 1;
    match value {
        Value::Object(members) => members.retain(|_, value| *at == usize::MAX || !apply(value, at, edit)),
        Value::Array(elements) => elements.retain_mut(|value| *at == usize::MAX || !apply(value, at, edit)),
        _ => {}
    }
    false
}

fn edited(mut value: Value, edits: &[(Index, Edit)]) -> Value {
    for (at, edit) in edits {
        let mut at = at.index(count(&value));
        apply(&mut value, &mut at, edit);
    }
    value
}

/// Checks that what the type does not know is in `result` wherever all that leads to it is an object in `after`, or an element that is known to be the same one; how
/// much that was.
pub(super) fn unknown_survives(base: &Value, after: &Value, result: &Value) -> Result<usize, TestCaseError> {
    if let (Value::Array(base), Value::Array(after), Value::Array(result)) = (base, after, result) {
        let mut survived = 0;
        for at in same_elements(base, after) {
            let element = result.get(at).ok_or_else(|| TestCaseError::fail("an element is gone"))?;
            survived += unknown_survives(&base[at], &after[at], element)?;
        }
        return Ok(survived);
    }
    let (Some(base), Some(after), Some(result)) = (base.as_object(), after.as_object(), result.as_object())
    else {
        return Ok(0);
    };
    let mut survived = 0;
    for (key, value) in base {
        if key.starts_with('u') {
            prop_assert_eq!(result.get(key), Some(value), "{}", key);
            survived += 1;
        } else if let (Some(after), Some(result)) = (after.get(key), result.get(key)) {
            survived += unknown_survives(value, after, result)?;
        }
    }
    Ok(survived)
}

/// The places where lists of equal length surely have the same element: equal ones at the front and at the back, and the others if none of them is equal to any, so that
/// they were edited where they stood.
fn same_elements(base: &[Value], after: &[Value]) -> Vec<usize> {
    if base.len() != after.len() {
        return Vec::new();
    }
    let before: Vec<_> = base.iter().cloned().map(strip).collect();
    let equal = |at: &usize| before[*at] == after[*at];
    let front = (0..base.len()).take_while(equal).count();
    let back = (front..base.len()).rev().take_while(equal).count();
    let middle = front..base.len() - back;
    let edited = before[middle.clone()].iter().all(|old| !after[middle.clone()].contains(old));
    (0..base.len()).filter(|at| edited || !middle.contains(at)).collect()
}

#[test]
fn the_type_reads_what_it_wrote_and_the_unknown_survives() {
    let mut runner = TestRunner::new(Config::with_cases(1000));
    let counts = Cell::new((0, 0, 0));
    let strategy = (values(), edits());
    let result = runner.run(&strategy, |(base, edits)| {
        let before = strip(base.clone());
        let after = edited(before.clone(), &edits);
        let result =
            merge_values(base.clone(), before, after.clone(), &ArrayKeys::none(), |value| Some(strip(value)));
        let result = result.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(strip(result.clone()), after.clone());
        let found = unknown_survives(&base, &after, &result)?;
        let (cases, survived, control) = counts.get();
        // The control: what the type wrote, alone, lacks all of it.
        let caught = unknown_survives(&base, &after, &after).is_err();
        prop_assert_eq!(caught, found > 0);
        counts.set((cases + usize::from(found > 0), survived + found, control + usize::from(caught)));
        Ok(())
    });
    result.unwrap();
    let (cases, survived, control) = counts.get();
    println!("unknown members survive: {survived} in {cases} merges, without merging caught in {control}");
    assert!(cases > 200 && survived > cases && control > 200);
}

proptest! {
    #[test]
    fn no_change_changes_no_byte(base in values(), after in values()) {
        let (base, view, after) = (body(base.clone()), body(strip(base)), body(after));
        let [base, view, after] = [&base, &view, &after].map(|body| Raw::new(body).unwrap());
        let reread = |raw: Raw<'_>| Some(body(strip(raw.to_value().unwrap())));
        let merged = |base, before, after| merge(base, before, after, Limits::default(), &ArrayKeys::none(), &reread).unwrap();
        prop_assert_eq!(merged(base, view, view), base.bytes());
        prop_assert_eq!(merged(base, base, after), after.bytes());
    }

    /// Views written twice may differ in the order of members, as hash maps do.
    #[test]
    fn the_order_of_members_is_no_change(base in values()) {
        fn reversed(value: &Value, out: &mut crate::encoding::body::writer::Writer) {
            match value {
                Value::Object(members) => {
                    let mark = out.begin_object().unwrap();
                    for (key, value) in members.iter().rev() {
                        out.key(key).unwrap();
                        reversed(value, out);
                    }
                    out.end(mark).unwrap();
                }
                Value::Array(elements) => {
                    let mark = out.begin_array().unwrap();
                    elements.iter().for_each(|element| reversed(element, out));
                    out.end(mark).unwrap();
                }
                scalar => out.raw(Raw::new(&body(scalar.clone())).unwrap()).unwrap(),
            }
        }
        let mut writer = crate::encoding::body::writer::Writer::new(Limits::default());
        reversed(&strip(base.clone()), &mut writer);
        let (base, before, after) = (body(base.clone()), body(strip(base)), writer.finish().unwrap());
        let [base, before, after] = [&base, &before, &after].map(|body| Raw::new(body).unwrap());
        let reread = |raw: Raw<'_>| Some(body(strip(raw.to_value().unwrap())));
        let merged = merge(base, before, after, Limits::default(), &ArrayKeys::none(), &reread).unwrap();
        prop_assert_eq!(merged, base.bytes());
    }

    #[test]
    fn any_bytes_are_merged_or_refused(bodies in vec(vec(prop_oneof![0..9_u8, 0x40..0x48_u8, any::<u8>()], 1..40), 3)) {
        let raws: Vec<_> = bodies.iter().filter_map(|bytes| Raw::new(bytes).ok()).collect();
        if let [base, before, after] = raws.as_slice() {
            let reread = |raw: Raw<'_>| Some(raw.bytes().to_vec());
            let _ = merge(*base, *before, *after, Limits::default(), &ArrayKeys::none(), &reread);
        }
    }
}

/// What a program does to a list of elements that have an id each.
#[derive(Debug, Clone)]
struct Rework {
    /// Ids of the elements, in their order.
    before: Vec<u32>,
    after: Vec<u32>,
    /// Those of `after` that were edited as well.
    edited: Vec<bool>,
}

/// `deep`: what the type does not know is two levels down.
fn stored(id: u32, deep: bool) -> Value {
    if deep {
        json!({"id": id, "n": 0, "parts": [{"k": {"id": id, "u": id}}]})
    } else {
        json!({"id": id, "n": 0, "u": id})
    }
}

fn owner(element: &Value) -> Option<&Value> {
    element.get("u").or_else(|| element.pointer("/parts/0/k/u"))
}

/// How many elements have what belongs to another, or lack what belongs to them.
fn misplaced(rework: &Rework, result: &[Value]) -> usize {
    assert_eq!(result.len(), rework.after.len());
    let wrong = |(element, id): (&Value, &u32)| {
        assert_eq!(element["id"], *id);
        owner(element) != rework.before.contains(id).then_some(&json!(id))
    };
    result.iter().zip(&rework.after).filter(|pair| wrong(*pair)).count()
}

fn run(rework: &Rework, deep: bool, keys: &ArrayKeys) -> Vec<Value> {
    let base: Vec<_> = rework.before.iter().map(|id| stored(*id, deep)).collect();
    let base = json!({"items": base, "u": 0});
    let before = strip(base.clone());
    let mut after = before.clone();
    after["items"] = rework
        .after
        .iter()
        .zip(&rework.edited)
        .map(|(id, edited)| {
            let mut element = strip(stored(*id, deep));
            if *edited {
                element["n"] = json!(1000 + id);
            }
            element
        })
        .collect();
    let result = merge_values(base, before, after.clone(), keys, |value| Some(strip(value))).unwrap();
    assert_eq!(strip(result.clone()), after);
    result["items"].as_array().unwrap().clone()
}

/// The fault that the law must find: unknown members stay at their index.
fn run_by_index(rework: &Rework, deep: bool) -> Vec<Value> {
    let element = |(at, id): (usize, &u32)| match rework.before.get(at) {
        Some(stored_id) => {
            let mut element = stored(*stored_id, deep);
            element["id"] = json!(id);
            element
        }
        None => strip(stored(*id, deep)),
    };
    rework.after.iter().enumerate().map(element).collect()
}

/// Removal, insertion and reordering, but not removal and insertion in one: then one may stand where the other stood, and only a key can tell.
fn reworks(both: bool) -> impl Strategy<Value = Rework> {
    let order = |ids: Vec<u32>| Just(ids).prop_shuffle();
    let ids = prop_oneof![(0..12_u32).prop_map(|n| (0..n).collect::<Vec<_>>())].prop_flat_map(order);
    (
        ids,
        vec(any::<bool>(), 12),
        vec((any::<Index>(), 100..200_u32), 0..4),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_flat_map(move |(before, keep, insert, removes, inserts, moves)| {
            let mut after = before.clone();
            if removes {
                let mut keep = keep.iter();
                after.retain(|_| *keep.next().unwrap_or(&true));
            }
            if inserts && (both || !removes) {
                for (at, id) in insert {
                    if !after.contains(&id) {
                        after.insert(at.index(after.len() + 1), id);
                    }
                }
            }
            let after = if moves { Just(after).prop_shuffle().boxed() } else { Just(after).boxed() };
            (Just(before), after, vec(any::<bool>(), 16)).prop_map(move |(before, after, mut edited)| {
                if !both {
                    edited.fill(false);
                }
                edited.resize(after.len(), false);
                Rework { before, after, edited }
            })
        })
}

#[test]
fn nothing_moves_between_elements() {
    let counts = Cell::new((0, 0));
    let mut runner = TestRunner::new(Config::with_cases(500));
    let result = runner.run(&(reworks(false), any::<bool>()), |(rework, deep)| {
        prop_assert_eq!(misplaced(&rework, &run(&rework, deep, &ArrayKeys::none())), 0);
        let caught = misplaced(&rework, &run_by_index(&rework, deep));
        let (cases, control) = counts.get();
        counts.set((cases + usize::from(rework.before != rework.after), control + usize::from(caught > 0)));
        Ok(())
    });
    result.unwrap();
    let (cases, control) = counts.get();
    println!("nothing moves between elements: {cases} reworked lists, merging by index caught in {control}");
    assert!(cases > 200 && control > 200);
}

#[test]
fn with_a_key_nothing_moves_whatever_is_done() {
    let mut keys = ArrayKeys::none();
    keys.declare(["items"], "id");
    let counts = Cell::new(0);
    let mut runner = TestRunner::new(Config::with_cases(500));
    let result = runner.run(&(reworks(true), any::<bool>()), |(rework, deep)| {
        prop_assert_eq!(misplaced(&rework, &run(&rework, deep, &keys)), 0);
        counts
            .set(counts.get() + usize::from(rework.before != rework.after && rework.edited.contains(&true)));
        Ok(())
    });
    result.unwrap();
    println!("with a key nothing moves: {} lists reworked and edited at once", counts.get());
    assert!(counts.get() > 200);
}

/// As far beyond the bound of the common subsequence as in reach of a test.
#[test]
fn nothing_moves_in_long_lists() {
    let before: Vec<u32> = (0..1000).collect();
    let mut after: Vec<u32> = before.iter().rev().copied().filter(|id| !id.is_multiple_of(7)).collect();
    after.rotate_left(300);
    let rework = Rework { edited: vec![false; after.len()], before, after };
    assert_eq!(misplaced(&rework, &run(&rework, true, &ArrayKeys::none())), 0);
    let mut inserted = rework.before.clone();
    (0..50).for_each(|n| inserted.insert(n * 19 + 3, 5000 + u32::try_from(n).unwrap()));
    let rework = Rework { edited: vec![false; inserted.len()], before: rework.before, after: inserted };
    assert_eq!(misplaced(&rework, &run(&rework, false, &ArrayKeys::none())), 0);
}

proptest! {
    #[test]
    fn what_is_edited_in_place_keeps_its_own(edited in vec(any::<bool>(), 0..40), deep: bool) {
        let ids: Vec<u32> = (0..u32::try_from(edited.len()).unwrap()).collect();
        let rework = Rework { before: ids.clone(), after: ids, edited };
        prop_assert_eq!(misplaced(&rework, &run(&rework, deep, &ArrayKeys::none())), 0);
    }

    /// An edit beside an insertion: between two that did not change, as many as before.
    #[test]
    fn what_is_edited_between_its_neighbours_keeps_its_own(edit in 0..3_usize, insert in 0..3_usize) {
        let (at, to) = ([1_usize, 3, 5][edit], [0_usize, 7, 3][insert]);
        let before: Vec<u32> = (0..7).collect();
        let mut after = before.clone();
        let mut edited = vec![false; 7];
        edited[at] = true;
        // Not beside it: there nothing tells the edited from the new.
        prop_assume!(to != at && to != at + 1);
        after.insert(to, 500);
        edited.insert(to, false);
        let rework = Rework { before, after, edited };
        prop_assert_eq!(misplaced(&rework, &run(&rework, false, &ArrayKeys::none())), 0);
    }
}

#[test]
fn members_keep_their_place_and_their_bytes() {
    let order = |body: &[u8]| -> Vec<String> {
        Raw::new(body).unwrap().members().map(|member| member.unwrap().0.to_owned()).collect()
    };
    let mut base = crate::encoding::body::writer::Writer::new(Limits::default());
    let mark = base.begin_object().unwrap();
    for (key, number) in [("z", 1), ("u", 2), ("m", 3), ("a", 4)] {
        base.key(key).unwrap();
        base.unsigned(number).unwrap();
    }
    base.end(mark).unwrap();
    let base = base.finish().unwrap();
    // The type reads floats: what it did not change stays an integer.
    let before = body(json!({"a": 4.0, "m": 3.0, "z": 1.0}));
    let after = body(json!({"a": 4.0, "b": 1.5, "m": 9.0}));
    let [raw, before, after] = [&base, &before, &after].map(|body| Raw::new(body).unwrap());
    let reread = |raw: Raw<'_>| {
        let members: Map<_, _> = raw.to_value().ok()?.as_object()?.clone();
        let floats = members
            .into_iter()
            .filter(|(key, _)| key != "u")
            .map(|(key, value)| (key, json!(value.as_f64())));
        Some(body(Value::Object(floats.collect())))
    };
    let merged = merge(raw, before, after, Limits::default(), &ArrayKeys::none(), &reread).unwrap();
    assert_eq!(order(&merged), ["u", "m", "a", "b"]);
    assert_eq!(json(&merged).to_string(), r#"{"a":4,"b":1.5,"m":9.0,"u":2}"#);
}
