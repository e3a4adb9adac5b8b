//! Entries of an index in the order of their values, and where those are equal, of their ids.

use std::collections::VecDeque;

use crate::error::error::Error;
use crate::index::usable::{Entries, Entry, Usable};
use crate::query::bounds::successor;
use crate::query::plan::{Range, Way};
use crate::storage::backend::Direction;
use crate::stored::state::Held;

/// Entries of equal values that are turned round in memory. More of them are read once more, forward.
const MAX_GROUP: usize = 1024;

/// Entries of some ranges, forward or backward; ids within equal values ascend either way. Memory: a page, or a group.
#[derive(Debug)]
pub(crate) struct Stream {
    held: Held,
    usable: Usable,
    /// Those still to come, the next one first.
    ranges: VecDeque<Range>,
    direction: Direction,
    /// Of how many entries it is known that they will be asked for, or that no more are.
    wanted: Option<usize>,
    current: Option<Entries>,
    /// Where the current range starts.
    start: Vec<u8>,
    /// Read backward, and not given yet: the next one last.
    group: Vec<Entry>,
    /// The first of the group after.
    next: Option<Entry>,
    /// A group too large to be turned round.
    large: Option<Entries>,
    pub(crate) keys: u64,
}

impl Stream {
    pub(crate) fn new(
        held: Held,
        usable: Usable,
        way: &Way,
        direction: Direction,
        wanted: Option<usize>,
    ) -> Self {
        let ranges = way.ranges.iter().cloned();
        let ranges = match direction {
            Direction::Forward => ranges.collect(),
            Direction::Backward => ranges.rev().collect(),
        };
        Self {
            held,
            usable,
            ranges,
            direction,
            wanted,
            current: None,
            start: Vec::new(),
            group: Vec::new(),
            next: None,
            large: None,
            keys: 0,
        }
    }

    /// Passes over entries before `values`, in the direction of the stream, which has not been used.
    pub(crate) fn seek(&mut self, values: &[u8]) {
        match self.direction {
            Direction::Forward => {
                self.ranges.retain(|(_, end)| end.as_deref().is_none_or(|end| values < end));
                if let Some((start, _)) = self.ranges.front_mut()
                    && start.as_slice() < values
                {
                    *start = values.to_vec();
                }
            }
            Direction::Backward => {
                let behind = successor(values);
                self.ranges.retain(|(start, _)| *start < behind);
                if let Some((_, end)) = self.ranges.front_mut()
                    && end.as_ref().is_none_or(|end| behind < *end)
                {
                    *end = Some(behind);
                }
            }
        }
    }

    /// The next entry. After an error there is none.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Error> {
        match self.direction {
            Direction::Forward => self.read(),
            Direction::Backward => self.next_backward(),
        }
    }

    /// How many entries there are in a stream that has not been used.
    pub(crate) fn count(self) -> Result<u64, Error> {
        let mut count = 0_u64;
        for (start, end) in self.ranges {
            let held = self.held.clone();
            let of = Entries::new(held, &self.usable, &start, end.as_deref(), self.direction, self.wanted)?;
            count = count.saturating_add(of.count()?);
        }
        Ok(count)
    }

    fn next_backward(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            if let Some(large) = &mut self.large {
                if let Some(entry) = large.next()? {
                    self.keys += 1;
                    return Ok(Some(entry));
                }
                self.large = None;
            }
            if let Some(entry) = self.group.pop() {
                return Ok(Some(entry));
            }
            let first = match self.next.take() {
                Some(first) => first,
                None => match self.read()? {
                    Some(first) => first,
                    None => return Ok(None),
                },
            };
            let values = first.values().to_vec();
            self.group.push(first);
            loop {
                match self.read()? {
                    Some(entry) if entry.values() == values => self.group.push(entry),
                    other => {
                        self.next = other;
                        break;
                    }
                }
                if self.group.len() >= MAX_GROUP {
                    self.group.clear();
                    let open = |start: &[u8], end: &[u8], direction| {
                        Entries::new(self.held.clone(), &self.usable, start, Some(end), direction, None)
                    };
                    self.large = Some(open(&values, &successor(&values), Direction::Forward)?);
                    self.current = Some(open(&self.start, &values, Direction::Backward)?);
                    break;
                }
            }
        }
    }

    /// The next entry as it lies.
    fn read(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            if let Some(current) = &mut self.current {
                if let Some(entry) = current.next()? {
                    self.keys += 1;
                    return Ok(Some(entry));
                }
                self.current = None;
            }
            let Some((start, end)) = self.ranges.pop_front() else { return Ok(None) };
            let (held, end, wanted) = (self.held.clone(), end.as_deref(), self.wanted);
            self.current = Some(Entries::new(held, &self.usable, &start, end, self.direction, wanted)?);
            self.start = start;
        }
    }
}
