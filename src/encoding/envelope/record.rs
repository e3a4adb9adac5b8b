//! Records as the values they are stored in.

use crate::encoding::envelope::checksum;
use crate::encoding::envelope::chunks::Joining;
use crate::encoding::envelope::error::EnvelopeError;
use crate::encoding::envelope::header::{self, ENVELOPE_FORMAT, Header, HeaderBytes, Layout, MAX_CHUNKS};

/// How much complement and body one value holds. Readers do not rely on it.
pub(crate) const CHUNK_BOUND: usize = 16 * 1024;

/// Format and checksum.
const PREFIX: usize = 5;

/// A record whose body is still to be written, straight into the value that will be stored.
///
/// ```text
/// let (draft, mut value) = Draft::begin(&header, complement, 700)?;
/// value.extend(body);
/// let sealed = draft.seal(&key, value)?;
/// ```
#[derive(Debug)]
pub(crate) struct Draft {
    header: Header,
    complement: u32,
    /// Where in the value the complement starts, and where the body.
    payload_at: usize,
    body_at: usize,
}

/// The values of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// Belongs at the record's key.
    pub(crate) head: Vec<u8>,
    /// Belong at [`chunk_key`](crate::encoding::key::document::chunk_key) 1, 2 ... of it. Mostly none.
    pub(crate) chunks: Vec<Vec<u8>>,
}

impl Draft {
    /// The draft, and the value to which the body is to be appended: it holds room for the prefix, the header of a record
    /// without chunks, and the complement. `body_size` is a guess that saves allocations.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLarge`] alone.
    pub(crate) fn begin(
        header: &Header,
        complement: &[u8],
        body_size: usize,
    ) -> Result<(Self, Vec<u8>), EnvelopeError> {
        let too_large = EnvelopeError::TooLarge { bytes: complement.len() };
        let complement_length = u32::try_from(complement.len()).map_err(|_| too_large)?;
        let stored = header::encode(header, Layout { complement: complement_length, chunks: 0 })?;
        let stored = stored.as_slice();
        let payload_at = PREFIX + stored.len();
        let body_at = payload_at.checked_add(complement.len()).ok_or(too_large)?;
        let mut value = Vec::with_capacity(body_at.saturating_add(body_size));
        value.extend_from_slice(&[0; PREFIX]);
        value.extend_from_slice(stored);
        value.extend_from_slice(complement);
        Ok((Self { header: *header, complement: complement_length, payload_at, body_at }, value))
    }

    /// The values to store for the record at `key`, from what [`begin`](Self::begin) gave and the body after it.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLarge`]; [`EnvelopeError::Truncated`] where `value` has lost what it held.
    pub(crate) fn seal(self, key: &[u8], value: Vec<u8>) -> Result<Sealed, EnvelopeError> {
        self.seal_in_chunks(key, value, CHUNK_BOUND)
    }

    fn seal_in_chunks(self, key: &[u8], mut value: Vec<u8>, bound: usize) -> Result<Sealed, EnvelopeError> {
        if value.len() < self.body_at {
            return Err(EnvelopeError::Truncated);
        }
        let payload = value.get(self.payload_at..).unwrap_or_default();
        if payload.len() <= bound {
            seal_head(key, &mut value);
            return Ok(Sealed { head: value, chunks: Vec::new() });
        }
        let count = payload.len().div_ceil(bound) - 1;
        let count = u32::try_from(count).ok().filter(|count| *count <= MAX_CHUNKS);
        let count = count.ok_or(EnvelopeError::TooLarge { bytes: payload.len() })?;
        let layout = Layout { complement: self.complement, chunks: count };
        let stored = header::encode(&self.header, layout)?;
        let mut parts = payload.chunks(bound);
        let mut head = [&[0; PREFIX], stored.as_slice(), parts.next().unwrap_or_default()].concat();
        seal_head(key, &mut head);
        let chunks = parts.zip(1..).map(|(part, number)| {
            let checksum = checksum::of_chunk(key, number, stored.as_slice(), part);
            [&[ENVELOPE_FORMAT][..], &checksum.to_le_bytes(), part].concat()
        });
        Ok(Sealed { head, chunks: chunks.collect() })
    }
}

fn seal_head(key: &[u8], value: &mut [u8]) {
    if let Some((prefix, rest)) = value.split_first_chunk_mut() {
        let [a, b, c, d] = checksum::of_head(key, rest).to_le_bytes();
        *prefix = [ENVELOPE_FORMAT, a, b, c, d];
    }
}

/// The value at a record's key, its checksum verified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) header: Header,
    layout: Layout,
    stored_header: &'a [u8],
    /// Complement and body, or as much of them as is not in chunks.
    payload: &'a [u8],
}

impl<'a> Head<'a> {
    pub(crate) fn decode(key: &[u8], value: &'a [u8]) -> Result<Self, EnvelopeError> {
        let (checksum, rest) = checksum::carried(value)?;
        if checksum::of_head(key, rest) != checksum {
            return Err(EnvelopeError::Checksum { chunk: 0 });
        }
        let (header, layout, length) = header::decode(rest)?;
        let (stored_header, payload) = rest.split_at_checked(length).ok_or(EnvelopeError::Header)?;
        let complement = usize::try_from(layout.complement).unwrap_or(usize::MAX);
        if layout.chunks == 0 && complement > payload.len() {
            return Err(EnvelopeError::Complement { bytes: layout.complement });
        }
        Ok(Self { header, layout, stored_header, payload })
    }

    /// How many chunks follow: those of the record's key and 1, 2 ... up to this number.
    pub(crate) fn chunks(&self) -> u32 {
        self.layout.chunks
    }

    /// Complement and body; `None` where there are chunks.
    pub(crate) fn parts(&self) -> Option<(&'a [u8], &'a [u8])> {
        if self.layout.chunks > 0 {
            return None;
        }
        self.payload.split_at_checked(usize::try_from(self.layout.complement).ok()?)
    }

    /// Puts complement and body together from the chunks.
    pub(crate) fn join(&self, key: &[u8]) -> Result<Joining, EnvelopeError> {
        Ok(Joining::new(key, HeaderBytes::copy(self.stored_header)?, self.layout, self.payload))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::envelope::chunks::Joined;
    use crate::encoding::envelope::header::tests::headers;

    #[derive(Debug, Clone)]
    struct Record {
        key: Vec<u8>,
        header: Header,
        complement: Vec<u8>,
        body: Vec<u8>,
        bound: usize,
    }

    fn records(size: std::ops::Range<usize>) -> impl Strategy<Value = Record> {
        let bytes = || prop_oneof![2 => vec(any::<u8>(), size.clone()), 1 => Just(Vec::new())];
        (vec(any::<u8>(), 0..30), headers(), bytes(), bytes(), 1..size.end).prop_map(
            |(key, header, complement, body, bound)| Record { key, header, complement, body, bound },
        )
    }

    impl Record {
        fn seal(&self) -> Sealed {
            let (draft, mut value) = Draft::begin(&self.header, &self.complement, self.body.len()).unwrap();
            value.extend_from_slice(&self.body);
            draft.seal_in_chunks(&self.key, value, self.bound).unwrap()
        }
    }

    fn read(key: &[u8], sealed: &Sealed) -> Result<(Header, Vec<u8>, Vec<u8>), EnvelopeError> {
        let head = Head::decode(key, &sealed.head)?;
        if let Some((complement, body)) = head.parts() {
            return Ok((head.header, complement.to_vec(), body.to_vec()));
        }
        let mut joining = head.join(key)?;
        for chunk in &sealed.chunks {
            joining.push(chunk)?;
        }
        let joined: Joined = joining.finish()?;
        Ok((head.header, joined.complement().to_vec(), joined.body().to_vec()))
    }

    #[test]
    fn a_value_is_never_much_larger_than_the_bound() {
        for (size, chunks) in [(0, 0), (CHUNK_BOUND, 0), (CHUNK_BOUND + 1, 1), (300 * CHUNK_BOUND, 299)] {
            let header = header();
            let (draft, mut value) = Draft::begin(&header, b"", 0).unwrap();
            value.resize(value.len() + size, 7);
            let sealed = draft.seal(b"key", value).unwrap();
            assert_eq!(sealed.chunks.len(), chunks);
            assert!(sealed.head.len() <= CHUNK_BOUND + PREFIX + header::MAX_HEADER);
            assert!(sealed.chunks.iter().all(|chunk| chunk.len() <= CHUNK_BOUND + PREFIX));
            assert_eq!(read(b"key", &sealed).unwrap(), (header, vec![], vec![7; size]));
        }
    }

    #[test]
    fn an_unchunked_record_is_allocated_once() {
        let (draft, mut value) = Draft::begin(&header(), b"complement", 100).unwrap();
        let before = value.as_ptr();
        value.extend_from_slice(&[1; 100]);
        assert_eq!(draft.seal(b"key", value).unwrap().head.as_ptr(), before);
    }

    #[test]
    fn too_many_chunks_are_refused() {
        let (draft, mut value) = Draft::begin(&header(), b"", 0).unwrap();
        value.resize(value.len() + 0x1_0001, 7);
        assert_eq!(draft.seal_in_chunks(b"", value, 1), Err(EnvelopeError::TooLarge { bytes: 0x1_0001 }));
    }

    #[test]
    fn a_value_that_lost_its_beginning_is_refused() {
        let (draft, mut value) = Draft::begin(&header(), b"complement", 0).unwrap();
        value.pop();
        assert_eq!(draft.seal(b"key", value), Err(EnvelopeError::Truncated));
    }

    #[test]
    fn hostile_lengths_are_refused() {
        let forge = |layout, payload: &[u8]| {
            let stored = header::encode(&header(), layout).unwrap();
            let mut value = [&[0; PREFIX], stored.as_slice(), payload].concat();
            seal_head(b"key", &mut value);
            value
        };
        let value = forge(Layout { complement: u32::MAX, chunks: 0 }, b"body");
        assert_eq!(Head::decode(b"key", &value).unwrap_err(), EnvelopeError::Complement { bytes: u32::MAX });
        let value = forge(Layout { complement: 0, chunks: u32::MAX }, b"body");
        assert_eq!(Head::decode(b"key", &value).unwrap_err(), EnvelopeError::ChunkCount { chunks: u32::MAX });
        // A complement that no chunk completes, and the largest number of chunks: nothing is set aside for them.
        let value = forge(Layout { complement: u32::MAX, chunks: MAX_CHUNKS }, b"body");
        let joining = Head::decode(b"key", &value).unwrap().join(b"key").unwrap();
        assert!(joining.capacity() < 1024);
        assert_eq!(joining.finish().unwrap_err(), EnvelopeError::MissingChunk { chunk: 1 });
        let value = forge(Layout { complement: 9, chunks: 1 }, b"body");
        let mut joining = Head::decode(b"key", &value).unwrap().join(b"key").unwrap();
        let stored = header::encode(&header(), Layout { complement: 9, chunks: 1 }).unwrap();
        let chunk = |part: &[u8]| {
            let checksum = checksum::of_chunk(b"key", 1, stored.as_slice(), part);
            [&[0][..], &checksum.to_le_bytes(), part].concat()
        };
        assert_eq!(joining.push(&chunk(b"")), Err(EnvelopeError::EmptyChunk { chunk: 1 }));
        joining.push(&chunk(b"more")).unwrap();
        assert_eq!(joining.push(&chunk(b"more")), Err(EnvelopeError::UnexpectedChunk { chunk: 2 }));
        assert_eq!(joining.finish().unwrap_err(), EnvelopeError::Complement { bytes: 9 });
    }

    fn header() -> Header {
        header::decode(&[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap().0
    }

    proptest! {
        #[test]
        fn reads_what_was_written(record in records(1..300)) {
            let expected = (record.header, record.complement.clone(), record.body.clone());
            prop_assert_eq!(read(&record.key, &record.seal()), Ok(expected));
        }

        /// Exhaustive for each record: every bit of the key, the head and each chunk.
        #[test]
        fn every_flipped_bit_is_found(record in records(1..60)) {
            let sealed = record.seal();
            let flips = |length: usize| (0..length * 8).map(|bit| (bit / 8, 1_u8 << (bit % 8)));
            for (byte, mask) in flips(record.key.len()) {
                let mut key = record.key.clone();
                key[byte] ^= mask;
                prop_assert_eq!(read(&key, &sealed), Err(EnvelopeError::Checksum { chunk: 0 }));
            }
            for (byte, mask) in flips(sealed.head.len()) {
                let mut flipped = sealed.clone();
                flipped.head[byte] ^= mask;
                let error = read(&record.key, &flipped).unwrap_err();
                let found = matches!(error, EnvelopeError::Checksum { chunk: 0 } | EnvelopeError::Format { .. });
                prop_assert!(found, "{error:?}");
            }
            for chunk in 0..sealed.chunks.len() {
                for (byte, mask) in flips(sealed.chunks[chunk].len()) {
                    let mut flipped = sealed.clone();
                    flipped.chunks[chunk][byte] ^= mask;
                    let number = u32::try_from(chunk).unwrap() + 1;
                    let error = read(&record.key, &flipped).unwrap_err();
                    let found = matches!(error, EnvelopeError::Format { .. });
                    prop_assert!(found || error == EnvelopeError::Checksum { chunk: number }, "{:?}", error);
                }
            }
        }

        /// The control of the test above: what a checksum does not tell of goes unseen.
        #[test]
        fn a_flipped_bit_under_a_fresh_checksum_is_not_found(mut record in records(1..60)) {
            record.bound = usize::MAX;
            record.body.push(1);
            let mut sealed = record.seal();
            *sealed.head.last_mut().unwrap() ^= 2;
            seal_head(&record.key, &mut sealed.head);
            prop_assert_eq!(read(&record.key, &sealed).map(|(.., body)| body.last().copied()), Ok(Some(3)));
        }

        #[test]
        fn chunks_fit_only_their_head_and_place(
            mut record in records(20..60),
            bound in 1..10_usize,
            (a, b) in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            record.bound = bound;
            record.body.resize(record.body.len().max(20), 9);
            let sealed = record.seal();
            let (a, b) = (a.index(sealed.chunks.len()), b.index(sealed.chunks.len()));
            let number = |chunk: usize| u32::try_from(chunk).unwrap() + 1;

            if a != b {
                let mut swapped = sealed.clone();
                swapped.chunks.swap(a, b);
                let first = number(a.min(b));
                prop_assert_eq!(read(&record.key, &swapped), Err(EnvelopeError::Checksum { chunk: first }));
            }
            let mut missing = sealed.clone();
            missing.chunks.remove(a);
            let error = read(&record.key, &missing).unwrap_err();
            if a + 1 == sealed.chunks.len() {
                prop_assert_eq!(error, EnvelopeError::MissingChunk { chunk: number(a) });
            } else {
                prop_assert_eq!(error, EnvelopeError::Checksum { chunk: number(a) });
            }
            let mut surplus = sealed.clone();
            surplus.chunks.push(sealed.chunks[b].clone());
            let after = number(sealed.chunks.len());
            prop_assert_eq!(read(&record.key, &surplus), Err(EnvelopeError::UnexpectedChunk { chunk: after }));

            let newer = Record {
                header: Header { revision: crate::model::revision::Revision::new(record.header.revision.get() ^ 1), ..record.header },
                ..record.clone()
            };
            let mut mixed = newer.seal();
            mixed.chunks[a] = sealed.chunks[a].clone();
            prop_assert_eq!(read(&record.key, &mixed), Err(EnvelopeError::Checksum { chunk: number(a) }));
        }

        #[test]
        fn truncated_values_are_refused(record in records(1..60), at in any::<prop::sample::Index>()) {
            let sealed = record.seal();
            for cut in 0..sealed.head.len() {
                let mut cut_off = sealed.clone();
                cut_off.head.truncate(cut);
                prop_assert!(read(&record.key, &cut_off).is_err());
            }
            if !sealed.chunks.is_empty() {
                let chunk = at.index(sealed.chunks.len());
                for cut in 0..sealed.chunks[chunk].len() {
                    let mut cut_off = sealed.clone();
                    cut_off.chunks[chunk].truncate(cut);
                    prop_assert!(read(&record.key, &cut_off).is_err());
                }
            }
        }

        /// Half of the values get a right checksum, so that what lies behind it is reached.
        #[test]
        fn any_bytes_are_read_or_refused(
            key in vec(any::<u8>(), 0..4),
            mut head in vec(prop_oneof![3 => 0..4_u8, 1 => 248..=255_u8, 1 => any::<u8>()], 0..60),
            chunks in vec(vec(any::<u8>(), 0..12), 0..4),
            sealed in any::<bool>(),
        ) {
            if sealed {
                seal_head(&key, &mut head);
            }
            let _ = read(&key, &Sealed { head, chunks });
        }
    }
}
