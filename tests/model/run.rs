//! Doing what a sequence says, and asking after every step.

use std::collections::BTreeMap;

use pivotdb::{
    Collection, ErrorKind, Evolution, Function, Import, Index, IndexState, Op, Snapshot, Store, To,
    Unreadable, Verify,
};
use serde_json::{Value, json};

use crate::Medium;
use crate::flawed::Fault;
use crate::oracle::{Question, Test};
use crate::plan::{Change, Fields, NEWEST, Step};

/// What has been put to the test.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) queries: u64,
    pub(crate) selective: u64,
    pub(crate) by_index: u64,
    pub(crate) mid_build: u64,
    pub(crate) after_rollback: u64,
    pub(crate) faults: u64,
}

/// A document of the model, and the schema version it is stored at.
#[derive(Debug, Clone)]
struct Known {
    fields: Fields,
    stored: u32,
    /// An import leaves the member in the body that its id came from.
    has_id: bool,
}

type Documents = BTreeMap<u64, Known>;

struct Running<'r> {
    medium: &'r Medium,
    tally: &'r mut Tally,
    store: Store,
    things: Collection<Value>,
    version: u32,
    documents: Documents,
    rolled_back: bool,
    /// Of this program, with what there was.
    snapshot: Option<(Snapshot, Documents)>,
    questions: u64,
}

type Outcome = Result<(), String>;

pub(crate) fn run(medium: &Medium, steps: &[Step], tally: &mut Tally) -> Outcome {
    let (store, things) = open(medium, 1);
    let documents = Documents::new();
    let (snapshot, rolled_back) = (None, false);
    let mut running =
        Running { medium, tally, store, things, version: 1, documents, rolled_back, snapshot, questions: 1 };
    for (position, step) in steps.iter().enumerate() {
        running.step(step).map_err(|error| format!("step {position} {step:?}: {error}"))?;
        running.check().map_err(|error| format!("after step {position} {step:?}: {error}"))?;
    }
    running.store.close().map_err(|error| error.to_string())
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

fn open(medium: &Medium, version: u32) -> (Store, Collection<Value>) {
    let builder = Store::builder().background(false).index_at_once(0).build_batch(2);
    let builder = builder.durability(pivotdb::Durability::Buffered);
    let store = match medium {
        Medium::Backend(backend) => builder.open_backend(backend.clone()).unwrap(),
        Medium::Site(site) | Medium::Misled(site) => site.open(&builder),
    };
    let things = store.collection_with("things", "thing", &steps(version)).unwrap();
    (store, things)
}

/// The index of a number, for programs of a schema version.
fn index(number: usize, version: u32) -> Index {
    let b = if version >= 2 { "b" } else { "a" };
    let index = match number {
        0 => Index::on(b),
        1 => Index::on("n"),
        2 => Index::on("c"),
        3 => Index::on("tags"),
        4 => Index::on("n").and_descending(b),
        5 => Index::unique("c").sparse(),
        _ => Index::on("c").and("tags").only(json!({"tags": {"$gte": 2}})),
    };
    index.named(&format!("i{number}"))
}

impl Known {
    /// Whether a program can read it: those before 4 lack the function.
    fn is_seen(&self, version: u32) -> bool {
        self.stored < NEWEST || version >= NEWEST
    }
}

impl Running<'_> {
    fn step(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Program(version, crash) => self.program(*version, *crash),
            Step::CreateIndex(number) => told(self.things.create_index(&index(*number, self.version))),
            Step::DropIndex(number) => told(self.things.drop_index(&format!("i{number}"))),
            Step::RebuildIndex(number) => match self.things.rebuild_index(&format!("i{number}")) {
                Err(error) if error.kind() == ErrorKind::InvalidIndex => Ok(()),
                other => told(other),
            },
            Step::Work(times) => (0..*times).try_for_each(|_| told(self.store.step())),
            Step::Refused(id) => {
                let refused = self.things.try_update(*id, |_| Err(pivotdb::Error::abort("no")));
                if refused.is_ok() { Err("what gave up was written".to_owned()) } else { Ok(()) }
            }
            Step::Import(lines) => self.import(lines),
            Step::Transaction(steps, commit) => self.transaction(steps, *commit),
            Step::Fault(step, made) => self.fault(step, if *made { Fault::Made } else { Fault::Lost }),
            step => {
                let enforced = self.is_enforced()?;
                write(&self.things, &mut self.documents, self.version, enforced, step)?;
                if matches!(self.medium, Medium::Misled(_)) {
                    self.mislead(step);
                }
                Ok(())
            }
        }
    }

    /// The model takes a write for one that the store has not made.
    fn mislead(&mut self, step: &Step) {
        let id = meant(&self.documents, step).map_or(0, |(id, _)| id);
        if let Some(known) = self.documents.get_mut(&id) {
            known.fields.n = known.fields.n.map_or(Some(0), |n| Some(n + 1));
        }
    }

    fn program(&mut self, version: u32, crash: bool) -> Outcome {
        self.snapshot = None;
        if !crash {
            told(self.store.close())?;
        }
        // The handles go before the store can be opened again.
        let parked = Store::memory().map_err(|error| error.to_string())?;
        self.things = parked.documents("parked").map_err(|error| error.to_string())?;
        self.store = parked;
        (self.store, self.things) = open(self.medium, version);
        self.rolled_back |= version < self.version;
        self.version = version;
        Ok(())
    }

    /// The store goes on as it was, for those who read, until it is opened again: then the write is there or it is not.
    fn fault(&mut self, step: &Step, fault: Fault) -> Outcome {
        let Medium::Backend(backend) = self.medium else { return self.program(self.version, true) };
        backend.arm(fault);
        let outcome = attempt(&self.things, self.version, step);
        if !backend.disarm() {
            // It was refused, or there was nothing to write.
            return Ok(());
        }
        self.tally.faults += 1;
        let kind = outcome.err().map(|error| error.kind());
        if kind != Some(ErrorKind::CommitOutcomeUnknown) {
            return Err(format!("a fault was told as {kind:?}"));
        }
        let next = self.things.insert_with_id(99, &json!({})).err().map(|error| error.kind());
        if next != Some(ErrorKind::Poisoned) {
            return Err(format!("after a fault a write was told {next:?}"));
        }
        self.eager()?;
        let (question, things, documents) = (self.question(), self.things.clone(), self.documents.clone());
        self.ask(&things, &documents, &question)?;
        self.program(self.version, true)?;
        if fault == Fault::Lost {
            return Ok(());
        }
        // What failed may also have been what comes before the write: that an index is given up.
        let before = self.documents.clone();
        effect(&mut self.documents, self.version, step);
        if self.eager().is_err() {
            self.documents = before;
        }
        Ok(())
    }

    fn is_enforced(&self) -> Result<bool, String> {
        let indexes = self.things.indexes().map_err(|error| error.to_string())?;
        Ok(indexes
            .iter()
            .any(|index| index.name == "i5" && index.current && index.state == IndexState::Readable))
    }

    fn import(&mut self, lines: &[(u64, Fields)]) -> Outcome {
        let mut text = String::new();
        for (id, fields) in lines {
            let mut body = fields.at(self.version);
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
            Err(error) => return Err(error.to_string()),
        };
        for (id, fields) in lines.iter().take(written) {
            self.documents.insert(*id, Known { fields: fields.clone(), stored: self.version, has_id: true });
        }
        Ok(())
    }

    fn transaction(&mut self, steps: &[Step], commit: bool) -> Outcome {
        let enforced = self.is_enforced()?;
        let transaction = self.store.begin().map_err(|error| error.to_string())?;
        let within = transaction.on(&self.things);
        let mut documents = self.documents.clone();
        let mut refused = false;
        for step in steps {
            if write(&within, &mut documents, self.version, enforced, step)? == Written::Refused {
                refused = true;
                break;
            }
        }
        let question = self.question();
        self.ask(&within, &documents, &question)?;
        if refused || !commit {
            transaction.rollback();
            return Ok(());
        }
        match transaction.commit() {
            Ok(()) => self.documents = documents,
            // An index that this program cannot keep up was given up on the way.
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }

    fn check(&mut self) -> Outcome {
        // Whoever is misled is to be caught by a query.
        if !matches!(self.medium, Medium::Misled(_)) {
            self.eager()?;
            self.census()?;
        }
        for _ in 0..3 {
            let question = self.question();
            let (things, documents) = (self.things.clone(), self.documents.clone());
            self.ask(&things, &documents, &question)?;
        }
        if let Some((snapshot, documents)) = self.snapshot.take() {
            let question = self.question();
            self.ask(&snapshot.on(&self.things), &documents, &question)
                .map_err(|error| format!("in a snapshot: {error}"))?;
            self.snapshot = (!self.questions.is_multiple_of(5)).then_some((snapshot, documents));
        } else {
            let snapshot = self.store.snapshot().map_err(|error| error.to_string())?;
            self.snapshot = Some((snapshot, self.documents.clone()));
        }
        // Entries are what they would be if they were made now, and so on.
        let verified = Verify::new(&self.store).run().map_err(|error| error.to_string())?;
        if verified.is_sound() { Ok(()) } else { Err(format!("{:?}", verified.findings)) }
    }

    /// It counts what there is.
    fn census(&self) -> Outcome {
        let mut wanted: BTreeMap<u32, u64> = BTreeMap::new();
        for known in self.documents.values() {
            *wanted.entry(known.stored).or_default() += 1;
        }
        let census = self.store.census().map_err(|error| error.to_string())?;
        let mut counted: BTreeMap<u32, u64> = BTreeMap::new();
        for entry in census.iter().filter(|entry| entry.documents > 0) {
            *counted.entry(entry.stamp.schema_version).or_default() += entry.documents;
        }
        if counted == wanted {
            Ok(())
        } else {
            Err(format!("the census says {counted:?} instead of {wanted:?}"))
        }
    }

    /// What is there is what an eager migration would have made of it.
    fn eager(&self) -> Outcome {
        let mut expected = self.documents.iter();
        for found in self.things.iter() {
            let Some((id, known)) = expected.next() else {
                return Err("there are too many documents".into());
            };
            match (found, known.is_seen(self.version)) {
                (Ok(found), true) => {
                    let mut body = found.value.clone();
                    if let Some(body) = body.as_object_mut() {
                        body.remove("id");
                    }
                    let wanted = known.fields.at(self.version);
                    if body != wanted || found.id().as_u64() != Some(*id) {
                        return Err(format!("{id}: {body} instead of {wanted}"));
                    }
                }
                (Err(_), false) => {}
                (found, seen) => return Err(format!("{id}: {found:?}, to be seen: {seen}")),
            }
        }
        if expected.next().is_some() { Err("documents are missing".into()) } else { Ok(()) }
    }

    /// The next question: numbers that are as good as random, and the same for the same sequence.
    fn question(&mut self) -> Question {
        let mut seed = self.questions.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (self.documents.len() as u64);
        self.questions += 1;
        let mut next = |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 11) % below
        };
        let b = if self.version >= 2 { "b" } else { "a" };
        let members = [b, "n", "c", "tags"];
        let mut tests = Vec::new();
        for _ in 0..1 + next(2) {
            let member = members[usize::try_from(next(4)).unwrap()];
            let version = self.version;
            let mut value = || {
                let n = next(10);
                match member {
                    "n" if version >= 3 => json!(n.to_string()),
                    "c" if version >= 4 => json!(n % 8 + 1000),
                    "tags" => json!(n % 6),
                    _ => json!(n % 8),
                }
            };
            let (one, other) = (value(), value());
            tests.push((
                member,
                match next(9) {
                    0 | 1 => Test::Equals(one),
                    2..=4 => Test::From(one),
                    5 | 6 => Test::Below(one),
                    7 => Test::OneOf(vec![one, other]),
                    _ => Test::Equals(Value::Null),
                },
            ));
        }
        let sort = (next(2) == 0).then(|| (members[usize::try_from(next(4)).unwrap()], next(2) == 0));
        let limit = (next(4) == 0).then(|| usize::try_from(next(5)).unwrap() + 1);
        Question { tests, sort, limit }
    }

    fn ask(&mut self, things: &Collection<Value>, documents: &Documents, question: &Question) -> Outcome {
        let seen: Vec<_> = documents
            .iter()
            .filter(|(_, known)| known.is_seen(self.version))
            .map(|(id, known)| (*id, known.fields.at(self.version)))
            .collect();
        let wanted = question.answer(&seen);
        let asked = || {
            let query = things.find(question.to_json()).unreadable(Unreadable::Skip);
            match question.sort {
                Some((member, true)) => query.sort_desc(member),
                Some((member, false)) => query.sort(member),
                None => query,
            }
        };
        let unlimited = asked();
        let query = question.limit.map_or_else(asked, |limit| asked().limit(limit as u64));
        let told = |error: pivotdb::Error| format!("{question:?}: {error}");
        let found = query.to_vec().map_err(told)?;
        let found: Vec<_> = found.iter().filter_map(|document| document.id().as_u64()).collect();
        let explained = query.explain().map_err(told)?;
        if found != wanted {
            return Err(format!("{question:?}: {found:?} instead of {wanted:?}; {explained:?}"));
        }
        let all = Question { limit: None, ..question.clone() }.answer(&seen);
        let count = unlimited.count().map_err(told)?;
        if count != all.len() as u64 {
            return Err(format!("{question:?}: counts {count} instead of {}", all.len()));
        }
        self.tally.queries += 1;
        self.tally.selective += u64::from(!all.is_empty() && all.len() < seen.len());
        if let Some(index) = &explained.index {
            self.tally.by_index += 1;
            self.tally.mid_build += u64::from(index.state.contains("building"));
            self.tally.after_rollback += u64::from(self.rolled_back);
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Written {
    Done,
    /// A value was another document's.
    Refused,
}

/// Makes a write, in the store and in the model.
fn write(
    things: &Collection<Value>,
    documents: &mut Documents,
    version: u32,
    enforced: bool,
    step: &Step,
) -> Result<Written, String> {
    let Some((id, fields)) = meant(documents, step) else { return Ok(Written::Done) };
    let before = documents.get(&id).cloned();
    let seen = before.as_ref().is_none_or(|known| known.is_seen(version));
    let shares = |known: &Known| {
        fields.as_ref().is_some_and(|fields| fields.c.is_some() && known.fields.c == fields.c)
    };
    let changes =
        before.as_ref().is_none_or(|before| Some(before.fields.c) != fields.as_ref().map(|fields| fields.c));
    let mut others =
        documents.iter().filter(|(other, known)| **other != id && shares(known)).map(|(_, known)| known);
    let may_be_refused = others.clone().next().is_some();
    let must_be_refused = enforced && changes && others.any(|known| known.is_seen(version));
    let outcome = attempt(things, version, step);
    let kind = outcome.as_ref().err().map(pivotdb::Error::kind);
    let expected = match (step, &before) {
        (Step::Insert(..), Some(_)) => {
            kind == Some(ErrorKind::AlreadyExists)
                || kind == Some(ErrorKind::UniqueViolation) && may_be_refused
        }
        (Step::Update(..), None) => kind == Some(ErrorKind::NotFound),
        (Step::Put(..) | Step::Update(..), Some(_)) if !seen => kind == Some(ErrorKind::HistoryDiverged),
        (Step::Delete(_), _) => kind.is_none(),
        _ if must_be_refused => kind == Some(ErrorKind::UniqueViolation),
        _ => kind.is_none() || kind == Some(ErrorKind::UniqueViolation) && may_be_refused,
    };
    if !expected {
        return Err(format!(
            "{outcome:?}; refusal may {may_be_refused}, must {must_be_refused}, before {before:?}"
        ));
    }
    if kind.is_some() {
        return Ok(if kind == Some(ErrorKind::UniqueViolation) { Written::Refused } else { Written::Done });
    }
    effect(documents, version, step);
    Ok(Written::Done)
}

/// Makes a write in the store.
fn attempt(things: &Collection<Value>, version: u32, step: &Step) -> pivotdb::Result<()> {
    match step {
        Step::Insert(id, fields) => things.insert_with_id(*id, &fields.at(version)),
        Step::Put(id, fields) => things.put(*id, &fields.at(version)).map(drop),
        Step::Update(id, change) => things.update(*id, |body| apply(body, change, version)).map(drop),
        Step::Delete(id) => things.delete(*id).map(drop),
        _ => Ok(()),
    }
}

/// Makes a write in the model.
fn effect(documents: &mut Documents, version: u32, step: &Step) {
    let Some((id, fields)) = meant(documents, step) else { return };
    let before = documents.get(&id).cloned();
    match fields {
        None => drop(documents.remove(&id)),
        Some(fields) => {
            let had_id = before.as_ref().is_some_and(|before| before.has_id);
            let has_id = had_id && matches!(step, Step::Update(..));
            let stored = before.map_or(version, |before| {
                // What changes nothing is not written.
                let same = before.fields == fields && has_id == had_id;
                if same { before.stored } else { before.stored.max(version) }
            });
            documents.insert(id, Known { fields, stored, has_id });
        }
    }
}

/// What a write leaves of which document.
fn meant(documents: &Documents, step: &Step) -> Option<(u64, Option<Fields>)> {
    match step {
        Step::Insert(id, fields) | Step::Put(id, fields) => Some((*id, Some(fields.clone()))),
        Step::Update(id, change) => Some((*id, documents.get(id).map(|known| known.fields.changed(change)))),
        Step::Delete(id) => Some((*id, None)),
        _ => None,
    }
}

fn apply(body: &mut Value, change: &Change, version: u32) {
    let Some(body) = body.as_object_mut() else { return };
    let (member, value) = match change {
        Change::A(a) => (if version >= 2 { "b" } else { "a" }, a.map(|a| json!(a))),
        Change::N(n) => ("n", n.map(|n| if version >= 3 { json!(n.to_string()) } else { json!(n) })),
        Change::C(c) => ("c", c.map(|c| json!(if version >= 4 { c + 1000 } else { c }))),
        Change::Tags(tags) => ("tags", tags.as_ref().map(|tags| json!(tags))),
    };
    match value {
        Some(value) => drop(body.insert(member.to_owned(), value)),
        None => drop(body.remove(member)),
    }
}

fn told<T>(outcome: pivotdb::Result<T>) -> Outcome {
    outcome.map(drop).map_err(|error| error.to_string())
}
