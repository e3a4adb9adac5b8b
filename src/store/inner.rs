//! What all handles of a store share.

use std::ops::Deref;
use std::sync::Arc;

use crate::store::core::Core;
use crate::store::worker::Worker;

/// What handles share among themselves. The worker is stopped before the store closes with the last of them.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) worker: Worker,
    core: Arc<Core>,
}

impl Inner {
    pub(crate) fn new(core: Core, background: bool) -> Self {
        let core = Arc::new(core);
        Self { worker: Worker::new(&core, background), core }
    }
}

impl Deref for Inner {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}
