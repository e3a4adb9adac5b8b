//! Reads the stored bytes as the format document describes them, with none of the store's own code, and compares what is
//! derived with what it is derived from.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use crate::backends::Tested;
use crate::tally::Flaw;

/// What a tree of keys adds up to.
#[derive(Debug, Default)]
struct Sum {
    keys: u64,
    digest: u128,
    /// Documents by what names a counter: collection, kind, schema version, fingerprint.
    documents: BTreeMap<Vec<u8>, i64>,
    counters: BTreeMap<Vec<u8>, i64>,
    chunks: i64,
    chunks_claimed: i64,
    meta: Option<Meta>,
    odd: Vec<String>,
}

#[derive(Debug)]
struct Meta {
    sequence: u64,
    keys: u64,
    digest: u128,
}

/// A stored entry: a key as the format document has it, and its value.
type Entry = (Vec<u8>, Vec<u8>);

/// Checks the files of a closed store.
pub(crate) fn check_directory(directory: &Path, backend: Tested) -> Vec<Flaw> {
    let marker = fs::read_to_string(directory.join("pivotdb.format")).unwrap_or_default();
    let mut flaws = Vec::new();
    if !marker.lines().any(|line| line.strip_prefix("backend ") == Some(backend.name)) {
        flaws.push(Flaw::Torn(format!("a marker of a store on {}: {marker:?}", backend.name)));
    }
    let entries = match backend.name {
        "sled" => in_sled(directory, &marker),
        #[cfg(feature = "redb")]
        "redb" => in_redb(directory),
        other => panic!("nothing here reads the files of {other}"),
    };
    let sum = match entries {
        Ok(entries) => Sum::of(entries),
        Err(flaw) => return flaws.into_iter().chain([flaw]).collect(),
    };
    flaws.extend(sum.flaws().into_iter().map(Flaw::Torn));
    let synced = fs::read(directory.join("pivotdb.synced")).unwrap_or_default();
    let synced = [0, 512].into_iter().filter_map(|at| mark(synced.get(at..at + 32)?)).max().unwrap_or(0);
    let sequence = sum.meta.map_or(0, |meta| meta.sequence);
    if synced > sequence {
        flaws.push(Flaw::Lost(format!("the side file has sequence {synced}, the meta key {sequence}")));
    }
    flaws
}

/// The entries that sled alone finds.
fn in_sled(directory: &Path, marker: &str) -> Result<Vec<Entry>, Flaw> {
    let directory = directory.join("sled");
    let blobs = fs::read_dir(directory.join("blobs")).map_or(0, Iterator::count);
    if blobs > 0 {
        return Err(Flaw::Torn(format!("{blobs} files in blobs/, which nothing syncs")));
    }
    let segment_size = marker.lines().find_map(|line| line.strip_prefix("segment_size ")?.parse().ok());
    let segment_size =
        segment_size.ok_or_else(|| Flaw::Torn("no size of segments in the marker".to_owned()))?;
    let options = sled::Config::new().path(directory).segment_size(segment_size).flush_every_ms(None);
    let database =
        options.open().map_err(|error| Flaw::FailedOpen(format!("sled alone cannot open it: {error}")))?;
    let entries = database.iter().map(|entry| entry.map(|(key, value)| (unescaped(&key), value.to_vec())));
    entries
        .collect::<Result<_, _>>()
        .map_err(|error| Flaw::Torn(format!("sled alone cannot read it: {error}")))
}

/// The entries that redb alone finds, once it has found all its pages sound.
#[cfg(feature = "redb")]
fn in_redb(directory: &Path) -> Result<Vec<Entry>, Flaw> {
    use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

    const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
    let mut database = Database::open(directory.join("pivotdb.redb"))
        .map_err(|error| Flaw::FailedOpen(format!("redb alone cannot open it: {error}")))?;
    match database.check_integrity() {
        Ok(true) => {}
        Ok(false) => return Err(Flaw::Torn("redb alone has to repair it".to_owned())),
        Err(error) => return Err(Flaw::Torn(format!("redb alone finds damage: {error}"))),
    }
    let read = || -> Result<Vec<Entry>, redb::Error> {
        let entries = database.begin_read()?.open_table(ENTRIES)?;
        let owned = entries.iter()?.map(|entry| {
            let (key, value) = entry?;
            Ok((key.value().to_vec(), value.value().to_vec()))
        });
        owned.collect()
    };
    read().map_err(|error| Flaw::Torn(format!("redb alone cannot read it: {error}")))
}

/// Checks the entries of any backend.
pub(crate) fn check_entries(entries: impl IntoIterator<Item = Entry>) -> Vec<Flaw> {
    Sum::of(entries).flaws().into_iter().map(Flaw::Torn).collect()
}

impl Sum {
    fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut sum = Self::default();
        for (key, value) in entries {
            if key.len() > 2_400 || value.len() > 32 << 10 {
                sum.odd.push(format!("an entry of {} + {} bytes", key.len(), value.len()));
            }
            if key == [1, 0] {
                sum.meta = meta(&value);
                continue;
            }
            sum.keys += 1;
            let length = u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes();
            let hash = xxh3_128(&[&length[..], &key, &value].concat());
            sum.digest = sum.digest.wrapping_add(hash);
            match key.get(..2) {
                Some([1, 1]) => {}
                Some([1, 2]) => match value.as_slice().try_into() {
                    Ok(count) => drop(sum.counters.insert(key, i64::from_le_bytes(count))),
                    Err(_) => sum.odd.push(format!("a counter of {} bytes", value.len())),
                },
                Some([1, 0x10]) => sum.document(&key, &value),
                // What indexes have is held against documents by those who test indexes; here only the digest counts.
                Some([1, 0x20..=0x24]) => {}
                _ => sum.odd.push(format!("a key {key:02x?}")),
            }
        }
        sum
    }

    fn document(&mut self, key: &[u8], value: &[u8]) {
        let Some(head) = head_length(key) else {
            return self.odd.push(format!("a document key {key:02x?}"));
        };
        let (head, chunk) = key.split_at(head);
        let mut chunk_number = [0; 4];
        if chunk.len() == 4 {
            chunk_number.copy_from_slice(chunk);
        } else if !chunk.is_empty() {
            return self.odd.push(format!("a document key {key:02x?}"));
        }
        let (Some(&0), Some(checksum), Some(rest)) = (value.first(), value.get(1..5), value.get(5..)) else {
            return self.odd.push(format!("a record {:02x?}", &value[..value.len().min(8)]));
        };
        if !chunk.is_empty() {
            self.chunks += 1;
            return;
        }
        let crc = crc32fast::hash(&[head, &chunk_number, &[0], rest].concat());
        if crc.to_le_bytes() != checksum {
            self.odd.push(format!("a wrong checksum at {key:02x?}"));
        }
        match header(rest) {
            Some((kind, schema_version, fingerprint, chunks)) => {
                let counter =
                    [&[1, 2], &head[2..6], &kind.to_be_bytes(), &schema_version.to_be_bytes(), &fingerprint]
                        .concat();
                *self.documents.entry(counter).or_default() += 1;
                self.chunks_claimed += i64::from(chunks);
            }
            None => self.odd.push(format!("a header at {key:02x?}")),
        }
    }

    fn flaws(&self) -> Vec<String> {
        let mut flaws = self.odd.clone();
        match &self.meta {
            None => flaws.push("there is no meta key, or it is damaged".to_owned()),
            Some(meta) if (meta.keys, meta.digest) != (self.keys, self.digest) => flaws.push(format!(
                "the meta key says {} keys and digest {:x}, there are {} and {:x}",
                meta.keys, meta.digest, self.keys, self.digest
            )),
            Some(_) => {}
        }
        if self.documents != self.counters {
            flaws.push(format!("counters {:?} for documents {:?}", self.counters, self.documents));
        }
        if self.chunks != self.chunks_claimed {
            flaws.push(format!("{} chunks for heads that name {}", self.chunks, self.chunks_claimed));
        }
        flaws
    }
}

fn unescaped(stored: &[u8]) -> Vec<u8> {
    let (mut key, mut run) = (Vec::with_capacity(stored.len()), 0);
    for &byte in stored {
        if run == 3 {
            // The byte that is not part of the key.
            run = 0;
            continue;
        }
        run = if byte == 0xff { run + 1 } else { 0 };
        key.push(byte);
    }
    key
}

/// Length of the record's key in a key that may have a chunk number behind.
fn head_length(key: &[u8]) -> Option<usize> {
    let id = key.get(6..)?;
    let length = match id.first()? {
        0x10 | 0x11 => 9,
        0x20 => 17,
        0x30 => 1 + id.get(1..)?.windows(2).position(|pair| pair == [0, 1])? + 2,
        _ => return None,
    };
    Some(6 + length)
}

/// Kind, schema version, fingerprint (big-endian, as keys have it) and number of chunks.
fn header(bytes: &[u8]) -> Option<(u32, u32, [u8; 8], u32)> {
    let mut bytes = bytes;
    let kind = varint(&mut bytes)?;
    let schema_version = varint(&mut bytes)?;
    let (fingerprint, rest) = bytes.split_first_chunk::<8>()?;
    bytes = rest;
    let _revision = varint(&mut bytes)?;
    let _created = varint(&mut bytes)?;
    let _updated = varint(&mut bytes)?;
    let (&[flags, format], mut bytes) = bytes.split_first_chunk::<2>()?;
    let _complement = varint(&mut bytes)?;
    let chunks = varint(&mut bytes)?;
    let fingerprint = u64::from_le_bytes(*fingerprint).to_be_bytes();
    ((flags, format) == (0, 0)).then_some(())?;
    Some((kind.try_into().ok()?, schema_version.try_into().ok()?, fingerprint, chunks.try_into().ok()?))
}

/// An integer in bincode's standard configuration.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    let width = match first {
        0..=250 => 0,
        251 => 2,
        252 => 4,
        253 => 8,
        _ => return None,
    };
    let (number, rest) = rest.split_at_checked(width)?;
    *bytes = rest;
    let mut wide = [0; 8];
    wide[..width].copy_from_slice(number);
    Some(if width == 0 { first.into() } else { u64::from_le_bytes(wide) })
}

fn meta(value: &[u8]) -> Option<Meta> {
    let (content, checksum) = value.split_last_chunk::<4>()?;
    let sound = content.len() == 45 && content[0] == 0 && crc32fast::hash(content).to_le_bytes() == *checksum;
    sound.then(|| Meta {
        sequence: u64::from_le_bytes(content[1..9].try_into().expect("8 bytes")),
        keys: u64::from_le_bytes(content[21..29].try_into().expect("8 bytes")),
        digest: u128::from_le_bytes(content[29..45].try_into().expect("16 bytes")),
    })
}

fn mark(slot: &[u8]) -> Option<u64> {
    let (content, checksum) = slot.split_last_chunk::<4>()?;
    let sound = content.starts_with(b"PVS0") && crc32fast::hash(content).to_le_bytes() == *checksum;
    sound.then(|| u64::from_le_bytes(content[4..12].try_into().expect("8 bytes")))
}
