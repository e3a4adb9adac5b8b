//! Changing.

use crate::storage::backend::{Backend, Batch, Failure, KeyRange, MAX_KEY, MAX_VALUE, PageLimit};
use crate::testing::numbers::Numbers;
use crate::testing::subject::{
    BOTH, Model, Subject, Verdict, batch, bytes, ensure, ensure_entries, ensure_eq, ensure_holds, expected,
    puts, read_all,
};

pub(in crate::testing) fn an_empty_batch_changes_nothing(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    let model: Model = [(b"key".to_vec(), b"value".to_vec())].into();
    backend.apply(&Batch::default())?;
    backend.apply(&puts(&model))?;
    backend.apply(&Batch::default())?;
    ensure_holds(&*backend, &model)?;
    Ok(2)
}

pub(in crate::testing) fn a_large_batch_is_made_whole(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    let mut model: Model =
        (0..20_000_u32).map(|key| (key.to_be_bytes().to_vec(), key.to_le_bytes().repeat(30))).collect();
    backend.apply(&puts(&model))?;
    ensure_holds(&*backend, &model)?;
    // Writes and removals side by side.
    let change = |key: &[u8]| key.last().is_some_and(|last| last % 2 == 0).then(|| b"new".to_vec());
    backend.apply(&batch(model.keys().map(|key| (key, change(key)))))?;
    model.retain(|key, _| change(key).is_some());
    model.values_mut().for_each(|value| *value = b"new".to_vec());
    ensure_holds(&*backend, &model)?;
    Ok(30_000)
}

pub(in crate::testing) fn removing_everything_leaves_nothing(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    for round in 0..3_u32 {
        let model: Model =
            (0..600_u32).map(|key| (key.to_be_bytes().to_vec(), vec![round as u8; 100])).collect();
        backend.apply(&puts(&model))?;
        ensure_holds(&*backend, &model)?;
        let keys: Vec<_> = model.keys().collect();
        for keys in keys.chunks(100) {
            backend.apply(&batch(keys.iter().map(|key| (key, None::<[u8; 0]>))))?;
        }
        ensure_holds(&*backend, &Model::new())?;
    }
    Ok(1800)
}

pub(in crate::testing) fn random_changes_agree_with_a_model(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    let mut numbers = Numbers::new(7);
    let mut model = Model::new();
    let mut cases = 0_usize;
    for round in 0..1500_usize {
        let mut changes = Batch::default();
        for _ in 0..numbers.below(12) {
            let key = match numbers.below(2) {
                0 => numbers.key(3),
                _ => numbers.key(30),
            };
            // In some spells mostly removals, so that pages of whatever tree there is run empty and merge.
            let put = numbers.below(8) < if round / 250 % 2 == 0 { 6 } else { 1 };
            let value = put.then(|| vec![round as u8; numbers.below(60)]);
            match &value {
                Some(value) => model.insert(key.clone(), value.clone()),
                None => model.remove(&key),
            };
            changes.writes.insert(bytes(&key), value.map(bytes));
        }
        backend.apply(&changes)?;
        let key = numbers.key(3);
        ensure_eq(&backend.get(&key)?, &model.get(&key).map(bytes), &format!("a key after {round} batches"))?;
        if round % 10 == 0 {
            let range =
                KeyRange { start: numbers.key(3), end: Some(numbers.key(3)).filter(|end| !end.is_empty()) };
            for direction in BOTH {
                let limit = PageLimit { entries: numbers.below(40), bytes: usize::MAX };
                let read = read_all(&*backend, &range, direction, limit)?;
                let right = expected(&model, &range, direction);
                ensure_entries(&read, &right, &format!("{direction:?} {range:?} after {round} batches"))?;
                cases = cases.saturating_add(read.len());
            }
        }
    }
    ensure_holds(&*backend, &model)?;
    Ok(cases)
}

pub(in crate::testing) fn what_is_too_long_is_refused_whole_or_kept(subject: &Subject<'_>) -> Verdict {
    let key = (vec![b'k'; MAX_KEY.saturating_add(1)], vec![1]);
    let value = (vec![b'v'], vec![1; MAX_VALUE.saturating_add(1)]);
    for (key, value) in [key, value] {
        // Nothing more is written after an error: a backend for each.
        let backend = subject.fresh();
        let mut model: Model = [(b"before".to_vec(), b"x".to_vec())].into();
        backend.apply(&puts(&model))?;
        let mut more: Model = [(b"a".to_vec(), b"y".to_vec()), (b"z".to_vec(), b"y".to_vec())].into();
        more.insert(key, value);
        match backend.apply(&puts(&more)) {
            Ok(()) => model.append(&mut more),
            Err(error) => ensure(error.failure == Failure::TooLarge, || format!("refused as {error:?}"))?,
        }
        ensure_holds(&*backend, &model)?;
    }
    Ok(2)
}

pub(in crate::testing) fn flush_and_sync_need_no_occasion(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    backend.sync()?;
    backend.flush()?;
    backend.flush()?;
    backend.sync()?;
    backend.sync()?;
    let model: Model = [(b"key".to_vec(), b"value".to_vec())].into();
    backend.apply(&puts(&model))?;
    backend.sync()?;
    ensure_holds(&*backend, &model)?;
    backend.flush()?;
    backend.sync()?;
    ensure_holds(&*backend, &model)?;
    Ok(8)
}
