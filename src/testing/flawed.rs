//! A backend with one flaw, for each obligation one: the planted faults that the conformance suite must find.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::storage::backend::{
    Backend, BackendError, Batch, Direction, Failure, KeyRange, MAX_KEY, MAX_VALUE, Page, PageLimit,
};
use crate::storage::bytes::Bytes;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    Seeded,
    KeepsTheFirst,
    RemovesToEmpty,
    SortsGetMany,
    EmptyValueIsNothing,
    CutsLongValues,
    FindsPrefixes,
    SignedOrder,
    BackwardIsForward,
    EndIncluded,
    StartExcluded,
    InvertedPanics,
    OneEntryTooMany,
    ForgetsTheBytes,
    NothingForNoLimit,
    AlwaysComplete,
    NeverComplete,
    SkipsBetweenPages,
    PanicsInRuns,
    RefusesEmptyBatch,
    DropsTheTail,
    KeepsTheLastKey,
    ForgetsNowAndThen,
    RefusesByHalves,
    SyncNeedsFlush,
    StaleElsewhere,
    TornValue,
    Rebuilds,
    LosesTheLastApply,
    LosesRunsOnDisk,
    HalfABatchOnDisk,
}

/// Every flaw and the obligation it breaks.
pub(super) const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::Seeded, "a new backend is empty"),
    (Flaw::KeepsTheFirst, "get gives what was applied last"),
    (Flaw::RemovesToEmpty, "get gives nothing for a key that was removed"),
    (Flaw::SortsGetMany, "get_many answers in the order of its keys"),
    (Flaw::EmptyValueIsNothing, "the empty key and empty values are taken"),
    (Flaw::CutsLongValues, "keys and values up to the bounds are taken"),
    (Flaw::FindsPrefixes, "a prefix of a key is another key"),
    (Flaw::SignedOrder, "a page goes up in the order of unsigned bytes"),
    (Flaw::BackwardIsForward, "a backward page goes down in that order"),
    (Flaw::EndIncluded, "a range has its start and not its end"),
    (Flaw::StartExcluded, "a range has its start and not its end"),
    (Flaw::InvertedPanics, "an empty range gives an empty page"),
    (Flaw::OneEntryTooMany, "a page has at most the entries asked for"),
    (Flaw::ForgetsTheBytes, "a page ends once it has the bytes asked for"),
    (Flaw::NothingForNoLimit, "a page has an entry where there is one"),
    (Flaw::AlwaysComplete, "a page is complete at the end, and only there"),
    (Flaw::NeverComplete, "a page is complete at the end, and only there"),
    (Flaw::SkipsBetweenPages, "page after page gives each entry once"),
    (Flaw::PanicsInRuns, "runs of FF are passed in both directions"),
    (Flaw::RefusesEmptyBatch, "an empty batch changes nothing"),
    (Flaw::DropsTheTail, "a large batch is made whole"),
    (Flaw::KeepsTheLastKey, "removing everything leaves nothing"),
    (Flaw::ForgetsNowAndThen, "random changes agree with a model"),
    (Flaw::RefusesByHalves, "what is too long is refused whole, or kept"),
    (Flaw::SyncNeedsFlush, "flush and sync may be called at any time"),
    (Flaw::StaleElsewhere, "a read after an apply sees it, on any thread"),
    (Flaw::TornValue, "a get during applies sees before or after"),
    (Flaw::Rebuilds, "a page during applies is in order and misses nothing left alone"),
    (Flaw::LosesTheLastApply, "what was synced is there after reopening"),
    (Flaw::LosesRunsOnDisk, "every key comes back as it was"),
    (Flaw::HalfABatchOnDisk, "reopening gives a prefix of whole batches"),
];

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keeps its entries in memory, and writes all of them to one file at each sync.
#[derive(Debug)]
pub(super) struct Flawed {
    flaw: Flaw,
    file: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    content: Content,
    /// Before the last apply.
    before: Content,
    /// In the middle of the last apply.
    halfway: Content,
    applied: usize,
    applied_by: ThreadId,
    flushed: bool,
}

impl Flawed {
    pub(super) fn open(directory: &Path, flaw: Flaw) -> Self {
        fs::create_dir_all(directory).unwrap();
        let file = directory.join("content");
        let mut content = fs::read(&file).map(|bytes| decode(&bytes)).unwrap_or_default();
        match flaw {
            Flaw::Seeded => drop(content.insert(b"made by".to_vec(), b"me".to_vec())),
            Flaw::LosesRunsOnDisk => content.retain(|key, _| !key.windows(8).any(|run| run == [0xff; 8])),
            _ => {}
        }
        let state = State {
            before: content.clone(),
            halfway: content.clone(),
            content,
            applied: 0,
            applied_by: thread::current().id(),
            flushed: false,
        };
        Self { flaw, file, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a reader on this thread is shown.
    fn shown<T>(&self, look: impl FnOnce(&Content) -> T) -> T {
        let state = self.state();
        let stale = self.flaw == Flaw::StaleElsewhere && state.applied_by != thread::current().id();
        look(if stale { &state.before } else { &state.content })
    }

    fn save(&self, content: &Content) {
        fs::write(&self.file, encode(content)).unwrap();
    }
}

impl Backend for Flawed {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        let found = self.shown(|content| match self.flaw {
            Flaw::FindsPrefixes => content
                .range(key.to_vec()..)
                .next()
                .filter(|(found, _)| found.starts_with(key))
                .map(|(_, value)| value.clone()),
            _ => content.get(key).cloned(),
        });
        Ok(found.filter(|value| self.flaw != Flaw::EmptyValueIsNothing || !value.is_empty()).map(Bytes::from))
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let mut keys = keys.to_vec();
        if self.flaw == Flaw::SortsGetMany {
            keys.sort_unstable();
        }
        keys.iter().map(|key| self.get(key)).collect()
    }

    fn page(&self, range: &KeyRange, direction: Direction, limit: PageLimit) -> Result<Page, BackendError> {
        if range.is_empty() && self.flaw != Flaw::InvertedPanics {
            return Ok(Page { entries: vec![], complete: true });
        }
        let start = match self.flaw {
            Flaw::StartExcluded => Bound::Excluded(range.start.clone()),
            _ => Bound::Included(range.start.clone()),
        };
        let end = match (&range.end, self.flaw) {
            (None, _) => Bound::Unbounded,
            (Some(end), Flaw::EndIncluded) => Bound::Included(end.clone()),
            (Some(end), _) => Bound::Excluded(end.clone()),
        };
        let entry = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        let mut entries: Vec<_> = self.shown(|content| content.range((start, end)).map(entry).collect());
        match self.flaw {
            Flaw::SignedOrder => {
                entries.sort_by_key(|(key, _)| key.iter().map(|byte| *byte as i8).collect::<Vec<_>>())
            }
            Flaw::SkipsBetweenPages
                if entries.first().is_some_and(|(key, _)| range.start.len() > key.len()) =>
            {
                entries.remove(0);
            }
            Flaw::PanicsInRuns if direction == Direction::Backward => {
                assert!(!entries.iter().any(|(key, _)| key.windows(6).any(|run| run == [0xff; 6])), "lost");
            }
            _ => {}
        }
        if direction == Direction::Backward && self.flaw != Flaw::BackwardIsForward {
            entries.reverse();
        }
        let limit = match self.flaw {
            Flaw::OneEntryTooMany => PageLimit { entries: limit.entries.saturating_add(1), ..limit },
            Flaw::ForgetsTheBytes => PageLimit { bytes: usize::MAX, ..limit },
            Flaw::NothingForNoLimit if limit.entries == 0 => {
                return Ok(Page { entries: vec![], complete: false });
            }
            _ => limit,
        };
        let entries = entries.into_iter().map(|(key, value)| Ok((Bytes::from(key), Bytes::from(value))));
        let page = Page::collect(entries, limit)?;
        Ok(match self.flaw {
            Flaw::AlwaysComplete => Page { complete: true, ..page },
            Flaw::NeverComplete => Page { complete: false, ..page },
            _ => page,
        })
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        if batch.writes.is_empty() && self.flaw == Flaw::RefusesEmptyBatch {
            return Err(BackendError::new(Failure::Broken, "nothing to do"));
        }
        let mut state = self.state();
        state.before = state.content.clone();
        state.applied += 1;
        state.applied_by = thread::current().id();
        state.flushed = false;
        let mut content = state.content.clone();
        if matches!(self.flaw, Flaw::TornValue | Flaw::Rebuilds) {
            if self.flaw == Flaw::Rebuilds {
                state.content.clear();
            }
            for (key, value) in &batch.writes {
                let torn = value.as_ref().map(|value| value[..value.len() / 2].to_vec());
                state.content.extend(torn.map(|torn| (key.to_vec(), torn)));
            }
            drop(state);
            thread::sleep(Duration::from_micros(200));
            state = self.state();
        }
        for (number, (key, value)) in batch.writes.iter().enumerate() {
            if number == batch.writes.len() / 2 {
                state.halfway = content.clone();
            }
            match self.flaw {
                Flaw::ForgetsNowAndThen if number == 0 && state.applied % 500 == 499 => continue,
                Flaw::DropsTheTail if number > 10_000 => continue,
                Flaw::KeepsTheFirst if content.contains_key(&**key) && value.is_some() => continue,
                Flaw::KeepsTheLastKey if content.len() == 1 && value.is_none() => continue,
                Flaw::RefusesByHalves
                    if key.len() > MAX_KEY || value.as_ref().is_some_and(|v| v.len() > MAX_VALUE) =>
                {
                    state.content = content;
                    return Err(BackendError::new(Failure::TooLarge, "too long"));
                }
                _ => {}
            }
            match value {
                Some(value) if self.flaw == Flaw::CutsLongValues => {
                    content.insert(key.to_vec(), value.iter().copied().take(0x7fff).collect());
                }
                Some(value) => drop(content.insert(key.to_vec(), value.to_vec())),
                None if self.flaw == Flaw::RemovesToEmpty => drop(content.insert(key.to_vec(), vec![])),
                None => drop(content.remove(&**key)),
            }
        }
        state.content = content;
        Ok(())
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.state().flushed = true;
        Ok(())
    }

    fn sync(&self) -> Result<(), BackendError> {
        let state = self.state();
        if self.flaw == Flaw::SyncNeedsFlush && !state.flushed {
            return Err(BackendError::new(Failure::Broken, "nothing was flushed"));
        }
        self.save(if self.flaw == Flaw::LosesTheLastApply { &state.before } else { &state.content });
        Ok(())
    }
}

impl Drop for Flawed {
    fn drop(&mut self) {
        if self.flaw == Flaw::HalfABatchOnDisk {
            self.save(&self.state().halfway);
        }
    }
}

fn encode(content: &Content) -> Vec<u8> {
    let lengths = |bytes: &Vec<u8>| [&bytes.len().to_le_bytes()[..], bytes].concat();
    content.iter().flat_map(|(key, value)| [lengths(key), lengths(value)].concat()).collect()
}

fn decode(mut bytes: &[u8]) -> Content {
    let mut next = || {
        let (length, rest) = bytes.split_first_chunk()?;
        let (found, rest) = rest.split_at(usize::from_le_bytes(*length));
        bytes = rest;
        Some(found.to_vec())
    };
    std::iter::from_fn(|| Some((next()?, next()?))).collect()
}
