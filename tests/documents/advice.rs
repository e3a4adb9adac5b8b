//! What errors tell somebody to do: a user followed some of it, and it led nowhere.

use pivotdb::{
    Error, ErrorKind, Evolution, Export, Function, Import, Op, Plan, StepContext, Store, To, field,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::Medium;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Mailed {
    email: String,
}

fn things(store: &Store) -> pivotdb::Collection<Value> {
    store.collection_with("things", "thing", &Evolution::new()).unwrap()
}

/// The error's text has each of `parts`.
fn says(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn what_is_passed_in_needs_no_step() {
    let store = Store::memory().unwrap();
    let mailed = store.collection_with::<Mailed>("users", "user", &Evolution::new()).unwrap();
    mailed.insert_with_id(1, &Mailed { email: "a@b".into() }).unwrap();
    let patched = mailed.merge_patch(1, &json!({"email": 3})).unwrap_err();
    assert_eq!(patched.kind(), ErrorKind::Mismatch);
    says(&patched, &["nothing was written; the value does not fit the type"]);
    let imported = Import::into(&mailed).read_from(&b"{\"email\": 3}\n"[..]).unwrap_err();
    assert_eq!(imported.kind(), ErrorKind::Mismatch);
    says(&imported, &["the value does not fit the type"]);
    assert_eq!(mailed.require(1).unwrap().email, "a@b");
}

/// The older program's document was deleted a field by a newer one; the older one was told to add a step.
#[test]
fn a_field_that_a_newer_step_removed_is_not_one_that_is_new() {
    let medium = Medium::new();
    let removing = Evolution::new()
        .step("count logins", Op::add("logins", 0))
        .step("no mail", Op::remove("email"))
        .step("note", Op::add("note", ""));
    let newer = medium.open();
    let users = newer.collection_with::<Value>("users", "user", &removing).unwrap();
    users.insert_with_id(1, &json!({"name": "Ada", "logins": 1, "note": ""})).unwrap();
    newer.close().unwrap();
    let older = medium.open();
    let users = older.collection_with::<Mailed>("users", "user", &Evolution::new()).unwrap();
    let read = users.get(1).unwrap_err();
    let updated = users.update(1, |user| user.email.clear()).unwrap_err();
    for error in [read, updated] {
        assert_eq!((error.kind(), error.context().step()), (ErrorKind::Mismatch, Some("no mail")));
        says(&error, &["a newer step may have removed it", "restoring(..)", "default"]);
    }
    // One that is not there in the program's own shape is as before.
    things(&older).insert_with_id(1, &json!({})).unwrap();
    let typed = older.collection_with::<Mailed>("things", "thing", &Evolution::new()).unwrap();
    says(&typed.get(1).unwrap_err(), &["#[serde(default)]"]);
}

#[test]
fn a_limit_that_cannot_be_raised_is_not_to_be_raised() {
    let store = Store::builder().commit_limit(1_000).document_limit(800).depth_limit(3).memory().unwrap();
    let things = things(&store);
    let deep = things.insert(&json!([[[[1]]]])).unwrap_err();
    assert_eq!(deep.kind(), ErrorKind::TooDeep);
    says(&deep, &["nothing was written; nest less"]);
    let large = things.insert(&json!("x".repeat(900))).unwrap_err();
    assert_eq!(large.kind(), ErrorKind::TooLarge);
    assert!(!large.to_string().contains("raise"), "{large}");
    let many = things.insert_many((0..9).map(|_| json!("x".repeat(300)))).unwrap_err();
    assert_eq!(many.kind(), ErrorKind::TooLarge);
    says(&many, &["nothing was written; store less at once, or raise commit_limit"]);
}

#[test]
fn who_lacks_a_function_is_not_told_to_add_an_inverse() {
    let medium = Medium::new();
    let newer = medium.open();
    let function = Function::new("shout", |body, _| body["loud"] = json!(true));
    let steps = Evolution::new().step("shout", function);
    let users = newer.collection_with::<Value>("users", "user", &steps).unwrap();
    users.insert_with_id(1, &json!({})).unwrap();
    // It has the function, and no way back over it.
    let back = users.view::<Value>(1).unwrap().get(1).unwrap_err();
    assert_eq!(back.kind(), ErrorKind::HistoryDiverged);
    says(&back, &["give the function a downcast"]);
    newer.close().unwrap();
    let older = medium.open();
    let users = older.collection_with::<Value>("users", "user", &Evolution::new()).unwrap();
    let error = users.get(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HistoryDiverged);
    says(&error, &["run a program that has this function"]);
}

#[test]
fn an_import_names_what_goes_on_over_what_is_there() {
    let store = Store::memory().unwrap();
    things(&store).insert_with_id(1, &json!({"n": 1})).unwrap();
    let mut export = Vec::new();
    Export::store(&store).write_to(&mut export).unwrap();
    let error = Import::into_store(&store).read_from(export.as_slice()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    says(&error, &["overwrite_existing", "skip_existing"]);
    Import::into_store(&store).skip_existing().read_from(export.as_slice()).unwrap();
}

#[test]
fn an_import_of_a_list_is_told_what_it_should_have_been() {
    let store = Store::memory().unwrap();
    let things = store.documents("things").unwrap();
    let error = Import::into(&things).read_from(&b"[\n{\"n\": 1}\n]\n"[..]).unwrap_err();
    says(&error, &["one value on each line, not a list"]);
    // A document may be a list, and what is wrong further down is another matter.
    let error = Import::into(&things).read_from(&b"[1]\n{\"n\"\n"[..]).unwrap_err();
    assert!(!error.to_string().contains("not a list"), "{error}");
}

#[test]
fn an_id_of_another_kind_is_not_to_be_written_over() {
    let store = Store::memory().unwrap();
    things(&store).insert_with_id(1, &json!({"n": 1})).unwrap();
    let users = store.collection_with::<Value>("things", "user", &Evolution::new()).unwrap();
    let live = users.insert_with_id(1, &json!({})).unwrap_err();
    let within = store.transaction(|tx| tx.on(&users).insert_with_id(1, &json!({}))).unwrap_err();
    for error in [live, within] {
        assert_eq!((error.kind(), error.context().kind()), (ErrorKind::AlreadyExists, Some("thing")));
        says(&error, &["it is of another kind"]);
    }
    assert_eq!(users.put(1, &json!({})).unwrap_err().kind(), ErrorKind::KindMismatch);
    // One of its own kind is told what it was told before.
    says(&things(&store).insert_with_id(1, &json!({})).unwrap_err(), &["use put or overwrite"]);
}

#[test]
fn a_handle_that_cannot_do_it_says_which_one_can() {
    let store = Store::memory().unwrap();
    let things = things(&store);
    let snapshot = store.snapshot().unwrap();
    says(&snapshot.on(&things).insert(&json!({})).unwrap_err(), &["write through the store's collection"]);
    let view = things.view::<Value>(9).unwrap_err();
    assert_eq!(view.kind(), ErrorKind::InvalidOption);
    says(&view, &["schema version 9, least 1, most 1"]);
    let plan = Plan::between(&Evolution::new().step("a", Op::add("a", 1)), "thing", 1, 9).unwrap_err();
    says(&plan, &["schema version 9, least 1, most 2"]);
    let untyped = store.documents("things").unwrap();
    says(&untyped.view::<Value>(1).unwrap_err(), &["use a typed collection, or one of collection_with"]);
}

/// It was told to insert through a typed collection, which untyped programs do not have.
#[test]
fn an_untyped_program_can_declare_steps_too() {
    let medium = Medium::new();
    let newer = medium.open();
    let steps = Evolution::new().step("a", Op::add("a", 1));
    newer.collection_with::<Value>("things", "thing", &steps).unwrap().insert(&json!({"a": 1})).unwrap();
    newer.close().unwrap();
    let things = medium.open().documents("things").unwrap();
    let error = things.insert(&json!({})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KindRequired);
    says(&error, &["declare its steps first, with evolve or collection_with, or use a typed collection"]);
    things.evolve(steps).unwrap();
    things.insert(&json!({})).unwrap();
}

#[test]
fn a_step_says_what_it_could_not_convert() {
    let steps = Evolution::new().step("n", Op::convert("n", To::Integer));
    let plan = Plan::between(&steps, "thing", 1, 2).unwrap();
    let (id, long) = (1.into(), "x".repeat(100));
    let context = StepContext::new("thing", &id);
    says(&plan.apply(json!({"n": "many"}), &context).unwrap_err(), &["value \"many\", to integer"]);
    let error = plan.apply(json!({"n": long}), &context).unwrap_err();
    says(&error, &["xxx...", "to integer"]);
    assert!(!error.to_string().contains(&long), "{error}");
}

#[test]
fn an_op_says_what_does_not_belong_to_it() {
    let modified = Evolution::new().step("a", Op::add("a", 1).restoring(2)).check().unwrap_err();
    says(&modified, &["`restoring` is for a remove"]);
    let text = r#"[{"name": "a", "ops": [{"op": "remove", "path": "a", "restroe": 1}]}]"#;
    says(&Evolution::from_json(text).unwrap_err(), &["\"restroe\""]);
}

#[test]
fn a_pattern_says_why_it_is_none() {
    let things = Store::memory().unwrap().documents("things").unwrap();
    let error = things.find(field("a").matches("(")).to_vec().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidFilter);
    assert!(
        error.context().detail("reason").is_some_and(|reason| reason.contains("without closing")),
        "{error}"
    );
}

#[test]
#[cfg(feature = "sled")]
fn a_file_is_no_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    std::fs::write(&path, "mine").unwrap();
    let error = Store::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForeignDirectory);
    says(&error, &["the path is a file, and a store is a directory", "notes.txt"]);
}

/// What `fn main() -> pivotdb::Result<()>` prints.
#[test]
fn what_main_prints_has_the_advice_and_the_causes() {
    let store = Store::memory().unwrap();
    let things = things(&store);
    things.insert_with_id(1, &json!({})).unwrap();
    let error = things.insert_with_id(1, &json!({})).unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    let error = things.update(1, |_| ()).and_then(|_| Err::<(), _>(Error::abort("not enough"))).unwrap_err();
    assert_eq!(format!("{error:?}"), "given up by the caller\ncaused by: not enough");
    says(&error, &["not enough"]);
}
