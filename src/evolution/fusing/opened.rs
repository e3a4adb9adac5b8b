//! Recipes on bodies that are being changed.

use std::borrow::Cow;

use crate::encoding::body::error::BodyError;
use crate::encoding::body::members::Members;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
#[cfg(test)]
use crate::encoding::body::tally;
use crate::evolution::fault::Fault;
use crate::evolution::fusing::layout::Layout;
use crate::evolution::fusing::recipe::{InPlace, Kept, Piece, Recipe, Value};

/// For each member of an object, in order, the slot it is in.
pub(super) type Numbers = Vec<Option<usize>>;

/// A body taken apart: the values of slots, what has become of those that are changed, and the members of objects without the values that are in slots.
struct Pieces<'r, 'a> {
    recipe: &'r Recipe,
    slots: Vec<Part<Node<'a>>>,
    changed: Vec<Option<Node<'a>>>,
    objects: Vec<Part<Vec<Member<'a>>>>,
}

/// Its name, and its value or the slot that this is in.
type Member<'a> = (Cow<'a, str>, Result<Node<'a>, usize>);

/// What is there, until it has been used for the last time.
#[derive(Debug, Clone)]
struct Part<T> {
    value: Option<T>,
    used: usize,
}

impl<T: Clone> Part<T> {
    const NONE: Self = Self { value: None, used: 0 };

    /// `uses`: in all.
    fn take(&mut self, uses: Option<&usize>) -> Option<T> {
        self.used = self.used.saturating_add(1);
        if uses.is_some_and(|uses| self.used >= *uses) { self.value.take() } else { self.value.clone() }
    }
}

impl Recipe {
    /// Rewrites `body`, in which `numbers` says by object which members are in which slots; whether that was done. Where it was not, since an op fails, the body is as it was.
    pub(super) fn carry_out<'a>(
        &'a self,
        layout: &Layout,
        numbers: &[Numbers],
        body: &mut Node<'a>,
    ) -> Result<bool, Fault> {
        let mut values = vec![None; layout.slots.len()];
        gather(layout, numbers, (0, body), &mut values);
        let mut changed = vec![None; self.changes];
        let possible = self.dropped.iter().try_for_each(|dropped| {
            let value: &Node<'a> = (*values.get(dropped.slot)?)?;
            dropped.carry_out(value.clone()).map(drop)
        });
        if possible.and_then(|()| self.body.change(&values, &mut changed)).is_none() {
            return Ok(false);
        }
        let mut pieces = Pieces {
            recipe: self,
            slots: vec![Part::NONE; layout.slots.len()],
            changed,
            objects: vec![Part::NONE; layout.objects.len()],
        };
        pieces.take_apart(layout, numbers, 0, std::mem::replace(body, Node::Null));
        // Nothing of it can be wanting: the ops were carried out on a body with the same members.
        let wanting = || BodyError::malformed("a member is wanting that was there");
        *body = self.body.build(&mut pieces).ok_or_else(wanting)?;
        #[cfg(test)]
        tally::count(tally::Work::Together);
        Ok(true)
    }
}

/// The values of slots, in an object and in those within it.
fn gather<'n, 'a>(
    layout: &Layout,
    numbers: &[Numbers],
    (object, node): (usize, &'n Node<'a>),
    values: &mut [Option<&'n Node<'a>>],
) {
    let (Node::Object(members), Some(numbers_of)) = (node, numbers.get(object)) else { return };
    for ((_, value), number) in members.iter().zip(numbers_of) {
        let Some(number) = *number else { continue };
        match layout.slots.get(number).and_then(|slot| slot.object) {
            Some(inner) => gather(layout, numbers, (inner, value), values),
            None => {
                if let Some(slot) = values.get_mut(number) {
                    *slot = Some(value);
                }
            }
        }
    }
}

impl Value {
    /// Works out what is changed; `None` where an op fails.
    fn change<'a>(&'a self, values: &[Option<&Node<'a>>], changed: &mut [Option<Node<'a>>]) -> Option<()> {
        let mut pieces = |pieces: &'a [Piece]| {
            let mut members = pieces.iter().flat_map(|piece| &piece.members);
            members.try_for_each(|(_, value)| value.change(values, changed))
        };
        match self {
            Self::Slot { .. } | Self::Constant(_) => Some(()),
            Self::Changed(change) => {
                let value = (*values.get(change.slot)?)?;
                *changed.get_mut(change.number)? = Some(change.carry_out(value.clone())?);
                Some(())
            }
            Self::Made(made) => pieces(made),
            Self::Kept(kept) => {
                for place in &kept.places {
                    if let InPlace::Other(piece) = place {
                        pieces(std::slice::from_ref(piece))?;
                    }
                }
                pieces(&kept.end)
            }
        }
    }

    fn build<'a>(&'a self, pieces: &mut Pieces<'_, 'a>) -> Option<Node<'a>> {
        match self {
            Self::Slot { slot, .. } => pieces.slot(*slot),
            Self::Changed(changed) => pieces.changed.get_mut(changed.number)?.take(),
            Self::Constant(bytes) => Raw::new(bytes).ok().map(Node::Raw),
            Self::Made(made) => {
                let mut members = Members::new();
                made.iter().try_for_each(|piece| piece.build(pieces, &mut members))?;
                Some(members.into())
            }
            Self::Kept(kept) => kept.build(pieces),
        }
    }
}

impl Kept {
    fn build<'a>(&'a self, pieces: &mut Pieces<'_, 'a>) -> Option<Node<'a>> {
        let uses = pieces.recipe.uses_of_objects.get(self.object);
        let was = pieces.objects.get_mut(self.object)?.take(uses)?;
        let mut members = Members::with_capacity(was.len().saturating_add(self.end.len()));
        for (name, value) in was {
            match value {
                Ok(value) => members.push_distinct(name, value),
                Err(slot) => match self.places.get(slot.checked_sub(self.first)?)? {
                    InPlace::Same => members.push_distinct(name, pieces.slot(slot)?),
                    InPlace::Nothing => {}
                    InPlace::Other(piece) => piece.build(pieces, &mut members)?,
                },
            }
        }
        self.end.iter().try_for_each(|piece| piece.build(pieces, &mut members))?;
        Some(members.into())
    }
}

impl Piece {
    fn build<'a>(&'a self, pieces: &mut Pieces<'_, 'a>, into: &mut Members<'a, Node<'a>>) -> Option<()> {
        for (name, value) in &self.members {
            into.push_distinct(Cow::Borrowed(name), value.build(pieces)?);
        }
        Some(())
    }
}

impl<'a> Pieces<'_, 'a> {
    fn slot(&mut self, slot: usize) -> Option<Node<'a>> {
        self.slots.get_mut(slot)?.take(self.recipe.uses.get(slot))
    }

    fn take_apart(&mut self, layout: &Layout, numbers: &[Numbers], object: usize, node: Node<'a>) {
        let (Node::Object(members), Some(numbers_of)) = (node, numbers.get(object)) else { return };
        let mut rest = Vec::with_capacity(members.len());
        for ((name, value), number) in members.into_iter().zip(numbers_of) {
            let Some(number) = *number else {
                rest.push((name, Ok(value)));
                continue;
            };
            rest.push((name, Err(number)));
            match layout.slots.get(number).and_then(|slot| slot.object) {
                Some(inner) => self.take_apart(layout, numbers, inner, value),
                None => {
                    if let Some(slot) = self.slots.get_mut(number) {
                        slot.value = Some(value);
                    }
                }
            }
        }
        if let Some(part) = self.objects.get_mut(object) {
            part.value = Some(rest);
        }
    }
}
