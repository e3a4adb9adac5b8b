//! Documents, indexes, builds, programs of four schema versions and crashes, at random: after every step, queries answer what a scan answers, and that is
//! what an eager migration would have made of the documents; and entries are what they would be if they were made now.
//!
//! The control breaks the rules by which entries are right, one at a time, and that must be seen in an answer while nobody looks at the entries, and in the entries while
//! nobody asks.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says where"
)]

#[path = "../support/backends.rs"]
mod backends;
mod effects;
mod flawed;
mod oracle;
mod plan;
mod questions;
mod run;
mod threads;

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Instant;

use pivotdb::backend::{Backend, MemoryBackend};
use pivotdb::testing::fault;
use pivotdb::testing::upkeep::Rule;
use pivotdb::{Builder, Damage, Store};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::backends::{BACKENDS, Site, Tested};
use crate::flawed::{Failing, Told};
use crate::plan::Step;
use crate::run::{Looking, Tally, Wrong, run};

fn from_variable(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// In one write, so that it stays one line among others.
fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

/// What random sequences begin with, and on disk the next ones as well: always the same, so that a run can be repeated, unless `PIVOTDB_MODEL_SEED` says another.
fn seed() -> u8 {
    std::env::var("PIVOTDB_MODEL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// Where a sequence runs.
pub(crate) struct Medium {
    place: Place,
    /// Tells the backend what to do.
    pub(crate) told: Told,
    /// The rule that is not kept there.
    pub(crate) broken: Option<Rule>,
}

enum Place {
    Memory(Arc<MemoryBackend>),
    Disk(Site),
}

impl Medium {
    /// A new one.
    fn new(backend: Tested, broken: Option<Rule>) -> Self {
        let place = match backend.entry {
            None => Place::Memory(Arc::new(MemoryBackend::new())),
            Some(_) => Place::Disk(backend.site()),
        };
        Self { place, told: Told::default(), broken }
    }

    /// How many more questions there are after one that met what is rare. On disk, where sequences take long, there are fewer of these.
    pub(crate) const fn further_questions(&self) -> u32 {
        match self.place {
            Place::Memory(_) => 1,
            Place::Disk(_) => 8,
        }
    }

    /// Opens the store that is here, or makes it.
    pub(crate) fn open(&self, builder: Builder) -> Store {
        let failing =
            |inner: Arc<dyn Backend>| -> Arc<dyn Backend> { Arc::new(Failing::new(inner, &self.told)) };
        match &self.place {
            Place::Memory(bytes) => {
                builder.open_backend(failing(Arc::<MemoryBackend>::clone(bytes))).unwrap()
            }
            Place::Disk(Site { backend, directory, .. }) => {
                fault::open(backend.chosen(&builder), directory.path().join("test.pivot"), failing).unwrap()
            }
        }
    }
}

/// What came of a hunt.
struct Hunted {
    tally: Tally,
    /// How many sequences there were, and the last of them.
    ran: u32,
    last: Vec<Step>,
    outcome: Result<(), String>,
}

/// Runs sequences, each on a new medium, until something counts as wrong, and shrinks that.
fn hunt(
    seed: u8,
    sequences: u32,
    shrink: u32,
    looking: Looking,
    medium: impl Fn() -> Medium,
    counts: impl Fn(&Wrong) -> bool,
) -> Hunted {
    let config =
        Config { cases: sequences, failure_persistence: None, max_shrink_iters: shrink, ..Config::default() };
    let (tally, ran, last) = (RefCell::new(Tally::default()), Cell::new(0), RefCell::default());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let outcome = TestRunner::new_with_rng(config, rng).run(&plan::sequences(), |steps| {
        ran.set(ran.get() + 1);
        let outcome = run(&medium(), &steps, looking, &mut tally.borrow_mut());
        last.replace(steps);
        match outcome {
            Err(wrong) if counts(&wrong) => Err(TestCaseError::fail(wrong.to_string())),
            _ => Ok(()),
        }
    });
    let outcome = outcome.map_err(|error| error.to_string());
    Hunted { tally: tally.into_inner(), ran: ran.get(), last: last.into_inner(), outcome }
}

/// Sequences within which a broken rule has to be noticed.
const PATIENCE: u32 = 2_000;

/// How a broken rule has given itself away.
struct Giveaway {
    rule: Rule,
    looking: Looking,
    /// After how many sequences, and by which; `None`: not at all.
    caught: Option<(u32, Vec<Step>)>,
}

/// Whether a broken rule leaves entries that verification can tell from right ones.
fn leaves_entries(rule: Rule) -> bool {
    match rule {
        Rule::OldEntries | Rule::OldStamp | Rule::Writers | Rule::Validation => true,
        // Readers leave nothing; and what has come of a function, only who has entered it knows.
        _ => false,
    }
}

/// Whether it is what shows that a rule is broken, where one looks so.
fn gives_away(looking: Looking, wrong: &Wrong) -> bool {
    match wrong {
        Wrong::Answer(_) => looking == Looking::AtAnswers,
        Wrong::Damage(damage, _) => looking == Looking::AtEntries && damage.contains(&Damage::Index),
        Wrong::Other(_) => false,
    }
}

/// Each rule, broken in memory.
static GIVEAWAYS: LazyLock<Vec<Giveaway>> = LazyLock::new(|| {
    let looks = |rule: Rule| {
        let entries = leaves_entries(rule).then_some(Looking::AtEntries);
        [Some(Looking::AtAnswers), entries].into_iter().flatten().map(move |looking| (rule, looking))
    };
    let give_away = |(rule, looking)| {
        let medium = || Medium::new(BACKENDS[0], Some(rule));
        let hunted = hunt(seed(), PATIENCE, 0, looking, medium, |wrong| gives_away(looking, wrong));
        Giveaway { rule, looking, caught: hunted.outcome.is_err().then_some((hunted.ran, hunted.last)) }
    };
    Rule::ALL.into_iter().flat_map(looks).map(give_away).collect()
});

/// Breaks each rule on a backend, by the sequences that have given them away in memory, and gives what is said of that; `Err`: what was not caught.
fn control(backend: Tested) -> Result<String, String> {
    let (mut by_answers, mut by_entries, mut after) = (0, 0, Vec::new());
    for Giveaway { rule, looking, caught } in &*GIVEAWAYS {
        let missed = || format!("{rule:?} is broken, and not caught {looking:?}");
        let (ran, steps) = caught.as_ref().ok_or_else(missed)?;
        let outcome = run(&Medium::new(backend, Some(*rule)), steps, *looking, &mut Tally::default());
        outcome.err().filter(|wrong| gives_away(*looking, wrong)).ok_or_else(missed)?;
        *(if *looking == Looking::AtAnswers { &mut by_answers } else { &mut by_entries }) += 1;
        after.push(ran);
    }
    Ok(format!(
        "{} rules broken, {by_answers} caught by answers alone, {by_entries} by entries alone, in sequences {after:?}",
        Rule::ALL.len()
    ))
}

/// How many sequences run at once: on disk they mostly wait for it.
const fn lanes(backend: Tested) -> u8 {
    if backend.entry.is_some() { 3 } else { 1 }
}

/// Runs sequences that must all be right, on disk several at once.
fn run_all(backend: Tested, sequences: u32, shrink: u32) -> Tally {
    let lanes = lanes(backend);
    let lane = |lane: u8| {
        let sequences =
            sequences / u32::from(lanes) + u32::from(u32::from(lane) < sequences % u32::from(lanes));
        let medium = || Medium::new(backend, None);
        let seed = seed().wrapping_add(lane);
        let hunted = hunt(seed, sequences, shrink, Looking::Everything, medium, |_| true);
        (seed, hunted)
    };
    let hunted: Vec<_> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|number| scope.spawn(move || lane(number))).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).collect()
    });
    hunted.into_iter().fold(Tally::default(), |tally, (seed, hunted)| {
        if let Err(error) = hunted.outcome {
            panic!("{}, seed {seed}: {error}", backend.name);
        }
        tally.and(&hunted.tally)
    })
}

/// Runs sequences, and the control. Queries of which kinds are required: in mid-build, after a rollback.
fn report(backend: Tested, sequences: u32, shrink: u32, required: (u64, u64)) {
    let name = backend.name;
    let begun = Instant::now();
    let tally = run_all(backend, sequences, shrink);
    let took = begun.elapsed();
    let control = control(backend);
    let caught = if control.is_ok() { "caught" } else { "missed" };
    let Tally { queries, selective, mid_build, after_rollback, by_index, .. } = tally;
    say(&format!(
        "model {name}: {sequences} sequences, {queries} queries, {selective} selective, {mid_build} in mid-build, \
         {after_rollback} after rollback, 0 wrong, control {caught}"
    ));
    let Tally { scans, walks, faults, other_faults, met, changed, renamed, .. } = tally;
    say(&format!(
        "model {name}, besides: {by_index} queries by index, {scans} asked without indexes too, {walks} page by page, {changed} definitions changed, {renamed} times another name of the kind, \
         {met} steps of builds with writes in between, {faults} faults in writes, {other_faults} in builds and declarations, seeds {:?}, {} s",
        (0..lanes(backend)).map(|lane| seed().wrapping_add(lane)).collect::<Vec<_>>(),
        took.as_secs()
    ));
    let told = control.unwrap_or_else(|missed| panic!("{name}: the control: {missed}"));
    say(&format!("model {name}, control: {told}, seed {}", seed()));
    assert!(selective * 2 >= queries, "too few filters select neither nothing nor everything");
    assert!(mid_build >= required.0 && after_rollback >= required.1, "too few queries were put to the test");
    let others = [scans, walks, changed, renamed, met, faults, other_faults];
    // Unoptimised, there are too few sequences for what is rare.
    assert!(
        cfg!(debug_assertions) || others.iter().all(|count| *count > 0),
        "something was never done: {others:?}"
    );
}

#[test]
fn queries_by_index_answer_what_scans_answer_in_memory() {
    let sequences =
        from_variable("PIVOTDB_MODEL_SEQUENCES", if cfg!(debug_assertions) { 200 } else { 10_000 });
    let required = if sequences >= 2_000 { (1_000, 500) } else { (1, 1) };
    report(BACKENDS[0], sequences, 2_000, required);
}

#[test]
fn queries_by_index_answer_what_scans_answer_on_disk() {
    let sequences =
        from_variable("PIVOTDB_MODEL_DISK_SEQUENCES", if cfg!(debug_assertions) { 10 } else { 300 });
    for backend in BACKENDS.iter().filter(|backend| backend.entry.is_some()) {
        // redb does nothing else, and as much as a third of it takes long enough.
        let (sequences, required) = match (backend.name, sequences >= 300) {
            ("sled", true) => (sequences, (1_000, 500)),
            ("sled", false) => (sequences, (1, 0)),
            (_, true) => (sequences / 3, (300, 150)),
            (_, false) => (sequences.div_ceil(3), (0, 0)),
        };
        report(*backend, sequences, 200, required);
    }
}
