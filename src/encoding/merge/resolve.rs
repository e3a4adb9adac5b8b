//! What becomes of a merge that the type does not read as it should.

use crate::encoding::body::error::BodyError;
use crate::encoding::body::raw::Raw;
use crate::encoding::merge::error::MergeError;
use crate::encoding::merge::place::{Segment, pointer};
use crate::encoding::merge::question::Question;
use crate::encoding::merge::structural::{Choices, Doubt};

/// A merge that answers `question`, given that `body`, with its `doubts`, does not.
#[cold]
pub(super) fn resolve(
    base: Raw<'_>,
    body: Vec<u8>,
    doubts: Vec<Doubt>,
    question: &Question<'_>,
) -> Result<Vec<u8>, MergeError> {
    let mut base = base.bytes().to_vec();
    let (mut body, mut doubts) = (body, doubts);
    let mut probes = 0;
    // Each round may reveal members that were hidden within what was called otherwise.
    'names: loop {
        let doubled = question.refuses(&body)?;
        for doubt in &doubts {
            if let Some(renamed) = question.with_names_of_type(&base, doubt, doubled, &mut probes)? {
                base = renamed;
                (body, doubts) = question.merge(&base, Choices::default())?;
                if doubts.is_empty() || question.is_answered_by(&body)? {
                    return Ok(body);
                }
                continue 'names;
            }
        }
        break;
    }

    if let Some(read) = (question.reread)(Raw::new(&body)?) {
        for doubt in &doubts {
            let object = find(Raw::new(&read)?, &doubt.place)?;
            let mut known = Vec::new();
            for key in &doubt.kept {
                if let Some(object) = object
                    && object.get(key)?.is_some()
                {
                    known.push(key);
                }
            }
            base = question.without(&base, &doubt.place, known)?;
        }
    }
    for (write_defaults, drop_surplus) in [(false, false), (true, false), (false, true), (true, true)] {
        (body, _) = question.merge(&base, Choices { write_defaults, drop_surplus })?;
        if question.is_answered_by(&body)? {
            return Ok(body);
        }
    }
    let path = doubts.first().map(|doubt| pointer(&doubt.place)).unwrap_or_default();
    Err(MergeError::Ambiguous { path })
}

/// What is at `place` of the result.
fn find<'a>(raw: Raw<'a>, place: &[Segment]) -> Result<Option<Raw<'a>>, BodyError> {
    let mut found = Some(raw);
    for segment in place {
        found = match (found, segment) {
            (Some(raw), Segment::Key(key)) => raw.get(key)?,
            (Some(raw), Segment::Index { result, .. }) => raw.elements().nth(*result).transpose()?,
            (None, _) => None,
        };
    }
    Ok(found)
}
