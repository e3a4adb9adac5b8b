//! Filters in Rust.

use serde_json::Value;

use crate::filter::bits::{Bits, How};
use crate::filter::condition::{Comparison, Condition, Elements, Test};
use crate::filter::error::{Flaw, InvalidFilter};
use crate::filter::filter::Filter;
use crate::filter::literal::Literal;
use crate::filter::pattern::{self, Pattern};
use crate::filter::route::Route;
use crate::filter::types::{Type, TypeName};
use crate::value::path::{InvalidPath, ToPath};

/// What stands at `path`, to be compared with something. Within [`Field::any_element`], the empty path is the element itself.
///
/// A path goes into lists: `tags` is the list and each of its elements, `orders.total` the total of each order, `tags.0` the first tag. A
/// comparison is so if it is so for one of them.
///
/// ```
/// use pivotdb::field;
/// use serde_json::json;
///
/// let order = json!({"lines": [{"item": "pen", "pieces": 3}, {"item": "ink", "pieces": 0}]});
/// assert!(field("lines.pieces").gt(2).matches(&order)?);
/// let out_of_pens = field("item").eq("pen").and(field("pieces").eq(0));
/// assert!(!field("lines").any_element(out_of_pens).matches(&order)?);
/// # Ok::<(), pivotdb::Error>(())
/// ```
pub fn field(path: impl ToPath) -> Field {
    Field { route: path.to_path().map(Route::new) }
}

/// What stands at a path; made by [`field`]. Values are what JSON has: numbers, texts, truths, lists, `serde_json::Value`.
#[derive(Debug, Clone)]
#[must_use = "a field alone is no filter"]
pub struct Field {
    route: Result<Route, InvalidPath>,
}

impl Field {
    /// Equal to `value`, or a list with such an element. `null` equals what is missing.
    #[must_use]
    pub fn eq(self, value: impl Into<Operand>) -> Filter {
        self.compare(value, Test::Equal)
    }

    /// Everything that is not [`eq`](Self::eq), what is missing included.
    #[must_use]
    pub fn ne(self, value: impl Into<Operand>) -> Filter {
        self.eq(value).negate()
    }

    /// Greater than `value`, and of its type: values of different types are not compared.
    #[must_use]
    pub fn gt(self, value: impl Into<Operand>) -> Filter {
        self.compare(value, |literal| Test::Compare(Comparison::Greater, literal))
    }

    /// Greater than `value` or equal to it, and of its type.
    #[must_use]
    pub fn gte(self, value: impl Into<Operand>) -> Filter {
        self.compare(value, |literal| Test::Compare(Comparison::AtLeast, literal))
    }

    /// Less than `value`, and of its type.
    #[must_use]
    pub fn lt(self, value: impl Into<Operand>) -> Filter {
        self.compare(value, |literal| Test::Compare(Comparison::Less, literal))
    }

    /// Less than `value` or equal to it, and of its type.
    #[must_use]
    pub fn lte(self, value: impl Into<Operand>) -> Filter {
        self.compare(value, |literal| Test::Compare(Comparison::AtMost, literal))
    }

    /// Equal to one of `values`.
    #[must_use]
    pub fn one_of(self, values: impl IntoIterator<Item = impl Into<Operand>>) -> Filter {
        let literals: Result<Vec<_>, _> = values.into_iter().map(|value| value.into().literal()).collect();
        self.test(literals.map(Test::OneOf))
    }

    /// Equal to none of `values`.
    #[must_use]
    pub fn none_of(self, values: impl IntoIterator<Item = impl Into<Operand>>) -> Filter {
        self.one_of(values).negate()
    }

    /// There, if only as `null`.
    #[must_use]
    pub fn exists(self) -> Filter {
        self.test(Ok(Test::Exists))
    }

    /// Not there.
    #[must_use]
    pub fn missing(self) -> Filter {
        self.exists().negate()
    }

    /// Of this type, or a list with such an element.
    #[must_use]
    pub fn is_type(self, of: Type) -> Filter {
        self.test(Ok(Test::Type(vec![TypeName::Plain(of)])))
    }

    /// A list that has `value` for an element.
    #[must_use]
    pub fn contains(self, value: impl Into<Operand>) -> Filter {
        let equal = value.into().literal().map(|literal| Condition::At(Route::here(), Test::Equal(literal)));
        self.test(equal.map(|equal| Test::Element { condition: Box::new(equal), what: Elements::Every }))
    }

    /// A list that has each of `values` for an element.
    #[must_use]
    pub fn contains_all(self, values: impl IntoIterator<Item = impl Into<Operand>>) -> Filter {
        Filter::all_of(values.into_iter().map(|value| self.clone().contains(value)).collect::<Vec<_>>())
            .and(self.a_list_itself())
    }

    /// A list with an element that is all that `filter` says. Its paths start at the element; the empty path is the element itself.
    #[must_use]
    pub fn any_element(self, filter: impl Into<Filter>) -> Filter {
        let made = filter.into().within(|condition| {
            let mut routes = Vec::new();
            condition.routes(&mut routes);
            let itself = routes.iter().any(|route| route.steps().is_empty());
            let what = if itself { Elements::Every } else { Elements::WithMembers };
            let route = self.route?;
            Ok(Condition::At(route, Test::Element { condition: Box::new(condition), what }))
        });
        match made {
            Ok(condition) => Filter::of(condition),
            Err(error) => Filter::invalid(error),
        }
    }

    /// A list of so many elements.
    #[must_use]
    pub fn size(self, elements: u64) -> Filter {
        self.test(Ok(Test::Size(elements)))
    }

    /// A number whose integer part, divided by `divisor`, leaves `remainder`.
    #[must_use]
    pub fn remainder(self, divisor: i64, remainder: i64) -> Filter {
        self.test(if divisor == 0 {
            Err(InvalidFilter::operand("$mod", "a divisor that is not 0, and a remainder"))
        } else {
            Ok(Test::Remainder { divisor, remainder })
        })
    }

    /// An integer in which all bits of `mask` are set. Negative ones are in two's complement.
    ///
    /// ```
    /// # use pivotdb::field;
    /// # use serde_json::json;
    /// assert!(field("flags").all_bits_set(0b101).matches(&json!({"flags": 0b111}))?);
    /// # Ok::<(), pivotdb::Error>(())
    /// ```
    #[must_use]
    pub fn all_bits_set(self, mask: u64) -> Filter {
        self.test(Ok(Test::Bits(Bits::new(How::AllSet, mask))))
    }

    /// An integer in which at least one bit of `mask` is set.
    #[must_use]
    pub fn any_bit_set(self, mask: u64) -> Filter {
        self.test(Ok(Test::Bits(Bits::new(How::AnySet, mask))))
    }

    /// An integer in which no bit of `mask` is set.
    #[must_use]
    pub fn all_bits_clear(self, mask: u64) -> Filter {
        self.test(Ok(Test::Bits(Bits::new(How::AllClear, mask))))
    }

    /// An integer in which at least one bit of `mask` is not set.
    #[must_use]
    pub fn any_bit_clear(self, mask: u64) -> Filter {
        self.test(Ok(Test::Bits(Bits::new(How::AnyClear, mask))))
    }

    /// A text in which the regular expression `pattern` is found, in time linear in the text. The syntax is that of the crate
    /// `regex-lite`: no look-around, no back-references, classes of ASCII.
    #[must_use]
    pub fn matches(self, pattern: &str) -> Filter {
        self.matches_with(pattern, "")
    }

    /// As [`matches`](Self::matches), with options: `i` ignores the case of ASCII letters, `m` lets `^` and `$` match at lines, `s` lets `.` match ends of
    /// lines, `x` ignores white space in the pattern.
    #[must_use]
    pub fn matches_with(self, pattern: &str, options: &str) -> Filter {
        let pattern = Pattern::new(pattern, options).map_err(|error| error.at_operator("$regex"));
        self.test(pattern.map(Test::Matches))
    }

    /// A text that begins with `prefix`.
    #[must_use]
    pub fn starts_with(self, prefix: &str) -> Filter {
        self.matches(&format!("^{}", pattern::escape(prefix)))
    }

    /// A list, its elements aside.
    fn a_list_itself(self) -> Filter {
        let any = Test::Element { condition: Box::new(Condition::everything()), what: Elements::Every };
        let empty = self.clone().size(0);
        self.test(Ok(any)).or(empty)
    }

    fn compare(self, value: impl Into<Operand>, test: impl FnOnce(Literal) -> Test) -> Filter {
        self.test(value.into().literal().map(test))
    }

    fn test(self, test: Result<Test, InvalidFilter>) -> Filter {
        let route = match self.route {
            Ok(route) => route,
            Err(error) => return Filter::invalid(error.into()),
        };
        match test {
            Ok(test) => Filter::of(Condition::At(route, test)),
            Err(error) => Filter::invalid(error.at_path(route.path())),
        }
    }
}

/// A value to compare with. Whatever JSON has converts to it; NaN and infinities do too, and make a filter that is none.
#[derive(Debug, Clone)]
pub struct Operand(Option<Value>);

impl Operand {
    fn literal(self) -> Result<Literal, InvalidFilter> {
        let value = self.0.ok_or_else(|| {
            InvalidFilter::new(Flaw::Operand { takes: "a number that is neither NaN nor infinite" })
        })?;
        Ok(Literal::new(value)?)
    }
}

macro_rules! operands {
    ($($from:ty),*) => {$(
        impl From<$from> for Operand {
            fn from(value: $from) -> Self {
                Self(Some(value.into()))
            }
        }
    )*};
}

operands!(Value, bool, i8, i16, i32, i64, u8, u16, u32, u64, usize, isize, &str, String);

impl From<f64> for Operand {
    fn from(value: f64) -> Self {
        Self(value.is_finite().then(|| value.into()))
    }
}

impl From<f32> for Operand {
    fn from(value: f32) -> Self {
        f64::from(value).into()
    }
}

impl From<&Value> for Operand {
    fn from(value: &Value) -> Self {
        Self(Some(value.clone()))
    }
}

impl From<&String> for Operand {
    fn from(value: &String) -> Self {
        value.as_str().into()
    }
}

impl From<uuid::Uuid> for Operand {
    fn from(value: uuid::Uuid) -> Self {
        value.to_string().into()
    }
}

impl<T: Into<Self>> From<Option<T>> for Operand {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self(Some(Value::Null)), Into::into)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Operand {
    fn from(values: Vec<T>) -> Self {
        Self(values.into_iter().map(|value| value.into().0).collect::<Option<Vec<_>>>().map(Value::from))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::kind::ErrorKind;

    #[test]
    fn each_call_is_its_operator() {
        let cases = [
            (field("a").eq(1), json!({"a": 1})),
            (field("a").ne("x"), json!({"a": {"$ne": "x"}})),
            (field("a").gt(0.5), json!({"a": {"$gt": 0.5}})),
            (field("a").gte(1_u64), json!({"a": {"$gte": 1}})),
            (field("a").lt(true), json!({"a": {"$lt": true}})),
            (field("a").lte(None::<i32>), json!({"a": {"$lte": null}})),
            (field("/a.b").one_of([1, 2]), json!({"/a.b": {"$in": [1, 2]}})),
            (field("a").none_of(["x"]), json!({"a": {"$nin": ["x"]}})),
            (field("a").exists(), json!({"a": {"$exists": true}})),
            (field("a").missing(), json!({"a": {"$exists": false}})),
            (field("a").is_type(Type::Number), json!({"a": {"$type": "number"}})),
            (field("a").contains(vec![1]), json!({"a": {"$elemMatch": {"$eq": [1]}}})),
            (field("a").any_element(field("b").eq(1)), json!({"a": {"$elemMatch": {"b": 1}}})),
            (field("a").any_element(field("").gt(1)), json!({"a": {"$elemMatch": {"$gt": 1}}})),
            (field("a").size(2), json!({"a": {"$size": 2}})),
            (field("a").remainder(4, 1), json!({"a": {"$mod": [4, 1]}})),
            (field("a").all_bits_set(5), json!({"a": {"$bitsAllSet": 5}})),
            (field("a").any_bit_set(5), json!({"a": {"$bitsAnySet": [2, 0]}})),
            (field("a").all_bits_clear(5), json!({"a": {"$bitsAllClear": 5}})),
            (field("a").any_bit_clear(u64::MAX), json!({"a": {"$bitsAnyClear": u64::MAX}})),
            (field("a").matches_with("x", "i"), json!({"a": {"$regex": "x", "$options": "i"}})),
            (field("a").eq(1).or(field("b").eq(2)), json!({"$or": [{"a": 1}, {"b": 2}]})),
            (!(field("a").eq(1) | field("b").eq(2)), json!({"$nor": [{"a": 1}, {"b": 2}]})),
            (field("a").gt(1) & field("a").lt(5), json!({"a": {"$gt": 1, "$lt": 5}})),
        ];
        for (built, document) in cases {
            assert_eq!(built.to_string(), Filter::from(document).to_string());
        }
    }

    #[test]
    fn what_is_no_filter_is_told_at_its_use() {
        for filter in [
            field("a..b").eq(1),
            field("a").eq(f64::NAN),
            field("a").matches("("),
            field("a").remainder(0, 0),
        ] {
            let error = filter.and(field("b").eq(1)).matches(&json!({})).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidFilter);
            assert!(error.context().path().is_some_and(|path| path.starts_with('a')), "{error}");
        }
    }

    #[test]
    fn a_list_that_contains_all_is_a_list() {
        let none: [i32; 0] = [];
        assert!(!field("a").contains_all(none).matches(&json!({"a": 1})).unwrap());
        assert!(field("a").contains_all(none).matches(&json!({"a": []})).unwrap());
        assert!(field("a").contains_all([1, 2]).matches(&json!({"a": [2, 3, 1]})).unwrap());
        assert!(!field("a").contains_all([1, 2]).matches(&json!({"a": [2]})).unwrap());
        assert!(field("a").starts_with("x.").matches(&json!({"a": "x.y"})).unwrap());
        assert!(!field("a").starts_with("x.").matches(&json!({"a": "xzy"})).unwrap());
    }
}
