//! Asking, and what must come of it.

use pivotdb::{Collection, Store, Unreadable};
use serde_json::{Value, json};

use crate::effects::Documents;
use crate::oracle::{Question, Test};
use crate::run::{Outcome, Tally, Wrong};

/// The next question, for a program of this schema version.
pub(crate) fn question(number: u64, documents: usize, version: u32) -> Question {
    let mut seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (documents as u64);
    let mut next = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from((seed >> 11) % below).unwrap()
    };
    let members = [if version >= 2 { "b" } else { "a" }, "n", "c", "tags"];
    let groups = if next(6) == 0 { 2 } else { 1 };
    let any_of = (0..groups).map(|_| (0..1 + next(2)).map(|_| test(&members, version, &mut next)).collect());
    let any_of = any_of.collect();
    let keys = [0, 0, 0, 1, 1, 1, 2][next(7)];
    let mut sort: Vec<(&str, bool)> = Vec::new();
    for _ in 0..keys {
        let key = (members[next(4)], next(2) == 0);
        // By the same twice is by it once.
        if sort.iter().all(|(member, _)| *member != key.0) {
            sort.push(key);
        }
    }
    let skip = if next(6) == 0 { next(4) } else { 0 };
    let limit = (next(4) == 0).then(|| next(5) + 1);
    Question { any_of, sort, skip, limit }
}

fn test(members: &[&'static str], version: u32, next: &mut impl FnMut(u64) -> usize) -> (&'static str, Test) {
    let member = members[next(4)];
    let mut value = || {
        let n = next(10);
        match member {
            "n" if version >= 3 => json!(n.to_string()),
            "c" if version >= 4 => json!(n % 8 + 1000),
            "tags" => json!(n % 6),
            _ => json!(n % 8),
        }
    };
    let (one, other) = (value(), value());
    let test = match next(9) {
        0 | 1 => Test::Equals(one),
        2..=4 => Test::From(one),
        5 | 6 => Test::Below(one),
        7 => Test::OneOf(vec![one, other]),
        _ => Test::Equals(Value::Null),
    };
    (member, test)
}

/// A state of a store, and what the model has of it.
pub(crate) struct Asked<'a> {
    pub(crate) things: &'a Collection<Value>,
    pub(crate) documents: &'a Documents,
    pub(crate) version: u32,
    /// The newest program has not been there always, and is not there now.
    pub(crate) rolled_back: bool,
}

fn wrong<T>(question: &Question, told: impl std::fmt::Display) -> Result<T, Wrong> {
    Err(Wrong::Answer(format!("{question:?}: {told}")))
}

impl Asked<'_> {
    /// Asks in the ways there are, of which those that cost more come now and then. Whether that was by an index in mid-build or after a rollback.
    pub(crate) fn ask(&self, question: &Question, number: u64, tally: &mut Tally) -> Outcome<bool> {
        let told = |error: pivotdb::Error| Wrong::Other(format!("{question:?}: {error}"));
        let documents = self.documents.iter().filter(|(_, known)| known.is_seen(self.version));
        let seen: Vec<_> = documents.map(|(id, known)| (*id, known.fields.at(self.version))).collect();
        let all = question.all(&seen);
        let wanted = question.part(&all);
        let query = || sorted(self.things, question);
        let part = || {
            let query = query().skip(question.skip as u64);
            match question.limit {
                Some(limit) => query.limit(limit as u64),
                None => query,
            }
        };
        let found = ids(&part().to_vec().map_err(told)?);
        let explained = part().explain().map_err(told)?;
        if found != wanted {
            return wrong(question, format!("{found:?} instead of {wanted:?}; {explained:?}"));
        }
        let count = query().count().map_err(told)?;
        if count != all.len() as u64 {
            return wrong(question, format!("counts {count} instead of {}", all.len()));
        }
        match number % 8 {
            0 | 4 => {
                let exists = query().exists().map_err(told)?;
                if exists == all.is_empty() {
                    return wrong(question, format!("that there is any is {exists}"));
                }
            }
            1 | 5 => {
                let count = part().count().map_err(told)?;
                if count != wanted.len() as u64 {
                    return wrong(question, format!("counts {count} instead of {} of a part", wanted.len()));
                }
            }
            2 => {
                self.walk(question, 2 + number / 8 % 4, &all)?;
                tally.walks += 1;
            }
            _ => {}
        }
        tally.queries += 1;
        tally.selective += u64::from(!all.is_empty() && all.len() < seen.len());
        let Some(index) = &explained.index else { return Ok(false) };
        let building = index.state.contains("building");
        tally.by_index += 1;
        tally.mid_build += u64::from(building);
        tally.after_rollback += u64::from(self.rolled_back);
        Ok(building || self.rolled_back)
    }

    /// Page after page.
    fn walk(&self, question: &Question, size: u64, all: &[u64]) -> Outcome {
        let told = |error: pivotdb::Error| Wrong::Other(format!("{question:?}, by pages of {size}: {error}"));
        let (mut walked, mut cursor) = (Vec::new(), None);
        loop {
            let query = sorted(self.things, question).limit(size);
            let query = match &cursor {
                Some(cursor) => query.after(cursor),
                None => query,
            };
            let mut page = query.iter();
            let found = page.by_ref().collect::<pivotdb::Result<Vec<_>>>().map_err(told)?;
            walked.extend(ids(&found));
            match page.cursor().map_err(told)? {
                Some(next) if walked.len() <= all.len() => cursor = Some(next),
                _ => break,
            }
        }
        if walked == all {
            Ok(())
        } else {
            wrong(question, format!("by pages of {size} {walked:?} instead of {all:?}"))
        }
    }
}

/// The same question of the same documents where no index can be used: a transaction would have to answer for all kinds that there are.
pub(crate) fn ask_without_indexes(things: &Collection<Value>, store: &Store, question: &Question) -> Outcome {
    let told = |error: pivotdb::Error| Wrong::Other(format!("{question:?}, by a scan: {error}"));
    let transaction = store.begin().map_err(told)?;
    let untyped = transaction.on(&store.documents("things").map_err(told)?);
    let scan = sorted(&untyped, question);
    let explained = scan.explain().map_err(told)?;
    if explained.index.is_some() {
        return Err(Wrong::Other(format!("{question:?}: a scan by {explained:?}")));
    }
    let scanned = scan.to_vec().map_err(told)?;
    transaction.rollback();
    let found = sorted(things, question).to_vec().map_err(told)?;
    let same = |(one, other): (&pivotdb::Document<Value>, &pivotdb::Document<Value>)| {
        one.id() == other.id() && one.value == other.value
    };
    if scanned.len() == found.len() && scanned.iter().zip(&found).all(same) {
        Ok(())
    } else {
        wrong(question, format!("{:?} instead of what a scan finds, {:?}", ids(&found), ids(&scanned)))
    }
}

fn sorted(things: &Collection<Value>, question: &Question) -> pivotdb::Query<Value> {
    let query = things.find(question.to_json()).unreadable(Unreadable::Skip);
    question.sort.iter().fold(
        query,
        |query, (member, descending)| {
            if *descending { query.sort_desc(*member) } else { query.sort(*member) }
        },
    )
}

fn ids(found: &[pivotdb::Document<Value>]) -> Vec<u64> {
    found.iter().filter_map(|document| document.id().as_u64()).collect()
}
