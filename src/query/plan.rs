//! The way to the answer. Pure: from what is asked and what indexes there are.

use std::sync::Arc;

use crate::encoding::body::error::BodyError;
use crate::filter::condition::Condition;
use crate::filter::route::Route;
use crate::filter::sort::SortKeys;
use crate::query::bounds::{Bounds, Interval, bounds, successor};
use crate::storage::backend::Direction;

/// The most parts of an index that one query reads.
const MAX_RANGES: usize = 256;

/// An index that could be used.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) components: Vec<Component>,
    /// Documents that have nothing at any of the paths are not in it.
    pub(crate) sparse: bool,
    pub(crate) unique: bool,
    /// Documents for which this is not so are not in it.
    pub(crate) partial: Option<Arc<Condition>>,
    /// Values may be cut: entries are in order, and tell documents apart, only as far as they reach.
    pub(crate) cut: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Component {
    pub(crate) route: Route,
    pub(crate) descending: bool,
    /// Some document may have a list on the way.
    pub(crate) lists: bool,
}

/// From (included), to (excluded; `None`: to the last).
pub(crate) type Range = (Vec<u8>, Option<Vec<u8>>);

/// What to read of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    /// Of the concatenated values in entries. Ascending, disjoint.
    pub(crate) ranges: Vec<Range>,
    /// The direction in which entries are in the order asked for: of the sort values, and where there are none, of ids.
    pub(crate) in_order: Option<Direction>,
    /// How many bytes all ranges begin with, before those that are in order; `None` if a sort value is among them.
    pub(crate) fixed: Option<Vec<u8>>,
    /// Whether the entries are of exactly the documents that are meant, one each.
    pub(crate) covers: bool,
    pub(crate) score: Score,
}

/// What is better is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Score {
    /// A document at most.
    one: bool,
    /// Components that have to equal something.
    equal: usize,
    /// Whether a further one is bounded.
    ranged: bool,
    in_order: bool,
    /// The fewer components, the smaller the index.
    brief: std::cmp::Reverse<usize>,
}

/// The conditions all of which have to be so.
fn conjuncts<'c>(condition: &'c Condition, out: &mut Vec<&'c Condition>) {
    match condition {
        Condition::All(conditions) => conditions.iter().for_each(|condition| conjuncts(condition, out)),
        condition => out.push(condition),
    }
}

/// What `index` can do for a query; `None` if nothing.
pub(crate) fn way(
    condition: &Condition,
    sort: &SortKeys,
    index: &Candidate,
) -> Result<Option<Way>, BodyError> {
    let mut all = Vec::new();
    conjuncts(condition, &mut all);
    let mut used = vec![false; all.len()];
    if let Some(partial) = &index.partial {
        let mut asked = Vec::new();
        conjuncts(partial, &mut asked);
        for asked in asked {
            let (mut implied, mut position) = (false, 0);
            for condition in &all {
                if *condition == asked {
                    // So are all that are in it: it need not be looked at again, and may bound a component all the same.
                    used.iter_mut().skip(position).take(1).for_each(|used| *used = true);
                    implied = true;
                } else if implies(condition, asked)? {
                    implied = true;
                }
                position += 1;
            }
            if !implied {
                return Ok(None);
            }
        }
    }
    let mut exact = true;
    let mut lists_bounded = false;
    let mut bounded: Vec<Bounds> = Vec::new();
    let mut open = false;
    let mut seen_to_be_there = false;
    for component in &index.components {
        let found = of_component(&all, component)?;
        let Some((bounds, consumed)) = found else {
            open = true;
            continue;
        };
        // In it, whatever else is used of it.
        seen_to_be_there |= bounds.exclude_missing();
        // Conditions on two lists may be met by different elements, which are not in one entry.
        if open || (component.lists && lists_bounded) {
            open = true;
            continue;
        }
        lists_bounded |= component.lists;
        exact &= bounds.exact && !component.lists;
        for position in consumed {
            used.iter_mut().skip(position).take(1).for_each(|used| *used = true);
        }
        open = !bounds.are_points();
        bounded.push(bounds);
    }
    if index.sparse && !seen_to_be_there {
        return Ok(None);
    }
    let (ranges, hull) = ranges(index, &bounded);
    let plain = !index.cut && index.components.iter().all(|component| !component.lists);
    let (in_order, fixed) = if plain { order(index, &bounded, sort) } else { (None, None) };
    if bounded.is_empty() && in_order.is_none() {
        return Ok(None);
    }
    let equal = bounded.iter().take_while(|bounds| bounds.are_points()).count();
    let one =
        index.unique && bounded.len() == index.components.len() && bounded.iter().all(Bounds::is_one_point);
    let score = Score {
        one,
        equal,
        ranged: bounded.len() > equal,
        in_order: in_order.is_some(),
        brief: std::cmp::Reverse(index.components.len()),
    };
    let covers = exact && plain && !hull && used.iter().all(|used| *used);
    Ok(Some(Way { ranges, in_order, fixed, covers, score }))
}

/// Whether whoever is as `one` says is as `other` says, as far as intervals tell: a value that passes the first test passes the second.
fn implies(one: &Condition, other: &Condition) -> Result<bool, BodyError> {
    let (Condition::At(route, _), Condition::At(other_route, _)) = (one, other) else { return Ok(false) };
    if route != other_route {
        return Ok(false);
    }
    let (Some(narrow), Some(wide)) = (bounds(one, route, true)?, bounds(other, route, false)?) else {
        return Ok(false);
    };
    Ok(narrow.exact && wide.exact && narrow.intersected(&wide).covers(&narrow))
}

/// What the conditions say of a component, and which of them do: also those that the index's own filter says already.
fn of_component(
    all: &[&Condition],
    component: &Component,
) -> Result<Option<(Bounds, Vec<usize>)>, BodyError> {
    let mut best: Option<(Bounds, Vec<usize>)> = None;
    for (position, condition) in all.iter().enumerate() {
        let Some(bounds) = bounds(condition, &component.route, component.lists)? else { continue };
        best = Some(match best {
            None => (bounds, vec![position]),
            // Different elements of a list may meet different conditions.
            Some(best) if component.lists => {
                let better = bounds.are_points() && !best.0.are_points();
                if better { (bounds, vec![position]) } else { best }
            }
            Some((before, mut positions)) => {
                positions.push(position);
                (before.intersected(&bounds), positions)
            }
        });
    }
    Ok(best)
}

/// The ranges of entries; and whether they hold more than the bounds say.
fn ranges(index: &Candidate, bounded: &[Bounds]) -> (Vec<Range>, bool) {
    if bounded.is_empty() {
        return (vec![(Vec::new(), None)], false);
    }
    let mut prefixes = vec![Vec::new()];
    let mut ranges = Vec::new();
    for (component, bounds) in index.components.iter().zip(bounded) {
        let count = prefixes.len().saturating_mul(bounds.intervals.len());
        let too_many = count > MAX_RANGES;
        let hull = match (bounds.intervals.first(), bounds.intervals.last()) {
            (Some(first), Some(last)) if too_many => {
                vec![Interval { start: first.start.clone(), end: last.end.clone(), point: false }]
            }
            _ => bounds.intervals.clone(),
        };
        let mut longer = Vec::new();
        ranges.clear();
        for prefix in &prefixes {
            for interval in &hull {
                let (start, end) = directed(interval, component.descending);
                let with = |bytes: &[u8]| [prefix.as_slice(), bytes].concat();
                if interval.point {
                    let key = &interval.start;
                    longer.push(if component.descending { with(&inverted(key)) } else { with(key) });
                }
                ranges.push((with(&start), Some(with(&end))));
            }
        }
        if too_many {
            ranges.sort();
            return (ranges, true);
        }
        prefixes = longer;
    }
    ranges.sort();
    (ranges, false)
}

/// The bounds of the bytes that a component's values have in an entry.
fn directed(interval: &Interval, descending: bool) -> (Vec<u8>, Vec<u8>) {
    if descending {
        (successor(&inverted(&interval.end)), successor(&inverted(&interval.start)))
    } else {
        (interval.start.clone(), interval.end.clone())
    }
}

fn inverted(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

/// The direction in which the entries are in the order asked for, and the bytes that stand before the sort values in all of them.
fn order(index: &Candidate, bounded: &[Bounds], sort: &SortKeys) -> (Option<Direction>, Option<Vec<u8>>) {
    let fixed = bounded.iter().take_while(|bounds| bounds.is_one_point()).count();
    let mut prefix = Vec::new();
    for (component, bounds) in index.components.iter().zip(bounded.iter().take(fixed)) {
        for interval in &bounds.intervals {
            prefix.extend(if component.descending {
                inverted(&interval.start)
            } else {
                interval.start.clone()
            });
        }
    }
    let (is_fixed, rest) = index.components.split_at_checked(fixed).unwrap_or_default();
    let varies = |route: &Route| is_fixed.iter().all(|component| component.route != *route);
    let wanted: Vec<_> = sort.iter().filter(|key| varies(&key.route)).collect();
    let same_paths = rest.len() == wanted.len()
        && rest.iter().zip(&wanted).all(|(component, key)| component.route == key.route);
    if !same_paths {
        return (None, None);
    }
    let mut turned = rest.iter().zip(&wanted).map(|(component, key)| component.descending != key.descending);
    let Some(first) = turned.next() else {
        return (Some(Direction::Forward), (sort.is_empty()).then_some(prefix));
    };
    if !turned.all(|turned| turned == first) {
        return (None, None);
    }
    let direction = if first { Direction::Backward } else { Direction::Forward };
    (Some(direction), (wanted.len() == sort.iter().len()).then_some(prefix))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::encoding::body::limits::Limits;
    use crate::encoding::body::node::Node;
    use crate::encoding::body::raw::Raw;
    use crate::encoding::key::value;
    use crate::filter::filter::Filter;
    use crate::filter::sort::SortKey;
    use crate::filter::walk;
    use crate::value::path::Path;

    fn route(path: &str) -> Route {
        Route::new(Path::new(path).unwrap())
    }

    fn candidate(paths: &[(&str, bool)], lists: bool, sparse: bool) -> Candidate {
        let component = |(path, descending): &(&str, bool)| Component {
            route: route(path),
            descending: *descending,
            lists,
        };
        Candidate {
            components: paths.iter().map(component).collect(),
            sparse,
            unique: false,
            cut: false,
            partial: None,
        }
    }

    fn sort(keys: &[(&str, bool)]) -> SortKeys {
        let mut sort = SortKeys::default();
        for (path, descending) in keys {
            sort.push(SortKey { route: route(path), descending: *descending }).unwrap();
        }
        sort
    }

    fn planned(filter: Value, by: &[(&str, bool)], index: &Candidate) -> Option<Way> {
        let filter = Filter::from(filter);
        way(filter.condition().unwrap(), &sort(by), index).unwrap()
    }

    /// The entries of a document, all combinations; and whether it has lists.
    fn entries(document: &Value, index: &Candidate) -> (Vec<Vec<u8>>, bool) {
        let body = Node::from_value(document.clone()).unwrap().to_bytes(Limits::default()).unwrap();
        let (mut all, mut lists, mut missing) = (vec![Vec::new()], false, true);
        for component in &index.components {
            let mut keys = Vec::new();
            lists |= walk::keys(Raw::new(&body).unwrap(), &component.route, &mut |found: Option<Raw<'_>>| {
                let mut key = Vec::new();
                match found {
                    Some(found) => value::write(found, &mut key)?,
                    None => value::write_missing(&mut key),
                }
                missing &= found.is_none();
                keys.push(if component.descending { inverted(&key) } else { key });
                Ok(())
            })
            .unwrap();
            all = all
                .iter()
                .flat_map(|before: &Vec<u8>| keys.iter().map(|key| [before.as_slice(), key].concat()))
                .collect();
        }
        all.sort();
        all.dedup();
        (if index.sparse && missing { Vec::new() } else { all }, lists)
    }

    fn within(way: &Way, entry: &[u8]) -> bool {
        way.ranges.iter().any(|(start, end)| {
            entry >= start.as_slice() && end.as_ref().is_none_or(|end| entry < end.as_slice())
        })
    }

    #[test]
    fn equality_then_range_then_order() {
        let index = candidate(&[("a", false), ("b", true), ("c", false)], false, false);
        let way = planned(json!({"a": 1, "b": {"$gt": 1, "$lte": 5}}), &[], &index).unwrap();
        assert_eq!((way.ranges.len(), way.in_order, way.covers), (1, None, true));
        let way = planned(json!({"a": 1}), &[("b", true), ("c", false)], &index).unwrap();
        assert_eq!(way.in_order, Some(Direction::Forward));
        let way = planned(json!({"a": 1}), &[("b", false), ("c", true)], &index).unwrap();
        assert_eq!(way.in_order, Some(Direction::Backward));
        assert_eq!(planned(json!({"a": 1}), &[("b", false), ("c", false)], &index).unwrap().in_order, None);
        assert_eq!(planned(json!({"a": 1}), &[("b", false)], &index).unwrap().in_order, None);
        let way = planned(json!({"a": 1, "b": 2, "c": 3}), &[], &index).unwrap();
        assert_eq!((way.in_order, way.covers), (Some(Direction::Forward), true));
        let way = planned(json!({"a": {"$in": [1, 2, 3]}, "b": {"$lt": 2}}), &[], &index).unwrap();
        assert_eq!((way.ranges.len(), way.covers), (3, true));
        assert!(planned(json!({"b": 1}), &[], &index).is_none());
        assert!(planned(json!({}), &[("a", true), ("b", false), ("c", true)], &index).is_some());
        assert!(!planned(json!({"a": 1, "d": 2}), &[], &index).unwrap().covers);
        assert!(planned(json!({"a": null}), &[], &index).unwrap().covers);
    }

    #[test]
    fn sparse_indexes_hold_only_what_is_there() {
        let index = candidate(&[("a", false)], false, true);
        assert!(planned(json!({"a": null}), &[], &index).is_none());
        assert!(planned(json!({}), &[("a", false)], &index).is_none());
        assert!(planned(json!({"a": {"$exists": true}}), &[("a", false)], &index).is_some());
        assert!(planned(json!({"a": {"$gt": 1}}), &[], &index).is_some());
    }

    #[test]
    fn partial_indexes_hold_only_what_they_are_of() {
        let filter = Filter::from(json!({"b": {"$gt": 1}, "c": true}));
        let partial = Some(Arc::clone(filter.condition().unwrap()));
        let index = Candidate { partial, ..candidate(&[("a", false)], false, false) };
        assert!(planned(json!({"a": 1}), &[], &index).is_none());
        assert!(planned(json!({"a": 1, "b": {"$gt": 0}, "c": true}), &[], &index).is_none());
        assert!(planned(json!({"a": 1, "b": {"$gte": 1}, "c": true}), &[], &index).is_none());
        assert!(planned(json!({"a": 1, "b": {"$gt": 1}, "c": true}), &[], &index).unwrap().covers);
        assert!(!planned(json!({"a": 1, "b": {"$gt": 2}, "c": true}), &[], &index).unwrap().covers);
        assert!(planned(json!({"a": 1, "b": {"$in": [2, 3]}, "c": true}), &[], &index).is_some());
        assert!(planned(json!({"a": 1, "b": {"$in": [1, 3]}, "c": true}), &[], &index).is_none());
        assert!(planned(json!({"a": 1, "b": {"$gt": "x"}, "c": true}), &[], &index).is_none());
    }

    #[test]
    fn many_points_are_read_as_one_range() {
        let index = candidate(&[("a", false)], false, false);
        let many: Vec<_> = (0..1000).collect();
        let way = planned(json!({"a": {"$in": many}}), &[], &index).unwrap();
        assert_eq!((way.ranges.len(), way.covers), (1, false));
    }

    #[test]
    fn lists_are_bounded_by_one_condition() {
        let index = candidate(&[("a", false)], true, false);
        let both = planned(json!({"a": {"$gt": 1, "$lt": 5}}), &[], &index).unwrap();
        let one = planned(json!({"a": {"$gt": 1}}), &[], &index).unwrap();
        let other = planned(json!({"a": {"$lt": 5}}), &[], &index).unwrap();
        assert!(both.ranges == one.ranges || both.ranges == other.ranges);
        let element = planned(json!({"a": {"$elemMatch": {"$gte": 3, "$lt": 3}}}), &[], &index).unwrap();
        assert!(element.ranges.is_empty());
    }

    fn paths() -> impl Strategy<Value = (&'static str, bool)> {
        (prop::sample::select(vec!["a", "a", "a", "b", "b", "a.b", "a.0"]), any::<bool>())
    }

    /// Few, so that filters and documents meet.
    fn operands() -> impl Strategy<Value = Value> {
        let few = [
            json!(null),
            json!("a"),
            json!("ab"),
            json!(true),
            json!(false),
            json!([1]),
            json!([]),
            json!([1, 2]),
        ];
        let objects = [json!({"b": 1}), json!({}), json!([{"b": 1}]), json!([[1]])];
        prop_oneof![
            6 => (-1..3_i64).prop_map(Value::from),
            1 => (-1..3_i64).prop_map(|n| json!(n as f64 + 0.5)),
            4 => prop::sample::select(few.to_vec()),
            1 => prop::sample::select(objects.to_vec()),
        ]
    }

    fn documents() -> impl Strategy<Value = Value> {
        let value = prop_oneof![
            5 => operands(),
            1 => prop::collection::vec(operands(), 0..3).prop_map(Value::from),
            1 => operands().prop_map(|b| json!({"b": b})),
            1 => prop::collection::vec(operands().prop_map(|b| json!({"b": b})), 0..3).prop_map(Value::from),
        ];
        (prop::option::weighted(0.9, value.clone()), prop::option::weighted(0.9, value)).prop_map(|(a, b)| {
            let members =
                [("a", a), ("b", b)].into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(members.collect())
        })
    }

    fn filters() -> impl Strategy<Value = Value> {
        let test = || {
            prop_oneof![
                4 => operands().prop_map(|v| json!({"$eq": v})),
                6 => (prop::sample::select(vec!["$gt", "$gte", "$lt", "$lte"]), operands()).prop_map(|(op, v)| json!({op: v})),
                2 => prop::collection::vec(operands(), 0..4).prop_map(|v| json!({"$in": v})),
                1 => operands().prop_map(|v| json!({"$ne": v})),
                1 => any::<bool>().prop_map(|v| json!({"$exists": v})),
                2 => (operands(), operands()).prop_map(|(low, high)| json!({"$elemMatch": {"$gte": low, "$lte": high}})),
                1 => operands().prop_map(|v| json!({"$elemMatch": {"$not": {"$eq": v}}})),
                1 => operands().prop_map(|v| json!({"$elemMatch": {"$elemMatch": {"$eq": v}}})),
            ]
        };
        let at = move || (paths(), test()).prop_map(|((path, _), test)| json!({path: test}));
        let either = prop::collection::vec(at(), 1..3).prop_map(|either| json!({"$or": either}));
        prop::collection::vec(prop_oneof![8 => at(), 1 => either], 1..3).prop_map(|all| json!({"$and": all}))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// The law that all use of indexes rests on: who is meant is met. And where it is said that nobody else is, that is so.
        #[test]
        fn whoever_is_meant_is_met(
            filter in filters(),
            document in documents(),
            components in prop::collection::vec(paths(), 1..3),
            sparse in any::<bool>(),
        ) {
            let plain = candidate(&components, false, sparse);
            let (_, lists) = entries(&document, &plain);
            let filter = Filter::from(filter);
            let condition = filter.condition().unwrap();
            let meant = filter.matches(&document).unwrap();
            for may_have_lists in [lists, true] {
                let index = candidate(&components, may_have_lists, sparse);
                let (entries, _) = entries(&document, &index);
                let Some(way) = way(condition, &SortKeys::default(), &index).unwrap() else { continue };
                let met = entries.iter().filter(|entry| within(&way, entry)).count();
                prop_assert!(met > 0 || !meant, "{filter} {document} {way:?}");
                if way.covers {
                    prop_assert_eq!(met, usize::from(meant), "{} {}", filter, document);
                }
            }
        }

        /// Entries in the direction that a way says are in the order asked for.
        #[test]
        fn the_order_is_the_one_asked_for(
            documents in prop::collection::vec(documents(), 2..6),
            components in prop::collection::vec(paths(), 1..3),
            flip in any::<bool>(),
        ) {
            let index = candidate(&components, false, false);
            let by: Vec<_> = components.iter().map(|(path, descending)| (*path, *descending != flip)).collect();
            prop_assume!(components.len() < 2 || components[0].0 != components[1].0);
            let keys = sort(&by);
            let way = planned(json!({}), &by, &index).unwrap();
            let mut all = Vec::new();
            for document in documents {
                let (entries, lists) = entries(&document, &index);
                if lists {
                    continue;
                }
                let body = Node::from_value(document).unwrap().to_bytes(Limits::default()).unwrap();
                let mut values = Vec::new();
                keys.write(Raw::new(&body).unwrap(), &mut values).unwrap();
                all.push((entries[0].clone(), values));
            }
            all.sort();
            if way.in_order == Some(Direction::Backward) {
                all.reverse();
            }
            prop_assert!(all.is_sorted_by_key(|(_, values)| values.clone()));
        }
    }

    /// That the first property says something.
    #[test]
    fn ways_are_found_and_documents_meant() {
        use proptest::strategy::ValueTree as _;

        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let (mut ways, mut covers, mut meant) = (0, 0, 0);
        let strategy = (filters(), documents(), paths());
        for _ in 0..3000 {
            let (filter, document, path) = strategy.new_tree(&mut runner).unwrap().current();
            let filter = Filter::from(filter);
            let index = candidate(&[path], false, false);
            let Some(way) = way(filter.condition().unwrap(), &SortKeys::default(), &index).unwrap() else {
                continue;
            };
            ways += 1;
            covers += usize::from(way.covers);
            meant += usize::from(filter.matches(&document).unwrap());
        }
        println!("plans: {ways} of 3000 filters are bounded, {covers} covered, {meant} documents meant");
        assert!(ways > 800 && covers > 200 && meant > 50);
    }
}
