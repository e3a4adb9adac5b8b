//! What a condition says of one path, as intervals of keys.

use std::cmp::Ordering;

use crate::encoding::body::error::BodyError;
use crate::encoding::body::raw::{Kind, Raw};
use crate::encoding::key::value;
use crate::filter::condition::{Comparison, Condition, Elements, Test};
use crate::filter::literal::Literal;
use crate::filter::order;
use crate::filter::route::Route;
use crate::storage::backend::KeyRange;

/// Keys of values from `start` (included) to `end` (excluded).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
    /// Whether there is one key in it.
    pub(crate) point: bool,
}

/// Where the keys are of a document that a condition means: ascending intervals, none of which touch. A document that is meant has at least one
/// key in them; with `exact` and without lists, any other has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) intervals: Vec<Interval>,
    pub(crate) exact: bool,
}

impl Interval {
    fn point(key: Vec<u8>) -> Self {
        Self { end: successor(&key), start: key, point: true }
    }

    /// Everything between two first bytes, the latter not included.
    fn between(first: u8, behind: u8) -> Self {
        Self { start: vec![first], end: vec![behind], point: false }
    }

    fn is_empty(&self) -> bool {
        self.end <= self.start
    }
}

impl Bounds {
    fn new(intervals: Vec<Interval>, exact: bool) -> Self {
        Self { intervals: united(intervals), exact }
    }

    /// What both have.
    pub(crate) fn intersected(&self, other: &Self) -> Self {
        let mut intervals = Vec::new();
        for one in &self.intervals {
            for other in &other.intervals {
                let (start, end) =
                    (one.start.clone().max(other.start.clone()), one.end.clone().min(other.end.clone()));
                let both = Interval { start, end, point: one.point || other.point };
                if !both.is_empty() {
                    intervals.push(both);
                }
            }
        }
        Self::new(intervals, self.exact && other.exact)
    }

    /// Whether `other` has nothing that is not in these.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        other.intervals.iter().all(|inner| {
            self.intervals.iter().any(|outer| outer.start <= inner.start && inner.end <= outer.end)
        })
    }

    /// Whether there is one key alone in them.
    pub(crate) fn is_one_point(&self) -> bool {
        matches!(self.intervals.as_slice(), [only] if only.point)
    }

    pub(crate) fn are_points(&self) -> bool {
        self.intervals.iter().all(|interval| interval.point)
    }

    /// Whether what is missing is not in them.
    pub(crate) fn exclude_missing(&self) -> bool {
        self.intervals.first().is_none_or(|first| first.start.as_slice() > MISSING)
    }
}

/// The key of what is missing.
const MISSING: &[u8] = &[0x05];

/// What `condition` alone says of the values at `route`; `None` where it says nothing that intervals could.
///
/// `lists`: whether some document may have a list on the way.
pub(crate) fn bounds(condition: &Condition, route: &Route, lists: bool) -> Result<Option<Bounds>, BodyError> {
    match condition {
        Condition::At(at, test) if at == route => of_test(test, route, lists),
        Condition::Not(inner) => match &**inner {
            Condition::At(at, Test::Exists) if at == route => {
                Ok(Some(Bounds::new(vec![Interval::point(MISSING.to_vec())], true)))
            }
            _ => Ok(None),
        },
        // All of them of one path: united.
        Condition::Any(conditions) => {
            let mut all = Bounds::new(Vec::new(), true);
            for condition in conditions {
                let Some(Bounds { intervals, exact }) = bounds(condition, route, lists)? else {
                    return Ok(None);
                };
                all.intervals.extend(intervals);
                all.exact &= exact;
            }
            Ok(Some(Bounds::new(all.intervals, all.exact)))
        }
        Condition::All(_) | Condition::At(..) => Ok(None),
    }
}

fn of_test(test: &Test, route: &Route, lists: bool) -> Result<Option<Bounds>, BodyError> {
    let positional = route.steps().last().is_some_and(|step| step.index.is_some());
    match test {
        Test::Equal(literal) => of_equal(literal),
        Test::OneOf(literals) => {
            let mut all = Bounds::new(Vec::new(), true);
            for literal in literals {
                let Some(Bounds { intervals, exact }) = of_equal(literal)? else { return Ok(None) };
                all.intervals.extend(intervals);
                all.exact &= exact;
            }
            Ok(Some(Bounds::new(all.intervals, all.exact)))
        }
        Test::Compare(comparison, literal) => of_comparison(*comparison, literal),
        // An empty list is there, and has the key of what is missing.
        Test::Exists if !lists => Ok(Some(Bounds::new(vec![Interval::between(0x06, 0x62)], true))),
        Test::Element { condition, what: Elements::Every } if !positional => {
            let inner = of_element(condition)?;
            Ok(inner.map(|inner| Bounds { exact: false, ..inner }))
        }
        _ => Ok(None),
    }
}

/// What is said of one element, all of it of the same.
fn of_element(condition: &Condition) -> Result<Option<Bounds>, BodyError> {
    let here = Route::here();
    let Condition::All(conditions) = condition else {
        // A list within the list is one key: nothing is said of its elements.
        return match condition {
            Condition::At(_, Test::Element { .. }) | Condition::Not(_) | Condition::Any(_) => Ok(None),
            condition => bounds(condition, &here, true),
        };
    };
    let mut all: Option<Bounds> = None;
    for condition in conditions {
        if let Some(bounds) = of_element(condition)? {
            all = Some(all.map_or_else(|| bounds.clone(), |all| all.intersected(&bounds)));
        }
    }
    Ok(all)
}

fn of_equal(literal: &Literal) -> Result<Option<Bounds>, BodyError> {
    let raw = literal.raw()?;
    Ok(match raw.kind() {
        Kind::Null => {
            Some(Bounds::new(vec![Interval::point(MISSING.to_vec()), Interval::point(key(raw)?)], true))
        }
        Kind::Array => {
            // The list that equals it has its elements for keys; an element that equals it, or what stands at a position, itself.
            let first = match raw.elements().next().transpose()? {
                Some(element) => key(element)?,
                None => MISSING.to_vec(),
            };
            Some(Bounds::new(vec![Interval::point(first), Interval::point(key(raw)?)], false))
        }
        _ => Some(Bounds::new(vec![Interval::point(key(raw)?)], true)),
    })
}

fn of_comparison(comparison: Comparison, literal: &Literal) -> Result<Option<Bounds>, BodyError> {
    let raw = literal.raw()?;
    let or_equal = matches!(comparison, Comparison::AtMost | Comparison::AtLeast);
    let (first, behind) = match raw.kind() {
        Kind::Null if or_equal => return of_equal(literal),
        Kind::Null => return Ok(Some(Bounds::new(Vec::new(), true))),
        Kind::Object => return Ok(Some(Bounds::new(vec![Interval::between(0x40, 0x41)], false))),
        Kind::Array => return Ok(None),
        Kind::Bool => (0x60, 0x62),
        kind => {
            let first = order::rank(kind) << 4;
            (first, first | 1)
        }
    };
    let key = key(raw)?;
    let mut interval = Interval::between(first, behind);
    match comparison {
        Comparison::Less => interval.end = key,
        Comparison::AtMost => interval.end = successor(&key),
        Comparison::AtLeast => interval.start = key,
        Comparison::Greater => interval.start = successor(&key),
    }
    Ok(Some(Bounds::new(vec![interval], true)))
}

fn key(raw: Raw<'_>) -> Result<Vec<u8>, BodyError> {
    let mut key = Vec::new();
    value::write(raw, &mut key)?;
    Ok(key)
}

/// The least bytes above all that start with `bytes`, which are not all `FF`.
pub(crate) fn successor(bytes: &[u8]) -> Vec<u8> {
    KeyRange::prefix(bytes).end.unwrap_or_else(|| vec![0xff; bytes.len().saturating_add(1)])
}

/// Sorted, and in one where they overlap or touch.
fn united(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.retain(|interval| !interval.is_empty());
    intervals.sort_by(|one, other| one.start.cmp(&other.start).then_with(|| other.end.cmp(&one.end)));
    let mut united: Vec<Interval> = Vec::with_capacity(intervals.len());
    for interval in intervals {
        match united.last_mut() {
            Some(last)
                if interval.start < last.end
                    || interval.start == last.end && !(last.point && interval.point) =>
            {
                let same = interval.start == last.start && interval.end == last.end;
                last.point = last.point && interval.point && same;
                if interval.end.cmp(&last.end) == Ordering::Greater {
                    last.end = interval.end;
                }
            }
            _ => united.push(interval),
        }
    }
    united
}
