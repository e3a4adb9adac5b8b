//! Reading one record.

use crate::encoding::key::document;
use crate::error::error::Error;
use crate::storage::bytes::Bytes;
use crate::storage::commit::commit::Read;
use crate::storage::commit::engine::Engine;
use crate::stored::record::Record;
use crate::stored::state::State;

/// A record, and what its head's key held, for a commit to check.
#[derive(Debug)]
pub(crate) struct Latest {
    pub(crate) read: Read,
    pub(crate) record: Option<Record>,
}

/// The record at `key` as it is now.
pub(crate) fn latest(engine: &Engine, key: &[u8]) -> Result<Latest, Error> {
    let read = engine.read(key)?;
    let Some(value) = &read.value else { return Ok(Latest { read, record: None }) };
    if let Some(record) = Record::whole(key, value)? {
        return Ok(Latest { read, record: Some(record) });
    }
    // More than one key: only a snapshot gives them of one state.
    let snapshot = engine.snapshot();
    let value = snapshot.get(key)?;
    let record = value.as_ref().map(|value| with_chunks(&snapshot, key, value)).transpose()?;
    Ok(Latest { read: Read { sequence: snapshot.sequence(), value }, record })
}

/// The record at `key` in one state of the store.
pub(crate) fn at(state: &impl State, key: &[u8]) -> Result<Option<Record>, Error> {
    state.get(key)?.map(|value| with_chunks(state, key, &value)).transpose()
}

/// The record whose head is `value`.
pub(crate) fn with_chunks(state: &impl State, key: &[u8], value: &Bytes) -> Result<Record, Error> {
    Record::from_chunks(key, value, |number| Ok(state.get(&document::chunk_key(key, number))?))
}
