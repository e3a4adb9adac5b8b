//! A script: no types, and steps at run time. It collects what training runs report, changes its mind twice about what that looks
//! like, and never rewrites a document for it.
//!
//! ```sh
//! cargo run --example script
//! ```

#![expect(clippy::print_stdout, reason = "a program for the terminal")]
#![expect(clippy::indexing_slicing, reason = "of a JSON value: what is not there is null")]

use pivotdb::{Durability, Evolution, Function, Op, Store, To};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("scratch.pivot");
    let store = Store::builder().durability(Durability::Buffered).open(&path)?;

    // Whatever comes is stored as it comes.
    let runs = store.documents("runs")?;
    let ids = runs.insert_many([
        json!({"lr": 0.1, "acc": "0.91", "host": "a"}),
        json!({"lr": 0.3, "note": "odd"}),
        json!({"lr": 0.2, "acc": "n/a", "host": "b"}),
    ])?;

    // First change of mind: accuracies are numbers, where they are any. It takes effect with this line, for every
    // document, and rewrites none.
    let steps =
        Evolution::new().step("acc is a number", Op::convert("acc", To::Number).or(Value::Null).if_present());
    runs.evolve(steps.clone())?;
    let best = best(&runs)?;
    println!("best: {best}");
    assert_eq!((&best["acc"], &best["host"]), (&json!(0.91), &json!("a")));
    assert_eq!(runs.require(&ids[2])?["acc"], Value::Null);
    assert_eq!(runs.require(&ids[1])?.get("acc"), None, "what is not there is not made up");
    assert_eq!(runs.require(&ids[0])?.stamp().schema_version, 1, "reading rewrites nothing");

    // New documents are in the new shape, and stand beside the old ones.
    runs.insert_with_id("latest", &json!({"lr": 0.05, "acc": 0.97, "host": "c"}))?;
    assert_eq!(self::best(&runs)?["host"], "c");

    // Second change of mind: what was set belongs together, and the score is a percentage. The steps grow at their end.
    let steps = steps.step("settings", Op::move_field("lr", "settings.lr")).step(
        "percent",
        Function::new("percent", |run, _| {
            if let Some(acc) = run["acc"].as_f64() {
                run["acc"] = json!((acc * 1000.0).round() / 10.0);
            }
        }),
    );
    runs.evolve(steps.clone())?;
    let latest = runs.require("latest")?;
    assert_eq!(*latest, json!({"acc": 97.0, "host": "c", "settings": {"lr": 0.05}}));
    assert_eq!(runs.require(&ids[0])?["acc"], 91.0, "through both steps");

    // A write brings a document to the newest shape, and writes the difference.
    let noted = runs.update(&ids[1], |run| run["note"] = json!("odd, but kept"))?;
    assert_eq!((noted.stamp().schema_version, &noted["settings"]["lr"]), (4, &json!(0.3)));

    // Another script, later: the steps are in the store, with their ops; functions it has to bring itself.
    store.close()?;
    let store = Store::open(&path)?;
    let runs = store.documents("runs")?;
    runs.evolve(steps)?;
    let mut shapes: Vec<u32> = Vec::new();
    for run in runs.iter() {
        let run = run?;
        println!("{} {}", run.stamp(), *run);
        assert!(
            run["settings"]["lr"].is_number() && run.get("lr").is_none(),
            "all of them in the newest shape"
        );
        shapes.push(run.stamp().schema_version);
    }
    shapes.sort_unstable();
    assert_eq!(shapes, [1, 1, 2, 4], "stored as they were written");
    store.close()?;
    println!("script: ok");
    Ok(())
}

/// The run with the best accuracy.
fn best(runs: &pivotdb::Collection<Value>) -> pivotdb::Result<Value> {
    let mut best = (f64::MIN, Value::Null);
    for run in runs.iter() {
        let run = run?.into_value();
        if let Some(acc) = run["acc"].as_f64().filter(|acc| *acc > best.0) {
            best = (acc, run);
        }
    }
    Ok(best.1)
}
