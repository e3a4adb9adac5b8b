//! What can go wrong between a program and its backend.

use std::sync::Arc;

use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::storage::backend::{BackendError, Failure};

#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("the storage backend failed")]
    Backend(#[source] BackendError),
    #[error("the scratch file of an export failed")]
    Scratch(#[source] BackendError),
    /// A condition of the commit does not hold; nothing was written.
    #[error("a condition of the commit no longer holds")]
    CheckFailed { check: usize },
    /// What a transaction has read has changed; nothing was written.
    #[error("what the transaction has read has been changed by another")]
    Conflict,
    #[error("the transaction has ended")]
    TransactionClosed,
    #[error("the commit is larger than the limit")]
    TooLarge { bytes: usize, limit: usize },
    #[error("a counter would fall below zero")]
    CounterUnderflow,
    #[error("the store refuses writes after a failed write")]
    Poisoned(#[source] Arc<Poison>),
    #[error("it is not known whether the commit was made")]
    OutcomeUnknown(#[source] Arc<Poison>),
    #[error("the snapshot was given up to keep within the overlay's bound")]
    SnapshotExpired { limit: usize },
    #[error("the store is closed")]
    Closed,
    #[error("the store's meta key is damaged")]
    DamagedMeta,
    #[error("acknowledged commits are missing from the store")]
    DataLoss { synced: u64, found: u64 },
}

impl From<BackendError> for StorageError {
    fn from(error: BackendError) -> Self {
        Self::Backend(error)
    }
}

/// The failure that made a store refuse writes.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Poison {
    pub(crate) failure: Failure,
    pub(crate) message: &'static str,
    #[source]
    pub(crate) source: Option<BackendError>,
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        let kind = match &error {
            StorageError::Backend(cause) | StorageError::Scratch(cause) => cause.failure.kind(),
            StorageError::CheckFailed { .. } | StorageError::Conflict => ErrorKind::Conflict,
            StorageError::TransactionClosed => ErrorKind::TransactionClosed,
            StorageError::TooLarge { .. } => ErrorKind::TooLarge,
            StorageError::CounterUnderflow | StorageError::DamagedMeta => ErrorKind::Corrupt,
            StorageError::Poisoned(_) => ErrorKind::Poisoned,
            StorageError::OutcomeUnknown(_) => ErrorKind::CommitOutcomeUnknown,
            StorageError::SnapshotExpired { .. } => ErrorKind::SnapshotExpired,
            StorageError::Closed => ErrorKind::Closed,
            StorageError::DataLoss { .. } => ErrorKind::DataLoss,
        };
        match error {
            StorageError::Backend(cause) => Self::new(kind, "the storage backend failed").with_source(cause),
            StorageError::Scratch(cause) => {
                Self::new(kind, "the scratch file of an export failed").with_source(cause)
            }
            StorageError::CheckFailed { .. } => Self::new(kind, "the document was changed in between"),
            StorageError::Conflict => {
                Self::new(kind, "what the transaction has read has been changed by another")
            }
            StorageError::TransactionClosed => Self::new(kind, "the transaction or snapshot has ended"),
            StorageError::TooLarge { bytes, limit } => Self::new(kind, "the commit is larger than the limit")
                .with_detail("bytes", bytes)
                .with_detail("limit", limit)
                .with_advice("nothing was written; store less at once, or raise commit_limit"),
            StorageError::CounterUnderflow => Self::new(kind, "a counter would fall below zero"),
            StorageError::Poisoned(cause) => {
                Self::new(kind, "the store refuses writes after a failed write").with_source(cause)
            }
            StorageError::OutcomeUnknown(cause) => {
                Self::new(kind, "it is not known whether the commit was made").with_source(cause)
            }
            StorageError::SnapshotExpired { limit } => {
                Self::new(kind, "the snapshot held too much old data alive and was given up")
                    .with_detail("limit", limit)
            }
            StorageError::Closed => Self::new(kind, "the store is closed"),
            StorageError::DamagedMeta => Self::new(kind, "the store's meta key is damaged"),
            StorageError::DataLoss { synced, found } => {
                Self::new(kind, "acknowledged commits are missing from the store")
                    .with_detail("synced", synced)
                    .with_detail("found", found)
            }
        }
    }
}
