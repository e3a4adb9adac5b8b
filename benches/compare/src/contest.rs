//! A subject and references that take turns at the same work.
//!
//! Criterion measures one function after the other, and a machine is not the same a minute later. So each sample criterion
//! takes of one contestant is taken in turns with another one, and the two times make one ratio. What is reported is the median of those.

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode};

use crate::table::{Comparison, Row, Table};

/// Does so many operations, and gives the time they took.
type Work<'a> = Box<dyn FnMut(u64) -> Duration + 'a>;

/// One workload at one size.
pub struct Contest<'a> {
    workload: String,
    size: &'static str,
    turn: u64,
    subject: (String, Work<'a>),
    references: Vec<Reference<'a>>,
}

struct Reference<'a> {
    name: String,
    /// What the comparison is called.
    called: String,
    comparison: Comparison,
    aim: Option<f64>,
    work: Work<'a>,
    pairs: Vec<Pair>,
}

/// What subject and reference took for the same number of operations.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    pub operations: u64,
    pub subject: Duration,
    pub reference: Duration,
}

impl<'a> Contest<'a> {
    /// `turn`: after how many operations it is the other one's turn.
    pub fn new(
        workload: &str,
        size: &'static str,
        turn: u64,
        subject: &str,
        work: impl FnMut(u64) -> Duration + 'a,
    ) -> Self {
        Self {
            workload: workload.to_owned(),
            size,
            turn,
            subject: (subject.to_owned(), Box::new(work)),
            references: Vec::new(),
        }
    }

    /// Compares with another way to the same end.
    pub fn against(
        self,
        name: &str,
        called: &str,
        aim: impl Into<Option<f64>>,
        work: impl FnMut(u64) -> Duration + 'a,
    ) -> Self {
        self.with(name, called, Comparison::Ratio, aim.into(), Box::new(work))
    }

    /// Compares with the same way under better conditions.
    pub fn gaining(
        self,
        name: &str,
        called: &str,
        aim: impl Into<Option<f64>>,
        work: impl FnMut(u64) -> Duration + 'a,
    ) -> Self {
        self.with(name, called, Comparison::Gain, aim.into(), Box::new(work))
    }

    fn with(
        mut self,
        name: &str,
        called: &str,
        comparison: Comparison,
        aim: Option<f64>,
        work: Work<'a>,
    ) -> Self {
        let (name, called) = (name.to_owned(), called.to_owned());
        self.references.push(Reference { name, called, comparison, aim, work, pairs: Vec::new() });
        self
    }

    /// Measures, as far as criterion's filter wants it.
    pub fn run(mut self, criterion: &mut Criterion, table: &mut Table) {
        let mut group = criterion.benchmark_group(format!("{}/{}", self.workload, self.size));
        group.sampling_mode(SamplingMode::Flat);
        for (position, reference) in self.references.iter_mut().enumerate() {
            let name = reference.name.clone();
            let mut measure = |name: &str, of: fn(&Pair) -> Duration| {
                group.bench_function(name, |bencher| {
                    // What is made when it is first needed must not look like the cost of one operation: criterion would plan for that.
                    take_turns(1, self.turn, &mut self.subject.1, &mut reference.work);
                    bencher.iter_custom(|operations| {
                        let pair =
                            take_turns(operations, self.turn, &mut self.subject.1, &mut reference.work);
                        reference.pairs.push(pair);
                        of(&pair)
                    });
                });
            };
            if position == 0 {
                measure(&self.subject.0, |pair| pair.subject);
            }
            measure(&name, |pair| pair.reference);
        }
        group.finish();
        for reference in self.references {
            let Reference { name, called, comparison, aim, pairs, .. } = reference;
            table.add(Row::new(comparison, called, self.size, (&self.subject.0, &name), aim, &pairs));
        }
    }
}

fn take_turns(operations: u64, turn: u64, subject: &mut Work<'_>, reference: &mut Work<'_>) -> Pair {
    let mut pair = Pair { operations, subject: Duration::ZERO, reference: Duration::ZERO };
    let (mut left, mut subject_first) = (operations, true);
    while left > 0 {
        let now = left.min(turn);
        if subject_first {
            pair.subject += subject(now);
            pair.reference += reference(now);
        } else {
            pair.reference += reference(now);
            pair.subject += subject(now);
        }
        subject_first = !subject_first;
        left -= now;
    }
    pair
}

/// The time that `operations` calls take.
pub fn timed(operations: u64, mut operation: impl FnMut()) -> Duration {
    let begun = Instant::now();
    for _ in 0..operations {
        operation();
    }
    begun.elapsed()
}
