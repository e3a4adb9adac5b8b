//! MongoDB's filter documents.

use serde_json::{Map, Value};

use crate::filter::bits::{Bits, How};
use crate::filter::condition::{Comparison, Condition, Elements, Test};
use crate::filter::error::{Flaw, InvalidFilter};
use crate::filter::literal::Literal;
use crate::filter::pattern::Pattern;
use crate::filter::route::Route;
use crate::filter::types::TypeName;
use crate::value::path::Path;

/// Conditions within each other. Everything that recurses over filters relies on it.
pub(crate) const MAX_DEPTH: usize = 64;

/// The condition that `filter` writes down.
pub(crate) fn filter(filter: Value) -> Result<Condition, InvalidFilter> {
    match filter {
        Value::Object(members) => conditions(members, MAX_DEPTH),
        _ => Err(InvalidFilter::new(Flaw::NotAnObject)),
    }
}

fn conditions(members: Map<String, Value>, depth: usize) -> Result<Condition, InvalidFilter> {
    let depth = deeper(depth)?;
    let mut conditions = Vec::with_capacity(members.len());
    for (name, value) in members {
        conditions.push(if name.starts_with('$') {
            logical(&name, value, depth).map_err(|error| error.at_operator(&name))?
        } else {
            let route = Route::new(Path::parse(&name)?);
            at(&route, value, depth).map_err(|error| error.at_path(&name))?
        });
    }
    Ok(Condition::all(conditions))
}

fn logical(operator: &str, value: Value, depth: usize) -> Result<Condition, InvalidFilter> {
    let together = match operator {
        "$and" => Condition::all,
        "$or" | "$nor" => Condition::any,
        _ => return Err(InvalidFilter::new(Flaw::UnknownOperator)),
    };
    let filters = match value {
        Value::Array(filters) if !filters.is_empty() => filters,
        _ => return Err(InvalidFilter::operand(operator, "a list of filters that is not empty")),
    };
    let mut list = Vec::with_capacity(filters.len());
    for filter in filters {
        match filter {
            Value::Object(members) => list.push(conditions(members, depth)?),
            _ => return Err(InvalidFilter::operand(operator, "a list of filters that is not empty")),
        }
    }
    let condition = together(list);
    Ok(if operator == "$nor" { condition.negated() } else { condition })
}

/// What stands beside a path: tests, or a value to equal.
fn at(route: &Route, value: Value, depth: usize) -> Result<Condition, InvalidFilter> {
    match value {
        Value::Object(members) if members.keys().any(|name| name.starts_with('$')) => {
            tests(route, members, depth)
        }
        value => Ok(Condition::At(route.clone(), Test::Equal(Literal::new(value)?))),
    }
}

/// Tests by their operators, all of which have to pass.
fn tests(route: &Route, mut members: Map<String, Value>, depth: usize) -> Result<Condition, InvalidFilter> {
    if !members.keys().all(|name| name.starts_with('$')) {
        return Err(InvalidFilter::new(Flaw::Mixed));
    }
    let depth = deeper(depth)?;
    let options = members.remove("$options");
    if options.is_some() && !members.contains_key("$regex") {
        return Err(InvalidFilter::operand("$options", "a $regex beside it"));
    }
    let mut conditions = Vec::with_capacity(members.len());
    for (operator, value) in members {
        let condition = test(route, &operator, value, options.as_ref(), depth);
        conditions.push(condition.map_err(|error| error.at_operator(&operator))?);
    }
    Ok(Condition::all(conditions))
}

fn test(
    route: &Route,
    operator: &str,
    value: Value,
    options: Option<&Value>,
    depth: usize,
) -> Result<Condition, InvalidFilter> {
    let at = |test| Condition::At(route.clone(), test);
    let takes = |takes| Err(InvalidFilter::operand(operator, takes));
    let compare = |comparison, value| Ok(at(Test::Compare(comparison, Literal::new(value)?)));
    match operator {
        "$eq" => Ok(at(Test::Equal(Literal::new(value)?))),
        "$ne" => Ok(at(Test::Equal(Literal::new(value)?)).negated()),
        "$gt" => compare(Comparison::Greater, value),
        "$gte" => compare(Comparison::AtLeast, value),
        "$lt" => compare(Comparison::Less, value),
        "$lte" => compare(Comparison::AtMost, value),
        "$in" => Ok(at(Test::OneOf(literals(operator, value)?))),
        "$nin" => Ok(at(Test::OneOf(literals(operator, value)?)).negated()),
        "$all" => every(route, value, depth),
        "$exists" => match truth(&value) {
            Some(true) => Ok(at(Test::Exists)),
            Some(false) => Ok(at(Test::Exists).negated()),
            None => takes("true or false"),
        },
        "$type" => Ok(at(Test::Type(types(&value)?))),
        "$size" => match integer(&value).and_then(|size| u64::try_from(size).ok()) {
            Some(size) => Ok(at(Test::Size(size))),
            None => takes("an integer from 0 upwards"),
        },
        "$mod" => match value.as_array().map(Vec::as_slice) {
            Some([divisor, remainder]) => match (truncated(divisor), truncated(remainder)) {
                (Some(divisor), Some(remainder)) if divisor != 0 => {
                    Ok(at(Test::Remainder { divisor, remainder }))
                }
                _ => takes("a divisor that is not 0, and a remainder"),
            },
            _ => takes("a list of divisor and remainder"),
        },
        "$bitsAllSet" | "$bitsAllClear" | "$bitsAnySet" | "$bitsAnyClear" => {
            match How::named(operator).and_then(|how| bits(how, &value)) {
                Some(bits) => Ok(at(Test::Bits(bits))),
                None => takes("an integer from 0 upwards, or a list of positions"),
            }
        }
        "$regex" => match (&value, options) {
            (Value::String(text), None) => Ok(at(Test::Matches(Pattern::new(text, "")?))),
            (Value::String(text), Some(Value::String(options))) => {
                Ok(at(Test::Matches(Pattern::new(text, options)?)))
            }
            (Value::String(_), Some(_)) => {
                Err(InvalidFilter::operand("$options", "the letters i, m, s and x"))
            }
            _ => takes("a text"),
        },
        "$elemMatch" => match value {
            Value::Object(members) => Ok(at(element(members, depth)?)),
            _ => takes("an object"),
        },
        // Not MongoDB's. Filters of the element itself that `$elemMatch` has no words for, written at the empty path.
        "$element" => match value {
            Value::Object(members) => {
                let condition = Box::new(conditions(members, depth)?);
                Ok(at(Test::Element { condition, what: Elements::Every }))
            }
            _ => takes("an object"),
        },
        "$not" => match value {
            Value::Object(members) if members.is_empty() => takes("an object of operators that is not empty"),
            Value::Object(members) => Ok(tests(route, members, depth)?.negated()),
            _ => takes("an object of operators that is not empty"),
        },
        _ => Err(InvalidFilter::new(Flaw::UnknownOperator)),
    }
}

/// `$all`: an equality, or an element, each; nothing at all where there are none.
fn every(route: &Route, value: Value, depth: usize) -> Result<Condition, InvalidFilter> {
    let Value::Array(values) = value else { return Err(InvalidFilter::operand("$all", "a list")) };
    if values.is_empty() {
        return Ok(Condition::At(route.clone(), Test::OneOf(Vec::new())));
    }
    let mut conditions = Vec::with_capacity(values.len());
    for value in values {
        let test = match value {
            Value::Object(mut members) if members.contains_key("$elemMatch") => {
                match members.remove("$elemMatch") {
                    Some(Value::Object(inner)) if members.is_empty() => element(inner, depth)?,
                    _ => return Err(InvalidFilter::operand("$elemMatch", "an object")),
                }
            }
            Value::Object(members) if members.keys().any(|name| name.starts_with('$')) => {
                return Err(InvalidFilter::operand("$all", "a list of values, or of $elemMatch"));
            }
            value => Test::Equal(Literal::new(value)?),
        };
        conditions.push(Condition::At(route.clone(), test));
    }
    Ok(Condition::all(conditions))
}

/// `$elemMatch`: tests of the element itself, or a filter of its members.
fn element(members: Map<String, Value>, depth: usize) -> Result<Test, InvalidFilter> {
    let of_itself = members
        .keys()
        .next()
        .is_some_and(|name| name.starts_with('$') && !matches!(name.as_str(), "$and" | "$or" | "$nor"));
    let (condition, what) = if of_itself {
        (tests(&Route::here(), members, depth)?, Elements::Every)
    } else {
        (conditions(members, depth)?, Elements::WithMembers)
    };
    Ok(Test::Element { condition: Box::new(condition), what })
}

fn literals(operator: &str, value: Value) -> Result<Vec<Literal>, InvalidFilter> {
    let Value::Array(values) = value else { return Err(InvalidFilter::operand(operator, "a list")) };
    let operators = |value: &Value| {
        value.as_object().is_some_and(|members| members.keys().any(|name| name.starts_with('$')))
    };
    if values.iter().any(operators) {
        return Err(InvalidFilter::operand(operator, "a list of values without operators"));
    }
    Ok(values.into_iter().map(Literal::new).collect::<Result<_, _>>()?)
}

fn types(value: &Value) -> Result<Vec<TypeName>, InvalidFilter> {
    let one = |value: &Value| {
        let found = match value {
            Value::String(name) => TypeName::named(name),
            number => integer(number).and_then(TypeName::numbered),
        };
        found.ok_or_else(|| InvalidFilter::operand("$type", "names or numbers of types"))
    };
    let mut types: Vec<_> = match value {
        Value::Array(values) if !values.is_empty() => values.iter().map(one).collect::<Result<_, _>>()?,
        value => vec![one(value)?],
    };
    types.sort_unstable();
    types.dedup();
    Ok(types)
}

/// A mask, or the positions of its bits.
fn bits(how: How, value: &Value) -> Option<Bits> {
    let natural = |value: &Value| integer(value).and_then(|n| u64::try_from(n).ok()).or(value.as_u64());
    match value {
        Value::Array(positions) => {
            Some(Bits::at(how, positions.iter().map(natural).collect::<Option<Vec<_>>>()?))
        }
        mask => natural(mask).map(|mask| Bits::new(how, mask)),
    }
}

/// MongoDB takes numbers for truth, too.
fn truth(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_f64().map(|number| number != 0.0))
}

/// An integer, also one that is written as a float.
fn integer(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| truncated(value).filter(|_| value.as_f64().is_some_and(|float| float.fract() == 0.0)))
}

/// A number without what follows the point.
fn truncated(value: &Value) -> Option<i64> {
    let whole = |float: &f64| float.abs() < 9.2e18;
    value.as_i64().or_else(|| value.as_f64().filter(whole).map(|float| float as i64))
}

fn deeper(depth: usize) -> Result<usize, InvalidFilter> {
    depth.checked_sub(1).ok_or_else(|| InvalidFilter::new(Flaw::TooDeep))
}
