//! What a typed write makes of a stored document.

use serde_json::Value;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::noting::Notes;
use crate::encoding::body::raw::Raw;
use crate::encoding::merge::keys::ArrayKeys;
use crate::encoding::merge::question::Reread;
use crate::encoding::merge::typed::{merge, merge_noted};
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::evolution::history::Relation;
use crate::model::id::DocumentId;
use crate::model::stamp::Stamp;
use crate::record::kind::{Kind, Shaped};
use crate::record::view::{View, shaped};
use crate::value::path::Path;

/// What to store of a document, and at which stamp.
#[derive(Debug)]
pub(crate) struct Rewritten {
    pub(crate) stamp: Stamp,
    pub(crate) body: Vec<u8>,
    pub(crate) complement: Vec<u8>,
}

/// A document in the program's shape before and after a change.
pub(crate) struct Edit<'e> {
    /// What was read, and what the type looked at of it.
    pub(crate) notes: &'e Notes<'e>,
    pub(crate) before: &'e [u8],
    pub(crate) after: &'e [u8],
    /// What the program's type makes of a body in its shape.
    pub(crate) reread: &'e Reread<'e>,
}

/// Makes an edit on the stored document; `None` where it changes nothing.
///
/// A document stored at an older stamp is written at the program's own. One that a newer program wrote, or one on another branch,
/// stays at its stamp: the difference is carried there, so that what the program's shape cannot express is kept. Both
/// sides are carried, and not only the edit, because carrying to and fro need not give back what was there: what carrying alone
/// changes is in both, and so in no difference.
pub(crate) fn rewrite(
    kind: &Kind,
    id: &DocumentId,
    view: &View,
    edit: &Edit<'_>,
    limits: Limits,
) -> Result<Option<Rewritten>, Error> {
    if edit.before == edit.after {
        return Ok(None);
    }
    let (before, after) = (Raw::new(edit.before)?, Raw::new(edit.after)?);
    let edited = merge_noted(edit.notes, before, after, limits, kind.element_keys(), edit.reread)?;
    let stored = shaped(view.record());
    let shape = view.stamp();
    let rewritten = match kind.relation(stored.stamp, shape) {
        Relation::Same => {
            // A complement that the edit makes stale is found out by its digest.
            let complement = kind.kept(id, stored, shape)?;
            Rewritten { stamp: shape, body: edited.into_owned(), complement }
        }
        Relation::Ancestor => {
            let (_, complement) = kind.write(id, stored, shape, limits)?;
            Rewritten { stamp: shape, body: edited.into_owned(), complement }
        }
        Relation::Descendant | Relation::Diverged | Relation::Unknown => {
            let (shown, kept) = kind.write(id, stored, shape, limits)?;
            let up = |body: &[u8], complement: &[u8]| {
                kind.write(id, Shaped { stamp: shape, body, complement, ..stored }, stored.stamp, limits)
            };
            let (before, _) = up(&shown, &kept)?;
            let (after, complement) = up(&edited, &kept)?;
            // There is no type at this stamp. What a body is to the program is what comes back of it by way of the program's shape.
            let reread = |body: Raw<'_>| {
                let (shown, kept) =
                    kind.write(id, Shaped { body: body.bytes(), ..stored }, shape, limits).ok()?;
                Some(up(&shown, &kept).ok()?.0)
            };
            let (base, none) = (Raw::new(stored.body)?, ArrayKeys::none());
            let merged = merge(base, Raw::new(&before)?, Raw::new(&after)?, limits, &none, &reread)?;
            let rewritten = Rewritten { stamp: stored.stamp, body: merged.into_owned(), complement };
            let written = Shaped { body: &rewritten.body, complement: &rewritten.complement, ..stored };
            check_read_back(kind, id, written, shape, &edited, limits)?;
            rewritten
        }
    };
    // The edit may be of something that only the complement has room for.
    let unchanged = rewritten.stamp == stored.stamp
        && rewritten.body == stored.body
        && rewritten.complement == stored.complement;
    Ok((!unchanged).then_some(rewritten))
}

/// Fails where the program would not read back at `shape` what it is about to write: a step on the way forgets some of it, or has a function that
/// does not bring it back.
fn check_read_back(
    kind: &Kind,
    id: &DocumentId,
    written: Shaped<'_>,
    shape: Stamp,
    edited: &[u8],
    limits: Limits,
) -> Result<(), Error> {
    let read = kind.read(id, written, shape, limits)?;
    if read == edited {
        return Ok(());
    }
    let (wanted, found) = (Raw::new(edited)?.to_value()?, Raw::new(&read)?.to_value()?);
    let Some(path) = first_difference(&wanted, &found, Path::root()) else { return Ok(()) };
    let message =
        "what was changed does not come back from the schema version that the document is stored in";
    let error = Error::new(ErrorKind::StepFailed, message).with_path(path);
    Err(match kind.forgetting(shape, written.stamp).or_else(|| kind.forgetting(written.stamp, shape)) {
        Some(step) => error.with_step(&step),
        None => error,
    })
}

/// Where the two differ, the order of members aside.
fn first_difference(one: &Value, other: &Value, here: Path) -> Option<Path> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let missing = other.keys().find(|name| !one.contains_key(*name)).map(|name| here.child(name));
            let mut members = one.iter();
            let differs = members.find_map(|(name, value)| match other.get(name) {
                Some(found) => first_difference(value, found, here.child(name)),
                None => Some(here.child(name)),
            });
            differs.or(missing)
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut elements = one.iter().zip(other).enumerate();
            elements.find_map(|(index, (one, other))| {
                first_difference(one, other, here.child(&index.to_string()))
            })
        }
        _ => (one != other).then_some(here),
    }
}
