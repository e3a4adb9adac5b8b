//! How much is measured.

use std::time::Duration;

use criterion::Criterion;

/// The command line as far as criterion does not show it, and what follows from it.
#[derive(Debug, Clone)]
pub struct Scale {
    /// Documents in each data set.
    pub documents: u64,
    /// How many of them are written to, spread over all.
    pub hot: u64,
    /// Writes in a row that are measured as one.
    pub writes: u64,
    /// Documents loaded while the longest `get` is looked for.
    pub stall_documents: u64,
    /// Documents that queries are asked of.
    pub asked: u64,
    pub samples: usize,
    pub warm_up: Duration,
    pub measurement: Duration,
    filter: Option<String>,
    measures: bool,
}

/// Criterion's options without a value; after any other comes one.
const FLAGS: [&str; 9] = [
    "--bench",
    "--discard-baseline",
    "--exact",
    "--list",
    "--noplot",
    "--quick",
    "--quiet",
    "--test",
    "--verbose",
];

impl Scale {
    /// From the command line: `--quick` and `--test` make everything small.
    pub fn from_arguments() -> Self {
        let given: Vec<String> = std::env::args().skip(1).collect();
        let has = |flag: &str| given.iter().any(|argument| argument == flag);
        let small = has("--quick") || has("--test");
        let scale = if small { Self::quick() } else { Self::full() };
        Self { filter: filter(&given), measures: !has("--list") && !has("--test"), ..scale }
    }

    fn full() -> Self {
        Self {
            documents: 50_000,
            hot: 4_000,
            writes: 2_000,
            stall_documents: 1_000_000,
            asked: 100_000,
            samples: 20,
            warm_up: Duration::from_millis(500),
            measurement: Duration::from_secs(6),
            filter: None,
            measures: true,
        }
    }

    /// Enough to see that everything works, and roughly what to expect.
    pub fn quick() -> Self {
        Self {
            documents: 2_000,
            hot: 500,
            writes: 500,
            stall_documents: 20_000,
            asked: 25_000,
            samples: 10,
            warm_up: Duration::from_millis(100),
            measurement: Duration::from_millis(600),
            ..Self::full()
        }
    }

    pub fn criterion(&self) -> Criterion {
        Criterion::default()
            .sample_size(self.samples)
            .warm_up_time(self.warm_up)
            .measurement_time(self.measurement)
            .configure_from_args()
    }

    /// Whether this is not only a list or a test.
    pub fn measures(&self) -> bool {
        self.measures
    }

    /// Whether what criterion does not run itself is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.measures && self.filter.as_ref().is_none_or(|filter| name.contains(filter))
    }
}

fn filter(given: &[String]) -> Option<String> {
    let mut given = given.iter();
    while let Some(argument) = given.next() {
        if !argument.starts_with('-') {
            return Some(argument.clone());
        }
        if !FLAGS.contains(&argument.as_str()) && !argument.contains('=') {
            given.next();
        }
    }
    None
}
