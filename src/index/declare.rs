//! From what a program declares to the generations that serve it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::error::Error;
use crate::index::definition::{Definition, Index};
use crate::index::flags::Flags;
use crate::index::generation::{Generation, Live, Shape};
use crate::index::indexes::{Context, Indexes, Kinds, kind_number};
use crate::index::outlook::{Outlook, Stored, nearest_below, outlook, since_made, stored};
use crate::index::state::IndexState;
use crate::record::kind::Kind;
use crate::stored::state::Held;

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
    let stored = stored_now(context, declared.collection)?;
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
        let found = matching(&generation, &declared, &stored);
        match found {
            Match::Same if usable && serving.is_none() => serving = Some(generation),
            Match::With(shapes) if usable && serving.is_none() => {
                match go_over(context, indexes, &declared, &generation, &shapes)? {
                    Some(with) => serving = Some(with),
                    None => others.push(generation),
                }
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
        if of.contains(number) || kind_number(kinds, *number)?.is_some_and(|number| of.contains(&number)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether these are of one index of their collection: those of one name that have no kind in common have nothing to do with each other.
pub(crate) fn are_of_one(kinds: &dyn Kinds, one: &Generation, other: &Generation) -> Result<bool, Error> {
    let numbers = |of: &Generation| of.kinds.keys().copied().collect::<Vec<_>>();
    Ok(one.name == other.name && (is_of(kinds, one, &numbers(other))? || is_of(kinds, other, &numbers(one))?))
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

/// What has become of indexes that were made by calls.
#[derive(Debug, Default)]
pub(crate) struct Adopted {
    /// Those that were taken along, and may have to be built.
    pub(crate) taken: Vec<Arc<Generation>>,
    /// Those that steps of these names have left nothing for.
    pub(crate) left: Vec<(Arc<Generation>, String)>,
}

/// Takes along the indexes that were made by calls, now that the program has declared `kind`: what goes over to its stamp does so; what does not, or
/// was not kept up meanwhile, is built again, on what its paths have become. What is on something that steps have taken away is left for the programs from before.
pub(crate) fn adopt(context: Context<'_>, indexes: &Indexes, kind: &Kind) -> Result<Adopted, Error> {
    let mut by_name: BTreeMap<(u32, Arc<str>), Vec<Arc<Generation>>> = BTreeMap::new();
    for generation in indexes.all() {
        let state = generation.live.state();
        if generation.created && state != IndexState::Dropped && generation.kinds.contains_key(&kind.number())
        {
            by_name
                .entry((generation.collection, Arc::clone(&generation.name)))
                .or_default()
                .push(generation);
        }
    }
    let mut adopted = Adopted::default();
    for of_name in by_name.into_values() {
        // Those of newer programs, or of other branches, are theirs.
        let leads_here = |of: &&Arc<Generation>| {
            of.shape(kind.number(), kind.current()).is_some() || nearest_below(of, kind).is_some()
        };
        let Some(generation) = of_name.iter().rfind(leads_here).cloned() else { continue };
        let here = generation.shape(kind.number(), kind.current());
        let right = here.is_some_and(|(position, _)| generation.is_right_at(kind.number(), position));
        let state = generation.live.state();
        if state == IndexState::Disabled || right && state.is_maintained() {
            continue;
        }
        let definition = match here {
            Some((_, shape)) => generation.definition.followed(&shape.paths(), &[]),
            None => match nearest_below(&generation, kind) {
                Some((shape, steps)) => generation.definition.followed(&shape.paths(), &steps),
                None => continue,
            },
        };
        let definition = match definition {
            Ok(definition) => definition,
            Err(step) => {
                adopted.left.push((generation, step));
                continue;
            }
        };
        let kinds = generation.kinds.keys().map(|number| context.kinds.kind(*number));
        let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
        let index = Index::of_definition(&generation.name, definition);
        let collection = generation.collection;
        let declared = Declared { collection, index: &index, kinds: &kinds, created: true };
        // All kinds are entered on the same paths: where they part, each goes on with what it had.
        if !kinds.iter().all(|other| is_on(&generation, other, &index.definition)) {
            let step = since_made(&generation, kind);
            adopted.left.push((generation, step));
            continue;
        }
        // An older program may have made one since, which is its own.
        let stored = stored_now(context, collection)?;
        let serves = |of: &&Arc<Generation>| {
            of.live.state().is_maintained() && matches!(matching(of, &declared, &stored), Match::Same)
        };
        if let Some(serving) = of_name.iter().rfind(serves) {
            let others = of_name.iter().filter(|other| other.number != serving.number);
            others.for_each(|other| other.live.enforce(false));
            continue;
        }
        adopted.taken.push(declare(context, indexes, declared, false)?);
    }
    Ok(adopted)
}

/// Whether what a generation is on belongs on the paths of `definition` in documents of `kind`.
fn is_on(generation: &Generation, kind: &Kind, definition: &Definition) -> bool {
    let paths = match generation.shape(kind.number(), kind.current()) {
        Some((_, shape)) => Some(shape.paths()),
        None => nearest_below(generation, kind).and_then(|(shape, steps)| {
            generation.definition.followed(&shape.paths(), &steps).ok().map(|definition| definition.paths())
        }),
    };
    paths.is_none_or(|paths| paths == definition.paths())
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

fn matching(generation: &Generation, declared: &Declared<'_>, stored: &Stored) -> Match {
    let kinds: BTreeMap<u32, &Arc<Kind>> = declared.kinds.iter().map(|kind| (kind.number(), kind)).collect();
    if !generation.definition.is_like(&declared.index.definition) || !generation.kinds.keys().eq(kinds.keys())
    {
        return Match::No;
    }
    let declared = declared.index.definition.paths();
    let mut missing = Vec::new();
    for (number, kind) in kinds {
        match outlook(generation, kind, stored) {
            Outlook::Serves(paths) if paths == declared => {}
            Outlook::GoesOver(shape, _) if shape.paths() == declared => missing.push((number, shape)),
            _ => return Match::No,
        }
    }
    if missing.is_empty() { Match::Same } else { Match::With(missing) }
}

/// Gives a generation these shapes; `None` where somebody has written meanwhile what it would not be right for.
fn go_over(
    context: Context<'_>,
    indexes: &Indexes,
    declared: &Declared<'_>,
    generation: &Generation,
    shapes: &[(u32, Shape)],
) -> Result<Option<Arc<Generation>>, Error> {
    let mut with: Option<Generation> = None;
    for (kind, shape) in shapes {
        with = Some(with.as_ref().unwrap_or(generation).with_shape(*kind, shape.clone()));
    }
    let Some(with) = with else { return Ok(None) };
    indexes.replace_if(context.engine, || {
        let snapshot = context.engine.snapshot();
        let sequence = snapshot.sequence();
        let stored = stored(context.kinds, &Held::Snapshot(Arc::new(snapshot)), declared.collection)?;
        let still = matches!(matching(generation, declared, &stored), Match::With(now) if now == shapes);
        Ok(still.then(|| with.since(shapes, sequence)))
    })
}

/// What is stored in a collection now.
fn stored_now(context: Context<'_>, collection: u32) -> Result<Stored, Error> {
    stored(context.kinds, &Held::Snapshot(Arc::new(context.engine.snapshot())), collection)
}
