//! Keys of documents and of their chunks.

use std::ops::Bound;

use crate::encoding::key::error::KeyError;
use crate::encoding::key::id;
use crate::encoding::key::space::{self, Space, Span};
use crate::model::id::DocumentId;

/// The key of a document's head.
///
/// # Errors
/// [`KeyError::LongText`] alone.
pub(crate) fn key(collection: u32, id: &DocumentId) -> Result<Vec<u8>, KeyError> {
    // A UUID or a number needs 6 + 17, and a chunk number 4 more.
    let mut key =
        Vec::with_capacity(6 + id.as_text().map_or(17, |text| text.len().min(DocumentId::MAX_TEXT) + 3) + 4);
    key.extend_from_slice(&collection_prefix(collection));
    id::write(id, &mut key)?;
    Ok(key)
}

/// The key of chunk `number` (1, 2 ...) of the record at `head`. For records of every space.
pub(crate) fn chunk_key(head: &[u8], number: u32) -> Vec<u8> {
    [head, &number.to_be_bytes()].concat()
}

/// What a key of the document space says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentKey<'a> {
    pub(crate) collection: u32,
    pub(crate) id: DocumentId,
    /// The key of the document's head: the key itself, or all of it but the chunk number.
    pub(crate) head: &'a [u8],
    /// 0: the head.
    pub(crate) chunk: u32,
}

/// Accepts exactly what [`key`] and [`chunk_key`] give.
pub(crate) fn parse(key: &[u8]) -> Result<DocumentKey<'_>, KeyError> {
    let rest = space::within(key, Space::Documents)?;
    let (collection, rest) = space::take(rest)?;
    let (id, rest) = id::read(rest)?;
    let (head, chunk) = space::split_chunk(key, rest)?;
    Ok(DocumentKey { collection: u32::from_be_bytes(collection), id, head, chunk })
}

/// The collection of a key of the document space; `None` for any other.
pub(crate) fn collection_of(key: &[u8]) -> Option<u32> {
    let (collection, _) = space::take(space::within(key, Space::Documents).ok()?).ok()?;
    Some(u32::from_be_bytes(collection))
}

/// All documents of a collection, chunks included.
pub(crate) fn collection_span(collection: u32) -> Span {
    Span::prefix(&collection_prefix(collection))
}

/// The documents of a collection from one id to another, chunks included. Empty where the bounds cross.
///
/// # Errors
/// [`KeyError::LongText`] alone.
pub(crate) fn id_span(
    collection: u32,
    from: Bound<&DocumentId>,
    to: Bound<&DocumentId>,
) -> Result<Span, KeyError> {
    let whole = collection_span(collection);
    let start = match from {
        Bound::Unbounded => whole.start,
        Bound::Included(id) => key(collection, id)?,
        Bound::Excluded(id) => space::after_prefix(key(collection, id)?),
    };
    let end = match to {
        Bound::Unbounded => whole.end,
        Bound::Included(id) => space::after_prefix(key(collection, id)?),
        Bound::Excluded(id) => key(collection, id)?,
    };
    Ok(Span { start, end })
}

fn collection_prefix(collection: u32) -> [u8; 6] {
    let [version, space] = Space::Documents.prefix();
    let [a, b, c, d] = collection.to_be_bytes();
    [version, space, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::key::id::tests::ids;

    #[test]
    fn examples() {
        let id = DocumentId::from("a");
        let head = key(0x0102_0304, &id).unwrap();
        assert_eq!(head, [1, 0x10, 1, 2, 3, 4, 0x30, b'a', 0, 1]);
        assert_eq!(chunk_key(&head, 258), [1, 0x10, 1, 2, 3, 4, 0x30, b'a', 0, 1, 0, 0, 1, 2]);
        assert_eq!(parse(&chunk_key(&head, 0)), Err(KeyError::ChunkZero));
        assert_eq!(parse(&[&head[..], &[0; 5]].concat()), Err(KeyError::Trailing { bytes: 5 }));
        assert_eq!(parse(&space::META_KEY), Err(KeyError::Space { found: 0 }));
        let long = DocumentId::from("x".repeat(2000));
        assert_eq!(key(1, &long), Err(KeyError::LongText { bytes: 2000 }));
    }

    #[test]
    fn a_key_is_allocated_once() {
        for id in [7.into(), DocumentId::random(), "".into(), "abc".into()] {
            let key = key(1, &id).unwrap();
            assert!(key.len() + 4 <= key.capacity() && key.capacity() <= 27.max(key.len() + 4), "{id}");
        }
    }

    proptest! {
        #[test]
        fn a_document_is_its_head_then_its_chunks_then_the_next(
            (ca, cb) in prop_oneof![(any::<u32>(), any::<u32>()), any::<u32>().prop_map(|c| (c, c)), (0..3_u32, 0..3_u32)],
            a in ids(),
            b in ids(),
            mut chunks in vec(1_u32.., 2),
        ) {
            chunks.sort_unstable();
            let (ka, kb) = (key(ca, &a).unwrap(), key(cb, &b).unwrap());
            let (first, second) = (chunk_key(&ka, chunks[0]), chunk_key(&ka, chunks[1]));
            prop_assert!(ka < first && first <= second);
            prop_assert_eq!(ka.cmp(&kb), (ca, &a).cmp(&(cb, &b)));
            if ka < kb {
                prop_assert!(second < kb);
            }
            let parsed = parse(&second).unwrap();
            prop_assert_eq!(&parsed, &DocumentKey { collection: ca, id: a.clone(), head: &ka, chunk: chunks[1] });
            prop_assert_eq!(parse(&ka).unwrap(), DocumentKey { collection: ca, id: a, head: &ka, chunk: 0 });
        }

        #[test]
        fn a_span_holds_the_ids_between_its_bounds(
            low in ids(), high in ids(), id in ids(), chunk in 0_u32..3, (from, to) in (0_u8..3, 0_u8..3), other in 0_u32..3,
        ) {
            let bound = |kind, id| match kind {
                0 => Bound::Unbounded,
                1 => Bound::Included(id),
                _ => Bound::Excluded(id),
            };
            let (from, to) = (bound(from, &low), bound(to, &high));
            let span = id_span(1, from, to).unwrap();
            for id in [&id, &low, &high] {
                let head = key(other, id).unwrap();
                let key = if chunk == 0 { head } else { chunk_key(&head, chunk) };
                let expected = other == 1 && std::ops::RangeBounds::<DocumentId>::contains(&(from, to), id);
                prop_assert_eq!(span.start <= key && key < span.end, expected);
            }
        }

        #[test]
        fn parses_any_bytes_or_refuses(
            start in prop_oneof![Just(vec![1, 0x10, 0, 0, 0, 1]), vec(any::<u8>(), 0..3)],
            kind in prop_oneof![Just(0x11_u8), Just(0x30), any::<u8>()],
            rest in vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..16),
        ) {
            let bytes = [&start[..], &[kind], &rest].concat();
            if let Ok(parsed) = parse(&bytes) {
                let head = key(parsed.collection, &parsed.id).unwrap();
                prop_assert_eq!(parsed.head, &head);
                prop_assert_eq!(if parsed.chunk == 0 { head } else { chunk_key(&head, parsed.chunk) }, bytes);
            }
        }
    }
}
