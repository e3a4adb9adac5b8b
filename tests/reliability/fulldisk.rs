//! A disk that fills up: the error says so, reads go on as far as sled can, and everything acknowledged is there once there is
//! space again.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use pivotdb::{Collection, ErrorKind, Store};
use serde_json::{Value, json};

use crate::disk::{self, Mount};
use crate::rng::{Rng, from_environment};
use crate::tally::{Flaw, Tally, say};

const SMALL: u64 = 40;
const LARGE: u64 = 160;
/// More than fits.
const MOST: u64 = 20_000;
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(seed: u64) {
    if let Some(reason) = disk::unavailable(|| Mount::memory(1)) {
        say(format_args!("skipped: {reason}"));
        return;
    }
    let mut tally = Tally::new("fulldisk", seed);
    let runs = from_environment("PIVOTDB_FULL", 5);
    for run in 0..runs {
        let mut rng = Rng::new(seed.wrapping_add(run));
        let flaws = fill_up(&mut rng, &mut tally).unwrap_or_else(|error| vec![Flaw::Other(error)]);
        tally.runs += 1;
        tally.note(format_args!("run {run}"), &flaws);
    }
    tally.finish();
}

/// Of which size the document `id` is.
fn document(id: u64, size: usize) -> Value {
    json!({"id": id, "text": "x".repeat(size)})
}

fn open(path: &Path) -> pivotdb::Result<Store> {
    Store::builder().sync_deadline(PATIENCE).open(path)
}

fn fill_up(rng: &mut Rng, tally: &mut Tally) -> Result<Vec<Flaw>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mount = Mount::memory(SMALL).map_err(|error| text(&error))?;
    let path = mount.root().join("full.pivot");
    let store = open(&path).map_err(|error| text(&error))?;
    let notes = store.documents("notes").map_err(|error| text(&error))?;
    let mut flaws = Vec::new();
    // Sizes of what was acknowledged, and what was not known.
    let mut acknowledged = BTreeMap::new();
    let mut unknown = None;
    let mut refusals = 0;
    for id in 0..MOST {
        let size = [100, 3_000, 30_000, 300_000][usize::try_from(rng.below(4)).unwrap_or(0)];
        match notes.insert_with_id(id, &document(id, size)) {
            Ok(()) => {
                acknowledged.insert(id, size);
            }
            Err(error) => {
                let full = matches!(
                    error.kind(),
                    ErrorKind::OutOfSpace | ErrorKind::CommitOutcomeUnknown | ErrorKind::Poisoned
                );
                if !full {
                    flaws.push(Flaw::Other(format!("the wrong error: {error:?}")));
                }
                unknown = unknown.or(Some(id));
                refusals += 1;
                if refusals == 3 {
                    break;
                }
            }
        }
    }
    if refusals == 0 {
        flaws.push(Flaw::Other("the disk never filled up".to_owned()));
    }
    // Reads go on, but for those whose page sled had in the write that failed: these are refused, and never wrong.
    let refused = reads(&notes, &acknowledged, &mut flaws);
    say(format_args!(
        "fulldisk: {refused} of {} documents could not be read while it was full",
        acknowledged.len()
    ));
    if refused * 10 > acknowledged.len() {
        flaws.push(Flaw::Other(format!(
            "reads do not go on: {refused} of {} are refused",
            acknowledged.len()
        )));
    }
    // It may say that the last commit's outcome is not known; it must come back.
    let _ = store.close();
    drop((store, notes));
    mount.resize(LARGE).map_err(|error| text(&error))?;
    match open(&path) {
        Err(error) => flaws.push(Flaw::FailedOpen(format!("{error:?}"))),
        Ok(store) => {
            let notes = store.documents("notes").map_err(|error| text(&error))?;
            flaws.extend(check(&notes, &acknowledged, unknown));
            if let Err(error) = notes.insert_with_id(MOST, &document(MOST, 100)) {
                flaws.push(Flaw::Other(format!("it takes no writes again: {error:?}")));
            }
            // Control: a document that was never written must be missed.
            let mut forged = acknowledged.clone();
            forged.insert(MOST + 1, 100);
            if check(&notes, &forged, unknown).iter().any(|flaw| matches!(flaw, Flaw::Lost(_))) {
                tally.control_caught();
            }
            if let Err(error) = store.close() {
                flaws.push(Flaw::Other(format!("it does not close: {error:?}")));
            }
        }
    }
    Ok(flaws)
}

/// How many reads of what was acknowledged are refused; none may give anything else than what was written.
fn reads(notes: &Collection<Value>, acknowledged: &BTreeMap<u64, usize>, flaws: &mut Vec<Flaw>) -> usize {
    let mut refused = 0;
    for (id, size) in acknowledged {
        match notes.get(*id) {
            Ok(Some(note)) if note.value == document(*id, *size) => {}
            Err(error) if error.kind() == ErrorKind::OutOfSpace => refused += 1,
            Ok(None) => flaws.push(Flaw::Lost(format!("{id}, while full"))),
            other => {
                flaws.push(Flaw::Torn(format!("{id}, while full: {:?}", other.map(|note| note.is_some()))))
            }
        }
    }
    refused
}

/// Everything acknowledged is there as it was written, and beside it at most what was not known.
fn check(notes: &Collection<Value>, acknowledged: &BTreeMap<u64, usize>, unknown: Option<u64>) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (id, size) in acknowledged {
        match notes.get(*id) {
            Ok(Some(note)) if note.value == document(*id, *size) => {}
            Ok(Some(_)) => flaws.push(Flaw::Torn(format!("{id} is not what was written"))),
            Ok(None) => flaws.push(Flaw::Lost(format!("{id}"))),
            Err(error) => flaws.push(Flaw::Torn(format!("{id}: {error:?}"))),
        }
    }
    let mut iterated = 0;
    for note in notes.iter() {
        match note {
            Ok(note) => {
                iterated += 1;
                let id = note.id().as_u64().unwrap_or(u64::MAX);
                if !acknowledged.contains_key(&id) && Some(id) != unknown && id != MOST {
                    flaws.push(Flaw::Torn(format!("{id} was refused and is there")));
                }
            }
            Err(error) => flaws.push(Flaw::Torn(format!("{error:?}"))),
        }
    }
    match notes.count() {
        Ok(count) if count == iterated => {}
        other => flaws.push(Flaw::Torn(format!("counted {other:?}, iterated {iterated}"))),
    }
    flaws
}
