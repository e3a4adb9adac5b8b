//! An optimizer has parameters of its own, so it is an object; and there is more to be measured than one loss for each epoch.

use pivotdb::{Evolution, Index, Op, Versioned, When};
use serde::{Deserialize, Serialize};

use crate::known::Known;
use crate::training;

#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    params: Params,
    metrics: Metrics,
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
    optimizer: Optimizer,
}

#[derive(Serialize, Deserialize)]
struct Optimizer {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    momentum: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct Metrics {
    accuracy: Option<f64>,
    #[serde(default)]
    history: Vec<Epoch>,
}

#[derive(Serialize, Deserialize)]
struct Epoch {
    loss: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
}

impl Versioned for Run {
    const KIND: &'static str = super::RUNS;

    fn evolution() -> Evolution {
        super::day3::Run::evolution().step(
            "optimizers and metrics",
            [
                // Not an `add`, which would be undone for a program of day 3 by taking out every optimizer.
                Op::set("optimizer", "sgd").when(When::absent("optimizer")),
                Op::wrap_object("optimizer", "name"),
                Op::move_field("optimizer", "params.optimizer"),
                Op::each("history", [Op::wrap_object("", "loss")]),
                Op::move_field("history", "metrics.history"),
                Op::move_field("acc", "metrics.accuracy"),
            ],
        )
    }

    fn indexes() -> Vec<Index> {
        let by_optimizer = Index::on("params.optimizer.name").and("metrics.accuracy").named("by optimizer");
        vec![Index::on("metrics.accuracy").named("best"), by_optimizer]
    }
}

super::typed!(4, "optimizers and metrics are objects", "metrics.accuracy");

fn run(known: &Known) -> Run {
    let config = &known.config;
    let momentum = match config.optimizer {
        training::Optimizer::Momentum(momentum) => Some(momentum),
        training::Optimizer::Sgd | training::Optimizer::Adam => None,
    };
    let history = known.epochs.iter();
    let history = history.map(|epoch| Epoch { loss: epoch.loss, accuracy: Some(epoch.accuracy) });
    Run {
        params: Params {
            lr: config.learning_rate,
            hidden: config.layers[0],
            epochs: config.epochs,
            optimizer: Optimizer { name: config.optimizer.name().into(), momentum },
        },
        metrics: Metrics { accuracy: known.accuracy, history: history.collect() },
        worker: known.worker,
        running: known.running.then_some(true),
        note: None,
    }
}
