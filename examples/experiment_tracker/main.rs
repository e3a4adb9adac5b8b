//! A tracker of machine-learning experiments whose parameters and metrics change shape every day.
//!
//! ```sh
//! cargo run --release --example experiment_tracker
//! cargo run --release --example experiment_tracker -- --store runs.pivot --plot best.svg
//! cargo run --release --example experiment_tracker -- log --store runs.pivot --runs 20
//! cargo run --release --example experiment_tracker -- best --store runs.pivot --plot best.svg
//! ```
//!
//! `days/` has what a user writes: a program for each day, the first two without types, and the steps between them. Nothing is ever migrated; the best runs
//! are found over all shapes, by an index. The rest is a tool, and checks itself: every run is remembered in memory, too, with what it has to look like to
//! each program, and any difference ends the demonstration with an error.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]
#![expect(
    clippy::indexing_slicing,
    reason = "of JSON values, where what is not there is null, and of layers, which are as long as each other"
)]

mod arguments;
mod check;
mod days;
mod demonstration;
mod known;
mod logging;
mod plot;
mod random;
mod report;
mod training;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use arguments::{Arguments, Command, USAGE};
use days::Program as _;
use days::day5;
use demonstration::Demonstration;
use pivotdb::Store;
use training::Data;

pub(crate) type Failable<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    match in_a_directory(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("experiment_tracker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Unless a place was named, the store is in a temporary directory, which is removed at the end, also after an error.
fn in_a_directory(arguments: &Arguments) -> Failable {
    let directory = tempfile::Builder::new().prefix("experiments-").tempdir()?;
    let here = |name: &str| directory.path().join(name);
    let store = arguments.store.clone().unwrap_or_else(|| here("runs.pivot"));
    let plot = arguments.plot.clone().unwrap_or_else(|| here("best.svg"));
    match arguments.command {
        Command::Demonstrate => demonstrate(arguments, store, &plot)?,
        Command::Log => log(arguments, &store)?,
        Command::Best => best(&store, arguments.plot.as_deref())?,
    }
    directory.close()?;
    Ok(())
}

fn demonstrate(arguments: &Arguments, store: PathBuf, plot: &Path) -> Failable {
    if store.exists() {
        return Err(format!("{} is there already; `log` and `best` go on with it", store.display()).into());
    }
    Demonstration::new(store.clone(), arguments.threads).run(arguments.runs)?;
    draw(&store, plot, arguments.plot.is_some())?;
    println!("experiment_tracker: ok, {} runs in 5 shapes, {} threads", arguments.runs, arguments.threads);
    Ok(())
}

fn log(arguments: &Arguments, path: &PathBuf) -> Failable {
    let store = demonstration::open(path)?;
    let runs = day5::Program::open(&store)?;
    let first = usize::try_from(runs.count()?)? + 1;
    let numbers = first..first + arguments.runs;
    let (logged, _) = logging::log::<day5::Program>(&store, &Data::spirals(1), numbers, arguments.threads)?;
    for (id, known) in &logged {
        let stored = store.documents(days::RUNS)?.require(id)?;
        check::equal(id, &*stored, &known.seen(5))?;
    }
    println!("{} runs logged, {} in all", logged.len(), runs.count()?);
    store.close()?;
    Ok(())
}

fn best(path: &PathBuf, plot: Option<&Path>) -> Failable {
    // Reading makes no store; the error names the path.
    let store = Store::builder().create(false).open(path)?;
    report::print(&store)?;
    store.close()?;
    plot.map_or(Ok(()), |plot| draw(path, plot, true))
}

/// The picture, of which is told if it is `kept`.
fn draw(store: &PathBuf, plot: &Path, kept: bool) -> Failable {
    let store = demonstration::open(store)?;
    let ranked = report::ranked(&store)?;
    let svg = plot::svg(&ranked);
    std::fs::write(plot, &svg)?;
    store.close()?;
    if kept {
        println!("{}: {} runs, {} bytes", plot.display(), ranked.len(), svg.len());
    }
    Ok(())
}
