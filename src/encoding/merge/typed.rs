//! The merge with the type's word on it.

use std::borrow::Cow;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::Raw;
use crate::encoding::merge::error::MergeError;
use crate::encoding::merge::keys::ArrayKeys;
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
    if before == after {
        return Ok(Cow::Borrowed(base.bytes()));
    }
    if base == before {
        return Ok(Cow::Borrowed(if same(before, after)? { base.bytes() } else { after.bytes() }));
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
