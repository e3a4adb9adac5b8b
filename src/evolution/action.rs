//! Ops that make sense, as data.

use crate::evolution::condition::{Condition, MAX_NESTING};
use crate::evolution::constant::Constant;
use crate::evolution::conversion::Conversion;
use crate::evolution::invalid::OpFlaw;
use crate::value::path::Path;

/// What becomes of a target that is taken.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Taken {
    /// The step fails on this document.
    #[default]
    Fail,
    /// What is at the target stays, and what would have come there is dropped.
    Keep,
    /// What is at the target is dropped.
    Replace,
}

impl Taken {
    /// On the way back: nothing is dropped unless the op was told that something may be, and then it is what the way back would put something over.
    pub(crate) fn back(self) -> Self {
        if self == Self::Fail { Self::Fail } else { Self::Replace }
    }
}

/// Which way an op loses something that the other way does not bring back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Neither way.
    Iso,
    /// On the way up.
    UpLossy,
    /// On the way down.
    DownLossy,
    /// Both ways.
    Lossy,
}

/// An op that makes sense.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Within one object.
    Rename {
        from: Path,
        to: Path,
        taken: Taken,
    },
    /// Neither path is within the other.
    Move {
        from: Path,
        to: Path,
        taken: Taken,
    },
    Copy {
        from: Path,
        to: Path,
        taken: Taken,
    },
    Add {
        path: Path,
        value: Constant,
    },
    Remove {
        path: Path,
        restore: Option<Constant>,
        forget: bool,
    },
    WrapList {
        path: Path,
    },
    UnwrapList {
        path: Path,
    },
    WrapObject {
        path: Path,
        name: Box<str>,
    },
    UnwrapObject {
        path: Path,
        name: Box<str>,
    },
    Convert(Box<Convert>),
    /// The targets are apart.
    Split {
        path: Path,
        separator: Box<str>,
        into: Vec<Path>,
        taken: Taken,
    },
    Join {
        from: Vec<Path>,
        separator: Box<str>,
        to: Path,
        taken: Taken,
    },
    Trim {
        path: Path,
    },
    Lowercase {
        path: Path,
    },
    Uppercase {
        path: Path,
    },
    Set {
        path: Path,
        value: Constant,
        when: Option<Condition>,
    },
    RenameValue {
        path: Path,
        from: Constant,
        to: Constant,
    },
    Within {
        place: Place,
        path: Path,
        actions: Vec<Action>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Convert {
    pub(crate) path: Path,
    pub(crate) to: Conversion,
    pub(crate) back: Conversion,
    pub(crate) or: Option<Constant>,
    pub(crate) or_back: Option<Constant>,
    pub(crate) if_present: bool,
}

/// Where ops within an op are carried out; their paths start there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// On an object.
    Inside,
    /// On every element of a list.
    Each,
    /// On the value of every member of an object.
    EachValue,
}

impl Action {
    pub(crate) fn rename(from: Path, to: Path) -> Result<Self, OpFlaw> {
        apart(&from, &to)?;
        if from.parent() != to.parent() {
            return Err(OpFlaw::OtherObject);
        }
        Ok(Self::Rename { from, to, taken: Taken::Fail })
    }

    pub(crate) fn move_field(from: Path, to: Path) -> Result<Self, OpFlaw> {
        apart(&from, &to)?;
        Ok(Self::Move { from, to, taken: Taken::Fail })
    }

    pub(crate) fn copy(from: Path, to: Path) -> Result<Self, OpFlaw> {
        apart(&from, &to)?;
        Ok(Self::Copy { from, to, taken: Taken::Fail })
    }

    pub(crate) fn add(path: Path, value: Constant) -> Result<Self, OpFlaw> {
        Ok(Self::Add { path: below_root(path)?, value })
    }

    pub(crate) fn remove(path: Path) -> Result<Self, OpFlaw> {
        Ok(Self::Remove { path: below_root(path)?, restore: None, forget: false })
    }

    pub(crate) fn convert(path: Path, to: Conversion) -> Self {
        let back = to.inverse();
        Self::Convert(Box::new(Convert { path, to, back, or: None, or_back: None, if_present: false }))
    }

    pub(crate) fn split(path: Path, separator: &str, into: Vec<Path>) -> Result<Self, OpFlaw> {
        check_parts(&path, separator, &into)?;
        Ok(Self::Split { path, separator: separator.into(), into, taken: Taken::Fail })
    }

    pub(crate) fn join(from: Vec<Path>, separator: &str, to: Path) -> Result<Self, OpFlaw> {
        check_parts(&to, separator, &from)?;
        Ok(Self::Join { from, separator: separator.into(), to, taken: Taken::Fail })
    }

    pub(crate) fn set(path: Path, value: Constant) -> Result<Self, OpFlaw> {
        Ok(Self::Set { path: below_root(path)?, value, when: None })
    }

    pub(crate) fn rename_value(path: Path, from: Constant, to: Constant) -> Result<Self, OpFlaw> {
        if from == to { Err(OpFlaw::Same) } else { Ok(Self::RenameValue { path, from, to }) }
    }

    pub(crate) fn within(place: Place, path: Path, actions: Vec<Self>) -> Result<Self, OpFlaw> {
        let within = Self::Within { place, path, actions };
        if within.nesting() > MAX_NESTING { Err(OpFlaw::TooDeep) } else { Ok(within) }
    }

    fn nesting(&self) -> usize {
        match self {
            Self::Within { actions, .. } => {
                actions.iter().map(Self::nesting).max().unwrap_or_default().saturating_add(1)
            }
            _ => 0,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Rename { .. } => "rename",
            Self::Move { .. } => "move",
            Self::Copy { .. } => "copy",
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
            Self::WrapList { .. } => "wrap_list",
            Self::UnwrapList { .. } => "unwrap_list",
            Self::WrapObject { .. } => "wrap_object",
            Self::UnwrapObject { .. } => "unwrap_object",
            Self::Convert(_) => "convert",
            Self::Split { .. } => "split",
            Self::Join { .. } => "join",
            Self::Trim { .. } => "trim",
            Self::Lowercase { .. } => "lowercase",
            Self::Uppercase { .. } => "uppercase",
            Self::Set { .. } => "set",
            Self::RenameValue { .. } => "rename_value",
            Self::Within { place: Place::Inside, .. } => "inside",
            Self::Within { place: Place::Each, .. } => "each",
            Self::Within { place: Place::EachValue, .. } => "each_value",
        }
    }

    /// The paths at which it may change something, in either direction. What it makes or takes out around them to get there belongs to them.
    pub(crate) fn region(&self) -> Vec<&Path> {
        match self {
            Self::Rename { from, to, .. } | Self::Move { from, to, .. } => vec![from, to],
            Self::Copy { to, .. } => vec![to],
            Self::Add { path, .. }
            | Self::Remove { path, .. }
            | Self::WrapList { path }
            | Self::UnwrapList { path }
            | Self::WrapObject { path, .. }
            | Self::UnwrapObject { path, .. }
            | Self::Trim { path }
            | Self::Lowercase { path }
            | Self::Uppercase { path }
            | Self::Set { path, .. }
            | Self::RenameValue { path, .. }
            | Self::Within { path, .. } => vec![path],
            Self::Convert(convert) => vec![&convert.path],
            Self::Split { path, into: parts, .. } | Self::Join { from: parts, to: path, .. } => {
                std::iter::once(path).chain(parts).collect()
            }
        }
    }

    /// The paths whose values decide what it does.
    pub(crate) fn reads(&self) -> Vec<&Path> {
        match self {
            Self::Copy { from, to, .. } => vec![from, to],
            Self::Set { path, when: Some(when), .. } => std::iter::once(path).chain(when.paths()).collect(),
            _ => self.region(),
        }
    }

    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Rename { taken: Taken::Fail, .. } | Self::Move { taken: Taken::Fail, .. } => Class::Iso,
            Self::WrapObject { .. }
            | Self::WrapList { .. }
            | Self::Copy { taken: Taken::Fail, .. }
            | Self::Add { .. } => Class::DownLossy,
            Self::Remove { .. }
            | Self::UnwrapList { .. }
            | Self::UnwrapObject { .. }
            | Self::Trim { .. }
            | Self::Lowercase { .. }
            | Self::Uppercase { .. }
            | Self::Set { .. } => Class::UpLossy,
            Self::Rename { .. }
            | Self::Move { .. }
            | Self::Copy { .. }
            | Self::Convert(_)
            | Self::Split { .. }
            | Self::Join { .. }
            | Self::RenameValue { .. } => Class::Lossy,
            Self::Within { actions, .. } => {
                actions.iter().map(Self::class).fold(Class::Iso, |one, other| match (one, other) {
                    (Class::Iso, class) | (class, Class::Iso) => class,
                    (one, other) if one == other => one,
                    _ => Class::Lossy,
                })
            }
        }
    }

    /// Whether something of it may be kept nowhere once it has gone up.
    pub(crate) fn forgets(&self) -> bool {
        match self {
            Self::Remove { forget, .. } => *forget,
            Self::Within { actions, .. } => actions.iter().any(Self::forgets),
            _ => false,
        }
    }
}

pub(crate) fn below_root(path: Path) -> Result<Path, OpFlaw> {
    if path.is_root() { Err(OpFlaw::WholeDocument) } else { Ok(path) }
}

fn apart(from: &Path, to: &Path) -> Result<(), OpFlaw> {
    if from.is_root() || to.is_root() {
        Err(OpFlaw::WholeDocument)
    } else if from == to {
        Err(OpFlaw::Same)
    } else if from.overlaps(to) {
        Err(OpFlaw::Within)
    } else {
        Ok(())
    }
}

/// The parts are apart from each other, and from the whole, whose place one of them may take.
fn check_parts(whole: &Path, separator: &str, parts: &[Path]) -> Result<(), OpFlaw> {
    if separator.is_empty() || parts.len() < 2 {
        return Err(OpFlaw::Empty);
    }
    for (position, part) in parts.iter().enumerate() {
        if part != whole {
            apart(whole, part)?;
        }
        for other in parts.iter().skip(position.saturating_add(1)) {
            apart(part, other)?;
        }
    }
    if whole.is_root() { Err(OpFlaw::WholeDocument) } else { Ok(()) }
}
