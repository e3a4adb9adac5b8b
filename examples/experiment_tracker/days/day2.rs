//! Texts cannot be ranked: the accuracy is a number, where it is any. Which optimizer and what loss are new members, which need no step.

use pivotdb::{Collection, Evolution, Index, Op, Store, To};
use serde_json::{Value, json};

use crate::known::Known;

pub(crate) struct Program;

impl super::Program for Program {
    const DAY: u32 = 2;
    const CHANGE: &'static str = "the accuracy is a number";
    const ACCURACY: Option<&'static str> = Some("acc");

    type Run = Value;

    fn evolution() -> Evolution {
        super::day1::Program::evolution()
            .step("acc is a number", Op::convert("acc", To::Number).or(Value::Null).if_present())
    }

    fn open(store: &Store) -> pivotdb::Result<Collection<Value>> {
        let runs = store.documents(super::RUNS)?;
        runs.evolve(Self::evolution())?;
        runs.create_index(&Index::on("acc").named("best"))?;
        Ok(runs)
    }

    fn run(known: &Known) -> Value {
        let mut run = json!({
            "lr": known.config.learning_rate,
            "hidden": known.config.layers[0],
            "epochs": known.config.epochs,
            "acc": known.accuracy,
            "worker": known.worker,
            "optimizer": known.config.optimizer.name(),
        });
        if let Some(last) = known.epochs.last() {
            run["loss"] = json!(last.loss);
        }
        run
    }

    fn annotate(run: &mut Value, note: &str) {
        run["note"] = json!(note);
    }
}
