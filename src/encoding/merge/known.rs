//! The merge where the type has said what it knows.
//!
//! A struct that names its members before it sees any is told nothing by the others, whatever they are called and whatever becomes of its own. So no
//! question is left where what it knows is, in the result, what it is in `after`: it reads the one as the other. That is looked at here, and
//! where it is not so, the general merge decides. Neither is what the type does not know looked at, nor moved by itself.

use std::borrow::Cow;

use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::noting::Notes;
use crate::encoding::body::raw::{Kind, Raw, UncheckedEntries};
use crate::encoding::body::splice::Splice;
use crate::encoding::merge::same::{is_written_so, same};

/// What the general merge would make of it all; `None` where that is not plain.
pub(super) fn merge_known<'a>(
    notes: &Notes<'a>,
    before: Raw<'_>,
    after: Raw<'_>,
    limits: Limits,
) -> Result<Option<Cow<'a, [u8]>>, BodyError> {
    let merged = splice(notes, before, after)?;
    Ok(merged.filter(|merged| merged.len() <= limits.size))
}

fn splice<'a>(
    notes: &Notes<'a>,
    before: Raw<'_>,
    after: Raw<'_>,
) -> Result<Option<Cow<'a, [u8]>>, BodyError> {
    let Some(known) = notes.known().filter(|_| notes.fields().len() <= MANY) else { return Ok(None) };
    let base = notes.body().bytes();
    let growth = after.bytes().len().wrapping_sub(before.bytes().len());
    let mut splice = Splice::of(notes.body(), notes.content(), growth.cast_signed());
    let (mut before, mut after) = (Search::among(before), Search::among(after));
    for member in known {
        let Some(bytes) = base.get(member.start..member.end) else { return Ok(None) };
        let (written, stays) = (before.pass(bytes), after.pass(bytes));
        if written && stays {
            continue;
        }
        let Some(stored) = base.get(member.value..member.end) else { return Ok(None) };
        let key = member.key.as_bytes();
        let fate = if written {
            after.find(key).map_or(Ok(Fate::Goes), |new| edited(stored, new))?
        } else {
            let stored = Raw::new(stored)?;
            let (old, new) = (before.find(key), if stays { Some(stored) } else { after.find(key) });
            weigh(stored, old, new)?
        };
        let done = match fate {
            Fate::Stays => Some(()),
            Fate::Becomes(new) => splice.replace(member.value, member.end, new.bytes()),
            Fate::Goes => splice.replace(member.start, member.end, &[]),
            Fate::Unclear => None,
        };
        if done.is_none() {
            return Ok(None);
        }
    }
    if !(before.has_found_all() && after.has_found_all())
        && add(&mut splice, before, &after, notes.fields()).is_none()
    {
        return Ok(None);
    }
    Ok(if splice.is_empty() { Some(Cow::Borrowed(base)) } else { splice.finish().map(Cow::Owned) })
}

/// What becomes of a stored member.
#[derive(Debug, Clone, Copy)]
enum Fate<'a> {
    Stays,
    Becomes(Raw<'a>),
    Goes,
    Unclear,
}

/// Of one that the type writes as it is stored, and then as `new`.
fn edited<'a>(stored: &[u8], new: Raw<'a>) -> Result<Fate<'a>, BodyError> {
    // Members in another order are no change.
    let stays = is_container(new) && same(Raw::new(stored)?, new)?;
    Ok(if stays { Fate::Stays } else { Fate::Becomes(new) })
}

/// Of one that the type may write otherwise than it is stored.
fn weigh<'a>(stored: Raw<'_>, old: Option<Raw<'_>>, new: Option<Raw<'a>>) -> Result<Fate<'a>, BodyError> {
    // It reads what it does not write.
    let Some(old) = old else { return Ok(Fate::Unclear) };
    let Some(new) = new else { return Ok(Fate::Goes) };
    if old == new {
        // What is stored may have more members, which this type does not write. It may be an enum that passes for a struct,
        // and a change of another member may make it know more of what is in this one.
        return Ok(if is_written_so(stored, old)? { Fate::Stays } else { Fate::Unclear });
    }
    if stored == old {
        return edited(stored.bytes(), new);
    }
    let containers = is_container(stored) && is_container(old) && is_container(new);
    Ok(if containers { Fate::Unclear } else { Fate::Becomes(new) })
}

fn is_container(raw: Raw<'_>) -> bool {
    matches!(raw.kind(), Kind::Array | Kind::Object)
}

/// Adds the members that are in `after` and not in what is stored. `None` where one of them is there as a default, and where the type writes names that it
/// does not read: one of that name may be stored, which it passed over.
fn add(splice: &mut Splice<'_>, mut before: Search<'_>, after: &Search<'_>, fields: &[&str]) -> Option<()> {
    let field = |key: &[u8]| fields.iter().find(|field| field.as_bytes() == key);
    for member in after.left() {
        let (key, new) = member?;
        let field = field(key)?;
        if let Some(old) = before.find(key)
            && same(old, new).unwrap_or(true)
        {
            return None;
        }
        splice.add(field, new)?;
    }
    for member in before.left() {
        field(member?.0)?;
    }
    Some(())
}

/// Members found fast where they are asked for in their order, among not more than [`MANY`].
struct Search<'a> {
    all: UncheckedEntries<'a>,
    /// What is after the one found last, and the place of its first.
    rest: UncheckedEntries<'a>,
    at: u32,
    /// A bit for each that has been found; `None` where these are all before `at`.
    found: Option<u128>,
}

/// More members than this are left to the general merge.
const MANY: usize = u128::BITS as usize;

impl<'a> Search<'a> {
    #[inline]
    fn among(object: Raw<'a>) -> Self {
        let all = object.unchecked_members();
        Self { rest: all.clone(), all, at: 0, found: None }
    }

    /// Finds the next one, if these are its bytes.
    #[inline]
    fn pass(&mut self, member: &[u8]) -> bool {
        let passed = self.rest.pass(member);
        if passed {
            self.count(self.at);
        }
        passed
    }

    #[inline]
    fn find(&mut self, key: &[u8]) -> Option<Raw<'a>> {
        let mut rest = self.rest.clone();
        match rest.next() {
            Some(Some((next, value))) if next == key => {
                self.rest = rest;
                self.count(self.at);
                Some(value)
            }
            _ => self.find_out_of_order(key),
        }
    }

    fn find_out_of_order(&mut self, key: &[u8]) -> Option<Raw<'a>> {
        let mut rest = self.all.clone();
        let mut at = 0;
        while let Some((next, value)) = rest.next()? {
            if next == key {
                self.found = Some(self.found());
                self.rest = rest;
                self.count(at);
                return Some(value);
            }
            at += 1;
        }
        None
    }

    #[inline]
    fn count(&mut self, at: u32) {
        self.at = at + 1;
        if let Some(found) = &mut self.found {
            *found |= 1_u128.checked_shl(at).unwrap_or(0);
        }
    }

    fn found(&self) -> u128 {
        self.found.unwrap_or_else(|| 1_u128.checked_shl(self.at).map_or(u128::MAX, |bit| bit - 1))
    }

    /// Whether all have been found, one after the other.
    #[inline]
    fn has_found_all(&self) -> bool {
        self.found.is_none() && self.rest.is_empty()
    }

    /// Those that have not been found; `None` for what is malformed.
    fn left(&self) -> impl Iterator<Item = Option<(&'a [u8], Raw<'a>)>> {
        let found = self.found();
        let is_left = move |at: &usize| *at >= MANY || found >> *at & 1 == 0;
        self.all.clone().enumerate().filter(move |(at, _)| is_left(at)).map(|(_, member)| member)
    }
}
