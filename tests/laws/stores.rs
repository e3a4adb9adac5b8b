//! The laws of what is in a store.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use pivotdb::backend::{Backend, Direction, KeyRange, MemoryBackend, PageLimit};
use pivotdb::{Collection, Complement, Document, Error, ErrorKind, Evolution, Op, Store};
use serde_json::{Value, json};

use crate::cases;
use crate::harness::{System, holds};
use crate::opaque::{Later, names_the_step};
use crate::{outcome, real};

/// A store for many documents, each of another kind.
struct Shared(RefCell<(Store, u32)>);

impl Shared {
    fn new() -> Self {
        Self(RefCell::new((Store::memory().unwrap(), 0)))
    }

    /// A collection of its own, with these steps.
    fn collection(&self, evolution: &Evolution) -> Result<Collection<Value>, Error> {
        let (store, number) = &mut *self.0.borrow_mut();
        *number += 1;
        if number.is_multiple_of(100) {
            *store = Store::memory()?;
        }
        let name = format!("thing {number}");
        store.collection_with(&name, &name, evolution)
    }
}

/// Everything that is stored, by key, and something is.
pub(crate) fn everything(backend: &MemoryBackend) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let limit = PageLimit { entries: usize::MAX, bytes: usize::MAX };
    let page = backend.page(&KeyRange::prefix(&[]), Direction::Forward, limit).expect("memory can be read");
    assert!(!page.entries.is_empty(), "nothing is stored");
    page.entries.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// A store of its own for a document, whose bytes can be looked at.
struct Own {
    backend: Arc<MemoryBackend>,
    store: Store,
    newer: Collection<Value>,
}

impl Own {
    fn new(evolution: &Evolution) -> Result<Self, Error> {
        let backend = Arc::new(MemoryBackend::new());
        let store = Store::builder().open_backend(backend.clone())?;
        let newer = store.collection_with("k", "k", evolution)?;
        Ok(Self { backend, store, newer })
    }

    fn stored(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
        self.store.flush()?;
        Ok(everything(&self.backend))
    }

    /// Whether `work` leaves every byte as it was; and what it gives.
    fn unchanged<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<(bool, T), Error> {
        let before = self.stored()?;
        let done = work()?;
        Ok((self.stored()? == before, done))
    }
}

/// In a store: a write that a step fails on leaves every byte as it was.
#[test]
fn inputs_unchanged_on_failure() {
    let doomed = || Op::move_field("doomed", "wall.inside");
    let law = |system: &System, case: &cases::Case| {
        let found: Result<_, Error> = (|| {
            let own = Own::new(&case.evolution().step("doomed", [doomed()]))?;
            let newer = &own.newer;
            let older = newer.view::<Value>(2)?;
            // One that is read on the way up, and one that is carried up again after the edit.
            let mut walled = case.document.clone();
            walled["wall"] = json!(1);
            walled["doomed"] = json!(2);
            newer.view::<Value>(1)?.insert_with_id(1, &walled)?;
            let mut free = case.document.clone();
            free["wall"] = json!(1);
            newer.insert_with_id(2, &free)?;
            let found = own.unchanged(|| {
                let failed = [
                    newer.merge_patch(1, &json!({"x": 1})).map(drop),
                    newer.put(1, &json!({"x": 1})).map(drop),
                    older.merge_patch(2, &json!({"doomed": 2})).map(drop),
                ];
                if system.touch {
                    newer.merge_patch(2, &json!({"touched": true})).map(drop).or_else(failed_step)?;
                }
                Ok(failed)
            })?;
            own.store.close()?;
            Ok(found)
        })();
        let (same, failed) = found.map_err(|error| error.to_string())?;
        if let Some(Ok(())) = failed.iter().find(|failed| failed.is_ok()) {
            return Err("it did not fail".to_owned());
        }
        if same {
            Ok(system.up(case).is_ok_and(|(body, _)| body != case.document))
        } else {
            Err("the store has changed".to_owned())
        }
    };
    let broken = System { touch: true, ..real() };
    holds("inputs unchanged on failure", true, 32, law, &broken);
}

/// In a store: whoever reads a document that is stored at the newest schema version, or writes it as it is, finds it as it was written and leaves every byte as it was.
#[test]
fn current_documents_untouched() {
    let law = |system: &System, case: &cases::Case| {
        let Ok((body, _)) = system.up(case) else { return Ok(false) };
        let found: Result<_, Error> = (|| {
            let own = Own::new(&case.evolution())?;
            let newer = &own.newer;
            newer.insert_with_id(1, &body)?;
            let known = newer.require(1)?;
            let found = own.unchanged(|| {
                if system.touch {
                    newer.merge_patch(1, &json!({"touched": true}))?;
                }
                let mut replaced = newer.require(1)?;
                newer.replace(&mut replaced)?;
                newer.put(1, &body)?;
                Ok([
                    newer.require(1)?,
                    newer.iter().collect::<Result<Vec<_>, _>>()?.remove(0),
                    newer.find(json!({})).to_vec()?.remove(0),
                    newer.view::<Value>(2)?.require(1)?,
                    newer.update(1, |_| ())?,
                    newer.merge_patch(1, &json!({}))?,
                    replaced,
                ])
            })?;
            own.store.close()?;
            Ok((known, found))
        })();
        let (known, (same, read)) = found.map_err(|error| error.to_string())?;
        if let Some(read) = read.iter().find(|read| ***read != body || read.revision() != known.revision()) {
            return Err(format!("{body} is read as {} of revision {:?}", **read, read.revision()));
        }
        if same { Ok(body != case.document) } else { Err("the store has changed".to_owned()) }
    };
    let broken = System { touch: true, ..real() };
    holds("current documents untouched", true, 32, law, &broken);
}

/// In a store: in whatever way a document is carried, by all ops at once or one by one, with what was kept of it or without, it is read as it would be written.
#[test]
fn what_is_read_from_a_store_is_what_would_be_written() {
    let stores = Shared::new();
    let law = |system: &System, case: &cases::Case| {
        for evolution in [case.chain(), case.evolution()] {
            let last = evolution.schema_version();
            let none = Complement::empty();
            let Ok((mut body, kept)) = system.run(&evolution, 1, last, &case.document, &none) else {
                continue;
            };
            let changed = body != case.document;
            let found: Result<_, Error> = (|| {
                let newer = stores.collection(&evolution)?;
                let older = newer.view::<Value>(1)?;
                let id = older.insert(&case.document)?;
                let read = [
                    newer.require(&id)?.into_value(),
                    newer.find(json!({})).to_vec()?.remove(0).into_value(),
                ];
                // Now it is stored in the newest shape, and what that has no room for beside it.
                newer.merge_patch(&id, &json!({"edited": true}))?;
                Ok((read, older.require(&id).map(Document::into_value)))
            })();
            let (read, back) = found.map_err(|error| error.to_string())?;
            if let Some(read) = read.iter().find(|read| **read != body) {
                return Err(format!("{body} is read as {read}"));
            }
            body["edited"] = json!(true);
            let expected = outcome(system.run(&evolution, last, 1, &body, &kept));
            return match (expected, back) {
                (Ok(expected), Ok(back)) if expected == back => Ok(changed),
                (Err(_), Err(back)) if back.kind() == ErrorKind::StepFailed => Ok(changed),
                (expected, back) => Err(format!("{back:?} instead of {expected:?}")),
            };
        }
        Ok(false)
    };
    let broken = System { forget_complements: true, ..real() };
    holds("read = written, in a store", true, 32, law, &broken);
}

/// In a store: what is known of a document besides its body, and what is stored of it.
#[test]
fn metadata_untouched() {
    let stores = Shared::new();
    let law = |system: &System, case: &cases::Case| {
        let found: Result<_, Error> = (|| {
            let newer = stores.collection(&case.evolution())?;
            let older = newer.view::<Value>(1)?;
            let id = older.insert(&case.document)?;
            let before = older.require(&id)?;
            if system.touch {
                newer.merge_patch(&id, &json!({"touched": true})).map(drop).or_else(failed_step)?;
            }
            Ok((before, newer.get(&id), newer.iter().next(), older.require(&id)?))
        })();
        let (before, got, iterated, after) = found.map_err(|error| error.to_string())?;
        let known = |document: &Document<Value>| {
            let identity = (document.id().clone(), document.kind().to_owned(), document.revision());
            (identity, document.created(), document.updated(), document.stamp())
        };
        let mut changed = false;
        for read in [got.ok().flatten(), iterated.and_then(Result::ok), Some(after.clone())].iter().flatten()
        {
            if known(read) != known(&before) {
                return Err(format!("{:?} became {:?}", known(&before), known(read)));
            }
            changed |= read.value != before.value;
        }
        if after.value == before.value { Ok(changed) } else { Err(format!("{} is stored", after.value)) }
    };
    let broken = System { touch: true, ..real() };
    holds("id, revision, times untouched", true, 32, law, &broken);
}

fn failed_step(error: Error) -> Result<(), Error> {
    if error.kind() == ErrorKind::StepFailed { Ok(()) } else { Err(error) }
}

/// In a store: a program does not know the op that a document has crossed. It neither shows nor touches what it would have to take for something else, says why, and
/// goes on with all others.
#[test]
fn opaque_never_crosses_silently() {
    let law = |system: &System, case: &cases::Case| {
        let Ok((body, _)) = system.up(case) else { return Ok(false) };
        let text = |error: Error| error.to_string();
        let later = Later::new(system, case, &body).map_err(text)?;
        let before = later.stored().map_err(text)?;
        for (what, outcome) in later.attempts() {
            match outcome {
                Err(error) if names_the_step(&error) => {}
                other => return Err(format!("{what}: {other:?}")),
            }
        }
        if later.stored().map_err(text)? != before {
            return Err("what is stored has changed".to_owned());
        }
        let raw = later.things.get_stored("after").map_err(text)?;
        if raw.is_none_or(|raw| *raw != body) {
            return Err("what is stored cannot be read as it is".to_owned());
        }
        later.things.insert_with_id("before", &case.document).map_err(text)?;
        let other = later.things.require("before").map_err(text)?;
        if *other == case.document { Ok(body != case.document) } else { Err(format!("{} instead", *other)) }
    };
    let broken = System { pass_unknown: true, ..real() };
    holds("opaque never crosses silently", true, 32, law, &broken);
}
