//! It is worth a type. Parameters belong together; and of the loss there is a history, one entry for each epoch, written while the run goes on.

use pivotdb::{Evolution, Index, Op, Versioned};
use serde::{Deserialize, Serialize};

use crate::days::Program as _;
use crate::known::Known;

#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    params: Params,
    optimizer: Option<String>,
    acc: Option<f64>,
    #[serde(default)]
    history: Vec<f64>,
    worker: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    running: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Params {
    lr: f64,
    hidden: u64,
    epochs: u64,
}

impl Versioned for Run {
    const KIND: &'static str = super::RUNS;

    fn evolution() -> Evolution {
        super::day2::Program::evolution().step(
            "parameters and history",
            [
                Op::move_field("lr", "params.lr"),
                Op::move_field("hidden", "params.hidden"),
                Op::move_field("epochs", "params.epochs"),
                Op::rename("loss", "history"),
                Op::wrap_list("history"),
            ],
        )
    }

    fn indexes() -> Vec<Index> {
        vec![Index::on("acc").named("best")]
    }
}

super::typed!(3, "parameters together, losses in a list", "acc");

fn run(known: &Known) -> Run {
    let config = &known.config;
    Run {
        params: Params { lr: config.learning_rate, hidden: config.layers[0], epochs: config.epochs },
        optimizer: Some(config.optimizer.name().into()),
        acc: known.accuracy,
        history: known.epochs.iter().map(|epoch| epoch.loss).collect(),
        worker: known.worker,
        running: known.running.then_some(true),
        note: None,
    }
}
