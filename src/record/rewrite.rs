//! What a typed write makes of a stored document.

use crate::encoding::body::limits::Limits;
use crate::encoding::body::noting::Notes;
use crate::encoding::body::raw::Raw;
use crate::encoding::merge::keys::ArrayKeys;
use crate::encoding::merge::question::Reread;
use crate::encoding::merge::typed::{merge, merge_noted};
use crate::error::error::Error;
use crate::evolution::history::Relation;
use crate::model::id::DocumentId;
use crate::model::stamp::Stamp;
use crate::record::kind::{Kind, Shaped};
use crate::record::view::{View, shaped};

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
            let complement = stored.complement.to_vec();
            Rewritten { stamp: shape, body: edited.into_owned(), complement }
        }
        Relation::Ancestor => {
            let (_, complement) = kind.write(id, stored, shape, limits)?;
            Rewritten { stamp: shape, body: edited.into_owned(), complement }
        }
        Relation::Descendant | Relation::Diverged | Relation::Unknown => {
            let (shown, kept) = kind.write(id, stored, shape, limits)?;
            let up = |body: &[u8], complement: &[u8]| {
                kind.write(id, Shaped { stamp: shape, body, complement }, stored.stamp, limits)
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
            Rewritten { stamp: stored.stamp, body: merged.into_owned(), complement }
        }
    };
    // The edit may be of something that only the complement has room for.
    let unchanged = rewritten.stamp == stored.stamp
        && rewritten.body == stored.body
        && rewritten.complement == stored.complement;
    Ok((!unchanged).then_some(rewritten))
}
