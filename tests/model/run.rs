//! Doing what a sequence says, and asking after every step.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use pivotdb::testing::upkeep::break_rule;
use pivotdb::{
    Collection, Damage, ErrorKind, Evolution, Function, Import, Index, IndexInfo, IndexState, Op, Snapshot,
    Store, To, Verify, Versioned,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Medium;
use crate::effects::{Claim, Documents, Known, Written, attempt, effect, write};
use crate::flawed::Fault;
use crate::oracle::Question;
use crate::plan::{Fields, NEWEST, Program, Step};
use crate::questions::{Asked, ask_without_indexes, question};

/// What has been put to the test.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) queries: u64,
    pub(crate) selective: u64,
    pub(crate) by_index: u64,
    pub(crate) mid_build: u64,
    pub(crate) after_rollback: u64,
    /// Questions that were asked without indexes, too,
    pub(crate) scans: u64,
    /// and page after page.
    pub(crate) walks: u64,
    /// Faults that struck a write or a transaction,
    pub(crate) faults: u64,
    /// and those that struck a build, a removal or a declaration.
    pub(crate) other_faults: u64,
    /// Steps of builds in the midst of which there were writes.
    pub(crate) met: u64,
    /// Indexes that were declared anew under the name that another one has.
    pub(crate) changed: u64,
    /// How often a program that calls the kind otherwise took over.
    pub(crate) renamed: u64,
}

impl Tally {
    pub(crate) fn and(self, other: &Self) -> Self {
        Self {
            queries: self.queries + other.queries,
            selective: self.selective + other.selective,
            by_index: self.by_index + other.by_index,
            mid_build: self.mid_build + other.mid_build,
            after_rollback: self.after_rollback + other.after_rollback,
            scans: self.scans + other.scans,
            walks: self.walks + other.walks,
            faults: self.faults + other.faults,
            other_faults: self.other_faults + other.other_faults,
            met: self.met + other.met,
            changed: self.changed + other.changed,
            renamed: self.renamed + other.renamed,
        }
    }
}

/// What is wrong.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// An answer.
    Answer(String),
    /// What verification says.
    Damage(Vec<Damage>, String),
    Other(String),
}

impl From<String> for Wrong {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

impl From<&str> for Wrong {
    fn from(text: &str) -> Self {
        Self::Other(text.to_owned())
    }
}

impl From<pivotdb::Error> for Wrong {
    fn from(error: pivotdb::Error) -> Self {
        Self::Other(error.to_string())
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Answer(text) | Self::Damage(_, text) | Self::Other(text)) = self;
        f.write_str(text)
    }
}

impl Wrong {
    fn within(self, place: &str) -> Self {
        match self {
            Self::Answer(text) => Self::Answer(format!("{place}: {text}")),
            Self::Damage(damage, text) => Self::Damage(damage, format!("{place}: {text}")),
            Self::Other(text) => Self::Other(format!("{place}: {text}")),
        }
    }
}

pub(crate) type Outcome<T = ()> = Result<T, Wrong>;

/// What is looked at after each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looking {
    Everything,
    /// Answers, and nothing else.
    AtAnswers,
    /// What verification says, and nothing else.
    AtEntries,
}

struct Running<'r> {
    medium: &'r Medium,
    looking: Looking,
    tally: &'r mut Tally,
    store: Store,
    things: Collection<Value>,
    program: Program,
    newest: u32,
    documents: Documents,
    /// Of this program, with what there was.
    snapshot: Option<(Snapshot, Documents)>,
    questions: u64,
}

pub(crate) fn run(medium: &Medium, steps: &[Step], looking: Looking, tally: &mut Tally) -> Outcome {
    let program = Program { version: 1, renamed: false };
    let (store, things) = open(medium, program);
    let (documents, snapshot) = (Documents::new(), None);
    let (newest, questions) = (program.version, 1);
    let mut running =
        Running { medium, looking, tally, store, things, program, newest, documents, snapshot, questions };
    for (position, step) in steps.iter().enumerate() {
        running.step(step).map_err(|wrong| wrong.within(&format!("step {position} {step:?}")))?;
        running.check().map_err(|wrong| wrong.within(&format!("after step {position} {step:?}")))?;
    }
    Ok(running.store.close()?)
}

fn steps(version: u32) -> Evolution {
    let all = [
        |so_far: Evolution| so_far.step("a is b", [Op::rename("a", "b")]),
        |so_far: Evolution| so_far.step("n is text", [Op::convert("n", To::Text).back(To::Integer)]),
        |so_far: Evolution| {
            let by = |by: i64| {
                move |body: &mut Value, _: &pivotdb::StepContext<'_>| {
                    if let Some(c) = body["c"].as_i64() {
                        body["c"] = json!(c + by);
                    }
                }
            };
            so_far.step("c is more", Function::new("c", by(1000)).down(by(-1000)))
        },
    ];
    all.into_iter().take(version as usize - 1).fold(Evolution::new(), |so_far, step| step(so_far))
}

/// A document by the new name of the kind, at a schema version.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Item<const VERSION: u32>(Value);

impl<const VERSION: u32> Versioned for Item<VERSION> {
    const KIND: &'static str = "item";

    fn aliases() -> &'static [&'static str] {
        &["thing"]
    }

    fn evolution() -> Evolution {
        steps(VERSION)
    }
}

fn open(medium: &Medium, program: Program) -> (Store, Collection<Value>) {
    let builder = Store::builder().background(false).index_at_once(0).build_batch(2);
    let store = medium.open(builder.durability(pivotdb::Durability::Buffered));
    if let Some(rule) = medium.broken {
        break_rule(&store, rule);
    }
    let Program { version, renamed } = program;
    let declared = match (renamed, version) {
        (false, _) => Ok(()),
        (true, 1) => store.collection::<Item<1>>("things").map(drop),
        (true, 2) => store.collection::<Item<2>>("things").map(drop),
        (true, 3) => store.collection::<Item<3>>("things").map(drop),
        (true, _) => store.collection::<Item<NEWEST>>("things").map(drop),
    };
    declared.unwrap();
    let kind = if renamed { "item" } else { "thing" };
    let things = store.collection_with("things", kind, &steps(version)).unwrap();
    (store, things)
}

fn name(number: usize) -> String {
    format!("i{number}")
}

/// The index of a number, by one of its definitions, for programs of a schema version.
fn index(number: usize, definition: usize, version: u32) -> Index {
    let b = if version >= 2 { "b" } else { "a" };
    let some_tags = |least: u8| json!({"tags": {"$gte": least}});
    let index = match (number, definition) {
        (0, 0) => Index::on(b),
        (0, 1) => Index::descending(b),
        (0, 2) => Index::on(b).sparse(),
        (0, _) => Index::on("c"),
        (1, 0) => Index::on("n"),
        (1, 1) => Index::on(b),
        (1, 2) => Index::on("n").only(some_tags(1)),
        (1, _) => Index::descending("n"),
        (2, 0) => Index::on("c"),
        (2, 1) => Index::on("c").sparse(),
        (2, 2) => Index::on("c").and("n"),
        (2, _) => Index::on("tags"),
        (3, 0) => Index::on("tags"),
        (3, 1) => Index::descending("tags").sparse(),
        (3, 2) => Index::on("tags").and(b),
        (3, _) => Index::on("n"),
        (4, 0) => Index::on("n").and_descending(b),
        (4, 1) => Index::on("n").and(b),
        (4, 2) => Index::on(b).and("n"),
        (4, _) => Index::on("n").and_descending(b).sparse(),
        (5, 0) => Index::unique("c").sparse(),
        (5, 1) => Index::on("c").sparse(),
        (5, 2) => Index::unique("c").sparse().only(some_tags(3)),
        (5, _) => Index::unique("c"),
        (_, 0) => Index::on("c").and("tags").only(some_tags(2)),
        (_, 1) => Index::on("c").and("tags").only(some_tags(4)),
        (_, 2) => Index::on("c").and("tags"),
        _ => Index::on(b).only(json!({"tags": 2})),
    };
    index.named(&name(number))
}

/// What of an index tells it from others of its name.
fn told_apart(info: &IndexInfo) -> String {
    let IndexInfo { paths, descending, unique, sparse, only, .. } = info;
    format!("{paths:?} {descending:?} {unique} {sparse} {only:?}")
}

impl Running<'_> {
    fn step(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Program(program, crash) => self.program(*program, *crash)?,
            Step::CreateIndex(number, definition) => {
                let of_name = |indexes: Vec<IndexInfo>| {
                    let of_name = indexes.into_iter().filter(|index| index.name == name(*number));
                    of_name.map(|info| told_apart(&info)).collect::<Vec<_>>()
                };
                let before = of_name(self.things.indexes()?);
                self.things.create_index(&index(*number, *definition, self.program.version))?;
                let after = of_name(self.things.indexes()?);
                let changed = !before.is_empty() && after.iter().any(|index| !before.contains(index));
                self.tally.changed += u64::from(changed);
            }
            Step::DropIndex(number) => drop(self.things.drop_index(&name(*number))?),
            Step::RebuildIndex(number) => match self.things.rebuild_index(&name(*number)) {
                Err(error) if error.kind() == ErrorKind::InvalidIndex => {}
                other => other?,
            },
            Step::Work(times) => {
                for _ in 0..*times {
                    self.store.step()?;
                }
            }
            Step::Meanwhile(steps) => self.meanwhile(steps)?,
            Step::Refused(id) => {
                let refused = self.things.try_update(*id, |_| Err(pivotdb::Error::abort("no")));
                if refused.is_ok() {
                    return Err("what gave up was written".into());
                }
            }
            Step::Import(lines) => self.import(lines)?,
            Step::Transaction(steps, commit) => self.transaction(steps, *commit)?,
            Step::Fault(step, passed, made) => {
                self.fault(step, *passed, if *made { Fault::Made } else { Fault::Lost })?;
            }
            step => {
                let claims = self.claims()?;
                write(&self.things, &mut self.documents, self.program.version, &claims, step)?;
            }
        }
        Ok(())
    }

    fn claims(&self) -> Outcome<Vec<Claim>> {
        Ok(Claim::all(&self.things.indexes()?))
    }

    fn program(&mut self, program: Program, crash: bool) -> Outcome {
        self.snapshot = None;
        if !crash {
            self.store.close()?;
        }
        // The handles go before the store can be opened again.
        let parked = Store::memory()?;
        self.things = parked.documents("parked")?;
        self.store = parked;
        (self.store, self.things) = open(self.medium, program);
        self.tally.renamed += u64::from(program.renamed != self.program.renamed);
        self.program = program;
        self.newest = self.newest.max(program.version);
        Ok(())
    }

    /// Writes come between what a step of a build reads and its commit.
    fn meanwhile(&mut self, steps: &[Step]) -> Outcome {
        let (things, version, claims) = (self.things.clone(), self.program.version, self.claims()?);
        let (mut documents, steps) = (self.documents.clone(), self.near_frontier(steps)?);
        let written = Arc::new(Mutex::new(None));
        let told = Arc::clone(&written);
        self.medium.told.meanwhile(move || {
            let all = steps
                .iter()
                .try_for_each(|step| write(&things, &mut documents, version, &claims, step).map(drop));
            *told.lock().unwrap() = Some(all.map(|()| documents));
        });
        let stepped = self.store.step();
        self.medium.told.never_mind();
        stepped?;
        if let Some(written) = written.lock().unwrap().take() {
            self.documents = written?;
            self.tally.met += 1;
        }
        Ok(())
    }

    /// The same writes, of documents that a build comes to next.
    fn near_frontier(&self, steps: &[Step]) -> Outcome<Vec<Step>> {
        let indexes = self.things.indexes()?;
        let building = indexes.iter().find(|index| index.state == IndexState::Building);
        let Some(passed) = building.map(|index| index.documents) else { return Ok(steps.to_vec()) };
        let next: Vec<u64> = self.documents.keys().copied().skip(passed as usize).take(3).collect();
        let near = |id: u64| next.get((id % 3) as usize).copied().unwrap_or(id);
        let moved = steps.iter().map(|step| match step.clone() {
            Step::Insert(id, fields) => Step::Insert(near(id), fields),
            Step::Put(id, fields) => Step::Put(near(id), fields),
            Step::Update(id, change) => Step::Update(near(id), change),
            Step::Delete(id) => Step::Delete(near(id)),
            other => other,
        });
        Ok(moved.collect())
    }

    /// The store goes on as it was, for those who read, until it is opened again: then what was to be done is, or it is not.
    fn fault(&mut self, step: &Step, passed: u8, fault: Fault) -> Outcome {
        let maintained = self.maintained()?;
        let mut after = self.documents.clone();
        self.medium.told.fail(passed, fault);
        let outcome = self.bare(step, &mut after);
        let kind = outcome.as_ref().err().map(pivotdb::Error::kind);
        if self.medium.told.never_mind() {
            // It was refused, or there was not so much to write.
            let usual = [
                ErrorKind::AlreadyExists,
                ErrorKind::Conflict,
                ErrorKind::HistoryDiverged,
                ErrorKind::InvalidIndex,
                ErrorKind::NotFound,
                ErrorKind::UniqueViolation,
            ];
            return match kind {
                None => {
                    self.documents = after;
                    Ok(())
                }
                Some(kind) if usual.contains(&kind) => Ok(()),
                Some(_) => Err(format!("without a fault: {outcome:?}").into()),
            };
        }
        if kind != Some(ErrorKind::CommitOutcomeUnknown) {
            return Err(format!("a fault was told as {outcome:?}").into());
        }
        let next = self.things.insert_with_id(99, &json!({"c": -1})).err().map(|error| error.kind());
        if next != Some(ErrorKind::Poisoned) {
            return Err(format!("after a fault a write was told {next:?}").into());
        }
        self.look()?;
        self.program(self.program, true)?;
        let writes = matches!(
            step,
            Step::Insert(..) | Step::Put(..) | Step::Update(..) | Step::Delete(_) | Step::Transaction(..)
        );
        self.tally.faults += u64::from(writes);
        self.tally.other_faults += u64::from(!writes);
        if fault == Fault::Lost || !writes {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.documents, after);
        if self.eager().is_err() {
            // What failed was what comes before the write: that an index is given up.
            let now = self.maintained()?;
            if maintained.iter().all(|number| now.contains(number)) {
                return Err("a batch that was written is gone".into());
            }
            self.documents = before;
        }
        Ok(())
    }

    /// Does what a fault is to come into; `documents` become what they are once that is done.
    fn bare(&self, step: &Step, documents: &mut Documents) -> pivotdb::Result<()> {
        match step {
            Step::CreateIndex(number, definition) => {
                self.things.create_index(&index(*number, *definition, self.program.version))
            }
            Step::DropIndex(number) => self.things.drop_index(&name(*number)).map(drop),
            Step::RebuildIndex(number) => self.things.rebuild_index(&name(*number)),
            Step::Work(_) => self.store.step().map(drop),
            Step::Transaction(steps, _) => {
                let transaction = self.store.begin()?;
                let within = transaction.on(&self.things);
                for step in steps {
                    effect(documents, self.program.version, step);
                    attempt(&within, self.program.version, step)?;
                }
                transaction.commit()
            }
            step => {
                effect(documents, self.program.version, step);
                attempt(&self.things, self.program.version, step)
            }
        }
    }

    /// The numbers of the generations that are kept up.
    fn maintained(&self) -> Outcome<Vec<u32>> {
        let kept_up = |index: &IndexInfo| {
            matches!(index.state, IndexState::Building | IndexState::Readable | IndexState::Failed)
        };
        Ok(self
            .things
            .indexes()?
            .iter()
            .filter(|index| kept_up(index))
            .map(|index| index.generation)
            .collect())
    }

    fn import(&mut self, lines: &[(u64, Fields)]) -> Outcome {
        let mut text = String::new();
        for (id, fields) in lines {
            let mut body = fields.at(self.program.version);
            body["id"] = json!(id);
            text.push_str(&format!("{body}\n"));
        }
        let imported =
            Import::into(&self.things).id_field("id").overwrite_existing().read_from(text.as_bytes());
        let written = match &imported {
            Ok(imported) => usize::try_from(imported.documents).unwrap(),
            Err(error) if error.kind() == ErrorKind::UniqueViolation => {
                error.context().detail("imported").and_then(|count| count.parse().ok()).ok_or("no count")?
            }
            Err(error) => return Err(error.to_string().into()),
        };
        for (id, fields) in lines.iter().take(written) {
            self.documents
                .insert(*id, Known { fields: fields.clone(), stored: self.program.version, has_id: true });
        }
        Ok(())
    }

    fn transaction(&mut self, steps: &[Step], commit: bool) -> Outcome {
        let claims = self.claims()?;
        let transaction = self.store.begin()?;
        let within = transaction.on(&self.things);
        let mut documents = self.documents.clone();
        let mut refused = false;
        for step in steps {
            if write(&within, &mut documents, self.program.version, &claims, step)? == Written::Refused {
                refused = true;
                break;
            }
        }
        let (question, number) = self.question();
        self.ask(&within, &documents, &question, number)?;
        if refused || !commit {
            transaction.rollback();
            return Ok(());
        }
        match transaction.commit() {
            Ok(()) => self.documents = documents,
            // An index that this program cannot keep up was given up on the way.
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn check(&mut self) -> Outcome {
        self.look()?;
        if self.looking == Looking::Everything {
            self.census()?;
            self.replaced()?;
        }
        // Entries are what they would be if they were made now, and so on.
        if self.looking != Looking::AtAnswers {
            let findings = Verify::new(&self.store).run()?.findings;
            if !findings.is_empty() {
                let damage = findings.iter().map(pivotdb::Finding::damage).collect();
                return Err(Wrong::Damage(damage, format!("{findings:?}")));
            }
        }
        Ok(())
    }

    /// At documents and answers.
    fn look(&mut self) -> Outcome {
        if self.looking == Looking::AtEntries {
            return Ok(());
        }
        self.eager()?;
        let (question, number) = self.question();
        let (things, documents) = (self.things.clone(), self.documents.clone());
        let rare = self.ask(&things, &documents, &question, number)?;
        if rare {
            // The control is to be the same on every backend.
            let everything = self.looking == Looking::Everything;
            for _ in 0..if everything { self.medium.further_questions() } else { 1 } {
                let (question, number) = self.question();
                self.ask(&things, &documents, &question, number)?;
            }
        }
        if number.is_multiple_of(5) {
            ask_without_indexes(&things, &self.store, &question)?;
            self.tally.scans += 1;
        }
        match self.snapshot.take() {
            None => self.snapshot = Some((self.store.snapshot()?, self.documents.clone())),
            // At every third step or so, until it is time for another one.
            Some(snapshot) if !number.is_multiple_of(3) => self.snapshot = Some(snapshot),
            Some((snapshot, documents)) => {
                let (question, number) = self.question();
                self.ask(&snapshot.on(&self.things), &documents, &question, number)
                    .map_err(|wrong| wrong.within("in a snapshot"))?;
                self.snapshot = (!number.is_multiple_of(5)).then_some((snapshot, documents));
            }
        }
        Ok(())
    }

    fn question(&mut self) -> (Question, u64) {
        let number = self.questions;
        self.questions += 1;
        (question(number, self.documents.len(), self.program.version), number)
    }

    /// Whether that was by an index in mid-build or after a rollback, of which there are fewer.
    fn ask(
        &mut self,
        things: &Collection<Value>,
        documents: &Documents,
        question: &Question,
        number: u64,
    ) -> Outcome<bool> {
        let (version, rolled_back) = (self.program.version, self.program.version < self.newest);
        Asked { things, documents, version, rolled_back }.ask(question, number, self.tally)
    }

    /// It counts what there is.
    fn census(&self) -> Outcome {
        let mut wanted: BTreeMap<u32, u64> = BTreeMap::new();
        for known in self.documents.values() {
            *wanted.entry(known.stored).or_default() += 1;
        }
        let mut counted: BTreeMap<u32, u64> = BTreeMap::new();
        for entry in self.store.census()?.iter().filter(|entry| entry.documents > 0) {
            *counted.entry(entry.stamp.schema_version).or_default() += entry.documents;
        }
        if counted == wanted {
            Ok(())
        } else {
            Err(format!("the census says {counted:?} instead of {wanted:?}").into())
        }
    }

    /// What takes the place of another index has it once it is built.
    fn replaced(&self) -> Outcome {
        let mut serving = BTreeMap::new();
        for index in self.things.indexes()? {
            if index.current
                && index.state == IndexState::Readable
                && let Some(other) = serving.insert(index.name.clone(), index.generation)
            {
                let (name, number) = (index.name, index.generation);
                return Err(format!("{name} is readable as {other} and as {number}").into());
            }
        }
        Ok(())
    }

    /// What is there is what an eager migration would have made of it.
    fn eager(&self) -> Outcome {
        let mut expected = self.documents.iter();
        for found in self.things.iter() {
            let Some((id, known)) = expected.next() else {
                return Err("there are too many documents".into());
            };
            match (found, known.is_seen(self.program.version)) {
                (Ok(found), true) => {
                    let mut body = found.value.clone();
                    if let Some(body) = body.as_object_mut() {
                        body.remove("id");
                    }
                    let wanted = known.fields.at(self.program.version);
                    if body != wanted || found.id().as_u64() != Some(*id) {
                        return Err(format!("{id}: {body} instead of {wanted}").into());
                    }
                }
                (Err(_), false) => {}
                (found, seen) => return Err(format!("{id}: {found:?}, to be seen: {seen}").into()),
            }
        }
        if expected.next().is_some() { Err("documents are missing".into()) } else { Ok(()) }
    }
}
