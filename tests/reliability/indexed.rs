//! Kills and power cuts of a store with indexes: one of values that must differ, one of lists, one that a step has built anew, and others that are built
//! and dropped all the time while threads write. Two versions of the program take turns.
//!
//! After each crash: what was acknowledged as durable is there; verification finds nothing; every answer through an index is that of a scan, with builds as
//! the crash has left them, and again when they have been brought to their end.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pivotdb::backend::{Backend as _, Batch, Bytes, Direction, KeyRange, PageLimit};
use pivotdb::testing::damage;
use pivotdb::{
    Collection, Durability, Error, ErrorKind, Evolution, Index, IndexState, Op, Store, Verify, WhileBuilding,
};
use serde_json::{Value, json};

use crate::backends::Tested;
use crate::check::told;
use crate::disk::{Mount, unavailable};
use crate::event::{Config, Event, Log, Role};
use crate::history::panics;
use crate::kill::{Moment, opening_time};
use crate::process::Process;
use crate::raw;
use crate::rng::{Rng, from_environment};
use crate::tally::{Flaw, Tally, say};
use crate::tested::{self, on_disk};
use crate::work::Mix;

const THINGS: &str = "things";
const PROGRESS: &str = "progress";
const KIND: &str = "thing";
const THREADS: usize = 2;
/// The ids that documents have.
const IDS: u64 = 400;
const CRASHES_PER_STORE: u64 = 6;
const MEGABYTES: u64 = 256;

/// The steps of a version of the program. The second changes values of an index and the path of another.
fn steps(program: u64) -> Evolution {
    let evolution = Evolution::new();
    if program < 2 {
        return evolution;
    }
    evolution
        .step("mail in lower case, and label is name", [Op::lowercase("mail"), Op::rename("label", "name")])
}

fn name_of(program: u64) -> &'static str {
    if program < 2 { "label" } else { "name" }
}

fn mail_of(program: u64, mail: &str) -> String {
    if program < 2 { mail.to_owned() } else { mail.to_lowercase() }
}

fn open_things(store: &Store, program: u64) -> Result<Collection<Value>, Error> {
    let things = store.collection_with::<Value>(THINGS, KIND, &steps(program))?;
    // Built again and again, it never lets two documents have the same.
    things.create_index(&Index::unique("key").while_building(WhileBuilding::Refused))?;
    things.create_index(&Index::on("tags"))?;
    things.create_index(&Index::on("mail"))?;
    things.create_index(&Index::on(name_of(program)).named("by name"))?;
    Ok(things)
}

// The child.

/// Writes, and builds indexes meanwhile, until it is killed.
pub(crate) fn work(config: &Config, store: &Store, log: &Log) -> Result<(), Error> {
    let things = open_things(store, config.program)?;
    let progress = store.documents(PROGRESS)?;
    let number = AtomicU64::new(config.next);
    let stop = AtomicBool::new(false);
    let mut rng = Rng::new(config.seed);
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for thread in 0..THREADS {
            let (things, progress, number, stop, rng) = (&things, &progress, &number, &stop, rng.fork());
            let write = move || {
                let written = write(config, store, things, progress, thread, number, rng, log, stop);
                stop.store(true, Ordering::Relaxed);
                written
            };
            threads.push(scope.spawn(write));
        }
        let built = build(&things, &mut rng, &stop);
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().try_for_each(|thread| thread.join().expect("it does not panic")).and(built)
    })
}

/// Declares an index, waits a little, mostly not until it is built, and drops it.
fn build(things: &Collection<Value>, rng: &mut Rng, stop: &AtomicBool) -> Result<(), Error> {
    while !stop.load(Ordering::Relaxed) {
        let index = Index::on("filler").named("extra");
        things.create_index(&if rng.percent(50) { index.and("key") } else { index })?;
        std::thread::sleep(Duration::from_millis(rng.below(120)));
        match rng.below(8) {
            0..4 => drop(things.drop_index("extra")?),
            4..7 => things.rebuild_index("tags")?,
            _ => things.rebuild_index("key")?,
        }
        std::thread::sleep(Duration::from_millis(rng.below(60)));
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "all that a thread needs")]
fn write(
    config: &Config,
    store: &Store,
    things: &Collection<Value>,
    progress: &Collection<Value>,
    thread: usize,
    number: &AtomicU64,
    mut rng: Rng,
    log: &Log,
    stop: &AtomicBool,
) -> Result<(), Error> {
    while !stop.load(Ordering::Relaxed) {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let durable = rng.percent(config.immediate);
        let durability = if durable { Durability::Immediate } else { Durability::Buffered };
        let changes: Vec<(u64, Option<Value>)> = (0..rng.between(1, 5))
            .map(|_| (rng.below(IDS), (!rng.percent(20)).then(|| thing(&mut rng, config.program))))
            .collect();
        let made = store.clone().with_durability(durability).transaction(|transaction| {
            let (things, progress) = (transaction.on(things), transaction.on(progress));
            for (id, value) in &changes {
                match value {
                    Some(value) => drop(things.overwrite(*id, value)?),
                    None => drop(things.delete(*id)?),
                }
            }
            progress.put(thread as u64, &json!(number)).map(drop)
        });
        match made {
            Ok(()) => log.tell(&Event::Acknowledged { thread, number, at: log.now(), sequence: 0, durable }),
            // It is another document's key, or may be; nothing was written.
            Err(error) if error.is_unique_violation() => {}
            Err(error) if error.kind() == ErrorKind::IndexBuilding => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn thing(rng: &mut Rng, program: u64) -> Value {
    let tags: Vec<u64> = (0..rng.below(4)).map(|_| rng.below(12)).collect();
    let mail = mail_of(program, &format!("{}@X.org", ["ada", "Bob", "CYD", "Dan"][rng.below(4) as usize]));
    let mut thing = json!({"key": rng.below(IDS * 50), "tags": tags, "mail": mail});
    thing[name_of(program)] = json!(rng.below(20));
    thing["filler"] = json!("f".repeat(rng.pick(&[10, 300, 300, 20_000])));
    thing
}

// The parent.

/// What was found in a store after a crash.
#[derive(Default)]
struct Found {
    flaws: Vec<Flaw>,
    /// Indexes whose build the crash has interrupted, and removals.
    building: usize,
    dropping: bool,
    documents: usize,
    answers: usize,
    progress: BTreeMap<usize, u64>,
}

/// Opens the store as a version of the program does, and holds everything that indexes say against the documents.
fn look(directory: &Path, backend: Tested, program: u64, plant: bool) -> Found {
    let mut found = Found::default();
    let looked = catch_unwind(AssertUnwindSafe(|| look_into(&mut found, directory, backend, program, plant)));
    match looked {
        Ok(Ok(())) => {
            found.flaws.extend(raw::check_directory(directory, backend));
        }
        Ok(Err(error)) => found.flaws.push(Flaw::FailedOpen(told(&error))),
        Err(_) => found.flaws.push(Flaw::Panic("while it was looked at".to_owned())),
    }
    found
}

fn look_into(
    found: &mut Found,
    directory: &Path,
    backend: Tested,
    program: u64,
    plant: bool,
) -> Result<(), Error> {
    let options = Store::builder().background(false).index_at_once(0).durability(Durability::Buffered);
    let store = backend.chosen(&options).open(directory)?;
    if !store.collections().iter().any(|name| name == THINGS) {
        return store.close();
    }
    let raw = store.documents(THINGS)?;
    let left = raw.indexes()?;
    found.building = left.iter().filter(|index| index.state == IndexState::Building).count();
    // What is being removed is still in the catalog, and listed no longer.
    found.dropping = generations(&store) > left.len();
    verify(&store, "as the crash has left it", found)?;
    for document in store.documents(PROGRESS)?.iter() {
        let document = document?;
        let thread = document.id().as_i64().and_then(|thread| usize::try_from(thread).ok());
        found.progress.insert(thread.unwrap_or(usize::MAX), document.as_u64().unwrap_or(0));
    }
    let things = open_things(&store, program)?;
    if plant {
        lose_an_entry(&store, &things);
    }
    answers(&things, program, "with builds on their way", found)?;
    store.run()?;
    for index in things.indexes()?.into_iter().filter(|index| index.current) {
        if index.state != IndexState::Readable {
            found.flaws.push(Flaw::Other(format!("index {:?} ends as {:?}", index.name, index.state)));
        }
    }
    answers(&things, program, "with builds at their end", found)?;
    verify(&store, "with builds at their end", found)?;
    store.close()
}

/// How many the catalog has.
fn generations(store: &Store) -> usize {
    let backend = damage::backend(store).expect("a backend");
    let limit = PageLimit { entries: usize::MAX, bytes: usize::MAX };
    let page = backend.page(&KeyRange::prefix(&[1, 1, 4]), Direction::Forward, limit).expect("a page");
    // Their heads, and not the number of the last one.
    page.entries.iter().filter(|(key, _)| key.len() == 7 && !key.ends_with(&[0; 4])).count()
}

/// The control: an entry of an index goes away behind the store's back.
fn lose_an_entry(store: &Store, things: &Collection<Value>) {
    let number =
        things.indexes().expect("indexes").into_iter().find(|index| index.name == "tags" && index.current);
    let number = number.expect("an index").generation;
    let backend = damage::backend(store).expect("a backend");
    let range = KeyRange::prefix(&[&[1, 0x20][..], &number.to_be_bytes()].concat());
    let limit = PageLimit { entries: 1, bytes: usize::MAX };
    let page = backend.page(&range, Direction::Backward, limit).expect("a page");
    let mut batch = Batch::default();
    batch.writes.insert(Bytes::from(&*page.entries[0].0), None);
    backend.apply(&batch).expect("it is taken");
}

fn verify(store: &Store, when: &str, found: &mut Found) -> Result<(), Error> {
    let verified = Verify::new(store).run()?;
    if !verified.is_sound() {
        let first = verified.findings.first().map(ToString::to_string);
        found.flaws.push(Flaw::Torn(format!("{when}, {} findings: {first:?}", verified.findings.len())));
    }
    Ok(())
}

/// Every answer through an index is that of a scan.
fn answers(things: &Collection<Value>, program: u64, when: &str, found: &mut Found) -> Result<(), Error> {
    let all: Vec<(i64, Value)> = things
        .iter()
        .map(|thing| thing.map(|thing| (thing.id().as_i64().unwrap_or(-1), thing.into_value())))
        .collect::<Result<_, Error>>()?;
    found.documents = all.len();
    let name = name_of(program);
    let mut filters: Vec<Value> = (0..12).map(|tag| json!({"tags": tag})).collect();
    filters.extend((0..20).map(|number| json!({name: number})));
    filters.extend(
        ["ada@x.org", "ada@X.org", "Bob@X.org", "bob@x.org", "CYD@X.org"].map(|mail| json!({"mail": mail})),
    );
    filters.extend(all.iter().step_by(9).map(|(_, thing)| json!({"key": thing["key"]})));
    for filter in filters {
        let (path, value) = filter.as_object().and_then(|filter| filter.iter().next()).expect("a member");
        let fits = |thing: &Value| match &thing[path] {
            Value::Array(elements) => elements.contains(value),
            other => other == value,
        };
        let expected: Vec<i64> = all.iter().filter(|(_, thing)| fits(thing)).map(|(id, _)| *id).collect();
        let answer = things.find(filter.clone()).to_vec()?;
        let answer: Vec<i64> = answer.iter().map(|thing| thing.id().as_i64().unwrap_or(-1)).collect();
        found.answers += 1;
        let mut sorted = answer.clone();
        sorted.sort_unstable();
        if sorted != expected {
            found.flaws.push(Flaw::Torn(format!("{when}, {filter}: {answer:?}, by a scan {expected:?}")));
        }
    }
    let mut keys: Vec<_> = all.iter().map(|(_, thing)| thing["key"].as_u64()).collect();
    let documents = keys.len();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() != documents {
        found.flaws.push(Flaw::Torn(format!(
            "{when}: {} keys that must differ of {documents} documents",
            keys.len()
        )));
    }
    Ok(())
}

#[derive(Default)]
struct Seen {
    in_builds: u64,
    builds: usize,
    in_removals: u64,
    programs: [u64; 2],
    acknowledged: usize,
    documents: usize,
    answers: usize,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { in_builds, builds, in_removals, programs, acknowledged, documents, answers } = self;
        write!(
            f,
            "{in_builds} crashes in mid-build ({builds} builds, all ended), {in_removals} while an index was removed; by program {programs:?}; \
             {acknowledged} commits acknowledged; {answers} answers held against scans of {documents} documents in all"
        )
    }
}

/// A store, and how far each thread is known to have come.
struct Subject {
    directory: PathBuf,
    backend: Tested,
    program: u64,
    durable: BTreeMap<usize, u64>,
    next: u64,
}

impl Subject {
    fn new(directory: PathBuf, backend: Tested) -> Self {
        Self { directory, backend, program: 1, durable: BTreeMap::new(), next: 1 }
    }

    fn config(&mut self, life: u64, rng: &mut Rng) -> Config {
        // The second program comes in mid-run, and the first comes back.
        self.program = if life < 2 { 1 } else { rng.pick(&[1, 2, 2]) };
        Config {
            role: Role::Indexer,
            seed: rng.next(),
            directory: self.directory.clone(),
            backend: self.backend,
            threads: Vec::new(),
            next: self.next,
            mix: Mix { sizes: vec![1], bytes: 0, batches: 0, grow: false },
            immediate: rng.pick(&[0, 20, 50]),
            session: u64::MAX,
            sync_deadline: Duration::from_secs(20),
            program: self.program,
        }
    }

    /// What was promised before the crash, of which only the first `lines` events count.
    fn note(&mut self, events: &[Event], lines: usize, seen: &mut Seen) {
        for (line, event) in events.iter().enumerate() {
            if let Event::Acknowledged { thread, number, durable, .. } = event {
                seen.acknowledged += 1;
                self.next = self.next.max(number + 1);
                if *durable && line < lines {
                    self.durable.insert(*thread, *number);
                }
            }
        }
        // What was under way may be there.
        self.next += 1_000;
    }

    fn check(&mut self, plant: bool, seen: &mut Seen, rng: &mut Rng) -> Vec<Flaw> {
        // Whichever program comes next finds it right.
        let found = look(&self.directory, self.backend, rng.pick(&[self.program, 1, 2]), plant);
        seen.in_builds += u64::from(found.building > 0);
        seen.builds += found.building;
        seen.in_removals += u64::from(found.dropping);
        seen.documents += found.documents;
        seen.answers += found.answers;
        let mut flaws = found.flaws;
        for (thread, durable) in &self.durable {
            let there = found.progress.get(thread).copied().unwrap_or(0);
            if there < *durable {
                flaws.push(Flaw::Lost(format!("thread {thread} is at {there}, and {durable} was durable")));
            }
        }
        self.durable = found.progress;
        flaws
    }
}

pub(crate) fn kills(seed: u64) {
    for backend in on_disk() {
        let scratch = tempfile::Builder::new().prefix("pivotdb-indexed-").tempdir().expect("a directory");
        let usual = tested::usual(backend, 24, 18);
        run(
            &tested::line("kill with indexes", backend),
            backend,
            seed,
            from_environment("PIVOTDB_KILLS", usual),
            |_, number| Site { place: scratch.path().join(format!("store-{number}")), mount: None },
        );
    }
}

pub(crate) fn cuts(seed: u64) {
    if let Some(reason) = unavailable(|| new_mount().and_then(|mount| mount.cut().map(|_| mount))) {
        return say(format_args!("skipped: powercut with indexes: {reason}"));
    }
    for backend in on_disk() {
        let usual = tested::usual(backend, 12, 12);
        run(
            &tested::line("powercut with indexes", backend),
            backend,
            seed,
            from_environment("PIVOTDB_CUTS", usual),
            |_, _| {
                let mount = new_mount().expect("a file system");
                Site { place: mount.root(), mount: Some(mount) }
            },
        );
    }
}

fn new_mount() -> std::io::Result<Mount> {
    Mount::image(MEGABYTES, "has_journal", "defaults")
}

/// Where a store is, and what it is on where the power is cut.
struct Site {
    place: PathBuf,
    mount: Option<Mount>,
}

fn run(name: &str, backend: Tested, seed: u64, crashes: u64, site: impl Fn(&mut Rng, u64) -> Site) {
    let began = Instant::now();
    let mut tally = Tally::new(name.to_owned(), seed);
    let mut rng = Rng::new(seed ^ 0x1de5);
    let mut seen = Seen::default();
    let mut usual_opening = Duration::from_millis(60);
    let (mut stores, mut caught) = (0, false);
    // Some crash must have met a build.
    while tally.runs < crashes || (seen.in_builds == 0 && tally.runs < crashes * 4) {
        stores += 1;
        let mut site = site(&mut rng, stores);
        let _ = std::fs::create_dir(&site.place);
        let errors = std::env::temp_dir().join(format!("pivotdb-indexed-errors-{}", std::process::id()));
        let mut subject = Subject::new(site.place.join("store"), backend);
        for life in 0..CRASHES_PER_STORE {
            let config = subject.config(life, &mut rng);
            seen.programs[usize::try_from(config.program - 1).expect("fits")] += 1;
            let cut = site.mount.as_ref().map(|mount| mount.ready_to_cut().expect("it can be cut off"));
            let child = Process::start(&config, errors.clone());
            let moment = if rng.percent(10) { Moment::Opening } else { Moment::Working };
            moment.wait(&child, usual_opening, &mut rng);
            let begun = cut.map(|cut| cut.now().expect("it can be cut off"));
            let events = child.kill();
            usual_opening = opening_time(&events).map_or(usual_opening, |time| (usual_opening + time) / 2);
            if let Some(mount) = &mut site.mount {
                mount.remount().expect("it can be mounted again");
            }
            let lines = events.iter().take_while(|(at, _)| begun.is_none_or(|begun| *at < begun)).count();
            let events: Vec<Event> = events.into_iter().map(|(_, event)| event).collect();
            tally.runs += 1;
            subject.note(&events, lines, &mut seen);
            let mut flaws = panics(&events, begun.is_none());
            if begun.is_none() {
                flaws.extend(events.iter().filter_map(failure));
            }
            flaws.extend(subject.check(false, &mut seen, &mut rng));
            if !flaws.is_empty() {
                let stderr = Process::errors(&errors);
                tally.note(
                    format!("store {stores}, life {life}, {moment:?}, {config:?}, stderr {stderr:?}"),
                    &flaws,
                );
                break;
            }
        }
        if !caught {
            let flaws = subject.check(true, &mut Seen::default(), &mut rng);
            let by_answers =
                flaws.iter().any(|flaw| matches!(flaw, Flaw::Torn(text) if text.contains("by a scan")));
            let by_verification =
                flaws.iter().any(|flaw| matches!(flaw, Flaw::Torn(text) if text.contains("findings")));
            caught = by_answers && by_verification;
        }
        let _ = std::fs::remove_file(&errors);
        if site.mount.is_none() {
            let _ = std::fs::remove_dir_all(&site.place);
        }
    }
    if caught {
        tally.control_caught();
    }
    say(format_args!("{name}: {seen}; {} s", began.elapsed().as_secs()));
    assert!(crashes < 10 || seen.in_builds > 0, "no crash was in the middle of a build");
    tally.finish();
}

fn failure(event: &Event) -> Option<Flaw> {
    match event {
        Event::Failed { what, kind, text } => Some(Flaw::Other(format!("{what}: {kind}: {text}"))),
        _ => None,
    }
}
