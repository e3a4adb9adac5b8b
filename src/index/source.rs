//! What upkeep reads, and how what it has read is held to be so until the commit is made.

use crate::encoding::key::space::Span;
use crate::error::error::Error;
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::{Commit, Expected};
use crate::storage::commit::engine::Engine;
use crate::stored::entries::Entries;
use crate::stored::state::{Held, State as _};

/// Where a commit comes from.
#[derive(Debug)]
pub(crate) enum Source<'s> {
    /// By itself: it checks what was read. It will be part of another one, if there is one.
    Live(&'s Engine, Option<&'s Commit>),
    /// A transaction, which answers for what it reads.
    Held(&'s Held),
}

impl Source<'_> {
    /// What `key` holds, be it by what `commit` writes.
    pub(crate) fn get(&self, commit: &mut Commit, key: &[u8]) -> Result<Option<Bytes>, Error> {
        if let Some(written) = commit.writes.get(key) {
            return Ok(written.clone());
        }
        match self {
            Self::Live(_, Some(whole)) if whole.writes.contains_key(key) => {
                Ok(whole.writes.get(key).cloned().flatten())
            }
            Self::Live(engine, _) => {
                let read = engine.read(key)?;
                let value = read.value.clone();
                commit.check(key, Expected::Unchanged(read));
                Ok(value)
            }
            Self::Held(held) => Ok(held.get(key)?),
        }
    }

    /// What has been committed at `key`. What is made of it must hold whatever becomes of the key.
    pub(crate) fn committed(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(match self {
            Self::Live(engine, _) => engine.read(key)?.value,
            Self::Held(held) => held.committed(key)?,
        })
    }

    /// What `take` makes of all entries of a span. Only for keys that no commit changes without changing the document they are about, or
    /// that this program would make the same.
    pub(crate) fn all<T>(
        &self,
        span: Span,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut taken = Vec::new();
        let snapshot;
        let held = match self {
            Self::Live(engine, _) => {
                snapshot = Held::Snapshot(std::sync::Arc::new(engine.snapshot()));
                &snapshot
            }
            Self::Held(held) => *held,
        };
        let mut entries = Entries::within(held, span);
        while let Some((key, value)) = entries.next()? {
            taken.push(take(&key, &value)?);
        }
        Ok(taken)
    }
}
