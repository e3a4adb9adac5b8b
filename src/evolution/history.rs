//! The tree of stamps.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::evolution::evolution::Evolution;
use crate::evolution::fingerprint;
use crate::evolution::function::Function;
use crate::evolution::invalid::InvalidEvolution;
use crate::evolution::json;
use crate::evolution::op::Repr;
use crate::evolution::plan::{Crossing, Plan};
use crate::evolution::step::{Code, Step};
use crate::model::stamp::{Fingerprint, Stamp};

/// Every stamp of a kind that is known: those of the program's own evolution, and those that other programs have recorded in the store.
/// They form a tree, whose root is schema version 1 and whose edges are steps.
#[derive(Debug, Clone)]
pub(crate) struct History {
    nodes: Vec<HistoryNode>,
    by_stamp: HashMap<Stamp, usize>,
    /// The program's own stamps; the schema version is the position plus 1.
    own: Vec<Stamp>,
    /// The program's functions by identity.
    functions: HashMap<Arc<str>, Function>,
}

#[derive(Debug, Clone)]
struct HistoryNode {
    stamp: Stamp,
    /// The step that leads here, and where from; `None` at the root, and where nothing is known of the parent.
    arrival: Option<(usize, Arc<Step>)>,
}

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
        let root = fingerprint::root(kind);
        let mut history =
            Self { nodes: Vec::new(), by_stamp: HashMap::new(), own: vec![root], functions: HashMap::new() };
        let mut parent = (root, history.insert(root, None));
        for step in &evolution.steps {
            // What is flawed has been refused above.
            let Some(json) = json::from_step(step) else { continue };
            let stamp = fingerprint::after(parent.0, &json);
            let node = history.insert(stamp, Some((parent.1, Arc::clone(step))));
            history.own.push(stamp);
            if let Code::Own(function) = &step.code {
                history.functions.insert(function.identity().into(), function.clone());
            }
            parent = (stamp, node);
        }
        Ok(history)
    }

    /// Learns what the catalog has. What is known already stays: the program's own steps have functions, recorded ones have not.
    pub(crate) fn learn(&mut self, recorded: impl IntoIterator<Item = Recorded>) {
        let mut recorded: Vec<_> = recorded.into_iter().collect();
        // Parents first.
        recorded.sort_by_key(|recorded| recorded.stamp);
        for Recorded { stamp, parent, step } in recorded {
            if self.by_stamp.contains_key(&stamp) {
                continue;
            }
            let arrival = stamp.schema_version.checked_sub(1).and_then(|schema_version| {
                let parent = Stamp { schema_version, fingerprint: parent };
                Some((*self.by_stamp.get(&parent)?, Arc::new(json::to_recorded_step(&step))))
            });
            self.insert(stamp, arrival);
        }
    }

    fn insert(&mut self, stamp: Stamp, arrival: Option<(usize, Arc<Step>)>) -> usize {
        let position = self.nodes.len();
        self.nodes.push(HistoryNode { stamp, arrival });
        self.by_stamp.insert(stamp, position);
        position
    }

    /// The stamp the program's own steps lead to.
    pub(crate) fn current(&self) -> Stamp {
        // There always is at least the root.
        self.own.last().copied().unwrap_or(Stamp { schema_version: 0, fingerprint: Fingerprint::new(0) })
    }

    /// The program's own stamp at `schema_version`.
    pub(crate) fn own(&self, schema_version: u32) -> Option<Stamp> {
        let position = usize::try_from(schema_version).ok()?.checked_sub(1)?;
        self.own.get(position).copied()
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
            let parent = self.nodes.get(*parent)?.stamp.fingerprint;
            Some(Recorded { stamp: node.stamp, parent, step: json::from_step(step)? })
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
        if from == to {
            return Ok(Plan::new(from, to, Vec::new()));
        }
        let find = |stamp| self.by_stamp.get(&stamp).copied().ok_or(NoWay::Unknown { stamp });
        let ways = self.ways_to_ancestor(find(from)?, find(to)?);
        let (down, up) = ways.ok_or(NoWay::Unrelated { from, to })?;
        let mut crossings = Vec::with_capacity(down.len().saturating_add(up.len()));
        for node in down {
            crossings.push(self.crossing(node, false)?);
        }
        for node in up.into_iter().rev() {
            crossings.push(self.crossing(node, true)?);
        }
        Ok(Plan::new(from, to, crossings))
    }

    fn crossing(&self, node: usize, up: bool) -> Result<Crossing, NoWay> {
        let Some(HistoryNode { stamp, arrival: Some((_, step)) }) = self.nodes.get(node) else {
            // `ways_to_ancestor` walks along arrivals only.
            return Err(NoWay::Unknown { stamp: self.current() });
        };
        let (stamp, name) = (*stamp, || step.name.clone());
        if !step.ops.iter().all(|op| matches!(op.0, Repr::Action(_))) {
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
        if let Some(function) = &function
            && !up
            && !function.has_down()
        {
            return Err(NoWay::NoDowncast { identity: function.identity().into(), step: name(), stamp });
        }
        Ok(Crossing { step: Arc::clone(step), function, up })
    }

    /// The nodes to leave on the way from each of the two down to their nearest common ancestor; `None` where they have none.
    fn ways_to_ancestor(&self, one: usize, other: usize) -> Option<(Vec<usize>, Vec<usize>)> {
        let (mut one, mut other) = (one, other);
        let (mut down, mut up) = (Vec::new(), Vec::new());
        while one != other {
            let (left, right) = (self.nodes.get(one)?, self.nodes.get(other)?);
            // A parent is one schema version below its child, so the higher one cannot be the ancestor.
            if left.stamp.schema_version >= right.stamp.schema_version {
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
                    .with_stamp(*stamp)
                    .with_step(step)
                    .with_detail("function", format!("{identity:?}"))
            }
            NoWay::NoDowncast { identity, step, stamp } => new("a step has a function without a downcast")
                .with_stamp(*stamp)
                .with_step(step)
                .with_detail("function", format!("{identity:?}")),
            NoWay::Opaque { step, stamp } => {
                new("a step has an op that this release does not know").with_stamp(*stamp).with_step(step)
            }
        };
        public.with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::encoding::body::node::Node;
    use crate::evolution::context::StepContext;
    use crate::evolution::op::Op;
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
}
