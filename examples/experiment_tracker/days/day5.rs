//! The learning rate is the optimizer's, and a network may have several hidden layers. This is today's program: the table and the plot are made with its type.

use pivotdb::{Evolution, Index, Op, Versioned};
use serde::{Deserialize, Serialize};

use crate::known::Known;
use crate::training;

#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) params: Params,
    pub(crate) metrics: Metrics,
    worker: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    running: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Params {
    pub(crate) layers: Vec<u64>,
    pub(crate) epochs: u64,
    pub(crate) optimizer: Optimizer,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Optimizer {
    pub(crate) name: String,
    pub(crate) learning_rate: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    momentum: Option<f64>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Metrics {
    pub(crate) accuracy: Option<f64>,
    #[serde(default)]
    pub(crate) history: Vec<Epoch>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Epoch {
    pub(crate) loss: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
}

impl Versioned for Run {
    const KIND: &'static str = super::RUNS;

    fn evolution() -> Evolution {
        super::day4::Run::evolution().step(
            "layers",
            [
                Op::move_field("params.lr", "params.optimizer.learning_rate"),
                Op::rename("params.hidden", "params.layers"),
                Op::wrap_list("params.layers"),
            ],
        )
    }

    fn indexes() -> Vec<Index> {
        super::day4::Run::indexes()
    }
}

super::typed!(5, "several layers, rates with optimizers", "metrics.accuracy");

fn run(known: &Known) -> Run {
    let config = &known.config;
    let momentum = match config.optimizer {
        training::Optimizer::Momentum(momentum) => Some(momentum),
        training::Optimizer::Sgd | training::Optimizer::Adam => None,
    };
    let optimizer =
        Optimizer { name: config.optimizer.name().into(), learning_rate: config.learning_rate, momentum };
    let history = known.epochs.iter();
    let history = history.map(|epoch| Epoch { loss: epoch.loss, accuracy: Some(epoch.accuracy) });
    Run {
        params: Params { layers: config.layers.clone(), epochs: config.epochs, optimizer },
        metrics: Metrics { accuracy: known.accuracy, history: history.collect() },
        worker: known.worker,
        running: known.running.then_some(true),
        note: None,
    }
}
