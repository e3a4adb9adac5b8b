//! Runs a law over the cases of every op, on the real system and on a broken one.

use std::cell::{Cell, RefCell};
use std::ops::Add;

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
    /// Reads without carrying out any step.
    pub(crate) misread: bool,
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
        let context = StepContext::new("kind", &id);
        let written = plan.apply_keeping(body.clone(), complement, &context);
        if complement.is_empty() {
            let read = plan.apply(body.clone(), &context);
            assert!(is_same(&read, &written), "{body} is read as {read:?} and written as {written:?}");
        }
        let (mut after, mut kept) = written?;
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

    /// As a store reads a document of which nothing was kept, and keeps nothing.
    pub(crate) fn read(
        &self,
        evolution: &Evolution,
        from: u32,
        to: u32,
        body: &Value,
    ) -> Result<Value, Error> {
        let plan = Plan::between(evolution, "kind", from, to)?;
        if self.misread {
            return Ok(body.clone());
        }
        plan.apply(body.clone(), &StepContext::new("kind", &DocumentId::from(1)))
    }
}

/// What is read is what would be written, or fails as that would.
pub(crate) fn is_same(read: &Result<Value, Error>, written: &Run) -> bool {
    match (read, written) {
        (Ok(read), Ok((written, _))) => read == written,
        (Err(read), Err(written)) => read.to_string() == written.to_string(),
        _ => false,
    }
}

/// Says whether the case put it to the test, or how it was broken.
pub(crate) trait Law: Fn(&System, &Case) -> Result<bool, String> {}

impl<L: Fn(&System, &Case) -> Result<bool, String>> Law for L {}

/// How many documents each op is tested on, so that there are 10,000 of all; and where there are as many of each. Few where the compiler has left everything slow.
const SOME: u32 = if cfg!(debug_assertions) { 24 } else { 380 };
const MANY: u32 = if cfg!(debug_assertions) { 24 } else { 10_000 };

/// In this share of the documents the law must have been put to the test, for each op.
const SHARE: f64 = 0.3;

/// Tests `law` on documents of every op, mostly on such that it has something to do on going up or going down, and that it is broken by `broken`. The law
/// speaks of so many ops; the others have no case to the point at all. Gives the number of fields that `broken` was shrunk to.
pub(crate) fn holds(name: &str, up: bool, speaks_of: usize, law: impl Law, broken: &System) -> usize {
    holds_on(SOME, name, up, speaks_of, law, broken)
}

/// The same, on at least 10,000 documents of every op.
pub(crate) fn holds_for_many(
    name: &str,
    up: bool,
    speaks_of: usize,
    law: impl Law,
    broken: &System,
) -> usize {
    holds_on(MANY, name, up, speaks_of, law, broken)
}

fn holds_on(documents: u32, name: &str, up: bool, speaks_of: usize, law: impl Law, broken: &System) -> usize {
    let system = System::default();
    let mut ops = Vec::new();
    for (op, called) in OPS.iter().enumerate() {
        let test = |documents| test(documents, name, op, up, &law, &system);
        let some = test(SOME);
        // That the law says nothing of an op shows in some.
        if some.meant > 0 {
            ops.push((called, some + test(documents - SOME)));
        }
    }
    let optimised = !cfg!(debug_assertions);
    for (op, Counts { tested, meant }) in &ops {
        let share = f64::from(*meant) / f64::from(*tested);
        assert!(share >= SHARE || !optimised, "{name}, {op}: only {:.0}% to the point", share * 100.0);
    }
    let number = ops.len();
    assert!(number == speaks_of || !optimised, "{name}: {number} ops were put to the test");
    let fields = fails(name, up, law, broken).unwrap_or_else(|| panic!("{name}: the control was not caught"));
    let tested: u32 = ops.iter().map(|(_, counts)| counts.tested).sum();
    let meant: u32 = ops.iter().map(|(_, counts)| counts.meant).sum();
    let mut told = format!(
        "{name}: {tested} documents, {meant} changed, 0 violations, control caught \
         ({number} ops; control shrunk to {fields} fields)\n"
    );
    for (op, Counts { tested, meant }) in &ops {
        told += &format!("    {op}: {tested} documents, {meant} changed\n");
    }
    print!("{told}");
    fields
}

struct Counts {
    tested: u32,
    meant: u32,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { tested: self.tested + other.tested, meant: self.meant + other.meant }
    }
}

fn test(documents: u32, name: &str, op: usize, up: bool, law: &impl Law, system: &System) -> Counts {
    let op_name = OPS[op];
    let (tested, meant) = (Cell::new(0_u32), Cell::new(0_u32));
    let outcome = runner(documents).run(&cases(op, up), |case| {
        tested.set(tested.get() + 1);
        let exercised = law(system, &case).map_err(TestCaseError::fail)?;
        meant.set(meant.get() + u32::from(exercised));
        Ok(())
    });
    if let Err(TestError::Fail(reason, case)) = &outcome {
        panic!("{name}, {op_name}: {reason}\n  op {:?}\n  on {}\n  {case:?}", case.op(), case.document);
    }
    outcome.unwrap_or_else(|error| panic!("{name}, {op_name}: {error}"));
    Counts { tested: tested.get(), meant: meant.get() }
}

/// How many fields the smallest document has on which `law` fails; `None` where it holds.
pub(crate) fn fails(name: &str, up: bool, law: impl Law, broken: &System) -> Option<usize> {
    let mut least = None;
    for op in 0..OPS.len() {
        let outcome = runner(SOME.min(200))
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
