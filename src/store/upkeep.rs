//! From writes of documents to the upkeep of indexes.

use std::sync::Arc;

use crate::encoding::envelope::record::Sealed;
use crate::error::error::Result;
use crate::index::entries_of::Stored;
use crate::index::generation::Generation;
use crate::index::indexes::{Gate, Kinds as _};
use crate::index::source::Source;
use crate::index::upkeep::{Kept, Write, keep_up};
use crate::model::id::DocumentId;
use crate::record::kind::Kind;
use crate::record::view::shaped;
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::Commit;
use crate::store::core::Core;
use crate::stored::record::Record;

/// What writes of one collection have to keep up; nothing, in most.
pub(crate) struct Upkeep<'u> {
    generations: Option<&'u [Arc<Generation>]>,
    source: Source<'u>,
}

impl<'u> Upkeep<'u> {
    pub(crate) fn new(gate: &'u Gate<'_>, collection: u32, source: Source<'u>) -> Self {
        Self { generations: gate.of(collection).map(|generations| &**generations), source }
    }

    /// Whether there is anything to keep up.
    pub(crate) fn is_needed(&self) -> bool {
        self.generations.is_some()
    }

    /// Adds to `commit`, which puts `after` in the place of `before`, what that changes in indexes.
    pub(crate) fn run(
        &self,
        core: &Core,
        id: &DocumentId,
        before: Option<&Record>,
        after: Option<&Record>,
        commit: &mut Commit,
    ) -> Result<Kept> {
        let Some(generations) = self.generations else { return Ok(Kept::Up) };
        let kind = |record: Option<&Record>| record.map(|record| core.kind(record.header.kind)).transpose();
        let (kind_before, kind_after) = (kind(before)?, kind(after)?);
        let write = Write {
            id,
            before: stored(before, kind_before.as_ref()),
            after: stored(after, kind_after.as_ref()),
        };
        keep_up(core, generations, write, &self.source, commit)
    }
}

fn stored<'s>(record: Option<&'s Record>, kind: Option<&'s Arc<Kind>>) -> Option<Stored<'s>> {
    let (record, kind) = record.zip(kind)?;
    Some(Stored { number: record.header.kind, kind, shaped: shaped(record) })
}

/// The record that reading what has just been sealed gives.
pub(crate) fn as_record(key: &[u8], sealed: &Sealed) -> Result<Record> {
    let head = Bytes::from(sealed.head.as_slice());
    Record::from_chunks(key, &head, |number| {
        let position = usize::try_from(number).unwrap_or(usize::MAX).wrapping_sub(1);
        Ok(sealed.chunks.get(position).map(|chunk| Bytes::from(chunk.as_slice())))
    })
}
