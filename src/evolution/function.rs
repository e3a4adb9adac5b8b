//! Steps written in Rust.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::Value;

use crate::evolution::context::StepContext;
use crate::evolution::fault::{Cause, Fault};

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
}

impl Function {
    /// The function that brings a body up one schema version. It gives `()`, or a `Result<(), E>` with any error.
    pub fn new<F, O>(identity: &str, up: F) -> Self
    where
        F: Fn(&mut Value, &StepContext<'_>) -> O + Send + Sync + 'static,
        O: Outcome,
    {
        let up = move |body: &mut Value, context: &StepContext<'_>| up(body, context).into_result();
        Self { identity: identity.into(), up: Arc::new(up), down: None }
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

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.identity == other.identity && Arc::ptr_eq(&self.up, &other.up)
    }

    pub(crate) fn run(&self, up: bool, body: &mut Value, context: &StepContext<'_>) -> Result<(), Fault> {
        let function = if up { Some(&self.up) } else { self.down.as_ref() }.ok_or(Fault::NoDowncast)?;
        // What the closure leaves half done is discarded together with the body it was given.
        catch_unwind(AssertUnwindSafe(|| function(body, context)))
            .map_err(|panic| Fault::Panicked { message: message_of(&*panic) })?
            .map_err(Fault::Function)
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
