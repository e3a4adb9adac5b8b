//! The merge by structure alone.

use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::{Kind, Raw};
use crate::encoding::body::writer::Writer;
use crate::encoding::merge::align::align;
use crate::encoding::merge::correspond::correspond;
use crate::encoding::merge::keys::ArrayKeys;
use crate::encoding::merge::lookup::Lookup;
use crate::encoding::merge::place::{Place, Segment};
use crate::encoding::merge::same::{is_written_so, same};

/// A container that was changed and does not hold what the type writes, so that the type may see it otherwise than the merge did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) place: Vec<Segment>,
    /// Members of the base that the type does not write, and that were kept.
    pub(super) kept: Vec<String>,
    /// Members that were changed, added or removed, and that the base does not have: the base may have them under a name of `kept`.
    pub(super) unfounded: Vec<String>,
    /// Members that neither changed nor are in the base.
    pub(super) defaults: Vec<String>,
    /// Elements of the base that the type passed over, and that were kept.
    pub(super) surplus: Vec<usize>,
}

/// What to do where in doubt. The default keeps the most of the base.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Choices {
    /// Write what neither changed nor is in the base.
    pub(super) write_defaults: bool,
    /// Remove elements that the type passed over.
    pub(super) drop_surplus: bool,
}

/// `base` with the difference from `before` to `after` made on it, and where the type might disagree.
pub(super) fn merge(
    base: Raw<'_>,
    before: Raw<'_>,
    after: Raw<'_>,
    limits: Limits,
    keys: &ArrayKeys,
    choices: Choices,
) -> Result<(Vec<u8>, Vec<Doubt>), BodyError> {
    // As large as the base and what the change adds, so that it need not grow.
    let added = after.bytes().len().saturating_sub(before.bytes().len());
    let buffer = Vec::with_capacity(base.bytes().len().saturating_add(added));
    let writer = Writer::after(buffer, limits);
    let mut merger = Merger { writer, keys, choices, doubts: Vec::new(), unchanged: Vec::new() };
    merger.value(base, before, after, Place::ROOT)?;
    Ok((merger.writer.finish()?, merger.doubts))
}

struct Merger<'k, 'b> {
    writer: Writer,
    keys: &'k ArrayKeys,
    choices: Choices,
    doubts: Vec<Doubt>,
    /// What did not change and is stored otherwise than the type writes it, with what the type writes: all that no changed container around it has answered for yet.
    unchanged: Vec<(Raw<'b>, Raw<'b>)>,
}

impl<'b> Merger<'_, 'b> {
    /// Whether anything was changed. Recurses as deep as the writer allows.
    fn value(
        &mut self,
        base: Raw<'b>,
        before: Raw<'b>,
        after: Raw<'_>,
        place: Place<'_>,
    ) -> Result<bool, BodyError> {
        if before == after {
            self.writer.raw(base)?;
            if base != before {
                self.unchanged.push((base, before));
            }
            return Ok(false);
        }
        if base == before {
            let changed = !same(before, after)?;
            self.writer.raw(if changed { after } else { base })?;
            return Ok(changed);
        }
        let outer = self.unchanged.len();
        let changed = match (base.kind(), before.kind(), after.kind()) {
            (Kind::Object, Kind::Object, Kind::Object) => self.object(base, before, after, place)?,
            (Kind::Array, Kind::Array, Kind::Array) => self.array(base, before, after, place)?,
            _ => {
                self.writer.raw(after)?;
                true
            }
        };
        self.unchanged.truncate(outer);
        if !changed {
            self.unchanged.push((base, before));
        }
        Ok(changed)
    }

    /// Whether a change may make known what did not change below it: whatever has been added to `unchanged` since it had `outer` of them.
    fn may_make_known(&self, outer: usize) -> Result<bool, BodyError> {
        for (base, before) in self.unchanged.get(outer..).unwrap_or_default() {
            if !is_written_so(*base, *before)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn object(
        &mut self,
        base: Raw<'b>,
        before: Raw<'b>,
        after: Raw<'_>,
        place: Place<'_>,
    ) -> Result<bool, BodyError> {
        let outer = self.unchanged.len();
        let mark = self.writer.begin_object()?;
        let (mut before, mut after) = (Lookup::new(before)?, Lookup::new(after)?);
        let (mut kept, mut unfounded, mut defaults) = (Vec::new(), Vec::new(), Vec::new());
        let mut changed = false;
        for member in base.members() {
            let (key, value) = member?;
            match (before.find(key), after.find(key)) {
                (Some(old), Some(new)) => {
                    self.writer.key(key)?;
                    let merged = self.value(value, old, new, place.key(key));
                    changed |= merged.map_err(|error| error.under_key(key))?;
                }
                (Some(_), None) => changed = true,
                // The type did not write what it now does, such as a null.
                (None, Some(new)) => {
                    self.writer.key(key)?;
                    self.writer.raw(new).map_err(|error| error.under_key(key))?;
                    changed |= value != new;
                }
                (None, None) => {
                    self.writer.key(key)?;
                    self.writer.raw(value).map_err(|error| error.under_key(key))?;
                    kept.push(key);
                }
            }
        }
        let additions: Vec<_> = after.rest().collect();
        for (key, new) in additions {
            let old = before.find(key);
            if let Some(old) = old
                && same(old, new)?
            {
                defaults.push(key);
                if !self.choices.write_defaults {
                    continue;
                }
            } else {
                changed = true;
                unfounded.push(key);
            }
            self.writer.key(key)?;
            self.writer.raw(new).map_err(|error| error.under_key(key))?;
        }
        for (key, _) in before.rest() {
            changed = true;
            unfounded.push(key);
        }
        if changed && (!kept.is_empty() || !defaults.is_empty() || self.may_make_known(outer)?) {
            let owned = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
            self.doubts.push(Doubt {
                place: place.to_segments(),
                kept: owned(kept),
                unfounded: owned(unfounded),
                defaults: owned(defaults),
                surplus: Vec::new(),
            });
        }
        self.writer.end(mark)?;
        Ok(changed)
    }

    fn array(
        &mut self,
        base: Raw<'b>,
        before: Raw<'b>,
        after: Raw<'_>,
        place: Place<'_>,
    ) -> Result<bool, BodyError> {
        let outer = self.unchanged.len();
        let (base, before, after) = (elements(base)?, elements(before)?, elements(after)?);
        let origin = correspond(&base, &before)?;
        let ordered = origin.iter().flatten().is_sorted();
        let old = align(&before, &after, self.keys.get(&place), ordered)?;
        let stays = before.len() == after.len() && old.iter().enumerate().all(|(at, old)| *old == Some(at));
        let surplus = surplus(base.len(), &origin, &old);
        let mut behind = vec![Vec::new(); after.len()];
        let mut in_front = Vec::new();
        if !self.choices.drop_surplus {
            for (at, last) in &surplus {
                match last.and_then(|last| behind.get_mut(last)) {
                    Some(behind) => behind.push(*at),
                    None => in_front.push(*at),
                }
            }
        }
        let mark = self.writer.begin_array()?;
        let mut written = 0_usize;
        for at in in_front {
            self.element(&base, at)?;
            written += 1;
        }
        let mut changed = !stays;
        for ((new, old), behind) in after.iter().zip(&old).zip(behind) {
            let stored = old.and_then(|old| origin.get(old).copied().flatten());
            match (stored.and_then(|at| base.get(at)), old.and_then(|old| before.get(old))) {
                (Some(stored_element), Some(old)) => {
                    let place = place.index(stored.unwrap_or(usize::MAX), written);
                    let merged = self.value(*stored_element, *old, *new, place);
                    changed |= merged.map_err(|error| error.under_index(written))?;
                }
                (None, old) => {
                    self.writer.raw(*new).map_err(|error| error.under_index(written))?;
                    changed |= old.is_none_or(|old| old != new);
                }
                (Some(_), None) => {}
            }
            written += 1;
            for at in behind {
                self.element(&base, at)?;
                written += 1;
            }
        }
        self.writer.end(mark)?;
        if changed && (!surplus.is_empty() || self.may_make_known(outer)?) {
            self.doubts.push(Doubt {
                place: place.to_segments(),
                kept: Vec::new(),
                unfounded: Vec::new(),
                defaults: Vec::new(),
                surplus: surplus.into_iter().map(|(at, _)| at).collect(),
            });
        }
        Ok(changed)
    }

    fn element(&mut self, base: &[Raw<'_>], at: usize) -> Result<(), BodyError> {
        match base.get(at) {
            Some(element) => self.writer.raw(*element).map_err(|error| error.under_index(at)),
            None => Ok(()),
        }
    }
}

fn elements(array: Raw<'_>) -> Result<Vec<Raw<'_>>, BodyError> {
    array.elements().collect()
}

/// The elements of the base that the type passed over, and for each the element of the result behind which it stays; `None`: in front.
///
/// Where some of what the type shows was not found in the base it may be among the rest of the base, and staying would double it.
fn surplus(base: usize, origin: &[Option<usize>], old: &[Option<usize>]) -> Vec<(usize, Option<usize>)> {
    if base <= origin.len() || origin.contains(&None) {
        return Vec::new();
    }
    // For each element of the base whether the type shows it, and where it is in the result.
    let mut fates = vec![(false, None); base];
    for at in origin.iter().flatten() {
        if let Some((shown, _)) = fates.get_mut(*at) {
            *shown = true;
        }
    }
    for (result, old) in old.iter().enumerate() {
        let stored = old.and_then(|old| origin.get(old).copied().flatten());
        if let Some((_, place)) = stored.and_then(|stored| fates.get_mut(stored)) {
            *place = Some(result);
        }
    }
    let mut last = None;
    let mut surplus = Vec::new();
    for (at, (shown, place)) in fates.into_iter().enumerate() {
        last = place.or(last);
        if !shown {
            surplus.push((at, last));
        }
    }
    surplus
}
