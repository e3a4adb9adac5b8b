//! Every public operation that reaches the backend.

use std::ops::Bound;
use std::time::Duration;

use pivotdb::{
    Builder, Collection, Document, Durability, Evolution, Op, Result, Revision, Snapshot, Store, Versioned,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An operation, tried on the store that [`populate`] makes.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) run: fn(&Handles) -> Result<()>,
    /// What makes the states between old and new that it may leave, as its documentation says.
    pub(super) stages: &'static [fn(&Handles) -> Result<()>],
}

/// What an operation is called on.
pub(super) struct Handles {
    pub(super) store: Store,
    pub(super) people: Collection<Person>,
    pub(super) notes: Collection<Value>,
    /// Read before anything fails.
    ada: Document<Person>,
    snapshot: Snapshot,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Person {
    full_name: String,
    age: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contact: Option<Value>,
}

impl Versioned for Person {
    const KIND: &'static str = "person";

    fn evolution() -> Evolution {
        Evolution::new().step("name in full", [Op::rename("name", "full_name")])
    }
}

pub(super) const PEOPLE: &str = "people";
pub(super) const NOTES: &str = "notes";
/// Written to after a fault, to see whether the store still takes writes.
pub(super) const PROBE: &str = "probe";

/// Options with which nothing happens by itself.
pub(super) fn builder() -> Builder {
    Store::builder().buffered_window(Duration::from_secs(3600)).sync_deadline(Duration::from_secs(30))
}

/// A store with documents of two kinds, at two schema versions, with and without chunks.
pub(super) fn populate(store: &Store) -> Result<()> {
    let old = store.collection_with::<Value>(PEOPLE, Person::KIND, &Evolution::new())?;
    for (id, name) in [("ada", "Ada"), ("bob", "Bob"), ("cyd", "Cyd"), ("dan", "Dan")] {
        old.insert_with_id(id, &json!({"name": name, "age": 30, "unknown": [1, {"kept": true}]}))?;
    }
    let notes = store.documents(NOTES)?;
    for n in 0..6 {
        notes.insert_with_id(n, &note(n))?;
    }
    store.documents(PROBE)?.insert_with_id("probe", &json!(0))?;
    store.close()
}

/// The first two are large enough for chunks.
fn note(n: i64) -> Value {
    json!({"n": n, "text": "x".repeat(if n < 2 { 40_000 } else { 40 })})
}

fn person(name: &str) -> Person {
    Person { full_name: name.to_owned(), age: 1, contact: None }
}

impl Handles {
    pub(super) fn new(store: &Store) -> Result<Self> {
        let people = store.collection::<Person>(PEOPLE)?;
        let ada = people.require("ada")?;
        let notes = store.documents(NOTES)?;
        // Whatever a first use takes is taken now.
        store.documents(PROBE)?.update("probe", |n| *n = json!(n.as_u64().unwrap_or(0) + 1))?;
        Ok(Self { store: store.clone(), people, notes, ada, snapshot: store.snapshot()? })
    }
}

/// Takes documents until the end.
fn drain<T>(documents: impl Iterator<Item = Result<T>>) -> Result<()> {
    for document in documents {
        document?;
    }
    Ok(())
}

fn bulk(on: &Handles, documents: i64) -> Result<()> {
    let mut bulk = on.notes.bulk()?;
    for n in 0..documents {
        bulk.insert_with_id(1000 + n, &note(1000 + n))?;
    }
    bulk.finish().map(drop)
}

const fn case(name: &'static str, run: fn(&Handles) -> Result<()>) -> Case {
    Case { name, run, stages: &[] }
}

/// Reads first, then writes, then what concerns the store.
pub(super) const ALL: &[Case] = &[
    case("get", |on| on.people.get("bob").map(drop)),
    case("get of a chunked document", |on| on.notes.get(0).map(drop)),
    case("require", |on| on.notes.require(3).map(drop)),
    case("exists", |on| on.people.exists("cyd").map(drop)),
    case("get_many", |on| on.notes.get_many([0, 1, 2, 99]).map(drop)),
    case("iter", |on| drain(on.people.iter())),
    case("iter over chunked documents", |on| drain(on.notes.iter())),
    case("iter reversed", |on| drain(on.notes.iter().reversed())),
    case("range", |on| drain(on.notes.range((Bound::Excluded(0), Bound::Included(4))))),
    case("count", |on| on.notes.count().map(drop)),
    case("census", |on| on.store.census().map(drop)),
    case("stats", |on| on.store.stats().map(drop)),
    case("snapshot get", |on| on.snapshot.on(&on.notes).get(1).map(drop)),
    case("snapshot count", |on| on.snapshot.on(&on.people).count().map(drop)),
    case("snapshot exists", |on| on.snapshot.on(&on.people).exists("bob").map(drop)),
    case("snapshot get_many", |on| on.snapshot.on(&on.notes).get_many([0, 3, 99]).map(drop)),
    case("snapshot iter", |on| drain(on.snapshot.on(&on.people).iter())),
    case("view get", |on| on.people.view::<Value>(1)?.get("bob").map(drop)),
    case("insert", |on| on.notes.insert(&note(7)).map(drop)),
    case("insert_with_id", |on| on.people.insert_with_id("eve", &person("Eve"))),
    case("insert of a chunked document", |on| on.notes.insert_with_id(70, &note(0))),
    case("insert over an id that is taken", |on| match on.notes.insert_with_id(3, &note(3)) {
        Err(error) if error.is_unique_violation() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Ok(()),
    }),
    case("insert buffered, then flush", |on| {
        on.notes.clone().with_durability(Durability::Buffered).insert_with_id(71, &note(8))?;
        on.store.flush()
    }),
    case("insert_many", |on| on.notes.insert_many((10..40).map(note)).map(drop)),
    case("put of a new document", |on| on.people.put("eve", &person("Eve")).map(drop)),
    case("put over a document", |on| on.people.put("bob", &person("Robert")).map(drop)),
    case("update", |on| on.people.update("bob", |bob| bob.age += 1).map(drop)),
    case("update of a chunked document", |on| on.notes.update(0, |note| note["n"] = json!(-1)).map(drop)),
    case("update that makes it small", |on| on.notes.update(1, |note| note["text"] = json!("")).map(drop)),
    case("try_update", |on| {
        on.people.try_update("cyd", |cyd| {
            cyd.contact = Some(json!({"mail": "c@d.e"}));
            Ok(())
        })?;
        Ok(())
    }),
    case("replace", |on| {
        let mut ada = on.ada.clone();
        ada.age += 1;
        let before = ada.revision();
        on.people.replace(&mut ada)?;
        assert_eq!(ada.revision(), Revision::new(before.get() + 1));
        Ok(())
    }),
    case("overwrite", |on| on.people.overwrite("dan", &person("Daniel")).map(drop)),
    case("overwrite of a chunked document", |on| on.notes.overwrite(0, &json!("short")).map(drop)),
    case("merge_patch", |on| on.people.merge_patch("bob", &json!({"age": 31, "contact": {}})).map(drop)),
    #[cfg(feature = "json-patch")]
    case("json_patch", |on| {
        let patch = json!([{"op": "test", "path": "/age", "value": 30}, {"op": "copy", "from": "/age", "path": "/contact"}]);
        on.people.json_patch("bob", &patch).map(drop)
    }),
    case("delete", |on| on.people.delete("ada").map(drop)),
    case("delete of a chunked document", |on| on.notes.delete(1).map(drop)),
    case("write through a view", |on| {
        on.people.view::<Value>(1)?.update("cyd", |cyd| cyd["name"] = json!("Cydney")).map(drop)
    }),
    case("transaction", |on| {
        on.store.transaction(|transaction| {
            let (people, notes) = (transaction.on(&on.people), transaction.on(&on.notes));
            let age = people.require("ada")?.age;
            people.update("bob", |bob| bob.age = age + 5)?;
            notes.delete(0)?;
            notes.insert_with_id(80, &note(80))?;
            drain(notes.range(2..5))
        })
    }),
    case("try_transaction", |on| {
        on.store.try_transaction(|transaction| {
            let notes = transaction.on(&on.notes);
            let n = notes.require(2)?["n"].clone();
            notes.update(0, |note| note["n"] = n.clone())?;
            notes.insert_with_id(81, &note(81))
        })
    }),
    case("transaction by hand", |on| {
        let transaction = on.store.begin()?;
        transaction.on(&on.people).delete("dan")?;
        transaction.on(&on.notes).merge_patch(4, &json!({"merged": true}))?;
        transaction.commit()
    }),
    Case {
        name: "bulk",
        run: |on| bulk(on, 300),
        // It commits some hundred at once.
        stages: &[|on| bulk(on, 256)],
    },
    case("documents in a new collection", |on| on.store.documents("new").map(drop)),
    case("collection of a new kind", |on| {
        let steps = Evolution::new().step("rename", [Op::rename("a", "b")]);
        on.store.collection_with::<Value>("newer", "new kind", &steps).map(drop)
    }),
    case("evolve", |on| {
        on.notes.evolve(Evolution::new().step("rename", [Op::rename("n", "number")]))?;
        assert!(on.notes.require(3)?["number"].is_number());
        Ok(())
    }),
    case("flush", |on| on.store.flush()),
    case("close", |on| on.store.close()),
    case("insert buffered, then close", |on| {
        on.notes.clone().with_durability(Durability::Buffered).insert_with_id(72, &note(8))?;
        on.store.close()
    }),
];
