//! The first program, a script: whatever comes to mind, all at the top, and the accuracy as the text that was printed anyway. No steps.

use pivotdb::{Collection, Evolution, Store};
use serde_json::{Value, json};

use crate::known::Known;

pub(crate) struct Program;

impl super::Program for Program {
    const DAY: u32 = 1;
    const CHANGE: &'static str = "a script logs what it prints";
    const ACCURACY: Option<&'static str> = None;

    type Run = Value;

    fn evolution() -> Evolution {
        Evolution::new()
    }

    fn open(store: &Store) -> pivotdb::Result<Collection<Value>> {
        let runs = store.documents(super::RUNS)?;
        runs.evolve(Self::evolution())?;
        Ok(runs)
    }

    fn run(known: &Known) -> Value {
        json!({
            "lr": known.config.learning_rate,
            "hidden": known.config.layers[0],
            "epochs": known.config.epochs,
            "acc": known.accuracy.map_or("diverged".into(), |accuracy| format!("{accuracy:.4}")),
            "worker": known.worker,
        })
    }

    fn annotate(run: &mut Value, note: &str) {
        run["note"] = json!(note);
    }
}
