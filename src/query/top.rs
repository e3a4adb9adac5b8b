//! Sorting in bounded memory.

use std::collections::BinaryHeap;

use crate::error::error::Error;
use crate::error::kind::ErrorKind;
use crate::query::spec::Position;

/// What an entry costs beside its bytes; an estimate.
const OVERHEAD: usize = 96;

/// The first positions of all that are pushed. Memory: those alone, within a bound.
#[derive(Debug)]
pub(crate) struct Top {
    /// The last one first.
    heap: BinaryHeap<Position>,
    /// How many are asked for.
    wanted: Option<usize>,
    bytes: usize,
    limit: usize,
}

impl Top {
    /// The first `wanted`, or all of them, in at most `limit` bytes.
    pub(crate) fn new(wanted: Option<usize>, limit: usize) -> Self {
        Self { heap: BinaryHeap::new(), wanted, bytes: 0, limit }
    }

    /// # Errors
    /// `SortTooLarge`.
    pub(crate) fn push(&mut self, position: Position) -> Result<(), Error> {
        if self.wanted.is_some_and(|wanted| self.heap.len() >= wanted) {
            match self.heap.peek_mut() {
                Some(mut last) if position < *last => {
                    self.bytes = self.bytes.saturating_sub(size(&last)).saturating_add(size(&position));
                    *last = position;
                }
                _ => return Ok(()),
            }
        } else {
            self.bytes = self.bytes.saturating_add(size(&position));
            self.heap.push(position);
        }
        self.check()
    }

    /// Makes room for something that is kept beside the positions.
    ///
    /// # Errors
    /// `SortTooLarge`.
    pub(crate) fn keep(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.check()
    }

    /// The positions, in their order.
    pub(crate) fn into_sorted(self) -> Vec<Position> {
        self.heap.into_sorted_vec()
    }

    fn check(&self) -> Result<(), Error> {
        if self.bytes <= self.limit {
            return Ok(());
        }
        let error = Error::new(ErrorKind::SortTooLarge, "the sort takes more memory than it may");
        Err(error.with_detail("limit", self.limit).with_detail("documents", self.heap.len()))
    }
}

fn size(position: &Position) -> usize {
    OVERHEAD + position.values.len() + position.id.as_text().map_or(0, str::len)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn gives_the_first(values in vec(vec(0..3_u8, 0..3), 0..40), wanted in prop::option::of(0..10_usize)) {
            let mut top = Top::new(wanted, usize::MAX);
            let mut all = Vec::new();
            for (id, values) in values.into_iter().enumerate() {
                let position = Position { values, id: u64::try_from(id).unwrap().into() };
                all.push(position.clone());
                top.push(position).unwrap();
            }
            all.sort();
            all.truncate(wanted.unwrap_or(usize::MAX));
            let bytes = all.iter().map(size).sum::<usize>();
            prop_assert_eq!(top.bytes, bytes);
            prop_assert_eq!(top.into_sorted(), all);
        }
    }

    #[test]
    fn is_bounded() {
        let mut top = Top::new(None, 250);
        let position = |id: u64| Position { values: vec![1; 10], id: id.into() };
        assert!(top.push(position(1)).is_ok() && top.push(position(2)).is_ok());
        let error = top.push(position(3)).unwrap_err();
        assert_eq!((error.kind(), error.context().detail("limit")), (ErrorKind::SortTooLarge, Some("250")));
        let mut few = Top::new(Some(2), 250);
        assert!((0..100).all(|id| few.push(position(id)).is_ok()));
    }
}
