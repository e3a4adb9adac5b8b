//! What ops do to documents with the same of the members that they name.

use std::collections::HashSet;

use crate::encoding::body::members::Members;
use crate::encoding::body::node::Node;
use crate::encoding::body::opaque::Opaque;
use crate::evolution::access::{Failed, find};
use crate::evolution::action::{Action, Convert, Place};
use crate::evolution::apply::{apply, each_place};
use crate::evolution::fault::Fault;
use crate::evolution::fusing::layout::{Layout, Shape};
use crate::value::path::Path;

/// What stands for the values of a document.
///
/// A trace carries out the ops, by the code that carries them out on documents, on one whose named members are [`Opaque`] and that has
/// no others. What works on it without looking into these works on every document of the shape in the same way. Ops that change one value
/// and nothing else are not carried out on an opaque value but noted, and give another one. Whatever else looks into one fails, and
/// so does what fails for want or for excess of members; for such shapes there is no recipe.
///
/// After each member there is a gap. Ops leave members in their place, take them out, or put them at the end. So what stands before
/// the gap of a member, afterwards, stands in the place of that member, and what stands after the last gap has been put at the end.
pub(super) struct Marks {
    /// For each slot its value, then for each slot its gap, then for each op what it may make of a value.
    marks: Vec<Opaque>,
    /// Of the gaps. None of the names that ops know.
    gaps: Vec<String>,
    slots: usize,
}

/// What an opaque value stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// The value of a slot.
    Slot(usize),
    /// The gap after a slot.
    Gap(usize),
    /// What a noted op makes of a value.
    Changed(usize),
}

/// An op that changes a value, noted instead of carried out.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) of: Mark,
    /// On the value itself, as if it were the whole document.
    pub(super) action: Action,
}

impl Marks {
    pub(super) fn new<'n, 'p: 'n>(layout: &'n Layout, actions: impl Iterator<Item = &'p Action>) -> Self {
        let slots = layout.slots.len();
        let mut names: HashSet<&'n str> = layout.slots.iter().map(|slot| &*slot.name).collect();
        let mut count = slots.saturating_mul(2);
        for action in actions {
            count = count.saturating_add(size(action, &mut names));
        }
        // A name begins with one of the numbers at most, so that there is one with which none begins.
        let taken: HashSet<&str> = names.iter().filter_map(|name| Some(name.split_once('.')?.0)).collect();
        let free = (0_usize..).map(|number| number.to_string()).find(|number| !taken.contains(&**number));
        let free = free.unwrap_or_default();
        let gaps = (0..slots).map(|slot| format!("{free}.{slot}")).collect();
        let marks = (0..count).map(|mark| Opaque::new(u32::try_from(mark).unwrap_or(u32::MAX))).collect();
        Self { marks, gaps, slots }
    }

    #[cfg(test)]
    pub(super) fn gaps(&self) -> impl Iterator<Item = &str> {
        self.gaps.iter().map(String::as_str)
    }

    /// What `node` stands for; `None` where it is what it is.
    pub(super) fn of(&self, node: &Node<'_>) -> Option<Mark> {
        let number = usize::try_from(Opaque::number(node)?).ok()?;
        Some(match number.checked_sub(self.slots) {
            None => Mark::Slot(number),
            Some(rest) => rest.checked_sub(self.slots).map_or(Mark::Gap(rest), Mark::Changed),
        })
    }

    /// Whether it is what it is, through and through.
    pub(super) fn are_none_in(&self, node: &Node<'_>) -> bool {
        match node {
            Node::Object(members) => members.iter().all(|(_, value)| self.are_none_in(value)),
            Node::Array(elements) => elements.iter().all(|element| self.are_none_in(element)),
            node => self.of(node).is_none(),
        }
    }

    /// What the ops make of a document of the shape, and the changes it is told in.
    pub(super) fn trace<'a, 'p: 'a>(
        &'a self,
        layout: &'a Layout,
        shape: Shape,
        mut actions: impl Iterator<Item = &'p Action>,
    ) -> Option<(Node<'a>, Vec<Change>)> {
        let mut body = self.object(layout, 0, shape)?;
        let mut changes = Vec::new();
        actions.try_for_each(|action| self.carry_out(action, &mut body, &mut changes))?;
        Some((body, changes))
    }

    fn object<'a>(&'a self, layout: &'a Layout, object: usize, shape: Shape) -> Option<Node<'a>> {
        let outline = layout.objects.get(object)?;
        let mut members = Members::new();
        for number in (outline.first..).take(outline.len) {
            let slot = layout.slots.get(number)?;
            if shape & (1 << number) != 0 {
                let value = match slot.object {
                    Some(object) => self.object(layout, object, shape)?,
                    None => self.marks.get(number)?.node(),
                };
                members.insert(&*slot.name, value);
            }
            let gap = self.marks.get(number.saturating_add(self.slots))?.node();
            members.insert(self.gaps.get(number)?.as_str(), gap);
        }
        Some(members.into())
    }

    fn carry_out<'a>(
        &'a self,
        action: &'a Action,
        node: &mut Node<'a>,
        changes: &mut Vec<Change>,
    ) -> Option<()> {
        match action {
            // These look at nothing but the objects on the way.
            Action::Rename { .. }
            | Action::Move { .. }
            | Action::Copy { .. }
            | Action::Add { .. }
            | Action::Remove { .. }
            | Action::WrapObject { .. }
            | Action::UnwrapObject { .. }
            | Action::Set { when: None, .. } => apply(action, true, node).ok(),
            // Where nothing within it is named, it may not even be an object; then this, too, is an op on one value.
            Action::Within { place: Place::Inside, path, actions }
                if find(node, path).ok()?.is_none_or(|found| self.of(found).is_none()) =>
            {
                let no_matter = || Failed { path: Path::root(), fault: Fault::NoMembers };
                each_place(node, Place::Inside, path, |_, node| {
                    let mut actions = actions.iter();
                    actions.try_for_each(|action| self.carry_out(action, node, changes)).ok_or_else(no_matter)
                })
                .ok()
            }
            _ => {
                let (path, alone) = alone(action)?;
                let found = find(node, path).ok()?;
                match found.map(|found| (self.of(found), found)) {
                    Some((Some(of), found)) => {
                        let number = self.slots.saturating_mul(2).saturating_add(changes.len());
                        *found = self.marks.get(number)?.node();
                        changes.push(Change { of, action: alone });
                        Some(())
                    }
                    Some((None, found)) if !self.are_none_in(found) => None,
                    _ => apply(action, true, node).ok(),
                }
            }
        }
    }
}

/// Whether ops like this one can be traced.
pub(super) fn is_traceable(action: &Action) -> bool {
    match action {
        Action::Split { .. } | Action::Join { .. } | Action::Set { when: Some(_), .. } => false,
        Action::Within { place: Place::Inside, actions, .. } => actions.iter().all(is_traceable),
        _ => true,
    }
}

/// The one value that an op changes, and the op as it is on that value alone; `None` where it does more.
fn alone(action: &Action) -> Option<(&Path, Action)> {
    let root = Path::root;
    Some(match action {
        Action::Convert(convert) => {
            (&convert.path, Action::Convert(Box::new(Convert { path: root(), ..(**convert).clone() })))
        }
        Action::WrapList { path } => (path, Action::WrapList { path: root() }),
        Action::UnwrapList { path } => (path, Action::UnwrapList { path: root() }),
        Action::Trim { path } => (path, Action::Trim { path: root() }),
        Action::Lowercase { path } => (path, Action::Lowercase { path: root() }),
        Action::Uppercase { path } => (path, Action::Uppercase { path: root() }),
        Action::RenameValue { path, from, to } => {
            (path, Action::RenameValue { path: root(), from: from.clone(), to: to.clone() })
        }
        Action::Within { place, path, actions } => {
            (path, Action::Within { place: *place, path: root(), actions: actions.clone() })
        }
        _ => return None,
    })
}

/// How many ops it is; and adds the names it knows.
fn size<'p>(action: &'p Action, names: &mut HashSet<&'p str>) -> usize {
    for path in action.reads().into_iter().chain(action.region()) {
        names.extend(path.names());
    }
    match action {
        Action::WrapObject { name, .. } | Action::UnwrapObject { name, .. } => {
            names.insert(name);
            1
        }
        Action::Within { actions, .. } => {
            actions.iter().fold(1, |count: usize, action| count.saturating_add(size(action, names)))
        }
        _ => 1,
    }
}
