//! A filter as JSON again: one form for each condition.

use serde_json::{Map, Value, json};

use crate::filter::condition::{Comparison, Condition, Elements, Test};
use crate::filter::literal::Literal;
use crate::filter::route::Route;
use crate::filter::types::TypeName;
use crate::value::canonical;

/// The condition as a filter document. Reads back as the same condition. Whatever stands in no order is sorted.
pub(crate) fn condition(condition: &Condition) -> Value {
    match condition {
        Condition::All(conditions) if conditions.is_empty() => json!({}),
        Condition::All(conditions) => one("$and", list(conditions)),
        // Nothing is not everything.
        Condition::Any(conditions) if conditions.is_empty() => json!({"$nor": [{}]}),
        Condition::Any(conditions) => one("$or", list(conditions)),
        Condition::Not(inner) => match &**inner {
            Condition::Any(conditions) if !conditions.is_empty() => one("$nor", list(conditions)),
            inner => one("$nor", Value::Array(vec![self::condition(inner)])),
        },
        Condition::At(route, test) => {
            let (operator, operand) = self::test(test);
            let mut tests = Map::new();
            tests.insert(operator.to_owned(), operand);
            if let Test::Matches(pattern) = test
                && !pattern.options().is_empty()
            {
                tests.insert("$options".to_owned(), pattern.options().into());
            }
            one(&name(route), Value::Object(tests))
        }
    }
}

/// The canonical text of a condition.
pub(crate) fn text(condition: &Condition) -> String {
    canonical_text(&self::condition(condition))
}

/// The path, so that nobody takes it for an operator.
fn name(route: &Route) -> String {
    let text = route.path().to_string();
    if text.starts_with('$') {
        format!("/{}", text.replace('~', "~0").replace('/', "~1").replace('.', "/"))
    } else {
        text
    }
}

fn test(test: &Test) -> (&'static str, Value) {
    match test {
        Test::Exists => ("$exists", true.into()),
        Test::Equal(literal) => ("$eq", literal.to_value()),
        Test::OneOf(literals) => ("$in", sorted(literals.iter().map(Literal::to_value).collect())),
        Test::Compare(comparison, literal) => {
            let operator = match comparison {
                Comparison::Less => "$lt",
                Comparison::AtMost => "$lte",
                Comparison::AtLeast => "$gte",
                Comparison::Greater => "$gt",
            };
            (operator, literal.to_value())
        }
        Test::Type(types) => ("$type", types.iter().map(|name| Value::from(TypeName::name(*name))).collect()),
        Test::Remainder { divisor, remainder } => ("$mod", json!([divisor, remainder])),
        Test::Bits(bits) => (bits.operator(), bits.operand()),
        Test::Matches(pattern) => ("$regex", pattern.text().into()),
        Test::Size(size) => ("$size", (*size).into()),
        Test::Element { condition, what: Elements::WithMembers } => {
            ("$elemMatch", self::condition(condition))
        }
        Test::Element { condition, what: Elements::Every } => match &**condition {
            Condition::At(route, inner) if route.steps().is_empty() && !matches!(inner, Test::Matches(_)) => {
                let (operator, operand) = self::test(inner);
                ("$elemMatch", one(operator, operand))
            }
            condition => ("$element", self::condition(condition)),
        },
    }
}

fn list(conditions: &[Condition]) -> Value {
    sorted(conditions.iter().map(condition).collect())
}

fn sorted(mut values: Vec<Value>) -> Value {
    values.sort_by_cached_key(canonical_text);
    Value::Array(values)
}

fn one(name: &str, value: Value) -> Value {
    let mut members = Map::new();
    members.insert(name.to_owned(), value);
    Value::Object(members)
}

fn canonical_text(value: &Value) -> String {
    let mut text = String::new();
    canonical::write(value, &mut text);
    text
}
