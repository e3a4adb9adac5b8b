//! Weaker isolation on purpose: what tests of isolation must catch, lest they show nothing.

use std::ops::Bound;

use serde::de::DeserializeOwned;

use crate::encoding::key::document::{self, DocumentKey};
use crate::error::error::{Error, Result};
use crate::storage::backend::{Direction, KeyRange, PageLimit};
use crate::storage::commit::commit::{Class, Commit};
use crate::storage::commit::error::StorageError;
use crate::storage::commit::ranges::Ranges;
use crate::store::collection::Collection;
use crate::store::document::Document;
use crate::store::transaction::Transaction;
use crate::stored::record::Record;

/// How much of what a transaction has read must still be so when it is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Validation {
    /// Everything: transactions are serializable.
    Everything,
    /// What it has written as well: snapshot isolation, where the first to commit wins.
    Written,
    /// Nothing.
    Nothing,
}

/// Commits the transaction after so much validation. Gives the sequence of its commit, or of the state it has read if it wrote nothing.
///
/// # Errors
/// As [`Transaction::commit`].
pub fn commit(transaction: &Transaction, validation: Validation) -> Result<u64> {
    transaction.finish(|commit| match validation {
        Validation::Everything => {}
        Validation::Written => {
            let Commit { reads, writes, .. } = commit;
            if let Some(reads) = reads {
                reads.keys.retain(|key| writes.contains_key(key));
                reads.ranges = Ranges::default();
            }
        }
        Validation::Nothing => commit.reads = None,
    })
}

/// The last commit that the transaction sees.
///
/// # Errors
/// `TransactionClosed`.
pub fn sequence(transaction: &Transaction) -> Result<u64> {
    transaction.sequence()
}

/// Commits the transaction as one that changes no meaning, as settling and index builds do: those who have read what it writes,
/// and do not write it, are not disturbed; it is refused itself if anything it has read has changed. Gives the sequence.
///
/// # Errors
/// As [`Transaction::commit`].
pub fn commit_neutrally(transaction: &Transaction) -> Result<u64> {
    transaction.finish(|commit| commit.class = Class::Neutral)
}

/// The documents of a collection, without a snapshot, a few at a time; `between` is called before each further page.
///
/// # Errors
/// When the store cannot be read; also when what belongs together was read from different states.
pub fn read_torn<T: DeserializeOwned>(
    collection: &Collection<T>,
    mut between: impl FnMut(),
) -> Result<Vec<Document<T>>> {
    let backend = collection.inner.engine.unshielded()?;
    let span = document::id_span(collection.number, Bound::Unbounded, Bound::Unbounded)?;
    let mut range = KeyRange { start: span.start, end: Some(span.end) };
    let mut documents = Vec::new();
    loop {
        let limit = PageLimit { entries: 4, bytes: usize::MAX };
        let page = backend.page(&range, Direction::Forward, limit).map_err(StorageError::from)?;
        for (key, value) in &page.entries {
            let DocumentKey { id, chunk, .. } = document::parse(key)?;
            if chunk == 0 {
                let record = Record::from_chunks(key, value, |number| {
                    let chunk = backend.get(&document::chunk_key(key, number));
                    Ok::<_, Error>(chunk.map_err(StorageError::from)?)
                });
                documents.extend(collection.open(id, record?)?);
            }
        }
        match page.entries.last() {
            Some((last, _)) if !page.complete => range.start = [last, &[0][..]].concat(),
            _ => return Ok(documents),
        }
        between();
    }
}
