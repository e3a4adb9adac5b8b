//! Writes: in the store, and what they leave in the model.

use std::collections::BTreeMap;

use pivotdb::{Collection, ErrorKind, IndexInfo, IndexState};
use serde_json::{Value, json};

use crate::plan::{Change, Fields, NEWEST, Step};

/// A document of the model, and the schema version it is stored at.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) fields: Fields,
    pub(crate) stored: u32,
    /// An import leaves the member in the body that its id came from.
    pub(crate) has_id: bool,
}

pub(crate) type Documents = BTreeMap<u64, Known>;

impl Known {
    /// Whether a program can read it: those before 4 lack the function.
    pub(crate) fn is_seen(&self, version: u32) -> bool {
        self.stored < NEWEST || version >= NEWEST
    }
}

/// What a unique index says of `c`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    sparse: bool,
    /// Of documents with such a tag alone.
    tag: Option<u8>,
    /// Whether there is no way round it.
    enforced: bool,
}

impl Claim {
    /// Those of the indexes that there are.
    pub(crate) fn all(indexes: &[IndexInfo]) -> Vec<Self> {
        let unique = indexes.iter().filter(|index| index.unique);
        let claims = unique.map(|index| {
            // While one takes the place of another, which of them refuses what is left open.
            let others = indexes.iter().filter(|other| other.name == index.name && other.current);
            let tag = index.only.as_ref().map(|only| only["tags"]["$gte"].as_u64().unwrap());
            Self {
                sparse: index.sparse,
                tag: tag.map(|tag| u8::try_from(tag).unwrap()),
                enforced: index.current && index.state == IndexState::Readable && others.count() == 1,
            }
        });
        claims.collect()
    }

    /// What no other document may have; `None`: it has nothing to do with the index.
    fn value(self, fields: &Fields) -> Option<Option<i64>> {
        let tags = || fields.tags.iter().flatten();
        let covered = self.tag.is_none_or(|least| tags().any(|tag| *tag >= least));
        (covered && !(self.sparse && fields.c.is_none())).then_some(fields.c)
    }

    fn clash(self, one: &Fields, other: &Fields) -> bool {
        self.value(one).is_some() && self.value(one) == self.value(other)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Done,
    /// A value was another document's.
    Refused,
}

/// Makes a write, in the store and in the model.
pub(crate) fn write(
    things: &Collection<Value>,
    documents: &mut Documents,
    version: u32,
    claims: &[Claim],
    step: &Step,
) -> Result<Written, String> {
    let Some((id, fields)) = meant(documents, step) else { return Ok(Written::Done) };
    let before = documents.get(&id).cloned();
    let seen = before.as_ref().is_none_or(|known| known.is_seen(version));
    let others = || documents.iter().filter(|(other, _)| **other != id).map(|(_, known)| known);
    let clashes = |claim: &Claim, known: &Known| {
        fields.as_ref().is_some_and(|fields| claim.clash(fields, &known.fields))
    };
    let may_be_refused = claims.iter().any(|claim| others().any(|known| clashes(claim, known)));
    let must_be_refused = claims.iter().filter(|claim| claim.enforced).any(|claim| {
        let value = |fields: Option<&Fields>| fields.and_then(|fields| claim.value(fields));
        value(before.as_ref().map(|before| &before.fields)) != value(fields.as_ref())
            && others().any(|known| known.is_seen(version) && clashes(claim, known))
    });
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
            "{outcome:?}; refusal may {may_be_refused}, must {must_be_refused}, before {before:?}, claims {claims:?}"
        ));
    }
    if kind.is_some() {
        return Ok(if kind == Some(ErrorKind::UniqueViolation) { Written::Refused } else { Written::Done });
    }
    effect(documents, version, step);
    Ok(Written::Done)
}

/// Makes a write in the store.
pub(crate) fn attempt(things: &Collection<Value>, version: u32, step: &Step) -> pivotdb::Result<()> {
    match step {
        Step::Insert(id, fields) => things.insert_with_id(*id, &fields.at(version)),
        Step::Put(id, fields) => things.put(*id, &fields.at(version)).map(drop),
        Step::Update(id, change) => things.update(*id, |body| apply(body, change, version)).map(drop),
        Step::Delete(id) => things.delete(*id).map(drop),
        _ => Ok(()),
    }
}

/// Makes a write in the model.
pub(crate) fn effect(documents: &mut Documents, version: u32, step: &Step) {
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
