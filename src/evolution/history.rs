//! The tree of stamps.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

#[cfg(test)]
use crate::encoding::body::tally;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::evolution::action::Action;
use crate::evolution::evolution::Evolution;
use crate::evolution::fingerprint;
use crate::evolution::forgetting::{Kept, Spared, Suspects};
use crate::evolution::function::Function;
use crate::evolution::invalid::InvalidEvolution;
use crate::evolution::json;
use crate::evolution::op::Op;
use crate::evolution::plan::{Crossing, Plan};
use crate::evolution::step::{Code, Step};
use crate::model::stamp::{Fingerprint, Stamp};

/// Every stamp of a kind that is known: those of the program's own evolution, and those that other programs have recorded in the store.
/// They form a tree, whose root is schema version 1 and whose edges are steps.
#[derive(Debug, Clone)]
pub(crate) struct History {
    nodes: Vec<HistoryNode>,
    by_stamp: HashMap<Stamp, usize>,
    /// By the stamp after it. A node has one for each of its stamps.
    definitions: HashMap<Stamp, Definition>,
    /// The program's own stamps; the schema version is the position plus 1.
    own: Vec<Stamp>,
    /// The program's functions by identity.
    functions: HashMap<Arc<str>, Function>,
}

/// A step as one stamp has it.
#[derive(Debug, Clone)]
struct Definition {
    before: Stamp,
    step: Arc<Step>,
}

#[derive(Debug, Clone)]
struct HistoryNode {
    /// The first is its own, the others mean the same shape: those of redefined steps, and those under other names of the kind.
    stamps: Vec<Stamp>,
    /// The step that leads here, and where from; `None` at the root, and where nothing is known of the parent. Where there are several definitions, the one that
    /// counts.
    arrival: Option<(usize, Arc<Step>)>,
    /// Where the step forgets something: what may still be kept. Worked out when it is first asked for.
    spared: OnceLock<Arc<Spared>>,
}

impl HistoryNode {
    fn stamp(&self) -> Stamp {
        // There always is one.
        self.stamps.first().copied().unwrap_or(NOWHERE)
    }

    fn fingerprints(&self) -> Vec<Fingerprint> {
        self.stamps.iter().map(|stamp| stamp.fingerprint).collect()
    }

    fn forgets(&self) -> bool {
        let step = self.arrival.as_ref().map(|(_, step)| step);
        step.is_some_and(|step| step.ops.iter().filter_map(Op::action).any(Action::forgets))
    }
}

const NOWHERE: Stamp = Stamp { schema_version: 0, fingerprint: Fingerprint::new(0) };

/// A step as the catalog keeps it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recorded {
    /// After the step.
    pub(crate) stamp: Stamp,
    /// Fingerprint before the step; the schema version is the one below.
    pub(crate) parent: Fingerprint,
    /// In canonical form.
    pub(crate) step: Value,
}

impl Recorded {
    /// As it stands in the catalog.
    pub(crate) fn entry(&self) -> Value {
        json::to_entry(self.parent, &self.step)
    }
}

/// How two stamps stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Relation {
    /// They are one.
    Same,
    /// Steps lead from the first up to the second.
    Ancestor,
    /// Steps lead from the second up to the first.
    Descendant,
    /// Different steps lead to each from a common ancestor.
    Diverged,
    /// At least one of them is not known, or not how it came to be.
    Unknown,
}

/// How a document is brought from one stamp to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// It is there.
    Here,
    /// By ops that every program knows: whoever does it gets the same.
    Ops,
    /// By functions too, or by steps that have been redefined: only who has written it knows what has come of it.
    Function,
    /// This program cannot.
    None,
}

/// A step on a way, and where it leads.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    pub(crate) stamp: Stamp,
    pub(crate) step: Arc<Step>,
    pub(crate) up: bool,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoWay {
    #[error("nothing is known of the stamp {stamp}")]
    Unknown { stamp: Stamp },
    #[error("the stamps {from} and {to} have no common ancestor")]
    Unrelated { from: Stamp, to: Stamp },
    #[error("this program does not have the function {identity:?} of the step {step:?} to {stamp}")]
    NoFunction { identity: Arc<str>, step: String, stamp: Stamp },
    #[error("the function {identity:?} of the step {step:?} to {stamp} has no downcast")]
    NoDowncast { identity: Arc<str>, step: String, stamp: Stamp },
    #[error("the step {step:?} to {stamp} has an op that this release does not know")]
    Opaque { step: String, stamp: Stamp },
}

impl History {
    /// The stamps of `kind` by the program's own steps.
    pub(crate) fn new(kind: &str, evolution: &Evolution) -> Result<Self, InvalidEvolution> {
        evolution.find_flaw()?;
        let mut history = Self {
            nodes: Vec::new(),
            by_stamp: HashMap::new(),
            definitions: HashMap::new(),
            own: Vec::new(),
            functions: HashMap::new(),
        };
        for (stamp, definition) in stamps(kind, evolution) {
            if let Some(Code::Own(function)) = definition.as_ref().map(|definition| &definition.step.code) {
                history.functions.insert(function.identity().into(), function.clone());
            }
            history.insert(stamp, definition);
            history.own.push(stamp);
        }
        Ok(history)
    }

    /// The kind had this name once. What was written under it is taken for what it is called now. Gives whether that was not known.
    pub(crate) fn alias(&mut self, kind: &str, evolution: &Evolution) -> bool {
        let own: Vec<_> = self.own.iter().filter_map(|own| self.by_stamp.get(own).copied()).collect();
        let mut news = false;
        for ((stamp, definition), node) in stamps(kind, evolution).zip(own) {
            match self.by_stamp.get(&stamp).copied() {
                Some(known) if known == node => continue,
                // It was learned before anybody said whose it is.
                Some(known) => self.absorb(known, node),
                None => self.unify(stamp, node),
            }
            self.definitions.extend(definition.map(|definition| (stamp, definition)));
            news = true;
        }
        self.settle(news)
    }

    /// Learns what the catalog has, of the kind's own name and of its aliases. What is known already stays: the program's own steps have
    /// functions, recorded ones have not. Gives whether there was anything new.
    pub(crate) fn learn(&mut self, recorded: impl IntoIterator<Item = Recorded>) -> bool {
        let mut recorded: Vec<_> = recorded.into_iter().collect();
        // Parents first.
        recorded.sort_by_key(|recorded| recorded.stamp);
        let mut news = false;
        for Recorded { stamp, parent, step } in recorded {
            let known = self.by_stamp.get(&stamp).copied();
            if known.is_some() && self.definitions.contains_key(&stamp) {
                continue;
            }
            let before = stamp.schema_version.checked_sub(1);
            let before = before.map(|schema_version| Stamp { schema_version, fingerprint: parent });
            let parent = before.and_then(|before| Some((before, *self.by_stamp.get(&before)?)));
            let definition = parent
                .map(|(before, _)| Definition { before, step: Arc::new(json::to_recorded_step(&step)) });
            match (known.and_then(|known| self.nodes.get_mut(known)), parent.zip(definition)) {
                (None, definition) => {
                    self.insert(stamp, definition.map(|(_, definition)| definition));
                }
                // Nothing was known of its parent when it was met.
                (Some(node), Some(((_, parent), definition))) => {
                    node.arrival = Some((parent, Arc::clone(&definition.step)));
                    self.definitions.insert(stamp, definition);
                }
                (Some(_), None) => continue,
            }
            news = true;
        }
        self.settle(news)
    }

    /// After something has been learned, if there were `news`.
    fn settle(&mut self, news: bool) -> bool {
        if news {
            while let Some((one, other)) = self.two_of_one() {
                self.merge(one, other);
            }
            // They are of the whole tree.
            self.nodes.iter_mut().for_each(|node| drop(node.spared.take()));
        }
        news
    }

    /// Two definitions of one step: one of them redefines the other, or they do the same, from what has been found to be one shape.
    fn two_of_one(&self) -> Option<(usize, usize)> {
        let mut met: HashMap<(usize, &str), Vec<usize>> = HashMap::new();
        for (position, node) in self.nodes.iter().enumerate() {
            let Some((parent, step)) = &node.arrival else { continue };
            let siblings = met.entry((*parent, &step.name)).or_default();
            let is_same = |sibling: &HistoryNode| {
                let known = sibling.arrival.as_ref().map(|(_, known)| known);
                self.is_redefined(node)
                    || self.is_redefined(sibling)
                    || known.is_some_and(|known| step.does_the_same(known))
            };
            let same = siblings.iter().find(|sibling| self.nodes.get(**sibling).is_some_and(is_same));
            if let Some(sibling) = same {
                return Some((*sibling, position));
            }
            siblings.push(position);
        }
        None
    }

    /// Makes one of two definitions of a step. The program's own counts; of two foreign ones, one that redefines, whichever was met first.
    fn merge(&mut self, one: usize, other: usize) {
        let rank = |position: usize| {
            let node = self.nodes.get(position)?;
            let redefines = node.arrival.as_ref().is_some_and(|(_, step)| step.redefines.is_some());
            Some((self.own.contains(&node.stamp()), redefines, Reverse(node.stamp())))
        };
        let (kept, dropped) = if rank(one) > rank(other) { (one, other) } else { (other, one) };
        self.absorb(dropped, kept);
    }

    /// Takes two nodes for one.
    fn absorb(&mut self, dropped: usize, kept: usize) {
        let Some(node) = self.nodes.get_mut(dropped) else { return };
        // Nothing leads there any more; it keeps its place, since places are names.
        node.arrival = None;
        for stamp in std::mem::take(&mut node.stamps) {
            self.unify(stamp, kept);
        }
        for node in &mut self.nodes {
            if let Some((parent, _)) = &mut node.arrival
                && *parent == dropped
            {
                *parent = kept;
            }
        }
    }

    fn insert(&mut self, stamp: Stamp, definition: Option<Definition>) {
        let arrival = definition.as_ref().and_then(|Definition { before, step }| {
            Some((self.by_stamp.get(before).copied()?, Arc::clone(step)))
        });
        self.by_stamp.insert(stamp, self.nodes.len());
        self.nodes.push(HistoryNode { stamps: vec![stamp], arrival, spared: OnceLock::new() });
        self.definitions.extend(definition.map(|definition| (stamp, definition)));
    }

    /// The definitions of the step that leads to a node.
    fn definitions<'h>(&'h self, node: &'h HistoryNode) -> impl Iterator<Item = &'h Arc<Step>> {
        let definitions = node.stamps.iter().filter_map(|stamp| self.definitions.get(stamp));
        definitions.map(|definition| &definition.step)
    }

    /// Whether one of the definitions of its step redefines the others.
    fn is_redefined(&self, node: &HistoryNode) -> bool {
        self.definitions(node).any(|step| step.redefines.is_some())
    }

    /// Whether one of the definitions of its step has other ops than the one that counts, or another function.
    fn is_defined_otherwise(&self, node: &HistoryNode) -> bool {
        let Some((_, counts)) = &node.arrival else { return false };
        self.definitions(node).any(|step| !step.does_the_same(counts))
    }

    /// From now on `stamp` means `node`.
    fn unify(&mut self, stamp: Stamp, node: usize) {
        if let Some(known) = self.nodes.get_mut(node)
            && !known.stamps.contains(&stamp)
        {
            known.stamps.push(stamp);
        }
        self.by_stamp.insert(stamp, node);
    }

    /// The stamp the program's own steps lead to.
    pub(crate) fn current(&self) -> Stamp {
        // There always is at least the root.
        self.own.last().copied().unwrap_or(NOWHERE)
    }

    /// The program's own stamp at `schema_version`.
    pub(crate) fn own(&self, schema_version: u32) -> Option<Stamp> {
        let position = usize::try_from(schema_version).ok()?.checked_sub(1)?;
        self.own.get(position).copied()
    }

    /// Every stamp that is known, in order, and how it stands to the program's current one. For reports, and to find branches that no document is on.
    pub(crate) fn stamps(&self) -> Vec<(Stamp, Relation)> {
        let current = self.current();
        let mut stamps: Vec<_> =
            self.by_stamp.keys().map(|stamp| (*stamp, self.relation(*stamp, current))).collect();
        stamps.sort_unstable_by_key(|(stamp, _)| *stamp);
        stamps
    }

    /// The stamp before the step that leads to `stamp`.
    pub(crate) fn parent(&self, stamp: Stamp) -> Option<Stamp> {
        let (parent, _) = self.node(stamp)?.arrival.as_ref()?;
        self.nodes.get(*parent).map(HistoryNode::stamp)
    }

    /// Why the step to `stamp` redefines another, if it does.
    pub(crate) fn redefinition(&self, stamp: Stamp) -> Option<&str> {
        self.node(stamp)?.arrival.as_ref()?.1.redefines.as_deref()
    }

    /// Whether anything is known of `stamp`.
    pub(crate) fn knows(&self, stamp: Stamp) -> bool {
        self.by_stamp.contains_key(&stamp)
    }

    /// The program's own steps, to be recorded. Schema version 1 is reached without a step and needs no record.
    pub(crate) fn declared(&self) -> Vec<Recorded> {
        let own = self.own.iter().filter_map(|stamp| self.node(*stamp));
        own.filter_map(|node| {
            let (parent, step) = node.arrival.as_ref()?;
            let parent = self.nodes.get(*parent)?.stamp().fingerprint;
            Some(Recorded { stamp: node.stamp(), parent, step: json::from_step(step)? })
        })
        .collect()
    }

    /// The name of the step that leads to `stamp`.
    pub(crate) fn step_name(&self, stamp: Stamp) -> Option<&str> {
        self.node(stamp)?.arrival.as_ref().map(|(_, step)| step.name.as_str())
    }

    /// How `one` stands to `other`.
    pub(crate) fn relation(&self, one: Stamp, other: Stamp) -> Relation {
        let (Some(above), Some(below)) = (self.by_stamp.get(&one), self.by_stamp.get(&other)) else {
            return if one == other { Relation::Same } else { Relation::Unknown };
        };
        match self.ways_to_ancestor(*above, *below) {
            None => Relation::Unknown,
            Some((down, up)) => match (down.is_empty(), up.is_empty()) {
                (true, true) => Relation::Same,
                (true, false) => Relation::Ancestor,
                (false, true) => Relation::Descendant,
                (false, false) => Relation::Diverged,
            },
        }
    }

    /// The way from one stamp to another: inverse steps down to the nearest common ancestor, then steps up.
    ///
    /// Functions are the program's own, found by identity. A step that cannot be crossed is found here, not when the plan is run.
    pub(crate) fn plan(&self, from: Stamp, to: Stamp) -> Result<Plan, NoWay> {
        #[cfg(test)]
        tally::count(tally::Work::Plan);
        let left = self.left_by_others(from);
        if from == to {
            return Ok(Plan::new(from, to, Vec::new(), false).cleaning(left));
        }
        let (down, up) = self.nodes_between(from, to)?;
        let mut crossings = Vec::with_capacity(down.len().saturating_add(up.len()));
        for node in down {
            crossings.push(self.crossing(node, false)?);
        }
        let undone = crossings.len();
        for node in up.into_iter().rev() {
            crossings.push(self.crossing(node, true)?);
        }
        // Two branches may have the same step. What it drops on the way down comes back where the way leads up over it again.
        let (down, up) = crossings.split_at_mut(undone);
        let mut repeats = false;
        // From the ancestor upwards on both, each with one other.
        let mut undone: Vec<_> = down.iter().rev().collect();
        for crossing in up {
            let same = undone.iter().position(|down| down.step.does_the_same(&crossing.step));
            if let Some(same) = same {
                crossing.fingerprints.extend(&undone.remove(same).fingerprints);
                repeats = true;
            }
        }
        Ok(Plan::new(from, to, crossings, repeats).cleaning(left))
    }

    /// The nodes to leave on the way from each of the two down to their nearest common ancestor.
    fn nodes_between(&self, from: Stamp, to: Stamp) -> Result<(Vec<usize>, Vec<usize>), NoWay> {
        let find = |stamp| self.by_stamp.get(&stamp).copied().ok_or(NoWay::Unknown { stamp });
        self.ways_to_ancestor(find(from)?, find(to)?).ok_or(NoWay::Unrelated { from, to })
    }

    /// What the way from one stamp to another is like; as [`plan`](Self::plan), and costs less.
    pub(crate) fn way(&self, from: Stamp, to: Stamp) -> Result<Way, NoWay> {
        if from == to {
            return Ok(Way::Here);
        }
        let (down, up) = self.nodes_between(from, to)?;
        let mut functions = false;
        for (nodes, up) in [(&down, false), (&up, true)] {
            for node in nodes {
                functions |= self.function(*node, up)?.is_some();
            }
        }
        let ends = [from, to].into_iter().filter_map(|stamp| self.node(stamp));
        let mut crossed = down.iter().chain(&up).filter_map(|node| self.nodes.get(*node)).chain(ends);
        // What another definition has kept, and this one forgets, is not there where this program goes down.
        let redefined = crossed.any(|node| self.is_defined_otherwise(node))
            || self.forgetting_others(from).next().is_some();
        Ok(match (redefined, functions) {
            // Another program has another definition of them.
            (true, _) if self.own.last() != Some(&to) => Way::None,
            (false, false) => Way::Ops,
            _ => Way::Function,
        })
    }

    /// The steps on the way from one stamp to another, in their order, each with the stamp it leads to; `None` where there is no way. Whether they
    /// can be crossed is another matter.
    pub(crate) fn stops(&self, from: Stamp, to: Stamp) -> Option<Vec<Stop>> {
        if from == to {
            return Some(Vec::new());
        }
        let (down, up) = self.ways_to_ancestor(*self.by_stamp.get(&from)?, *self.by_stamp.get(&to)?)?;
        let arrival = |node: usize| self.nodes.get(node)?.arrival.as_ref();
        let stamp = |node: usize| self.nodes.get(node).map(HistoryNode::stamp);
        let undone = down.into_iter().map(|node| {
            let (parent, step) = arrival(node)?;
            Some(Stop { stamp: stamp(*parent)?, step: Arc::clone(step), up: false })
        });
        let done = up.into_iter().rev().map(|node| {
            let (_, step) = arrival(node)?;
            Some(Stop { stamp: stamp(node)?, step: Arc::clone(step), up: true })
        });
        undone.chain(done).collect()
    }

    /// The steps that lead from one stamp up to another; `None` where it is not below it.
    pub(crate) fn ascent(&self, from: Stamp, to: Stamp) -> Option<Vec<Arc<Step>>> {
        let (start, end) = (self.by_stamp.get(&from)?, self.by_stamp.get(&to)?);
        let (down, up) = self.ways_to_ancestor(*start, *end)?;
        let nodes = up.iter().rev().map(|node| self.nodes.get(*node));
        let steps = nodes.map(|node| node.and_then(|node| Some(Arc::clone(&node.arrival.as_ref()?.1))));
        if down.is_empty() { steps.collect() } else { None }
    }

    fn crossing(&self, node: usize, up: bool) -> Result<Crossing, NoWay> {
        let function = self.function(node, up)?;
        let (known, step) = self.arrival(node)?;
        let spared = (up && known.forgets()).then(|| self.spared(node)).flatten();
        Ok(Crossing { step: Arc::clone(step), fingerprints: known.fingerprints(), function, up, spared })
    }

    /// The function of the step to `node`, if it has one; fails where the step cannot be crossed in this direction.
    fn function(&self, node: usize, up: bool) -> Result<Option<Function>, NoWay> {
        let (known, step) = self.arrival(node)?;
        let (stamp, name) = (known.stamp(), || step.name.clone());
        if step.ops.iter().any(|op| op.action().is_none()) {
            return Err(NoWay::Opaque { step: name(), stamp });
        }
        let function =
            match &step.code {
                Code::None => None,
                Code::Own(function) => Some(function.clone()),
                Code::Recorded(identity) => Some(self.functions.get(identity).cloned().ok_or_else(|| {
                    NoWay::NoFunction { identity: Arc::clone(identity), step: name(), stamp }
                })?),
            };
        match &function {
            Some(function) if !up && !function.has_down() => {
                Err(NoWay::NoDowncast { identity: function.identity().into(), step: name(), stamp })
            }
            _ => Ok(function),
        }
    }

    fn arrival(&self, node: usize) -> Result<(&HistoryNode, &Arc<Step>), NoWay> {
        let known = self.nodes.get(node).and_then(|node| Some((node, &node.arrival.as_ref()?.1)));
        // `ways_to_ancestor` walks along arrivals only.
        known.ok_or(NoWay::Unknown { stamp: NOWHERE })
    }

    /// What to spare of what documents at `stamp` may have kept by other definitions of steps that forget something.
    fn left_by_others(&self, stamp: Stamp) -> Vec<Arc<Spared>> {
        self.forgetting_others(stamp).filter_map(|node| self.spared(node)).collect()
    }

    /// The nodes at `stamp` and below whose step forgets something, and has another definition: one that does not forget it, or that an older program still has.
    fn forgetting_others(&self, stamp: Stamp) -> impl Iterator<Item = usize> {
        let start = self.by_stamp.get(&stamp).copied();
        let chain = std::iter::successors(start, |node| Some(self.nodes.get(*node)?.arrival.as_ref()?.0));
        chain.filter(|node| {
            let node = self.nodes.get(*node);
            node.is_some_and(|node| node.forgets() && self.is_defined_otherwise(node))
        })
    }

    /// Where the step to `node` forgets something: what may be kept of which steps.
    fn spared(&self, node: usize) -> Option<Arc<Spared>> {
        let known = self.nodes.get(node)?;
        Some(Arc::clone(known.spared.get_or_init(|| Arc::new(self.trace(node)))))
    }

    /// What the step to `node` forgets is followed backwards to where it may have come from, down to the root, and from there up again, on every branch, to where
    /// else it may have gone. A document may have crossed any definition of any step.
    fn trace(&self, node: usize) -> Spared {
        let counts = self.nodes.get(node).and_then(|node| node.arrival.as_ref()).map(|(_, step)| step);
        let forgets = |position: usize, step: &Step| {
            position == node && counts.is_some_and(|it| it.does_the_same(step))
        };
        let mut suspects = Suspects::default();
        let mut root = node;
        while let Some((known, (parent, _))) =
            self.nodes.get(root).and_then(|node| Some((node, node.arrival.as_ref()?)))
        {
            let after = std::mem::take(&mut suspects);
            for step in self.definitions(known) {
                let mut before = after.clone();
                before.trace_back(step, forgets(root, step));
                suspects.join(before);
            }
            root = *parent;
        }
        let mut spared = Spared::default();
        let mut reached = BTreeMap::from([(root, suspects)]);
        // What has been written at these has never met it.
        let mut forgotten = BTreeSet::new();
        let mut definitions: Vec<_> = self.definitions.iter().collect();
        // Parents first.
        definitions.sort_unstable_by_key(|(stamp, _)| **stamp);
        for (stamp, Definition { before, step }) in definitions {
            if forgotten.contains(before) {
                forgotten.insert(*stamp);
                spared.insert(stamp.fingerprint, Kept::Above);
                continue;
            }
            let (parent, position) = (self.by_stamp.get(before), self.by_stamp.get(stamp));
            let (Some(before), Some(position)) = (parent.and_then(|parent| reached.get(parent)), position)
            else {
                continue;
            };
            let mut suspects = before.clone();
            let forgets = forgets(*position, step);
            spared.insert(stamp.fingerprint, Kept::Of(suspects.trace_on(step, forgets)));
            if forgets {
                forgotten.insert(*stamp);
            } else {
                reached.entry(*position).or_default().join(suspects);
            }
        }
        spared
    }

    /// The nodes to leave on the way from each of the two down to their nearest common ancestor; `None` where they have none.
    fn ways_to_ancestor(&self, one: usize, other: usize) -> Option<(Vec<usize>, Vec<usize>)> {
        let (mut one, mut other) = (one, other);
        let (mut down, mut up) = (Vec::new(), Vec::new());
        while one != other {
            let (left, right) = (self.nodes.get(one)?, self.nodes.get(other)?);
            // A parent is one schema version below its child, so the higher one cannot be the ancestor.
            if left.stamp().schema_version >= right.stamp().schema_version {
                down.push(one);
                one = left.arrival.as_ref()?.0;
            } else {
                up.push(other);
                other = right.arrival.as_ref()?.0;
            }
        }
        Some((down, up))
    }

    fn node(&self, stamp: Stamp) -> Option<&HistoryNode> {
        self.nodes.get(*self.by_stamp.get(&stamp)?)
    }
}

/// The stamps of `kind` by the steps of `evolution`, each with the step that leads to it.
fn stamps<'e>(
    kind: &str,
    evolution: &'e Evolution,
) -> impl Iterator<Item = (Stamp, Option<Definition>)> + use<'e> {
    let mut stamp = fingerprint::root(kind);
    let root = (stamp, None);
    let above = evolution.steps.iter().map_while(move |step| {
        let before = stamp;
        // There is a form of every step that is not flawed, and those are refused.
        stamp = fingerprint::after(before, &json::from_step(step)?);
        Some((stamp, Some(Definition { before, step: Arc::clone(step) })))
    });
    std::iter::once(root).chain(above)
}

/// The stamp after a step, in errors: that of the context is the document's.
const LEADS_TO: &str = "step leads to";

impl From<NoWay> for Error {
    fn from(error: NoWay) -> Self {
        let new = |message| Self::new(ErrorKind::HistoryDiverged, message);
        let public = match &error {
            NoWay::Unknown { stamp } => {
                new("no program has recorded how this stamp came to be").with_stamp(*stamp)
            }
            NoWay::Unrelated { from, to } => new("no recorded steps lead from the one stamp to the other")
                .with_stamp(*from)
                .with_detail("to", to),
            NoWay::NoFunction { identity, step, stamp } => {
                new("a step needs a function that this program does not have")
                    .with_step(step)
                    .with_detail(LEADS_TO, stamp)
                    .with_detail("function", format!("{identity:?}"))
                    .with_advice("run a program that has this function")
            }
            NoWay::NoDowncast { identity, step, stamp } => new("a step has a function without a downcast")
                .with_step(step)
                .with_detail(LEADS_TO, stamp)
                .with_detail("function", format!("{identity:?}"))
                .with_advice(
                    "run a program that need not go back over the step, or give the function a downcast",
                ),
            NoWay::Opaque { step, stamp } => new("a step has an op that this release does not know")
                .with_step(step)
                .with_detail(LEADS_TO, stamp)
                .with_advice("run a program with a release that knows it"),
        };
        public.with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    use serde_json::json;

    use super::*;
    use crate::encoding::body::node::Node;
    use crate::evolution::context::StepContext;
    use crate::evolution::notes::OpenComplement;
    use crate::model::id::DocumentId;

    fn history(evolution: &Evolution) -> History {
        History::new("user", evolution).unwrap()
    }

    fn run(plan: &Plan, body: Value) -> Value {
        let id = DocumentId::from(1);
        let mut body = Node::from_value(body).unwrap();
        plan.run(&mut body, &StepContext::new("user", &id)).unwrap();
        body.to_value().unwrap()
    }

    /// Through the text that a catalog would keep.
    fn recorded(history: &History) -> Vec<Recorded> {
        let mut recorded = history.declared();
        for recorded in &mut recorded {
            recorded.step = serde_json::from_str(&recorded.step.to_string()).unwrap();
        }
        recorded
    }

    #[test]
    fn these_stamps_never_change() {
        let evolution = Evolution::new()
            .step("one", [Op::rename("a", "b"), Op::add("c.d", json!({"y": 1.5, "x": [null, "é"]}))])
            .step("two", ([Op::remove("/a.b")], Function::new("f, 1", |_, _| ())))
            .step("three", [Op::move_field("b", "c.b")]);
        let history = history(&evolution);
        let stamps: Vec<_> = history.own.iter().map(ToString::to_string).collect();
        assert_eq!(
            stamps,
            ["1:60cbbf2d08da8dcd", "2:1be2e02e17077d1b", "3:ce1b08267caaf2de", "4:b30071a94369aaee"]
        );
        assert_eq!(history.own(3), Some(history.own[2]));
        assert_eq!((history.own(0), history.own(5)), (None, None));
        assert_eq!(history.current(), history.own[3]);
    }

    #[test]
    fn records_read_back_as_the_same_steps() {
        let evolution = Evolution::new()
            .step("one", [Op::rename("/a.b", "/a.c"), Op::add("c.d", json!({"y": 1.5, "x": [null, "é"]}))])
            .step("two", ([Op::remove("/~0/~1")], Function::new("f", |_, _| ())))
            .step("three", [Op::move_field("b", "c.b")]);
        for Recorded { step, .. } in recorded(&history(&evolution)) {
            assert_eq!(json::from_step(&json::to_recorded_step(&step)), Some(step));
        }
    }

    #[test]
    fn an_older_program_comes_down_by_recorded_ops() {
        let old = Evolution::new().step("one", [Op::rename("a", "b")]);
        let new = old.clone().step("two", [Op::move_field("b", "c.b")]).step("three", [Op::add("d", 0)]);
        let (mut old, new) = (history(&old), history(&new));
        assert_eq!(old.relation(old.current(), new.current()), Relation::Unknown);
        assert_eq!(
            old.plan(new.current(), old.current()).unwrap_err(),
            NoWay::Unknown { stamp: new.current() }
        );
        old.learn(recorded(&new));
        assert_eq!(old.relation(old.current(), new.current()), Relation::Ancestor);
        assert_eq!(old.relation(new.current(), old.current()), Relation::Descendant);
        assert_eq!(old.current(), new.own(2).unwrap());
        let down = old.plan(new.current(), old.current()).unwrap();
        let up = old.plan(old.current(), new.current()).unwrap();
        assert_eq!((down.len(), up.len(), up.is_empty()), (2, 2, false));
        assert_eq!((down.from(), down.to()), (new.current(), old.current()));
        assert_eq!(run(&down, json!({"c": {"b": 1}, "d": 0, "x": 2})), json!({"b": 1, "x": 2}));
        assert_eq!(run(&up, json!({"b": 1, "x": 2})), json!({"c": {"b": 1}, "d": 0, "x": 2}));
        assert!(old.plan(old.current(), old.current()).unwrap().is_empty());
        assert_eq!(old.step_name(new.current()), Some("three"));
    }

    #[test]
    fn branches_are_crossed_by_their_common_ancestor() {
        let base = Evolution::new().step("one", [Op::rename("a", "b")]);
        let bad = history(&base.clone().step("bad", [Op::rename("b", "bad")]));
        let mut good = history(&base.step("good", [Op::rename("b", "good")]).step("more", [Op::add("e", 1)]));
        good.learn(recorded(&bad));
        assert_eq!(good.relation(bad.current(), good.current()), Relation::Diverged);
        let plan = good.plan(bad.current(), good.current()).unwrap();
        assert_eq!(run(&plan, json!({"bad": 7})), json!({"good": 7, "e": 1}));
    }

    #[test]
    fn a_step_of_both_branches_loses_nothing() {
        let country = || Op::add("country", "NL");
        let theirs = history(&Evolution::new().step("country", country()));
        let mut ours =
            history(&Evolution::new().step("mail", Op::rename("mail", "email")).step("everybody", country()));
        ours.learn(recorded(&theirs));
        let plan = ours.plan(theirs.current(), ours.current()).unwrap();
        let body = json!({"mail": "a", "country": "GB"});
        assert_eq!(run(&plan, body.clone()), json!({"email": "a", "country": "GB"}));
        let write = |plan: &Plan, body: &Value, kept: &[u8]| {
            let id = DocumentId::from(1);
            let mut node = Node::from_value(body.clone()).unwrap();
            let kept = OpenComplement::read(kept).unwrap();
            let kept = plan.write(&mut node, &kept, &StepContext::new("user", &id)).unwrap();
            (node.to_value().unwrap(), kept.to_bytes().unwrap())
        };
        let (shown, kept) = write(&plan, &body, &[]);
        let back = ours.plan(ours.current(), theirs.current()).unwrap();
        assert_eq!(write(&back, &shown, &kept).0, body);
        let edited = json!({"email": "a", "country": "EG"});
        let (stored, kept) = write(&back, &edited, &kept);
        assert_eq!(stored, json!({"mail": "a", "country": "EG"}));
        assert_eq!(write(&plan, &stored, &kept).0, edited);
        // A step of the one branch only is undone.
        let other = history(&Evolution::new().step("other", Op::add("country", "XX")));
        ours.learn(recorded(&other));
        let plan = ours.plan(other.current(), ours.current()).unwrap();
        assert_eq!(run(&plan, body), json!({"email": "a", "country": "NL"}));
    }

    #[test]
    fn functions_are_found_by_identity_and_missed_by_step() {
        let renames = |from: &'static str, to: &'static str| {
            move |body: &mut Value, _: &StepContext<'_>| {
                let members = body.as_object_mut().unwrap();
                if let Some(value) = members.remove(from) {
                    members.insert(to.to_owned(), value);
                }
            }
        };
        let both = Function::new("a is b", renames("a", "b")).down(renames("b", "a"));
        let up_only = Function::new("b is c", renames("b", "c"));
        let theirs = history(&Evolution::new().step("f", both.clone()).step("g", up_only.clone()));

        let mut none = history(&Evolution::new());
        none.learn(recorded(&theirs));
        let identity = |text: &str| Arc::from(text);
        let (one, two, three) = (theirs.own[0], theirs.own[1], theirs.own[2]);
        let no_way = none.plan(one, two).unwrap_err();
        assert_eq!(no_way, NoWay::NoFunction { identity: identity("a is b"), step: "f".into(), stamp: two });
        let error = Error::from(no_way);
        assert_eq!((error.kind(), error.context().step()), (ErrorKind::HistoryDiverged, Some("f")));
        assert_eq!(error.context().detail("step leads to"), Some(&*two.to_string()));

        // Another step has the same functions.
        let mut other = history(&Evolution::new().step("h", both).step("i", up_only));
        other.learn(recorded(&theirs));
        assert_eq!(run(&other.plan(one, three).unwrap(), json!({"a": 1})), json!({"c": 1}));
        assert_eq!(run(&other.plan(two, one).unwrap(), json!({"b": 1})), json!({"a": 1}));
        let no_way = other.plan(three, one).unwrap_err();
        assert_eq!(
            no_way,
            NoWay::NoDowncast { identity: identity("b is c"), step: "g".into(), stamp: three }
        );
    }

    #[test]
    fn what_a_newer_release_recorded_is_opaque() {
        let mut history = history(&Evolution::new());
        let root = history.current();
        let mut parent = root;
        for (step, opaque) in [
            (json!({"name": "0", "ops": [{"op": "rename", "from": "a", "to": "b"}]}), false),
            (json!({"name": "1", "ops": [{"op": "transpose", "path": "a"}]}), true),
            (json!({"name": "2", "ops": [{"op": "rename", "from": "a", "to": "b", "if": "c"}]}), true),
            (json!({"name": "3", "ops": [], "script": "x"}), true),
            (json!({"name": "4", "ops": [], "function": 7}), true),
            (json!({"ops": []}), true),
            (json!(null), true),
        ] {
            let stamp = fingerprint::after(parent, &step);
            history.learn([Recorded { stamp, parent: parent.fingerprint, step }]);
            let plan = history.plan(parent, stamp);
            assert_eq!(matches!(plan, Err(NoWay::Opaque { .. })), opaque, "{stamp}");
            assert_eq!(history.relation(root, stamp), Relation::Ancestor);
            parent = stamp;
        }
    }

    #[test]
    fn a_record_without_a_parent_is_known_and_out_of_reach() {
        let mut history = history(&Evolution::new());
        let stamp = Stamp { schema_version: 9, fingerprint: Fingerprint::new(9) };
        let step = json!({"name": "x", "ops": []});
        history.learn([Recorded { stamp, parent: Fingerprint::new(8), step: step.clone() }]);
        history.learn([Recorded {
            stamp: Stamp { schema_version: 0, ..stamp },
            parent: stamp.fingerprint,
            step,
        }]);
        assert!(history.knows(stamp));
        assert_eq!(history.relation(stamp, stamp), Relation::Same);
        assert_eq!(history.relation(history.current(), stamp), Relation::Unknown);
        let from = history.current();
        assert_eq!(history.plan(from, stamp).unwrap_err(), NoWay::Unrelated { from, to: stamp });
    }

    #[test]
    fn a_redefined_step_means_the_same_shape() {
        let base = Evolution::new().step("one", [Op::rename("a", "b")]);
        let old = base.clone().step("two", [Op::wrap_list("b")]);
        let old_more = history(&old.clone().step("three", [Op::add("c", 1)]));
        let new = base.clone().step("two", [Op::wrap_list("b"), Op::trim("d")]).redefine("d was forgotten");
        let mut after = history(&new);
        let old = history(&old);
        after.learn(recorded(&old_more));
        assert_eq!(after.relation(old.current(), after.current()), Relation::Same);
        let plan = after.plan(old.current(), after.current()).unwrap();
        assert!(plan.is_empty());
        assert_eq!((plan.from(), plan.to()), (old.current(), after.current()));
        // What was built on the former definition comes down to the new one.
        let plan = after.plan(old_more.current(), after.current()).unwrap();
        assert_eq!(run(&plan, json!({"b": [1], "c": 1, "d": " x "})), json!({"b": [1], "d": " x "}));
        assert_eq!(after.redefinition(after.current()), Some("d was forgotten"));
        // The older program sees it likewise, in whatever order it learns of it.
        let mut before = old.clone();
        before.learn(recorded(&after));
        assert_eq!(before.relation(after.current(), before.current()), Relation::Same);
        assert_eq!(before.redefinition(before.current()), None);
        // A program that has neither.
        let mut neither = history(&base);
        neither.learn(recorded(&old_more));
        neither.learn(recorded(&after));
        assert_eq!(neither.relation(old.current(), after.current()), Relation::Same);
        assert_eq!(neither.relation(old_more.current(), after.current()), Relation::Descendant);
        let plan = neither.plan(old_more.current(), neither.current()).unwrap();
        assert_eq!(run(&plan, json!({"b": [1], "c": 1})), json!({"b": 1}));
        // Without the word they are two branches.
        let mut silent = history(&base.step("two", [Op::wrap_list("b"), Op::trim("d")]));
        silent.learn(recorded(&old));
        assert_eq!(silent.relation(old.current(), silent.current()), Relation::Diverged);
    }

    #[test]
    fn an_alias_means_the_kind_it_is_called_now() {
        let evolution = Evolution::new().step("one", [Op::rename("a", "b")]).step("two", [Op::remove("x")]);
        let newer = evolution.clone().step("three", [Op::add("c", 1)]);
        let person = History::new("person", &newer).unwrap();
        let mut user = History::new("user", &evolution).unwrap();
        assert!(!user.knows(person.own(2).unwrap()));
        user.alias("person", &evolution);
        assert_eq!(user.relation(person.own(2).unwrap(), user.own(2).unwrap()), Relation::Same);
        let plan = user.plan(person.own(1).unwrap(), user.current()).unwrap();
        assert_eq!(run(&plan, json!({"a": 1, "x": 1})), json!({"b": 1}));
        user.learn(recorded(&person));
        let plan = user.plan(person.current(), user.own(1).unwrap()).unwrap();
        assert_eq!(run(&plan, json!({"b": 1, "c": 1})), json!({"a": 1}));
        let stamps = user.stamps();
        assert_eq!(stamps.len(), 7);
        assert_eq!(stamps.iter().filter(|(_, relation)| *relation == Relation::Same).count(), 2);
    }

    #[test]
    fn a_former_name_puts_nothing_out_of_reach() {
        let evolution = Evolution::new()
            .step("one", [Op::rename("a", "b")])
            .step("two", Function::new("f", |_, _| ()).down(|_, _| ()));
        let mut user = history(&evolution);
        user.alias("person", &evolution);
        let person = History::new("person", &evolution).unwrap();
        for names in [[&user, &user], [&user, &person], [&person, &user], [&person, &person]] {
            let way = |from, to| user.way(names[0].own(from).unwrap(), names[1].own(to).unwrap()).unwrap();
            assert_eq!((way(1, 2), way(2, 1)), (Way::Ops, Way::Ops));
            assert_eq!((way(1, 3), way(3, 2)), (Way::Function, Way::Function));
        }
        assert_eq!(user.way(person.own(2).unwrap(), user.own(2).unwrap()).unwrap(), Way::Ops);
        // Another definition of a step is another matter.
        let other =
            history(&Evolution::new().step("one", [Op::rename("a", "b"), Op::add("c", 1)]).redefine("c"));
        user.learn(recorded(&other));
        assert_eq!(user.way(user.own(1).unwrap(), user.own(2).unwrap()).unwrap(), Way::None);
        assert_eq!(user.way(user.own(1).unwrap(), user.own(3).unwrap()).unwrap(), Way::Function);
    }

    /// A chain of steps as a catalog has it, some of which a later release has recorded.
    fn chains() -> impl Strategy<Value = Vec<(bool, Value)>> {
        let known = prop_oneof![
            "[a-d]".prop_map(|name| json!({"op": "trim", "path": name})),
            ("[a-d]", "[e-h]").prop_map(|(from, to)| json!({"op": "rename", "from": from, "to": to})),
        ];
        let unknown = prop_oneof![
            "[a-z]{1,8}".prop_map(|name| json!({"op": format!("x {name}"), "path": "a"})),
            "[a-z]{1,8}".prop_map(|name| json!({"op": "trim", "path": "a", format!("x {name}"): 1})),
            Just(json!({"op": "each", "path": "a", "ops": [{"op": "new"}]})),
            Just(json!({"op": "trim"})),
            Just(json!(7)),
        ];
        let op = prop_oneof![3 => known.prop_map(|op| (false, op)), 1 => unknown.prop_map(|op| (true, op))];
        proptest::collection::vec(op, 2..8)
    }

    fn crossed_silently(
        chain: &[(bool, Value)],
        from: usize,
        to: usize,
        blind: bool,
    ) -> Result<bool, String> {
        let mut history = history(&Evolution::new());
        let mut stamps = vec![history.current()];
        for (number, (opaque, op)) in chain.iter().enumerate() {
            let parent = stamps[number];
            let op = if *opaque && blind { json!({"op": "trim", "path": "a"}) } else { op.clone() };
            let step = json!({"name": number.to_string(), "ops": [op]});
            stamps.push(fingerprint::after(parent, &step));
            history.learn([Recorded { stamp: stamps[number + 1], parent: parent.fingerprint, step }]);
        }
        let (from, to) = (from % stamps.len(), to % stamps.len());
        let blocked = chain[from.min(to)..from.max(to)].iter().any(|(opaque, _)| *opaque);
        match history.plan(stamps[from], stamps[to]) {
            Ok(plan) if !blocked && plan.len() == from.abs_diff(to) => Ok(false),
            Err(NoWay::Opaque { .. }) if blocked => Ok(true),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn opaque_never_crosses_silently() {
        let inputs = (chains(), 0..8_usize, 0..8_usize);
        let config = || Config { cases: 10_000, failure_persistence: None, ..Config::default() };
        let blocked = std::cell::Cell::new(0);
        TestRunner::new(config())
            .run(&inputs, |(chain, from, to)| {
                let met = crossed_silently(&chain, from, to, false).map_err(TestCaseError::fail)?;
                blocked.set(blocked.get() + u32::from(met));
                Ok(())
            })
            .unwrap();
        let caught = TestRunner::new(config()).run(&inputs, |(chain, from, to)| {
            crossed_silently(&chain, from, to, true).map(drop).map_err(TestCaseError::fail)
        });
        assert!(caught.is_err(), "the control was not caught");
        assert!(blocked.get() > 3_000, "only {} plans met an opaque op", blocked.get());
        println!(
            "opaque never crosses silently: 10000 plans, {} blocked, 0 violations, control caught",
            blocked.get()
        );
    }
}
