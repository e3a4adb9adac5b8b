//! Power cuts: the file system under a store is shut down while a child writes to it, without what it has not written yet.
//!
//! What survives is what had been handed to the medium and what the file system needs to find it again, so what is tested here, beyond what
//! `kill` tests, is that everything acknowledged has been synced, and everything that it takes to reach it.

use std::time::Duration;

use crate::backends::Tested;
use crate::disk::{Mount, unavailable};
use crate::event::{Config, Event, Role};
use crate::history::{History, panics};
use crate::kill::{Moment, Seen, Subject, opening_time};
use crate::process::Process;
use crate::rng::{Rng, from_environment};
use crate::tally::{Flaw, Tally, say};
use crate::tested::{self, on_disk};
use crate::work::Mix;

const CUTS_PER_STORE: u64 = 6;
const CONTROL_TRIES: u64 = 60;
const MEGABYTES: u64 = 512;
/// How many of a hundred stores are written to as fast as can be, so that much of the log is on its way to the medium when the power
/// is cut, at the end of the file and in segments that are used again.
const PRESSED: u64 = 40;

/// Ways of ext4 to order data and metadata.
const OPTIONS: &[&str] =
    &["defaults", "defaults", "data=writeback", "nodelalloc", "commit=1", "data=journal"];
const FEATURES: &[&str] = &[USUAL, USUAL, "^64bit", "bigalloc", "^extents,^64bit"];
/// Has it anyway.
const USUAL: &str = "has_journal";

pub(crate) fn run(seed: u64) {
    if let Some(reason) =
        unavailable(|| new_mount(&mut Rng::new(0)).and_then(|mount| mount.cut().map(|_| mount)))
    {
        return say(format_args!("skipped: powercut: {reason}"));
    }
    for backend in on_disk() {
        run_on(backend, seed);
    }
}

fn run_on(backend: Tested, seed: u64) {
    let name = tested::line("powercut", backend);
    let mut tally = Tally::new(name.clone(), seed);
    let mut rng = Rng::new(seed);
    let control = if backend.name == "sled" { bare_sled_loses } else { haste_is_caught };
    let tries = (1..=CONTROL_TRIES).find(|_| control(backend, &mut rng));
    if tries.is_some() {
        tally.control_caught();
    }
    let cuts = from_environment("PIVOTDB_CUTS", 60);
    let mut seen = Seen::default();
    let mut usual_opening = Duration::from_millis(100);
    let mut stores = 0;
    while tally.runs < cuts {
        stores += 1;
        let mut mount = new_mount(&mut rng).expect("a file system");
        let mut subject = Subject::new(&mount.root(), backend, &mut rng);
        let pressed = rng.percent(PRESSED);
        for life in 0..CUTS_PER_STORE {
            let moment = if rng.percent(20) { Moment::Opening } else { Moment::Working };
            let mut config = subject.config(Role::Writer, &mut rng);
            if pressed {
                config.immediate = 0;
                config.mix = Mix {
                    sizes: vec![1_000_000],
                    bytes: rng.pick(&[2_000_000, 12_000_000]),
                    batches: 0,
                    grow: false,
                };
            }
            let errors = mount.beside().join("errors");
            let cut = mount.ready_to_cut().expect("the file system can be cut off");
            let child = Process::start(&config, errors.clone());
            moment.wait(&child, usual_opening + usual_opening / 4, &mut rng);
            let begun = cut.now().expect("the file system can be cut off");
            if rng.percent(50) {
                // Some time to meet a medium that is gone.
                std::thread::sleep(Duration::from_millis(rng.below(50)));
            }
            let events = child.kill();
            if let Some(time) = opening_time(&events) {
                usual_opening = (usual_opening + time) / 2;
            }
            mount.remount().expect("the file system can be mounted again");
            // Unlike a power cut this takes its time. A sync that is under way meanwhile may return without an error, and without having
            // synced anything.
            let before = events.iter().take_while(|(at, _)| *at < begun).count();
            let events: Vec<Event> = events.into_iter().map(|(_, event)| event).collect();
            let history = History::promising(before, &events, subject.threads.len(), subject.next);
            tally.runs += 1;
            seen.note(&history, life);
            let mut flaws = panics(&events, false);
            flaws.extend(
                history.errors.iter().filter(|error| !is_of_the_medium(error)).cloned().map(Flaw::Other),
            );
            flaws.extend(subject.check(&history));
            if !flaws.is_empty() {
                let during = format!(
                    "store {stores}, life {life}, {moment:?}, {mount:?}, {:?}, options {}, errors {:?}, stderr {:?}",
                    config.mix,
                    history.options,
                    history.errors,
                    Process::errors(&errors)
                );
                tally.note(during, &flaws);
                break;
            }
        }
    }
    say(format_args!("{name}: {seen}; control caught at try {}", tries.unwrap_or(0)));
    tally.finish();
}

fn new_mount(rng: &mut Rng) -> std::io::Result<Mount> {
    Mount::image(MEGABYTES, rng.pick(FEATURES), rng.pick(OPTIONS))
}

/// What a store may say when its medium is gone.
fn is_of_the_medium(error: &str) -> bool {
    ["CommitOutcomeUnknown", "Poisoned", "Io", "Corrupt"]
        .iter()
        .any(|kind| error.contains(&format!(": {kind}: ")))
}

/// The control of sled: a program that trusts sled's own `flush`. Gives whether it has lost what it had acknowledged.
fn bare_sled_loses(backend: Tested, rng: &mut Rng) -> bool {
    let mut mount = Mount::image(MEGABYTES, USUAL, "defaults").expect("a file system");
    let directory = mount.root().join("bare");
    let mix = Mix { sizes: vec![rng.pick(&[100, 2000, 8000])], bytes: 0, batches: 0, grow: true };
    let config = Config {
        role: Role::BareSled,
        seed: 0,
        directory: directory.clone(),
        backend,
        threads: Vec::new(),
        next: 1,
        mix,
        immediate: 100,
        session: 0,
        sync_deadline: Duration::from_secs(20),
        program: 0,
    };
    let child = Process::start(&config, mount.beside().join("errors"));
    child.wait_for(Duration::from_secs(60), |event| matches!(event, Event::Acknowledged { .. }));
    std::thread::sleep(Duration::from_millis(rng.below(400)));
    mount.cut().expect("the file system can be cut off");
    let events = child.kill();
    mount.remount().expect("the file system can be mounted again");
    let acknowledged = events.iter().filter_map(|(_, event)| match event {
        Event::Acknowledged { number, .. } => Some(*number),
        _ => None,
    });
    let acknowledged = acknowledged.max().unwrap_or(0);
    let there = std::panic::catch_unwind(|| {
        let database = sled::Config::new().path(&directory).open().ok()?;
        (1..=acknowledged)
            .all(|number| matches!(database.get(number.to_be_bytes()), Ok(Some(_))))
            .then_some(())
    });
    !matches!(there, Ok(Some(())))
}

/// The control of other backends: a child that says of buffered commits that they are durable. Gives whether that was found out.
fn haste_is_caught(backend: Tested, rng: &mut Rng) -> bool {
    let mut mount = Mount::image(MEGABYTES, USUAL, "defaults").expect("a file system");
    let mut subject = Subject::new(&mount.root(), backend, rng);
    let config = Config { immediate: 0, session: u64::MAX, ..subject.config(Role::Hasty, rng) };
    let child = Process::start(&config, mount.beside().join("errors"));
    Moment::Working.wait(&child, Duration::ZERO, rng);
    let begun = mount.cut().expect("the file system can be cut off");
    let events = child.kill();
    mount.remount().expect("the file system can be mounted again");
    let before = events.iter().take_while(|(at, _)| *at < begun).count();
    let events: Vec<Event> = events.into_iter().map(|(_, event)| event).collect();
    let history = History::promising(before, &events, subject.threads.len(), subject.next);
    let flaws = subject.check(&history);
    flaws.iter().any(|flaw| matches!(flaw, Flaw::Lost(_)))
}
