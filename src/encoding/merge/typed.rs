//! The merge with the type's word on it.

use std::borrow::Cow;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::noting::Notes;
use crate::encoding::body::raw::Raw;
use crate::encoding::merge::error::MergeError;
use crate::encoding::merge::keys::ArrayKeys;
use crate::encoding::merge::known::merge_known;
use crate::encoding::merge::question::{Question, Reread};
use crate::encoding::merge::resolve::resolve;
use crate::encoding::merge::same::same;
use crate::encoding::merge::structural::{self, Choices};

/// `base` with the difference from `before` to `after` made on it. `before` is what the type made of `base`; it and `after` must be bodies.
///
/// The result borrows `base` where nothing was changed, and `after` where the type knows all of `base`. Otherwise it costs one pass over all three; a common
/// subsequence for each array that was changed; and where [in doubt](crate::encoding::merge) one or two calls of `reread`, seldom more.
///
/// # Errors
/// When a body is malformed, the result is beyond the limits, or the type reads something else from it than `after`.
pub(crate) fn merge<'a>(
    base: Raw<'a>,
    before: Raw<'_>,
    after: Raw<'a>,
    limits: Limits,
    keys: &ArrayKeys,
    reread: &Reread<'_>,
) -> Result<Cow<'a, [u8]>, MergeError> {
    if let Some(merged) = plain(base, before, after)? {
        return Ok(merged);
    }
    let (body, doubts) = structural::merge(base, before, after, limits, keys, Choices::default())?;
    if doubts.is_empty() {
        return Ok(Cow::Owned(body));
    }
    let question = Question { before, after, limits, keys, reread };
    if question.is_answered_by(&body)? {
        return Ok(Cow::Owned(body));
    }
    resolve(base, body, doubts, &question).map(Cow::Owned)
}

/// As [`merge`], of what has been read while `notes` were taken. Where these leave no doubt it costs as much as there is of the members that the type
/// knows, one copy, and no call of `reread`.
///
/// # Errors
/// As [`merge`]; but what the type does not know is not looked at where there is no doubt, and so may be malformed or too deep.
pub(crate) fn merge_noted<'a>(
    notes: &Notes<'a>,
    before: Raw<'_>,
    after: Raw<'a>,
    limits: Limits,
    keys: &ArrayKeys,
    reread: &Reread<'_>,
) -> Result<Cow<'a, [u8]>, MergeError> {
    let base = notes.body();
    if let Some(merged) = plain(base, before, after)? {
        return Ok(merged);
    }
    match merge_known(notes, before, after, limits)? {
        Some(merged) => Ok(merged),
        None => merge(base, before, after, limits, keys, reread),
    }
}

/// The merge where nothing was changed, or the type knows all.
fn plain<'a>(base: Raw<'a>, before: Raw<'_>, after: Raw<'a>) -> Result<Option<Cow<'a, [u8]>>, MergeError> {
    if before == after {
        return Ok(Some(Cow::Borrowed(base.bytes())));
    }
    if base == before {
        let unchanged = same(before, after)?;
        return Ok(Some(Cow::Borrowed(if unchanged { base.bytes() } else { after.bytes() })));
    }
    Ok(None)
}
