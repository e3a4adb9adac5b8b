//! Reaching into a body by paths.

use std::borrow::Cow;

use crate::encoding::body::members::{Members, Renamed};
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Kind;
use crate::evolution::action::Taken;
use crate::evolution::fault::Fault;
use crate::evolution::notes::State;
use crate::value::path::{Path, as_index};

/// What went wrong, and where.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) path: Path,
    pub(crate) fault: Fault,
}

/// What is at `path`; `None` where there is nothing.
pub(crate) fn find<'n, 'a>(body: &'n mut Node<'a>, path: &Path) -> Result<Option<&'n mut Node<'a>>, Failed> {
    let mut node = body;
    for name in path.names() {
        let Some(next) = step(node, name, path)? else { return Ok(None) };
        node = next;
    }
    Ok(Some(node))
}

/// Gives the member at `from` the last name of `to`, in its place.
pub(crate) fn rename<'a>(body: &mut Node<'a>, from: &Path, to: &'a Path, taken: Taken) -> Result<(), Failed> {
    let Some(members) = holder(body, from)? else { return Ok(()) };
    if members.rename(last(from), last(to)) != Renamed::Collides {
        return Ok(());
    }
    match taken {
        Taken::Fail => return failed(to, Fault::Collision),
        Taken::Keep => {
            members.remove(last(from));
        }
        Taken::Replace => {
            members.remove(last(to));
            members.rename(last(from), last(to));
        }
    }
    Ok(())
}

/// Puts `value` at `path`, and what it takes around it.
pub(crate) fn put<'a>(
    body: &mut Node<'a>,
    path: &'a Path,
    value: Node<'a>,
    taken: Taken,
) -> Result<(), Failed> {
    let members = place(body, path)?;
    match members.get_mut(last(path)) {
        None => members.push_distinct(Cow::Borrowed(last(path)), value),
        Some(there) => match taken {
            Taken::Fail => return failed(path, Fault::Collision),
            Taken::Keep => {}
            Taken::Replace => *there = value,
        },
    }
    Ok(())
}

/// Puts `value` at `path`, whatever is there; an element of a list in its place.
pub(crate) fn set<'a>(body: &mut Node<'a>, path: &'a Path, value: Node<'a>) -> Result<(), Failed> {
    match find(body, path)? {
        Some(there) => *there = value,
        None => put(body, path, value, Taken::Fail)?,
    }
    Ok(())
}

/// Takes out what is at `path`.
pub(crate) fn take<'a>(body: &mut Node<'a>, path: &Path) -> Result<Option<Node<'a>>, Failed> {
    Ok(holder(body, path)?.and_then(|members| members.remove(last(path))))
}

/// Takes out the objects around `path` that are empty, from the inside.
pub(crate) fn prune(body: &mut Node<'_>, path: &Path) -> Result<(), Failed> {
    prune_to(body, path, 1)
}

/// As [`prune`], but leaves those that fewer than `depth` names lead to.
pub(crate) fn prune_to(body: &mut Node<'_>, path: &Path, depth: usize) -> Result<(), Failed> {
    let mut around = path.parent();
    while let Some(path) = around.filter(|path| path.names().len() >= depth.max(1)) {
        let members = match holder(body, &path) {
            // An element stays in its list, however empty.
            Err(Failed { fault: Fault::Element, .. }) => return Ok(()),
            members => members?,
        };
        let Some(members) = members else { return Ok(()) };
        let name = last(&path);
        let Some(object) = members.get_mut(name) else { return Ok(()) };
        if !is_empty_object(object, &path)? {
            return Ok(());
        }
        members.remove(name);
        around = path.parent();
    }
    Ok(())
}

pub(crate) fn is_empty_object(node: &mut Node<'_>, path: &Path) -> Result<bool, Failed> {
    Ok(node.as_object_mut().map_err(at(path))?.is_some_and(|members| members.is_empty()))
}

/// Whether the object around `path` would be left with other members, or is the document, if what is there were taken out.
pub(crate) fn stays_without(body: &mut Node<'_>, path: &Path) -> Result<bool, Failed> {
    Ok(path.names().len() == 1 || holder(body, path)?.is_some_and(|members| members.len() > 1))
}

/// What `path` finds.
pub(crate) fn state<'a>(body: &mut Node<'a>, path: &Path) -> Result<State<'a>, Failed> {
    let mut node = body;
    let mut depth = 0_usize;
    for name in path.names() {
        if !matches!(node.kind(), Kind::Array | Kind::Object) {
            break;
        }
        depth = depth.saturating_add(1);
        let Some(next) = step(node, name, path)? else { return Ok(State { depth, value: None }) };
        node = next;
    }
    Ok(State { depth, value: Some(node.clone()) })
}

/// Makes `path` find what it found before, for each of `region`. The digest of what they find now has been compared.
pub(crate) fn restore<'a>(
    body: &mut Node<'a>,
    region: &[&'a Path],
    before: &[State<'a>],
) -> Result<(), Failed> {
    let region = || region.iter().copied().zip(before);
    let found = |path: &Path, state: &State<'_>| state.depth == path.names().len() && state.value.is_some();
    for (path, _) in region().filter(|(path, state)| !found(path, state)) {
        take(body, path)?;
    }
    for (path, state) in region().filter(|(path, state)| found(path, state)) {
        set(body, path, state.value.clone().unwrap_or(Node::Null))?;
    }
    for (path, State { depth, value }) in region().filter(|(path, state)| !found(path, state)) {
        let Some(value) = value else {
            prune_to(body, path, *depth)?;
            let around = make_way(body, path, depth.saturating_sub(1))?;
            if around.kind() == Kind::Null {
                *around = Node::Object(Members::new());
            }
            continue;
        };
        // There was a value without members on the way.
        prune_to(body, path, depth.saturating_add(1))?;
        if let Some(there) = find(body, &path.prefix(*depth))?
            && is_empty_object(there, path)?
        {
            *there = value.clone();
        }
    }
    Ok(())
}

/// The object that has, or could have, the last name of `path`; `None` where something on the way is absent, or has no members.
fn holder<'n, 'a>(
    body: &'n mut Node<'a>,
    path: &Path,
) -> Result<Option<&'n mut Members<'a, Node<'a>>>, Failed> {
    let mut node = body;
    let depth = path.names().len().saturating_sub(1);
    for name in path.names().take(depth) {
        let Some(next) = step(node, name, path)? else { return Ok(None) };
        node = next;
    }
    if node.kind() == Kind::Array && element(node, last(path), path)?.is_some() {
        return failed(path, Fault::Element);
    }
    node.as_object_mut().map_err(at(path))
}

/// As [`holder`], but what is absent or null on the way becomes an object.
fn place<'n, 'a>(body: &'n mut Node<'a>, path: &'a Path) -> Result<&'n mut Members<'a, Node<'a>>, Failed> {
    let depth = path.names().len().saturating_sub(1);
    object(make_way(body, path, depth)?, path)
}

/// What the first `count` names of `path` lead to. What is absent or null on the way becomes an object.
fn make_way<'n, 'a>(
    body: &'n mut Node<'a>,
    path: &'a Path,
    count: usize,
) -> Result<&'n mut Node<'a>, Failed> {
    let mut node = body;
    for name in path.names().take(count) {
        let next = if node.kind() == Kind::Array {
            element(node, name, path)?
        } else {
            let members = object(node, path)?;
            if !members.contains(name) {
                members.push_distinct(Cow::Borrowed(name), Node::Null);
            }
            members.get_mut(name)
        };
        let Some(next) = next else { return failed(path, Fault::NoMembers) };
        node = next;
    }
    Ok(node)
}

fn object<'n, 'a>(node: &'n mut Node<'a>, path: &Path) -> Result<&'n mut Members<'a, Node<'a>>, Failed> {
    if node.kind() == Kind::Null {
        *node = Node::Object(Members::new());
    }
    match node.as_object_mut().map_err(at(path))? {
        Some(members) => Ok(members),
        None => failed(path, Fault::NoMembers),
    }
}

/// What `name` leads to from `node`.
fn step<'n, 'a>(node: &'n mut Node<'a>, name: &str, path: &Path) -> Result<Option<&'n mut Node<'a>>, Failed> {
    if node.kind() == Kind::Array {
        return element(node, name, path);
    }
    Ok(node.as_object_mut().map_err(at(path))?.and_then(|members| members.get_mut(name)))
}

fn element<'n, 'a>(
    node: &'n mut Node<'a>,
    name: &str,
    path: &Path,
) -> Result<Option<&'n mut Node<'a>>, Failed> {
    let Some(index) = as_index(name) else { return Ok(None) };
    Ok(node.as_array_mut().map_err(at(path))?.and_then(|elements| elements.get_mut(index)))
}

fn last(path: &Path) -> &str {
    // Ops on the whole document are refused when they are made.
    path.last().unwrap_or_default()
}

pub(crate) fn failed<T>(path: &Path, fault: Fault) -> Result<T, Failed> {
    Err(Failed { path: path.clone(), fault })
}

pub(crate) fn at<E: Into<Fault>>(path: &Path) -> impl Fn(E) -> Failed {
    |error| Failed { path: path.clone(), fault: error.into() }
}
