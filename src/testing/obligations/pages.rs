//! Reading ranges.

use crate::storage::backend::{Backend, Direction, KeyRange, PageLimit};
use crate::testing::numbers::Numbers;
use crate::testing::subject::{
    BOTH, Breach, Model, Subject, UNLIMITED, Verdict, batch, ensure, ensure_entries, ensure_eq, ensure_holds,
    expected, puts, read_all, vecs,
};

/// Entries with keys of all lengths up to `longest`.
fn entries(numbers: &mut Numbers, count: usize, longest: usize) -> Model {
    (0..count).map(|_| (numbers.key(longest), vec![7; numbers.below(40)])).collect()
}

/// Puts `model` in by several batches, so that it does not lie in one piece.
fn fill(backend: &dyn Backend, model: &Model) -> Result<(), Breach> {
    for part in 0..4 {
        let part = model.iter().enumerate().filter(|(number, _)| number % 4 == part);
        backend.apply(&batch(part.map(|(_, (key, value))| (key, Some(value)))))?;
    }
    Ok(())
}

pub(in crate::testing) fn pages_ascend(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    let mut model = entries(&mut Numbers::new(2), 500, 12);
    model.extend((0..=255).map(|byte| (vec![b'k', byte], vec![byte])));
    fill(&*backend, &model)?;
    let page = backend.page(&KeyRange::all(), Direction::Forward, UNLIMITED)?;
    ensure_entries(&vecs(&page), &expected(&model, &KeyRange::all(), Direction::Forward), "a forward page")?;
    Ok(model.len())
}

pub(in crate::testing) fn pages_descend_backward(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    let model = entries(&mut Numbers::new(3), 500, 12);
    fill(&*backend, &model)?;
    let page = backend.page(&KeyRange::all(), Direction::Backward, UNLIMITED)?;
    ensure_entries(
        &vecs(&page),
        &expected(&model, &KeyRange::all(), Direction::Backward),
        "a backward page",
    )?;
    Ok(model.len())
}

pub(in crate::testing) fn ranges_have_their_start_and_not_their_end(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    let mut numbers = Numbers::new(4);
    let model = entries(&mut numbers, 300, 5);
    fill(&*backend, &model)?;
    let keys: Vec<_> = model.keys().cloned().collect();
    let bound = |numbers: &mut Numbers| match numbers.below(3) {
        0 => numbers.key(6),
        _ => keys.get(numbers.below(keys.len())).cloned().unwrap_or_default(),
    };
    let mut entries_seen = 0_usize;
    for _ in 0..400 {
        let start = bound(&mut numbers);
        let end = (numbers.below(8) > 0).then(|| bound(&mut numbers)).filter(|end| *end > start);
        let range = KeyRange { start, end };
        for direction in BOTH {
            let page = backend.page(&range, direction, UNLIMITED)?;
            ensure_entries(
                &vecs(&page),
                &expected(&model, &range, direction),
                &format!("{direction:?} {range:?}"),
            )?;
            entries_seen = entries_seen.saturating_add(page.entries.len());
        }
    }
    Ok(entries_seen)
}

pub(in crate::testing) fn an_empty_range_is_an_empty_page(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    backend.apply(&batch((0..100_u8).map(|key| ([key], Some([key])))))?;
    let bounds: [(&[u8], &[u8]); 6] =
        [(&[5], &[5]), (&[9], &[5]), (&[5, 0], &[5]), (&[], &[]), (&[200], &[201]), (&[5, 1], &[5, 2])];
    for (start, end) in bounds {
        let range = KeyRange { start: start.to_vec(), end: Some(end.to_vec()) };
        for direction in BOTH {
            let page = backend.page(&range, direction, UNLIMITED)?;
            ensure(page.entries.is_empty() && page.complete, || {
                format!("{direction:?} {range:?}: {page:?}")
            })?;
        }
    }
    Ok(12)
}

/// Every limit from `limits` in both directions against the first entries of the model that fill it.
fn limited(subject: &Subject<'_>, limits: impl Iterator<Item = PageLimit>) -> Verdict {
    let backend = subject.fresh();
    let model = entries(&mut Numbers::new(5), 200, 8);
    fill(&*backend, &model)?;
    let mut cases = 0_usize;
    for limit in limits {
        for direction in BOTH {
            let all = expected(&model, &KeyRange::all(), direction);
            let mut bytes = 0_usize;
            let fits = |(number, (key, value)): &(usize, &(Vec<u8>, Vec<u8>))| {
                let room = *number == 0 || (*number < limit.entries && bytes < limit.bytes);
                bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
                room
            };
            let count = all.iter().enumerate().take_while(fits).count();
            let page = backend.page(&KeyRange::all(), direction, limit)?;
            ensure_eq(
                &page.entries.len(),
                &count,
                &format!("entries of a {direction:?} page limited to {limit:?}"),
            )?;
            ensure(all.starts_with(&vecs(&page)), || format!("a {direction:?} page begins elsewhere"))?;
            cases = cases.saturating_add(1);
        }
    }
    Ok(cases)
}

pub(in crate::testing) fn a_page_keeps_to_its_entries(subject: &Subject<'_>) -> Verdict {
    limited(subject, (1..60).map(|entries| PageLimit { entries, bytes: usize::MAX }))
}

pub(in crate::testing) fn a_page_keeps_to_its_bytes(subject: &Subject<'_>) -> Verdict {
    limited(subject, (1..60).map(|step: usize| PageLimit { entries: 100, bytes: step.saturating_mul(13) }))
}

pub(in crate::testing) fn a_page_has_an_entry_where_there_is_one(subject: &Subject<'_>) -> Verdict {
    let none = [(0, 0), (0, usize::MAX), (usize::MAX, 0), (1, 0), (0, 1)];
    limited(subject, none.into_iter().map(|(entries, bytes)| PageLimit { entries, bytes }))
}

pub(in crate::testing) fn complete_means_the_end(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    backend.apply(&batch((0..40_u8).map(|key| ([key], Some([key])))))?;
    let mut cases = 0_usize;
    for entries in 1..45_usize {
        for (end, held) in [(None, 40_usize), (Some(vec![30]), 30), (Some(vec![40]), 40)] {
            let range = KeyRange { start: vec![], end };
            for direction in BOTH {
                let page = backend.page(&range, direction, PageLimit { entries, bytes: usize::MAX })?;
                let told =
                    || format!("{direction:?} page of {} of {held} entries: {page:?}", page.entries.len());
                ensure(!page.complete || page.entries.len() == held, told)?;
                ensure(page.complete || page.entries.len() == entries, told)?;
                cases = cases.saturating_add(1);
            }
        }
    }
    Ok(cases)
}

pub(in crate::testing) fn page_after_page_gives_each_entry_once(subject: &Subject<'_>) -> Verdict {
    let backend = subject.fresh();
    let mut numbers = Numbers::new(6);
    let model = entries(&mut numbers, 400, 6);
    fill(&*backend, &model)?;
    let mut cases = 0_usize;
    for entries in [1, 2, 3, 7, 16, 17, 50, 399, 400, 401] {
        for direction in BOTH {
            let range = KeyRange { start: numbers.key(1), end: None };
            for range in [KeyRange::all(), range] {
                let limit = PageLimit { entries, bytes: numbers.below(4000) };
                let read = read_all(&*backend, &range, direction, limit)?;
                ensure_entries(
                    &read,
                    &expected(&model, &range, direction),
                    &format!("{direction:?} pages of {limit:?}"),
                )?;
                cases = cases.saturating_add(read.len());
            }
        }
    }
    Ok(cases)
}

/// Trees that cut their inner keys short lose their way in such runs.
pub(in crate::testing) fn runs_of_the_greatest_byte_are_passed(subject: &Subject<'_>) -> Verdict {
    let mut cases = 0_usize;
    for offset in 0..20_i64 {
        let backend = subject.fresh();
        let mut model = Model::new();
        for number in 0..80_i64 {
            let number = number.saturating_sub(30).saturating_sub(offset);
            let sign = if number < 0 { 0x10 } else { 0x11 };
            let key = [&[1, sign][..], &number.to_be_bytes(), &[0xff; 5]].concat();
            backend.apply(&batch([(&key, Some(b"x"))]))?;
            model.insert(key, b"x".to_vec());
        }
        for length in 0..40 {
            model.insert(vec![0xff; length], b"y".to_vec());
        }
        backend.apply(&puts(&model))?;
        ensure_holds(&*backend, &model)?;
        cases = cases.saturating_add(model.len());
    }
    Ok(cases)
}
