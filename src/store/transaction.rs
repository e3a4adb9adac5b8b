//! Transactions.

use std::fmt;
use std::sync::Arc;

use crate::error::error::{Error, Result};
use crate::error::kind::ErrorKind;
use crate::storage::commit::commit::{Commit, Durability};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::gate::Favour;
use crate::storage::commit::transaction::Transaction as Bytes;
use crate::store::collection::Collection;
use crate::store::inner::Inner;
use crate::store::retry::{TRIES, pause_after};
use crate::store::session::Session;
use crate::store::store::Store;

/// After so many refusals a transaction is run while others who want to commit wait for it, as long as it is quick.
const UNFAVOURED_TRIES: u32 = 32;

/// Reads of one state of the store, and writes that are made together if, at that moment, everything that was read is still so:
/// transactions are serializable. Made by [`Store::transaction`], or by [`Store::begin`].
///
/// Dropped without [`commit`](Self::commit), it leaves nothing behind.
pub struct Transaction {
    inner: Arc<Inner>,
    bytes: Arc<Bytes>,
    durability: Durability,
    /// What was to be kept up when it began.
    epoch: u64,
}

impl Store {
    /// Runs `work` in a transaction and commits it. When what it has read has been changed by others meanwhile, it is run again, up to
    /// 1,000 times. If it fails, nothing is written.
    ///
    /// A transaction that has been refused 32 times is run while other commits wait, for a quarter of a second at most, so that a long one
    /// gets there also where others write what it reads without pause. What takes longer than that can end in `Conflict`: others are made to wait for it again only after twice
    /// as many refusals, five times in all. Readers never wait.
    ///
    /// ```
    /// # use pivotdb::{Error, Store};
    /// # use serde_json::json;
    /// # let store = Store::memory()?;
    /// let accounts = store.documents("accounts")?;
    /// accounts.insert_with_id("a", &json!({"balance": 10}))?;
    /// accounts.insert_with_id("b", &json!({"balance": 0}))?;
    /// store.transaction(|tx| {
    ///     let accounts = tx.on(&accounts);
    ///     let balance = accounts.require("a")?["balance"].as_i64().unwrap_or(0);
    ///     if balance < 7 {
    ///         return Err(Error::abort("not enough"));
    ///     }
    ///     accounts.update("a", |a| a["balance"] = json!(balance - 7))?;
    ///     accounts.update("b", |b| b["balance"] = json!(b["balance"].as_i64().unwrap_or(0) + 7))?;
    ///     Ok(())
    /// })?;
    /// assert_eq!(accounts.require("b")?["balance"], 7);
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    ///
    /// # Errors
    /// What `work` gives ([`Error::abort`] carries an error of the caller's own); `Conflict` after too many repetitions; `TooLarge`;
    /// `SnapshotExpired`; `InsideTransaction` within another transaction; and what a commit can fail with.
    pub fn transaction<R>(&self, work: impl FnMut(&Transaction) -> Result<R>) -> Result<R> {
        self.try_transaction(work)
    }

    /// As [`transaction`](Self::transaction), with an error type of the caller's.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub fn try_transaction<R, E: From<Error>>(
        &self,
        mut work: impl FnMut(&Transaction) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut unfavoured = UNFAVOURED_TRIES;
        for tries in 1..=TRIES {
            // Others are held back, for a moment, where it would be refused for ever.
            let favour = (tries > unfavoured).then(|| self.inner().engine.favour()).flatten();
            if favour.is_some() {
                // Where that is not long enough, others are not held back in vain for as long as it is tried.
                unfavoured = tries.saturating_mul(2);
            }
            let transaction = self.begin()?;
            let begun_at = self.inner().engine.published();
            let outcome = {
                let _inside = self.inner().insiders.enter();
                work(&transaction)
            };
            let doomed = transaction.bytes.is_doomed();
            match outcome {
                Ok(result) => match transaction.finish_with(|_| {}, favour) {
                    Ok(_) => return Ok(result),
                    Err(error) if !error.is_conflict() => return Err(error.into()),
                    Err(_) => {}
                },
                Err(error) if !doomed => return Err(error),
                // What it has met a conflict with was read elsewhere. It would meet it again.
                Err(error) if self.inner().engine.published() == begun_at => return Err(error),
                Err(_) => drop(favour),
            }
            pause_after(tries);
        }
        let error = Error::new(ErrorKind::Conflict, "others keep changing what the transaction reads");
        Err(error.with_detail("tries", TRIES).into())
    }

    /// Begins a transaction that is committed by hand; conflicts are then the caller's to repeat.
    ///
    /// # Errors
    /// `InsideTransaction` within the closure of another transaction.
    pub fn begin(&self) -> Result<Transaction> {
        let inner = self.inner();
        inner.insiders.check_outside()?;
        let epoch = inner.indexes.epoch();
        let bytes = Arc::new(inner.engine.begin());
        Ok(Transaction { inner: Arc::clone(inner), bytes, durability: self.durability(), epoch })
    }
}

impl Transaction {
    /// `collection` within the transaction: reads see what the transaction has written, and writes are kept back until it is committed. Used
    /// after the end of the transaction, it answers `TransactionClosed`.
    #[must_use]
    pub fn on<T>(&self, collection: &Collection<T>) -> Collection<T> {
        collection.within(&self.inner, Session::Transaction(Arc::clone(&self.bytes)))
    }

    /// Makes the writes, if everything that was read is still so.
    ///
    /// # Errors
    /// `Conflict` when it is not; `TransactionClosed`; `InsideTransaction` within the closure of [`Store::transaction`], which commits by itself; and
    /// what a commit can fail with. In every case but `CommitOutcomeUnknown` nothing has been written.
    pub fn commit(&self) -> Result<()> {
        self.inner.insiders.check_outside()?;
        self.finish_with(|_| {}, None).map(drop)
    }

    /// The last commit it sees.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn sequence(&self) -> Result<u64> {
        Ok(self.bytes.sequence()?)
    }

    /// Commits what `alter` makes of it, and gives the sequence at which everything it has read was so.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn finish(&self, alter: impl FnOnce(&mut Commit)) -> Result<u64> {
        self.finish_with(alter, None)
    }

    fn finish_with(&self, alter: impl FnOnce(&mut Commit), favour: Option<Favour<'_>>) -> Result<u64> {
        let mut ended = self.bytes.end()?;
        let mut commit = std::mem::take(&mut ended.commit);
        alter(&mut commit);
        if commit.keys() == 0 {
            // What was read is one state of the store: that the state is no longer the newest takes nothing from it.
            return Ok(ended.sequence());
        }
        // Its writes keep up the indexes that there were.
        let gate = self.inner.indexes.enter();
        if gate.epoch() != self.epoch {
            return Err(StorageError::Conflict.into());
        }
        let engine = &self.inner.engine;
        let sequence = engine.apply_with(commit, favour)?;
        // Nobody who changes indexes, and nobody behind him, waits for the medium.
        drop(gate);
        engine.wait(sequence, self.durability)?;
        Ok(sequence)
    }

    /// Gives the writes up. Within the closure of [`Store::transaction`], return an error instead.
    pub fn rollback(&self) {
        // Ended already: there is nothing left to give up.
        let _ = self.bytes.end();
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.rollback();
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}
