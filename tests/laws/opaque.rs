//! A store that a later release has written to, whose op this one does not know.

use pivotdb::{Collection, Error, ErrorKind, Evolution, Export, Import, Store};
use serde_json::{Value, json};

use crate::cases::Case;
use crate::harness::System;

/// What an older program, one without steps, has before it: a document `after`, which has crossed the op of a later release, as `body`.
pub(crate) struct Later {
    pub(crate) store: Store,
    pub(crate) things: Collection<Value>,
}

impl Later {
    pub(crate) fn new(system: &System, case: &Case, body: &Value) -> Result<Self, Error> {
        // What a release that knows the op has written, with the op called by a name that nobody knows.
        let newer = Store::memory()?;
        newer
            .collection_with::<Value>("things", "thing", &case.evolution())?
            .insert_with_id("after", body)?;
        let mut lines: Vec<Value> = lines(&newer)?;
        let step = lines.iter().position(|line| line["type"] == "step").expect("the step is recorded");
        if system.pass_unknown {
            lines[step]["step"]["ops"] = json!([]);
        } else {
            make_opaque(&mut lines[step]["step"], case.others.len());
        }
        // Another step has another fingerprint, which the import tells.
        let store = Store::memory()?;
        let error = import(&store, &lines).expect_err("the fingerprint is that of the former step");
        let computed = error.context().detail("computed").expect("the import tells").to_owned();
        let (_, fingerprint) = computed.split_once(':').expect("a stamp");
        lines[step]["fingerprint"] = json!(fingerprint);
        let document = lines.iter_mut().find(|line| line["type"] == "document").expect("the document");
        document["fingerprint"] = json!(fingerprint);
        import(&store, &lines)?;
        let things = store.collection_with("things", "thing", &Evolution::new())?;
        Ok(Self { store, things })
    }

    /// Everything that is stored.
    pub(crate) fn stored(&self) -> Result<Vec<Value>, Error> {
        lines(&self.store)
    }

    /// Reads and writes, each with what came of it.
    pub(crate) fn attempts(&self) -> Vec<(&'static str, Result<(), Error>)> {
        let things = &self.things;
        let first =
            |mut results: Box<dyn Iterator<Item = Result<(), Error>>>| results.next().unwrap_or(Ok(()));
        vec![
            ("get", things.get("after").map(drop)),
            ("iter", first(Box::new(things.iter().map(|thing| thing.map(drop))))),
            ("find", first(Box::new(things.find(json!({})).iter().map(|thing| thing.map(drop))))),
            ("update", things.update("after", |thing| thing["edited"] = json!(true)).map(drop)),
            ("put", things.put("after", &json!({"edited": true})).map(drop)),
            ("merge_patch", things.merge_patch("after", &json!({"edited": true})).map(drop)),
        ]
    }
}

/// An op, or a step, such as a later release may record one.
fn make_opaque(step: &mut Value, way: usize) {
    match way {
        0 => step["ops"][0]["op"] = json!("later"),
        1 => step["ops"][0]["later"] = json!(true),
        _ => step["later"] = json!("a member"),
    }
}

/// Whether the error says what is in the way, and where.
pub(crate) fn names_the_step(error: &Error) -> bool {
    let context = error.context();
    error.kind() == ErrorKind::HistoryDiverged
        && (context.collection(), context.kind()) == (Some("things"), Some("thing"))
        && (context.id(), context.step()) == (Some(&"after".into()), Some("step 1"))
}

fn lines(store: &Store) -> Result<Vec<Value>, Error> {
    let mut text = Vec::new();
    Export::store(store).write_to(&mut text)?;
    let text = String::from_utf8(text).expect("an export is a text");
    Ok(text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect())
}

fn import(store: &Store, lines: &[Value]) -> Result<(), Error> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Import::into_store(store).read_from(text.as_bytes()).map(drop)
}
