//! Compares what a program gets from the store with what the oracle says.

use std::str::FromStr as _;

use pivotdb::{Cursor, Document, Explanation, Query, Store, field};
use serde_json::Value;

use crate::Failable;
use crate::days::{Program, RUNS};
use crate::known::{All, best, id_of};
use crate::training::Optimizer;

const PAGE: usize = 7;

/// How many answers were compared; none was different.
pub(crate) fn check<P: Program>(store: &Store, all: &All) -> Failable<usize> {
    let typed = P::open(store)?;
    let runs = store.documents(RUNS)?;
    let mut answers = 0;
    let mut found = 0;
    for run in runs.iter() {
        let run = run?;
        let id = id_of(&run);
        let known = all.get(id).ok_or_else(|| format!("{id} was never logged"))?;
        equal(&format!("{id} on day {}", P::DAY), &*run, &known.seen(P::DAY))?;
        equal(&format!("the shape {id} is stored in"), &run.stamp().schema_version, &known.stored)?;
        found += 1;
        answers += 1;
    }
    equal("how many runs there are", &found, &all.len())?;
    for run in typed.iter() {
        run?;
    }
    let Some(path) = P::ACCURACY else { return Ok(answers) };

    for least in [0.0, 0.7, 0.9] {
        let expected = best(all, least);
        let query = runs.find(field(path).gte(least)).sort_desc(path);
        equal("how many are that good", &query.count()?, &(expected.len() as u64))?;
        equal("all of them", &ids(query.iter())?, &expected.iter().map(|(id, _)| id.clone()).collect())?;
        let first: Vec<String> = expected.iter().take(10).map(|(id, _)| id.clone()).collect();
        let query = query.limit(10);
        equal("the best ten", &ids(query.iter())?, &first)?;
        led_by(&query, "best", 10)?;
        answers += 3;
    }

    // Page by page, each with what the one before has left behind as text.
    let (mut pages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = runs.find(field(path).exists()).sort_desc(path).limit(PAGE as u64);
        if let Some(text) = &cursor {
            query = query.after(&Cursor::from_str(text)?);
        }
        let mut results = query.iter();
        let page = ids(results.by_ref())?;
        cursor = results.cursor()?.map(|cursor| cursor.to_string());
        let last = page.len() < PAGE;
        pages.extend(page);
        answers += 1;
        if last {
            break;
        }
    }
    let mut expected: Vec<String> = best(all, 0.0).into_iter().map(|(id, _)| id).collect();
    expected.extend(all.iter().filter(|(_, run)| run.accuracy.is_none()).map(|(id, _)| id.clone()));
    equal("all pages", &pages, &expected)?;

    if P::DAY >= 4 {
        for optimizer in [Optimizer::Sgd, Optimizer::Momentum(0.9), Optimizer::Adam] {
            let name = optimizer.name();
            let query = runs
                .find(field("params.optimizer.name").eq(name).and(field(path).gte(0.5)))
                .sort_desc(path)
                .limit(5);
            // The first day's script had only one, and did not say so.
            let mut expected = best(all, 0.5);
            expected.retain(|(id, _)| all.get(id).is_some_and(|run| run.config.optimizer.name() == name));
            let expected = expected.into_iter().take(5).map(|(id, _)| id).collect();
            equal("the best of an optimizer", &ids(query.iter())?, &expected)?;
            led_by(&query, "by optimizer", 5)?;
            answers += 1;
        }
    }
    Ok(answers)
}

pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Failable {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}:\n  found    {found:?}\n  expected {expected:?}").into())
}

/// The index leads to the results, in their order, past nothing else.
pub(crate) fn led_by<T>(query: &Query<T>, index: &str, most: u64) -> Failable<Explanation> {
    let explained = query.explain()?;
    let used = explained.index.as_ref().is_some_and(|used| used.name == index);
    let direct =
        explained.plan.starts_with("index") && !explained.sorted && explained.documents_examined <= most;
    if used && direct {
        Ok(explained)
    } else {
        Err(format!("not by the index {index:?}:\n{explained}").into())
    }
}

fn ids(runs: impl Iterator<Item = pivotdb::Result<Document<Value>>>) -> Failable<Vec<String>> {
    Ok(runs.map(|run| Ok(id_of(&run?).to_owned())).collect::<pivotdb::Result<_>>()?)
}
