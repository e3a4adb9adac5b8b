//! `kill -9` at random moments.
//!
//! A killed process leaves its page cache behind, so what is tested here is the order in which the store hands things to the
//! operating system, recovery, and that nothing is acknowledged early.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::backends::Tested;
use crate::check::{self, judge};
use crate::event::{Config, Event, Role, Written};
use crate::history::{History, panics};
use crate::process::Process;
use crate::rng::{Rng, from_environment};
use crate::tally::{Flaw, Tally, say};
use crate::tested::{self, on_disk};
use crate::work::Mix;

/// How many kills a store lives through before the next one is made.
const KILLS_PER_STORE: u64 = 7;

/// What a child chooses the sizes of its documents from.
const SIZES: &[&[u32]] = &[
    &[SMALL],
    &[SMALL, MIDDLE],
    &[SMALL, SMALL, SMALL, MIDDLE, MIDDLE, LARGE],
    &[SMALL, MIDDLE, MIDDLE, LARGE, LARGE],
    &[SMALL, SMALL, MIDDLE, LARGE, HUGE],
];
const SMALL: u32 = 100;
const MIDDLE: u32 = 10_000;
const LARGE: u32 = 100_000;
const HUGE: u32 = 1_000_000;

/// A store that is written to by one child after the other, and what must be in it.
pub(crate) struct Subject {
    pub(crate) directory: PathBuf,
    pub(crate) backend: Tested,
    pub(crate) threads: Vec<Written>,
    pub(crate) next: u64,
}

impl Subject {
    pub(crate) fn new(directory: &Path, backend: Tested, rng: &mut Rng) -> Self {
        // The directory above does not exist yet either.
        let directory = directory.join("stores").join("store");
        let threads = (0..rng.pick(&[1, 1, 2, 4])).map(|_| Written::default()).collect();
        Self { directory, backend, threads, next: 1 }
    }

    /// How the next child writes.
    pub(crate) fn config(&self, role: Role, rng: &mut Rng) -> Config {
        let sizes = rng.pick(SIZES);
        let bytes = rng.pick(&[200_000, 2_000_000, 6_000_000]);
        let mix = Mix { sizes: sizes.to_vec(), bytes, batches: rng.pick(&[0, 5, 15, 40]), grow: false };
        Config {
            role,
            seed: rng.next(),
            directory: self.directory.clone(),
            backend: self.backend,
            threads: self.threads.clone(),
            next: self.next,
            mix,
            immediate: rng.pick(&[0, 10, 50, 100, 100]),
            session: rng.pick(&[3, 30, 300, 3000]),
            sync_deadline: Duration::from_secs(20),
            program: 0,
        }
    }

    /// Opens the store after a crash, compares, and goes on from what is there.
    pub(crate) fn check(&mut self, history: &History) -> Vec<Flaw> {
        match check::read(&self.directory, self.backend, self.threads.len()) {
            Ok(found) => {
                let flaws = judge(&self.threads, history, &found);
                self.threads = found.threads;
                self.next = history.next;
                flaws
            }
            Err(flaws) => flaws,
        }
    }
}

/// The moment of a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// While the store is opened or made.
    Opening,
    Working,
}

impl Moment {
    /// Waits in the child's life until the moment has come.
    pub(crate) fn wait(self, child: &Process, usual_opening: Duration, rng: &mut Rng) {
        let patience = Duration::from_secs(60);
        let micros = |most: Duration, rng: &mut Rng| {
            Duration::from_micros(rng.below(u64::try_from(most.as_micros()).unwrap_or(u64::MAX)))
        };
        match self {
            Self::Opening => {
                child.wait_for(patience, |event| matches!(event, Event::Opening { .. }));
                std::thread::sleep(micros(usual_opening, rng));
            }
            Self::Working => {
                child.wait_for(patience, |event| matches!(event, Event::Opened { .. }));
                let most = rng.pick(&[10, 150, 300, 300, 900]);
                std::thread::sleep(micros(Duration::from_millis(most), rng));
            }
        }
    }
}

/// How long an opening took, if one came to its end.
pub(crate) fn opening_time(events: &[(Instant, Event)]) -> Option<Duration> {
    let at = |is_it: fn(&Event) -> bool| events.iter().find(|(_, event)| is_it(event)).map(|(at, _)| *at);
    let opened = at(|event| matches!(event, Event::Opened { .. }))?;
    Some(opened.duration_since(at(|event| matches!(event, Event::Opening { .. }))?))
}

pub(crate) fn run(seed: u64) {
    for backend in on_disk() {
        run_on(backend, seed);
    }
}

fn run_on(backend: Tested, seed: u64) {
    let name = tested::line("kill", backend);
    let mut tally = Tally::new(name.clone(), seed);
    let mut rng = Rng::new(seed);
    let scratch = tempfile::Builder::new().prefix("pivotdb-kill-").tempdir().expect("a directory");
    let kills = from_environment("PIVOTDB_KILLS", 100);
    let mut control = 0;
    while control < 30 && !liar_is_caught(scratch.path(), backend, &mut rng, control) {
        control += 1;
    }
    if control < 30 {
        tally.control_caught();
    }
    let mut seen = Seen::default();
    let mut usual_opening = Duration::from_millis(100);
    let mut stores = 0;
    while tally.runs < kills || seen.opening * 5 < kills {
        stores += 1;
        let place = scratch.path().join(format!("store-{stores}"));
        std::fs::create_dir(&place).expect("a directory");
        let mut subject = Subject::new(&place, backend, &mut rng);
        for life in 0..KILLS_PER_STORE {
            // The first of a store is its making.
            let moment =
                if rng.percent(if life == 0 { 70 } else { 30 }) { Moment::Opening } else { Moment::Working };
            let config = subject.config(Role::Writer, &mut rng);
            let errors = place.join("errors");
            let child = Process::start(&config, errors.clone());
            moment.wait(&child, usual_opening + usual_opening / 4, &mut rng);
            let events = child.kill();
            if let Some(time) = opening_time(&events) {
                usual_opening = (usual_opening + time) / 2;
            }
            let events: Vec<Event> = events.into_iter().map(|(_, event)| event).collect();
            let history = History::new(&events, subject.threads.len(), subject.next);
            tally.runs += 1;
            seen.note(&history, life);
            let mut flaws = panics(&events, true);
            flaws.extend(history.errors.iter().cloned().map(Flaw::Other));
            flaws.extend(subject.check(&history));
            if !flaws.is_empty() {
                let kept = keep(&place);
                let during = format!(
                    "store {stores}, life {life}, {moment:?}, {:?}, options {}, kept in {kept:?}, stderr {:?}",
                    config.mix,
                    history.options,
                    Process::errors(&errors)
                );
                tally.note(during, &flaws);
                break;
            }
        }
        let _ = std::fs::remove_dir_all(&place);
    }
    say(format_args!("{name}: {seen}; control caught at try {}", control + 1));
    tally.finish();
}

/// Moves a place where something went wrong out of the way of its removal.
fn keep(place: &Path) -> PathBuf {
    let kept = std::env::temp_dir().join(format!("pivotdb-kept-{}", std::process::id()));
    let _ = std::fs::create_dir(&kept);
    let name = place.file_name().expect("a name");
    let _ = std::fs::rename(place, kept.join(name));
    kept.join(name)
}

/// What the kills met, so that a run that missed the point is seen.
#[derive(Default)]
pub(crate) struct Seen {
    opening: u64,
    making: u64,
    closing: u64,
    writing: u64,
    steps: usize,
    durable: usize,
    commits: u64,
}

impl Seen {
    pub(crate) fn note(&mut self, history: &History, life: u64) {
        if history.opening {
            self.opening += 1;
            self.making += u64::from(life == 0);
        } else if history.closing {
            self.closing += 1;
        } else {
            self.writing += 1;
        }
        self.steps += history.threads.iter().map(Vec::len).sum::<usize>();
        self.durable += history.durable.iter().sum::<usize>();
        self.commits += history.acknowledged;
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { opening, making, closing, writing, steps, durable, commits } = self;
        write!(
            f,
            "{opening} while opening ({making} of them while making the store), {closing} while closing, {writing} while \
             writing; {commits} operations acknowledged, {durable} of {steps} steps durable"
        )
    }
}

/// The control: a child that acknowledges a commit before it makes it. Gives whether that was found out.
fn liar_is_caught(scratch: &Path, backend: Tested, rng: &mut Rng, attempt: u32) -> bool {
    let place = scratch.join(format!("liar-{attempt}"));
    std::fs::create_dir(&place).expect("a directory");
    let mut subject = Subject::new(&place, backend, rng);
    let config = Config { immediate: 100, ..subject.config(Role::Liar, rng) };
    let child = Process::start(&config, place.join("errors"));
    Moment::Working.wait(&child, Duration::ZERO, rng);
    let events: Vec<Event> = child.kill().into_iter().map(|(_, event)| event).collect();
    let history = History::new(&events, subject.threads.len(), subject.next);
    let flaws = subject.check(&history);
    let _ = std::fs::remove_dir_all(&place);
    flaws.iter().any(|flaw| matches!(flaw, Flaw::Lost(_)))
}
