//! What queries should answer, by other means than the library's.

use std::cmp::Ordering;

use serde_json::{Value, json};

/// A query: of documents of which everything in one of several groups is so, in an order, and a part of those.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) any_of: Vec<Vec<(&'static str, Test)>>,
    /// By which members; whether they descend.
    pub(crate) sort: Vec<(&'static str, bool)>,
    pub(crate) skip: usize,
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) enum Test {
    Equals(Value),
    From(Value),
    Below(Value),
    OneOf(Vec<Value>),
}

impl Question {
    pub(crate) fn to_json(&self) -> Value {
        let group = |tests: &Vec<(&'static str, Test)>| {
            let all = tests.iter().map(|(member, test)| match test {
                Test::Equals(value) => json!({*member: value}),
                Test::From(value) => json!({*member: {"$gte": value}}),
                Test::Below(value) => json!({*member: {"$lt": value}}),
                Test::OneOf(values) => json!({*member: {"$in": values}}),
            });
            one_or(all.collect(), "$and")
        };
        one_or(self.any_of.iter().map(group).collect(), "$or")
    }

    /// The ids of those that are meant, in order; of all, and not only of a part.
    pub(crate) fn all(&self, documents: &[(u64, Value)]) -> Vec<u64> {
        let mut meant: Vec<_> = documents.iter().filter(|(_, document)| self.means(document)).collect();
        meant.sort_by(|(one_id, one), (other_id, other)| {
            let orders = self.sort.iter().map(|(member, descending)| {
                let (one, other) = (sort_key(one, member, *descending), sort_key(other, member, *descending));
                let order = compare(one.as_ref(), other.as_ref());
                if *descending { order.reverse() } else { order }
            });
            orders.fold(Ordering::Equal, Ordering::then).then(one_id.cmp(other_id))
        });
        meant.into_iter().map(|(id, _)| *id).collect()
    }

    /// The part of them that is asked for.
    pub(crate) fn part(&self, all: &[u64]) -> Vec<u64> {
        all.iter().copied().skip(self.skip).take(self.limit.unwrap_or(usize::MAX)).collect()
    }

    /// Whether it means the document.
    fn means(&self, document: &Value) -> bool {
        self.any_of.iter().any(|tests| tests.iter().all(|(member, test)| test.is_met(document.get(member))))
    }
}

impl Test {
    fn is_met(&self, found: Option<&Value>) -> bool {
        let values: Vec<Option<&Value>> = match found {
            Some(Value::Array(elements)) => elements.iter().map(Some).collect(),
            other => vec![other],
        };
        let any = |is: &dyn Fn(&Value) -> bool| values.iter().flatten().any(|value| is(value));
        match self {
            Self::Equals(Value::Null) => values.iter().any(|value| value.is_none_or(Value::is_null)),
            Self::Equals(wanted) => any(&|value| value == wanted),
            Self::From(least) => {
                any(&|value| same_type(value, least) && compare(Some(value), Some(least)).is_ge())
            }
            Self::Below(bound) => {
                any(&|value| same_type(value, bound) && compare(Some(value), Some(bound)).is_lt())
            }
            Self::OneOf(wanted) => any(&|value| wanted.contains(value)),
        }
    }
}

fn one_or(mut of: Vec<Value>, operator: &str) -> Value {
    if of.len() == 1 { of.remove(0) } else { json!({ operator: of }) }
}

fn same_type(one: &Value, other: &Value) -> bool {
    one.is_number() == other.is_number() && one.is_string() == other.is_string()
}

/// The least of what is there, or the greatest.
fn sort_key(document: &Value, member: &str, greatest: bool) -> Option<Value> {
    match document.get(member) {
        Some(Value::Array(elements)) => {
            let by_order = |one: &&Value, other: &&Value| compare(Some(*one), Some(*other));
            let chosen =
                if greatest { elements.iter().max_by(by_order) } else { elements.iter().min_by(by_order) };
            chosen.cloned()
        }
        other => other.cloned(),
    }
}

/// Missing, then numbers, then texts: all there is here.
fn compare(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    let rank = |value: Option<&Value>| match value {
        None => 0,
        Some(value) if value.is_number() => 1,
        Some(_) => 2,
    };
    rank(one).cmp(&rank(other)).then_with(|| match (one, other) {
        (Some(Value::Number(one)), Some(Value::Number(other))) => one.as_i64().cmp(&other.as_i64()),
        (Some(Value::String(one)), Some(Value::String(other))) => one.as_bytes().cmp(other.as_bytes()),
        _ => Ordering::Equal,
    })
}
