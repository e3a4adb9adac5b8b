//! Reading single keys.

use crate::storage::backend::{Backend, KeyRange, MAX_KEY, MAX_VALUE};
use crate::testing::numbers::Numbers;
use crate::testing::subject::{
    BOTH, Model, Subject, UNLIMITED, Verdict, batch, bytes, ensure, ensure_eq, ensure_holds, puts,
};

pub(in crate::testing) fn starts_empty(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    for direction in BOTH {
        let page = backend.page(&KeyRange::all(), direction, UNLIMITED)?;
        ensure(page.entries.is_empty() && page.complete, || format!("{page:?}"))?;
    }
    ensure_eq(&backend.get(b"key")?, &None, "a key that was never written")?;
    Ok(3)
}

pub(in crate::testing) fn get_gives_the_last(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    for round in 0..20_u8 {
        backend.apply(&batch((0..10_u8).map(|key| ([key], Some([key, round])))))?;
        for key in 0..10 {
            ensure_eq(&backend.get(&[key])?, &Some(bytes([key, round])), "a key written again")?;
        }
    }
    Ok(200)
}

pub(in crate::testing) fn get_gives_nothing_for_removed(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    let keys = 0..100_u8;
    backend.apply(&batch(keys.clone().map(|key| ([key], Some([key])))))?;
    backend.apply(&batch(keys.clone().filter(|key| key % 3 == 0).map(|key| ([key], None::<[u8; 0]>))))?;
    backend.apply(&batch([(b"never there", None::<[u8; 0]>)]))?;
    for key in keys {
        let expected = (key % 3 != 0).then(|| bytes([key]));
        ensure_eq(&backend.get(&[key])?, &expected, "a key beside removed ones, or removed")?;
    }
    ensure_eq(&backend.get(b"never there")?, &None, "a key that was removed and never written")?;
    Ok(101)
}

pub(in crate::testing) fn get_many_keeps_the_order_asked(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    backend.apply(&batch((0..50_u8).map(|key| ([key], Some([key, key])))))?;
    let mut numbers = Numbers::new(1);
    let mut cases = 0_usize;
    for _ in 0..50 {
        let asked: Vec<[u8; 1]> = (0..numbers.below(9)).map(|_| [numbers.below(70) as u8]).collect();
        let keys: Vec<&[u8]> = asked.iter().map(AsRef::as_ref).collect();
        let expected: Vec<_> = asked.iter().map(|[key]| (*key < 50).then(|| bytes([*key, *key]))).collect();
        ensure_eq(&backend.get_many(&keys)?, &expected, "several keys, some missing, some twice")?;
        cases = cases.saturating_add(keys.len());
    }
    Ok(cases)
}

pub(in crate::testing) fn empty_key_and_value_are_an_entry(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    let model: Model = [(vec![], vec![]), (vec![0], vec![]), (vec![0, 0], vec![7])].into();
    backend.apply(&puts(&model))?;
    ensure_holds(&*backend, &model)?;
    ensure_eq(&backend.get(b"")?, &Some(bytes([])), "the empty key")?;
    ensure_eq(&backend.get(&[0])?, &Some(bytes([])), "an empty value")?;
    backend.apply(&batch([([0; 0], None::<[u8; 0]>)]))?;
    ensure_eq(&backend.get(b"")?, &None, "the empty key, removed")?;
    Ok(4)
}

pub(in crate::testing) fn everything_up_to_the_bounds_is_kept(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    let mut model = Model::new();
    for (number, filling) in [0, b'a', 0xff].into_iter().enumerate() {
        for shortened in 0..12 {
            let key = vec![filling; MAX_KEY.saturating_sub(shortened)];
            let value = vec![number as u8; MAX_VALUE.saturating_sub(shortened)];
            model.insert(key, value);
        }
    }
    backend.apply(&puts(&model))?;
    for (key, value) in &model {
        let found = backend.get(key)?;
        ensure(found.as_deref() == Some(value.as_slice()), || {
            format!("a value of {} bytes at a key of {} bytes is not as it was", value.len(), key.len())
        })?;
    }
    ensure_holds(&*backend, &model)?;
    Ok(model.len())
}

pub(in crate::testing) fn a_prefix_is_another_key(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    let word = b"a\0b\xff\xff\xff\xff\xff\xffz\0\0";
    let prefixes = || (0..=word.len()).map(|length| word.split_at(length).0);
    let mut cases = 0_usize;
    for kept in [0, 1] {
        let mut model = Model::new();
        for prefix in prefixes() {
            if prefix.len() % 2 == kept {
                model.insert(prefix.to_vec(), vec![prefix.len() as u8]);
            }
            backend.apply(&batch([(prefix, (prefix.len() % 2 == kept).then_some([prefix.len() as u8]))]))?;
        }
        for prefix in prefixes() {
            let expected = model.get(prefix).map(bytes);
            ensure_eq(&backend.get(prefix)?, &expected, "a key whose prefixes are keys, or not")?;
            cases = cases.saturating_add(1);
        }
        ensure_holds(&*backend, &model)?;
    }
    Ok(cases)
}
