//! The entries a generation has of a stored document.

use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::{Kind as BodyKind, Raw};
use crate::encoding::key::index;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::evolution::history::Way;
use crate::index::error::IndexError;
use crate::index::extract::{Extracted, extract};
use crate::index::flags::Flags;
use crate::index::generation::{Generation, Shape, are_alike};
use crate::index::indexes::Kinds;
use crate::model::id::DocumentId;
use crate::model::stamp::Stamp;
use crate::record::kind::{Kind, Shaped};
use crate::storage::backend::MAX_KEY;

/// A stored document, before or after a write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'s> {
    /// The number of the kind it is stored under, which may be a former name's.
    pub(crate) number: u32,
    pub(crate) kind: &'s Kind,
    pub(crate) shaped: Shaped<'s>,
}

/// What a generation has of a document.
#[derive(Debug, Default)]
pub(crate) struct Entered {
    pub(crate) extracted: Extracted,
    /// There are no entries, since they cannot be made: why.
    pub(crate) unreadable: Option<Error>,
    /// Whether what has come of it is only known to who made it.
    pub(crate) by_function: bool,
    /// This program cannot bring it to any of the generation's shapes.
    pub(crate) out_of_reach: bool,
}

/// The entries of a document; none where its kind is not covered. They are the same to every program, however large or deep it lets documents be.
pub(crate) fn entries_of(
    kinds: &dyn Kinds,
    generation: &Generation,
    id: &DocumentId,
    stored: Stored<'_>,
) -> Result<Entered, Error> {
    let Stored { number, kind, shaped } = stored;
    let Some(covered) = generation.covered(kinds, number) else { return Ok(Entered::default()) };
    let shapes = covered.shapes;
    let Some((position, shape, way)) = choose(shapes, kind, shaped.stamp) else {
        let unreadable = Error::new(ErrorKind::HistoryDiverged, "no steps lead to the shape of an index");
        let unreadable = Some(unreadable.with_stamp(shaped.stamp));
        return Ok(Entered { unreadable, by_function: true, out_of_reach: true, ..Entered::default() });
    };
    let by_function = way == Way::Function;
    let made_in = |position: usize, shape: &Shape| {
        if shape.stamp == shaped.stamp {
            return made_of(generation, position, shape, id, shaped.body);
        }
        let body = kind.read(id, shaped, shape.stamp, Limits::default())?;
        made_of(generation, position, shape, id, &body)
    };
    Ok(match made_in(position, shape) {
        Ok(mut extracted) => {
            let differs = |(other, there): (usize, &Shape)| {
                other != position
                    && !is_on_the_way(kind, shaped.stamp, shape.stamp, there.stamp)
                    && made_in(other, there).ok().is_none_or(|made| made.parts != extracted.parts)
            };
            if !are_alike(shapes) && shapes.iter().enumerate().any(differs) {
                extracted.flags.insert(Flags::missing(position));
            }
            Entered { extracted, by_function, ..Entered::default() }
        }
        Err(error) => Entered { unreadable: Some(error), by_function, ..Entered::default() },
    })
}

/// The shape to look at a document in: its own; else the nearest above it, the nearest below it, or the first, that ops lead to; else those that anything leads to, in
/// the same order. A shape that would change this for documents that there are is not [added](crate::index::outlook), unless it is their own.
pub(crate) fn choose<'g>(shapes: &'g [Shape], kind: &Kind, stamp: Stamp) -> Option<(usize, &'g Shape, Way)> {
    if let Some((position, shape)) = shapes.iter().enumerate().find(|(_, shape)| shape.stamp == stamp) {
        return Some((position, shape, Way::Here));
    }
    let ways =
        shapes.iter().enumerate().map(|(position, shape)| (position, shape, kind.way(stamp, shape.stamp)));
    let ways = ways.filter(|(.., way)| *way != Way::None);
    if shapes.len() < 2 {
        return ways.into_iter().next();
    }
    ways.min_by_key(|(_, shape, way)| {
        let up = kind.ascent(stamp, shape.stamp).map(|steps| (0, steps.len()));
        let down = || kind.ascent(shape.stamp, stamp).map(|steps| (1, steps.len()));
        (*way == Way::Function, up.or_else(down).unwrap_or((2, 0)))
    })
}

/// Whether a document at `from` passes `by` on its way to `to`, going nowhere but up or nowhere but down.
pub(crate) fn is_on_the_way(kind: &Kind, from: Stamp, by: Stamp, to: Stamp) -> bool {
    let leads = |one, other| kind.ascent(one, other).is_some();
    from == by || leads(from, by) && leads(by, to) || leads(by, from) && leads(to, by)
}

fn made_of(
    generation: &Generation,
    position: usize,
    shape: &Shape,
    id: &DocumentId,
    body: &[u8],
) -> Result<Extracted, Error> {
    let body = Raw::new(body)?;
    let mut extracted = extract(&generation.definition, &shape.routes, body)?;
    if body.kind() != BodyKind::Object && !extracted.parts.is_empty() {
        extracted.flags.insert(Flags::BARE);
    }
    if extracted.missing {
        extracted.flags.insert(Flags::missing(position));
    }
    let longest = extracted.parts.iter().map(|part| part.values.len()).max().unwrap_or(0);
    let bytes = longest.saturating_add(index::id_bytes(id)?.len()).saturating_add(index::PREFIX);
    if bytes > MAX_KEY { Err(IndexError::KeyTooLong { bytes }.into()) } else { Ok(extracted) }
}
