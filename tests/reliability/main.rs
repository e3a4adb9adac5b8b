//! What survives: killed processes, power cuts, media that fail, full disks.
//!
//! Each harness runs a store under one kind of failure, compares what is left with what may be left, prints one line of
//! counts, and proves in the same run, with a planted fault that it must catch, that it would have found one. `PIVOTDB_SEED` repeats a run
//! as far as processes and disks allow; `PIVOTDB_KILLS`, `PIVOTDB_CUTS` and `PIVOTDB_FULL` make it longer or shorter.

#![cfg(unix)]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a harness that cannot go on says where"
)]

mod check;
mod child;
mod disk;
mod event;
mod fault;
mod fulldisk;
mod history;
mod kill;
mod powercut;
mod process;
mod raw;
#[cfg(test)]
mod regressions;
mod rng;
mod tally;
mod work;

use std::sync::{Mutex, PoisonError};

/// One harness at a time: each of them is about moments.
static TURN: Mutex<()> = Mutex::new(());

fn alone(run: fn(u64)) {
    if std::env::var_os(process::CHILD).is_some() {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    run(rng::seed());
}

/// Not a test: where a child of the others begins.
#[test]
fn child() {
    if std::env::var_os(process::CHILD).is_some() {
        child::main();
    }
}

#[test]
fn kill() {
    alone(kill::run);
}

#[test]
fn powercut() {
    alone(powercut::run);
}

#[test]
fn fault() {
    alone(fault::run);
}

#[test]
fn fulldisk() {
    alone(fulldisk::run);
}
