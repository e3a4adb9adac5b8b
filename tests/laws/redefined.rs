//! Steps that are redefined, a kind that gets another name, and something that is to be forgotten, all at once: what is forgotten is nowhere, and whatever else
//! any definition has kept comes back.

use std::cell::RefCell;
use std::sync::Arc;

use pivotdb::backend::MemoryBackend;
use pivotdb::{Collection, Complement, Error, Evolution, Op, Store, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cases::Case;
use crate::harness::{System, fails, holds};
use crate::real;
use crate::stores::everything;

/// What is to be forgotten contains it.
const SECRET: &str = "q7-secret-q7";

/// How the step in the middle was defined, how it is defined now, and what comes after it. Ops on `secret`, `aside`, `other`, `backup` and `late`, which the
/// ops of cases know nothing of.
struct Redefinition {
    former: fn() -> Vec<Op>,
    latter: fn() -> Vec<Op>,
    above: fn() -> Vec<Op>,
    /// In a step of its own that only the newer program has.
    forgets: bool,
}

const REDEFINITIONS: [Redefinition; 6] = [
    // What the step has kept belongs to ops that are still there.
    Redefinition {
        former: || vec![Op::trim("aside"), Op::trim("secret")],
        latter: || vec![Op::trim("aside"), Op::trim("secret"), Op::trim("other")],
        above: || vec![Op::trim("late")],
        forgets: true,
    },
    // Some of it belongs to an op that has another one in its place,
    Redefinition {
        former: || vec![Op::trim("aside"), Op::trim("secret")],
        latter: || vec![Op::trim("aside"), Op::trim("other")],
        above: || vec![Op::trim("late")],
        forgets: true,
    },
    // or none.
    Redefinition {
        former: || vec![Op::trim("aside"), Op::trim("secret")],
        latter: || vec![Op::trim("aside")],
        above: || vec![Op::trim("late")],
        forgets: true,
    },
    // Only the former definition has brought it to where a step above keeps it.
    Redefinition {
        former: || vec![Op::trim("aside"), Op::copy("secret", "backup")],
        latter: || vec![Op::trim("aside")],
        above: || vec![Op::remove("backup"), Op::trim("late")],
        forgets: true,
    },
    // The redefinition itself forgets.
    Redefinition {
        former: || vec![Op::trim("aside"), Op::remove("secret")],
        latter: || vec![Op::trim("aside"), Op::remove("secret").forget()],
        above: || vec![Op::trim("late")],
        forgets: false,
    },
    // The same, and what it forgets was kept above it.
    Redefinition {
        former: || vec![Op::trim("aside"), Op::rename("secret", "backup")],
        latter: || vec![Op::trim("aside"), Op::remove("secret").forget()],
        above: || vec![Op::remove("backup"), Op::trim("late")],
        forgets: false,
    },
];

/// The programs of a case.
struct Programs {
    former: Evolution,
    latter: Evolution,
    /// The newer one calls the kind by another name.
    renamed: bool,
    /// Which of the redefinitions.
    number: usize,
}

impl Programs {
    fn of(case: &Case, system: &System) -> Self {
        let way = case.others.iter().sum::<usize>();
        let number = (way / 4) % REDEFINITIONS.len();
        let Redefinition { former, latter, above, forgets } = &REDEFINITIONS[number];
        let remembering = |ops: Vec<Op>| match system.only_remove {
            true => ops
                .into_iter()
                .map(|op| if op.name() == "remove" { Op::remove("secret") } else { op })
                .collect(),
            false => ops,
        };
        let program = |middle: Evolution| {
            let middle = if way % 2 == 0 { middle } else { middle.step("step 1", [case.op()]) };
            middle.step("above", above())
        };
        let below = || match way % 2 {
            0 => case.evolution(),
            _ => Evolution::new(),
        };
        let latter =
            program(below().step("middle", remembering(latter())).redefine("it was not what was meant"));
        let latter = if *forgets {
            latter.step("forget", remembering(vec![Op::remove("secret").forget()]))
        } else {
            latter
        };
        Self { former: program(below().step("middle", former())), latter, renamed: way % 4 > 1, number }
    }
}

thread_local! {
    /// How the kind below evolves: that of the case.
    static EVOLUTION: RefCell<Evolution> = RefCell::new(Evolution::new());
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Renamed(Value);

impl Versioned for Renamed {
    const KIND: &'static str = "latter";
    fn aliases() -> &'static [&'static str] {
        &["former"]
    }
    fn evolution() -> Evolution {
        EVOLUTION.with_borrow(Clone::clone)
    }
}

/// The newer program's collection.
fn latter(store: &Store, programs: &Programs) -> Result<Collection<Value>, Error> {
    let kind = if programs.renamed {
        EVOLUTION.set(programs.latter.clone());
        store.collection::<Renamed>("things")?;
        "latter"
    } else {
        "former"
    };
    store.collection_with("things", kind, &programs.latter)
}

/// Whether anything that is stored holds it.
fn holds_the_secret(backend: &MemoryBackend) -> bool {
    everything(backend).values().any(|value| String::from_utf8_lossy(value).contains(SECRET))
}

/// Of a document that the older program has written, at its newest schema version, and the newer one has edited: what it looked like, and what is shown of it at
/// schema version 1.
fn carried(system: &System, case: &Case, programs: &Programs) -> Result<Option<(Value, Value)>, String> {
    let mut document = case.document.clone();
    for (name, text) in [("secret", SECRET), ("aside", "x"), ("other", "y"), ("late", "z")] {
        document[name] = json!(format!("  {text} "));
    }
    let none = Complement::empty();
    let last = programs.former.schema_version();
    if system.run(&programs.former, 1, last, &document, &none).is_err() {
        return Ok(None);
    }
    let backend = Arc::new(MemoryBackend::new());
    let open = || Store::builder().open_backend(backend.clone());
    let shown: Result<_, Error> = (|| {
        let store = open()?;
        let former = store.collection_with::<Value>("things", "former", &programs.former)?;
        former.view::<Value>(1)?.insert_with_id(1, &document)?;
        former.merge_patch(1, &json!({"edited": 1}))?;
        store.close()?;
        assert!(holds_the_secret(&backend), "it was never kept");
        let store = open()?;
        let things = latter(&store, programs)?;
        if system.forget_complements {
            let read = things.require(1)?.into_value();
            things.overwrite(1, &read)?;
        }
        things.merge_patch(1, &json!({"edited": 2}))?;
        let shown = things.view::<Value>(1)?.require(1)?.into_value();
        store.close()?;
        Ok(shown)
    })();
    let shown = shown.map_err(|error| error.to_string())?;
    if holds_the_secret(&backend) {
        return Err("what is to be forgotten is stored".to_owned());
    }
    document["edited"] = json!(2);
    document.as_object_mut().and_then(|members| members.remove("secret"));
    Ok(Some((document, shown)))
}

#[test]
fn forgetting_and_redefining_and_renaming() {
    let seen = RefCell::new([[0_u32; 2]; REDEFINITIONS.len()]);
    let law = |system: &System, case: &Case| {
        let programs = Programs::of(case, system);
        let Some((expected, shown)) = carried(system, case, &programs)? else { return Ok(false) };
        if shown != expected {
            return Err(format!("{shown} instead of {expected}"));
        }
        seen.borrow_mut()[programs.number][usize::from(programs.renamed)] += 1;
        Ok(true)
    };
    let name = "forgotten, and nothing else, whatever was redefined";
    let lossy = System { forget_complements: true, ..real() };
    assert!(fails(name, true, law, &lossy).is_some(), "that all is forgotten was not caught");
    let broken = System { only_remove: true, ..real() };
    holds(name, true, 32, law, &broken);
    println!("of each redefinition, without and with another name of the kind: {:?}", seen.borrow());
    let few = if cfg!(debug_assertions) { 1 } else { 100 };
    assert!(seen.into_inner().iter().flatten().all(|seen| *seen >= few), "some were hardly seen");
}
