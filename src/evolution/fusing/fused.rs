//! Ops that are carried out together.

use std::sync::OnceLock;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::locate::Found;
use crate::encoding::body::raw::Raw;
#[cfg(test)]
use crate::encoding::body::tally;
use crate::evolution::action::Action;
use crate::evolution::fusing::layout::{Layout, Shape};
use crate::evolution::fusing::recipe::{Document, Recipe};
use crate::evolution::fusing::trace::{Marks, is_traceable};

/// What is known of a run of ops that can be carried out together.
#[derive(Debug)]
pub(in crate::evolution) struct Fused {
    layout: Layout,
    /// What has been worked out, by shape: in the place that the shape hashes to, or the next free one. What is in place stays.
    recipes: Box<[OnceLock<Known>]>,
}

/// A shape, and the recipe for it if there can be one.
type Known = (Shape, Option<Recipe>);

/// For how many shapes recipes are kept. Documents of others are brought along op by op.
const MAX_SHAPES: usize = 64;

impl Fused {
    /// Whether ops like this one can be carried out together with others.
    pub(in crate::evolution) fn takes(action: &Action) -> bool {
        is_traceable(action)
    }

    /// `None` where the ops do not name anything, or too many members.
    pub(in crate::evolution) fn new<'p>(
        actions: impl DoubleEndedIterator<Item = &'p Action>,
    ) -> Option<Self> {
        let layout = Layout::new(actions)?;
        Some(Self { layout, recipes: (0..MAX_SHAPES).map(|_| OnceLock::new()).collect() })
    }

    /// Carries out the ops, which must be those it was made for, on an encoded body. `None` where that is not possible: one of them fails, they do other things than
    /// usual, the outcome cannot be stored, the bytes are malformed. Op by op it will turn out which of it is the case.
    ///
    /// Costs a look at each member of the objects that the ops name members of, a copy of the body, and what changes of values cost. For the first document of a
    /// shape the ops are carried out on a small document besides.
    pub(in crate::evolution) fn run<'p>(
        &self,
        body: Raw<'_>,
        limits: Limits,
        actions: impl Iterator<Item = &'p Action> + Clone,
    ) -> Option<Vec<u8>> {
        #[cfg(test)]
        tally::count(tally::Work::Decode);
        let mut document = Document {
            found: Vec::with_capacity(self.layout.slots.len()),
            objects: vec![(0, 0, &[]); self.layout.objects.len()],
        };
        let mut shape = 0;
        self.look(0, body, limits.depth, &mut document, &mut shape)?;
        self.recipe(shape, actions)?.write(body, &document, limits)
    }

    /// Finds what is named in an object and in those within it, which may have `allowed` containers within each other. `None` where one of them is
    /// something else, or too deep.
    fn look<'b>(
        &self,
        object: usize,
        raw: Raw<'b>,
        allowed: usize,
        document: &mut Document<'b>,
        shape: &mut Shape,
    ) -> Option<()> {
        let outline = self.layout.objects.get(object)?;
        let (from, allowed) = (document.found.len(), allowed.checked_sub(1)?);
        let content = outline.names.locate(raw, allowed, &mut document.found).ok()??;
        let count = document.found.len().saturating_sub(from);
        *document.objects.get_mut(object)? = (from, count, content);
        for position in (from..).take(count) {
            let Found { number, value, .. } = *document.found.get(position)?;
            let bit = 1 << number;
            if *shape & bit != 0 {
                return None;
            }
            *shape |= bit;
            match self.layout.slots.get(number)?.object {
                Some(inner) => self.look(inner, value, allowed, document, shape)?,
                None => value.check_depth(allowed).ok()?,
            }
        }
        Some(())
    }

    fn recipe<'p>(&self, shape: Shape, actions: impl Iterator<Item = &'p Action> + Clone) -> Option<&Recipe> {
        let first = hash(shape);
        let (before, from) = self.recipes.split_at_checked(first)?;
        for place in from.iter().chain(before) {
            let (known, recipe) = place.get_or_init(|| (shape, self.work_out(shape, actions.clone())));
            if *known == shape {
                return recipe.as_ref();
            }
        }
        None
    }

    #[cold]
    fn work_out<'p>(
        &self,
        shape: Shape,
        actions: impl Iterator<Item = &'p Action> + Clone,
    ) -> Option<Recipe> {
        let marks = Marks::new(&self.layout, actions.clone());
        let (body, changes) = marks.trace(&self.layout, shape, actions)?;
        Recipe::new(&self.layout, &marks, &body, &changes)
    }
}

/// Where to look for a shape first.
fn hash(shape: Shape) -> usize {
    let mixed = (shape as u64 ^ (shape >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 48) as usize % MAX_SHAPES
}
