//! The table.

use pivotdb::{Document, Store, field};

use crate::Failable;
use crate::check::led_by;
use crate::days::Program as _;
use crate::days::day5::{self, Run};
use crate::known::id_of;

/// The runs that have come to an end, the best first, as today's program sees them.
pub(crate) fn ranked(store: &Store) -> Failable<Vec<Document<Run>>> {
    let runs = day5::Program::open(store)?;
    let query = runs.find(field("metrics.accuracy").gte(0.0)).sort_desc("metrics.accuracy");
    led_by(&query, "best", u64::MAX)?;
    Ok(query.to_vec()?)
}

/// The best ten, and how they were found.
pub(crate) fn print(store: &Store) -> Failable {
    let runs = day5::Program::open(store)?;
    let best = runs.find(field("metrics.accuracy").gte(0.0)).sort_desc("metrics.accuracy").limit(10);
    let explained = led_by(&best, "best", 10)?;
    table(&best.to_vec()?);
    println!(
        "plan: {}; {} keys and {} documents examined, {} of them upcast",
        explained.plan, explained.keys_examined, explained.documents_examined, explained.documents_upcast
    );
    Ok(())
}

fn table(ranked: &[Document<Run>]) {
    println!(
        "{:<5}{:<10}{:>8}  {:<9}{:>8}  {:<8}{:<10}{:>6}  note",
        "", "run", "accuracy", "stored as", "rate", "layers", "optimizer", "epochs"
    );
    for (rank, run) in ranked.iter().enumerate() {
        println!(
            "{:<5}{:<10}{:>8.4}  {:<9}{:>8}  {:<8}{:<10}{:>6}  {}",
            format!("{}.", rank + 1),
            id_of(run),
            run.metrics.accuracy.unwrap_or_default(),
            format!("shape {}", run.stamp().schema_version),
            run.params.optimizer.learning_rate,
            layers(run),
            run.params.optimizer.name,
            run.params.epochs,
            run.note.as_deref().unwrap_or_default(),
        );
    }
}

fn layers(run: &Run) -> String {
    run.params.layers.iter().map(u64::to_string).collect::<Vec<_>>().join("+")
}
