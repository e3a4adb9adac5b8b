//! The report.

use std::time::Duration;

use pivotdb::CensusEntry;

/// What is known about a program's visit to the store.
pub(crate) struct Row<'a> {
    pub(crate) pivot: &'a str,
    pub(crate) documents: usize,
    /// After the visit.
    pub(crate) census: &'a [CensusEntry],
    pub(crate) times: Times,
    /// Documents that the program cannot be shown: an error instead of each, and all others as ever.
    pub(crate) refused: usize,
}

/// How long it took from the start of the program.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// To open the store,
    pub(crate) open: Duration,
    /// then to have the first document,
    pub(crate) first: Duration,
    /// and to have read all.
    pub(crate) all: Duration,
}

pub(crate) fn print_head(first: &str) {
    println!(
        "{first:<40} {:>9}  {:<36} {:>11} {:>11} {:>11}",
        "documents", "stored at schema version", "open", "first", "all"
    );
}

pub(crate) fn print(row: &Row<'_>) {
    let Row { pivot, documents, census, times, refused } = row;
    let stored: Vec<String> =
        by_schema_version(census).iter().map(|(version, count)| format!("{version}: {count}")).collect();
    let times =
        [times.open, times.first, times.all].map(|time| format!("{:.2} ms", time.as_secs_f64() * 1e3));
    let [open, first, all] = times;
    println!("{pivot:<40} {documents:>9}  {:<36} {open:>11} {first:>11} {all:>11}", stored.join(", "));
    if *refused > 0 {
        println!("{:<40} {refused:>9}  of them refused, each by an error that names it", "");
    }
}

/// Schema versions, each with the number of documents that are stored at it.
pub(crate) fn by_schema_version(census: &[CensusEntry]) -> Vec<(u32, u64)> {
    let mut versions = std::collections::BTreeMap::new();
    for entry in census {
        *versions.entry(entry.stamp.schema_version).or_insert(0) += entry.documents;
    }
    versions.into_iter().collect()
}
