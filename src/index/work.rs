//! What there is to do for indexes.

use std::sync::Arc;

use crate::error::error::Error;
use crate::index::build::{Stepped, can_build, remove, step};
use crate::index::declare::{anew, drop_replaced, here};
use crate::index::generation::Generation;
use crate::index::indexes::{Context, Indexes};
use crate::index::state::{IndexState, Status};

/// What has been done.
#[derive(Debug)]
pub(crate) enum Worked {
    /// Nothing: there is nothing to do.
    Idle,
    Step(Step),
}

/// A step of one generation's build or removal.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) generation: Arc<Generation>,
    /// How far a build has come; `None` where that is not known.
    pub(crate) status: Option<Status>,
    /// By how many documents it has come further, as far as that is known.
    pub(crate) documents: u64,
}

/// Does a step of what is to be done: builds first, then removals. What fails keeps nothing else from being done, and is told when that is done.
pub(crate) fn work(context: Context<'_>, indexes: &Indexes) -> Result<Worked, Error> {
    let all = indexes.all();
    let of = |state| all.iter().filter(move |generation| generation.live.state() == state);
    let mut failed = None;
    for generation in of(IndexState::Building) {
        let built = can_build(context, generation)
            .and_then(|can| can.then(|| build(context, indexes, generation)).transpose());
        match built {
            Ok(Some(step)) => return Ok(Worked::Step(step)),
            Ok(None) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    for generation in of(IndexState::Dropped) {
        match remove(context, indexes, generation) {
            Ok(_) => {
                let generation = Arc::clone(generation);
                return Ok(Worked::Step(Step { generation, status: None, documents: 0 }));
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(Worked::Idle), Err)
}

/// Does a step of a build.
pub(crate) fn build(
    context: Context<'_>,
    indexes: &Indexes,
    generation: &Arc<Generation>,
) -> Result<Step, Error> {
    let (status, documents) = match step(context, generation)? {
        Stepped::On(status, documents) => (Some(status), documents),
        Stepped::Conflict => (None, 0),
        Stepped::Done => {
            if generation.live.state() == IndexState::Readable {
                let _changing = indexes.change();
                drop_replaced(context, indexes, generation)?;
            }
            (None, 0)
        }
    };
    if is_outgrown(context, generation) {
        anew(context, indexes, generation, false)?;
    }
    Ok(Step { generation: Arc::clone(generation), status, documents })
}

/// Whether this program relies on a generation to hold the values that documents have where it sees them, and the build has met one for which it does not.
fn is_outgrown(context: Context<'_>, generation: &Generation) -> bool {
    let live = &generation.live;
    generation.definition.unique
        && live.is_enforced()
        && live.state().is_maintained()
        && here(context.kinds, generation).is_some_and(|here| !here.right)
}
