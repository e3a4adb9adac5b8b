//! From what a program declares to the generations that serve it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::error::Error;
use crate::evolution::step::Step;
use crate::index::definition::{Definition, Index};
use crate::index::flags::Flags;
use crate::index::generation::{Generation, Live, MAX_SHAPES, Shape};
use crate::index::impact::Impact;
use crate::index::indexes::{Context, Indexes, Kinds};
use crate::index::state::IndexState;
use crate::record::kind::Kind;

/// What is declared, and where.
#[derive(Clone, Copy)]
pub(crate) struct Declared<'d> {
    pub(crate) collection: u32,
    pub(crate) index: &'d Index,
    /// The kinds it covers, as the program sees them.
    pub(crate) kinds: &'d [Arc<Kind>],
    /// By a call, and not by a type.
    pub(crate) created: bool,
}

/// How a generation stands to what is declared.
enum Match {
    /// It is that.
    Same,
    /// It is that once it has these shapes, by kind.
    With(Vec<(u32, Shape)>),
    /// It is something else, or is no longer right.
    No,
}

/// Finds the generation that serves what is declared, or makes one, which is then to be built. `rebuild`: makes one in any case but where one is
/// being built.
///
/// # Errors
/// `InvalidIndex`, `InvalidPath`, and when the store cannot be written.
pub(crate) fn declare(
    context: Context<'_>,
    indexes: &Indexes,
    declared: Declared<'_>,
    rebuild: bool,
) -> Result<Arc<Generation>, Error> {
    declared.index.check()?;
    let _changing = indexes.change();
    let name = declared.index.name();
    let mut serving = None;
    let mut others = Vec::new();
    let numbers: Vec<u32> = declared.kinds.iter().map(|kind| kind.number()).collect();
    for generation in indexes.of(declared.collection).into_iter().filter(|known| *known.name == *name) {
        // Of other kinds, it is another index.
        if !is_of(context.kinds, &generation, &numbers)? {
            continue;
        }
        let state = generation.live.state();
        let usable = match state {
            IndexState::Building => true,
            IndexState::Readable | IndexState::Failed | IndexState::Disabled => !rebuild,
            IndexState::Unmaintained | IndexState::Dropped => false,
        };
        let found = matching(&generation, &declared);
        match found {
            Match::Same if usable && serving.is_none() => serving = Some(generation),
            Match::With(shapes) if usable && serving.is_none() => {
                let mut with = generation;
                for (kind, shape) in shapes {
                    with = indexes.replace(context.engine, with.with_shape(kind, shape))?;
                }
                serving = Some(with);
            }
            // It would be built a second time.
            Match::Same | Match::With(_) => {
                indexes.set_state(context.engine, &generation, IndexState::Dropped)?
            }
            Match::No => others.push(generation),
        }
    }
    let serving = match serving {
        Some(serving) if serving.definition.while_building != declared.index.definition.while_building => {
            let while_building = declared.index.definition.while_building;
            let definition = Definition { while_building, ..serving.definition.clone() };
            indexes.replace(context.engine, serving.with_definition(definition))?
        }
        Some(serving) => serving,
        None => indexes.add(context.engine, fresh(indexes.next_number()?, &name, &declared))?,
    };
    serving.live.enforce(true);
    for other in &others {
        other.live.enforce(false);
    }
    if serving.live.state() == IndexState::Readable {
        drop_replaced(context, indexes, &serving)?;
    }
    Ok(serving)
}

/// Whether it has documents of one of these kinds, under whichever of their names.
pub(crate) fn is_of(kinds: &dyn Kinds, generation: &Generation, of: &[u32]) -> Result<bool, Error> {
    for number in generation.kinds.keys() {
        if of.contains(number) || of.contains(&kinds.kind(*number)?.number()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Drops what a generation that has become readable takes the place of: those of its name that are for the same stamps.
/// Those for other stamps are kept up for the programs that are there.
pub(crate) fn drop_replaced(
    context: Context<'_>,
    indexes: &Indexes,
    serving: &Generation,
) -> Result<(), Error> {
    for other in indexes.of(serving.collection) {
        let same_stamps = || {
            serving.kinds.keys().eq(other.kinds.keys())
                && other.kinds.iter().all(|(kind, shapes)| {
                    shapes.iter().any(|shape| serving.shape(*kind, shape.stamp).is_some())
                })
        };
        if other.number < serving.number
            && other.name == serving.name
            && !other.live.is_enforced()
            && same_stamps()
        {
            indexes.set_state(context.engine, &other, IndexState::Dropped)?;
        }
    }
    Ok(())
}

/// Takes along the indexes that were made by calls, now that the program has declared `kind`: what goes over to its stamp does so; what does not, or
/// was not kept up meanwhile, is built again, on the paths it was on.
pub(crate) fn adopt(
    context: Context<'_>,
    indexes: &Indexes,
    kind: &Kind,
) -> Result<Vec<Arc<Generation>>, Error> {
    let mut newest: BTreeMap<(u32, Arc<str>), Arc<Generation>> = BTreeMap::new();
    for generation in indexes.all() {
        let state = generation.live.state();
        if generation.created && state != IndexState::Dropped && generation.kinds.contains_key(&kind.number())
        {
            newest.insert((generation.collection, Arc::clone(&generation.name)), generation);
        }
    }
    let mut adopted = Vec::new();
    for generation in newest.into_values() {
        let here = generation.shape(kind.number(), kind.current());
        let right = here.is_some_and(|(position, _)| generation.is_right_at(kind.number(), position));
        let state = generation.live.state();
        if state == IndexState::Disabled || right && state.is_maintained() {
            continue;
        }
        let paths = match here {
            Some((_, shape)) => Some(shape.paths()),
            None => nearest_below(&generation, kind).map(|(shape, steps)| {
                match generation.definition.impact(&shape.paths(), &steps) {
                    Impact::Renamed { paths } => paths,
                    _ => shape.paths(),
                }
            }),
        };
        // Made by a newer program, or on another branch: it will know.
        let Some(paths) = paths else { continue };
        let kinds = generation.kinds.keys().map(|number| context.kinds.kind(*number));
        let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
        let mut index = Index::of_definition(&generation.name, generation.definition.clone());
        index.set_paths(paths);
        let collection = generation.collection;
        let declared = Declared { collection, index: &index, kinds: &kinds, created: true };
        adopted.push(declare(context, indexes, declared, false)?);
    }
    Ok(adopted)
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

fn fresh(number: u32, name: &str, declared: &Declared<'_>) -> Generation {
    let paths = declared.index.definition.paths();
    let kinds =
        declared.kinds.iter().map(|kind| (kind.number(), vec![Shape::new(kind.current(), paths.clone())]));
    Generation {
        number,
        collection: declared.collection,
        name: name.into(),
        definition: declared.index.definition.clone(),
        kinds: kinds.collect(),
        created: declared.created,
        live: Arc::new(Live::new(IndexState::Building, Flags::default())),
    }
}

fn matching(generation: &Generation, declared: &Declared<'_>) -> Match {
    let kinds: BTreeMap<u32, &Arc<Kind>> = declared.kinds.iter().map(|kind| (kind.number(), kind)).collect();
    if !generation.definition.is_like(&declared.index.definition) || !generation.kinds.keys().eq(kinds.keys())
    {
        return Match::No;
    }
    let mut missing = Vec::new();
    for (number, kind) in kinds {
        let paths = declared.index.definition.paths();
        match generation.shape(number, kind.current()) {
            Some((position, shape)) => {
                if shape.paths() != paths || !generation.is_right_at(number, position) {
                    return Match::No;
                }
            }
            None => {
                let with = carried(generation, kind).filter(|shape| shape.paths() == paths);
                let Some(shape) = with else { return Match::No };
                let extended = generation.with_shape(number, shape.clone());
                let last = extended.kinds.get(&number).map_or(0, |shapes| shapes.len().saturating_sub(1));
                if last >= MAX_SHAPES || !extended.is_right_at(number, last) {
                    return Match::No;
                }
                missing.push((number, shape));
            }
        }
    }
    if missing.is_empty() { Match::Same } else { Match::With(missing) }
}

/// The shape of a generation at the program's stamp of a kind, if what it has goes over to there: by the nearest of its shapes below.
fn carried(generation: &Generation, kind: &Kind) -> Option<Shape> {
    let (shape, steps) = nearest_below(generation, kind)?;
    match generation.definition.impact(&shape.paths(), &steps) {
        Impact::Untouched => Some(Shape { stamp: kind.current(), ..shape.clone() }),
        Impact::Renamed { paths } => Some(Shape::new(kind.current(), paths)),
        Impact::Rebuild { .. } => None,
    }
}
