//! Reading the keys and values of a range, in order.

use std::collections::VecDeque;

use crate::encoding::key::space::Span;
use crate::error::error::Error;
use crate::storage::backend::{Direction, KeyRange, PageLimit};
use crate::storage::bytes::Bytes;
use crate::stored::state::{Held, State as _};

const PAGE: PageLimit = PageLimit { entries: 512, bytes: 1 << 20 };

/// Entries of one state of the store, ascending, whatever they are. Memory: one page.
#[derive(Debug)]
pub(crate) struct Entries<'s> {
    held: &'s Held,
    rest: KeyRange,
    page: VecDeque<(Bytes, Bytes)>,
    complete: bool,
}

impl<'s> Entries<'s> {
    /// Those of `range`.
    pub(crate) fn new(held: &'s Held, range: KeyRange) -> Self {
        Self { held, rest: range, page: VecDeque::new(), complete: false }
    }

    /// Those of `span`.
    pub(crate) fn within(held: &'s Held, span: Span) -> Self {
        Self::new(held, KeyRange { start: span.start, end: Some(span.end) })
    }

    /// The next entry. After an error there is none.
    pub(crate) fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, Error> {
        self.next_if(|_| true)
    }

    /// The next entry, if its key is one that `is_it`; otherwise it stays the next.
    pub(crate) fn next_if(
        &mut self,
        is_it: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Option<(Bytes, Bytes)>, Error> {
        if self.page.is_empty() && !self.complete {
            let page = self.held.page(&self.rest, Direction::Forward, PAGE);
            // Until a page has come, there is none after it.
            self.complete = true;
            let page = page?;
            self.complete = page.complete;
            if let Some((last, _)) = page.entries.last() {
                // The least key above the last one.
                self.rest.start = [last, &[0][..]].concat();
            }
            self.page = page.entries.into();
        }
        Ok(self.page.pop_front_if(|(key, _)| is_it(key)))
    }
}
