//! Reading the records of a range of documents, in order.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::encoding::key::document::{self, DocumentKey};
use crate::encoding::key::space::Span;
use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::model::id::DocumentId;
use crate::storage::backend::{Direction, KeyRange, Page, PageLimit};
use crate::storage::bytes::Bytes;
use crate::storage::commit::error::StorageError;
use crate::stored::kept::Kept;
use crate::stored::record::Record;
use crate::stored::state::{Held, Walk};

/// Small first pages for those who want the first few, larger ones for those who go on.
const FIRST_PAGE: usize = 16;
const PAGE: PageLimit = PageLimit { entries: 512, bytes: 1 << 20 };

/// A document as it is stored; or what is wrong with it, which does not end the scan.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) collection: u32,
    pub(crate) id: DocumentId,
    pub(crate) record: Result<Record, Error>,
}

/// Documents of one state of the store, in the order of their ids or against it. Memory: one page.
#[derive(Debug)]
pub(crate) struct Scan {
    source: Source,
    rest: KeyRange,
    direction: Direction,
    entries: VecDeque<(Bytes, Bytes)>,
    page_entries: usize,
    complete: bool,
}

#[derive(Debug)]
enum Source {
    Walk(Walk),
    /// Forward only.
    Kept(Arc<Kept>),
}

impl Source {
    fn page(&self, rest: &KeyRange, limit: PageLimit) -> Result<Page, StorageError> {
        match self {
            Self::Walk(walk) => walk.page(rest, limit),
            Self::Kept(kept) => kept.page(limit),
        }
    }

    fn consumed(&self, key: &[u8]) -> Result<(), StorageError> {
        match self {
            Self::Walk(walk) => walk.consumed(key),
            Self::Kept(_) => Ok(()),
        }
    }

    fn ended(&self) -> Result<(), StorageError> {
        match self {
            Self::Walk(walk) => walk.ended(),
            Self::Kept(_) => Ok(()),
        }
    }
}

impl Scan {
    pub(crate) fn new(held: Held, span: Span, direction: Direction) -> Result<Self, Error> {
        let complete = span.is_empty();
        let rest = KeyRange { start: span.start, end: Some(span.end) };
        let source = Source::Walk(Walk::new(held, rest.clone(), direction)?);
        Ok(Self { source, rest, direction, entries: VecDeque::new(), page_entries: FIRST_PAGE, complete })
    }

    /// Of all that is left in `kept`.
    pub(crate) fn kept(kept: Arc<Kept>) -> Self {
        Self {
            source: Source::Kept(kept),
            rest: KeyRange::all(),
            direction: Direction::Forward,
            entries: VecDeque::new(),
            page_entries: FIRST_PAGE,
            complete: false,
        }
    }

    /// The next document. After an outer error there is none.
    pub(crate) fn next(&mut self) -> Option<Result<Found, Error>> {
        self.find().transpose()
    }

    fn find(&mut self) -> Result<Option<Found>, Error> {
        let Some((key, value)) = self.entry()? else {
            self.source.ended()?;
            return Ok(None);
        };
        let DocumentKey { collection, id, head, chunk } = document::parse(&key)?;
        let record = match self.direction {
            Direction::Forward if chunk == 0 => self.forward(&key, &value)?,
            Direction::Backward => self.backward(head, chunk, &key, value)?,
            Direction::Forward => {
                self.skip_chunks(head)?;
                Err(headless())
            }
        };
        Ok(Some(Found { collection, id, record }))
    }

    /// The head has been met; its chunks follow.
    fn forward(&mut self, key: &Bytes, value: &Bytes) -> Result<Result<Record, Error>, Error> {
        match Record::whole(key, value) {
            Ok(Some(record)) => return Ok(Ok(record)),
            Ok(None) => {}
            Err(damage) => {
                self.skip_chunks(key)?;
                return Ok(Err(damage.into()));
            }
        }
        let mut failure = None;
        let record = Record::from_chunks(key, value, |number| {
            let expected = document::chunk_key(key, number);
            match self.entry_if(|next| *next == *expected) {
                Ok(next) => Ok::<_, Error>(next.map(|(_, value)| value)),
                Err(error) => {
                    failure = Some(error);
                    Ok(None)
                }
            }
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        if record.is_err() {
            self.skip_chunks(key)?;
        }
        Ok(record)
    }

    /// The last chunk, or the head of a record without any, has been met; the rest of them precede.
    fn backward(
        &mut self,
        head: &[u8],
        chunk: u32,
        key: &Bytes,
        value: Bytes,
    ) -> Result<Result<Record, Error>, Error> {
        if chunk == 0 {
            return Ok(Record::whole(key, &value).map_err(Error::from).and_then(|record| {
                record.ok_or_else(|| {
                    Error::new(ErrorKind::Corrupt, "all chunks of a stored record are missing")
                })
            }));
        }
        let mut chunks = vec![(key.clone(), value)];
        while let Some(entry) = self.entry_if(|next| next.starts_with(head) && next.len() > head.len())? {
            chunks.push(entry);
        }
        let Some((_, value)) = self.entry_if(|next| *next == *head)? else { return Ok(Err(headless())) };
        Ok(Record::from_chunks(head, &value, |number| {
            let expected = document::chunk_key(head, number);
            let next = chunks.pop_if(|(key, _)| **key == *expected);
            Ok(next.map(|(_, value)| value))
        }))
    }

    fn skip_chunks(&mut self, head: &[u8]) -> Result<(), Error> {
        while self.entry_if(|next| next.starts_with(head))?.is_some() {}
        Ok(())
    }

    fn entry_if(&mut self, is_it: impl FnOnce(&[u8]) -> bool) -> Result<Option<(Bytes, Bytes)>, Error> {
        if self.entries.is_empty() {
            self.turn_page()?;
        }
        let entry = self.entries.pop_front_if(|(key, _)| is_it(key));
        if let Some((key, _)) = &entry {
            self.source.consumed(key)?;
        }
        Ok(entry)
    }

    fn entry(&mut self) -> Result<Option<(Bytes, Bytes)>, Error> {
        self.entry_if(|_| true)
    }

    fn turn_page(&mut self) -> Result<(), Error> {
        if self.complete {
            return Ok(());
        }
        let limit = PageLimit { entries: self.page_entries, ..PAGE };
        let page = match self.source.page(&self.rest, limit) {
            Ok(page) => page,
            Err(error) => {
                self.complete = true;
                return Err(error.into());
            }
        };
        self.page_entries = (self.page_entries * 4).min(PAGE.entries);
        self.complete = page.complete;
        if let Some((last, _)) = page.entries.last() {
            match self.direction {
                // The least key above the last one.
                Direction::Forward => self.rest.start = [last, &[0][..]].concat(),
                Direction::Backward => self.rest.end = Some(last.to_vec()),
            }
        }
        self.entries = page.entries.into();
        Ok(())
    }
}

fn headless() -> Error {
    Error::new(ErrorKind::Corrupt, "chunks of a stored record have no head")
}
