//! The pivots of a file of the user's: one after each step.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use pivotdb::{DocumentId, Error, ErrorKind, Evolution, Import, Plan, StepContext, Store};
use serde_json::Value;

use crate::arguments::Input;
use crate::interpreter::{Step, steps};
use crate::pivots::Failable;
use crate::state::State;
use crate::table::{self, Row, Times};

const COLLECTION: &str = "documents";

/// So many errors of documents that are refused are shown.
const SHOWN: usize = 3;

/// The member that each program adds to one document.
const EDITED: &str = "edited by pivots";

/// A document as it must be.
struct Expected {
    id: DocumentId,
    /// As the running program must see it, or the step that fails on it.
    seen: Result<Value, String>,
    schema_version: u32,
}

struct Pivots<'a> {
    path: &'a Path,
    file: &'a Value,
    documents: Vec<Expected>,
    rewritten: u64,
}

pub(crate) fn run(path: &Path, input: &Input, copies: usize) -> Failable {
    let name = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(&input.steps).map_err(|error| name(&input.steps, &error))?;
    Evolution::from_json(&text).map_err(|error| name(&input.steps, &error))?;
    let file: Value = serde_json::from_str(&text)?;
    let steps = steps(&file);

    let documents = load(path, &input.documents, copies).map_err(|error| name(&input.documents, &error))?;
    let mut pivots = Pivots { path, file: &file, documents, rewritten: 0 };
    table::print_head("step");
    pivots.visit(0, "1 as in the file", true, u32::MAX)?;
    for (number, step) in steps.iter().enumerate() {
        let last = number + 1 == steps.len();
        let before: Option<Vec<_>> =
            last.then(|| pivots.documents.iter().map(|document| document.seen.clone()).collect());
        pivots.migrate(number, step)?;
        pivots.visit(number + 1, &format!("{} {}", number + 2, step.name), true, u32::MAX)?;
        if let Some(before) = before {
            // What the newer program has written is read by inverse ops, whose answers this example does not predict.
            let newer = u32::try_from(steps.len() + 1)?;
            let newest = pivots.see(before);
            pivots.visit(number, &format!("  back to {}", number + 1), false, newer)?;
            pivots.see(newest);
            pivots.visit(number + 1, &format!("  and forward to {}", number + 2), false, u32::MAX)?;
        }
    }
    println!();
    let store = Store::open(path)?;
    let versions = table::by_schema_version(&store.census()?).len();
    store.close()?;
    let (documents, rewritten) = (pivots.documents.len(), pivots.rewritten);
    println!(
        "pivots: ok, {documents} documents, {versions} schema versions, {rewritten} rewritten by reading"
    );
    Ok(())
}

/// Imports the file, and reads it once more without PivotDB.
fn load(path: &Path, file: &Path, copies: usize) -> Failable<Vec<Expected>> {
    let text = fs::read_to_string(file)?;
    let text = text.trim_start_matches('\u{feff}');
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let store = Store::open(path)?;
    let collection = store.documents(COLLECTION)?;
    let mut expected = Vec::new();
    for _ in 0..copies {
        Import::into(&collection).read_from(File::open(file)?)?;
        for line in lines() {
            expected.push(serde_json::from_str::<Value>(line)?);
        }
    }
    // Random ids sort by the time they were made.
    let ids = collection.iter().map(|document| document.map(|document| document.id().clone()));
    let ids = ids.collect::<pivotdb::Result<Vec<_>>>()?;
    store.close()?;
    if ids.len() != expected.len() {
        return Err(format!("{} of {} lines were imported", ids.len(), expected.len()).into());
    }
    let document = |(id, value)| Expected { id, seen: Ok(value), schema_version: 1 };
    Ok(ids.into_iter().zip(expected).map(document).collect())
}

impl Pivots<'_> {
    /// Carries step `number` out on every document, outside of the store: by this example's own interpreter, or, where an op is
    /// unknown to that, by PivotDB's plans, which know no store.
    fn migrate(&mut self, number: usize, step: &Step<'_>) -> Failable {
        let evolution = self.evolution(number + 1)?;
        let version = u32::try_from(number + 1)?;
        let plan = Plan::between(&evolution, COLLECTION, version, version + 1)?;
        for Expected { id, seen, .. } in &mut self.documents {
            let Ok(value) = seen else { continue };
            let failed = if step.is_known() {
                step.apply(value).is_err()
            } else {
                let context = StepContext::new(COLLECTION, id);
                plan.apply(value.take(), &context).map(|applied| *value = applied).is_err()
            };
            if failed {
                *seen = Err(step.name.to_owned());
            }
        }
        Ok(())
    }

    /// The first steps of the file.
    fn evolution(&self, steps: usize) -> Failable<Evolution> {
        let steps = self.file.as_array().and_then(|all| all.get(..steps)).unwrap_or_default();
        Ok(Evolution::from_json(&Value::from(steps).to_string())?)
    }

    /// Takes other bodies for those that must be seen; gives the former ones.
    fn see(&mut self, bodies: Vec<Result<Value, String>>) -> Vec<Result<Value, String>> {
        let pairs = self.documents.iter_mut().zip(bodies);
        pairs.map(|(document, body)| std::mem::replace(&mut document.seen, body)).collect()
    }

    /// The program that knows the first `steps` steps opens the store and reads everything, and edits one document. What is stored
    /// at `newer` and later is read, and not compared.
    fn visit(&mut self, steps: usize, title: &str, edit: bool, newer: u32) -> Failable {
        let start = Instant::now();
        let store = Store::open(self.path)?;
        let collection = store.documents(COLLECTION)?;
        collection.evolve(self.evolution(steps)?)?;
        let open = start.elapsed();
        let before = State::of(&store)?;

        let start = Instant::now();
        // That it is refused is found below.
        drop(collection.iter().next());
        let first = start.elapsed();
        let start = Instant::now();
        let read: Vec<_> = collection.iter().collect();
        let all = start.elapsed();
        let (mut refused, mut errors) = (0, Vec::new());
        if read.len() != self.documents.len() {
            return Err(format!("{} of {} documents were read", read.len(), self.documents.len()).into());
        }
        for (read, expected) in read.into_iter().zip(&self.documents) {
            let newer = expected.schema_version >= newer;
            if let Err(error) = &read {
                refused += 1;
                if errors.len() < SHOWN {
                    errors.push(error.to_string());
                }
            }
            match (read, &expected.seen) {
                (Ok(found), Ok(value)) if *found.id() == expected.id && (newer || found.value == *value) => {}
                (Err(error), Err(step)) if is_of(&error, &expected.id, step) => {}
                (Err(error), _) if newer && error.context().id() == Some(&expected.id) => {}
                (Ok(found), Ok(value)) => {
                    return Err(
                        format!("document {} differs: {} instead of {value}", found.id(), *found).into()
                    );
                }
                (Ok(found), Err(step)) => {
                    let id = found.id();
                    return Err(format!("document {id} differs: {} although {step:?} fails", *found).into());
                }
                (Err(error), _) => return Err(error.into()),
            }
        }
        self.rewritten += before.rewritten_in(&State::of(&store)?)?;
        if edit {
            self.edit(&store, steps)?;
        }
        let (documents, census) = (self.documents.len(), store.census()?);
        let times = Times { open, first, all };
        table::print(&Row { pivot: title, documents, census: &census, times, refused });
        errors.iter().for_each(|error| println!("    refused: {error}"));
        Ok(store.close()?)
    }

    fn edit(&mut self, store: &Store, steps: usize) -> Failable {
        let mut objects =
            self.documents.iter_mut().filter(|document| matches!(document.seen, Ok(Value::Object(_))));
        let Some(expected) = objects.nth(steps) else { return Ok(()) };
        let edit = |document: &mut Value| document[EDITED] = steps.into();
        let updated = store.documents(COLLECTION)?.update(&expected.id, edit)?;
        expected.schema_version = updated.stamp().schema_version;
        if let Ok(value) = &mut expected.seen {
            edit(value);
            if updated.value != *value {
                let (id, found) = (updated.id(), &updated.value);
                return Err(format!("document {id} differs after an edit: {found} instead of {value}").into());
            }
        }
        Ok(())
    }
}

/// Whether the error says that this step fails on this document.
fn is_of(error: &Error, id: &DocumentId, step: &str) -> bool {
    let context = error.context();
    error.kind() == ErrorKind::StepFailed && context.id() == Some(id) && context.step() == Some(step)
}
