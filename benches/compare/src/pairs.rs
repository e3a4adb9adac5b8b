//! Two sides that take turns, without criterion, which a plain program cannot have measure.

use std::fmt::Debug;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::arguments::Scale;
use crate::contest::{Pair, timed};
use crate::table::{Comparison, Row, Table};

/// At least so many pairs, however long they take.
const PAIRS: usize = 10;

/// As many as are planned for in the time there is.
const PLANNED: u32 = 40;

/// How often both sides must give the same before they are measured.
const CHECKED: u64 = 5;

/// What is compared, and how that is called.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    pub workload: &'static str,
    pub size: &'static str,
    /// The other side, in one word.
    pub beside: &'static str,
    pub aim: Option<f64>,
}

/// Measures as much as the command line asks for.
#[derive(Debug)]
pub struct Runner {
    pub scale: Scale,
    pub table: Table,
}

impl Runner {
    /// Both sides are given the number of the turn, and must give the same for the same.
    pub fn compare<R: PartialEq + Debug>(
        &mut self,
        names: Names,
        mut subject: impl FnMut(u64) -> R,
        mut reference: impl FnMut(u64) -> R,
    ) {
        if !self.scale.wants(names.workload) {
            return;
        }
        for turn in 0..CHECKED {
            let (ours, theirs) = (subject(turn), reference(turn));
            assert!(ours == theirs, "{} {}: {ours:?} instead of {theirs:?}", names.workload, names.size);
        }
        self.measure(names, |turn| drop(black_box(subject(turn))), |turn| drop(black_box(reference(turn))));
    }

    /// Turns by turns: so many operations of one side and then of the other make a pair.
    pub fn measure(&mut self, names: Names, mut subject: impl FnMut(u64), mut reference: impl FnMut(u64)) {
        if !self.scale.wants(names.workload) {
            return;
        }
        let (time, mut turn, mut operations) = (self.scale.measurement, 0, 1);
        let mut pairs: Vec<Pair> = Vec::new();
        let begun = Instant::now();
        while pairs.len() < PAIRS || begun.elapsed() < time {
            let side = |work: &mut dyn FnMut(u64)| {
                let mut turns = turn..;
                timed(operations, || work(turns.next().expect("they do not end")))
            };
            let pair = if pairs.len().is_multiple_of(2) {
                let subject = side(&mut subject);
                Pair { operations, subject, reference: side(&mut reference) }
            } else {
                let reference = side(&mut reference);
                Pair { operations, subject: side(&mut subject), reference }
            };
            turn += operations;
            if pairs.is_empty() && pair.subject + pair.reference < time / PLANNED {
                operations *= 2;
            } else {
                pairs.push(pair);
            }
        }
        self.add(names, ("PivotDB", names.beside), &pairs);
    }

    pub fn add(&mut self, names: Names, sides: (&str, &str), pairs: &[Pair]) {
        let row = Row::new(Comparison::Ratio, names.workload.to_owned(), names.size, sides, names.aim, pairs);
        self.table.add(row.beside(names.beside));
    }
}

/// The time below which so many in a thousand are.
pub fn quantile(times: &mut [Duration], in_a_thousand: usize) -> Duration {
    times.sort_unstable();
    let position = times.len().saturating_mul(in_a_thousand) / 1000;
    times.get(position.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}
