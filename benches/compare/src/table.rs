//! What a run prints at its end.

use std::fmt;
use std::time::Duration;

use crate::contest::Pair;

/// All rows of a run.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    remarks: Vec<String>,
}

/// What a number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Time of the subject by time of the reference: above 1 where PivotDB is slower. An aim is reached below it.
    Ratio,
    /// The same, between two ways of the same side: above 1 where the second one is faster. An aim is reached above it.
    Gain,
}

/// Two medians, and the median of their ratios.
#[derive(Debug)]
pub struct Row {
    comparison: Comparison,
    workload: String,
    size: &'static str,
    /// What it is compared with, where lines of one workload differ in that.
    beside: Option<&'static str>,
    names: (String, String),
    /// Nanoseconds per operation.
    subject: f64,
    reference: f64,
    ratio: f64,
    aim: Option<f64>,
}

impl Row {
    pub fn new(
        comparison: Comparison,
        workload: String,
        size: &'static str,
        (subject, reference): (&str, &str),
        aim: Option<f64>,
        pairs: &[Pair],
    ) -> Self {
        let median = |of: &dyn Fn(&Pair) -> f64| {
            weighted_median(pairs.iter().map(|pair| (of(pair), pair.operations)).collect())
        };
        let each = |time: Duration, pair: &Pair| time.as_secs_f64() * 1e9 / pair.operations as f64;
        Self {
            comparison,
            workload,
            size,
            beside: None,
            names: (subject.to_owned(), reference.to_owned()),
            subject: median(&|pair| each(pair.subject, pair)),
            reference: median(&|pair| each(pair.reference, pair)),
            ratio: median(&|pair| pair.subject.as_secs_f64() / pair.reference.as_secs_f64()),
            aim,
        }
    }

    /// Names the other side in one word.
    #[must_use]
    pub fn beside(self, side: &'static str) -> Self {
        Self { beside: Some(side), ..self }
    }
}

impl Table {
    /// Leaves out what has not been measured.
    pub fn add(&mut self, row: Row) {
        if row.ratio.is_finite() {
            self.rows.push(row);
        }
    }

    /// Lines below the table: how many operations a second both sides of each row have done that is called so.
    pub fn tell_rates(&mut self, what: &str, workloads: &str) {
        let rows = self.rows.iter().filter(|row| row.workload.starts_with(workloads));
        let lines = rows.map(|row| {
            let (subject, reference) = (1e9 / row.subject, 1e9 / row.reference);
            format!("{what} {} {reference:.0}/s, {} {subject:.0}/s", row.workload, row.names.0)
        });
        self.remarks.extend(lines.collect::<Vec<_>>());
    }

    /// A line below the table.
    pub fn remark(&mut self, line: String) {
        self.remarks.push(line);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines =
            vec![["workload", "size", "subject", "", "reference", "", "ratio", "aim"].map(String::from)];
        lines.extend(self.rows.iter().map(|row| {
            [
                row.workload.clone(),
                row.size.to_owned(),
                row.names.0.clone(),
                time(row.subject),
                row.names.1.clone(),
                time(row.reference),
                format!("{:.2}", row.ratio),
                match (row.aim, row.comparison) {
                    (None, _) => String::new(),
                    (Some(aim), Comparison::Ratio) => format!("<= {aim:.2}"),
                    (Some(aim), Comparison::Gain) => format!(">= {aim:.2}"),
                },
            ]
        }));
        for line in &lines {
            for (column, cell) in line.iter().enumerate() {
                let width = lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
                match column {
                    0..=2 | 4 => write!(f, "{cell:<width$}  ")?,
                    _ => write!(f, "{cell:>width$}  ")?,
                }
            }
            writeln!(f)?;
        }
        writeln!(f)?;
        for row in &self.rows {
            let word = match row.comparison {
                Comparison::Ratio => "RATIO",
                Comparison::Gain => "GAIN",
            };
            write!(f, "{word} {} {} ", row.workload, row.size)?;
            if let Some(side) = row.beside {
                write!(f, "{side} ")?;
            }
            writeln!(f, "{:.3}", row.ratio)?;
        }
        for remark in &self.remarks {
            writeln!(f, "{remark}")?;
        }
        Ok(())
    }
}

/// Nanoseconds, readably.
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 1e6 => format!("{:.2} us", n / 1e3),
        n if n < 1e9 => format!("{:.2} ms", n / 1e6),
        n => format!("{:.2} s", n / 1e9),
    }
}

/// The value with half of the weight below it: criterion's first, short samples count as little as they should.
fn weighted_median(mut values: Vec<(f64, u64)>) -> f64 {
    values.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let half = values.iter().map(|(_, weight)| weight).sum::<u64>().div_ceil(2);
    let mut below = 0;
    for (value, weight) in values {
        below += weight;
        if below >= half {
            return value;
        }
    }
    f64::NAN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_weighted() {
        assert_eq!(weighted_median(vec![(9.0, 1), (1.0, 10), (8.0, 1)]), 1.0);
        assert_eq!(weighted_median(vec![(3.0, 5), (1.0, 5), (2.0, 5)]), 2.0);
        assert!(weighted_median(Vec::new()).is_nan());
    }
}
