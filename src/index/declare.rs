//! From what a program declares to the generations that serve it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::error::Error;
use crate::index::decide::{Decision, Match, decide, matching};
use crate::index::definition::{Definition, Index};
use crate::index::flags::Flags;
use crate::index::generation::{Generation, Live, Shape};
use crate::index::indexes::{Context, Indexes, Kinds};
use crate::index::outlook::{Stored, stored};
use crate::index::state::IndexState;
use crate::record::kind::Kind;
use crate::stored::state::Held;
use crate::value::path::Path;

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
    let _changing = indexes.change();
    declare_held(context, indexes, declared, rebuild)
}

/// As [`declare`], of whoever holds what [changes](Indexes::change) have to be held for.
fn declare_held(
    context: Context<'_>,
    indexes: &Indexes,
    declared: Declared<'_>,
    rebuild: bool,
) -> Result<Arc<Generation>, Error> {
    declared.index.check()?;
    let name = declared.index.name();
    let stored = stored_now(context, declared.collection)?;
    let mut serving = None;
    let mut others = Vec::new();
    let numbers: Vec<u32> = declared.kinds.iter().map(|kind| kind.number()).collect();
    for generation in indexes.of(declared.collection).into_iter().filter(|known| *known.name == *name) {
        // Of other kinds, it is another index.
        if !generation.covers_any(context.kinds, numbers.iter().copied()) {
            continue;
        }
        let state = generation.live.state();
        let usable = match state {
            IndexState::Building => true,
            IndexState::Readable | IndexState::Failed | IndexState::Disabled => !rebuild,
            IndexState::Unmaintained | IndexState::Dropped => false,
        };
        let found = matching(context.kinds, &generation, declared.index, declared.kinds, &stored);
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
        // Whoever opens the store next takes the newest one for what was declared last.
        if other.number > serving.number && is_for_stamps_of(context.kinds, &serving, other) {
            indexes.set_state(context.engine, other, IndexState::Dropped)?;
        }
    }
    if serving.live.state() == IndexState::Readable {
        drop_replaced(context, indexes, &serving)?;
    }
    Ok(serving)
}

/// Whether these are of one index of their collection: those of one name that have no kind in common have nothing to do with each other.
pub(crate) fn are_of_one(kinds: &dyn Kinds, one: &Generation, other: &Generation) -> bool {
    one.name == other.name && one.covers_any(kinds, other.kinds.keys().copied())
}

/// A generation serves the program, and the others of its name do not any more: those that it takes the place of are dropped once it is readable. Of whoever holds what
/// [changes](Indexes::change) have to be held for.
fn take_place(
    context: Context<'_>,
    indexes: &Indexes,
    serving: &Generation,
    of_name: &[Arc<Generation>],
) -> Result<(), Error> {
    serving.live.enforce(true);
    let others = of_name.iter().filter(|other| other.number != serving.number);
    others.for_each(|other| other.live.enforce(false));
    if serving.live.state() == IndexState::Readable {
        drop_replaced(context, indexes, serving)
    } else {
        Ok(())
    }
}

/// Whether another generation is for stamps that `serving` is for.
fn is_for_stamps_of(kinds: &dyn Kinds, serving: &Generation, other: &Generation) -> bool {
    let is_shared = |(number, shapes): (&u32, &Vec<Shape>)| {
        let serving = serving.covered(kinds, *number);
        serving.is_some_and(|serving| shapes.iter().any(|shape| serving.shape(shape.stamp).is_some()))
    };
    serving.kinds.len() == other.kinds.len() && other.kinds.iter().all(is_shared)
}

/// Drops what a generation that has become readable takes the place of: those of its name that are for the same stamps.
/// Those for other stamps are kept up for the programs that are there. Not while somebody else [changes](Indexes::change) what there is: who declares one relies on it
/// from when he has found it.
pub(crate) fn drop_replaced(
    context: Context<'_>,
    indexes: &Indexes,
    serving: &Generation,
) -> Result<(), Error> {
    for other in indexes.of(serving.collection) {
        if other.number < serving.number
            && other.name == serving.name
            && !other.live.is_enforced()
            && is_for_stamps_of(context.kinds, serving, &other)
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
    let _changing = indexes.change();
    let mut by_name: BTreeMap<(u32, Arc<str>), Vec<Arc<Generation>>> = BTreeMap::new();
    for generation in indexes.all() {
        let state = generation.live.state();
        let covers = generation.covered(context.kinds, kind.number()).is_some();
        if generation.created
            && state != IndexState::Dropped
            && covers
            && !has_foreign(context.kinds, &generation)
        {
            by_name
                .entry((generation.collection, Arc::clone(&generation.name)))
                .or_default()
                .push(generation);
        }
    }
    let mut adopted = Adopted::default();
    for of_name in by_name.into_values() {
        // What this program has declared since it opened the store goes before what is newer; all are its own until it has declared one.
        let own: Vec<_> = of_name.iter().filter(|of| of.live.is_enforced()).cloned().collect();
        if own.is_empty() {
            // It has declared something else in the place of these.
            continue;
        }
        let decided = match decide(context.kinds, &own, kind)? {
            None => decide(context.kinds, &of_name, kind)?,
            decided => decided,
        };
        let (after, index, of) = match decided {
            None => continue,
            Some(Decision::Has(generation)) => {
                take_place(context, indexes, generation, &of_name)?;
                continue;
            }
            Some(Decision::Left { after, step }) => {
                adopted.left.push((Arc::clone(after), step));
                continue;
            }
            Some(Decision::Wants { after, index, of }) => (after, index, of),
        };
        let collection = after.collection;
        // An older program may have made one since, which is its own.
        let stored = stored_now(context, collection)?;
        let serves = |known: &&Arc<Generation>| {
            known.live.state().is_maintained()
                && matches!(matching(context.kinds, known, &index, &of, &stored), Match::Same)
        };
        if let Some(serving) = of_name.iter().rfind(serves) {
            take_place(context, indexes, serving, &of_name)?;
            continue;
        }
        let declared = Declared { collection, index: &index, kinds: &of, created: true };
        adopted.taken.push(declare_held(context, indexes, declared, false)?);
    }
    Ok(adopted)
}

/// Whether it covers a kind of which is [not known](Kinds::is_foreign) in which shape this program will see it, or nothing is known.
pub(crate) fn has_foreign(kinds: &dyn Kinds, generation: &Generation) -> bool {
    let mut of = generation.kinds.keys().map(|number| kinds.kind(*number));
    !of.all(|kind| kind.is_ok_and(|kind| !kinds.is_foreign(&kind)))
}

/// A generation at the stamps of this program.
pub(crate) struct Here {
    /// Its paths there.
    pub(crate) paths: Vec<Path>,
    /// Whether it is right there.
    pub(crate) right: bool,
    pub(crate) kinds: Vec<Arc<Kind>>,
}

/// What a generation is where this program sees documents; `None` where it is for other stamps, or it is not known at which this program will see them.
pub(crate) fn here(kinds: &dyn Kinds, generation: &Generation) -> Option<Here> {
    let mut here: Option<Here> = None;
    for number in generation.kinds.keys() {
        let kind = kinds.kind(*number).ok().filter(|kind| !kinds.is_foreign(kind))?;
        let covered = generation.covered(kinds, kind.number())?;
        let (position, shape) = covered.shape(kind.current())?;
        let here = here.get_or_insert_with(|| Here { paths: shape.paths(), right: true, kinds: Vec::new() });
        here.right &= covered.is_right_at(position);
        here.kinds.push(kind);
    }
    here
}

/// Makes another generation of the same in the place of one that this program has at its stamps, and no longer rightly, or has built it anew; `None` where it has it for
/// other stamps, or on other paths for each kind, or, looked at again now that nobody else changes anything, where there is nothing left to take the place of: it has been dropped, and, unless it is to be built
/// anew, switched off or replaced.
///
/// # Errors
/// When the store cannot be written.
pub(crate) fn anew(
    context: Context<'_>,
    indexes: &Indexes,
    generation: &Generation,
    rebuild: bool,
) -> Result<Option<Arc<Generation>>, Error> {
    let _changing = indexes.change();
    let live = &generation.live;
    let is_over = match rebuild {
        true => live.state() == IndexState::Dropped,
        false => !live.is_enforced() || !live.state().is_maintained(),
    };
    if is_over {
        return Ok(None);
    }
    let Some(Here { paths, kinds, .. }) = here(context.kinds, generation) else { return Ok(None) };
    // Where its kinds have parted, there is none that could be on the paths of all of them.
    let is_on = |kind: &Arc<Kind>| {
        let covered = generation.covered(context.kinds, kind.number());
        let shape = covered.and_then(|covered| covered.shape(kind.current()));
        shape.is_some_and(|(_, shape)| shape.paths() == paths)
    };
    if !kinds.iter().all(is_on) {
        return Ok(None);
    }
    let mut index = Index::of_definition(&generation.name, generation.definition.clone());
    index.set_paths(paths);
    let Generation { collection, created, .. } = *generation;
    let declared = Declared { collection, index: &index, kinds: &kinds, created };
    declare_held(context, indexes, declared, rebuild).map(Some)
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
        let stored = stored(&Held::Snapshot(Arc::new(snapshot)), declared.collection)?;
        let found = matching(context.kinds, generation, declared.index, declared.kinds, &stored);
        let still = matches!(found, Match::With(now) if now == shapes);
        Ok(still.then(|| with.since(shapes, sequence)))
    })
}

/// What is stored in a collection now.
fn stored_now(context: Context<'_>, collection: u32) -> Result<Stored, Error> {
    stored(&Held::Snapshot(Arc::new(context.engine.snapshot())), collection)
}
