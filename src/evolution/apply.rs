//! What ops do to a body, in both directions.

use std::borrow::Cow;

use serde_json::Value;

use crate::encoding::body::members::{Members, Renamed};
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Kind;
use crate::evolution::fault::Fault;
use crate::evolution::op::Action;
use crate::value::path::{Path, as_index};

/// What went wrong, and where.
pub(crate) struct Failed {
    pub(crate) path: Path,
    pub(crate) fault: Fault,
}

/// Carries out `action` on `body`: forward, or its computed inverse. After an error the body is half done, and to be discarded.
pub(crate) fn apply<'a>(action: &'a Action, up: bool, body: &mut Node<'a>) -> Result<(), Failed> {
    match (action, up) {
        (Action::Rename { from, to }, true) | (Action::Rename { from: to, to: from }, false) => {
            rename(body, from, to)
        }
        (Action::Move { from, to }, true) => shift(body, from, to).map(drop),
        (Action::Move { from, to }, false) => {
            if shift(body, to, from)? {
                prune(body, to)?;
            }
            Ok(())
        }
        (Action::Add { path, value }, true) => add(body, path, value),
        (Action::Add { path, .. }, false) => {
            if take(body, path)?.is_some() {
                prune(body, path)?;
            }
            Ok(())
        }
        (Action::Remove { path }, true) => take(body, path).map(drop),
        (Action::Remove { .. }, false) => Ok(()),
    }
}

fn rename<'a>(body: &mut Node<'a>, from: &'a Path, to: &'a Path) -> Result<(), Failed> {
    let (Some(members), Some(old), Some(new)) = (holder(body, from)?, from.last(), to.last()) else {
        return Ok(());
    };
    match members.rename(old, new) {
        Renamed::Done | Renamed::Absent => Ok(()),
        Renamed::Collides => failed(to, Fault::Collision),
    }
}

/// Whether there was something to be moved.
fn shift<'a>(body: &mut Node<'a>, from: &Path, to: &'a Path) -> Result<bool, Failed> {
    let Some(value) = take(body, from)? else { return Ok(false) };
    match place(body, to)?.insert(last(to), value) {
        None => Ok(true),
        Some(_) => failed(to, Fault::Collision),
    }
}

fn add<'a>(body: &mut Node<'a>, path: &'a Path, value: &Value) -> Result<(), Failed> {
    let members = place(body, path)?;
    if !members.contains(last(path)) {
        let value = Node::from_value(value.clone())
            .map_err(|error| Failed { path: path.clone(), fault: Fault::Body(error) })?;
        members.insert(last(path), value);
    }
    Ok(())
}

/// Takes out what is at `path`.
fn take<'a>(body: &mut Node<'a>, path: &Path) -> Result<Option<Node<'a>>, Failed> {
    Ok(holder(body, path)?.and_then(|members| members.remove(last(path))))
}

/// Takes out the objects around `path` that are empty, from the inside.
fn prune(body: &mut Node<'_>, path: &Path) -> Result<(), Failed> {
    let mut around = path.parent();
    while let Some(path) = around.filter(|path| !path.is_root()) {
        let Some(members) = holder(body, &path)? else { return Ok(()) };
        let name = last(&path);
        let Some(object) = members.get_mut(name) else { return Ok(()) };
        if !object.as_object_mut().map_err(at(&path))?.is_some_and(|members| members.is_empty()) {
            return Ok(());
        }
        members.remove(name);
        around = path.parent();
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
        let next = if node.kind() == Kind::Array {
            element(node, name, path)?
        } else {
            node.as_object_mut().map_err(at(path))?.and_then(|members| members.get_mut(name))
        };
        let Some(next) = next else { return Ok(None) };
        node = next;
    }
    if node.kind() == Kind::Array && element(node, last(path), path)?.is_some() {
        return failed(path, Fault::Element);
    }
    node.as_object_mut().map_err(at(path))
}

/// As [`holder`], but what is absent or null on the way becomes an object.
fn place<'n, 'a>(body: &'n mut Node<'a>, path: &'a Path) -> Result<&'n mut Members<'a, Node<'a>>, Failed> {
    let mut node = body;
    let depth = path.names().len().saturating_sub(1);
    for name in path.names().take(depth) {
        let next = if node.kind() == Kind::Array {
            element(node, name, path)?
        } else {
            let members = object(node, path)?;
            if !members.contains(name) {
                members.insert(Cow::Borrowed(name), Node::Null);
            }
            members.get_mut(name)
        };
        let Some(next) = next else { return failed(path, Fault::NoMembers) };
        node = next;
    }
    object(node, path)
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

fn failed<T>(path: &Path, fault: Fault) -> Result<T, Failed> {
    Err(Failed { path: path.clone(), fault })
}

fn at<E: Into<Fault>>(path: &Path) -> impl Fn(E) -> Failed {
    |error| Failed { path: path.clone(), fault: error.into() }
}
