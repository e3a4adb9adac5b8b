//! What a harness has counted, and its line.

use std::fmt::Display;
use std::io::Write as _;

/// What is wrong with what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Something that was acknowledged as durable is not there.
    Lost(String),
    /// What is there is not a state that a prefix of the commits makes, or contradicts itself.
    Torn(String),
    /// The store does not open.
    FailedOpen(String),
    /// A panic that is not sled's own.
    Panic(String),
    /// Anything else that must not be: an error where there should be none, a call that does not come back.
    Other(String),
}

/// Counts of one harness.
#[derive(Debug)]
pub(crate) struct Tally {
    name: &'static str,
    seed: u64,
    pub(crate) runs: u64,
    lost: u64,
    torn: u64,
    failed_opens: u64,
    panics: u64,
    others: u64,
    control_caught: bool,
}

impl Tally {
    pub(crate) fn new(name: &'static str, seed: u64) -> Self {
        say(format_args!("{name}: begins with seed {seed}"));
        Self {
            name,
            seed,
            runs: 0,
            lost: 0,
            torn: 0,
            failed_opens: 0,
            panics: 0,
            others: 0,
            control_caught: false,
        }
    }

    pub(crate) fn note(&mut self, during: impl Display, flaws: &[Flaw]) {
        for flaw in flaws {
            say(format_args!("{}: {during}: {flaw:?}", self.name));
            *match flaw {
                Flaw::Lost(_) => &mut self.lost,
                Flaw::Torn(_) => &mut self.torn,
                Flaw::FailedOpen(_) => &mut self.failed_opens,
                Flaw::Panic(_) => &mut self.panics,
                Flaw::Other(_) => &mut self.others,
            } += 1;
        }
    }

    pub(crate) fn control_caught(&mut self) {
        self.control_caught = true;
    }

    /// Prints the line, and fails unless it is as it must be.
    pub(crate) fn finish(self) {
        let Self { name, seed, runs, lost, torn, failed_opens, panics, others, control_caught } = self;
        let control = if control_caught { "caught" } else { "MISSED" };
        say(format_args!(
            "{name}: {runs} runs, {lost} lost, {torn} torn, {failed_opens} failed opens, {panics} panics, \
             control {control}, seed {seed}"
        ));
        assert_eq!((lost, torn, failed_opens, panics, others), (0, 0, 0, 0, 0), "{name}, seed {seed}");
        assert!(control_caught, "{name}: the control was not caught: the harness shows nothing");
        assert!(runs > 0, "{name} did nothing");
    }
}

/// Prints a line of its own, whatever the test runner has begun.
pub(crate) fn say(line: impl Display) {
    // One write, so that lines of other threads do not get in between.
    let _ = std::io::stdout().write_all(format!("\n{line}\n").as_bytes());
}
