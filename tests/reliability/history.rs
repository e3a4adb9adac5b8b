//! What a child has done, put together from what it told.

use std::time::Duration;

use crate::event::Event;
use crate::tally::Flaw;
use crate::work::{Op, Slot};

/// A change that is there wholly or not at all.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) number: u64,
    pub(crate) op: Op,
    /// The documents it is about: a bulk load is one step for each.
    pub(crate) slots: Vec<Slot>,
    /// Which line told that it would be made, ...
    pub(crate) intended: usize,
    pub(crate) intended_at: Duration,
    /// ... and that it had been.
    pub(crate) acknowledged: Option<Ack>,
    /// The last sequence there was before.
    pub(crate) after_sequence: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Ack {
    pub(crate) line: usize,
    pub(crate) at: Duration,
    /// A sequence that is at least that of the commit.
    pub(crate) sequence: u64,
}

/// Steps of each thread, in their order.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) threads: Vec<Vec<Step>>,
    /// How many of each thread's steps must be there after a crash.
    pub(crate) durable: Vec<usize>,
    /// The sequence at each opening.
    pub(crate) opened: Vec<u64>,
    /// Whether the child was killed while it opened the store.
    pub(crate) opening: bool,
    pub(crate) closing: bool,
    pub(crate) options: String,
    pub(crate) errors: Vec<String>,
    pub(crate) next: u64,
    pub(crate) acknowledged: u64,
}

impl History {
    /// The same where only the first `lines` promise that something is durable.
    pub(crate) fn promising(lines: usize, events: &[Event], threads: usize, next: u64) -> Self {
        let durable = Self::new(&events[..lines], threads, next).durable;
        Self { durable, ..Self::new(events, threads, next) }
    }

    pub(crate) fn new(events: &[Event], threads: usize, next: u64) -> Self {
        let mut history = Self { next, ..Self::default() };
        history.threads.resize_with(threads, Vec::new);
        history.durable.resize(threads, 0);
        // What was acknowledged when a flush began is on the medium when it ends.
        let mut flushed = vec![Vec::new(); threads];
        let mut window = Duration::ZERO;
        for (line, event) in events.iter().enumerate() {
            match event {
                Event::Opening { options } => {
                    history.opening = true;
                    history.options.clone_from(options);
                }
                Event::Opened { sequence, window: of_this } => {
                    history.opening = false;
                    history.opened.push(*sequence);
                    window = *of_this;
                }
                Event::Intent { thread, number, at, sequence, op } => {
                    history.next = history.next.max(number + 1);
                    if *op == Op::Flush {
                        flushed[*thread] = history.acknowledged_steps();
                    }
                    let slots = op.slots();
                    let parts: Vec<Vec<Slot>> = match op {
                        Op::Flush => Vec::new(),
                        Op::Bulk { .. } => slots.into_iter().map(|slot| vec![slot]).collect(),
                        _ => vec![slots],
                    };
                    history.threads[*thread].extend(parts.into_iter().map(|slots| Step {
                        number: *number,
                        op: op.clone(),
                        slots,
                        intended: line,
                        intended_at: *at,
                        acknowledged: None,
                        after_sequence: *sequence,
                    }));
                }
                Event::Progress { thread, number, documents } => {
                    // When it was committed, and with which sequence, is not known any closer.
                    let ack = Ack { line, at: Duration::MAX, sequence: u64::MAX };
                    for step in history.of(*thread, *number).take(usize::try_from(*documents).unwrap_or(0)) {
                        step.acknowledged = Some(ack);
                    }
                }
                Event::Acknowledged { thread, number, at, sequence, durable } => {
                    history.acknowledged += 1;
                    let ack = Ack { line, at: *at, sequence: *sequence };
                    let mut steps = 0;
                    for step in history.of(*thread, *number) {
                        step.acknowledged = Some(ack);
                        steps += 1;
                    }
                    if steps == 0 {
                        // A flush.
                        history.settle(&flushed[*thread]);
                    } else if *durable {
                        history.durable[*thread] = history.threads[*thread].len();
                    } else {
                        history.settle_older(*thread, window);
                    }
                }
                Event::Failed { what, kind, text } => {
                    history.errors.push(format!("{what}: {kind}: {text}"));
                }
                Event::Closing => history.closing = true,
                Event::Closed => {
                    history.closing = false;
                    history.settle(&history.acknowledged_steps());
                }
                Event::Panicked { .. } | Event::Read { .. } | Event::Tried { .. } | Event::Done => {}
            }
        }
        history
    }

    fn of(&mut self, thread: usize, number: u64) -> impl Iterator<Item = &mut Step> {
        let steps = &mut self.threads[thread];
        let first = steps.iter().rposition(|step| step.number != number).map_or(0, |position| position + 1);
        steps[first..].iter_mut()
    }

    /// A thread's operations are acknowledged in order.
    fn acknowledged_steps(&self) -> Vec<usize> {
        let acknowledged = |steps: &Vec<Step>| {
            steps.iter().rposition(|step| step.acknowledged.is_some()).map_or(0, |position| position + 1)
        };
        self.threads.iter().map(acknowledged).collect()
    }

    fn settle(&mut self, steps: &[usize]) {
        for (durable, steps) in self.durable.iter_mut().zip(steps) {
            *durable = (*durable).max(*steps);
        }
    }

    /// A buffered commit is held back until everything applied more than twice the window before is on the medium.
    fn settle_older(&mut self, thread: usize, window: Duration) {
        let Some(last) = self.threads[thread].last() else { return };
        let Some(bound) = last.intended_at.checked_sub(window * 2) else { return };
        for (durable, steps) in self.durable.iter_mut().zip(&self.threads) {
            let old = |step: &&Step| step.acknowledged.is_some_and(|ack| ack.at <= bound);
            *durable += steps[*durable..].iter().take_while(old).count();
        }
    }

    /// Steps that were acknowledged before the line.
    pub(crate) fn acknowledged_before(&self, thread: usize, line: usize) -> usize {
        let steps = &self.threads[thread];
        let before = |step: &Step| step.acknowledged.is_some_and(|ack| ack.line < line);
        steps.iter().rposition(before).map_or(0, |position| position + 1)
    }
}

/// The panics in what a child told; `of_sled`: also those of sled's own code, which it may meet on a medium that is gone.
pub(crate) fn panics(events: &[Event], of_sled: bool) -> Vec<Flaw> {
    let panics = events.iter().filter_map(|event| match event {
        Event::Panicked { place, text } if of_sled || !is_in_sled(place) => {
            Some(Flaw::Panic(format!("{place}: {text}")))
        }
        _ => None,
    });
    panics.collect()
}

fn is_in_sled(place: &str) -> bool {
    place.contains("sled-0.34")
}
