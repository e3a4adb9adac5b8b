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
    /// They take away what it is on, or what its filter speaks of; or they rename that for one of its kinds, and the others have it where it was. One that was made by a call stays for
    /// the programs from before them; this one has none.
    LeftBehind {
        /// The first step that does.
        step: String,
    },
}

impl Impact {
    /// Of `steps`, in their order, on an index on `paths` of the documents that a filter on `filtered` means.
    pub(crate) fn with_filter(paths: &[Path], filtered: &[Path], steps: &[Arc<Step>]) -> Self {
        match Self::of(filtered, steps) {
            Self::Untouched => Self::of(paths, steps),
            changed @ (Self::Rebuild { .. } | Self::LeftBehind { .. }) => changed,
            // The filter says the former names.
            Self::Renamed { .. } => {
                Self::Rebuild { step: steps.last().map(|step| step.name.clone()).unwrap_or_default() }
            }
        }
    }

    /// Of `steps`, in their order, on an index on `paths`.
    pub(crate) fn of(paths: &[Path], steps: &[Arc<Step>]) -> Self {
        let mut now = paths.to_vec();
        let mut renaming = None;
        for step in steps {
            for path in &mut now {
                let Some((after, renamed)) = crossed(step, true, path) else {
                    return Self::Rebuild { step: step.name.clone() };
                };
                if renamed {
                    renaming.get_or_insert(step);
                }
                *path = after;
            }
        }
        match renaming {
            None => Self::Untouched,
            // Away and back: what had the other name all along has taken this one.
            Some(step) if now == paths => Self::Rebuild { step: step.name.clone() },
            Some(_) => Self::Renamed { paths: now },
        }
    }
}

/// Whether what is at one of two paths, between which steps have renamed it, is what is at the other.
///
/// A rename does nothing where its source is absent; what is at its target then has been there before. So that is so as long as there is something at the path that it is looked at on
/// first: of a document that is stored below a shape, what is there is what is in the shapes above; of one that is stored above it, what is in those below. Paths of several
/// names moreover may not pass lists, into which renames do not look.
pub(crate) fn is_carried(one: &Path, other: &Path, missing: bool, lists: bool) -> bool {
    let nested = |path: &Path| path.names().len() > 1;
    !missing && !(lists && (nested(one) || nested(other)))
}

/// Where what is at `path` on one side of the step is on the other: after it, or before; `None` if it may be changed. And whether it has been renamed on the way, be it back to
/// the same name: then it is there if it [is carried](is_carried).
pub(crate) fn crossed(step: &Step, up: bool, path: &Path) -> Option<(Path, bool)> {
    let region = step.code.region()?;
    let is_spared = |path: &Path| !region.iter().any(|region| meets(region, path));
    let actions = step.ops.iter().map(Op::action).collect::<Option<Vec<_>>>()?;
    // The function is above the ops.
    if !up && !is_spared(path) {
        return None;
    }
    beyond_all(actions.into_iter(), up, path).filter(|(after, _)| !up || is_spared(after))
}

/// As [`beyond`], for actions in their order.
fn beyond_all<'a>(
    actions: impl DoubleEndedIterator<Item = &'a Action>,
    up: bool,
    path: &Path,
) -> Option<(Path, bool)> {
    let next = |(path, renamed): (Path, bool), action: &Action| {
        let (after, renames) = beyond(action, up, &path)?;
        Some((after, renamed || renames))
    };
    let begin = (path.clone(), false);
    let mut actions = actions;
    if up { actions.try_fold(begin, next) } else { actions.rev().try_fold(begin, next) }
}

/// Where what is at `path` on one side of the action is on the other, and whether it is renamed; `None` if it may be changed.
fn beyond(action: &Action, up: bool, path: &Path) -> Option<(Path, bool)> {
    match action {
        Action::Rename { from, to, taken: Taken::Fail } | Action::Move { from, to, taken: Taken::Fail }
            if (if up { from } else { to }).contains(path) && plain(from) && plain(to) =>
        {
            let (here, there) = if up { (from, to) } else { (to, from) };
            let rest = Path::from_names(path.names().skip(here.names().len())).ok()?;
            Some((there.join(&rest), true))
        }
        Action::Within { place, path: within, actions } => {
            if !meets(within, path) {
                return Some((path.clone(), false));
            }
            let skipped = usize::from(*place == Place::EachValue).checked_add(within.names().len())?;
            if !within.contains(path) || !plain(within) || path.names().len() < skipped {
                return None;
            }
            let outer = path.prefix(skipped);
            let inner = Path::from_names(path.names().skip(skipped)).ok()?;
            let (inner, renamed) = beyond_all(actions.iter(), up, &inner)?;
            Some((outer.join(&inner), renamed))
        }
        _ if action.region().into_iter().any(|region| meets(region, path)) => None,
        _ => Some((path.clone(), false)),
    }
}

/// Where what is on `path` belongs after the steps, whatever they make of the values there.
///
/// # Errors
/// The first step after which there is nothing any more that it could be on. What functions take away is not known: it stays where it was.
pub(crate) fn follow(path: &Path, steps: &[Arc<Step>]) -> Result<Path, String> {
    let mut now = path.clone();
    for step in steps {
        for action in step.ops.iter().filter_map(Op::action) {
            now = after(action, &now).ok_or_else(|| step.name.clone())?;
        }
    }
    Ok(now)
}

fn after(action: &Action, path: &Path) -> Option<Path> {
    let rest = |of: usize| Path::from_names(path.names().skip(of)).ok();
    match action {
        Action::Rename { from, to, .. } | Action::Move { from, to, .. }
            if from.contains(path) && plain(from) && plain(to) =>
        {
            Some(to.join(&rest(from.names().len())?))
        }
        Action::WrapObject { path: at, name } if at.contains(path) => {
            Some(at.child(name).join(&rest(at.names().len())?))
        }
        Action::UnwrapObject { path: at, name } if at.contains(path) && at != path => {
            let inner = at.child(name);
            inner.contains(path).then_some(())?;
            Some(at.join(&rest(inner.names().len())?))
        }
        Action::Remove { path: gone, .. } if gone.contains(path) => None,
        Action::Split { path: gone, into: kept, .. } if gone.contains(path) => {
            kept.iter().any(|kept| kept.overlaps(path)).then(|| path.clone())
        }
        Action::Join { from, to, .. } if from.iter().any(|gone| gone.contains(path)) => {
            to.overlaps(path).then(|| path.clone())
        }
        Action::Within { place, path: within, actions } if within.contains(path) => {
            let skipped = usize::from(*place == Place::EachValue).checked_add(within.names().len())?;
            if path.names().len() < skipped {
                return Some(path.clone());
            }
            let inner = actions.iter().try_fold(rest(skipped)?, |inner, action| after(action, &inner))?;
            Some(path.prefix(skipped).join(&inner))
        }
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
    use crate::evolution::step::{Code, StepBody};

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
        let across = |step: &Step, up, path: &Path| crossed(step, up, path).map(|(path, _)| path);
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
    }

    #[test]
    fn what_is_taken_away_leaves_nothing_to_be_on() {
        let followed = |path: &str, ops: Vec<Op>| {
            let evolution = Evolution::new().step("s", ops);
            follow(&Path::new(path).unwrap(), &evolution.steps).map(|path| path.to_string())
        };
        let keep = Taken::Keep;
        for (path, op, after) in [
            ("a.x", Op::move_field("a", "b.c").if_taken(keep), "b.c.x"),
            ("a", Op::rename("a", "b").if_taken(keep), "b"),
            ("a.x", Op::wrap_object("a", "n"), "a.n.x"),
            ("a.n.x", Op::unwrap_object("a", "n"), "a.x"),
            ("a", Op::unwrap_object("a", "n"), "a"),
            ("a", Op::split("a", " ", ["a", "b"]), "a"),
            ("a", Op::join(["a", "b"], " ", "a"), "a"),
            ("a", Op::remove("a.b"), "a"),
            ("a", Op::lowercase("a"), "a"),
            ("l.a", Op::each("l", [Op::rename("a", "b").if_taken(keep)]), "l.b"),
            ("l", Op::each("l", [Op::remove("a")]), "l"),
        ] {
            assert_eq!(followed(path, vec![op.clone()]), Ok(after.to_owned()), "{path} {op:?}");
        }
        for (path, op) in [
            ("a.b", Op::remove("a")),
            ("a", Op::remove("a")),
            ("a.m", Op::unwrap_object("a", "n")),
            ("a", Op::split("a", " ", ["b", "c"])),
            ("b", Op::join(["a", "b"], " ", "c")),
            ("l.a", Op::each("l", [Op::remove("a")])),
        ] {
            assert_eq!(followed(path, vec![op.clone()]), Err("s".to_owned()), "{path} {op:?}");
        }
    }

    #[test]
    fn away_and_back_is_a_change() {
        let there_and_back = || [Op::rename("a", "b"), Op::rename("b", "a")];
        assert_eq!(impact(&["a"], [there_and_back().to_vec().into()]), Impact::Rebuild { step: "s0".into() });
        let in_two = there_and_back().map(StepBody::from);
        assert_eq!(impact(&["a.x"], in_two), Impact::Rebuild { step: "s0".into() });
        let within = Op::each("l", there_and_back());
        assert_eq!(impact(&["l.a"], [within.into()]), Impact::Rebuild { step: "s0".into() });
    }

    #[test]
    fn what_a_function_is_not_declared_on_is_untouched() {
        let on = |paths: &[&str]| Function::new("f", |_, _| ()).on(paths);
        let rebuild = Impact::Rebuild { step: "s0".into() };
        for (declared, index, after) in [
            (&["b"][..], "a.b", Impact::Untouched),
            (&["a.c", "ab"], "a.b", Impact::Untouched),
            (&["x", "a.b"], "a.b", rebuild.clone()),
            (&["a"], "a.b", rebuild.clone()),
            (&["a.b.c"], "a.b", rebuild.clone()),
            (&["a.0"], "a.b", rebuild.clone()),
            (&["b"], "a.0.b", Impact::Untouched),
        ] {
            assert_eq!(impact(&[index], [on(declared).into()]), after, "{declared:?}");
        }
        // The ops come first: what they have moved away it does not see, and what they have moved there it does.
        let moved = |declared: &str| StepBody::from(([Op::rename("a", "b")], on(&[declared])));
        assert_eq!(impact(&["a.x"], [moved("a")]), renamed("b.x"));
        assert_eq!(impact(&["a.x"], [moved("b")]), rebuild);
        let step = |declared| Evolution::new().step("s", moved(declared)).steps[0].clone();
        let back = |declared| crossed(&step(declared), false, &Path::new("b.x").unwrap());
        assert_eq!(back("a"), Some((Path::new("a.x").unwrap(), true)));
        assert_eq!(back("b"), None);
        // Another program's paths are not known.
        let recorded = Step { code: Code::Recorded("f".into()), ..(*step("a")).clone() };
        assert_eq!(crossed(&recorded, true, &Path::new("c").unwrap()), None);
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
