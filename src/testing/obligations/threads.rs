//! Reading while something else goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use crate::storage::backend::{Backend, Direction, KeyRange, PageLimit};
use crate::testing::subject::{
    BOTH, Breach, Subject, UNLIMITED, Verdict, batch, bytes, ensure, ensure_eq, read_all, vecs,
};

/// Reads each reader makes at least while the writer writes.
const READS: usize = 300;

/// Applies `write(0)`, `write(1)` ... for as long as two readers need; `read` is told the number of the last apply
/// that has returned.
fn while_applying(
    backend: &dyn Backend,
    write: impl Fn(u64) -> Result<(), Breach>,
    read: impl Fn(usize, &dyn Backend, u64) -> Result<(), Breach> + Sync,
) -> Verdict {
    write(0)?;
    let applied = AtomicU64::new(0);
    let reads = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let over = AtomicBool::new(false);
    let enough = || reads.iter().all(|reads| reads.load(Ordering::Relaxed) >= READS);
    thread::scope(|scope| {
        let (applied, over, read, reads_of) = (&applied, &over, &read, &reads);
        let reader = |number: usize| {
            move || {
                while !over.load(Ordering::Relaxed) {
                    let verdict = read(number, backend, applied.load(Ordering::Acquire));
                    if verdict.is_err() {
                        over.store(true, Ordering::Relaxed);
                        return verdict;
                    }
                    if let Some(reads) = reads_of.get(number) {
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Ok(())
            }
        };
        let readers = [0, 1].map(|number| scope.spawn(reader(number)));
        let mut written = Ok(());
        let mut number = 0_u64;
        while written.is_ok() && !over.load(Ordering::Relaxed) && (number < 200 || !enough()) {
            number = number.saturating_add(1);
            written = write(number);
            applied.store(number, Ordering::Release);
            if number > 1_000_000 {
                written = Err(Breach("readers do not come to read while batches are applied".to_owned()));
            }
        }
        over.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().map_err(|_| Breach("a read panicked".to_owned()))??;
        }
        written
    })?;
    Ok(reads.iter().map(|reads| reads.load(Ordering::Relaxed)).sum())
}

pub(in crate::testing) fn a_read_after_an_apply_sees_it_on_any_thread(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    let backend = &*backend;
    for round in 0..100_u8 {
        backend.apply(&batch((0..3_u8).map(|key| ([key], Some([round])))))?;
        thread::scope(|scope| {
            let read = || -> Result<(), Breach> {
                ensure_eq(&backend.get(&[1])?, &Some(bytes([round])), "a key, on another thread")?;
                let page = backend.page(&KeyRange::all(), Direction::Backward, UNLIMITED)?;
                ensure(page.entries.iter().all(|(_, value)| **value == [round]), || {
                    format!("round {round}: {page:?}")
                })
            };
            scope.spawn(read).join().map_err(|_| Breach("a read panicked".to_owned()))?
        })?;
    }
    Ok(200)
}

pub(in crate::testing) fn a_get_during_applies_sees_before_or_after(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    // Each value says which apply it is of, in all of its bytes; every tenth apply removes the second key.
    let value = |number: u64| number.to_be_bytes().repeat(50);
    let write = |number: u64| -> Result<(), Breach> {
        let second = (!number.is_multiple_of(10)).then(|| value(number));
        Ok(backend.apply(&batch([(b"first", Some(value(number))), (b"other", second)]))?)
    };
    let newest = [AtomicU64::new(0), AtomicU64::new(0)];
    let read = |reader: usize, backend: &dyn Backend, applied: u64| -> Result<(), Breach> {
        let found = backend.get(b"first")?;
        let found = found.ok_or_else(|| Breach("a key that is always there is missing".to_owned()))?;
        let (number, _) = found.split_first_chunk().ok_or_else(|| Breach("a value is cut off".to_owned()))?;
        let number = u64::from_be_bytes(*number);
        ensure(*found == value(number), || format!("a value of {number} mixed with another: {found:?}"))?;
        let before = newest.get(reader).map_or(0, |newest| newest.swap(number, Ordering::Relaxed));
        ensure(number >= applied.max(before), || {
            format!("{number} was read after {applied} had been applied and {before} read")
        })?;
        match backend.get_many(&[b"other", b"first"])?.as_slice() {
            [other, Some(_)] => ensure(other.as_ref().is_none_or(|other| other.len() == found.len()), || {
                "a value is torn".to_owned()
            }),
            other => Err(Breach(format!("get_many gives {other:?}"))),
        }
    };
    while_applying(&*backend, write, read)
}

/// Keys that no apply touches stand between those that come and go.
pub(in crate::testing) fn a_page_during_applies_is_in_order_and_misses_nothing(
    subject: &Subject<'_>,
) -> Verdict {
    let backend = subject.fresh();
    let stable: Vec<_> = (0..300_u16)
        .map(|key| ([key.to_be_bytes().to_vec(), vec![b's']].concat(), b"stays".to_vec()))
        .collect();
    backend.apply(&batch(stable.iter().map(|(key, value)| (key, Some(value)))))?;
    let write = |number: u64| -> Result<(), Breach> {
        let spot = number.wrapping_mul(37) % 300;
        let keys = (0..40_u64).map(|step| (spot.saturating_add(step) as u16).to_be_bytes());
        let put = !number.is_multiple_of(3);
        Ok(backend.apply(&batch(keys.map(|key| ([&key[..], b"t"].concat(), put.then_some([0; 30])))))?)
    };
    let read = |reader: usize, backend: &dyn Backend, _: u64| -> Result<(), Breach> {
        for direction in BOTH {
            let limit = if reader == 0 { UNLIMITED } else { PageLimit { entries: 25, bytes: usize::MAX } };
            let mut read = if reader == 0 {
                vecs(&backend.page(&KeyRange::all(), direction, limit)?)
            } else {
                read_all(backend, &KeyRange::all(), direction, limit)?
            };
            if direction == Direction::Backward {
                read.reverse();
            }
            let ordered = read.iter().zip(read.iter().skip(1)).all(|((a, _), (b, _))| a < b);
            ensure(ordered, || format!("{direction:?}: keys out of order, or twice"))?;
            read.retain(|(key, _)| key.last() == Some(&b's'));
            ensure(read == stable, || {
                format!("{direction:?}: {} of {} entries that nobody touches", read.len(), stable.len())
            })?;
        }
        Ok(())
    };
    while_applying(&*backend, write, read)
}
