//! Runs a law over the cases of every op, on the real system and on a broken one.

use std::cell::{Cell, RefCell};

use pivotdb::{Complement, DocumentId, Error, Evolution, Plan, StepContext};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use serde_json::Value;

use crate::cases::{Case, OPS, cases};

pub(crate) type Run = Result<(Value, Complement), Error>;

/// What is tested: plans, or plans with a fault.
#[derive(Default)]
pub(crate) struct System {
    /// A document that holds this text becomes null.
    pub(crate) lose_everything_at: Option<&'static str>,
    pub(crate) count_calls: bool,
    pub(crate) skip_last_of_many: bool,
    pub(crate) mark_current: bool,
    pub(crate) drop_member: Option<&'static str>,
    pub(crate) forget_complements: bool,
    /// Goes down by other steps.
    pub(crate) invert: Option<fn(&Evolution) -> Evolution>,
    /// Gives back what it was given last, if there is a complement.
    pub(crate) believe_stale: bool,
    pub(crate) only_remove: bool,
    /// Takes an op that it does not know for one that does nothing.
    pub(crate) pass_unknown: bool,
    /// Writes what it was to read.
    pub(crate) touch: bool,
    pub(crate) calls: Cell<u32>,
    pub(crate) last: RefCell<Option<Value>>,
}

impl System {
    pub(crate) fn up(&self, case: &Case) -> Run {
        self.run(&case.evolution(), 1, 2, &case.document, &Complement::empty())
    }

    pub(crate) fn run(
        &self,
        evolution: &Evolution,
        from: u32,
        to: u32,
        body: &Value,
        complement: &Complement,
    ) -> Run {
        let inverted;
        let mut evolution = evolution;
        if let (Some(invert), true) = (self.invert, to < from) {
            inverted = invert(evolution);
            evolution = &inverted;
        }
        let to = match (self.skip_last_of_many, to.abs_diff(from)) {
            (true, 2..) if to > from => to - 1,
            (true, 2..) => to + 1,
            _ => to,
        };
        let plan = Plan::between(evolution, "kind", from, to)?;
        let id = DocumentId::from(1);
        let (mut after, mut kept) =
            plan.apply_keeping(body.clone(), complement, &StepContext::new("kind", &id))?;
        self.calls.set(self.calls.get() + 1);
        if self.count_calls && self.calls.get().is_multiple_of(16) {
            after["call"] = self.calls.get().into();
        }
        if self.mark_current && from == to {
            after["seen"] = true.into();
        }
        if let (Some(name), Value::Object(members)) = (self.drop_member, &mut after) {
            members.remove(name);
        }
        if self.lose_everything_at.is_some_and(|text| body.to_string().contains(text)) {
            after = Value::Null;
        }
        if self.believe_stale && !complement.is_empty() {
            after = self.last.borrow().clone().unwrap_or(after);
        }
        *self.last.borrow_mut() = Some(body.clone());
        if self.forget_complements {
            kept = Complement::empty();
        }
        Ok((after, kept))
    }
}

/// Says whether the case put it to the test, or how it was broken.
pub(crate) trait Law: Fn(&System, &Case) -> Result<bool, String> {}

impl<L: Fn(&System, &Case) -> Result<bool, String>> Law for L {}

/// Cases of each op in a round, and documents in all: rounds are added until a law has been tested on as many. Few where the compiler has
/// left everything slow.
const CASES: u32 = if cfg!(debug_assertions) { 24 } else { 400 };
const DOCUMENTS: u32 = if cfg!(debug_assertions) { 1 } else { 10_000 };

/// In this share of the cases the law must have been put to the test, for each op and in all.
const SHARE: f64 = 0.3;

/// Tests `law` on every op, mostly on documents that it has something to do on going up or going down, and that it is broken by `broken`. The law speaks of so many ops; the others
/// have no case to the point at all.
pub(crate) fn holds(name: &str, up: bool, speaks_of: usize, law: impl Law, broken: &System) {
    let system = System::default();
    let mut ops: Vec<_> = (0..OPS.len()).map(|op| (op, Counts::default())).collect();
    loop {
        for (op, counts) in &mut ops {
            test(name, *op, up, &law, &system, counts);
        }
        ops.retain(|(_, counts)| counts.meant > 0);
        let all: u32 = ops.iter().map(|(_, counts)| counts.tested).sum();
        assert!(all > 0, "{name}: not one document to the point");
        if all >= DOCUMENTS {
            break;
        }
    }
    for (op, counts) in &ops {
        let share = f64::from(counts.meant) / f64::from(counts.tested);
        let shown = share * 100.0;
        assert!(share >= SHARE || DOCUMENTS == 1, "{name}, {}: only {shown:.0}% to the point", OPS[*op]);
    }
    let all: u32 = ops.iter().map(|(_, counts)| counts.tested).sum();
    let to_the_point: u32 = ops.iter().map(|(_, counts)| counts.meant).sum();
    let share = |counts: &Counts| 100 * counts.meant / counts.tested;
    let (worst, least) =
        ops.iter().map(|(op, counts)| (OPS[*op], share(counts))).min_by_key(|(_, share)| *share).unwrap();
    let ops = ops.len();
    assert!(ops == speaks_of || DOCUMENTS == 1, "{name}: {ops} ops were put to the test");
    let fields = fails(name, up, law, broken).unwrap_or_else(|| panic!("{name}: the control was not caught"));
    println!(
        "{name}: {all} documents, {to_the_point} changed, 0 violations, control caught \
         ({ops} ops, at least {least}% of each, {worst}; control shrunk to {fields} fields)"
    );
}

#[derive(Default)]
struct Counts {
    tested: u32,
    meant: u32,
}

fn test(name: &str, op: usize, up: bool, law: &impl Law, system: &System, counts: &mut Counts) {
    let op_name = OPS[op];
    let (tested, meant) = (Cell::new(0_u32), Cell::new(0_u32));
    let outcome = runner(CASES).run(&cases(op, up), |case| {
        tested.set(tested.get() + 1);
        let exercised = law(system, &case).map_err(TestCaseError::fail)?;
        meant.set(meant.get() + u32::from(exercised));
        Ok(())
    });
    if let Err(TestError::Fail(reason, case)) = &outcome {
        panic!("{name}, {op_name}: {reason}\n  op {:?}\n  on {}\n  {case:?}", case.op(), case.document);
    }
    outcome.unwrap_or_else(|error| panic!("{name}, {op_name}: {error}"));
    counts.tested += tested.get();
    counts.meant += meant.get();
}

/// How many fields the smallest document has on which `law` fails; `None` where it holds.
pub(crate) fn fails(name: &str, up: bool, law: impl Law, broken: &System) -> Option<usize> {
    let mut least = None;
    for op in 0..OPS.len() {
        let outcome = runner(CASES.min(200))
            .run(&cases(op, up), |case| law(broken, &case).map(drop).map_err(TestCaseError::fail));
        match outcome {
            Err(TestError::Fail(_, case)) => {
                let fields = fields(&case.document);
                if least.is_none_or(|least| fields < least) {
                    least = Some(fields);
                }
            }
            Err(TestError::Abort(reason)) => panic!("{name}: {reason}"),
            Ok(()) => {}
        }
    }
    least
}

fn runner(cases: u32) -> TestRunner {
    let config =
        Config { cases, failure_persistence: None, max_global_rejects: 100_000, ..Config::default() };
    TestRunner::new(config)
}

fn fields(document: &Value) -> usize {
    match document {
        Value::Object(members) => members.values().map(fields).sum::<usize>() + members.len(),
        Value::Array(elements) => elements.iter().map(fields).sum(),
        _ => 0,
    }
}
