//! Plans.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::Raw;
#[cfg(test)]
use crate::encoding::body::tally;
use crate::evolution::access::Failed;
use crate::evolution::action::Action;
use crate::evolution::apply::apply;
use crate::evolution::context::StepContext;
use crate::evolution::cross::{cross, cross_function, find_note};
use crate::evolution::fault::{Fault, StepError};
use crate::evolution::forgetting::Spared;
use crate::evolution::function::Function;
use crate::evolution::fusing::fused::Fused;
use crate::evolution::notes::{Notes, OpenComplement, StepNotes};
use crate::evolution::op::Op;
use crate::evolution::step::Step;
use crate::model::stamp::{Fingerprint, Stamp};

/// Steps, compiled for one pair of stamps: inverse steps down to a common ancestor, then steps up. Made once, run for every document
/// between the two.
///
/// A store makes and keeps its plans itself. This is for who wants to bring values along without one.
#[derive(Debug, Clone)]
pub struct Plan {
    from: Stamp,
    to: Stamp,
    crossings: Vec<Crossing>,
    /// What to spare of what other definitions of steps have kept that forget something, below the stamp it leads from.
    left: Vec<Arc<Spared>>,
    /// Some step is undone and then done again, so that what it drops must be kept meanwhile.
    repeats: bool,
    /// All of the ops together, where they can be carried out so. Made when a document is first read by the plan.
    fused: OnceLock<Option<Arc<Fused>>>,
}

/// A step to be carried out, all of whose ops are known.
#[derive(Debug, Clone)]
pub(crate) struct Crossing {
    pub(crate) step: Arc<Step>,
    /// After the step: the first is its own, the others are those it goes by in other definitions, under other names of the kind, and on the branch that the way
    /// comes from.
    pub(crate) fingerprints: Vec<Fingerprint>,
    /// Of the step, if it has one; it can be run in this direction.
    pub(crate) function: Option<Function>,
    pub(crate) up: bool,
    /// Something is forgotten here.
    pub(crate) spared: Option<Arc<Spared>>,
}

impl Plan {
    pub(crate) fn new(from: Stamp, to: Stamp, crossings: Vec<Crossing>, repeats: bool) -> Self {
        Self { from, to, crossings, left: Vec::new(), repeats, fused: OnceLock::new() }
    }

    /// The same plan, for documents of which other definitions of steps may have kept what is to be forgotten.
    pub(crate) fn cleaning(self, left: Vec<Arc<Spared>>) -> Self {
        Self { left, ..self }
    }

    /// Whether other definitions of steps may have kept what is to be forgotten.
    pub(crate) fn cleans(&self) -> bool {
        !self.left.is_empty()
    }

    /// Drops that from a complement.
    pub(crate) fn clean(&self, complement: &mut OpenComplement<'_>) {
        self.left.iter().for_each(|spared| spared.clean_above(complement));
    }

    /// The stamp of the bodies it takes.
    #[must_use]
    pub fn from(&self) -> Stamp {
        self.from
    }

    /// The stamp of the bodies it gives.
    #[must_use]
    pub fn to(&self) -> Stamp {
        self.to
    }

    /// Whether there is nothing to do: the stamps are one, or mean the same shape.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.crossings.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn crossings(&self) -> &[Crossing] {
        &self.crossings
    }

    /// The first step on the way that forgets something.
    pub(crate) fn forgetting(&self) -> Option<&str> {
        self.crossings.iter().find(|crossing| crossing.spared.is_some()).map(|crossing| &*crossing.step.name)
    }

    /// Whether a function on the way may ask about the document.
    pub(crate) fn has_functions(&self) -> bool {
        self.crossings.iter().any(|crossing| crossing.function.is_some())
    }

    /// How many steps are crossed, in either direction.
    #[must_use]
    pub fn len(&self) -> usize {
        self.crossings.len()
    }

    /// Brings `body` from one stamp to the other, in place, without a complement. After an error the body is half done, and to be
    /// discarded: the stored bytes are what counts. Costs what the ops touch; a function costs a conversion of the whole body.
    pub(crate) fn run<'a>(&'a self, body: &mut Node<'a>, context: &StepContext<'_>) -> Result<(), StepError> {
        if self.repeats {
            return self.cross(body, &OpenComplement::default(), true, context).map(drop);
        }
        let mut form = Form { node: body, value: None };
        #[cfg(test)]
        let opening = form.opening();
        run(&self.crossings, &mut form, context)?;
        #[cfg(test)]
        form.opened(opening);
        finish(&self.crossings, form)
    }

    /// As [`run`](Self::run), for a document without a complement that is encoded and shall be, where all ops can be carried out together, which comes to the same:
    /// from bytes to bytes, in one pass. `None` where that is not possible or anything fails; [`run`](Self::run) tells why.
    pub(crate) fn rewrite(&self, body: Raw<'_>, limits: Limits) -> Option<Vec<u8>> {
        let fused = self.fused.get_or_init(|| self.fuse().map(Arc::new));
        fused.as_ref()?.run(body, limits, actions(&self.crossings))
    }

    fn fuse(&self) -> Option<Fused> {
        let fuses = |crossing: &Crossing| {
            let mut ops = crossing.step.ops.iter();
            let takes = ops.all(|op| op.action().is_some_and(Fused::takes));
            crossing.up && crossing.function.is_none() && takes
        };
        let all = !self.repeats && self.crossings.iter().all(fuses);
        all.then(|| Fused::new(actions(&self.crossings))).flatten()
    }

    /// As [`run`](Self::run), for a document with a complement, to be read.
    pub(crate) fn read<'a>(
        &'a self,
        body: &mut Node<'a>,
        complement: &OpenComplement<'a>,
        context: &StepContext<'_>,
    ) -> Result<(), StepError> {
        if complement.is_empty() {
            return self.run(body, context);
        }
        self.cross(body, complement, self.repeats, context).map(drop)
    }

    /// As [`run`](Self::run), for a document that will be written at the other stamp; gives the complement to be written with it.
    /// Costs a few times what `read` does.
    pub(crate) fn write<'a>(
        &'a self,
        body: &mut Node<'a>,
        complement: &OpenComplement<'a>,
        context: &StepContext<'_>,
    ) -> Result<OpenComplement<'a>, StepError> {
        self.cross(body, complement, true, context)
    }

    fn cross<'a>(
        &'a self,
        body: &mut Node<'a>,
        complement: &OpenComplement<'a>,
        keep: bool,
        context: &StepContext<'_>,
    ) -> Result<OpenComplement<'a>, StepError> {
        let none = Notes::new();
        let mut complement = complement.clone();
        self.clean(&mut complement);
        let mut form = Form { node: body, value: None };
        #[cfg(test)]
        let opening = form.opening();
        for Crossing { step, fingerprints, function, up, spared } in &self.crossings {
            let up = *up;
            let is_here = |notes: &StepNotes<'_>| fingerprints.contains(&notes.fingerprint);
            let notes = complement.steps.iter().find(|notes| is_here(notes) && notes.up != up);
            let notes = notes.map_or(&none, |notes| &notes.notes);
            let mut kept = Notes::new();
            let ops = |form: &mut Form<'_, 'a>, kept: &mut Notes<'a>| {
                in_order(step, up, |position| {
                    let number = u32::try_from(position).unwrap_or(u32::MAX);
                    let note = find_note(notes, number);
                    let note =
                        run_op(step, position, form, |action, node| cross(action, up, node, note, keep))?;
                    kept.extend(note.map(|note| (number, note)));
                    Ok(())
                })
            };
            if up {
                ops(&mut form, &mut kept)?;
            }
            if let Some(function) = function {
                let number = u32::try_from(step.ops.len()).unwrap_or(u32::MAX);
                let value = form.value().map_err(|fault| StepError::of(step, fault))?;
                let note = cross_function(function, up, value, context, find_note(notes, number), keep);
                kept.extend(note.map_err(|fault| StepError::of(step, fault))?.map(|note| (number, note)));
            }
            if !up {
                ops(&mut form, &mut kept)?;
            }
            complement.steps.retain(|notes| !is_here(notes));
            if let (false, Some(fingerprint)) = (kept.is_empty(), fingerprints.first().copied()) {
                complement.steps.push(StepNotes { fingerprint, up, notes: kept });
            }
            if let Some(spared) = spared {
                spared.clean(&mut complement);
            }
        }
        #[cfg(test)]
        form.opened(opening);
        finish(&self.crossings, form)?;
        Ok(complement)
    }
}

/// Carries out steps one by one.
fn run<'a>(
    crossings: &'a [Crossing],
    form: &mut Form<'_, 'a>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    for Crossing { step, function, up, .. } in crossings {
        if *up && function.is_none() {
            // By far the most common, and nothing but this.
            let node = form.node().map_err(|fault| StepError::of(step, fault))?;
            for (position, op) in step.ops.iter().enumerate() {
                let action = op.action().ok_or_else(|| StepError::of(step, Fault::Opaque))?;
                apply(action, true, node).map_err(|failed| StepError::in_op(step, position, failed))?;
            }
            continue;
        }
        let ops = |form: &mut Form<'_, 'a>| {
            in_order(step, *up, |position| {
                run_op(step, position, form, |action, node| apply(action, *up, node))
            })
        };
        if *up {
            ops(form)?;
        }
        if let Some(function) = function {
            let value = form.value().map_err(|fault| StepError::of(step, fault))?;
            function.run(*up, value, context).map_err(|fault| StepError::of(step, fault))?;
        }
        if !*up {
            ops(form)?;
        }
    }
    Ok(())
}

fn finish(crossings: &[Crossing], mut form: Form<'_, '_>) -> Result<(), StepError> {
    match (crossings.last(), form.node()) {
        (Some(Crossing { step, .. }), Err(fault)) => Err(StepError::of(step, fault)),
        _ => Ok(()),
    }
}

fn actions(crossings: &[Crossing]) -> impl DoubleEndedIterator<Item = &Action> + Clone {
    crossings.iter().flat_map(|crossing| crossing.step.ops.iter().filter_map(Op::action))
}

fn in_order<E>(step: &Step, up: bool, one: impl FnMut(usize) -> Result<(), E>) -> Result<(), E> {
    let positions = 0..step.ops.len();
    if up { positions.into_iter().try_for_each(one) } else { positions.rev().try_for_each(one) }
}

fn run_op<'a, T>(
    step: &'a Step,
    position: usize,
    form: &mut Form<'_, 'a>,
    work: impl FnOnce(&'a Action, &mut Node<'a>) -> Result<T, Failed>,
) -> Result<T, StepError> {
    let Some(action) = step.ops.get(position).and_then(Op::action) else {
        // A plan is made only of ops that are known.
        return Err(StepError::of(step, Fault::Opaque));
    };
    let node = form.node().map_err(|fault| StepError::of(step, fault))?;
    work(action, node).map_err(|failed| StepError::in_op(step, position, failed))
}

/// The body, in the form last asked for, so that functions in a row share one conversion.
struct Form<'n, 'a> {
    /// Out of date while there is a value.
    node: &'n mut Node<'a>,
    value: Option<Value>,
}

impl<'a> Form<'_, 'a> {
    /// Whether nobody has looked into it.
    #[cfg(test)]
    fn opening(&self) -> bool {
        self.value.is_none() && matches!(self.node, Node::Raw(_))
    }

    /// Counts it, if nobody had looked into it before.
    #[cfg(test)]
    fn opened(&self, opening: bool) {
        if opening && !self.opening() {
            tally::count(tally::Work::Decode);
        }
    }

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
        Self { step: step.name.clone(), op: None, path: fault.path().cloned(), fault }
    }

    #[cold]
    fn in_op(step: &Step, position: usize, Failed { path, fault }: Failed) -> Self {
        let op = step.ops.get(position).map(|op| op.label(position));
        Self { step: step.name.clone(), op, path: Some(path), fault }
    }
}
