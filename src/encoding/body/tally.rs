//! How often this thread has done what costs something, for tests.

use std::cell::Cell;

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// A way between two stamps is made a plan.
    Plan,
    /// A body is opened, or looked through, from its root.
    Decode,
    /// A list or an object is encoded, with all that is in it.
    Encode,
}

thread_local! {
    static DONE: [Cell<usize>; 3] = const { [const { Cell::new(0) }; 3] };
}

fn with<T>(work: Work, ask: impl FnOnce(&Cell<usize>) -> T) -> T {
    DONE.with(|[plans, decodes, encodes]| {
        ask(match work {
            Work::Plan => plans,
            Work::Decode => decodes,
            Work::Encode => encodes,
        })
    })
}

pub(crate) fn count(work: Work) {
    with(work, |done| done.set(done.get() + 1));
}

pub(crate) fn done(work: Work) -> usize {
    with(work, Cell::get)
}
