//! What is to be merged, and what the type says to it.

use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::members::Renamed;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
use crate::encoding::merge::keys::ArrayKeys;
use crate::encoding::merge::place::Segment;
use crate::encoding::merge::same::{Elements, digest};
use crate::encoding::merge::structural::{self, Choices, Doubt};

/// What a type makes of a body: deserialized and serialized again; `None` where the type does not accept it.
pub(crate) type Reread<'r> = dyn Fn(Raw<'_>) -> Option<Vec<u8>> + 'r;

/// How often a type is asked about one write before the write is refused.
const MAX_PROBES: usize = 256;

/// What is to be merged, and who is asked.
pub(super) struct Question<'q> {
    pub(super) before: Raw<'q>,
    pub(super) after: Raw<'q>,
    pub(super) limits: Limits,
    pub(super) keys: &'q ArrayKeys,
    pub(super) reread: &'q Reread<'q>,
}

impl Question<'_> {
    /// Whether the type reads from `body` what it reads from `after`.
    pub(super) fn is_answered_by(&self, body: &[u8]) -> Result<bool, BodyError> {
        let read = (self.reread)(Raw::new(body)?);
        if read.as_deref() == Some(self.after.bytes()) {
            return Ok(true);
        }
        // A type may read something else than it writes.
        match ((self.reread)(self.after), read) {
            (Some(expected), Some(read)) => alike(&expected, &read),
            // It does not read what it writes, so it cannot judge.
            (None, _) => Ok(true),
            (Some(_), None) => Ok(false),
        }
    }

    /// Whether the type still reads `before` from a changed base.
    fn reads_before(&self, base: &[u8]) -> Result<bool, BodyError> {
        match (self.reread)(Raw::new(base)?) {
            Some(read) => alike(&read, self.before.bytes()),
            None => Ok(false),
        }
    }

    pub(super) fn merge(&self, base: &[u8], choices: Choices) -> Result<(Vec<u8>, Vec<Doubt>), BodyError> {
        structural::merge(Raw::new(base)?, self.before, self.after, self.limits, self.keys, choices)
    }

    fn edit(
        &self,
        base: &[u8],
        place: &[Segment],
        change: impl FnOnce(&mut Node<'_>) -> Result<(), BodyError>,
    ) -> Result<Vec<u8>, BodyError> {
        let mut body = Node::Raw(Raw::new(base)?);
        if let Some(node) = find_mut(&mut body, place)? {
            change(node)?;
        }
        body.to_bytes(self.limits)
    }

    pub(super) fn without<'k>(
        &self,
        base: &[u8],
        place: &[Segment],
        keys: impl IntoIterator<Item = &'k String>,
    ) -> Result<Vec<u8>, BodyError> {
        self.edit(base, place, |node| {
            if let Some(members) = node.as_object_mut()? {
                for key in keys {
                    members.remove(key);
                }
            }
            Ok(())
        })
    }

    /// `base` with the member `old` once more, under the name `new`.
    fn with_both(&self, base: &[u8], place: &[Segment], old: &str, new: &str) -> Result<Vec<u8>, BodyError> {
        self.edit(base, place, |node| {
            if let Some(members) = node.as_object_mut()?
                && let Some(value) = members.get_mut(old).map(|value| value.clone())
            {
                members.insert(new.to_owned(), value);
            }
            Ok(())
        })
    }

    /// Whether the type reads nothing from `body`.
    pub(super) fn refuses(&self, body: &[u8]) -> Result<bool, BodyError> {
        Ok((self.reread)(Raw::new(body)?).is_none())
    }

    /// `base` with each member of `doubt` that the type reads under another name given that name; `None` where there is none. `doubled`: there may be
    /// members that the type refuses beside the name that it writes, and does not miss, since they hold a default.
    pub(super) fn with_names_of_type(
        &self,
        base: &[u8],
        doubt: &Doubt,
        doubled: bool,
        probes: &mut usize,
    ) -> Result<Option<Vec<u8>>, BodyError> {
        let mut kept = doubt.kept.clone();
        let mut renamed = None;
        for new in &doubt.unfounded {
            let base = renamed.as_deref().unwrap_or(base);
            let missed =
                !kept.is_empty() && !self.reads_before(&self.without(base, &doubt.place, &kept)?)?;
            if kept.is_empty() || !(missed || doubled) {
                break;
            }
            for (at, old) in kept.iter().enumerate() {
                if *probes >= MAX_PROBES {
                    return Ok(renamed);
                }
                *probes += 1;
                let known = missed && !self.reads_before(&self.without(base, &doubt.place, [old])?)?
                    || doubled && self.refuses(&self.with_both(base, &doubt.place, old, new)?)?;
                if !known {
                    continue;
                }
                let mut done = Renamed::Absent;
                let candidate = self.edit(base, &doubt.place, |node| {
                    if let Some(members) = node.as_object_mut()? {
                        done = members.rename(old, new.clone());
                    }
                    Ok(())
                })?;
                if done == Renamed::Done && self.reads_before(&candidate)? {
                    renamed = Some(candidate);
                    kept.remove(at);
                    break;
                }
            }
        }
        Ok(renamed)
    }
}

fn alike(one: &[u8], other: &[u8]) -> Result<bool, BodyError> {
    let digest = |bytes| Raw::new(bytes).and_then(|raw| digest(raw, Elements::InAnyOrder));
    Ok(one == other || digest(one)? == digest(other)?)
}

/// What is at `place` of the base.
fn find_mut<'n, 'a>(
    mut node: &'n mut Node<'a>,
    place: &[Segment],
) -> Result<Option<&'n mut Node<'a>>, BodyError> {
    for segment in place {
        let inner = match segment {
            Segment::Key(key) => node.as_object_mut()?.and_then(|members| members.get_mut(key)),
            Segment::Index { base, .. } => node.as_array_mut()?.and_then(|elements| elements.get_mut(*base)),
        };
        match inner {
            Some(inner) => node = inner,
            None => return Ok(None),
        }
    }
    Ok(Some(node))
}
