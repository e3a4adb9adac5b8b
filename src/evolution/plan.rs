//! Plans.

use std::sync::Arc;

use serde_json::Value;

use crate::encoding::body::node::Node;
use crate::evolution::apply::apply;
use crate::evolution::context::StepContext;
use crate::evolution::fault::{Fault, StepError};
use crate::evolution::function::Function;
use crate::evolution::op::Repr;
use crate::evolution::step::Step;
use crate::model::stamp::Stamp;

/// Steps, compiled for one pair of stamps: inverse steps down to a common ancestor, then steps up. Made once by
/// [`History::plan`](crate::evolution::history::History::plan), run for every document between the two.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    from: Stamp,
    to: Stamp,
    crossings: Vec<Crossing>,
}

/// A step to be carried out, all of whose ops are known.
#[derive(Debug, Clone)]
pub(crate) struct Crossing {
    pub(crate) step: Arc<Step>,
    /// Of the step, if it has one; it can be run in this direction.
    pub(crate) function: Option<Function>,
    pub(crate) up: bool,
}

impl Plan {
    pub(crate) fn new(from: Stamp, to: Stamp, crossings: Vec<Crossing>) -> Self {
        Self { from, to, crossings }
    }

    /// The stamp of the bodies it takes.
    pub(crate) fn from(&self) -> Stamp {
        self.from
    }

    /// The stamp of the bodies it gives.
    pub(crate) fn to(&self) -> Stamp {
        self.to
    }

    /// Whether there is nothing to do: both stamps are the same.
    pub(crate) fn is_empty(&self) -> bool {
        self.crossings.is_empty()
    }

    /// How many steps are crossed, in either direction.
    pub(crate) fn len(&self) -> usize {
        self.crossings.len()
    }

    /// Brings `body` from one stamp to the other, in place. After an error the body is half done, and to be discarded: the
    /// stored bytes are what counts. Costs what the ops touch; a function costs a conversion of the whole body.
    pub(crate) fn run<'a>(&'a self, body: &mut Node<'a>, context: &StepContext<'_>) -> Result<(), StepError> {
        let mut form = Form { node: body, value: None };
        for Crossing { step, function, up } in &self.crossings {
            if *up {
                for position in 0..step.ops.len() {
                    run_op(step, position, true, &mut form)?;
                }
            }
            if let Some(function) = function {
                let value = form.value().map_err(|fault| StepError::of(step, fault))?;
                function.run(*up, value, context).map_err(|fault| StepError::of(step, fault))?;
            }
            if !*up {
                for position in (0..step.ops.len()).rev() {
                    run_op(step, position, false, &mut form)?;
                }
            }
        }
        match (self.crossings.last(), form.node()) {
            (Some(Crossing { step, .. }), Err(fault)) => Err(StepError::of(step, fault)),
            _ => Ok(()),
        }
    }
}

fn run_op<'a>(step: &'a Step, position: usize, up: bool, form: &mut Form<'_, 'a>) -> Result<(), StepError> {
    let Some(op) = step.ops.get(position) else { return Ok(()) };
    let Repr::Action(action) = &op.0 else { return Err(StepError::of(step, Fault::Opaque)) };
    let error =
        |path, fault| StepError { step: step.name.clone(), op: Some(op.label(position)), path, fault };
    let node = form.node().map_err(|fault| StepError::of(step, fault))?;
    apply(action, up, node).map_err(|failed| error(Some(failed.path), failed.fault))
}

/// The body, in the form last asked for, so that functions in a row share one conversion.
struct Form<'n, 'a> {
    /// Out of date while there is a value.
    node: &'n mut Node<'a>,
    value: Option<Value>,
}

impl<'a> Form<'_, 'a> {
    fn node(&mut self) -> Result<&mut Node<'a>, Fault> {
        if let Some(value) = self.value.take() {
            self.node.absorb_value(value)?;
        }
        Ok(self.node)
    }

    fn value(&mut self) -> Result<&mut Value, Fault> {
        match &mut self.value {
            Some(value) => Ok(value),
            empty => Ok(empty.insert(self.node.to_value()?)),
        }
    }
}

impl StepError {
    fn of(step: &Step, fault: Fault) -> Self {
        Self { step: step.name.clone(), op: None, path: None, fault }
    }
}
