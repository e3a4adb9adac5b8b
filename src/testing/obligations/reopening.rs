//! What is there after the backend has been dropped and opened again.

use crate::storage::backend::{Backend, Batch, Direction, KeyRange, MAX_KEY};
use crate::testing::numbers::Numbers;
use crate::testing::subject::{
    Breach, Model, Subject, UNLIMITED, Verdict, batch, bytes, ensure, ensure_holds, puts, vecs,
};

pub(in crate::testing) fn what_was_synced_is_there_again(subject: &Subject<'_>) -> Verdict {
    let place = subject.place();
    let mut numbers = Numbers::new(8);
    let mut model = Model::new();
    for round in 0..6_u8 {
        let backend = subject.open(&place);
        ensure_holds(&*backend, &model)?;
        for _ in 0..20 {
            let mut changes = Batch::default();
            for _ in 0..30 {
                let key = numbers.key(4);
                let value = (numbers.below(3) > 0).then(|| vec![round; numbers.below(300)]);
                match &value {
                    Some(value) => model.insert(key.clone(), value.clone()),
                    None => model.remove(&key),
                };
                changes.writes.insert(bytes(&key), value.map(bytes));
            }
            backend.apply(&changes)?;
        }
        backend.flush()?;
        backend.sync()?;
    }
    ensure_holds(&*subject.open(&place), &model)?;
    Ok(model.len())
}

pub(in crate::testing) fn every_key_comes_back_as_it_was(subject: &Subject<'_>) -> Verdict {
    let place = subject.place();
    let mut model: Model = (0..=255).map(|byte| (vec![byte], vec![])).collect();
    for length in 0..30 {
        model.insert(vec![0xff; length], vec![1]);
        model.insert(vec![0; length], vec![2]);
    }
    for filling in [0, 0xff, b'x'] {
        model.insert(vec![filling; MAX_KEY], vec![3]);
    }
    let backend = subject.open(&place);
    backend.apply(&puts(&model))?;
    backend.flush()?;
    backend.sync()?;
    drop(backend);
    ensure_holds(&*subject.open(&place), &model)?;
    Ok(model.len())
}

/// Nothing was synced, so anything may be missing, but only from the end, and each batch is whole.
pub(in crate::testing) fn what_is_there_is_a_prefix_of_whole_batches(subject: &Subject<'_>) -> Verdict {
    let mut cases = 0_usize;
    for batches in [1, 2, 17, 120_u32] {
        let place = subject.place();
        let backend = subject.open(&place);
        for number in 0..batches {
            // A counter that every batch writes, keys of its own, and a key that it takes from the batch before it.
            let own = (0..8_u8)
                .map(|part| ([&number.to_be_bytes()[..], &[part]].concat(), Some(number.to_be_bytes())));
            let before = number.wrapping_sub(1).to_be_bytes();
            let taken =
                [([&before[..], &[0]].concat(), None), (b"counter".to_vec(), Some(number.to_be_bytes()))];
            backend.apply(&batch(own.chain(taken)))?;
            if number == batches / 2 {
                backend.flush()?;
                backend.sync()?;
            }
        }
        drop(backend);
        let backend = subject.open(&place);
        let found = vecs(&backend.page(&KeyRange::all(), Direction::Forward, UNLIMITED)?);
        let counter = backend.get(b"counter")?.and_then(|value| value.first_chunk().copied());
        let last =
            counter.map(u32::from_be_bytes).ok_or_else(|| Breach("what was synced is missing".to_owned()))?;
        ensure(last >= batches / 2, || {
            format!("batch {last} is the last one, and {} was synced", batches / 2)
        })?;
        let mut right = Model::new();
        for number in 0..=last {
            for part in (0..8_u8).filter(|part| *part > 0 || number == last) {
                right.insert([&number.to_be_bytes()[..], &[part]].concat(), number.to_be_bytes().to_vec());
            }
        }
        right.insert(b"counter".to_vec(), last.to_be_bytes().to_vec());
        ensure(right.into_iter().eq(found), || {
            format!("of {batches} batches not exactly the first {last} are there")
        })?;
        cases = cases.saturating_add(1);
    }
    Ok(cases)
}
