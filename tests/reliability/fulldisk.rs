//! Full disks: a child writes until nothing more fits, tries what still works, and is killed or closes the store. Then space returns.
//!
//! sled does not take a full disk well: its flushing thread ends without a word and a flush may wait for ever. What is tested here is that
//! nobody above it waits with it, and that what was acknowledged is there afterwards.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::backends::Tested;
use crate::check::{self, judge};
use crate::disk::{Mount, unavailable};
use crate::event::{Config, Event, Role};
use crate::history::{History, panics};
use crate::kill::Subject;
use crate::process::Process;
use crate::rng::{Rng, from_environment};
use crate::tally::{Flaw, Tally, say};
use crate::tested::{self, on_disk};
use crate::work::{Mix, Op};

const DEADLINE: Duration = Duration::from_secs(2);
/// What a call may take that gives up at its deadline, or at the two that a commit behind a flush has.
const PATIENCE: Duration = Duration::from_secs(15);
/// Taken away, this is the space that returns.
const BALLAST: &str = "ballast";

pub(crate) fn run(seed: u64) {
    if let Some(reason) = unavailable(|| Mount::memory(16)) {
        return say(format_args!("skipped: fulldisk: {reason}"));
    }
    let images = unavailable(|| Mount::image(32, "has_journal", "defaults"));
    if let Some(reason) = &images {
        say(format_args!("fulldisk: only in memory, not on ext4: {reason}"));
    }
    for backend in on_disk() {
        run_on(backend, images.is_none(), seed);
    }
}

fn run_on(backend: Tested, images: bool, seed: u64) {
    let name = tested::line("fulldisk", backend);
    let mut tally = Tally::new(name.clone(), seed);
    let mut rng = Rng::new(seed);
    let mut seen = Seen::default();
    for run in 0..from_environment("PIVOTDB_FULL", tested::usual(backend, 6, 3)) {
        let on_image = images && run % 3 == 2;
        let size = rng.between(40, 64);
        let mount =
            if on_image { Mount::image(size + 16, "has_journal", "defaults") } else { Mount::memory(size) };
        let mount = mount.expect("a file system");
        let flaws = fill(&mount, backend, &mut rng, &mut seen);
        tally.runs += 1;
        tally.note(format!("run {run} on {mount:?}"), &flaws);
    }
    if seen.forgeries_caught == tally.runs {
        tally.control_caught();
    }
    // sled cannot read what was in the write that failed; that is the smaller part.
    if seen.refused >= seen.right {
        let text = format!("reads do not go on: {} refused, {} right", seen.refused, seen.right);
        tally.note("all runs", &[Flaw::Other(text)]);
    }
    say(format_args!("{name}: {seen}"));
    tally.finish();
}

#[derive(Default)]
struct Seen {
    acknowledged: u64,
    durable: usize,
    forgeries_caught: u64,
    slowest: Duration,
    /// Documents that were read on a full disk, and that could not be.
    right: u64,
    refused: u64,
    /// What the first writes that failed said.
    kinds: std::collections::BTreeMap<String, u64>,
    openings: std::collections::BTreeMap<String, u64>,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { acknowledged, durable, slowest, right, refused, kinds, openings, .. } = self;
        write!(
            f,
            "{acknowledged} operations acknowledged, {durable} steps durable; first errors {kinds:?}; then {right} documents read and {refused} reads refused, slowest call after it {slowest:?}; \
             opening while it is full {openings:?}"
        )
    }
}

fn fill(mount: &Mount, backend: Tested, rng: &mut Rng, seen: &mut Seen) -> Vec<Flaw> {
    let ballast = mount.root().join(BALLAST);
    write_ballast(&ballast).expect("the file system is not full yet");
    let subject = Subject::new(&mount.root(), backend, rng);
    let sizes = rng.pick::<&[u32]>(&[&[100, 10_000], &[100, 10_000, 100_000], &[100_000, 1_000_000]]);
    let mix = Mix { sizes: sizes.to_vec(), bytes: u64::MAX, batches: rng.pick(&[0, 10, 40]), grow: true };
    let config =
        Config { mix, session: u64::MAX, sync_deadline: DEADLINE, ..subject.config(Role::Filler, rng) };
    let child = Process::start(&config, mount.beside().join("errors"));
    let came_back = child.wait_for(Duration::from_secs(120), |event| matches!(event, Event::Done)).is_some();
    let events: Vec<Event> = child.kill().into_iter().map(|(_, event)| event).collect();
    let history = History::new(&events, subject.threads.len(), subject.next);
    seen.acknowledged += history.acknowledged;
    seen.durable += history.durable.iter().sum::<usize>();
    let mut flaws = panics(&events, false);
    if !came_back {
        let last: Vec<_> = events.iter().rev().take(3).collect();
        flaws.push(Flaw::Other(format!("it does not come back after {last:?}")));
    }
    flaws.extend(after_the_first_error(&events, came_back, seen));
    flaws.extend(opening_while_full(&config, mount, seen));
    fs::remove_file(&ballast).expect("the ballast can be removed");
    match check::read(&subject.directory, backend, subject.threads.len()) {
        Ok(found) => {
            flaws.extend(judge(&subject.threads, &history, &found));
            // The control: one acknowledgement that nobody gave.
            let forged = History::new(&forge(events, history.next), subject.threads.len(), subject.next);
            let flaws = judge(&subject.threads, &forged, &found);
            seen.forgeries_caught += u64::from(flaws.iter().any(|flaw| matches!(flaw, Flaw::Lost(_))));
        }
        Err(found) => flaws.extend(found),
    }
    flaws
}

fn write_ballast(path: &Path) -> io::Result<()> {
    fs::write(path, vec![1; 16 << 20])?;
    fs::File::open(path)?.sync_all()
}

/// The first error tells of the full disk; then reads go on and writes are refused.
fn after_the_first_error(events: &[Event], came_back: bool, seen: &mut Seen) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut other = |text: String| flaws.push(Flaw::Other(text));
    let first = events.iter().find_map(|event| match event {
        Event::Failed { what, kind, text } => Some((what, kind, text)),
        _ => None,
    });
    match first {
        None => other("nothing failed".to_owned()),
        Some((what, kind, text)) => {
            *seen.kinds.entry(kind.clone()).or_default() += 1;
            let fits = ["OutOfSpace", "CommitOutcomeUnknown", "Poisoned"].contains(&kind.as_str());
            let clear = ["is full", "No space left", "StorageFull"].iter().any(|sign| text.contains(sign));
            if !fits || !clear {
                other(format!("the first error does not tell of a full disk: {what}: {kind}: {text}"));
            }
        }
    }
    let mut tried = 0;
    for event in events {
        if let Event::Read { right, refused } = event {
            seen.right += right;
            seen.refused += refused;
        }
        let Event::Tried { what, kind, took } = event else { continue };
        tried += 1;
        seen.slowest = seen.slowest.max(*took);
        let fits = match what.as_str() {
            "iterate" => matches!(kind.as_deref(), None | Some("OutOfSpace")),
            // Which reads before it writes.
            "write" => matches!(kind.as_deref(), Some("Poisoned" | "OutOfSpace")),
            _ => matches!(kind.as_deref(), Some("Poisoned" | "CommitOutcomeUnknown")),
        };
        if !fits || *took > PATIENCE {
            other(format!("on a full disk, {what}: {kind:?} after {took:?}"));
        }
    }
    if came_back && tried < 3 {
        other(format!("only {tried} calls were tried"));
    }
    flaws
}

/// The store may be opened or not, but says so, and in time.
fn opening_while_full(config: &Config, mount: &Mount, seen: &mut Seen) -> Vec<Flaw> {
    let config = Config { role: Role::Opener, ..config.clone() };
    let child = Process::start(&config, mount.beside().join("errors"));
    let came_back = child.wait_for(Duration::from_secs(60), |event| matches!(event, Event::Done)).is_some();
    let events: Vec<Event> = child.kill().into_iter().map(|(_, event)| event).collect();
    let mut flaws = panics(&events, false);
    if !came_back {
        flaws.push(Flaw::Other("opening on a full disk does not come back".to_owned()));
    }
    let mut outcome = "opens".to_owned();
    for event in &events {
        if let Event::Failed { what, kind, text } = event {
            outcome = format!("{what}: {kind}");
            if !["OutOfSpace", "Io", "CommitOutcomeUnknown", "Poisoned"].contains(&kind.as_str()) {
                flaws.push(Flaw::Other(format!("opening on a full disk: {what}: {kind}: {text}")));
            }
        }
    }
    *seen.openings.entry(outcome).or_default() += 1;
    flaws
}

fn forge(mut events: Vec<Event>, number: u64) -> Vec<Event> {
    let op = Op::Insert { slot: u32::MAX, size: 100 };
    let last = events.iter().position(|event| matches!(event, Event::Failed { .. })).unwrap_or(events.len());
    let sequence = u64::MAX - 1;
    let (thread, at) = (0, Duration::MAX);
    let intent = Event::Intent { thread, number, at, sequence, op };
    let ack = Event::Acknowledged { thread, number, at, sequence: u64::MAX, durable: true };
    events.splice(last..last, [intent, ack]);
    events
}
