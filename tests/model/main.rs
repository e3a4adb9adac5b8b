//! Documents, indexes, builds, programs of four schema versions and crashes, at random: after every step, queries answer what a scan answers, and that is
//! what an eager migration would have made of the documents; and entries are what they would be if they were made now.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says where"
)]

#[path = "../support/backends.rs"]
mod backends;
mod flawed;
mod oracle;
mod plan;
mod run;
mod threads;

use std::cell::RefCell;
use std::io::Write as _;
use std::sync::Arc;

use pivotdb::backend::{Backend, MemoryBackend};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::backends::{BACKENDS, Site};
use crate::flawed::{Failing, Forgetful};
use crate::run::{Tally, run};

fn from_variable(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// In one write, so that it stays one line among others.
fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

/// What random sequences begin with: always the same, so that a run can be repeated, unless `PIVOTDB_MODEL_SEED` says another.
fn seed() -> u8 {
    std::env::var("PIVOTDB_MODEL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// Runs sequences, each on a new medium, and shrinks the first that goes wrong.
fn hunt(sequences: u32, shrink: u32, medium: impl Fn() -> Medium) -> (Tally, Result<(), String>) {
    let config =
        Config { cases: sequences, failure_persistence: None, max_shrink_iters: shrink, ..Config::default() };
    let tally = RefCell::new(Tally::default());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed(); 32]);
    let outcome = TestRunner::new_with_rng(config, rng).run(&plan::sequences(), |steps| {
        let medium = medium();
        run(&medium, &steps, &mut tally.borrow_mut()).map_err(TestCaseError::fail)
    });
    (tally.into_inner(), outcome.map_err(|error| error.to_string()))
}

/// Where a sequence runs.
pub(crate) enum Medium {
    Backend(Arc<Failing>),
    Site(Site),
    /// There, with a model that is told something else than the store.
    Misled(Site),
}

fn backend(of: impl Backend + 'static) -> Medium {
    Medium::Backend(Arc::new(Failing::new(of)))
}

/// Runs sequences on `medium`, and on `flawed`, where something must be found. Queries of which kinds are required: in mid-build, after a rollback.
fn report(
    backend: &str,
    sequences: u32,
    shrink: u32,
    medium: impl Fn() -> Medium,
    flawed: impl Fn() -> Medium,
    required: (u64, u64),
) {
    let (tally, outcome) = hunt(sequences, shrink, medium);
    if let Err(error) = outcome {
        panic!("{backend}: {error}");
    }
    let control = hunt(2_000, 0, flawed).1;
    let caught = if control.is_err() { "caught" } else { "missed" };
    let Tally { queries, selective, mid_build, after_rollback, by_index, faults } = tally;
    say(&format!(
        "model {backend}: {sequences} sequences, {queries} queries, {selective} selective, {mid_build} in mid-build, \
         {after_rollback} after rollback, 0 wrong, control {caught}"
    ));
    say(&format!("model {backend}, besides: {by_index} queries by index, {faults} faults, seed {}", seed()));
    assert!(control.is_err(), "{backend}: what is flawed was not caught");
    assert!(selective * 2 >= queries, "too few filters select neither nothing nor everything");
    assert!(mid_build >= required.0 && after_rollback >= required.1, "too few queries were put to the test");
}

#[test]
fn queries_by_index_answer_what_scans_answer_in_memory() {
    let sequences =
        from_variable("PIVOTDB_MODEL_SEQUENCES", if cfg!(debug_assertions) { 200 } else { 10_000 });
    let required = if sequences >= 2_000 { (1_000, 500) } else { (1, 1) };
    let memory = || backend(MemoryBackend::new());
    report("memory", sequences, 2_000, memory, || backend(Forgetful::default()), required);
}

#[test]
fn queries_by_index_answer_what_scans_answer_on_disk() {
    let sequences =
        from_variable("PIVOTDB_MODEL_DISK_SEQUENCES", if cfg!(debug_assertions) { 10 } else { 300 });
    for backend in BACKENDS.iter().filter(|backend| backend.entry.is_some()) {
        let required = if sequences >= 300 { (500, 100) } else { (1, 0) };
        let on_disk = || Medium::Site(backend.site());
        report(backend.name, sequences, 200, on_disk, || Medium::Misled(backend.site()), required);
    }
}
