//! Ops.

use std::fmt;

use serde_json::Value;

use crate::evolution::action::{Action, Class, Place, Taken};
use crate::evolution::condition::When;
use crate::evolution::constant::Constant;
use crate::evolution::conversion::{Conversion, To};
use crate::evolution::invalid::OpFlaw;
use crate::value::path::{Path, ToPath};

/// One declarative change to a document, as data: recorded in the store, known to be reversible or not, and understood by
/// programs that never heard of the step it belongs to.
///
/// What each op does where its source is absent or null, and where its target is taken, is told in
/// [the documentation of evolution](crate::documentation::evolution).
///
/// A malformed path, or an op that makes no sense, is reported when the [`Evolution`](crate::Evolution) is registered.
#[derive(Clone, PartialEq)]
pub struct Op(pub(crate) Repr);

#[derive(Clone, PartialEq)]
pub(crate) enum Repr {
    Action(Action),
    /// Cannot be registered.
    Flawed(&'static str, OpFlaw),
    /// Recorded by a release that knows more ops than this one.
    Opaque(Value),
}

/// Where fields are.
impl Op {
    /// The field at `from` is called `to`, in the same object: both are paths from the document's root.
    ///
    /// ```
    /// # use pivotdb::Op;
    /// Op::rename("contact.tel", "contact.phone");
    /// ```
    pub fn rename(from: impl ToPath, to: impl ToPath) -> Self {
        Self::checked("rename", || Action::rename(from.to_path()?, to.to_path()?))
    }

    /// What is at `from` is at `to`, in another object, which is made where there is none.
    ///
    /// ```
    /// # use pivotdb::Op;
    /// Op::move_field("phone", "contact.phone");
    /// ```
    pub fn move_field(from: impl ToPath, to: impl ToPath) -> Self {
        Self::checked("move", || Action::move_field(from.to_path()?, to.to_path()?))
    }

    /// What is at `from` is at `to` as well.
    ///
    /// ```
    /// # use pivotdb::Op;
    /// Op::copy("created", "updated");
    /// ```
    pub fn copy(from: impl ToPath, to: impl ToPath) -> Self {
        Self::checked("copy", || Action::copy(from.to_path()?, to.to_path()?))
    }

    /// There is something at `path`: `value`, where there was nothing. What is there already stays.
    ///
    /// ```
    /// # use pivotdb::Op;
    /// Op::add("contact.verified", false);
    /// ```
    pub fn add(path: impl ToPath, value: impl Into<Value>) -> Self {
        Self::checked("add", || Action::add(path.to_path()?, Constant::new(value.into())?))
    }

    /// Takes out what is at `path`. Documents inserted since lack the field in programs from before the step, unless it is [`restoring`](Self::restoring).
    ///
    /// ```
    /// # use pivotdb::Op;
    /// Op::remove("contact.fax");
    /// Op::remove("social_security_number").forget();
    /// ```
    pub fn remove(path: impl ToPath) -> Self {
        Self::checked("remove", || Action::remove(path.to_path()?))
    }

    /// Where the target of a rename, a move, a copy, a split or a join is taken, this happens. [`Taken::Fail`] if nothing is said.
    ///
    /// ```
    /// # use pivotdb::{Op, Taken};
    /// Op::rename("nick", "nickname").if_taken(Taken::Keep);
    /// ```
    #[must_use]
    pub fn if_taken(self, policy: Taken) -> Self {
        self.changed(|action| match action {
            Action::Rename { taken, .. }
            | Action::Move { taken, .. }
            | Action::Copy { taken, .. }
            | Action::Split { taken, .. }
            | Action::Join { taken, .. } => {
                *taken = policy;
                Ok(())
            }
            _ => {
                Err(OpFlaw::Modifier { name: "if_taken", of: "a rename, a move, a copy, a split or a join" })
            }
        })
    }

    /// Going down, a remove puts `value` where nothing better is known.
    #[must_use]
    pub fn restoring(self, value: impl Into<Value>) -> Self {
        self.changed(|action| match action {
            Action::Remove { restore, .. } => {
                *restore = Some(Constant::new(value.into())?);
                Ok(())
            }
            _ => Err(OpFlaw::Modifier { name: "restoring", of: "a remove" }),
        })
    }

    /// What a remove takes out is kept nowhere, and what was kept of it before is dropped: programs from before the step get a document without it.
    #[must_use]
    pub fn forget(self) -> Self {
        self.changed(|action| match action {
            Action::Remove { forget, .. } => {
                *forget = true;
                Ok(())
            }
            _ => Err(OpFlaw::Modifier { name: "forget", of: "a remove" }),
        })
    }
}

/// What shape values have.
impl Op {
    /// The value at `path` is the one element of a list.
    pub fn wrap_list(path: impl ToPath) -> Self {
        Self::checked("wrap_list", || Ok(Action::WrapList { path: path.to_path()? }))
    }

    /// The first element of the list at `path` is there instead of the list.
    pub fn unwrap_list(path: impl ToPath) -> Self {
        Self::checked("unwrap_list", || Ok(Action::UnwrapList { path: path.to_path()? }))
    }

    /// The value at `path` is the member `name` of an object.
    pub fn wrap_object(path: impl ToPath, name: &str) -> Self {
        Self::checked("wrap_object", || Ok(Action::WrapObject { path: path.to_path()?, name: name.into() }))
    }

    /// The member `name` of the object at `path` is there instead of the object.
    pub fn unwrap_object(path: impl ToPath, name: &str) -> Self {
        Self::checked("unwrap_object", || {
            Ok(Action::UnwrapObject { path: path.to_path()?, name: name.into() })
        })
    }

    /// `ops` are carried out on the object at `path`, where there is one; their paths start there.
    ///
    /// ```
    /// # use pivotdb::Op;
    /// // Only for who has an address; `Op::add("address.country", "NL")` would give everybody one.
    /// Op::inside("address", [Op::add("country", "NL")]);
    /// ```
    pub fn inside(path: impl ToPath, ops: impl IntoIterator<Item = Self>) -> Self {
        Self::within("inside", Place::Inside, &path, ops)
    }

    /// `ops` are carried out on every element of the list at `path`; their paths start at the element, which is `""`.
    ///
    /// ```
    /// # use pivotdb::Op;
    /// Op::each("lines", [Op::rename("cost", "price"), Op::add("count", 1)]);
    /// Op::each("tags", [Op::lowercase("")]);
    /// ```
    pub fn each(path: impl ToPath, ops: impl IntoIterator<Item = Self>) -> Self {
        Self::within("each", Place::Each, &path, ops)
    }

    /// `ops` are carried out on the value of every member of the object at `path`; their paths start at the value, which is `""`.
    pub fn each_value(path: impl ToPath, ops: impl IntoIterator<Item = Self>) -> Self {
        Self::within("each_value", Place::EachValue, &path, ops)
    }

    fn within(
        name: &'static str,
        place: Place,
        path: &impl ToPath,
        ops: impl IntoIterator<Item = Self>,
    ) -> Self {
        Self::checked(name, || {
            let actions = ops.into_iter().map(|op| match op.0 {
                Repr::Action(action) => Ok(action),
                Repr::Flawed(_, flaw) => Err(flaw),
                Repr::Opaque(_) => Err(OpFlaw::Unknown),
            });
            Action::within(place, path.to_path()?, actions.collect::<Result<_, _>>()?)
        })
    }
}

/// What values are.
impl Op {
    /// The value at `path` has another type. A value that is not convertible is an error, unless there is an [`or`](Self::or).
    ///
    /// ```
    /// # use pivotdb::{Op, Time, To};
    /// Op::convert("age", To::Integer).or(0);
    /// Op::convert("created", To::Time { from: Time::Rfc3339, to: Time::EpochMillis });
    /// Op::convert("grade", To::table([("A", 1), ("B", 2)])).or(3).or_back("C");
    /// ```
    pub fn convert(path: impl ToPath, to: To) -> Self {
        Self::checked("convert", || Ok(Action::convert(path.to_path()?, Conversion::new(to)?)))
    }

    /// Going up, a convert makes `value` of what is not convertible, null or absent.
    #[must_use]
    pub fn or(self, value: impl Into<Value>) -> Self {
        self.changed(|action| match action {
            Action::Convert(convert) => {
                convert.or = Some(Constant::new(value.into())?);
                Ok(())
            }
            _ => Err(OpFlaw::Modifier { name: "or", of: "a convert" }),
        })
    }

    /// Going down, a convert makes `value` of what is not convertible.
    #[must_use]
    pub fn or_back(self, value: impl Into<Value>) -> Self {
        self.changed(|action| match action {
            Action::Convert(convert) => {
                convert.or_back = Some(Constant::new(value.into())?);
                Ok(())
            }
            _ => Err(OpFlaw::Modifier { name: "or_back", of: "a convert" }),
        })
    }

    /// A convert leaves alone what is null or absent, whatever its [`or`](Self::or) says.
    #[must_use]
    pub fn if_present(self) -> Self {
        self.changed(|action| match action {
            Action::Convert(convert) => {
                convert.if_present = true;
                Ok(())
            }
            _ => Err(OpFlaw::Modifier { name: "if_present", of: "a convert" }),
        })
    }

    /// Going down, a convert converts to this. If nothing is said: numbers and bools to text, texts to numbers, times and tables the
    /// other way round.
    #[must_use]
    pub fn back(self, to: To) -> Self {
        self.changed(|action| match action {
            Action::Convert(convert) => {
                convert.back = Conversion::new(to)?;
                Ok(())
            }
            _ => Err(OpFlaw::Modifier { name: "back", of: "a convert" }),
        })
    }

    /// The text at `path` is split at `separator` into as many texts as there are paths in `into`; the last gets the rest.
    ///
    /// ```
    /// # use pivotdb::Op;
    /// Op::split("name", " ", ["first", "last"]);
    /// ```
    pub fn split<P: ToPath>(path: impl ToPath, separator: &str, into: impl IntoIterator<Item = P>) -> Self {
        Self::checked("split", || {
            let into = into.into_iter().map(|path| path.to_path()).collect::<Result<_, _>>()?;
            Action::split(path.to_path()?, separator, into)
        })
    }

    /// The texts at `from` that are not empty are one text, with `separator` between them.
    ///
    /// ```
    /// # use pivotdb::Op;
    /// Op::join(["street", "number"], " ", "address");
    /// ```
    pub fn join<P: ToPath>(from: impl IntoIterator<Item = P>, separator: &str, to: impl ToPath) -> Self {
        Self::checked("join", || {
            let from = from.into_iter().map(|path| path.to_path()).collect::<Result<_, _>>()?;
            Action::join(from, separator, to.to_path()?)
        })
    }

    /// The text at `path` has no white space around it.
    pub fn trim(path: impl ToPath) -> Self {
        Self::checked("trim", || Ok(Action::Trim { path: path.to_path()? }))
    }

    /// The text at `path` is in lower case.
    pub fn lowercase(path: impl ToPath) -> Self {
        Self::checked("lowercase", || Ok(Action::Lowercase { path: path.to_path()? }))
    }

    /// The text at `path` is in upper case.
    pub fn uppercase(path: impl ToPath) -> Self {
        Self::checked("uppercase", || Ok(Action::Uppercase { path: path.to_path()? }))
    }

    /// There is `value` at `path`, whatever was there; [`when`](Self::when) says in which documents.
    ///
    /// ```
    /// # use pivotdb::{Op, When};
    /// Op::set("status", "closed").when(When::present("closed_at"));
    /// ```
    pub fn set(path: impl ToPath, value: impl Into<Value>) -> Self {
        Self::checked("set", || Action::set(path.to_path()?, Constant::new(value.into())?))
    }

    /// A set is carried out where this holds.
    #[must_use]
    pub fn when(self, condition: When) -> Self {
        self.changed(|action| match action {
            Action::Set { when, .. } => {
                *when = Some(condition.0?);
                Ok(())
            }
            _ => Err(OpFlaw::Modifier { name: "when", of: "a set" }),
        })
    }

    /// Where the value at `path` is `from`, it is `to`.
    ///
    /// ```
    /// # use pivotdb::Op;
    /// Op::rename_value("status", "cancelled", "canceled");
    /// ```
    pub fn rename_value(path: impl ToPath, from: impl Into<Value>, to: impl Into<Value>) -> Self {
        Self::checked("rename_value", || {
            Action::rename_value(path.to_path()?, Constant::new(from.into())?, Constant::new(to.into())?)
        })
    }
}

/// What is known of an op.
impl Op {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.0 {
            Repr::Action(action) => action.name(),
            Repr::Flawed(name, _) => name,
            Repr::Opaque(_) => "opaque",
        }
    }

    /// Which way it loses something; `None` where it is not understood.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        self.action().map(Action::class)
    }

    /// The paths whose values decide what it does. The whole document where it is not understood.
    #[must_use]
    pub fn reads(&self) -> Vec<Path> {
        self.action()
            .map_or_else(|| vec![Path::root()], |action| action.reads().into_iter().cloned().collect())
    }

    /// The paths at which it may change something, in either direction. The whole document where it is not understood.
    #[must_use]
    pub fn writes(&self) -> Vec<Path> {
        self.action()
            .map_or_else(|| vec![Path::root()], |action| action.region().into_iter().cloned().collect())
    }

    /// Whether it takes out what is at `field`, and puts nothing there on the way back.
    pub(crate) fn removes(&self, field: &Path) -> bool {
        matches!(self.action(), Some(Action::Remove { path, restore: None, .. }) if path == field)
    }

    pub(crate) fn action(&self) -> Option<&Action> {
        match &self.0 {
            Repr::Action(action) => Some(action),
            Repr::Flawed(..) | Repr::Opaque(_) => None,
        }
    }

    /// How errors call the op at `position` in its step, counted from 0.
    pub(crate) fn label(&self, position: usize) -> String {
        format!("{} ({})", position.saturating_add(1), self.name())
    }

    fn checked(name: &'static str, action: impl FnOnce() -> Result<Action, OpFlaw>) -> Self {
        Self(action().map_or_else(|flaw| Repr::Flawed(name, flaw), Repr::Action))
    }

    fn changed(mut self, change: impl FnOnce(&mut Action) -> Result<(), OpFlaw>) -> Self {
        if let Repr::Action(action) = &mut self.0
            && let Err(flaw) = change(action)
        {
            self.0 = Repr::Flawed(action.name(), flaw);
        }
        self
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Action(action) => action.fmt(f),
            Repr::Flawed(name, flaw) => f.debug_tuple("Flawed").field(name).field(flaw).finish(),
            Repr::Opaque(json) => f.debug_tuple("Opaque").field(json).finish(),
        }
    }
}
