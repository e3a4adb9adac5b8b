//! Telling how far a long call has come, and being told to stop.

use std::fmt;
use std::ops::ControlFlow;

use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;

/// How far a long call has come.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Documents that are done with.
    pub documents: u64,
    /// Bytes read or written: of text by an import or export, of keys and values by a verification.
    pub bytes: u64,
}

/// It is told after so many documents or lines ...
const DOCUMENTS: u64 = 256;
/// ... or this many bytes.
const BYTES: u64 = 1 << 20;

/// Whom to tell, and when.
#[derive(Default)]
pub(crate) struct Reporter<'a> {
    callback: Option<Box<dyn FnMut(Progress) -> ControlFlow<()> + 'a>>,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(callback: impl FnMut(Progress) -> ControlFlow<()> + 'a) -> Self {
        Self { callback: Some(Box::new(callback)) }
    }

    pub(crate) fn tell(&mut self, progress: Progress) -> Result<()> {
        match self.callback.as_mut().map(|callback| callback(progress)) {
            None | Some(ControlFlow::Continue(())) => Ok(()),
            Some(ControlFlow::Break(())) => {
                Err(Error::new(ErrorKind::Cancelled, "stopped by the caller's progress callback")
                    .with_detail("documents", progress.documents)
                    .with_detail("bytes", progress.bytes))
            }
        }
    }
}

impl fmt::Debug for Reporter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").field("callback", &self.callback.is_some()).finish()
    }
}

/// Says when it is time for something that is done now and then.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    count: u64,
    bytes: u64,
}

impl Turn {
    /// Whether it is time, after so many bytes more.
    pub(crate) fn has_come(&mut self, bytes: u64) -> bool {
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        let come = self.count >= DOCUMENTS || self.bytes >= BYTES;
        if come {
            *self = Self::default();
        }
        come
    }
}
