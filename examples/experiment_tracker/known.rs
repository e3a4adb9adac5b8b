//! The oracle: what the example knows of every run, in memory; what a run looks like to each day's program, written down
//! without any step or index of PivotDB's; and the answers to its questions.

use std::collections::BTreeMap;

use pivotdb::Document;
use serde_json::{Value, json};

use crate::random::Random;
use crate::training::{Config, Epoch, Optimizer};

/// A run.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Whose program has logged it.
    pub(crate) day: u32,
    pub(crate) config: Config,
    pub(crate) worker: u32,
    pub(crate) running: bool,
    pub(crate) accuracy: Option<f64>,
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) note: Option<String>,
    /// The schema version it must be stored at: that of the newest program that has written it.
    pub(crate) stored: u32,
}

/// All runs, by id.
pub(crate) type All = BTreeMap<String, Known>;

pub(crate) fn id(number: usize) -> String {
    format!("run-{number:04}")
}

/// The id of a run that was read.
pub(crate) fn id_of<T>(run: &Document<T>) -> &str {
    run.id().as_text().unwrap_or_default()
}

impl Known {
    /// The run of this number, not begun yet: every day there is more to try.
    pub(crate) fn planned(day: u32, number: usize) -> Self {
        let mut random = Random::new(number as u64);
        let optimizers =
            [Optimizer::Sgd, Optimizer::Momentum(0.9), Optimizer::Momentum(0.5), Optimizer::Adam];
        let optimizer = random.pick(match day {
            1 => &optimizers[..1],
            2 | 3 => &optimizers[..3],
            _ => &optimizers,
        });
        let exponent = match optimizer {
            Optimizer::Sgd => random.between(-1.7, 1.3),
            Optimizer::Momentum(_) => random.between(-2.3, 0.7),
            Optimizer::Adam => random.between(-3.0, -0.3),
        };
        let width = random.pick(&[4, 8, 12, 16]);
        let layers = if day >= 5 && random.unit() < 0.7 { vec![width, width] } else { vec![width] };
        let config = Config {
            // As a person would write it.
            learning_rate: (10_f64.powf(exponent) * 1e4).round() / 1e4,
            layers,
            epochs: random.pick(&[20, 40, 60]),
            optimizer,
            seed: number as u64,
        };
        let (running, accuracy, epochs, note) = (true, None, Vec::new(), None);
        Self { day, config, worker: 0, running, accuracy, epochs, note, stored: day }
    }

    /// What the program of that day sees.
    pub(crate) fn seen(&self, day: u32) -> Value {
        let config = &self.config;
        let (old, lists) = (day <= 2, day >= 5);
        let hidden = if self.day >= 5 { config.layers.clone() } else { vec![config.layers[0]] };
        let hidden = if lists { json!(hidden) } else { json!(hidden[0]) };
        let mut run = json!({"worker": self.worker});
        let params = if old { &mut run } else { &mut run["params"] };
        params[if lists { "layers" } else { "hidden" }] = hidden;
        params["epochs"] = json!(config.epochs);
        // The script of the first day did not say, and there was only one.
        let name = (self.day >= 2).then_some(config.optimizer.name());
        if day >= 4 {
            params["optimizer"] = json!({"name": name.unwrap_or("sgd")});
            if let (Optimizer::Momentum(momentum), true) = (config.optimizer, self.day >= 4) {
                params["optimizer"]["momentum"] = json!(momentum);
            }
        }
        let rate = if lists { &mut params["optimizer"]["learning_rate"] } else { &mut params["lr"] };
        *rate = json!(config.learning_rate);
        if let (Some(name), true) = (name, day <= 3) {
            run["optimizer"] = json!(name);
        }
        let accuracy = match (day, self.accuracy) {
            (1, Some(accuracy)) => json!(format!("{accuracy:.4}")),
            (1, None) => json!("diverged"),
            (_, accuracy) => json!(accuracy),
        };
        let losses = self.losses();
        if day >= 4 {
            run["metrics"] = json!({"accuracy": accuracy});
            if let Some(losses) = losses {
                let each = losses.iter().zip(&self.epochs).map(|(loss, epoch)| match self.day {
                    4.. => json!({"loss": loss, "accuracy": epoch.accuracy}),
                    _ => json!({"loss": loss}),
                });
                run["metrics"]["history"] = each.collect();
            }
        } else {
            run["acc"] = accuracy;
            match losses {
                Some(losses) if day == 3 => run["history"] = json!(losses),
                // Of a list, day 2 sees the first.
                Some(losses) => run["loss"] = json!(losses.first()),
                None => {}
            }
        }
        if let Some(note) = &self.note {
            run["note"] = json!(note);
        }
        if self.running {
            run["running"] = json!(true);
        }
        run
    }

    /// The losses that have been logged: none on the first day, the last one on the second.
    fn losses(&self) -> Option<Vec<f64>> {
        let mut all = self.epochs.iter().map(|epoch| epoch.loss);
        match self.day {
            1 => None,
            2 => all.next_back().map(|last| vec![last]),
            _ => Some(all.collect()),
        }
    }
}

/// The runs that are at least this accurate, the best first, and by id where they are equal.
pub(crate) fn best(all: &All, least: f64) -> Vec<(String, f64)> {
    let mut best: Vec<(String, f64)> =
        all.iter().filter_map(|(id, run)| Some((id.clone(), run.accuracy?))).collect();
    best.retain(|(_, accuracy)| *accuracy >= least);
    best.sort_by(|(one, a), (other, b)| b.total_cmp(a).then_with(|| one.cmp(other)));
    best
}
