//! What a typed write makes of a stored document.

use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::Raw;
use crate::encoding::merge::keys::ArrayKeys;
use crate::encoding::merge::question::Reread;
use crate::encoding::merge::typed::merge;
use crate::error::error::Error;
use crate::evolution::history::Relation;
use crate::model::id::DocumentId;
use crate::model::stamp::Stamp;
use crate::record::kind::Kind;
use crate::record::view::View;

/// A body, and the stamp to store it at.
#[derive(Debug)]
pub(crate) struct Rewritten {
    pub(crate) stamp: Stamp,
    pub(crate) body: Vec<u8>,
}

/// A document in the program's shape before and after a change.
pub(crate) struct Edit<'e> {
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
    let (shown, before, after) = (Raw::new(view.body())?, Raw::new(edit.before)?, Raw::new(edit.after)?);
    let edited = merge(shown, before, after, limits, kind.element_keys(), edit.reread)?;
    let (stored, shape) = (view.record().header.stamp, view.stamp());
    let rewritten = match kind.relation(stored, shape) {
        Relation::Same | Relation::Ancestor => Rewritten { stamp: shape, body: edited.into_owned() },
        Relation::Descendant | Relation::Diverged | Relation::Unknown => {
            let up = |body: &[u8]| kind.carry(id, body, shape, stored, limits);
            let (before, after) = (up(view.body())?, up(&edited)?);
            // There is no type at this stamp. What a body is to the program is what comes back of it by way of the program's shape.
            let reread = |body: Raw<'_>| {
                let shown = kind.carry(id, body.bytes(), stored, shape, limits).ok()?;
                up(&shown).ok()
            };
            let base = Raw::new(view.record().body())?;
            let merged =
                merge(base, Raw::new(&before)?, Raw::new(&after)?, limits, &ArrayKeys::none(), &reread)?;
            Rewritten { stamp: stored, body: merged.into_owned() }
        }
    };
    let unchanged = rewritten.stamp == stored && rewritten.body == view.record().body();
    Ok((!unchanged).then_some(rewritten))
}
