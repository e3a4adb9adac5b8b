//! What steps do to the paths of an index. Pure.

use std::sync::Arc;

use crate::evolution::action::{Action, Place, Taken};
use crate::evolution::op::Op;
use crate::evolution::step::Step;
use crate::value::path::{Path, as_index};

/// What a step, or several, mean for an index.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Impact {
    /// They do nothing at its paths: it goes on as it is.
    Untouched,
    /// What was at its paths is at these: it goes on under their names, and nothing is rebuilt.
    Renamed {
        /// The paths of its components.
        paths: Vec<Path>,
    },
    /// They change what is at its paths, or may: it is built again.
    Rebuild {
        /// The first step that does.
        step: String,
    },
}

impl Impact {
    /// Of `steps`, in their order, on an index on `paths` of the documents that a filter on `filtered` means.
    pub(crate) fn with_filter(paths: &[Path], filtered: &[Path], steps: &[Arc<Step>]) -> Self {
        match Self::of(filtered, steps) {
            Self::Untouched => Self::of(paths, steps),
            rebuild @ Self::Rebuild { .. } => rebuild,
            // The filter says the former names.
            Self::Renamed { .. } => {
                Self::Rebuild { step: steps.last().map(|step| step.name.clone()).unwrap_or_default() }
            }
        }
    }

    /// Of `steps`, in their order, on an index on `paths`.
    pub(crate) fn of(paths: &[Path], steps: &[Arc<Step>]) -> Self {
        let mut now = paths.to_vec();
        // The last step that has moved one.
        let mut moved = None;
        for step in steps {
            let Some(after) = now.iter().map(|path| across(step, true, path)).collect::<Option<Vec<_>>>()
            else {
                return Self::Rebuild { step: step.name.clone() };
            };
            if after != now {
                moved = Some(step);
            }
            now = after;
        }
        match moved {
            None => Self::Untouched,
            // There and back again: by way of the other name there may have come what had that name before.
            Some(step) if now == paths => Self::Rebuild { step: step.name.clone() },
            Some(_) => Self::Renamed { paths: now },
        }
    }
}

/// Where what is at `path` on one side of the step is on the other: after it, or before; `None` if it may be changed. Where a path moves, that holds if there is
/// something at it.
pub(crate) fn across(step: &Step, up: bool, path: &Path) -> Option<Path> {
    if step.code.identity().is_some() {
        return None;
    }
    let mut now = path.clone();
    let mut cross = |op: &Op| {
        now = beyond(op.action()?, up, &now)?;
        Some(())
    };
    if up {
        step.ops.iter().try_for_each(&mut cross)?
    } else {
        step.ops.iter().rev().try_for_each(&mut cross)?
    }
    Some(now)
}

/// Where what is at `path` on one side of the action is on the other; `None` if it may be changed.
fn beyond(action: &Action, up: bool, path: &Path) -> Option<Path> {
    match action {
        Action::Rename { from, to, taken: Taken::Fail } | Action::Move { from, to, taken: Taken::Fail }
            if (if up { from } else { to }).contains(path) && plain(from) && plain(to) =>
        {
            let (here, there) = if up { (from, to) } else { (to, from) };
            let rest = Path::from_names(path.names().skip(here.names().len())).ok()?;
            Some(there.join(&rest))
        }
        Action::Within { place, path: within, actions } => {
            if !meets(within, path) {
                return Some(path.clone());
            }
            let skipped = usize::from(*place == Place::EachValue).checked_add(within.names().len())?;
            if !within.contains(path) || !plain(within) || path.names().len() < skipped {
                return None;
            }
            let outer = path.prefix(skipped);
            let mut inner = Path::from_names(path.names().skip(skipped)).ok()?;
            let mut cross = |action: &Action| {
                inner = beyond(action, up, &inner)?;
                Some(())
            };
            if up {
                actions.iter().try_for_each(&mut cross)?
            } else {
                actions.iter().rev().try_for_each(&mut cross)?
            }
            Some(outer.join(&inner))
        }
        _ if action.region().into_iter().any(|region| meets(region, path)) => None,
        _ => Some(path.clone()),
    }
}

/// Whether a change at `one` may be seen at `other`. Positions in lists are passed over, since an index goes through lists without
/// naming them.
fn meets(one: &Path, other: &Path) -> bool {
    let names = |path: &Path| Path::from_names(path.names().filter(|name| as_index(name).is_none()));
    match (names(one), names(other)) {
        (Ok(one), Ok(other)) => one.overlaps(&other),
        _ => true,
    }
}

/// Whether it names no position in a list.
fn plain(path: &Path) -> bool {
    path.names().all(|name| as_index(name).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolution::evolution::Evolution;
    use crate::evolution::function::Function;
    use crate::evolution::step::StepBody;

    fn impact(paths: &[&str], steps: impl IntoIterator<Item = StepBody>) -> Impact {
        let steps = steps.into_iter().enumerate();
        let evolution = steps.fold(Evolution::new(), |so_far, (n, body)| so_far.step(&format!("s{n}"), body));
        evolution.check().unwrap();
        let paths: Vec<_> = paths.iter().map(|path| Path::new(path).unwrap()).collect();
        Impact::of(&paths, &evolution.steps)
    }

    fn renamed(path: &str) -> Impact {
        Impact::Renamed { paths: vec![Path::new(path).unwrap()] }
    }

    #[test]
    fn what_is_elsewhere_is_untouched() {
        for op in [
            Op::rename("b", "c"),
            Op::add("b.a", 1),
            Op::remove("b"),
            Op::copy("a", "b"),
            Op::each("b", [Op::rename("a", "x")]),
            Op::each("a", [Op::rename("c", "d")]),
        ] {
            assert_eq!(impact(&["a.b"], [op.clone().into()]), Impact::Untouched, "{op:?}");
        }
        assert_eq!(impact(&["a"], [Vec::new().into()]), Impact::Untouched);
    }

    #[test]
    fn a_rename_is_followed() {
        assert_eq!(impact(&["a"], [Op::rename("a", "b").into()]), renamed("b"));
        assert_eq!(impact(&["a.x"], [Op::move_field("a", "b.c").into()]), renamed("b.c.x"));
        let twice = [Op::rename("a", "b").into(), Op::move_field("b", "c.d").into()];
        assert_eq!(impact(&["a"], twice), renamed("c.d"));
        assert_eq!(impact(&["l.p"], [Op::each("l", [Op::rename("p", "q")]).into()]), renamed("l.q"));
        assert_eq!(
            impact(&["m.k.p"], [Op::each_value("m", [Op::rename("p", "q")]).into()]),
            renamed("m.k.q")
        );
    }

    #[test]
    fn a_rename_is_followed_back() {
        let op = |op: Op| Evolution::new().step("s", op).steps[0].clone();
        let path = |path: &str| Path::new(path).unwrap();
        for (step, after, before) in [
            (op(Op::rename("a", "b")), "b.x", Some("a.x")),
            (op(Op::rename("a", "b")), "a", None),
            (op(Op::move_field("a", "b.c")), "b.d", Some("b.d")),
            (op(Op::each("l", [Op::rename("p", "q"), Op::rename("q", "r")])), "l.r", Some("l.p")),
            (op(Op::convert("a", crate::evolution::conversion::To::Text)), "a", None),
            (op(Op::convert("a", crate::evolution::conversion::To::Text)), "b", Some("b")),
        ] {
            assert_eq!(across(&step, false, &path(after)), before.map(path), "{after}");
            if let Some(before) = before {
                assert_eq!(across(&step, true, &path(before)), Some(path(after)));
            }
        }
        let there_and_back = [Op::rename("a", "b").into(), Op::rename("b", "a").into()];
        assert_eq!(impact(&["a"], there_and_back), Impact::Rebuild { step: "s1".into() });
    }

    #[test]
    fn what_is_changed_is_rebuilt() {
        let function = Function::new("f", |_, _| ());
        for body in [
            StepBody::from(Op::remove("a")),
            Op::remove("a.b.c").into(),
            Op::move_field("c", "a.b").into(),
            Op::rename("a.b.x", "a.b.y").into(),
            Op::rename("a", "c").if_taken(Taken::Keep).into(),
            Op::lowercase("a.b").into(),
            Op::remove("a.0.b").into(),
            Op::wrap_list("a").into(),
            Op::each("a", [Op::lowercase("b")]).into(),
            function.into(),
        ] {
            assert_eq!(impact(&["a.b"], [body]), Impact::Rebuild { step: "s0".into() });
        }
    }
}
