//! For fuzz targets: whatever reads stored bytes, held to its laws on bytes of anybody's.
//!
//! Each function tells whether the bytes were accepted, or which law does not hold of them. None may panic, or take more memory than
//! the bytes justify; that is for the fuzzer to notice.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::encoding::body::de::from_body;
use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::encoding::body::raw::{Raw, View};
use crate::encoding::body::ser::to_body;
use crate::encoding::body::validate::validate;
use crate::encoding::envelope::error::EnvelopeError;
use crate::encoding::envelope::header::Header;
use crate::encoding::envelope::mend::mended;
use crate::encoding::envelope::record::{Draft, Head, Sealed};
use crate::encoding::key::catalog::CatalogKey;
use crate::encoding::key::census::CensusKey;
use crate::encoding::key::{document, id, index, space};
use crate::encoding::text::parse::{Duplicates, parse};
use crate::encoding::text::print::print;
use crate::model::id::DocumentId;
use crate::query::cursor::Cursor;

/// Whether the bytes were accepted, or the law that does not hold.
pub type Verdict = Result<bool, &'static str>;

fn must(holds: bool, law: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(law) }
}

/// Reads the bytes as a body: unchecked first, in every way there is, and then checked.
///
/// # Errors
/// What is valid is a value and its only encoding; it becomes JSON text that becomes the same bytes again; a program reads it as it is.
pub fn body(bytes: &[u8]) -> Verdict {
    let limits = Limits::default();
    if let Ok(raw) = Raw::new(bytes) {
        let _ = walk(raw, limits.depth);
        let _ = raw.check_depth(limits.depth);
        let _ = raw.to_value();
        let _ = print(raw, &mut io::sink());
        let _ = Node::Raw(raw) == Node::Array(vec![Node::Raw(raw)]);
        let _ = from_body::<Value>(raw);
        let _ = from_body::<IgnoredAny>(raw);
        let _ = from_body::<BTreeMap<i8, Vec<Option<f32>>>>(raw);
        let _ = from_body::<(u8, &str, (bool, i64))>(raw);
    }
    let Ok(raw) = validate(bytes, limits) else { return Ok(false) };
    must(walk(raw, limits.depth).is_ok(), "what is valid can be walked through")?;
    let value = raw.to_value().map_err(|_| "what is valid is a value")?;
    must(from_body::<Value>(raw).is_ok_and(|read| read == value), "a program reads the value")?;
    let node = Node::from_value(value.clone()).map_err(|_| "a value is a node")?;
    must(node == Node::Raw(raw), "the node of the value is the node of the bytes")?;
    let mut text = Vec::new();
    print(raw, &mut text).map_err(|_| "what is valid has a text")?;
    let parsed = parse(&text, Duplicates::Refuse, limits, 1).map_err(|_| "the text is JSON")?;
    must(parsed == bytes, "the text becomes the same bytes")?;
    let written = to_body(&value, limits).map_err(|_| "the value can be written")?;
    let written = validate(&written, limits).map_err(|_| "what is written is valid")?;
    must(written.to_value().is_ok_and(|read| read == value), "what is written is the value")?;
    Ok(true)
}

/// Reads the bytes as a `T`, which need not be valid for that.
///
/// # Errors
/// What a type writes is valid, and what it has read and written it reads again.
pub fn typed<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Verdict {
    let Ok(raw) = Raw::new(bytes) else { return Ok(false) };
    let Ok(read) = from_body::<T>(raw) else { return Ok(false) };
    // A float that a type cannot hold has become an infinity, which cannot be written.
    let Ok(written) = to_body(&read, Limits::default()) else { return Ok(true) };
    let written = validate(&written, Limits::default()).map_err(|_| "what is written is valid")?;
    must(from_body::<T>(written).is_ok(), "what a type has written it reads")?;
    Ok(true)
}

fn walk(raw: Raw<'_>, depth: usize) -> Result<(), BodyError> {
    let deeper = depth.checked_sub(1);
    raw.get("a")?;
    match (raw.view()?, deeper) {
        (View::Array(mut elements), Some(depth)) => elements.try_for_each(|element| walk(element?, depth)),
        (View::Object(mut members), Some(depth)) => members.try_for_each(|member| walk(member?.1, depth)),
        _ => Ok(()),
    }
}

/// Reads the bytes as a key: a document's, of the catalog, of the census; and as two ids.
///
/// # Errors
/// What is accepted is what is written for what it says, and two ids sort as their bytes do.
pub fn key(bytes: &[u8]) -> Verdict {
    let written = "a key is what is written for what it says";
    let mut accepted = space::parse(bytes).is_ok();
    let chunked = |head: Vec<u8>, chunk| if chunk == 0 { head } else { document::chunk_key(&head, chunk) };
    if let Ok(key) = document::parse(bytes) {
        let head = document::key(key.collection, &key.id).map_err(|_| written)?;
        must(key.head == head && chunked(head, key.chunk) == bytes, written)?;
        accepted = true;
    }
    if let Ok((entry, chunk)) = CatalogKey::parse(bytes) {
        must(chunked(entry.encode(), chunk) == bytes, written)?;
        accepted = true;
    }
    if let Ok(entry) = CensusKey::parse(bytes) {
        must(entry.encode() == bytes, written)?;
        accepted = true;
    }
    if let Ok((one, rest)) = id::read(bytes) {
        let stored = |id: &DocumentId| {
            let mut stored = Vec::new();
            id::write(id, &mut stored).map(|()| stored).map_err(|_| written)
        };
        must(stored(&one)?.as_slice() == bytes.strip_suffix(rest).unwrap_or_default(), written)?;
        if let Ok((other, _)) = id::read(rest) {
            must(stored(&one)?.cmp(&stored(&other)?) == one.cmp(&other), "ids sort as their bytes")?;
        }
        accepted = true;
    }
    Ok(accepted)
}

/// Reads the bytes, the first two as the value of an entry and the others as a key, as what there is in the generations of indexes.
///
/// # Errors
/// What is accepted is what is written for what it says, and is of the generation that is in its key.
pub fn entry(bytes: &[u8]) -> Verdict {
    let mut input = Input(bytes);
    let (value, key) = (input.take(2), input.0);
    let mut said = Vec::new();
    if let Ok((generation, values, id)) = index::parse_entry(key, value) {
        let written = index::entry(generation, values, &id).is_ok_and(|written| written == key);
        said.push((generation, written && index::entry_value(values) == value));
    }
    if let Ok((generation, of)) = index::parse_reservation(key) {
        said.push((generation, index::reservation(generation, of) == key));
    }
    if let Ok((generation, id, values)) = index::parse_reverse(key) {
        said.push((generation, index::reverse(generation, &id, values).is_ok_and(|written| written == key)));
    }
    if let Ok((generation, chunk)) = index::parse_state(key) {
        let head = index::state(generation);
        let written = if chunk == 0 { head } else { document::chunk_key(&head, chunk) };
        said.push((generation, written == key));
    }
    match index::parse_mark(key) {
        Ok((generation, mark, Some(id))) => {
            said.push((generation, index::mark(generation, mark, &id).is_ok_and(|written| written == key)));
        }
        Ok((generation, index::Mark::Flag(flag), None)) => {
            said.push((generation, index::flag(generation, flag) == key));
        }
        Ok(_) => return Err("a mark of a document has its id"),
        Err(_) => {}
    }
    for (generation, written) in &said {
        must(*written, "a key is what is written for what it says")?;
        must(index::number_of(key) == Some(*generation), "a key is of its generation")?;
    }
    must(said.len() <= 1, "a key is of one sort")?;
    Ok(!said.is_empty())
}

/// Reads the bytes as the text of a cursor: as they are, and as what such a text says, with the digest that belongs to it. Gives the cursor.
///
/// # Errors
/// What is accepted is the only text of what it says.
pub fn cursor(bytes: &[u8]) -> Result<Option<Cursor>, &'static str> {
    let read = |text: &str| {
        let Ok(cursor) = text.parse::<Cursor>() else { return Ok(None) };
        must(cursor.to_string() == text.to_ascii_lowercase(), "a cursor has one text")?;
        Ok(Some(cursor))
    };
    if let Some(cursor) = std::str::from_utf8(bytes).map_or(Ok(None), read)? {
        return Ok(Some(cursor));
    }
    let digest = xxh3_64(bytes).to_le_bytes();
    let mended = bytes.iter().chain(digest.iter().take(4));
    read(&mended.map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Reads the bytes as a key, a head, and chunks, each behind its length; first as they are, and then with the checksums that belong to them.
///
/// # Errors
/// Nothing is made up, and what is accepted can be written, and then is the same.
pub fn envelope(bytes: &[u8]) -> Verdict {
    let mut input = Input(bytes);
    let (key, head) = (input.take_short(), input.take_long());
    let chunks: Vec<_> = std::iter::from_fn(|| (!input.0.is_empty()).then(|| input.take_long())).collect();
    let as_it_is = read(key, head, &chunks).is_ok();
    let (head, chunks) = mended(key, head, &chunks);
    let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
    let Ok((header, complement, body)) = read(key, &head, &chunks) else { return Ok(as_it_is) };
    must(complement.len() + body.len() <= bytes.len(), "nothing is made up")?;
    let (draft, mut value) =
        Draft::begin(&header, &complement, body.len()).map_err(|_| "what was read can be written")?;
    value.extend_from_slice(&body);
    let Sealed { head, chunks } = draft.seal(key, value).map_err(|_| "what was read can be written")?;
    let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
    let again = read(key, &head, &chunks).map_err(|_| "what was written can be read")?;
    must(again == (header, complement, body), "what was written is what was read")?;
    Ok(true)
}

fn read(key: &[u8], head: &[u8], chunks: &[&[u8]]) -> Result<(Header, Vec<u8>, Vec<u8>), EnvelopeError> {
    let head = Head::decode(key, head)?;
    if let Some((complement, body)) = head.parts() {
        return Ok((head.header, complement.to_vec(), body.to_vec()));
    }
    let mut joining = head.join(key)?;
    for chunk in chunks {
        joining.push(chunk)?;
    }
    let joined = joining.finish()?;
    Ok((head.header, joined.complement().to_vec(), joined.body().to_vec()))
}

/// Bytes that are taken apart.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn take_short(&mut self) -> &'a [u8] {
        let length = self.take(1).first().copied().unwrap_or_default();
        self.take(length.into())
    }

    fn take_long(&mut self) -> &'a [u8] {
        let length = self.take(2).iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::revision::Revision;
    use crate::model::stamp::{Fingerprint, Stamp};
    use crate::model::time::Timestamp;

    #[test]
    fn what_is_right_is_accepted_and_what_is_not_is_refused() {
        let bytes = to_body(&json!({"a": [1, -1.5, "x", null, {}]}), Limits::default()).unwrap();
        assert_eq!(body(&bytes), Ok(true));
        assert_eq!(body(&bytes[1..]), Ok(false));
        assert_eq!(typed::<BTreeMap<String, Value>>(&bytes), Ok(true));
        assert_eq!(typed::<Vec<Value>>(&bytes), Ok(false));
        assert_eq!(key(&document::key(1, &"x".into()).unwrap()), Ok(true));
        assert_eq!(key(&[9, 9]), Ok(false));
        let entry_key = index::entry(1, b"value", &"x".into()).unwrap();
        assert_eq!(entry(&[&index::entry_value(b"value")[..], &entry_key].concat()), Ok(true));
        assert_eq!(entry(&[&[0, 9][..], &entry_key].concat()), Ok(false));
        assert_eq!(entry(&[&[0, 0][..], &index::flag(1, 0x21)].concat()), Ok(true));
    }

    #[test]
    fn envelopes_are_read_whether_or_not_their_checksums_are_right() {
        let header = Header {
            kind: 1,
            stamp: Stamp { schema_version: 2, fingerprint: Fingerprint::new(3) },
            revision: Revision::new(4),
            created: Timestamp::from_micros(5),
            updated: Timestamp::from_micros(6),
        };
        let (draft, mut value) = Draft::begin(&header, b"complement", 0).unwrap();
        value.resize(40_000, 7);
        let sealed = draft.seal(b"key", value).unwrap();
        let mut bytes = b"\x03key".to_vec();
        for value in [&sealed.head].into_iter().chain(&sealed.chunks) {
            bytes.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(value);
        }
        assert_eq!(envelope(&bytes), Ok(true));
        bytes[3] ^= 1;
        assert_eq!(envelope(&bytes), Ok(true), "mended");
        assert_eq!(envelope(&bytes[..bytes.len() - 1]), Ok(true), "a part less");
        assert_eq!(envelope(&bytes[..20_000]), Ok(false), "a chunk less");
    }
}
