//! Crossing one op or one function, with a complement.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Kind;
use crate::evolution::access::{Failed, at, find, restore, state, stays_without};
use crate::evolution::action::{Action, Place};
use crate::evolution::apply::{Position, apply, each_place};
use crate::evolution::context::StepContext;
use crate::evolution::fault::Fault;
use crate::evolution::function::Function;
use crate::evolution::notes::{Note, Notes, State, digest_element, digest_op, digest_states};
use crate::value::canonical;
use crate::value::path::Path;

/// Carries out `action` one way. `note` is what it could not express when the document last went the other way: if nothing has changed
/// since, that is undone exactly, and otherwise the computed inverse is what counts. With `keep`, gives what it could not express now.
pub(crate) fn cross<'a>(
    action: &'a Action,
    up: bool,
    body: &mut Node<'a>,
    note: Option<&Note<'a>>,
    keep: bool,
) -> Result<Option<Note<'a>>, Failed> {
    cross_in(0, action, up, body, note, keep)
}

/// As [`cross`], in the op that has the digest `within`.
fn cross_in<'a>(
    within: u64,
    action: &'a Action,
    up: bool,
    body: &mut Node<'a>,
    note: Option<&Note<'a>>,
    keep: bool,
) -> Result<Option<Note<'a>>, Failed> {
    let region = action.region();
    let op = || digest_op(within, action.name(), &region);
    if let Action::Within { place, path, actions } = action {
        return cross_within(op(), (*place, path, actions), up, body, note, keep);
    }
    let before = if keep { states(body, &region)? } else { Vec::new() };
    match note {
        Some(Note::Paths { digest, before }) if fits(op(), body, &region, *digest, before)? => {
            restore(body, &region, before)?;
        }
        _ => apply(action, up, body)?,
    }
    if !keep || action.forgets() {
        return Ok(None);
    }
    let undone = match undoes_itself(action, up, body, &before)? {
        Some(undone) => undone,
        None => {
            let mut back = body.clone();
            apply(action, !up, &mut back).is_ok() && states(&mut back, &region)? == before
        }
    };
    if undone {
        return Ok(None);
    }
    let after = states(body, &region)?;
    let digest = digest_states(op(), &after).map_err(at(&Path::root()))?;
    Ok(Some(Note::Paths { digest, before }))
}

/// Whether the computed inverse would bring back what was there before, for the common cases in which that can be told without
/// trying it on a copy.
fn undoes_itself(
    action: &Action,
    up: bool,
    body: &mut Node<'_>,
    before: &[State<'_>],
) -> Result<Option<bool>, Failed> {
    let whole = |path: &Path, state: &State<'_>| state.depth == path.names().len();
    let there = |path: &Path, state: &State<'_>| whole(path, state) && state.value.is_some();
    Ok(match (action, before) {
        (Action::Rename { from, to, .. }, [was_from, was_to])
        | (Action::Move { from, to, .. }, [was_from, was_to]) => {
            let (source, target, was_source, was_target) =
                if up { (from, to, was_from, was_to) } else { (to, from, was_to, was_from) };
            let plain = there(source, was_source) && whole(target, was_target) && was_target.value.is_none();
            if !plain {
                return Ok(None);
            }
            // Going up undoes a move without taking anything out.
            let stays = !up || stays_without(body, target)?;
            // An object that going down took out, since it was empty, would be missed.
            let left = up || state(body, source)?.depth == source.names().len();
            (stays && left).then_some(true)
        }
        (Action::Add { path, .. }, [was]) if up && whole(path, was) && was.value.is_none() => {
            stays_without(body, path)?.then_some(true)
        }
        (Action::Remove { path, restore: None, .. }, [was]) if up && there(path, was) => Some(false),
        (Action::Convert(convert), [State { value: Some(was), .. }]) if was.kind() != Kind::Null => {
            let Some(is) = find(body, &convert.path)?.filter(|is| is.kind() != Kind::Null) else {
                return Ok(None);
            };
            let (conversion, or) =
                if up { (&convert.back, &convert.or_back) } else { (&convert.to, &convert.or) };
            let undone = conversion.convert(is).map_err(at(&convert.path))?;
            Some(undone.or_else(|| Some(or.as_ref()?.node())).is_some_and(|undone| undone == *was))
        }
        _ => None,
    })
}

fn states<'a>(body: &mut Node<'a>, region: &[&Path]) -> Result<Vec<State<'a>>, Failed> {
    region.iter().map(|path| state(body, path)).collect()
}

fn fits(
    op: u64,
    body: &mut Node<'_>,
    region: &[&Path],
    digest: u64,
    before: &[State<'_>],
) -> Result<bool, Failed> {
    Ok(before.len() == region.len()
        && digest_states(op, &states(body, region)?).map_err(at(&Path::root()))? == digest)
}

/// Crosses `actions` in their order going up, in the reverse going down.
fn cross_all<'a>(
    within: u64,
    actions: &'a [Action],
    up: bool,
    body: &mut Node<'a>,
    notes: &Notes<'a>,
    keep: bool,
) -> Result<Notes<'a>, Failed> {
    let mut kept = Notes::new();
    let mut one = |(position, action): (usize, &'a Action)| {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let note = cross_in(within, action, up, body, find_note(notes, position), keep)?;
        kept.extend(note.map(|note| (position, note)));
        Ok(())
    };
    if up {
        actions.iter().enumerate().try_for_each(&mut one)?;
    } else {
        actions.iter().enumerate().rev().try_for_each(&mut one)?;
    }
    Ok(kept)
}

pub(crate) fn find_note<'n, 'a>(notes: &'n Notes<'a>, position: u32) -> Option<&'n Note<'a>> {
    notes.iter().find(|(known, _)| *known == position).map(|(_, note)| note)
}

fn cross_within<'a>(
    op: u64,
    (place, path, actions): (Place, &Path, &'a [Action]),
    up: bool,
    body: &mut Node<'a>,
    note: Option<&Note<'a>>,
    keep: bool,
) -> Result<Option<Note<'a>>, Failed> {
    let none = Notes::new();
    let matched = match note {
        Some(Note::Each(elements)) => match_elements(elements, &digests(op, body, path)?),
        _ => Vec::new(),
    };
    let (mut inside, mut elements, mut members) = (Notes::new(), Vec::new(), Vec::new());
    each_place(body, place, path, |position, body| {
        let notes = match (&position, note) {
            (Position::Only, Some(Note::Inside(notes))) => notes,
            (Position::Name(name), Some(Note::EachValue(members))) => {
                members.iter().find(|(known, _)| known == name).map_or(&none, |(_, notes)| notes)
            }
            (Position::Index(index), _) => matched.get(*index).copied().flatten().unwrap_or(&none),
            _ => &none,
        };
        let kept = cross_all(op, actions, up, body, notes, keep)?;
        if kept.is_empty() {
            return Ok(());
        }
        match position {
            Position::Only => inside = kept,
            Position::Name(name) => members.push((Cow::Owned(name.to_owned()), kept)),
            Position::Index(index) => {
                let digest = digest_element(op, body).map_err(at(&Path::root()))?;
                elements.push((u32::try_from(index).unwrap_or(u32::MAX), digest, kept));
            }
        }
        Ok(())
    })?;
    Ok(match place {
        Place::Inside if !inside.is_empty() => Some(Note::Inside(inside)),
        Place::Each if !elements.is_empty() => Some(Note::Each(elements)),
        Place::EachValue if !members.is_empty() => Some(Note::EachValue(members)),
        _ => None,
    })
}

/// Of every element of the list at `path`.
fn digests(op: u64, body: &mut Node<'_>, path: &Path) -> Result<Vec<u64>, Failed> {
    let Some(list) = find(body, path)? else { return Ok(Vec::new()) };
    let elements = list.as_array_mut().map_err(at(path))?.into_iter().flatten();
    elements.map(|element| digest_element(op, element).map_err(at(path))).collect()
}

/// For each element, by its digest, the notes of the one that it was when they were taken. First those that are where they were then, so that
/// a list nobody has touched gets each note back where it belongs; then those that have moved. Each counts once.
fn match_elements<'n, 'a>(
    elements: &'n [(u32, u64, Notes<'a>)],
    digests: &[u64],
) -> Vec<Option<&'n Notes<'a>>> {
    let mut matched = vec![None; digests.len()];
    let mut moved: HashMap<u64, Vec<&'n Notes<'a>>> = HashMap::new();
    for (index, digest, notes) in elements {
        let there = usize::try_from(*index).ok();
        match there.and_then(|there| matched.get_mut(there).zip(digests.get(there))) {
            Some((slot, now)) if now == digest => *slot = Some(notes),
            _ => moved.entry(*digest).or_default().push(notes),
        }
    }
    for (slot, digest) in matched.iter_mut().zip(digests).filter(|(slot, _)| slot.is_none()) {
        *slot = moved.get_mut(digest).and_then(Vec::pop);
    }
    matched
}

/// As [`cross`], for a function.
pub(crate) fn cross_function<'a>(
    function: &Function,
    up: bool,
    body: &mut Value,
    context: &StepContext<'_>,
    note: Option<&Note<'a>>,
    keep: bool,
) -> Result<Option<Note<'a>>, Fault> {
    let before = (keep && function.has_down()).then(|| body.clone());
    let identity = function.identity();
    if !undo(identity, body, note)? {
        function.run(up, body, context)?;
    }
    let Some(before) = before else { return Ok(None) };
    let mut back = body.clone();
    if function.run(!up, &mut back, context).is_ok() && same(&back, &before) {
        return Ok(None);
    }
    let absorbed = |value: &Value| {
        let mut node = Node::Null;
        node.absorb_value(value.clone()).map(|()| node)
    };
    let (Value::Object(old), Value::Object(new)) = (&before, &*body) else {
        return Ok(Some(Note::Body { digest: digest_of(identity, body), before: absorbed(&before)? }));
    };
    let differs =
        |name: &&String| !old.get(*name).zip(new.get(*name)).is_some_and(|(old, new)| same(old, new));
    let mut changed: Vec<&String> = old.keys().filter(differs).collect();
    changed.extend(new.keys().filter(|name| !old.contains_key(*name)));
    changed.sort_unstable();
    let digest = digest_members(identity, new, changed.iter().map(|name| name.as_str()));
    let before = changed
        .into_iter()
        .map(|name| Ok((Cow::Owned(name.clone()), old.get(name).map(&absorbed).transpose()?)));
    Ok(Some(Note::Members { digest, before: before.collect::<Result<_, Fault>>()? }))
}

/// Whether they are stored as the same: `0.0` and `-0.0` are not.
fn same(one: &Value, other: &Value) -> bool {
    let zero = |number: &Value| number.as_f64().is_some_and(|float| float == 0.0 && float.is_sign_negative());
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let is_there = |(name, one)| other.get(name).is_some_and(|other| same(one, other));
            one.len() == other.len() && one.iter().all(is_there)
        }
        _ => one == other && zero(one) == zero(other),
    }
}

/// Whether nothing has changed since `note` was taken, and the body is what it was.
fn undo(identity: &str, body: &mut Value, note: Option<&Note<'_>>) -> Result<bool, Fault> {
    match (note, &mut *body) {
        (Some(Note::Body { digest, before }), body) if digest_of(identity, body) == *digest => {
            *body = before.to_value()?;
        }
        (Some(Note::Members { digest, before }), Value::Object(members))
            if digest_members(identity, members, before.iter().map(|(name, _)| &**name)) == *digest =>
        {
            for (name, value) in before {
                match value {
                    Some(value) => drop(members.insert(name.to_string(), value.to_value()?)),
                    None => drop(members.remove(&**name)),
                }
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The text that a digest of a function begins with.
fn named(identity: &str) -> String {
    let mut text = String::new();
    canonical::write(&Value::from(identity), &mut text);
    text.push(';');
    text
}

fn digest_members<'n>(
    identity: &str,
    members: &Map<String, Value>,
    names: impl Iterator<Item = &'n str>,
) -> u64 {
    let mut text = named(identity);
    for name in names {
        if let Some(value) = members.get(name) {
            canonical::write(value, &mut text);
        }
        text.push(';');
    }
    xxh3_64(text.as_bytes())
}

fn digest_of(identity: &str, value: &Value) -> u64 {
    let mut text = named(identity);
    canonical::write(value, &mut text);
    xxh3_64(text.as_bytes())
}
