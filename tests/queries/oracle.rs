//! MongoDB's semantics once more, slowly: on values, from the filter document itself, sharing nothing with the crate.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

/// A rule to break, so that it can be seen that a break is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    None,
    /// What is missing is not null.
    MissingIsNotNull,
    /// A list counts with itself alone.
    ListsAreOpaque,
    /// Values of different types are compared.
    TypesCompare,
    /// A descending sort takes the least element of a list.
    LeastForDescending,
}

/// What is at a path: values, each with whether its elements count, and whether there is a gap.
type Reached<'v> = Vec<Option<(&'v Value, bool)>>;

pub(crate) struct Oracle(pub(crate) Flaw);

impl Oracle {
    pub(crate) fn matches(&self, filter: &Value, document: &Value) -> bool {
        filter.as_object().expect("a filter is an object").iter().all(|(name, value)| match name.as_str() {
            "$and" => list(value).iter().all(|filter| self.matches(filter, document)),
            "$or" => list(value).iter().any(|filter| self.matches(filter, document)),
            "$nor" => !list(value).iter().any(|filter| self.matches(filter, document)),
            path => {
                let mut reached = Vec::new();
                reach(document, &path.split('.').collect::<Vec<_>>(), true, true, true, &mut reached);
                self.passes(value, &reached)
            }
        })
    }

    fn passes(&self, value: &Value, reached: &Reached<'_>) -> bool {
        match value {
            Value::Object(tests) if tests.keys().any(|name| name.starts_with('$')) => {
                tests.iter().all(|(operator, operand)| self.test(operator, operand, reached))
            }
            value => self.test("$eq", value, reached),
        }
    }

    fn test(&self, operator: &str, operand: &Value, reached: &Reached<'_>) -> bool {
        let each = |holds: &dyn Fn(&Value) -> bool| {
            reached.iter().flatten().any(|(value, elements)| {
                let inside = *elements
                    && self.0 != Flaw::ListsAreOpaque
                    && value.as_array().is_some_and(|list| list.iter().any(holds));
                inside || holds(value)
            })
        };
        let gap = reached.contains(&None) && self.0 != Flaw::MissingIsNotNull;
        let ordered = |wanted: &[Ordering]| {
            (operand.is_null() && gap && wanted.contains(&Ordering::Equal))
                || each(&|value| {
                    (rank(value) == rank(operand) || self.0 == Flaw::TypesCompare)
                        && wanted.contains(&compare(value, operand))
                })
        };
        match operator {
            "$eq" => (operand.is_null() && gap) || each(&|value| compare(value, operand).is_eq()),
            "$ne" => !self.test("$eq", operand, reached),
            "$gt" => ordered(&[Ordering::Greater]),
            "$gte" => ordered(&[Ordering::Greater, Ordering::Equal]),
            "$lt" => ordered(&[Ordering::Less]),
            "$lte" => ordered(&[Ordering::Less, Ordering::Equal]),
            "$in" => list(operand).iter().any(|operand| self.test("$eq", operand, reached)),
            "$nin" => !self.test("$in", operand, reached),
            "$all" => {
                !list(operand).is_empty()
                    && list(operand).iter().all(|operand| self.test("$eq", operand, reached))
            }
            "$exists" => reached.iter().any(Option::is_some) == operand.as_bool().expect("a truth"),
            "$not" => !self.passes(operand, reached),
            "$size" => reached.iter().flatten().any(|(value, _)| {
                value.as_array().is_some_and(|list| Some(list.len() as u64) == operand.as_u64())
            }),
            "$type" => each(&|value| match operand.as_str().expect("a name") {
                "number" => value.is_number(),
                "string" => value.is_string(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                "null" => value.is_null(),
                "bool" => value.is_boolean(),
                other => panic!("{other}"),
            }),
            "$mod" => each(&|value| {
                let whole = value.as_i64().or_else(|| value.as_f64().map(|float| float as i64));
                value.is_number()
                    && whole.is_some_and(|n| Some(n % operand[0].as_i64().unwrap()) == operand[1].as_i64())
            }),
            "$elemMatch" => reached.iter().flatten().any(|(value, _)| {
                value.as_array().is_some_and(|elements| {
                    elements.iter().any(|element| {
                        if operand.as_object().unwrap().keys().any(|name| name.starts_with('$')) {
                            self.passes(operand, &vec![Some((element, false))])
                        } else {
                            (element.is_object() || element.is_array()) && self.matches(operand, element)
                        }
                    })
                })
            }),
            other => panic!("the oracle has no {other}"),
        }
    }

    /// How two documents sort by `keys`: paths, and whether they descend.
    pub(crate) fn order(&self, keys: &[(String, bool)], one: &Value, other: &Value) -> Ordering {
        let orders = keys.iter().map(|(path, descending)| {
            let key = |document| {
                let mut reached = Vec::new();
                reach(document, &path.split('.').collect::<Vec<_>>(), true, true, false, &mut reached);
                let mut values = Vec::new();
                for found in reached {
                    match found {
                        Some((Value::Array(list), true)) if list.is_empty() => values.push(None),
                        Some((Value::Array(list), true)) => values.extend(list.iter().map(Some)),
                        Some((value, _)) => values.push(Some(value)),
                        None => values.push(None),
                    }
                }
                let least = !descending || self.0 == Flaw::LeastForDescending;
                let best = values.into_iter().reduce(|best, value| {
                    if compare_gaps(value, best).is_lt() == least { value } else { best }
                });
                best.flatten()
            };
            let order = compare_gaps(key(one), key(other));
            if *descending { order.reverse() } else { order }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

/// `both`: what may be a position is a name as well.
fn reach<'v>(value: &'v Value, names: &[&str], root: bool, by_name: bool, both: bool, out: &mut Reached<'v>) {
    let Some((name, rest)) = names.split_first() else {
        out.push(Some((value, by_name)));
        return;
    };
    match value {
        Value::Object(members) => match members.get(*name) {
            Some(member) => reach(member, rest, false, true, both, out),
            None => out.push(None),
        },
        Value::Array(list) => {
            let by_names = !root && (both || name.parse::<usize>().is_err());
            for element in list.iter().filter(|element| by_names && element.is_object()) {
                reach(element, names, false, true, both, out);
            }
            if let Some(element) = name.parse().ok().and_then(|index: usize| list.get(index))
                && (rest.is_empty() || element.is_object() || element.is_array())
            {
                reach(element, rest, false, false, both, out);
            }
        }
        _ => out.push(None),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Object(_) => 4,
        Value::Array(_) => 5,
        Value::Bool(_) => 6,
    }
}

fn compare_gaps(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => compare(one, other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    }
}

fn compare(one: &Value, other: &Value) -> Ordering {
    let members = |members: &Map<String, Value>| members.clone().into_iter().collect::<Vec<_>>();
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Number(one), Value::Number(other)) => numbers(one, other),
        (Value::Array(one), Value::Array(other)) => {
            let orders = one.iter().zip(other).map(|(one, other)| compare(one, other));
            orders.fold(Ordering::Equal, Ordering::then).then(one.len().cmp(&other.len()))
        }
        (Value::Object(one), Value::Object(other)) => {
            let (one, other) = (members(one), members(other));
            let orders = one.iter().zip(&other).map(|((key, value), (other_key, other))| {
                rank(value).cmp(&rank(other)).then(key.cmp(other_key)).then_with(|| compare(value, other))
            });
            orders.fold(Ordering::Equal, Ordering::then).then(one.len().cmp(&other.len()))
        }
        (one, other) => rank(one).cmp(&rank(other)),
    }
}

/// Of the few numbers that are tried, all of which an f64 holds exactly.
fn numbers(one: &Number, other: &Number) -> Ordering {
    one.as_f64().partial_cmp(&other.as_f64()).expect("finite")
}
