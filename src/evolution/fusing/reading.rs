//! What is read of a document is what would be written of it, also where something of it was kept: reading with a complement is another way than writing with it,
//! which keeps what is lost now.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestError};

use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::evolution::context::StepContext;
use crate::evolution::fault::StepError;
use crate::evolution::fusing::equivalence::{Case, cases, evolution, runner};
use crate::evolution::history::History;
use crate::evolution::notes::OpenComplement;
use crate::model::id::DocumentId;

/// Few where the compiler has left everything slow.
const CASES: u32 = if cfg!(debug_assertions) { 600 } else { 6000 };

/// Documents that go up and are written there, an edit of some of them, and the way down and up again.
#[derive(Debug, Default)]
struct Reread {
    /// Of so many documents something was kept,
    kept: usize,
    /// which made a difference to what was read of so many.
    mattered: usize,
    failed: usize,
}

/// Holds what is read of a document with a complement to what would be written of it. `given`: what the one who reads has of the complement.
fn hold_reading(
    case: &Case,
    given: for<'c> fn(OpenComplement<'c>) -> OpenComplement<'c>,
    tally: &mut Reread,
) -> Result<(), TestCaseError> {
    let evolution = evolution(&case.steps, case.function);
    let Ok(history) = History::new("k", &evolution) else {
        return Err(TestCaseError::reject("the steps make no sense"));
    };
    let (lowest, highest) = (history.own(1).unwrap(), history.current());
    let (Ok(up), Ok(down)) = (history.plan(lowest, highest), history.plan(highest, lowest)) else {
        return Err(TestCaseError::reject("there is no way down"));
    };
    let id = DocumentId::from(1);
    let context = StepContext::new("k", &id);
    let result = |outcome: Result<(), StepError>, node: Node<'_>| match outcome {
        Ok(()) => node.to_bytes(Limits::default()).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    for (number, document) in case.documents.iter().enumerate() {
        let mut body = Node::from_value(document.value.clone()).unwrap();
        let Ok(mut kept) = up.write(&mut body, &OpenComplement::default(), &context) else { continue };
        // Every other one is edited.
        if number % 2 == 1
            && let Ok(Some(members)) = body.as_object_mut()
        {
            members.insert("a", Node::Bool(true));
        }
        for (plan, back) in [(&down, &up), (&up, &down)] {
            let (mut read, mut written, mut without) = (body.clone(), body.clone(), body.clone());
            let is_kept = !kept.is_empty();
            let read = result(plan.read(&mut read, &given(kept.clone()), &context), read);
            let outcome = plan.write(&mut written, &kept, &context);
            let without = result(plan.read(&mut without, &OpenComplement::default(), &context), without);
            let going_on = outcome.as_ref().ok().cloned();
            let expected = result(outcome.map(drop), written.clone());
            prop_assert_eq!(&read, &expected, "{:?} back by {} steps", document, back.len());
            tally.kept += usize::from(is_kept);
            tally.mattered += usize::from(is_kept && read != without);
            tally.failed += usize::from(read.is_err());
            let Some(next) = going_on else { break };
            (body, kept) = (written, next);
        }
    }
    Ok(())
}

#[test]
fn what_is_read_is_what_would_be_written() {
    let tally = RefCell::new(Reread::default());
    let result =
        runner(CASES).run(&cases(), |case| hold_reading(&case, |kept| kept, &mut tally.borrow_mut()));
    if let Err(error) = result {
        panic!("{error}");
    }
    let tally = tally.into_inner();
    println!("read with a complement: {tally:?}");
    let seen = [(tally.kept, 1), (tally.mattered, 2), (tally.failed, 20)];
    assert!(seen.iter().all(|(seen, of)| seen * of > CASES as usize), "too little of it was seen");
    let forgetful = runner(CASES)
        .run(&cases(), |case| hold_reading(&case, |_| OpenComplement::default(), &mut Reread::default()));
    assert!(matches!(forgetful, Err(TestError::Fail(..))), "a complement that is not heeded was not found");
}
