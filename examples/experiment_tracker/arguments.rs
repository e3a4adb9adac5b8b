//! The command line.

use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
usage: experiment_tracker [--runs N] [--threads T] [--store DIR] [--plot FILE.svg]
       experiment_tracker log --store DIR [--runs N] [--threads T]
       experiment_tracker best --store DIR [--plot FILE.svg]

Without a command: five days of experiments, each with another program, and every answer checked.

  log          train some more, with today's program
  best         the best runs over all shapes
  --runs N     how many runs in all (80)
  --threads T  how many train at a time (4)
  --store DIR  where the runs are; a temporary directory if nothing is said
  --plot FILE  where the picture goes";

/// What is asked for.
pub(crate) struct Arguments {
    pub(crate) command: Command,
    pub(crate) runs: usize,
    pub(crate) threads: usize,
    pub(crate) store: Option<PathBuf>,
    pub(crate) plot: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Demonstrate,
    Log,
    Best,
}

impl Arguments {
    /// `None` where help is asked for.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let usage = |what: String| format!("{what}\n\n{USAGE}");
        let mut read = Self { command: Command::Demonstrate, runs: 80, threads: 4, store: None, plot: None };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| usage(format!("{argument} needs a value")));
            let number = |value: String| {
                let number = value.parse().ok().filter(|number| (1..=9_999).contains(number));
                number.ok_or_else(|| usage(format!("{value} is no number from 1 to 9999")))
            };
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "log" => read.command = Command::Log,
                "best" => read.command = Command::Best,
                "--runs" => read.runs = number(value()?)?,
                "--threads" => read.threads = number(value()?)?.min(64),
                "--store" => read.store = Some(value()?.into()),
                "--plot" => read.plot = Some(value()?.into()),
                other => return Err(usage(format!("unknown: {other}"))),
            }
        }
        if read.command != Command::Demonstrate && read.store.is_none() {
            return Err(usage("the command needs a --store".into()));
        }
        if read.command == Command::Demonstrate && read.runs < 20 {
            return Err(usage("the demonstration needs 20 --runs".into()));
        }
        Ok(Some(read))
    }
}
