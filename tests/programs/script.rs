//! The script, which has no types.

use std::cell::RefCell;
use std::path::Path;

use pivotdb::{Durability, ErrorKind, Evolution, Op, Store, To};
use serde_json::{Value, json};

thread_local! {
    /// What the script prints.
    static PRINTED: RefCell<Vec<Value>> = const { RefCell::new(Vec::new()) };
}

fn print(value: &Value) {
    println!("{value}");
    PRINTED.with_borrow_mut(|printed| printed.push(value.clone()));
}

/// The script, but for the path.
fn script(path: &Path) -> pivotdb::Result<()> {
    let store = Store::builder().durability(Durability::Buffered).open(path)?;
    let runs = store.documents("runs")?;
    runs.insert_many([json!({"lr": 0.1, "acc": "0.91"}), json!({"lr": 0.3, "note": "odd"})])?;
    runs.evolve(Evolution::new().step("acc is a number", [Op::convert("acc", To::Number).if_present()]))?;
    for run in runs.find(json!({"acc": {"$gte": 0.9}})).sort_desc("acc").limit(5) {
        print(&run?["lr"]);
    }
    Ok(())
}

/// The same, as the README has it: what is there from the first run on is inserted in the first run.
fn script_of_the_readme(path: &Path) -> pivotdb::Result<()> {
    let store = Store::builder().durability(Durability::Buffered).open(path)?;
    let runs = store.documents("runs")?;
    if store.is_new() {
        runs.insert_many([json!({"lr": 0.1, "acc": "0.91"}), json!({"lr": 0.3, "note": "odd"})])?;
    }
    runs.evolve(Evolution::new().step("acc is a number", [Op::convert("acc", To::Number).if_present()]))?;
    for run in runs.find(json!({"acc": {"$gte": 0.9}})).sort_desc("acc").limit(5) {
        print(&run?["lr"]);
    }
    store.close()
}

#[test]
fn the_script_prints_the_best_rates() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scratch.pivot");
    script(&path).unwrap();
    assert_eq!(PRINTED.take(), [json!(0.1)]);
    // What it left behind: both as they were stored, the one step to be declared again.
    let store = Store::open(&path).unwrap();
    let census = store.documents("runs").unwrap().census().unwrap();
    let counted: Vec<_> =
        census.iter().map(|entry| (&*entry.kind, entry.stamp.schema_version, entry.documents)).collect();
    assert_eq!(counted, [("runs", 1, 2)]);
}

/// The second run inserts before it says what its documents are: the kind has steps in the store by now, and which shape such documents
/// have is not known. It says so, and has written nothing.
#[test]
fn the_second_run_has_to_declare_its_steps_before_it_inserts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scratch.pivot");
    script(&path).unwrap();
    let error = script(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KindRequired);
    assert_eq!(PRINTED.take().len(), 1);
    assert_eq!(Store::open(&path).unwrap().documents("runs").unwrap().count().unwrap(), 2);
}

#[test]
fn the_script_of_the_readme_runs_as_often_as_one_likes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scratch.pivot");
    for _ in 0..3 {
        script_of_the_readme(&path).unwrap();
        assert_eq!(PRINTED.take(), [json!(0.1)]);
    }
    // It goes on where the first one stopped.
    let second = directory.path().join("second.pivot");
    script(&second).unwrap();
    script_of_the_readme(&second).unwrap();
    assert_eq!(PRINTED.take(), [json!(0.1), json!(0.1)]);
}
