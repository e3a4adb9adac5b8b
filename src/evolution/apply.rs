//! What ops do to a body, in both directions.

use std::borrow::Cow;

use crate::encoding::body::members::Members;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Kind;
use crate::evolution::access::{Failed, at, failed, find, prune, put, rename, set, take};
use crate::evolution::action::{Action, Convert, Place, Taken};
use crate::evolution::condition::Condition;
use crate::evolution::conversion::Conversion;
use crate::evolution::fault::Fault;
use crate::value::path::Path;

/// How much is shown of a value that is not convertible, in characters.
const EXCERPT: usize = 40;

/// Carries out `action` on `body`: forward, or its computed inverse. After an error the body is half done, and to be discarded.
pub(crate) fn apply<'a>(action: &'a Action, up: bool, body: &mut Node<'a>) -> Result<(), Failed> {
    match (action, up) {
        (Action::Rename { from, to, taken }, true) => rename(body, from, to, *taken),
        (Action::Rename { from, to, taken }, false) => rename(body, to, from, taken.back()),
        (Action::Move { from, to, taken }, true) => match take(body, from)? {
            Some(value) => put(body, to, value, *taken),
            None => Ok(()),
        },
        (Action::Move { from, to, taken }, false) => match take(body, to)? {
            Some(value) => {
                put(body, from, value, taken.back())?;
                prune(body, to)
            }
            None => Ok(()),
        },
        (Action::Copy { from, to, taken }, true) => match find(body, from)?.cloned() {
            Some(value) => put(body, to, value, *taken),
            None => Ok(()),
        },
        (Action::Add { path, value }, true) => put(body, path, value.node(), Taken::Keep),
        (Action::Copy { to: path, .. } | Action::Add { path, .. }, false) => match take(body, path)? {
            Some(_) => prune(body, path),
            None => Ok(()),
        },
        (Action::Remove { path, .. }, true) => take(body, path).map(drop),
        (Action::Remove { path, restore, .. }, false) => match restore {
            Some(value) => put(body, path, value.node(), Taken::Keep),
            None => Ok(()),
        },
        (Action::WrapList { path }, true) | (Action::UnwrapList { path }, false) => wrap_list(body, path),
        (Action::WrapList { path }, false) | (Action::UnwrapList { path }, true) => unwrap_list(body, path),
        (Action::WrapObject { path, name }, true) | (Action::UnwrapObject { path, name }, false) => {
            wrap_object(body, path, name)
        }
        (Action::WrapObject { path, name }, false) | (Action::UnwrapObject { path, name }, true) => {
            unwrap_object(body, path, name)
        }
        (Action::Convert(convert), true) => convert_up(body, convert),
        (Action::Convert(convert), false) => convert_down(body, convert),
        (Action::Split { path, separator, into, taken }, true) => {
            split(body, path, separator, into, *taken).map(drop)
        }
        (Action::Split { path, separator, into, taken }, false) => {
            if join(body, into, separator, path, taken.back())? {
                into.iter().try_for_each(|path| prune(body, path))?;
            }
            Ok(())
        }
        (Action::Join { from, separator, to, taken }, true) => {
            join(body, from, separator, to, *taken).map(drop)
        }
        (Action::Join { from, separator, to, taken }, false) => {
            if split(body, to, separator, from, taken.back())? {
                prune(body, to)?;
            }
            Ok(())
        }
        (Action::Trim { path }, true) => text(body, path, |text| text.trim().to_owned()),
        (Action::Lowercase { path }, true) => text(body, path, str::to_lowercase),
        (Action::Uppercase { path }, true) => text(body, path, str::to_uppercase),
        (Action::Set { path, value, when }, true) => {
            let wanted = when.as_ref().map_or(Ok(true), |when| holds(when, body))?;
            if wanted { set(body, path, value.node()) } else { Ok(()) }
        }
        (
            Action::Trim { .. } | Action::Lowercase { .. } | Action::Uppercase { .. } | Action::Set { .. },
            false,
        ) => Ok(()),
        (Action::RenameValue { path, from, to }, true)
        | (Action::RenameValue { path, from: to, to: from }, false) => {
            match find(body, path)? {
                Some(value) if *value == from.node() => *value = to.node(),
                _ => {}
            }
            Ok(())
        }
        (Action::Within { place, path, actions }, _) => {
            each_place(body, *place, path, |_, body| apply_all(actions, up, body))
        }
    }
}

/// Carries out `actions` in their order, or their inverses in the reverse.
fn apply_all<'a>(actions: &'a [Action], up: bool, body: &mut Node<'a>) -> Result<(), Failed> {
    if up {
        actions.iter().try_for_each(|action| apply(action, up, body))
    } else {
        actions.iter().rev().try_for_each(|action| apply(action, up, body))
    }
}

/// Where among several values.
pub(crate) enum Position<'n> {
    Only,
    Index(usize),
    Name(&'n str),
}

/// Does `work` at every value that `place` means at `path`. Paths in its errors start there, those of this call's at the root.
pub(crate) fn each_place<'a>(
    body: &mut Node<'a>,
    place: Place,
    path: &Path,
    mut work: impl FnMut(Position<'_>, &mut Node<'a>) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let Some(node) = find(body, path)? else { return Ok(()) };
    let below = |name: &str, failed: Failed| Failed { path: path.child(name).join(&failed.path), ..failed };
    match (node.kind(), place) {
        (Kind::Null, _) => Ok(()),
        (Kind::Object, Place::Inside) => {
            work(Position::Only, node).map_err(|failed| Failed { path: path.join(&failed.path), ..failed })
        }
        (Kind::Object, Place::EachValue) => {
            let members = node.as_object_mut().map_err(at(path))?;
            members.into_iter().flat_map(Members::iter_mut).try_for_each(|(name, value)| {
                work(Position::Name(name), value).map_err(|failed| below(name, failed))
            })
        }
        (Kind::Array, Place::Each) => {
            let elements = node.as_array_mut().map_err(at(path))?;
            elements.into_iter().flatten().enumerate().try_for_each(|(index, value)| {
                work(Position::Index(index), value).map_err(|failed| below(&index.to_string(), failed))
            })
        }
        (_, Place::Each) => failed(path, Fault::NotAList),
        (_, Place::Inside | Place::EachValue) => failed(path, Fault::NotAnObject),
    }
}

fn wrap_list<'a>(body: &mut Node<'a>, path: &Path) -> Result<(), Failed> {
    let Some(value) = find(body, path)? else { return Ok(()) };
    *value = match std::mem::replace(value, Node::Null) {
        null if null.kind() == Kind::Null => Node::Array(Vec::new()),
        value => Node::Array(vec![value]),
    };
    Ok(())
}

fn unwrap_list(body: &mut Node<'_>, path: &Path) -> Result<(), Failed> {
    let Some(value) = find(body, path)? else { return Ok(()) };
    if value.kind() == Kind::Null {
        return Ok(());
    }
    let Some(elements) = value.as_array_mut().map_err(at(path))? else {
        return failed(path, Fault::NotAList);
    };
    *value = if elements.is_empty() { Node::Null } else { elements.swap_remove(0) };
    Ok(())
}

fn wrap_object<'a>(body: &mut Node<'a>, path: &Path, name: &'a str) -> Result<(), Failed> {
    let Some(value) = find(body, path)? else { return Ok(()) };
    let mut members = Members::new();
    members.insert(name, std::mem::replace(value, Node::Null));
    *value = Node::Object(members);
    Ok(())
}

fn unwrap_object<'a>(body: &mut Node<'a>, path: &Path, name: &str) -> Result<(), Failed> {
    let Some(value) = find(body, path)? else { return Ok(()) };
    if value.kind() == Kind::Null {
        return Ok(());
    }
    let Some(members) = value.as_object_mut().map_err(at(path))? else {
        return failed(path, Fault::NotAnObject);
    };
    match members.remove(name) {
        Some(inner) => *value = inner,
        None if path.is_root() => *value = Node::Null,
        None => drop(take(body, path)?),
    }
    Ok(())
}

fn convert_up<'a>(body: &mut Node<'a>, convert: &'a Convert) -> Result<(), Failed> {
    let Convert { path, to, or, if_present, .. } = convert;
    let found = find(body, path)?;
    let instead = or.as_ref().filter(|_| !if_present);
    match found {
        None => match instead {
            Some(value) => put(body, path, value.node(), Taken::Fail),
            None => Ok(()),
        },
        Some(value) if value.kind() == Kind::Null => {
            if let Some(or) = instead {
                *value = or.node();
            }
            Ok(())
        }
        Some(value) => match (to.convert(value).map_err(at(path))?, or) {
            (Some(converted), _) => {
                *value = converted;
                Ok(())
            }
            (None, Some(or)) => {
                *value = or.node();
                Ok(())
            }
            (None, None) => Err(inconvertible(path, value, to)),
        },
    }
}

fn convert_down<'a>(body: &mut Node<'a>, convert: &'a Convert) -> Result<(), Failed> {
    let Convert { path, back, or_back, .. } = convert;
    let Some(value) = find(body, path)?.filter(|value| value.kind() != Kind::Null) else { return Ok(()) };
    match (back.convert(value).map_err(at(path))?, or_back) {
        (Some(converted), _) => *value = converted,
        (None, Some(or)) => *value = or.node(),
        (None, None) => return Err(inconvertible(path, value, back)),
    }
    Ok(())
}

#[cold]
fn inconvertible(path: &Path, value: &Node<'_>, to: &Conversion) -> Failed {
    let mut text = match value.to_value() {
        Ok(value) => value.to_string(),
        Err(error) => return at(path)(error),
    };
    if let Some((end, _)) = text.char_indices().nth(EXCERPT) {
        text.truncate(end);
        text.push_str("...");
    }
    let fault = Fault::Inconvertible { value: text, to: to.name() };
    Failed { path: path.clone(), fault }
}

/// Whether there was anything to split.
fn split<'a>(
    body: &mut Node<'a>,
    path: &Path,
    separator: &str,
    into: &'a [Path],
    taken: Taken,
) -> Result<bool, Failed> {
    let Some(whole) = take(body, path)? else { return Ok(false) };
    let mut parts = match whole.kind() {
        Kind::Null => None,
        _ => match whole.as_str().map_err(at(path))? {
            Some(text) => Some(text.splitn(into.len(), separator)),
            None => return failed(path, Fault::NotText),
        },
    };
    for target in into {
        let part = match &mut parts {
            Some(parts) => Node::String(Cow::Owned(parts.next().unwrap_or_default().to_owned())),
            None => Node::Null,
        };
        put(body, target, part, taken)?;
    }
    Ok(true)
}

/// Whether there was anything to join.
fn join<'a>(
    body: &mut Node<'a>,
    from: &[Path],
    separator: &str,
    to: &'a Path,
    taken: Taken,
) -> Result<bool, Failed> {
    let mut found = false;
    let mut whole: Option<String> = None;
    for path in from {
        let Some(part) = take(body, path)? else { continue };
        found = true;
        if part.kind() == Kind::Null {
            continue;
        }
        let Some(part) = part.as_str().map_err(at(path))? else { return failed(path, Fault::NotText) };
        let whole = whole.get_or_insert_default();
        if !whole.is_empty() && !part.is_empty() {
            whole.push_str(separator);
        }
        whole.push_str(part);
    }
    if !found {
        return Ok(false);
    }
    put(body, to, whole.map_or(Node::Null, |text| Node::String(Cow::Owned(text))), taken)?;
    Ok(true)
}

/// Changes a text; leaves alone what is none.
fn text(body: &mut Node<'_>, path: &Path, change: impl Fn(&str) -> String) -> Result<(), Failed> {
    let Some(value) = find(body, path)? else { return Ok(()) };
    let changed = match value.as_str().map_err(at(path))? {
        Some(text) => change(text),
        None => return Ok(()),
    };
    *value = Node::String(Cow::Owned(changed));
    Ok(())
}

fn holds(condition: &Condition, body: &mut Node<'_>) -> Result<bool, Failed> {
    match condition {
        Condition::Present(path) => Ok(find(body, path)?.is_some()),
        Condition::OneOf(path, values) => {
            let value = find(body, path)?;
            Ok(value.is_some_and(|value| values.iter().any(|wanted| *value == wanted.node())))
        }
        Condition::Not(inner) => Ok(!holds(inner, body)?),
        Condition::All(inner) => {
            for condition in inner {
                if !holds(condition, body)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
    }
}
