//! What a handle reads from and writes to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::storage::commit::snapshot::Snapshot;
use crate::storage::commit::transaction::Transaction;

/// What a handle reads from and writes to.
#[derive(Debug, Clone)]
pub(crate) enum Session {
    /// The store as it is at each call.
    Live,
    /// One state; nothing can be written.
    Snapshot(Arc<Snapshot>),
    /// One state, and what the transaction writes.
    Transaction(Arc<Transaction>),
    /// A handle on one store, taken into a transaction or snapshot of another.
    Foreign,
}

/// The threads that are inside a transaction's closure. Their other handles on the store would read past the transaction without a word.
#[derive(Debug, Default)]
pub(crate) struct Insiders {
    /// How many there are, so that a store without transactions pays one load.
    count: AtomicUsize,
    threads: Mutex<Vec<ThreadId>>,
}

/// The current thread is inside a transaction's closure while this lives.
#[derive(Debug)]
pub(crate) struct Inside<'a> {
    insiders: &'a Insiders,
    thread: ThreadId,
}

impl Insiders {
    pub(crate) fn enter(&self) -> Inside<'_> {
        let thread = thread::current().id();
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        self.count.fetch_add(1, Ordering::Release);
        Inside { insiders: self, thread }
    }

    /// Fails inside a transaction's closure.
    pub(crate) fn check_outside(&self) -> Result<()> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let current = thread::current().id();
        if self.threads.lock().unwrap_or_else(PoisonError::into_inner).contains(&current) {
            return Err(Error::new(
                ErrorKind::InsideTransaction,
                "a handle from outside was used inside a transaction, past which it would read and write",
            ));
        }
        Ok(())
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut threads = self.insiders.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = threads.iter().position(|thread| *thread == self.thread) {
            threads.swap_remove(position);
        }
        self.insiders.count.fetch_sub(1, Ordering::Release);
    }
}
