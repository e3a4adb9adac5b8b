//! What can be told of the shape of documents from the ops alone.

use crate::evolution::action::{Action, Place, Taken};
use crate::evolution::conversion::Conversion;
use crate::evolution::step::{Code, Step};
use crate::value::path::{Path, as_index};

/// What ops have put where, as far as that says what is not there: nothing is known of a path that is not listed.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    known: Vec<(Path, Shape)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Without members or elements.
    Scalar,
    List,
}

impl Shapes {
    /// Carries out the ops of `step`; the position of an op that goes by name into what an earlier one has made a scalar or a list, and the path by which.
    pub(crate) fn cross(&mut self, step: &Step) -> Option<(usize, Path)> {
        for (position, op) in step.ops.iter().enumerate() {
            match op.action() {
                Some(action) => {
                    if let Some(path) = self.act(action, &Path::root()) {
                        return Some((position, path));
                    }
                }
                None => self.known.clear(),
            }
        }
        if !matches!(step.code, Code::None) {
            self.known.clear();
        }
        None
    }

    fn act(&mut self, action: &Action, root: &Path) -> Option<Path> {
        let paths = action.reads().into_iter().chain(action.region());
        let astray = paths.map(|path| root.join(path)).find(|path| self.leads_nowhere(path));
        if astray.is_some() {
            return astray;
        }
        if let Action::Within { place, path, actions } = action {
            return self.act_within(*place, &root.join(path), actions);
        }
        let moved = match action {
            Action::Rename { from, to, taken }
            | Action::Move { from, to, taken }
            | Action::Copy { from, to, taken }
                // What is at the target may stay, whatever it is.
                if *taken != Taken::Keep =>
            {
                let (from, to) = (root.join(from), root.join(to));
                let inner = self.known.iter().filter(|(path, _)| from.contains(path));
                let inner = inner.map(|(path, shape)| (to.join(&path.without(&from)), *shape));
                inner.collect::<Vec<_>>()
            }
            _ => Vec::new(),
        };
        let written: Vec<_> = action.region().into_iter().map(|path| root.join(path)).collect();
        self.known.retain(|(path, _)| !written.iter().any(|written| written.overlaps(path)));
        self.known.extend(moved);
        let scalars: Vec<&Path> = match action {
            Action::Add { path, value } | Action::Set { path, value, when: None } if value.is_scalar() => {
                vec![path]
            }
            Action::Convert(convert) => match (&convert.to, &convert.or) {
                (Conversion::Table(_) | Conversion::Reversed(_), _) => Vec::new(),
                (_, Some(or)) if !or.is_scalar() => Vec::new(),
                _ => vec![&convert.path],
            },
            Action::Split { into, taken, .. } if *taken != Taken::Keep => into.iter().collect(),
            Action::Join { to, taken, .. } if *taken != Taken::Keep => vec![to],
            _ => Vec::new(),
        };
        self.known.extend(scalars.into_iter().map(|path| (root.join(path), Shape::Scalar)));
        if let Action::WrapList { path } = action {
            self.known.push((root.join(path), Shape::List));
        }
        None
    }

    fn act_within(&mut self, place: Place, path: &Path, actions: &[Action]) -> Option<Path> {
        let fits = |shape: Shape| place == Place::Each && shape == Shape::List;
        if self.known.iter().any(|(known, shape)| known == path && !fits(*shape)) {
            return Some(path.clone());
        }
        if place == Place::Inside {
            return actions.iter().find_map(|action| self.act(action, path));
        }
        // What one element is like says nothing of the path of the list.
        let mut inner = Self::default();
        self.known.retain(|(known, _)| known == path || !path.contains(known));
        let astray = actions.iter().find_map(|action| inner.act(action, &Path::root()));
        astray.map(|astray| path.join(&astray))
    }

    fn leads_nowhere(&self, path: &Path) -> bool {
        self.known.iter().any(|(known, shape)| {
            let next = path.names().nth(known.names().len());
            let fits = |next| *shape == Shape::List && as_index(next).is_some();
            known.contains(path) && next.is_some_and(|next| !fits(next))
        })
    }
}
