//! What queries should answer, by other means than the library's.

use std::cmp::Ordering;

use serde_json::{Value, json};

/// A filter: on one member, or on two.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) tests: Vec<(&'static str, Test)>,
    pub(crate) sort: Option<(&'static str, bool)>,
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
        let mut all = Vec::new();
        for (member, test) in &self.tests {
            all.push(match test {
                Test::Equals(value) => json!({*member: value}),
                Test::From(value) => json!({*member: {"$gte": value}}),
                Test::Below(value) => json!({*member: {"$lt": value}}),
                Test::OneOf(values) => json!({*member: {"$in": values}}),
            });
        }
        match all.len() {
            1 => all.remove(0),
            _ => json!({ "$and": all }),
        }
    }

    /// The ids of those that are meant, in order.
    pub(crate) fn answer(&self, documents: &[(u64, Value)]) -> Vec<u64> {
        let mut meant: Vec<_> = documents.iter().filter(|(_, document)| self.means(document)).collect();
        meant.sort_by(|(one_id, one), (other_id, other)| {
            let order = self.sort.map_or(Ordering::Equal, |(member, descending)| {
                let (one, other) = (sort_key(one, member, descending), sort_key(other, member, descending));
                let order = compare(one.as_ref(), other.as_ref());
                if descending { order.reverse() } else { order }
            });
            order.then(one_id.cmp(other_id))
        });
        let meant = meant.into_iter().map(|(id, _)| *id);
        meant.take(self.limit.unwrap_or(usize::MAX)).collect()
    }

    /// Whether it means the document.
    fn means(&self, document: &Value) -> bool {
        self.tests.iter().all(|(member, test)| {
            let found = document.get(member);
            let values: Vec<Option<&Value>> = match found {
                Some(Value::Array(elements)) => elements.iter().map(Some).collect(),
                other => vec![other],
            };
            let any = |is: &dyn Fn(&Value) -> bool| values.iter().flatten().any(|value| is(value));
            match test {
                Test::Equals(Value::Null) => values.iter().any(|value| value.is_none_or(Value::is_null)),
                Test::Equals(wanted) => any(&|value| value == wanted),
                Test::From(least) => {
                    any(&|value| same_type(value, least) && compare(Some(value), Some(least)).is_ge())
                }
                Test::Below(bound) => {
                    any(&|value| same_type(value, bound) && compare(Some(value), Some(bound)).is_lt())
                }
                Test::OneOf(wanted) => any(&|value| wanted.contains(value)),
            }
        })
    }
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
