//! What there is to do for indexes.

use std::sync::Arc;

use crate::error::error::Error;
use crate::index::build::{Stepped, can_build, remove, step};
use crate::index::declare::drop_replaced;
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
}

/// Does a step of what is to be done: builds first, then removals.
pub(crate) fn work(context: Context<'_>, indexes: &Indexes) -> Result<Worked, Error> {
    let all = indexes.all();
    for generation in all.iter().filter(|generation| generation.live.state() == IndexState::Building) {
        if can_build(context, generation)? {
            return build(context, indexes, generation).map(Worked::Step);
        }
    }
    let Some(dropped) = all.iter().find(|generation| generation.live.state() == IndexState::Dropped) else {
        return Ok(Worked::Idle);
    };
    remove(context, indexes, dropped)?;
    Ok(Worked::Step(Step { generation: Arc::clone(dropped), status: None }))
}

/// Does a step of a build.
pub(crate) fn build(
    context: Context<'_>,
    indexes: &Indexes,
    generation: &Arc<Generation>,
) -> Result<Step, Error> {
    let status = match step(context, generation)? {
        Stepped::On(status) => Some(status),
        Stepped::Conflict => None,
        Stepped::Done => {
            if generation.live.state() == IndexState::Readable {
                drop_replaced(context, indexes, generation)?;
            }
            None
        }
    };
    Ok(Step { generation: Arc::clone(generation), status })
}
