//! Whether a history is serializable: found out by finding the serial order.
//!
//! Each transaction comes with the sequence of its commit, or of the state it has read if it wrote nothing. Sequences only say
//! where to look: commits of one sequence, which are those of one group, are tried in every order, and a history is accepted only if
//! some order of all its transactions, executed one by one, gives every answer that was given. So a wrong sequence can make a right
//! history be refused, and never a wrong one be accepted. That the order also agrees with the clock is checked beside.

use std::collections::BTreeMap;

pub(crate) type State = BTreeMap<i32, i64>;

/// What a transaction did, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    Get {
        id: i32,
        found: Option<i64>,
    },
    /// Of the ids from `from` to `to`, which does not belong to it, the first so many, or the last.
    Scan {
        from: i32,
        to: i32,
        backward: bool,
        at_most: usize,
        found: Vec<(i32, i64)>,
    },
    Count {
        found: u64,
    },
    Put {
        id: i32,
        value: i64,
    },
    Insert {
        id: i32,
        value: i64,
        taken: bool,
    },
    Delete {
        id: i32,
        found: bool,
    },
}

/// A transaction that was committed.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    /// Ticks of one clock for all.
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    /// The last commit it could see.
    pub(crate) saw: u64,
    /// Its own sequence; that of `saw` if it wrote nothing.
    pub(crate) at: u64,
    pub(crate) wrote: bool,
    pub(crate) ops: Vec<Op>,
}

/// How many orders are tried before a history is given up.
const PATIENCE: usize = 1_000_000;

/// Accepts a serializable history.
pub(crate) fn check(initial: &State, done: &[Done]) -> Result<(), String> {
    for one in done {
        if one.saw > one.at || (!one.wrote && one.saw != one.at) {
            return Err(format!("it has seen what came after it: {one:?}"));
        }
        if let Some(late) = done.iter().find(|other| other.ended < one.begun && other.at > one.saw) {
            return Err(format!("{one:?} began after {late:?} had ended, and does not see it"));
        }
    }
    let mut groups: BTreeMap<u64, (Vec<&Done>, Vec<&Done>)> = BTreeMap::new();
    for one in done {
        let (writers, readers) = groups.entry(one.at).or_default();
        if one.wrote { writers.push(one) } else { readers.push(one) }
    }
    let groups: Vec<_> = groups.into_values().collect();
    let mut search = Search { groups: &groups, tries: 0, furthest: 0, stuck: String::new() };
    let first = groups.first().map_or_else(Vec::new, |(writers, _)| writers.clone());
    if search.goes_on(0, &first, initial) { Ok(()) } else { Err(search.stuck) }
}

struct Search<'a> {
    groups: &'a [(Vec<&'a Done>, Vec<&'a Done>)],
    tries: usize,
    furthest: usize,
    stuck: String,
}

impl Search<'_> {
    /// Whether the rest can be executed after `state`: of this group those `left`, and all further groups.
    fn goes_on(&mut self, group: usize, left: &[&Done], state: &State) -> bool {
        let Some((_, readers)) = self.groups.get(group) else { return true };
        self.tries += 1;
        if self.tries > PATIENCE {
            return false;
        }
        if left.is_empty() {
            if let Some(reader) = readers.iter().find(|reader| execute(state, reader).is_none()) {
                self.note(group, reader, state);
                return false;
            }
            let next = self.groups.get(group + 1).map_or_else(Vec::new, |(writers, _)| writers.clone());
            return self.goes_on(group + 1, &next, state);
        }
        for (position, one) in left.iter().enumerate() {
            match execute(state, one) {
                Some(after) => {
                    let mut others = left.to_vec();
                    others.remove(position);
                    if self.goes_on(group, &others, &after) {
                        return true;
                    }
                }
                None => self.note(group, one, state),
            }
        }
        false
    }

    fn note(&mut self, group: usize, one: &Done, state: &State) {
        if self.stuck.is_empty() || group >= self.furthest {
            self.furthest = group;
            self.stuck = format!("no place for {one:?}, not after {state:?}");
        }
    }
}

/// The state after a transaction, if it was told what this state tells.
fn execute(state: &State, done: &Done) -> Option<State> {
    let mut state = state.clone();
    for op in &done.ops {
        let as_told = match op {
            Op::Get { id, found } => state.get(id) == found.as_ref(),
            Op::Scan { from, to, backward, at_most, found } => {
                let within = state.range(*from..*to).map(|(id, value)| (*id, *value));
                let expected: Vec<_> = if *backward {
                    within.rev().take(*at_most).collect()
                } else {
                    within.take(*at_most).collect()
                };
                expected == *found
            }
            Op::Count { found } => state.len() as u64 == *found,
            Op::Put { id, value } => {
                state.insert(*id, *value);
                true
            }
            Op::Insert { id, value, taken } => {
                let was = state.contains_key(id);
                if !was {
                    state.insert(*id, *value);
                }
                was == *taken
            }
            Op::Delete { id, found } => state.remove(id).is_some() == *found,
        };
        if !as_told {
            return None;
        }
    }
    Some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(id: i32, found: i64) -> Op {
        Op::Get { id, found: Some(found) }
    }

    fn put(id: i32, value: i64) -> Op {
        Op::Put { id, value }
    }

    /// `saw`, `at`, what it did; all at the same time.
    fn history(initial: &[(i32, i64)], all: &[(u64, u64, &[Op])]) -> Result<(), String> {
        let done = all.iter().map(|(saw, at, ops)| Done {
            begun: 0,
            ended: 10,
            saw: *saw,
            at: *at,
            wrote: at != saw,
            ops: ops.to_vec(),
        });
        check(&initial.iter().copied().collect(), &done.collect::<Vec<_>>())
    }

    #[test]
    fn serializable_histories_are_accepted() {
        history(&[], &[]).unwrap();
        history(
            &[(1, 0)],
            &[(0, 1, &[get(1, 0), put(1, 1)]), (1, 2, &[get(1, 1), put(1, 2)]), (1, 1, &[get(1, 1)])],
        )
        .unwrap();
        // A reader of an old state, committed late.
        history(&[(1, 0)], &[(0, 1, &[put(1, 1)]), (0, 0, &[get(1, 0)])]).unwrap();
        // In one group: the second as listed comes first.
        history(&[(1, 0), (2, 0)], &[(0, 1, &[put(1, 1)]), (0, 1, &[get(1, 0), put(2, 1)])]).unwrap();
        // And the order of a group that is found first is not the one that goes on.
        history(&[(1, 0)], &[(0, 1, &[put(1, 1)]), (0, 1, &[put(1, 2)]), (1, 2, &[get(1, 1), put(3, 3)])])
            .unwrap();
    }

    #[test]
    fn lost_updates_are_refused() {
        let twice = |second| {
            history(&[(1, 0)], &[(0, 1, &[get(1, 0), put(1, 1)]), (0, second, &[get(1, 0), put(1, 2)])])
        };
        assert!(twice(1).is_err() && twice(2).is_err());
    }

    #[test]
    fn write_skew_is_refused() {
        let skew = |second| {
            let one: &[Op] = &[get(1, 0), get(2, 0), put(1, 1)];
            let two: &[Op] = &[get(1, 0), get(2, 0), put(2, 1)];
            history(&[(1, 0), (2, 0)], &[(0, 1, one), (0, second, two)])
        };
        assert!(skew(1).is_err() && skew(2).is_err());
    }

    #[test]
    fn phantoms_are_refused() {
        let scan = |at_most, backward, found: &[(i32, i64)]| Op::Scan {
            from: 0,
            to: 10,
            backward,
            at_most,
            found: found.to_vec(),
        };
        let insert: &[Op] = &[Op::Insert { id: 5, value: 5, taken: false }];
        let with = |op: Op| history(&[(1, 0), (7, 0)], &[(0, 1, insert), (0, 2, &[op, put(20, 0)])]);
        assert!(with(scan(9, false, &[(1, 0), (7, 0)])).is_err());
        assert!(with(scan(2, true, &[(7, 0), (1, 0)])).is_err());
        assert!(with(Op::Count { found: 2 }).is_err());
        assert!(with(Op::Get { id: 5, found: None }).is_err());
        assert!(with(Op::Insert { id: 5, value: 9, taken: false }).is_err());
        assert!(with(Op::Delete { id: 5, found: false }).is_err());
        // What was not consumed was not read.
        with(scan(1, false, &[(1, 0)])).unwrap();
        with(scan(1, true, &[(7, 0)])).unwrap();
        with(Op::Count { found: 3 }).unwrap();
    }

    #[test]
    fn torn_reads_are_refused() {
        let both: &[Op] = &[put(1, 1), put(2, 1)];
        assert!(history(&[(1, 0), (2, 0)], &[(0, 1, both), (1, 1, &[get(1, 1), get(2, 0)])]).is_err());
        assert!(history(&[(1, 0), (2, 0)], &[(0, 1, both), (0, 0, &[get(1, 0), get(2, 1)])]).is_err());
    }

    #[test]
    fn what_the_clock_forbids_is_refused() {
        let done = |begun, ended, saw, at, ops: &[Op]| Done {
            begun,
            ended,
            saw,
            at,
            wrote: at != saw,
            ops: ops.to_vec(),
        };
        let stale = [done(0, 1, 0, 1, &[put(1, 1)]), done(2, 3, 0, 0, &[get(1, 0)])];
        assert!(check(&[(1, 0)].into(), &stale).is_err());
        let overlapping = [done(0, 2, 0, 1, &[put(1, 1)]), done(1, 3, 0, 0, &[get(1, 0)])];
        check(&[(1, 0)].into(), &overlapping).unwrap();
        assert!(check(&[(1, 0)].into(), &[done(0, 1, 2, 1, &[put(1, 1)])]).is_err());
    }
}
