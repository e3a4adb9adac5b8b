//! What may still be kept of a document once a step has forgotten something.

use std::collections::HashMap;

use crate::evolution::action::{Action, Place};
use crate::evolution::notes::{Note, Notes, OpenComplement, StepNotes};
use crate::evolution::step::{Code, Step};
use crate::model::stamp::Fingerprint;
use crate::value::path::Path;

/// The notes that cannot hold any of what has been forgotten, by definition of a step. All others are dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spared(HashMap<Fingerprint, Kept>);

/// Of the notes of a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kept {
    /// All. The step is above the one that forgets: what it has seen had been forgotten before.
    Above,
    /// Those of these ops.
    Of(Positions),
}

/// By position; a function's is the number of ops.
pub(crate) type Positions = Vec<(u32, Reach)>;

/// How much of an op's note.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reach {
    Whole,
    /// The members that a function has kept, but not a body that it has kept as a whole.
    Members,
    /// What ops within it have kept.
    Within(Positions),
}

impl Spared {
    /// Of the definition of a step that has this fingerprint.
    pub(crate) fn insert(&mut self, fingerprint: Fingerprint, kept: Kept) {
        self.0.insert(fingerprint, kept);
    }

    /// Drops what is not spared, as a document crosses the step that forgets.
    pub(crate) fn clean(&self, complement: &mut OpenComplement<'_>) {
        // A step that the document has yet to cross can have kept something only on its way down.
        complement.steps.retain_mut(|notes| self.spares(notes, false));
    }

    /// Drops what is not spared of what is kept of a document that is past the step.
    pub(crate) fn clean_above(&self, complement: &mut OpenComplement<'_>) {
        complement.steps.retain_mut(|notes| self.spares(notes, true));
    }

    /// Whether anything is left.
    fn spares(&self, StepNotes { fingerprint, up, notes }: &mut StepNotes<'_>, past: bool) -> bool {
        match self.0.get(fingerprint) {
            Some(Kept::Above) => past || !*up,
            Some(Kept::Of(positions)) => clean(notes, positions),
            None => false,
        }
    }
}

/// Drops all notes but those at `spared`; whether anything is left.
fn clean(notes: &mut Notes<'_>, spared: &Positions) -> bool {
    notes.retain_mut(|(position, note)| {
        let reach = spared.iter().find(|(spared, _)| spared == position).map(|(_, reach)| reach);
        match (reach, note) {
            (None, _) => false,
            (Some(Reach::Whole), _) => true,
            (Some(Reach::Members), note) => !matches!(note, Note::Body { .. }),
            (Some(Reach::Within(spared)), Note::Inside(notes)) => clean(notes, spared),
            (Some(Reach::Within(spared)), Note::Each(elements)) => {
                elements.retain_mut(|(_, _, notes)| clean(notes, spared));
                !elements.is_empty()
            }
            (Some(Reach::Within(spared)), Note::EachValue(members)) => {
                members.retain_mut(|(_, notes)| clean(notes, spared));
                !members.is_empty()
            }
            (Some(Reach::Within(_)), Note::Paths { .. } | Note::Members { .. } | Note::Body { .. }) => false,
        }
    });
    !notes.is_empty()
}

/// The places where some of what will be forgotten may be, in documents of one shape.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Suspects(Vec<Spot>);

/// A path in which some names are any name.
type Spot = Vec<Option<Box<str>>>;

impl Suspects {
    /// From after a step to before it: wherever something that an op put in a suspect place may have come from is suspect, and before a function
    /// everything, or if it is declared on paths and one of them is suspect, all of these. With `forgets`, this is the step that forgets.
    pub(crate) fn trace_back(&mut self, step: &Step, forgets: bool) {
        self.cross_function(&step.code);
        for op in step.ops.iter().rev() {
            match op.action() {
                Some(action) => self.action_back(action, &Spot::new(), forgets),
                None => self.suspect_everything(),
            }
        }
    }

    /// From before a step to after it: wherever an op that reads or writes a suspect place puts something is suspect, but for what it takes away, and after a function
    /// everything, or all of its paths as above. Gives the notes of the step that cannot hold any of it.
    pub(crate) fn trace_on(&mut self, step: &Step, forgets: bool) -> Positions {
        let mut spared = Positions::new();
        for (position, op) in step.ops.iter().enumerate() {
            let reach = match op.action() {
                Some(action) => self.action_on(action, &Spot::new(), forgets),
                None => {
                    self.suspect_everything();
                    None
                }
            };
            spared.extend(reach.map(|reach| (number(position), reach)));
        }
        if step.code.identity().is_some() {
            // It keeps members of the document as a whole, with what is beside its paths.
            let kept = step.code.region().map(|region| region.iter().map(|path| path.prefix(1)));
            let spots = kept.map(|paths| paths.map(|path| spot(&Spot::new(), &path)).collect::<Vec<_>>());
            if !spots.map_or(!self.0.is_empty(), |spots| self.meets(&spots)) {
                let reach = if self.0.is_empty() { Reach::Whole } else { Reach::Members };
                spared.push((number(step.ops.len()), reach));
            }
            self.cross_function(&step.code);
        }
        spared
    }

    /// In either direction.
    fn cross_function(&mut self, code: &Code) {
        let Some(region) = code.region() else { return self.suspect_everything() };
        let spots: Vec<_> = region.iter().map(|path| spot(&Spot::new(), path)).collect();
        if self.meets(&spots) {
            self.suspect(spots);
        }
    }

    /// What either of the two suspects.
    pub(crate) fn join(&mut self, other: Self) {
        self.suspect(other.0);
    }

    fn action_back(&mut self, action: &Action, scope: &Spot, forgets: bool) {
        if let Action::Within { place, path, actions } = action {
            let scope = scope_within(scope, *place, path);
            actions.iter().rev().for_each(|action| self.action_back(action, &scope, forgets));
            return;
        }
        let written: Vec<_> = action.region().into_iter().map(|path| spot(scope, path)).collect();
        if forgets && action.forgets() {
            self.suspect(written);
        } else if self.meets(&written) {
            self.suspect(written);
            self.suspect(source(action).map(|path| spot(scope, path)));
        }
    }

    fn action_on(&mut self, action: &Action, scope: &Spot, forgets: bool) -> Option<Reach> {
        if let Action::Within { place, path, actions } = action {
            let scope = scope_within(scope, *place, path);
            // Going down, what another definition has kept comes back before the digest is taken.
            let met = !forgets && self.meets(std::slice::from_ref(&scope));
            let mut spared = Positions::new();
            for (position, action) in actions.iter().enumerate() {
                let reach = self.action_on(action, &scope, forgets);
                spared.extend(reach.map(|reach| (number(position), reach)));
            }
            // What tells that an element is still the same is a digest of all of it.
            let digested = *place == Place::Each && (met || self.meets(&[scope]));
            return (!digested && !spared.is_empty()).then_some(Reach::Within(spared));
        }
        let written: Vec<_> = action.region().into_iter().map(|path| spot(scope, path)).collect();
        if matches!(action, Action::Remove { .. }) {
            let met = self.meets(&written);
            // It is there no longer: only the note, if there is one, has it.
            self.0.retain(|suspect| !written.iter().any(|written| covers(written, suspect)));
            return (!(met || forgets && action.forgets())).then_some(Reach::Whole);
        }
        let read: Vec<_> = source(action).map(|path| spot(scope, path)).into_iter().collect();
        if !self.meets(&written) && !self.meets(&read) {
            return Some(Reach::Whole);
        }
        self.suspect(written);
        None
    }

    fn meets(&self, spots: &[Spot]) -> bool {
        self.0.iter().any(|suspect| spots.iter().any(|spot| overlap(suspect, spot)))
    }

    fn suspect(&mut self, spots: impl IntoIterator<Item = Spot>) {
        for spot in spots {
            if !self.0.iter().any(|suspect| covers(suspect, &spot)) {
                self.0.push(spot);
            }
        }
    }

    /// If there is anything to suspect.
    fn suspect_everything(&mut self) {
        if !self.0.is_empty() {
            self.0 = vec![Spot::new()];
        }
    }
}

/// What an op reads, besides what it writes, that may be in what it writes. A condition is not.
fn source(action: &Action) -> Option<&Path> {
    match action {
        Action::Copy { from, .. } => Some(from),
        _ => None,
    }
}

fn spot(scope: &Spot, path: &Path) -> Spot {
    scope.iter().cloned().chain(path.names().map(|name| Some(name.into()))).collect()
}

fn scope_within(scope: &Spot, place: Place, path: &Path) -> Spot {
    let mut scope = spot(scope, path);
    match place {
        Place::Inside => {}
        Place::Each | Place::EachValue => scope.push(None),
    }
    scope
}

/// Whether one of the two may be the other, or within it.
fn overlap(one: &Spot, other: &Spot) -> bool {
    one.iter().zip(other).all(|(one, other)| one.is_none() || other.is_none() || one == other)
}

/// Whether whatever is at `inner` is at `outer`, or within it.
fn covers(outer: &Spot, inner: &Spot) -> bool {
    outer.len() <= inner.len()
        && outer.iter().zip(inner).all(|(outer, inner)| outer.is_none() || outer == inner)
}

fn number(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
