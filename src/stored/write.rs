//! Writing one record.

use crate::encoding::envelope::record::Sealed;
use crate::encoding::key::document;
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::Commit;

/// Puts a record into a commit, and gives the value of its head. `chunks_before`: how many the record had that it replaces.
pub(crate) fn put(commit: &mut Commit, key: Vec<u8>, sealed: Sealed, chunks_before: u32) -> Bytes {
    let mut number = 0;
    for chunk in sealed.chunks {
        number += 1;
        commit.put(document::chunk_key(&key, number), chunk);
    }
    for stale in (number + 1)..=chunks_before {
        commit.remove(document::chunk_key(&key, stale));
    }
    let head = Bytes::from(sealed.head);
    commit.put(key, head.clone());
    head
}

/// Takes a record of so many chunks away.
pub(crate) fn remove(commit: &mut Commit, key: Vec<u8>, chunks: u32) {
    for number in 1..=chunks {
        commit.remove(document::chunk_key(&key, number));
    }
    commit.remove(key);
}
