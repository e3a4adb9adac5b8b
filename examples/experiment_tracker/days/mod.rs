//! Five days, five programs: what a user writes. Each one changes its mind about what a run is.

pub(crate) mod day1;
pub(crate) mod day2;
pub(crate) mod day3;
pub(crate) mod day4;
pub(crate) mod day5;

use pivotdb::{Collection, Evolution, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::known::Known;

/// The collection, and the kind that the scripts of the first days have given it.
pub(crate) const RUNS: &str = "runs";

/// One day's program, as the rest of the example uses it.
pub(crate) trait Program {
    const DAY: u32;
    /// What it has changed.
    const CHANGE: &'static str;
    /// Where the accuracy is, if it is a number.
    const ACCURACY: Option<&'static str>;

    type Run: Serialize + DeserializeOwned;

    fn evolution() -> Evolution;

    /// The collection, with the program's steps and indexes declared.
    fn open(store: &Store) -> pivotdb::Result<Collection<Self::Run>>;

    /// What the program writes of a run.
    fn run(known: &Known) -> Self::Run;

    fn annotate(run: &mut Self::Run, note: &str);
}

/// A program with a type: the store asks the type for steps and indexes.
macro_rules! typed {
    ($day:literal, $change:literal, $accuracy:literal) => {
        pub(crate) struct Program;

        impl crate::days::Program for Program {
            const DAY: u32 = $day;
            const CHANGE: &'static str = $change;
            const ACCURACY: Option<&'static str> = Some($accuracy);

            type Run = Run;

            fn evolution() -> pivotdb::Evolution {
                <Run as pivotdb::Versioned>::evolution()
            }

            fn open(store: &pivotdb::Store) -> pivotdb::Result<pivotdb::Collection<Run>> {
                store.collection::<Run>(crate::days::RUNS)
            }

            fn run(known: &crate::known::Known) -> Run {
                run(known)
            }

            fn annotate(run: &mut Run, note: &str) {
                run.note = Some(note.to_owned());
            }
        }
    };
}
pub(crate) use typed;
