//! How documents of a shape are rewritten.

use crate::encoding::body::limits::Limits;
use crate::encoding::body::locate::{Found, Fragment};
use crate::encoding::body::members::Members;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::{Kind, Raw};
use crate::encoding::body::writer::Writer;
use crate::evolution::action::Action;
use crate::evolution::apply::apply;
use crate::evolution::conversion::Conversion;
use crate::evolution::fusing::layout::Layout;
use crate::evolution::fusing::trace::{Change, Mark, Marks};

/// What ops make of every document of one shape.
#[derive(Debug)]
pub(super) struct Recipe {
    body: Value,
    /// What an op changed and a later one dropped: it must have been possible.
    dropped: Vec<Changed>,
    /// How many bytes it adds, about.
    added: usize,
}

#[derive(Debug)]
enum Value {
    /// As in the document.
    Slot {
        slot: usize,
        /// It may lie deeper than in the document.
        deeper: bool,
    },
    Changed(Changed),
    /// Encoded.
    Constant(Box<[u8]>),
    /// Made by the ops.
    Made(Vec<Piece>),
    /// An object of the document.
    Kept(Box<Kept>),
}

/// The value of a slot, and what is done to it.
#[derive(Debug)]
struct Changed {
    slot: usize,
    actions: Vec<Action>,
    /// From this action on, an integer is an integer to each of them or becomes its digits, which become the same integer again: only
    /// the last one counts.
    numeric: usize,
    /// An integer is left as it is by the last one.
    integers: bool,
}

#[derive(Debug)]
struct Kept {
    object: usize,
    /// The object's first slot.
    first: usize,
    /// By slot: what stands in its place.
    places: Vec<InPlace>,
    /// What stands after all that was there.
    end: Vec<Piece>,
}

#[derive(Debug)]
enum InPlace {
    Same,
    Nothing,
    Other(Piece),
}

/// Some members of an object: encoded, and then perhaps the value of one whose key has been the last.
#[derive(Debug, Default)]
struct Piece {
    encoded: Fragment,
    value: Option<Value>,
}

/// A document, as far as members of it are named.
#[derive(Debug)]
pub(super) struct Document<'b> {
    /// What has been found, by object.
    pub(super) found: Vec<Found<'b>>,
    /// For each object where its own begin in `found`, how many there are, and its content.
    pub(super) objects: Vec<(usize, usize, &'b [u8])>,
}

impl Recipe {
    /// Of a document that has been traced, and the changes it is told in.
    pub(super) fn new(layout: &Layout, marks: &Marks, body: &Node<'_>, changes: &[Change]) -> Option<Self> {
        let mut writing = Writing { layout, marks, changes, told: vec![false; changes.len()], added: 0 };
        let body = writing.value(body, 0)?;
        let mut dropped = Vec::new();
        for number in (0..changes.len()).rev() {
            if writing.told.get(number) == Some(&false) {
                dropped.push(writing.changed(number)?);
            }
        }
        Some(Self { body, dropped, added: writing.added })
    }

    /// The document rewritten. `None` where an op fails, or the outcome cannot be stored. No value of it may lie too deep as it is.
    pub(super) fn write(&self, body: Raw<'_>, document: &Document<'_>, limits: Limits) -> Option<Vec<u8>> {
        for changed in &self.dropped {
            changed.node(document)?;
        }
        let room = body.bytes().len().saturating_add(self.added);
        let mut writer = Writer::after(Vec::with_capacity(room), limits);
        self.body.write(document, &mut writer)?;
        writer.finish().ok()
    }
}

impl Value {
    fn write(&self, document: &Document<'_>, writer: &mut Writer) -> Option<()> {
        match self {
            Self::Slot { slot, deeper: false } => writer.raw_shallow(document.value(*slot)?),
            Self::Slot { slot, deeper: true } => writer.raw(document.value(*slot)?),
            Self::Changed(changed) => changed.node(document)?.encode(writer),
            Self::Constant(bytes) => writer.raw(Raw::new(bytes).ok()?),
            Self::Made(pieces) => {
                let mark = writer.begin_object().ok()?;
                pieces.iter().try_for_each(|piece| piece.write(document, writer))?;
                writer.end_distinct(mark)
            }
            Self::Kept(kept) => return kept.write(document, writer),
        }
        .ok()
    }
}

impl Kept {
    fn write(&self, document: &Document<'_>, writer: &mut Writer) -> Option<()> {
        let (from, count, content) = *document.objects.get(self.object)?;
        let mark = writer.begin_object().ok()?;
        let mut copied = 0;
        for found in document.found.iter().skip(from).take(count) {
            let place = self.places.get(found.number.checked_sub(self.first)?)?;
            if matches!(place, InPlace::Same) {
                continue;
            }
            writer.encoded(content.get(copied..found.start)?).ok()?;
            copied = found.end;
            if let InPlace::Other(piece) = place {
                piece.write(document, writer)?;
            }
        }
        writer.encoded(content.get(copied..)?).ok()?;
        self.end.iter().try_for_each(|piece| piece.write(document, writer))?;
        // Those of the document were, and the ops that were traced make no name a second time.
        writer.end_distinct(mark).ok()
    }
}

impl Piece {
    fn write(&self, document: &Document<'_>, writer: &mut Writer) -> Option<()> {
        writer.encoded(self.encoded.bytes()).ok()?;
        self.value.iter().try_for_each(|value| value.write(document, writer))
    }
}

impl Changed {
    fn node<'n>(&'n self, document: &Document<'n>) -> Option<Node<'n>> {
        let value = document.value(self.slot)?;
        let mut node = Node::Raw(value);
        for (position, action) in self.actions.iter().enumerate() {
            if position >= self.numeric && node.kind() == Kind::Integer {
                if !self.integers {
                    apply(self.actions.last()?, true, &mut node).ok()?;
                }
                break;
            }
            apply(action, true, &mut node).ok()?;
        }
        Some(node)
    }
}

impl<'b> Document<'b> {
    fn value(&self, slot: usize) -> Option<Raw<'b>> {
        self.found.iter().find(|found| found.number == slot).map(|found| found.value)
    }
}

/// A recipe that is being written.
struct Writing<'t> {
    layout: &'t Layout,
    marks: &'t Marks,
    changes: &'t [Change],
    /// Which of the changes are part of the recipe.
    told: Vec<bool>,
    added: usize,
}

impl Writing<'_> {
    /// `depth`: of the objects around it.
    fn value(&mut self, node: &Node<'_>, depth: usize) -> Option<Value> {
        match (self.marks.of(node), node) {
            (Some(Mark::Slot(slot)), _) => {
                let (_, owner) = self.layout.owner(slot)?;
                Some(Value::Slot { slot, deeper: depth > owner.depth.saturating_add(1) })
            }
            (Some(Mark::Changed(number)), _) => self.changed(number).map(Value::Changed),
            (Some(Mark::Gap(_)), _) => None,
            (None, Node::Object(members)) => {
                let gap = members.iter().find_map(|(_, value)| match self.marks.of(value) {
                    Some(Mark::Gap(slot)) => Some(slot),
                    _ => None,
                });
                match gap {
                    Some(slot) => self.kept(members, slot, depth).map(|kept| Value::Kept(Box::new(kept))),
                    None => {
                        let mut pieces = Vec::new();
                        for (name, value) in members.iter() {
                            self.push(&mut pieces, name, value, depth)?;
                        }
                        Some(Value::Made(pieces))
                    }
                }
            }
            (None, node) => {
                let constant = self.marks.are_none_in(node).then(|| node.to_bytes(Limits::default()))?;
                let constant = constant.ok()?;
                self.added = self.added.saturating_add(constant.len());
                Some(Value::Constant(constant.into()))
            }
        }
    }

    /// An object of the document, one of whose slots is `slot`.
    fn kept(&mut self, members: &Members<'_, Node<'_>>, slot: usize, depth: usize) -> Option<Kept> {
        let (object, outline) = self.layout.owner(slot)?;
        // Members that nobody has named are copied unseen, and must not get too deep.
        if depth > outline.depth {
            return None;
        }
        let mut places = Vec::with_capacity(outline.len);
        let mut waiting = Vec::new();
        for (name, value) in members.iter() {
            let Some(Mark::Gap(slot)) = self.marks.of(value) else {
                waiting.push((name, value));
                continue;
            };
            if slot != outline.first.saturating_add(places.len()) {
                return None;
            }
            places.push(match waiting.as_slice() {
                [] => InPlace::Nothing,
                [(name, value)] => {
                    let same = self.marks.of(value) == Some(Mark::Slot(slot));
                    if same && self.layout.slots.get(slot).is_some_and(|slot| *slot.name == **name) {
                        InPlace::Same
                    } else {
                        let mut pieces = Vec::new();
                        self.push(&mut pieces, name, value, depth)?;
                        InPlace::Other(pieces.pop()?)
                    }
                }
                _ => return None,
            });
            waiting.clear();
        }
        let mut end = Vec::new();
        for (name, value) in waiting {
            self.push(&mut end, name, value, depth)?;
        }
        (places.len() == outline.len).then_some(Kept { object, first: outline.first, places, end })
    }

    /// Adds a member to those of an object at `depth`.
    fn push(&mut self, pieces: &mut Vec<Piece>, name: &str, value: &Node<'_>, depth: usize) -> Option<()> {
        self.added = self.added.saturating_add(name.len());
        let value = self.value(value, depth.saturating_add(1))?;
        if pieces.last().is_none_or(|piece| piece.value.is_some()) {
            pieces.push(Piece::default());
        }
        let piece = pieces.last_mut()?;
        piece.encoded.push_key(name);
        piece.value = match value {
            Value::Constant(bytes) if piece.encoded.push_scalar(Raw::new(&bytes).ok()?) => None,
            value => Some(value),
        };
        Some(())
    }

    /// What change number `number` has led to.
    fn changed(&mut self, number: usize) -> Option<Changed> {
        let mut mark = Mark::Changed(number);
        let mut actions = Vec::new();
        loop {
            match mark {
                Mark::Slot(slot) => {
                    actions.reverse();
                    let others = actions.iter().rposition(|action| !is_numeric(action));
                    let numeric = others.map_or(0, |last| last.saturating_add(1));
                    let integers =
                        actions.last().is_some_and(|action| is_numeric(action) && !is_to_text(action));
                    return Some(Changed { slot, actions, numeric, integers });
                }
                Mark::Changed(number) => {
                    let change = self.changes.get(number)?;
                    *self.told.get_mut(number)? = true;
                    actions.push(change.action.clone());
                    mark = change.of;
                }
                Mark::Gap(_) => return None,
            }
        }
    }
}

/// Whether it makes the integer of an integer and of its digits, or the digits of both.
fn is_numeric(action: &Action) -> bool {
    match action {
        Action::Convert(convert) => {
            matches!(convert.to, Conversion::Integer | Conversion::Number | Conversion::Text)
        }
        _ => false,
    }
}

fn is_to_text(action: &Action) -> bool {
    matches!(action, Action::Convert(convert) if convert.to == Conversion::Text)
}
