//! Runs a pivot: the older program, the newer one, the older one again, the newer one again, each in a process of its own on one store.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use pivotdb::{Durability, Filter, Index, Store, Versioned, Warning};
use serde_json::{Value, json};

/// A program before and after it changed its mind. What is said of documents is said twice: as the one program sees it, and as the other does.
pub(crate) trait Pivot {
    type Before: Versioned + Debug + PartialEq;
    type After: Versioned + Debug + PartialEq;

    /// Of the file, with modules `before` and `after`.
    const SOURCE: &'static str;

    /// What the older program writes, at least two of them.
    fn documents() -> Vec<(Self::Before, Self::After)>;

    /// What the newer program writes.
    fn added() -> (Self::Before, Self::After);

    /// The newer program edits a document of the older one, in a way that the older one cannot express where there is any,
    fn newer_edits(after: &mut Self::After);

    /// which the older one sees so.
    fn seen_by_older(before: &mut Self::Before);

    /// The older program edits a document,
    fn older_edits(before: &mut Self::Before);

    /// which the newer one sees so.
    fn seen_by_newer(after: &mut Self::After);

    /// What the older program asks, by an index,
    fn older_asks() -> Question<Self::Before>;

    /// and the newer one.
    fn newer_asks() -> Question<Self::After>;

    /// Something that other programs have done before.
    fn others(_: &Store) {}

    /// What has become of it.
    fn check_others(_: &Store) {}
}

/// A query, and what the oracle knows of it.
pub(crate) struct Question<T> {
    pub(crate) filter: Filter,
    pub(crate) sort: &'static str,
    /// On what the index is that leads to the results.
    pub(crate) index: &'static str,
    /// Whether a document is meant, and by what it is sorted then.
    pub(crate) meant: fn(&T) -> Option<String>,
}

const COLLECTION: &str = "things";
const CHILD: &str = "PIVOT";

/// The processes, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Others,
    Older,
    Newer,
    OlderAgain,
    NewerAgain,
}

const PHASES: [Phase; 5] = [Phase::Others, Phase::Older, Phase::Newer, Phase::OlderAgain, Phase::NewerAgain];

pub(crate) fn run<P: Pivot>(module: &str, name: &str) {
    let directory = tempfile::tempdir().unwrap();
    for phase in PHASES {
        start(&format!("{module} {phase:?}"), &directory.path().join("pivot"));
    }
    let lines = lines_written(P::SOURCE);
    assert!(lines <= 5, "{name}: {lines} lines");
    let line = format!("{name}: {lines} lines, rolled back and forward, nothing lost\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// Plays `what` in a process of its own, on the store at `path`.
pub(crate) fn start(what: &str, path: &Path) {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", "program", "--nocapture"]).env(CHILD, what).env("PIVOT_STORE", path);
    let output = program.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}:\n{out}{err}");
    assert!(out.contains("played"), "{what} has done nothing:\n{out}{err}");
}

/// If this process was started to be one of the programs, plays it.
pub(crate) fn as_program(play: impl FnOnce(&str, &str, &Path)) {
    let (Ok(what), Some(path)) = (std::env::var(CHILD), std::env::var_os("PIVOT_STORE")) else { return };
    let (pivot, phase) = what.split_once(' ').unwrap();
    play(pivot, phase, Path::new(&path));
    std::io::stdout().write_all(b"played\n").unwrap();
}

pub(crate) fn play<P: Pivot>(phase: &str, path: &Path) {
    let phase = PHASES.into_iter().find(|known| format!("{known:?}") == phase).unwrap();
    let store = Store::builder().durability(Durability::Buffered).open(path).unwrap();
    match phase {
        Phase::Others => P::others(&store),
        Phase::Older => {
            let things = store.collection::<P::Before>(COLLECTION).unwrap();
            for (id, (before, _)) in (1..).zip(P::documents()) {
                things.insert_with_id(id, &before).unwrap();
                let patch = json!({"unknown": unknown(id)});
                store.documents(COLLECTION).unwrap().merge_patch(id, &patch).unwrap();
            }
            check(&store, &model::<P>(phase).0, &P::older_asks());
        }
        Phase::Newer => {
            let things = store.collection::<P::After>(COLLECTION).unwrap();
            check(&store, &model::<P>(Phase::Older).1, &P::newer_asks());
            things.update(1, P::newer_edits).unwrap();
            things.insert_with_id(100, &P::added().1).unwrap();
            check(&store, &model::<P>(phase).1, &P::newer_asks());
        }
        Phase::OlderAgain => {
            let things = store.collection::<P::Before>(COLLECTION).unwrap();
            check(&store, &model::<P>(Phase::Newer).0, &P::older_asks());
            for id in [1, 2, 100] {
                things.update(id, P::older_edits).unwrap();
            }
            check(&store, &model::<P>(phase).0, &P::older_asks());
        }
        Phase::NewerAgain => {
            store.collection::<P::After>(COLLECTION).unwrap();
            check(&store, &model::<P>(phase).1, &P::newer_asks());
            P::check_others(&store);
        }
    }
    store.close().unwrap();
}

fn unknown(id: i64) -> Value {
    json!({"to both": [id, 0.1, null]})
}

/// Every document after the phase, as the older and as the newer program see it.
type Model<P> = (BTreeMap<i64, <P as Pivot>::Before>, BTreeMap<i64, <P as Pivot>::After>);

fn model<P: Pivot>(phase: Phase) -> Model<P> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    let added = (phase != Phase::Older).then(|| (100, P::added()));
    for (id, (older, newer)) in (1..).zip(P::documents()).chain(added) {
        before.insert(id, older);
        after.insert(id, newer);
    }
    if phase != Phase::Older {
        before.entry(1).and_modify(P::seen_by_older);
        after.entry(1).and_modify(P::newer_edits);
    }
    if matches!(phase, Phase::OlderAgain | Phase::NewerAgain) {
        for id in [1, 2, 100] {
            before.entry(id).and_modify(P::older_edits);
            after.entry(id).and_modify(P::seen_by_newer);
        }
    }
    (before, after)
}

fn check<T: Versioned + Debug + PartialEq>(store: &Store, model: &BTreeMap<i64, T>, question: &Question<T>) {
    let things = store.collection::<T>(COLLECTION).unwrap();
    let warnings = store.warnings();
    let unreadable = warnings.iter().find(|warning| matches!(warning, Warning::Diverged { .. }));
    assert_eq!(unreadable, None);
    let untyped = store.documents(COLLECTION).unwrap();
    for (id, expected) in model {
        assert_eq!(things.require(*id).unwrap().value, *expected, "document {id}");
        if *id < 100 {
            assert_eq!(untyped.require(*id).unwrap().get("unknown"), Some(&unknown(*id)), "document {id}");
        }
    }
    ask(store, model, question);
}

/// The answer is that of the oracle, and an index leads to it, in whatever shape documents are stored.
fn ask<T: Versioned + Debug + PartialEq>(store: &Store, model: &BTreeMap<i64, T>, question: &Question<T>) {
    let Question { filter, sort, index, meant } = question;
    let mut expected: Vec<_> =
        model.iter().filter_map(|(id, thing)| Some((meant(thing)?, *id, thing))).collect();
    expected.sort_by(|(one, a, _), (other, b, _)| (one, a).cmp(&(other, b)));
    assert_ne!(expected.len(), 0, "nothing is meant");
    if model.contains_key(&100) {
        assert_ne!(expected.len(), model.len(), "everything is meant");
    }
    let things = store.collection::<T>(COLLECTION).unwrap();
    things.create_index(&Index::on(*index).named("asked")).unwrap();
    let query = things.find(filter).sort(*sort);
    let explained = query.explain().unwrap();
    assert!(explained.plan.starts_with("index"), "{explained}");
    assert_eq!(explained.index.map(|index| index.name).as_deref(), Some("asked"));
    let found = query.to_vec().unwrap();
    let found: Vec<_> = found.iter().map(|thing| (thing.id().as_i64().unwrap(), &thing.value)).collect();
    let expected: Vec<_> = expected.into_iter().map(|(_, id, thing)| (id, thing)).collect();
    assert_eq!(found, expected, "{filter}");
    assert_eq!(query.count().unwrap(), expected.len() as u64);
    let untyped = store.documents(COLLECTION).unwrap().find(filter).sort(*sort).to_vec().unwrap();
    assert!(untyped.iter().map(|thing| thing.id().as_i64()).eq(expected.iter().map(|(id, _)| Some(*id))));
}

/// How many lines of the module `after` are not in `before`: those of brackets only, and what types derive, aside.
fn lines_written(source: &str) -> usize {
    let module = |begin: &'static str| {
        let lines = source.lines().skip_while(move |line| *line != begin).skip(1);
        lines.take_while(|line| *line != "}").map(str::trim).filter(|line| {
            line.contains(char::is_alphanumeric) && !line.starts_with("#[derive") && !line.starts_with("use ")
        })
    };
    let mut before: Vec<_> = module("mod before {").collect();
    let written = module("mod after {").filter(|line| {
        let known = before.iter().position(|known| known == line);
        known.map(|known| before.swap_remove(known)).is_none()
    });
    let lines = written.count();
    assert!(lines > 0, "the programs are the same");
    lines
}
