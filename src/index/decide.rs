//! What a program does about an index when it comes to see a kind in another shape: what a deploy does, and what is said of it beforehand.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::error::Error;
use crate::index::covered::{Covered, is_of};
use crate::index::definition::{Definition, Index};
use crate::index::generation::{Generation, Shape};
use crate::index::impact::Impact;
use crate::index::indexes::Kinds;
use crate::index::outlook::{Outlook, Stored, nearest_below, outlook, since_made};
use crate::index::state::IndexState;
use crate::record::kind::Kind;

/// How a generation stands to what is declared.
pub(crate) enum Match {
    /// It is that.
    Same,
    /// It is that once it has these shapes, by the numbers that it has kinds under.
    With(Vec<(u32, Shape)>),
    /// It is something else, or is no longer right.
    No,
}

/// How a generation stands to an index over these kinds.
pub(crate) fn matching(
    kinds: &dyn Kinds,
    generation: &Generation,
    index: &Index,
    of: &[Arc<Kind>],
    stored: &Stored,
) -> Match {
    let of: BTreeMap<u32, &Arc<Kind>> = of.iter().map(|kind| (kind.number(), kind)).collect();
    if !generation.definition.is_like(&index.definition) || !generation.covers_just(kinds, of.keys().copied())
    {
        return Match::No;
    }
    let paths = index.definition.paths();
    let mut missing = Vec::new();
    for kind in of.into_values() {
        // It has that kind where its own program sees it.
        if kinds.is_foreign(kind)
            && generation
                .covered(kinds, kind.number())
                .is_some_and(|covered| covered.shapes.iter().any(|shape| shape.paths() == paths))
        {
            continue;
        }
        match outlook(kinds, generation, kind, stored) {
            Outlook::Serves(of) if of == paths => {}
            Outlook::GoesOver(number, shape, _) if shape.paths() == paths => missing.push((number, shape)),
            _ => return Match::No,
        }
    }
    if missing.is_empty() { Match::Same } else { Match::With(missing) }
}

/// What a program that has declared a kind does about an index.
pub(crate) enum Decision<'g> {
    /// It has this generation, or leaves it switched off.
    Has(&'g Arc<Generation>),
    /// It wants the same on what the paths of this one have become.
    Wants { after: &'g Arc<Generation>, index: Index, of: Vec<Arc<Kind>> },
    /// This one is on something that the step takes away, or has gone where not all of its kinds have.
    Left { after: &'g Arc<Generation>, step: String },
}

/// What the program does about the index of which these are the generations, oldest first; `None`: nothing, since they are those of newer programs, or of other branches.
pub(crate) fn decide<'g>(
    kinds: &dyn Kinds,
    generations: &'g [Arc<Generation>],
    kind: &Kind,
) -> Result<Option<Decision<'g>>, Error> {
    let leads_here = |of: &'g Arc<Generation>| {
        let covered = of.covered(kinds, kind.number())?;
        let leads = covered.shape(kind.current()).is_some() || nearest_below(covered, kind).is_some();
        leads.then_some((of, covered))
    };
    let Some((after, covered)) = generations.iter().rev().find_map(leads_here) else { return Ok(None) };
    let here = covered.shape(kind.current());
    let right = here.is_some_and(|(position, _)| covered.is_right_at(position));
    let state = after.live.state();
    if state == IndexState::Disabled || right && state.is_maintained() {
        return Ok(Some(Decision::Has(after)));
    }
    let definition = match followed(after, covered, kind) {
        Some(Ok(definition)) => definition,
        Some(Err(step)) => return Ok(Some(Decision::Left { after, step })),
        None => return Ok(None),
    };
    let of = after.kinds.keys().map(|number| kinds.kind(*number)).collect::<Result<Vec<_>, _>>()?;
    // All kinds are entered on the same paths: where they part, each goes on with what it had.
    let paths = definition.paths();
    let is_on = |other: &Arc<Kind>| {
        let followed =
            after.covered(kinds, other.number()).and_then(|covered| followed(after, covered, other));
        followed.is_none_or(|followed| followed.is_ok_and(|definition| definition.paths() == paths))
    };
    Ok(Some(if of.iter().all(is_on) {
        Decision::Wants { after, index: Index::of_definition(&after.name, definition), of }
    } else {
        Decision::Left { after, step: since_made(covered, kind) }
    }))
}

/// What a generation is on in the program's shape of a kind: the first step after which that is nothing; `None` where no steps lead there.
fn followed(
    generation: &Generation,
    covered: Covered<'_>,
    kind: &Kind,
) -> Option<Result<Definition, String>> {
    match covered.shape(kind.current()) {
        Some((_, shape)) => Some(generation.definition.followed(&shape.paths(), &[])),
        None => {
            let (shape, steps) = nearest_below(covered, kind)?;
            Some(generation.definition.followed(&shape.paths(), &steps))
        }
    }
}

/// What is in store for the newest of `generations`, which are of one index and kept up, oldest first; or which of the others takes its place.
///
/// # Errors
/// When the catalog is damaged.
pub(crate) fn forecast<'g>(
    kinds: &dyn Kinds,
    generations: &'g [Arc<Generation>],
    kind: &Arc<Kind>,
    stored: &Stored,
) -> Result<Option<(&'g Arc<Generation>, Impact)>, Error> {
    let kinds = &Planned { kinds, kind };
    let Some(newest) = generations.last() else { return Ok(None) };
    Ok(Some(match decide(kinds, generations, kind)? {
        None => (newest, Impact::Rebuild { step: String::new() }),
        Some(Decision::Has(generation)) => (generation, Impact::Untouched),
        Some(Decision::Left { after, step }) => (after, Impact::LeftBehind { step }),
        Some(Decision::Wants { after, index, of }) => {
            let stands = |to: &Generation| matching(kinds, to, &index, &of, stored);
            let is_it = |generation: &&Arc<Generation>| matches!(stands(generation), Match::Same);
            let goes = |generation: &&Arc<Generation>| matches!(stands(generation), Match::With(_));
            if let Some(serving) = generations.iter().rfind(is_it) {
                return Ok(Some((serving, Impact::Untouched)));
            }
            let next = generations.iter().find(goes);
            let impact = match outlook(kinds, next.unwrap_or(after), kind, stored) {
                Outlook::Serves(_) if next.is_some() => Impact::Untouched,
                Outlook::GoesOver(_, _, impact) if next.is_some() => impact,
                Outlook::Ends(impact) => impact,
                // Another of its kinds has it built anew.
                _ => Impact::Rebuild { step: String::new() },
            };
            (next.unwrap_or(after), impact)
        }
    }))
}

/// Kinds as they will be once one of them has been declared.
struct Planned<'k> {
    kinds: &'k dyn Kinds,
    kind: &'k Arc<Kind>,
}

impl Kinds for Planned<'_> {
    fn kind(&self, number: u32) -> Result<Arc<Kind>, Error> {
        if is_of(self.kinds, number, self.kind.number()) {
            return Ok(Arc::clone(self.kind));
        }
        self.kinds.kind(number)
    }

    fn family(&self, number: u32) -> Vec<u32> {
        self.kinds.family(number)
    }

    fn lacks_steps(&self, number: u32) -> bool {
        self.kinds.lacks_steps(number)
    }

    fn is_foreign(&self, kind: &Kind) -> bool {
        self.kinds.is_foreign(kind)
    }
}
