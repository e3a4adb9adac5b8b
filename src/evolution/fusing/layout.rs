//! Where in a document are the members that ops name.

use crate::encoding::body::locate::Names;
use crate::evolution::action::{Action, Place};
use crate::value::path::Path;

/// The members that ops name, in documents of before the first of them. The others take no part: they are neither read nor moved, but
/// with the object they are in.
#[derive(Debug)]
pub(super) struct Layout {
    /// The first is the document; an object stands before those within it.
    pub(super) objects: Vec<Outline>,
    pub(super) slots: Vec<Slot>,
}

/// An object with members that are named.
#[derive(Debug)]
pub(super) struct Outline {
    /// To the numbers of slots.
    pub(super) names: Names,
    /// Its slots, which have consecutive numbers.
    pub(super) first: usize,
    pub(super) len: usize,
    /// How many names lead to it.
    pub(super) depth: usize,
}

/// A member that is named.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: Box<str>,
    /// The object it is, if members of it are named as well.
    pub(super) object: Option<usize>,
}

/// A set of slots.
pub(super) type Shape = u128;

/// How many slots there may be.
const MAX_SLOTS: usize = Shape::BITS as usize;

impl Layout {
    /// `None` where the ops name nothing, or too much.
    pub(super) fn new<'p>(actions: impl DoubleEndedIterator<Item = &'p Action>) -> Option<Self> {
        let mut named = Vec::new();
        for action in actions.rev() {
            before(action, &Path::root(), &mut named)?;
        }
        let mut root = Branch::default();
        for path in &named {
            root.add(path);
        }
        let mut layout = Self { objects: Vec::new(), slots: Vec::new() };
        if !root.below.is_empty() {
            layout.lay_out(&root, 0)?;
        }
        (!layout.slots.is_empty()).then_some(layout)
    }

    /// The object that a slot is in.
    pub(super) fn owner(&self, slot: usize) -> Option<(usize, &Outline)> {
        self.objects.iter().enumerate().rfind(|(_, outline)| outline.first <= slot)
    }

    fn lay_out(&mut self, branch: &Branch<'_>, depth: usize) -> Option<()> {
        let first = self.slots.len();
        let len = branch.below.len();
        if first.saturating_add(len) > MAX_SLOTS {
            return None;
        }
        let names = branch.below.iter().enumerate();
        let names = Names::new(names.map(|(position, (name, _))| (*name, first.saturating_add(position))));
        self.slots.extend(branch.below.iter().map(|(name, _)| Slot { name: (*name).into(), object: None }));
        self.objects.push(Outline { names, first, len, depth });
        for (slot, (_, inner)) in (first..).zip(&branch.below) {
            if !inner.below.is_empty() {
                let object = self.objects.len();
                self.slots.get_mut(slot)?.object = Some(object);
                self.lay_out(inner, depth.saturating_add(1))?;
            }
        }
        Some(())
    }
}

/// The paths below one, by name.
#[derive(Debug, Default)]
struct Branch<'n> {
    below: Vec<(&'n str, Branch<'n>)>,
}

impl<'n> Branch<'n> {
    fn add(&mut self, path: &'n Path) {
        let mut branch = self;
        for name in path.names() {
            let position = branch.below.iter().position(|(known, _)| *known == name);
            let position = position.unwrap_or_else(|| {
                branch.below.push((name, Branch::default()));
                branch.below.len().saturating_sub(1)
            });
            let Some((_, below)) = branch.below.get_mut(position) else { return };
            branch = below;
        }
    }
}

/// `named` are paths that count after `action`; makes them those that count before it. `None` where there are too many.
fn before(action: &Action, root: &Path, named: &mut Vec<Path>) -> Option<()> {
    match action {
        Action::Rename { from, to, .. } | Action::Move { from, to, .. } | Action::Copy { from, to, .. } => {
            comes_from(&root.join(to), &root.join(from), named)?;
        }
        Action::WrapObject { path, name } => {
            comes_from(&root.join(&path.child(name)), &root.join(path), named)?;
        }
        Action::UnwrapObject { path, name } => {
            let inner = root.join(&path.child(name));
            comes_from(&root.join(path), &inner, named)?;
            note(inner, named)?;
        }
        Action::Within { place: Place::Inside, path, actions } => {
            let inside = root.join(path);
            for action in actions.iter().rev() {
                before(action, &inside, named)?;
            }
        }
        _ => {}
    }
    action.reads().into_iter().chain(action.region()).try_for_each(|path| note(root.join(path), named))
}

/// What is at `to` comes from `from`.
fn comes_from(to: &Path, from: &Path, named: &mut Vec<Path>) -> Option<()> {
    let inner: Vec<_> = named.iter().filter(|path| to.contains(path) && *path != to).collect();
    let inner: Vec<_> = inner.into_iter().map(|path| from.join(&path.without(to))).collect();
    inner.into_iter().try_for_each(|path| note(path, named))
}

fn note(path: Path, named: &mut Vec<Path>) -> Option<()> {
    if !named.contains(&path) {
        named.push(path);
    }
    // Fewer than this would already be too many slots, were none of them on the way to others.
    (named.len() <= MAX_SLOTS.saturating_mul(2)).then_some(())
}
