//! What records are read from: one state of the store.

use std::sync::Arc;

use crate::storage::backend::{Direction, KeyRange, Page, PageLimit};
use crate::storage::bytes::Bytes;
use crate::storage::commit::error::StorageError;
use crate::storage::commit::snapshot::Snapshot;
use crate::storage::commit::transaction::{Own, Transaction};

/// One state of the store, which does not change while it is read.
pub(crate) trait State {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageError>;

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, StorageError>;

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, StorageError>;
}

impl State for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        Self::get(self, key)
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, StorageError> {
        Self::get_many(self, keys)
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, StorageError> {
        Self::page(self, range, direction, limit)
    }
}

/// A snapshot's state, or a transaction's, with its own writes.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    Snapshot(Arc<Snapshot>),
    Transaction(Arc<Transaction>),
    /// As above, when the transaction had written so much and no more.
    Moment(Arc<Transaction>, Own),
}

impl Held {
    /// The state as it is now: what a transaction writes from now on is not in it.
    pub(crate) fn now(self) -> Result<Self, StorageError> {
        match self {
            Self::Transaction(transaction) => {
                let own = transaction.own()?;
                Ok(Self::Moment(transaction, own))
            }
            held => Ok(held),
        }
    }

    /// Whether reads are those of a transaction, which answers for them.
    pub(crate) fn is_transaction(&self) -> bool {
        !matches!(self, Self::Snapshot(_))
    }

    /// What has been committed at `key`, for what nothing rests on that a transaction would have to answer for.
    pub(crate) fn committed(&self, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        match self {
            Self::Snapshot(snapshot) => snapshot.get(key),
            Self::Transaction(transaction) | Self::Moment(transaction, _) => transaction.began_with(key),
        }
    }

    /// The last commit it sees.
    pub(crate) fn sequence(&self) -> Result<u64, StorageError> {
        match self {
            Self::Snapshot(snapshot) => Ok(snapshot.sequence()),
            Self::Transaction(transaction) | Self::Moment(transaction, _) => transaction.sequence(),
        }
    }
}

impl State for Held {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        match self {
            Self::Snapshot(snapshot) => snapshot.get(key),
            Self::Transaction(transaction) => transaction.get(key),
            Self::Moment(transaction, own) => transaction.get_as_of(own, key),
        }
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, StorageError> {
        match self {
            Self::Snapshot(snapshot) => snapshot.get_many(keys),
            Self::Transaction(_) | Self::Moment(..) => keys.iter().map(|key| self.get(key)).collect(),
        }
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, StorageError> {
        match self {
            Self::Snapshot(snapshot) => snapshot.page(range, direction, limit),
            Self::Transaction(transaction) => transaction.page(&transaction.own()?, range, direction, limit),
            Self::Moment(transaction, own) => transaction.page(own, range, direction, limit),
        }
    }
}

/// A walk over a range of one state. It tells a transaction how far it has come, so that the transaction answers for what was consumed
/// and no more; what the transaction writes after the walk has begun is not in it.
#[derive(Debug)]
pub(crate) struct Walk {
    held: Held,
    /// What a transaction had written.
    own: Own,
    whole: KeyRange,
    direction: Direction,
}

impl Walk {
    pub(crate) fn new(held: Held, whole: KeyRange, direction: Direction) -> Result<Self, StorageError> {
        let own = match &held {
            Held::Transaction(transaction) => transaction.own()?,
            Held::Moment(_, own) => own.clone(),
            Held::Snapshot(_) => Own::default(),
        };
        Ok(Self { held, own, whole, direction })
    }

    /// A page of what is left.
    pub(crate) fn page(&self, rest: &KeyRange, limit: PageLimit) -> Result<Page, StorageError> {
        match &self.held {
            Held::Snapshot(snapshot) => snapshot.page(rest, self.direction, limit),
            Held::Transaction(transaction) | Held::Moment(transaction, _) => {
                transaction.page(&self.own, rest, self.direction, limit)
            }
        }
    }

    /// Everything up to `key`, in the direction of the walk, has been consumed.
    pub(crate) fn consumed(&self, key: &[u8]) -> Result<(), StorageError> {
        self.tell(|| match self.direction {
            Direction::Forward => {
                KeyRange { start: self.whole.start.clone(), end: Some([key, &[0]].concat()) }
            }
            Direction::Backward => KeyRange { start: key.to_vec(), end: self.whole.end.clone() },
        })
    }

    /// Everything has been consumed, the end included.
    pub(crate) fn ended(&self) -> Result<(), StorageError> {
        self.tell(|| self.whole.clone())
    }

    fn tell(&self, range: impl FnOnce() -> KeyRange) -> Result<(), StorageError> {
        match &self.held {
            Held::Transaction(transaction) | Held::Moment(transaction, _) => transaction.scanned(range()),
            Held::Snapshot(_) => Ok(()),
        }
    }
}
