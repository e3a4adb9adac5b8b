//! What a typed write makes of a stored document.

use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::Raw;
use crate::error::error::Error;
use crate::evolution::history::Relation;
use crate::model::id::DocumentId;
use crate::model::stamp::Stamp;
use crate::record::kind::Kind;
use crate::record::merge::merge;
use crate::record::view::View;

/// A body, and the stamp to store it at.
#[derive(Debug)]
pub(crate) struct Rewritten {
    pub(crate) stamp: Stamp,
    pub(crate) body: Vec<u8>,
}

/// Makes the difference between `before` and `after`, both in the program's shape, on the stored document.
///
/// A document stored at an older stamp is written at the program's own. One that a newer program wrote, or one on another branch,
/// stays at its stamp: the difference is carried there, so that what the program's shape cannot express is kept. Both
/// sides are carried, and not only the edit, because carrying to and fro need not give back what was there: what carrying alone
/// changes is in both, and so in no difference.
pub(crate) fn rewrite(
    kind: &Kind,
    id: &DocumentId,
    view: &View,
    before: &[u8],
    after: &[u8],
    limits: Limits,
) -> Result<Option<Rewritten>, Error> {
    if before == after {
        return Ok(None);
    }
    let shown = Raw::new(view.body())?;
    let edited = merge(shown, Raw::new(before)?, Raw::new(after)?, limits)?;
    let stored = view.record().header.stamp;
    let rewritten = match kind.relation(stored, view.stamp()) {
        Relation::Same | Relation::Ancestor => Rewritten { stamp: view.stamp(), body: edited },
        Relation::Descendant | Relation::Diverged | Relation::Unknown => {
            let before = kind.carry(id, view.body(), view.stamp(), stored, limits)?;
            let after = kind.carry(id, &edited, view.stamp(), stored, limits)?;
            let base = Raw::new(view.record().body())?;
            Rewritten { stamp: stored, body: merge(base, Raw::new(&before)?, Raw::new(&after)?, limits)? }
        }
    };
    let unchanged = rewritten.stamp == stored && rewritten.body == view.record().body();
    Ok((!unchanged).then_some(rewritten))
}
