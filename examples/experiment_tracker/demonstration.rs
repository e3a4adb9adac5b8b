//! Five days, and what comes between them: yesterday's program, and one that is older still.

use std::path::PathBuf;

use pivotdb::{Durability, Impact, Store};
use serde_json::json;

use crate::check::{check, equal};
use crate::days::{Program, RUNS, day1, day2, day3, day4, day5};
use crate::known::{All, best, id_of};
use crate::training::Data;
use crate::{Failable, logging, report};

/// The store, what must be in it, and what is left to try.
pub(crate) struct Demonstration {
    path: PathBuf,
    data: Data,
    threads: usize,
    all: All,
    answers: usize,
    looks: u64,
}

pub(crate) fn open(path: &PathBuf) -> pivotdb::Result<Store> {
    Store::builder().durability(Durability::Buffered).open(path)
}

impl Demonstration {
    pub(crate) fn new(path: PathBuf, threads: usize) -> Self {
        let (data, all) = (Data::spirals(1), All::new());
        Self { path, data, threads, all, answers: 0, looks: 0 }
    }

    /// The days; then what there is to see.
    pub(crate) fn run(&mut self, runs: usize) -> Failable {
        println!("{:<48}{:>5}  {:<34}index on accuracy", "program", "runs", "stored at schema version");
        let (daily, few) = (runs / 5, runs / 20);
        self.visit::<day1::Program>("", runs - 4 * daily, 0)?;
        self.visit::<day2::Program>("", daily, 1)?;
        self.visit::<day3::Program>("", daily, 1)?;
        self.visit::<day4::Program>("", daily - few, 1)?;
        // Something was wrong with it: yesterday's program is put back, and edits what today's has written.
        self.visit::<day3::Program>("  back to ", few, 3)?;
        self.visit::<day4::Program>("  forward to ", 0, 2)?;
        self.visit::<day5::Program>("", daily - few, 1)?;
        self.visit::<day4::Program>("  back to ", few, 3)?;
        self.visit::<day2::Program>("  back to ", 0, 1)?;
        self.visit::<day5::Program>("  forward to ", 0, 2)?;
        equal("how many runs were asked for", &self.all.len(), &runs)?;
        self.control()?;
        println!();
        println!("best runs over all shapes, found by the index:");
        let store = open(&self.path)?;
        let ranked = report::ranked(&store)?;
        let found: Vec<_> = ranked
            .iter()
            .map(|run| (id_of(run).to_owned(), run.metrics.accuracy.unwrap_or_default()))
            .collect();
        equal("the table", &found, &best(&self.all, 0.0))?;
        report::print(&store)?;
        store.close()?;
        println!();
        println!(
            "{} answers and {} snapshots equal to the oracle's, none different; self-check: a document altered behind the store's back was noticed",
            self.answers, self.looks
        );
        Ok(())
    }

    /// One program comes, logs some runs, puts a note on the best ones, and goes. Every answer is checked before and after.
    fn visit<P: Program>(&mut self, prefix: &str, runs: usize, notes: usize) -> Failable {
        let store = open(&self.path)?;
        let impact = impact(&store.impact(RUNS, &P::evolution())?);
        let collection = P::open(&store)?;
        self.answers += check::<P>(&store, &self.all)?;
        let first = self.all.len() + 1;
        let (mut logged, looks) = logging::log::<P>(&store, &self.data, first..first + runs, self.threads)?;
        self.all.append(&mut logged);
        for (rank, (id, _)) in best(&self.all, 0.0).into_iter().take(notes).enumerate() {
            let note = format!("no. {} on day {}", rank + 1, P::DAY);
            collection.update(&id, |run| P::annotate(run, &note))?;
            if let Some(known) = self.all.get_mut(&id) {
                known.note = Some(note);
                // What an older program writes stays in the newer shape.
                known.stored = known.stored.max(P::DAY);
            }
        }
        self.answers += check::<P>(&store, &self.all)?;
        self.looks += looks;
        let mut stored = std::collections::BTreeMap::new();
        for entry in collection.census()? {
            *stored.entry(entry.stamp.schema_version).or_insert(0) += entry.documents;
        }
        let stored: Vec<_> = stored.iter().map(|(version, count)| format!("{version}: {count}")).collect();
        let program = match prefix {
            "" => format!("day {}: {}", P::DAY, P::CHANGE),
            _ => format!("{prefix}day {}", P::DAY),
        };
        let impact = if P::ACCURACY.is_some() { impact } else { "none" };
        println!("{program:<48}{:>5}  {:<34}{impact}", self.all.len(), stored.join(", "));
        store.close()?;
        Ok(())
    }

    /// The checks themselves, checked: a document that was changed behind their back must be found.
    fn control(&self) -> Failable {
        let store = open(&self.path)?;
        let runs = day5::Program::open(&store)?;
        let Some((id, accuracy)) = best(&self.all, 0.0).into_iter().next() else { return Ok(()) };
        runs.merge_patch(&id, &json!({"metrics": {"accuracy": 0.5}}))?;
        if check::<day5::Program>(&store, &self.all).is_ok() {
            return Err("a document altered behind the store's back was not noticed".into());
        }
        runs.merge_patch(&id, &json!({"metrics": {"accuracy": accuracy}}))?;
        check::<day5::Program>(&store, &self.all)?;
        store.close()?;
        Ok(())
    }
}

/// What the program that is about to be deployed does to the index it ranks by.
fn impact(impacts: &[pivotdb::IndexImpact]) -> &'static str {
    match impacts.iter().find(|index| index.name == "best").map(|index| &index.impact) {
        None => "new",
        Some(Impact::Untouched) => "goes on as it is",
        Some(Impact::Renamed { .. }) => "goes on under its new path",
        Some(_) => "built anew",
    }
}
