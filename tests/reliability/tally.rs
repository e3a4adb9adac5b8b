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
    name: String,
    seed: u64,
    pub(crate) runs: u64,
    lost: u64,
    torn: u64,
    failed_opens: u64,
    panics: u64,
    others: u64,
    control_caught: bool,
    /// The first flaws once more, for the message that the run ends with: who reads a log that was cut in its middle has only that.
    first: String,
}

/// How many bytes of all flaws are repeated at the end, and of one.
const REPEATED: usize = 1_500;
const REPEATED_OF_ONE: usize = 700;

impl Tally {
    pub(crate) fn new(name: String, seed: u64) -> Self {
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
            first: String::new(),
        }
    }

    pub(crate) fn note(&mut self, during: impl Display, flaws: &[Flaw]) {
        for flaw in flaws {
            let line = format!("{}: {flaw:?}; {during}", self.name);
            self.repeat_later(&line);
            say(line);
            *match flaw {
                Flaw::Lost(_) => &mut self.lost,
                Flaw::Torn(_) => &mut self.torn,
                Flaw::FailedOpen(_) => &mut self.failed_opens,
                Flaw::Panic(_) => &mut self.panics,
                Flaw::Other(_) => &mut self.others,
            } += 1;
        }
    }

    fn repeat_later(&mut self, line: &str) {
        let left = REPEATED.saturating_sub(self.first.len() + 1);
        let kept = line.floor_char_boundary(left.min(REPEATED_OF_ONE));
        if kept > 0 {
            self.first.push('\n');
            self.first.push_str(&line[..kept]);
        }
    }

    pub(crate) fn control_caught(&mut self) {
        self.control_caught = true;
    }

    /// Prints the line, and fails unless it is as it must be.
    pub(crate) fn finish(self) {
        let Self { name, seed, runs, lost, torn, failed_opens, panics, others, control_caught, first } = self;
        let control = if control_caught { "caught" } else { "MISSED" };
        say(format_args!(
            "{name}: {runs} runs, {lost} lost, {torn} torn, {failed_opens} failed opens, {panics} panics, \
             control {control}, seed {seed}"
        ));
        let flaws = [lost, torn, failed_opens, panics, others];
        assert!(
            flaws == [0; 5],
            "{name}, seed {seed}: the first of {} flaws:{first}",
            flaws.iter().sum::<u64>()
        );
        assert!(control_caught, "{name}: the control was not caught: the harness shows nothing");
        assert!(runs > 0, "{name} did nothing");
    }
}

/// Prints a line of its own, whatever the test runner has begun.
pub(crate) fn say(line: impl Display) {
    // One write, so that lines of other threads do not get in between.
    let _ = std::io::stdout().write_all(format!("\n{line}\n").as_bytes());
}
