//! What survives: killed processes, power cuts, media that fail, full disks.
//!
//! Each harness runs a store under one kind of failure, compares what is left with what may be left, prints one line of
//! counts, and proves in the same run, with a planted fault that it must catch, that it would have found one.
//!
//! The usual form is the one for CI: together at most 110 s in release on 2 cores, so every harness is bounded. These make it longer, for a
//! search by night, or repeat what was found; each is a whole number in decimal.
//!
//! Stores are kept with sled, and where the feature `redb` is on, once more with redb; `PIVOTDB_BACKEND=redb` leaves sled out. `fault` is about what is above a
//! backend: it takes every call in memory, and some of them on files.
//!
//! | variable | harness | usually | long |
//! |---|---|---|---|
//! | `PIVOTDB_SEED` | all but `fault` in memory | random, printed | the one of the run to be repeated, as far as processes and disks allow |
//! | `PIVOTDB_KILLS` | `kill` | 100 kills | 2000 |
//! | `PIVOTDB_CUTS` | `powercut` | 60 cuts | 600 |
//! | `PIVOTDB_KILLS` `PIVOTDB_CUTS` | `kill_with_indexes` `powercut_with_indexes` | 24 and 12, 18 and 12 with redb | 600 |
//! | `PIVOTDB_FAULTS` | `fault`, on files | 120 faults, 160 with redb | 5000 |
//! | `PIVOTDB_FULL` | `fulldisk` | 6 full disks, 3 with redb | 100 |
//!
//! ```text
//! PIVOTDB_CUTS=600 cargo test --release --features testing,redb --test reliability powercut -- --nocapture
//! ```
//!
//! `powercut` and `fulldisk` mount file systems: they need Linux and root, and `powercut` and a third of `fulldisk` also loop devices,
//! `mkfs.ext4` and `perl`. Without, they say `skipped` and why.

#![cfg(unix)]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a harness that cannot go on says where"
)]

#[path = "../support/backends.rs"]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]
mod backends;
mod check;
mod child;
#[cfg(test)]
mod damage;
mod disk;
mod event;
mod fault;
mod fulldisk;
mod history;
mod indexed;
mod kill;
mod powercut;
mod process;
mod raw;
#[cfg(test)]
mod regressions;
mod rng;
mod tally;
mod tested;
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
fn kill_with_indexes() {
    alone(indexed::kills);
}

#[test]
fn powercut_with_indexes() {
    alone(indexed::cuts);
}

#[test]
fn fault() {
    alone(fault::run);
}

#[test]
fn fulldisk() {
    alone(fulldisk::run);
}
