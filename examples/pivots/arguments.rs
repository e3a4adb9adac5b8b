//! The command line.

use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
usage: pivots [--copies N] [--keep]
       pivots FILE.ndjson --steps STEPS.json [--copies N] [--keep]

  --copies N   take the input N times
  --steps      what the evolution of FILE's documents is: a list of steps, as Evolution::from_json reads it
  --keep       leave the store where it is, and say where";

/// What is asked for.
pub(crate) struct Arguments {
    pub(crate) file: Option<Input>,
    pub(crate) copies: usize,
    pub(crate) keep: bool,
}

/// A file of the user's, and its steps.
pub(crate) struct Input {
    pub(crate) documents: PathBuf,
    pub(crate) steps: PathBuf,
}

impl Arguments {
    /// `None` where help is asked for.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let usage = |what: &str| format!("{what}\n\n{USAGE}");
        let (mut file, mut steps) = (None, None);
        let mut read = Self { file: None, copies: 1, keep: false };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "--keep" => read.keep = true,
                "--copies" => {
                    let copies = arguments.next().and_then(|copies| copies.parse().ok());
                    read.copies = copies
                        .filter(|copies| *copies > 0)
                        .ok_or_else(|| usage("--copies needs a number"))?;
                }
                "--steps" => {
                    steps = Some(arguments.next().ok_or_else(|| usage("--steps needs a file"))?.into());
                }
                option if option.starts_with('-') => return Err(usage(&format!("unknown option {option}"))),
                _ if file.is_some() => return Err(usage("one file is enough")),
                _ => file = Some(argument.into()),
            }
        }
        read.file = match (file, steps) {
            (Some(documents), Some(steps)) => Some(Input { documents, steps }),
            (None, None) => None,
            _ => return Err(usage("FILE and --steps belong together")),
        };
        Ok(Some(read))
    }
}
