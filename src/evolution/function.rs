//! Steps written in Rust.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::Value;

use crate::evolution::context::StepContext;
use crate::evolution::fault::{Cause, Fault};
use crate::evolution::invalid::PathsFlaw;
use crate::evolution::part::Part;
use crate::value::path::{Path, ToPath};

type Body = dyn Fn(&mut Value, &StepContext<'_>) -> Result<(), Cause> + Send + Sync;

/// What a step does, written in Rust, for what no [`Op`](crate::Op) expresses.
///
/// Rust cannot compare two closures, so a function has an *identity*: a name for what it does. It is part of the
/// step's fingerprint. Give it a new identity when you change what it does (`"split address, 2"`), and only then: a program
/// that has a function with the same identity is trusted to do the same.
///
/// A function depends on nothing but what it is given, and leaves alone what it does not know. Its panics become errors. With a
/// [downcast](Function::down) documents that have crossed it can be read in a shape from before it, by programs that have the function.
///
/// ```
/// use pivotdb::{Evolution, Function};
///
/// let evolution = Evolution::new().step(
///     "one price",
///     Function::new("sum of net and tax", |order, _| {
///         let sum = order["net"].as_i64().zip(order["tax"].as_i64()).map(|(net, tax)| net + tax);
///         order["price"] = sum.ok_or("net and tax must be integers")?.into();
///         Ok::<(), &str>(())
///     })
///     .down(|order, _| {
///         if let Some(order) = order.as_object_mut() {
///             order.remove("price");
///         }
///     }),
/// );
/// assert_eq!(evolution.schema_version(), 2);
/// ```
#[derive(Clone)]
pub struct Function {
    identity: Arc<str>,
    up: Arc<Body>,
    down: Option<Arc<Body>>,
    on: Option<Result<Part, PathsFlaw>>,
}

impl Function {
    /// The function that brings a body up one schema version. It gives `()`, or a `Result<(), E>` with any error.
    pub fn new<F, O>(identity: &str, up: F) -> Self
    where
        F: Fn(&mut Value, &StepContext<'_>) -> O + Send + Sync + 'static,
        O: Outcome,
    {
        let up = move |body: &mut Value, context: &StepContext<'_>| up(body, context).into_result();
        Self { identity: identity.into(), up: Arc::new(up), down: None, on: None }
    }

    /// The same function with a way back, which brings a body down one schema version.
    #[must_use]
    pub fn down<F, O>(mut self, down: F) -> Self
    where
        F: Fn(&mut Value, &StepContext<'_>) -> O + Send + Sync + 'static,
        O: Outcome,
    {
        let down = move |body: &mut Value, context: &StepContext<'_>| down(body, context).into_result();
        self.down = Some(Arc::new(down));
        self
    }

    /// The same function, declared to read and write nothing but what is at these paths, none of which is within another. What is said last counts.
    ///
    /// So it is: in both directions it is given an object with only what is at the paths, each in its place, and what it leaves there is put back. What is absent is absent
    /// there too, and so is what is within a list, or has a list or a scalar on the way. If it leaves anything elsewhere, or something that has no place in the
    /// document, that document gives [`StepFailed`](crate::ErrorKind::StepFailed), with the path. [Typed](Function::typed) functions are given the same: their types have those members alone.
    ///
    /// An index that is on none of the paths goes on over the step without being built again. What [is forgotten](crate::Op::forget) above the step is only looked for at the
    /// paths, if it has been there, and not everywhere.
    ///
    /// The paths are not part of the step's fingerprint, and are not kept in the store: programs may differ in them. But a function that so far has read or written something else does
    /// something else from now on: give it a new identity.
    ///
    /// ```
    /// use pivotdb::{Complement, Evolution, Function, Plan, StepContext};
    /// use serde_json::json;
    ///
    /// let initials = Function::new("initials", |user, _| {
    ///     let first = |name: &str| user["name"][name].as_str().and_then(|name| name.chars().next());
    ///     user["initials"] = first("first").into_iter().chain(first("last")).collect::<String>().into();
    /// });
    /// let evolution = Evolution::new().step("initials", initials.on(["name", "initials"]));
    /// let plan = Plan::between(&evolution, "user", 1, 2)?;
    /// let ada = json!({"name": {"first": "Ada", "last": "Byron"}, "age": 36});
    /// let (ada, _) = plan.apply_keeping(ada, &Complement::empty(), &StepContext::new("user", &1.into()))?;
    /// assert_eq!(ada, json!({"name": {"first": "Ada", "last": "Byron"}, "age": 36, "initials": "AB"}));
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    #[must_use]
    pub fn on<P: ToPath>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.on = Some(Part::new(paths));
        self
    }

    /// Its name.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether there is a way back.
    #[must_use]
    pub fn has_down(&self) -> bool {
        self.down.is_some()
    }

    /// The paths it is [declared on](Function::on); `None` where it is not.
    #[must_use]
    pub fn paths(&self) -> Option<&[Path]> {
        self.on.as_ref()?.as_ref().ok().map(Part::paths)
    }

    /// Why it cannot be declared on these paths.
    pub(crate) fn flaw(&self) -> Option<&PathsFlaw> {
        self.on.as_ref()?.as_ref().err()
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.identity == other.identity && self.on == other.on && Arc::ptr_eq(&self.up, &other.up)
    }

    pub(crate) fn run(&self, up: bool, body: &mut Value, context: &StepContext<'_>) -> Result<(), Fault> {
        let function = if up { Some(&self.up) } else { self.down.as_ref() }.ok_or(Fault::NoDowncast)?;
        let run = |body: &mut Value| {
            // What the closure leaves half done is discarded together with the body it was given.
            catch_unwind(AssertUnwindSafe(|| function(body, context)))
                .map_err(|panic| Fault::Panicked { message: message_of(&*panic) })?
                .map_err(Fault::Function)
        };
        match &self.on {
            Some(Ok(part)) => part.change(body, up, run),
            // Those with a flaw are refused.
            Some(Err(_)) | None => run(body),
        }
    }
}

fn message_of(panic: &(dyn Any + Send)) -> Box<str> {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("not a text").into()
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("identity", &self.identity)
            .field("down", &self.has_down())
            .field("on", &self.paths())
            .finish_non_exhaustive()
    }
}

/// What a [`Function`]'s closure may give: nothing, or a result.
pub trait Outcome {
    /// The result.
    ///
    /// # Errors
    /// Those of the closure.
    fn into_result(self) -> Result<(), Box<dyn StdError + Send + Sync>>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), Cause> {
        Ok(())
    }
}

impl<E: Into<Cause>> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), Cause> {
        self.map_err(Into::into)
    }
}
