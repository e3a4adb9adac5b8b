//! What a harness says in the end.

use std::io::Write;

use crate::chance::seed;

/// What a harness has seen.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) runs: usize,
    pub(crate) violations: Vec<String>,
    /// How often the same harness found the planted fault.
    pub(crate) caught: usize,
}

impl Report {
    /// Prints the line, and fails where it is not as it must be.
    pub(crate) fn tell(&self, name: &str, more: &str) {
        let Self { runs, violations, caught } = self;
        let control = if *caught > 0 { "control caught" } else { "control MISSED" };
        let more = if more.is_empty() { String::new() } else { format!(" ({more})") };
        let mut told = format!(
            "\n{name}: {runs} runs, {} violations, {control}, seed {}{more}\n",
            violations.len(),
            seed()
        );
        for violation in violations.iter().take(5) {
            told += &format!("  {violation}\n");
        }
        // One write, so that lines of other threads do not get in between.
        let _ = std::io::stdout().write_all(told.as_bytes());
        assert!(violations.is_empty(), "{name}: {} violations", violations.len());
        assert!(*caught > 0, "{name}: the planted fault was not found, so that the harness shows nothing");
        assert!(*runs > 0);
    }
}
