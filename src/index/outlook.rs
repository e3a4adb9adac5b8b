//! What becomes of a generation where a program sees documents in another shape. What a deploy does and what is said of it beforehand are both from here.

use std::sync::Arc;

use crate::encoding::key::census::{self, CensusKey};
use crate::error::error::Error;
use crate::evolution::history::Way;
use crate::evolution::step::Step;
use crate::index::covered::{Covered, is_of};
use crate::index::entries_of::{choose, is_on_the_way};
use crate::index::flags::Flags;
use crate::index::generation::{Generation, MAX_SHAPES, Shape, are_alike};
use crate::index::impact::Impact;
use crate::index::indexes::Kinds;
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
    /// It does once it has this shape, of the kind that it has under this number.
    GoesOver(u32, Shape, Impact),
    /// Nothing: another one takes its place, or none.
    Ends(Impact),
}

/// What is stored in a collection: the numbers of kinds, by whichever name, and the stamps.
pub(crate) type Stored = Vec<(u32, Stamp)>;

/// What is stored in a collection, in one state.
pub(crate) fn stored(held: &Held, collection: u32) -> Result<Stored, Error> {
    let mut counters = Entries::within(held, census::collection_span(collection));
    let mut stored = Vec::new();
    while let Some((key, value)) = counters.next()? {
        let CensusKey { kind, stamp, .. } = CensusKey::parse(&key)?;
        if decode_counter(&value) > 0 {
            stored.push((kind, stamp));
        }
    }
    Ok(stored)
}

/// What becomes of `generation` where `kind` is seen in its current shape.
pub(crate) fn outlook(kinds: &dyn Kinds, generation: &Generation, kind: &Kind, stored: &Stored) -> Outlook {
    // It was made by a program that these steps do not lead on from.
    let foreign = || Outlook::Ends(Impact::Rebuild { step: String::new() });
    let Some(covered) = generation.covered(kinds, kind.number()) else { return foreign() };
    if let Some((position, shape)) = covered.shape(kind.current()) {
        return match covered.is_right_at(position) {
            true => Outlook::Serves(shape.paths()),
            false => Outlook::Ends(Impact::Rebuild { step: since_made(covered, kind) }),
        };
    }
    let Some((shape, steps)) = nearest_below(covered, kind) else { return foreign() };
    let impact = generation.definition.impact(&shape.paths(), &steps);
    let next = match &impact {
        Impact::Untouched => Shape { stamp: kind.current(), since: 0, ..shape.clone() },
        Impact::Renamed { paths } => Shape::new(kind.current(), paths.clone()),
        Impact::Rebuild { .. } | Impact::LeftBehind { .. } => return Outlook::Ends(impact),
    };
    let (number, last) = (covered.number, covered.shapes.len());
    let extended = generation.with_shape(number, next.clone());
    if last < MAX_SHAPES
        && extended.covered(kinds, number).is_some_and(|extended| extended.is_right_at(last))
        && goes_over(kinds, covered, kind, &next, stored)
    {
        return Outlook::GoesOver(number, next, impact);
    }
    Outlook::Ends(Impact::Rebuild { step: first_that_renames(&shape.paths(), &steps) })
}

/// The first of the steps since a generation was made that renames its paths; empty where none leads here from there.
pub(crate) fn since_made(covered: Covered<'_>, kind: &Kind) -> String {
    let made = covered.shapes.first();
    let steps = made.and_then(|made| Some((made.paths(), kind.ascent(made.stamp, kind.current())?)));
    steps.map(|(paths, steps)| first_that_renames(&paths, &steps)).unwrap_or_default()
}

fn first_that_renames(paths: &[Path], steps: &[Arc<Step>]) -> String {
    let renames = |step: &&Arc<Step>| Impact::of(paths, &[Arc::clone(step)]) != Impact::Untouched;
    let step = steps.iter().find(renames).or(steps.first());
    step.map(|step| step.name.clone()).unwrap_or_default()
}

/// Whether what a generation has of the documents that are stored is right in `shape` too, and is still found where they are written next.
///
/// A rename leaves things as they are where its source is absent, on the way down as on the way up. That no document has lacked the path in the shape it was looked
/// at in therefore says something of the shapes that lie further in the same direction, and nothing of those that it came past, or that lie the other way.
fn goes_over(kinds: &dyn Kinds, covered: Covered<'_>, kind: &Kind, shape: &Shape, stored: &Stored) -> bool {
    let shapes = covered.shapes;
    let extended = [shapes, std::slice::from_ref(shape)].concat();
    let alike = are_alike(&extended);
    let all_readable = !covered.flags().contains(Flags::UNREADABLE);
    let mut of_kind = stored.iter().filter(|(number, _)| is_of(kinds, *number, kind.number()));
    of_kind.all(|(_, stamp)| {
        let then = choose(&extended, kind, *stamp).map(|(position, ..)| position);
        let Some((position, entered, way)) = choose(shapes, kind, *stamp) else { return then.is_none() };
        let own = *stamp == shape.stamp && all_readable && way != Way::Function;
        (then == Some(position) || own) && (alike || is_on_the_way(kind, *stamp, entered.stamp, shape.stamp))
    })
}

/// The nearest shape below the program's stamp of a kind, and the steps from there; none of one under another name of the kind.
pub(crate) fn nearest_below<'g>(covered: Covered<'g>, kind: &Kind) -> Option<(&'g Shape, Vec<Arc<Step>>)> {
    let below =
        covered.shapes.iter().filter_map(|shape| Some((shape, kind.ascent(shape.stamp, kind.current())?)));
    below.min_by_key(|(_, steps)| steps.len())
}
