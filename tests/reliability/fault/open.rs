//! Opening on a medium that fails: where there is nothing yet, where there is a store, and where kinds are declared.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pivotdb::backend::{Backend as _, MemoryBackend};
use pivotdb::testing::fault::{FaultBackend, Operation, Plan};
use pivotdb::{Builder, ErrorKind};

use crate::check::told;
use crate::fault::cases::{Person, builder};
use crate::fault::{State, copy, faults, reopens, state};
use crate::tally::Flaw;

/// Every fault at every call of every kind of opening.
pub(super) fn examine_all(base: &MemoryBackend) -> Vec<(String, Vec<Flaw>)> {
    let nothing = MemoryBackend::new();
    type Case<'c> = (&'c str, &'c MemoryBackend, fn() -> Builder);
    let cases: [Case<'_>; 3] = [
        ("open of nothing", &nothing, builder),
        ("open", base, builder),
        ("open with a kind", base, || builder().register::<Person>()),
    ];
    let mut examined = Vec::new();
    for (name, medium, builder) in cases {
        let allowed = [whole(medium)];
        for (fault, lasting) in faults() {
            for number in 1.. {
                let plan = Plan::nth(number, fault);
                let plan = if lasting { plan.for_ever() } else { plan };
                let Some((operation, flaws)) = examine(medium, &builder(), &allowed, plan) else { break };
                let name = format!("{name}, call {number} ({operation:?}), {fault:?}, lasting {lasting}");
                examined.push((name, flaws));
            }
        }
    }
    examined
}

fn whole(medium: &MemoryBackend) -> State {
    let store = builder().open_backend(Arc::new(copy(medium))).expect("a store");
    state(&store).expect("documents")
}

fn examine(
    medium: &MemoryBackend,
    builder: &Builder,
    allowed: &[State],
    plan: Plan,
) -> Option<(Operation, Vec<Flaw>)> {
    let medium = Arc::new(copy(medium));
    let (backend, faults) = FaultBackend::new(Arc::clone(&medium));
    faults.arm(plan);
    let opened = catch_unwind(AssertUnwindSafe(|| builder.clone().open_backend(Arc::new(backend))));
    faults.disarm();
    let struck = faults.calls().iter().find(|call| call.fault.is_some()).map(|call| call.operation)?;
    let mut flaws = Vec::new();
    match opened {
        Ok(Ok(_)) => flaws.push(Flaw::Other("it succeeds in spite of the fault".to_owned())),
        Ok(Err(error)) => {
            let fits = matches!(
                error.kind(),
                ErrorKind::Io | ErrorKind::OutOfSpace | ErrorKind::Corrupt | ErrorKind::CommitOutcomeUnknown
            );
            if !fits {
                flaws.push(Flaw::Other(format!("an error that does not fit: {}", told(&error))));
            }
        }
        Err(_) => flaws.push(Flaw::Panic("it panics".to_owned())),
    }
    // Where nothing had been made, nothing is there to be read without the store's own code.
    if medium.get(&[1, 0]).is_ok_and(|meta| meta.is_some()) {
        flaws.extend(reopens(&medium, allowed, false));
    } else if let Err(error) = builder.clone().open_backend(medium) {
        flaws.push(Flaw::FailedOpen(told(&error)));
    }
    Some((struck, flaws))
}
