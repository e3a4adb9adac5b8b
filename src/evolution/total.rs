//! Ops that fail on no document.

use crate::evolution::action::{Action, Taken};
use crate::evolution::op::Op;
use crate::evolution::step::Step;
use crate::value::path::{Path, as_index};

impl Step {
    /// Whether it can be crossed by every document that is an object, and leaves it one that is no larger: what is too large cannot be read either. Functions may
    /// do anything.
    pub(crate) fn is_total(&self, up: bool) -> bool {
        let total = |op: &Op| op.action().is_some_and(|action| action.is_total(up));
        self.code.identity().is_none() && self.ops.iter().all(total)
    }
}

impl Action {
    /// Whether it succeeds on every object, which stays one and becomes no larger and no deeper. On the safe side: on the way down what was dropped on the way up may
    /// come back.
    fn is_total(&self, up: bool) -> bool {
        // Nothing on the way to what has one name can be in the way.
        let single = |path: &Path| path.names().len() == 1;
        self.region().into_iter().all(is_plain)
            && match self {
                Self::Trim { .. } | Self::Remove { .. } => up,
                Self::Add { path, .. } => !up && single(path),
                Self::Copy { taken, .. } => !up && *taken == Taken::Fail,
                // These write something that may be larger than what was there, or put back what was dropped on the way down.
                Self::Set { .. }
                | Self::Rename { .. }
                | Self::Move { .. }
                | Self::Convert(_)
                | Self::Lowercase { .. }
                | Self::Uppercase { .. }
                | Self::RenameValue { .. }
                | Self::WrapObject { .. }
                | Self::WrapList { .. }
                | Self::UnwrapList { .. }
                | Self::UnwrapObject { .. }
                | Self::Split { .. }
                | Self::Join { .. }
                | Self::Within { .. } => false,
            }
    }
}

/// Neither the whole document nor an element of a list, which cannot be taken out.
fn is_plain(path: &Path) -> bool {
    !path.is_root() && path.names().all(|name| as_index(name).is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::evolution::condition::When;
    use crate::evolution::context::StepContext;
    use crate::evolution::conversion::To;
    use crate::evolution::evolution::Evolution;
    use crate::evolution::plan::Plan;
    use crate::evolution::values::Complement;
    use crate::model::id::DocumentId;

    fn ops() -> Vec<Op> {
        let mut ops = Vec::new();
        for path in ["a", "a.b", "0", "a.0"] {
            ops.extend([
                Op::add(path, 1),
                Op::remove(path),
                Op::remove(path).restoring(1),
                Op::wrap_list(path),
                Op::unwrap_list(path),
                Op::wrap_object(path, "x"),
                Op::unwrap_object(path, "x"),
                Op::convert(path, To::Integer),
                Op::convert(path, To::Integer).or(0),
                Op::convert(path, To::Integer).or(0).if_present().or_back("x"),
                Op::trim(path),
                Op::set(path, 2),
                Op::set(path, 2).when(When::present("b.c")),
                Op::rename_value(path, 1, json!({})),
                Op::each(path, [Op::trim("x")]),
                Op::split(path, " ", ["c", "d"]),
                Op::join(["c", "d"], " ", path),
            ]);
            for taken in [Taken::Fail, Taken::Keep, Taken::Replace] {
                ops.extend([
                    Op::move_field(path, "c").if_taken(taken),
                    Op::move_field("c", path).if_taken(taken),
                    Op::copy("c", path).if_taken(taken),
                ]);
            }
        }
        for taken in [Taken::Fail, Taken::Keep, Taken::Replace] {
            ops.push(Op::rename("a", "c").if_taken(taken));
            ops.push(Op::rename("a.b", "a.c").if_taken(taken));
        }
        ops
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            (0..3).prop_map(Value::from),
            prop_oneof![Just("x"), Just("1"), Just(" a b")].prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            let name = prop_oneof![Just("a"), Just("b"), Just("c"), Just("0"), Just("x")];
            let object = prop::collection::btree_map(name, inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..3).prop_map(Value::from),
                object.prop_map(|members| members
                    .into_iter()
                    .map(|(name, of)| (name.to_owned(), of))
                    .collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_total_does_not_fail(value in values(), other in values(), third in values()) {
            let id = DocumentId::from(1);
            let context = StepContext::new("k", &id);
            let document = json!({"a": value, "c": other, "d": third});
            for op in ops() {
                let evolution = Evolution::new().step("s", op.clone());
                for (up, from, to) in [(true, 1, 2), (false, 2, 1)] {
                    if !evolution.steps[0].is_total(up) {
                        continue;
                    }
                    let plan = Plan::between(&evolution, "k", from, to).unwrap();
                    for document in [document.clone(), json!({}), json!({"0": document, "a": 1})] {
                        let after = plan.apply_keeping(document.clone(), &Complement::empty(), &context);
                        prop_assert!(after.as_ref().is_ok_and(|(after, _)| after.is_object()), "{document}: {after:?}");
                        let length = |value: &Value| value.to_string().len();
                        let after = after.map_or(0, |(after, _)| length(&after));
                        prop_assert!(after <= length(&document), "{document}: larger by {op:?}");
                        // What the other way has dropped may come back.
                        let back = Plan::between(&evolution, "k", to, from).unwrap();
                        let Ok((document, kept)) = back.apply_keeping(document, &Complement::empty(), &context)
                        else {
                            continue;
                        };
                        let after = plan.apply_keeping(document.clone(), &kept, &context);
                        prop_assert!(after.as_ref().is_ok_and(|(after, _)| after.is_object()), "{document}: {after:?}");
                        let after = after.map_or(0, |(after, _)| length(&after));
                        prop_assert!(after <= length(&document), "{document}: larger with what {op:?} has kept");
                    }
                }
            }
        }
    }

    #[test]
    fn enough_are_total() {
        let count = |up| {
            let evolutions = ops().into_iter().map(|op| Evolution::new().step("s", op));
            evolutions.filter(|evolution| evolution.steps[0].is_total(up)).count()
        };
        assert!(count(true) > 5 && count(false) > 2, "{} {}", count(true), count(false));
        assert!(!Evolution::new().step("s", Op::rename("a", "b")).steps[0].is_total(true));
    }
}
