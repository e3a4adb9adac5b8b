//! What becomes of a generation where a program sees documents in another shape. What a deploy does and what is said of it beforehand are both from here.

use std::sync::Arc;

use crate::encoding::key::census::{self, CensusKey};
use crate::error::error::Error;
use crate::evolution::history::Way;
use crate::evolution::step::Step;
use crate::index::entries_of::{choose, is_on_the_way};
use crate::index::flags::Flags;
use crate::index::generation::{Generation, MAX_SHAPES, Shape, are_alike};
use crate::index::impact::Impact;
use crate::index::indexes::{Kinds, kind_number};
use crate::model::stamp::Stamp;
use crate::record::kind::Kind;
use crate::storage::commit::group::decode_counter;
use crate::stored::entries::Entries;
use crate::stored::state::Held;
use crate::value::path::Path;

/// What a program that sees the documents of a kind in its current shape has of a generation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outlook {
    /// It has that shape, and is right there, on these paths.
    Serves(Vec<Path>),
    /// It does once it has this shape.
    GoesOver(Shape, Impact),
    /// Nothing: another one takes its place, or none.
    Ends(Impact),
}

/// What is stored of the kinds of a collection: their numbers, by whichever name, and the stamps.
pub(crate) type Stored = Vec<(u32, Stamp)>;

/// What is stored in a collection, in one state.
pub(crate) fn stored(kinds: &dyn Kinds, held: &Held, collection: u32) -> Result<Stored, Error> {
    let mut counters = Entries::within(held, census::collection_span(collection));
    let mut stored = Vec::new();
    while let Some((key, value)) = counters.next()? {
        let CensusKey { kind, stamp, .. } = CensusKey::parse(&key)?;
        if decode_counter(&value) > 0 {
            stored.push((kind_number(kinds, kind)?.unwrap_or(kind), stamp));
        }
    }
    Ok(stored)
}

/// What becomes of `generation` where `kind` is seen in its current shape.
pub(crate) fn outlook(generation: &Generation, kind: &Kind, stored: &Stored) -> Outlook {
    let number = kind.number();
    if let Some((position, shape)) = generation.shape(number, kind.current()) {
        return match generation.is_right_at(number, position) {
            true => Outlook::Serves(shape.paths()),
            false => Outlook::Ends(Impact::Rebuild { step: since_made(generation, kind) }),
        };
    }
    let Some((shape, steps)) = nearest_below(generation, kind) else {
        // It was made by a program that these steps do not lead on from.
        return Outlook::Ends(Impact::Rebuild { step: String::new() });
    };
    let impact = generation.definition.impact(&shape.paths(), &steps);
    let next = match &impact {
        Impact::Untouched => Shape { stamp: kind.current(), since: 0, ..shape.clone() },
        Impact::Renamed { paths } => Shape::new(kind.current(), paths.clone()),
        Impact::Rebuild { .. } | Impact::LeftBehind { .. } => return Outlook::Ends(impact),
    };
    let extended = generation.with_shape(number, next.clone());
    let last = extended.kinds.get(&number).map_or(0, |shapes| shapes.len().saturating_sub(1));
    if last < MAX_SHAPES && extended.is_right_at(number, last) && goes_over(generation, kind, &next, stored) {
        return Outlook::GoesOver(next, impact);
    }
    Outlook::Ends(Impact::Rebuild { step: first_that_renames(&shape.paths(), &steps) })
}

/// The first of the steps since a generation was made that renames its paths; empty where none leads here from there.
pub(crate) fn since_made(generation: &Generation, kind: &Kind) -> String {
    let made = generation.kinds.get(&kind.number()).and_then(|shapes| shapes.first());
    let steps = made.and_then(|made| Some((made.paths(), kind.ascent(made.stamp, kind.current())?)));
    steps.map(|(paths, steps)| first_that_renames(&paths, &steps)).unwrap_or_default()
}

fn first_that_renames(paths: &[Path], steps: &[Arc<Step>]) -> String {
    let renames = |step: &&Arc<Step>| Impact::of(paths, &[Arc::clone(step)]) != Impact::Untouched;
    let step = steps.iter().find(renames).or(steps.first());
    step.map(|step| step.name.clone()).unwrap_or_default()
}

/// What is in store for the newest of `generations`, which are all of one name, oldest first; or which of the others takes its place.
pub(crate) fn forecast<'g>(
    generations: &'g [Arc<Generation>],
    kind: &Kind,
    stored: &Stored,
) -> Option<(&'g Arc<Generation>, Impact)> {
    let newest = generations.last()?;
    let impact = match outlook(newest, kind, stored) {
        Outlook::Serves(_) => return Some((newest, Impact::Untouched)),
        Outlook::GoesOver(_, impact) | Outlook::Ends(impact @ Impact::LeftBehind { .. }) => {
            return Some((newest, impact));
        }
        Outlook::Ends(impact) => impact,
    };
    let mut others = generations.iter().rev().skip(1);
    let Some((shape, steps)) = nearest_below(newest, kind) else {
        // It is a newer program's: this one has what it had before.
        let serves = |other: &&Arc<Generation>| matches!(outlook(other, kind, stored), Outlook::Serves(_));
        return Some(others.find(serves).map_or((newest, impact), |other| (other, Impact::Untouched)));
    };
    let Ok(wanted) = newest.definition.followed(&shape.paths(), &steps) else {
        return Some((newest, impact));
    };
    let other = others.find_map(|other| {
        let like = other.definition.is_like(&wanted) && other.kinds.keys().eq(newest.kinds.keys());
        match outlook(other, kind, stored) {
            Outlook::Serves(paths) if like && paths == wanted.paths() => Some((other, Impact::Untouched)),
            Outlook::GoesOver(shape, impact) if like && shape.paths() == wanted.paths() => {
                Some((other, impact))
            }
            _ => None,
        }
    });
    Some(other.unwrap_or((newest, impact)))
}

/// Whether what a generation has of the documents that are stored is right in `shape` too, and is still found where they are written next.
///
/// A rename leaves things as they are where its source is absent, on the way down as on the way up. That no document has lacked the path in the shape it was looked
/// at in therefore says something of the shapes that lie further in the same direction, and nothing of those that it came past, or that lie the other way.
fn goes_over(generation: &Generation, kind: &Kind, shape: &Shape, stored: &Stored) -> bool {
    let Some(shapes) = generation.kinds.get(&kind.number()) else { return false };
    let extended = [shapes.as_slice(), std::slice::from_ref(shape)].concat();
    let alike = are_alike(&extended);
    let all_readable = !generation.live.flags.get().contains(Flags::UNREADABLE);
    let of_kind = stored.iter().filter(|(number, _)| *number == kind.number());
    of_kind.into_iter().all(|(_, stamp)| {
        let then = choose(&extended, kind, *stamp).map(|(position, ..)| position);
        let Some((position, entered, way)) = choose(shapes, kind, *stamp) else { return then.is_none() };
        let own = *stamp == shape.stamp && all_readable && way != Way::Function;
        (then == Some(position) || own) && (alike || is_on_the_way(kind, *stamp, entered.stamp, shape.stamp))
    })
}

/// The nearest shape below the program's stamp of a kind, and the steps from there.
pub(crate) fn nearest_below<'g>(
    generation: &'g Generation,
    kind: &Kind,
) -> Option<(&'g Shape, Vec<Arc<Step>>)> {
    let shapes = generation.kinds.get(&kind.number())?;
    let below = shapes.iter().filter_map(|shape| Some((shape, kind.ascent(shape.stamp, kind.current())?)));
    below.min_by_key(|(_, steps)| steps.len())
}
