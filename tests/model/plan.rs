//! What happens in a sequence.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The newest schema version there is a program for.
pub(crate) const NEWEST: u32 = 4;
/// How many indexes there are,
pub(crate) const INDEXES: usize = 7;
/// and definitions of each.
pub(crate) const DEFINITIONS: usize = 4;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Insert(u64, Fields),
    Put(u64, Fields),
    Update(u64, Change),
    Delete(u64),
    Import(Vec<(u64, Fields)>),
    /// Committed or not.
    Transaction(Vec<Step>, bool),
    /// A program takes over; after a crash, or not.
    Program(Program, bool),
    /// That of a number, by one of its definitions.
    CreateIndex(usize, usize),
    DropIndex(usize),
    RebuildIndex(usize),
    /// Of builds, and of removals.
    Work(u8),
    /// A step of a build, and writes between what it reads and its commit, of documents that it comes to.
    Meanwhile(Vec<Step>),
    /// A failed write: what it would have done is not done.
    Refused(u64),
    /// Something during which the backend fails at a batch after so many; then a crash. Whether the backend had written the batch.
    Fault(Box<Step>, u8, bool),
}

/// A program: the schema version that it has steps up to, and whether it calls the kind by its new name and has the former one for an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) version: u32,
    pub(crate) renamed: bool,
}

/// A document, whatever the schema version: `a` is called `b` from 2 on, `n` is a text from 3 on, and `c` is 1000 more from 4 on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fields {
    pub(crate) a: Option<u8>,
    pub(crate) n: Option<i64>,
    pub(crate) c: Option<i64>,
    pub(crate) tags: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Change {
    A(Option<u8>),
    N(Option<i64>),
    C(Option<i64>),
    Tags(Option<Vec<u8>>),
}

impl Fields {
    /// As a program of the schema version sees it.
    pub(crate) fn at(&self, version: u32) -> Value {
        let mut body = serde_json::Map::new();
        if let Some(a) = self.a {
            body.insert(if version >= 2 { "b" } else { "a" }.into(), json!(a));
        }
        if let Some(n) = self.n {
            body.insert("n".into(), if version >= 3 { json!(n.to_string()) } else { json!(n) });
        }
        if let Some(c) = self.c {
            body.insert("c".into(), json!(if version >= 4 { c + 1000 } else { c }));
        }
        if let Some(tags) = &self.tags {
            body.insert("tags".into(), json!(tags));
        }
        Value::Object(body)
    }

    pub(crate) fn changed(&self, change: &Change) -> Self {
        let mut changed = self.clone();
        match change.clone() {
            Change::A(a) => changed.a = a,
            Change::N(n) => changed.n = n,
            Change::C(c) => changed.c = c,
            Change::Tags(tags) => changed.tags = tags,
        }
        changed
    }
}

fn some<T: std::fmt::Debug + Clone + 'static>(
    of: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<T>> {
    prop_oneof![1 => Just(None), 7 => of.prop_map(Some)].boxed()
}

fn tags() -> BoxedStrategy<Option<Vec<u8>>> {
    some(vec(0..6_u8, 0..4))
}

fn fields() -> impl Strategy<Value = Fields> {
    // Now and then everything has an `a`, so that its index goes along with the rename.
    let a = prop_oneof![3 => (0..8_u8).prop_map(Some), 1 => Just(None)];
    (a, some(-3..12_i64), some(0..8_i64), tags()).prop_map(|(a, n, c, tags)| Fields { a, n, c, tags })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        some(0..8_u8).prop_map(Change::A),
        some(-3..12_i64).prop_map(Change::N),
        some(0..8_i64).prop_map(Change::C),
        tags().prop_map(Change::Tags),
    ]
}

fn write() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (id(), fields()).prop_map(|(id, fields)| Step::Insert(id, fields)),
        2 => (id(), fields()).prop_map(|(id, fields)| Step::Put(id, fields)),
        3 => (id(), change()).prop_map(|(id, change)| Step::Update(id, change)),
        2 => id().prop_map(Step::Delete),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => write(),
        1 => vec((id(), fields()), 1..6).prop_map(Step::Import),
        2 => (vec(write(), 1..5), any::<bool>()).prop_map(|(steps, commit)| Step::Transaction(steps, commit)),
        3 => (program(1..=NEWEST), any::<bool>()).prop_map(|(program, crash)| Step::Program(program, crash)),
        5 => create_index(),
        1 => index().prop_map(Step::DropIndex),
        1 => index().prop_map(Step::RebuildIndex),
        5 => (1..6_u8).prop_map(Step::Work),
        2 => vec(write(), 1..3).prop_map(Step::Meanwhile),
        1 => id().prop_map(Step::Refused),
        1 => (faulty(), prop_oneof![3 => Just(0_u8), 1 => Just(1)], any::<bool>())
            .prop_map(|(step, passed, made)| Step::Fault(Box::new(step), passed, made)),
    ]
}

fn program(version: impl Strategy<Value = u32>) -> impl Strategy<Value = Program> {
    (version, prop::bool::weighted(0.3)).prop_map(|(version, renamed)| Program { version, renamed })
}

fn index() -> std::ops::Range<usize> {
    0..INDEXES
}

fn create_index() -> impl Strategy<Value = Step> {
    let definition = prop_oneof![3 => Just(0), 2 => 1..DEFINITIONS];
    (index(), definition).prop_map(|(number, definition)| Step::CreateIndex(number, definition))
}

/// What a fault can come in the middle of.
fn faulty() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => write(),
        2 => vec(write(), 1..4).prop_map(|steps| Step::Transaction(steps, true)),
        2 => Just(Step::Work(1)),
        1 => create_index(),
        1 => index().prop_map(Step::DropIndex),
        1 => index().prop_map(Step::RebuildIndex),
    ]
}

/// Few, so that writes meet; many enough for a build to take several steps.
fn id() -> std::ops::Range<u64> {
    0..24
}

/// A program takes over, makes indexes and works on them.
fn program_with_indexes(version: impl Strategy<Value = u32> + 'static) -> BoxedStrategy<Vec<Step>> {
    let program = program(version).prop_map(|program| Step::Program(program, false));
    let begun = (program, vec(create_index(), 0..4), (1..12_u8).prop_map(Step::Work));
    begun.prop_map(|(program, indexes, work)| [vec![program], indexes, vec![work]].concat()).boxed()
}

/// Sequences that begin with some documents and, most of them, with a newer program, which some of them take back, and bring again.
pub(crate) fn sequences() -> impl Strategy<Value = Vec<Step>> {
    let documents = vec((id(), fields()), 6..20).prop_map(Step::Import);
    let taken_back = (program_with_indexes(2..NEWEST), program_with_indexes(1..3_u32));
    let back_and_forward =
        (program_with_indexes(2..=NEWEST), program(1..NEWEST), vec(write(), 1..4), program(2..=NEWEST));
    let back_and_forward = back_and_forward.prop_map(|(newer, older, writes, newest)| {
        let [older, newest] = [older, newest].map(|program| Step::Program(program, false));
        [newer, vec![older], writes, vec![newest]].concat()
    });
    let begin = prop_oneof![
        2 => Just(Vec::new()),
        3 => program_with_indexes(1..=NEWEST),
        3 => taken_back.prop_map(|(newer, older)| [newer, older].concat()),
        1 => back_and_forward,
    ];
    (documents, begin, vec(step(), 4..16))
        .prop_map(|(documents, begin, steps)| [vec![documents], begin, steps].concat())
}
