//! Filters as a program holds them.

use std::fmt;
use std::ops::{BitAnd, BitOr, Not};
use std::sync::Arc;

use serde_json::Value;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::node::Node;
use crate::error::error::{Error, Result};
use crate::filter::condition::Condition;
use crate::filter::error::{Flaw, InvalidFilter};
use crate::filter::parse::{self, MAX_DEPTH};
use crate::filter::print;
use crate::filter::tree::Twig;

/// Which documents are meant: made by [`field`](crate::field) and its like, or from a filter document of MongoDB's.
///
/// A filter that is none, because its path is malformed or its operator unknown, can be passed about like any other; whoever
/// uses it is told what is wrong, with the operator and the path.
///
/// ```
/// use pivotdb::{Filter, field};
/// use serde_json::json;
///
/// let grown = field("age").gte(18).and(field("tags").contains("beta"));
/// assert!(grown.matches(&json!({"age": 36, "tags": ["beta", "vip"]}))?);
///
/// let same = Filter::from(json!({"age": {"$gte": 18}, "tags": {"$elemMatch": {"$eq": "beta"}}}));
/// assert_eq!(same.to_string(), grown.to_string());
///
/// let error = Filter::from(json!({"age": {"$near": 3}})).matches(&json!({})).unwrap_err();
/// assert_eq!(error.context().detail("operator"), Some("$near"));
/// # Ok::<(), pivotdb::Error>(())
/// ```
#[derive(Clone)]
pub struct Filter(Result<Compiled, InvalidFilter>);

#[derive(Clone)]
struct Compiled {
    condition: Arc<Condition>,
    /// How many conditions there are within each other, or more.
    depth: usize,
}

impl Filter {
    /// Every document.
    #[must_use]
    pub fn everything() -> Self {
        Self::of(Condition::everything())
    }

    /// The documents for which all of `filters` are so; every document, of none.
    #[must_use]
    pub fn all_of(filters: impl IntoIterator<Item = impl Into<Self>>) -> Self {
        Self::together(filters.into_iter().map(Into::into), List::All)
    }

    /// The documents for which at least one of `filters` is so; none, of none.
    #[must_use]
    pub fn any_of(filters: impl IntoIterator<Item = impl Into<Self>>) -> Self {
        Self::together(filters.into_iter().map(Into::into), List::Any)
    }

    /// The documents for which none of `filters` is so.
    #[must_use]
    pub fn none_of(filters: impl IntoIterator<Item = impl Into<Self>>) -> Self {
        Self::any_of(filters).negate()
    }

    /// The documents for which both are so.
    #[must_use]
    pub fn and(self, other: impl Into<Self>) -> Self {
        Self::together([self, other.into()].into_iter(), List::All)
    }

    /// The documents for which at least one of the two is so.
    #[must_use]
    pub fn or(self, other: impl Into<Self>) -> Self {
        Self::together([self, other.into()].into_iter(), List::Any)
    }

    /// All other documents.
    #[must_use]
    pub fn negate(self) -> Self {
        Self(self.0.and_then(|Compiled { condition, depth }| {
            Compiled::new(Arc::unwrap_or_clone(condition).negated(), depth + 1)
        }))
    }

    /// Whether `document` is so. Makes a document of it first: to look for stored ones, use a query.
    ///
    /// # Errors
    /// `InvalidFilter` when it is no filter; `NotRepresentable` or `TooDeep` when the value cannot be a document.
    pub fn matches(&self, document: &Value) -> Result<bool> {
        let condition = self.condition()?;
        let node = Node::from_value(document.clone())?;
        node.to_bytes(Limits::default())?;
        Ok(condition.matches(Twig::new(&node))?)
    }

    /// The filter as a filter document; always the same for the same filter.
    ///
    /// # Errors
    /// `InvalidFilter` when it is no filter.
    pub fn to_json(&self) -> Result<Value> {
        Ok(print::condition(self.condition()?))
    }

    pub(crate) fn condition(&self) -> Result<&Arc<Condition>> {
        match &self.0 {
            Ok(compiled) => Ok(&compiled.condition),
            Err(error) => Err(Error::from(error.clone())),
        }
    }

    pub(super) fn of(condition: Condition) -> Self {
        let depth = condition.depth();
        Self(Compiled::new(condition, depth))
    }

    pub(super) fn invalid(error: InvalidFilter) -> Self {
        Self(Err(error))
    }

    /// What `make` makes of the condition, which is then one deeper.
    pub(super) fn within(
        self,
        make: impl FnOnce(Condition) -> Result<Condition, InvalidFilter>,
    ) -> Result<Condition, InvalidFilter> {
        let Compiled { condition, depth } = self.0?;
        let outer = make(Arc::unwrap_or_clone(condition))?;
        Compiled::new(outer, depth + 1).map(|compiled| Arc::unwrap_or_clone(compiled.condition))
    }

    fn together(filters: impl Iterator<Item = Self>, list: List) -> Self {
        let mut conditions = Vec::new();
        let mut deepest = 0;
        for filter in filters {
            let Compiled { condition, depth } = match filter.0 {
                Ok(compiled) => compiled,
                Err(error) => return Self(Err(error)),
            };
            match (Arc::unwrap_or_clone(condition), list) {
                (Condition::All(inner), List::All) | (Condition::Any(inner), List::Any) => {
                    deepest = deepest.max(depth);
                    conditions.extend(inner);
                }
                (condition, _) => {
                    deepest = deepest.max(depth + 1);
                    conditions.push(condition);
                }
            }
        }
        let condition = match list {
            List::All => Condition::all(conditions),
            List::Any => Condition::any(conditions),
        };
        Self(Compiled::new(condition, deepest))
    }
}

#[derive(Clone, Copy)]
enum List {
    All,
    Any,
}

impl Compiled {
    fn new(condition: Condition, depth: usize) -> Result<Self, InvalidFilter> {
        if depth > MAX_DEPTH {
            return Err(InvalidFilter::new(Flaw::TooDeep));
        }
        Ok(Self { condition: Arc::new(condition), depth })
    }
}

impl From<Value> for Filter {
    /// Reads a filter document of MongoDB's; see [queries](crate::documentation::queries).
    fn from(filter: Value) -> Self {
        match parse::filter(filter) {
            Ok(condition) => Self::of(condition),
            Err(error) => Self(Err(error)),
        }
    }
}

impl From<&Value> for Filter {
    fn from(filter: &Value) -> Self {
        filter.clone().into()
    }
}

impl From<&Self> for Filter {
    fn from(filter: &Self) -> Self {
        filter.clone()
    }
}

impl BitAnd for Filter {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.and(other)
    }
}

impl BitOr for Filter {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

impl Not for Filter {
    type Output = Self;

    fn not(self) -> Self {
        self.negate()
    }
}

impl fmt::Display for Filter {
    /// The canonical text of the filter document.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(compiled) => f.write_str(&print::text(&compiled.condition)),
            Err(error) => write!(f, "no filter: {error}"),
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use serde_json::json;

    use super::*;
    use crate::encoding::body::raw::Raw;
    use crate::error::kind::ErrorKind;
    use crate::filter::testing::{body, documents, filters};

    #[test]
    fn what_is_no_filter_names_operator_and_path() {
        let error = |filter: Value| Filter::from(filter).condition().map(drop).unwrap_err();
        let cases = [
            (json!(1), None, None),
            (json!({"$where": "1"}), Some("$where"), None),
            (json!({"a": {"$near": 1}}), Some("$near"), Some("a")),
            (json!({"$or": [{"a.b": {"$in": 1}}]}), Some("$in"), Some("a.b")),
            (json!({"$or": []}), Some("$or"), None),
            (json!({"a": {"$gt": 1, "b": 2}}), None, Some("a")),
            (json!({"a..b": 1}), None, Some("a..b")),
            (json!({"a": {"$mod": [0, 1]}}), Some("$mod"), Some("a")),
            (json!({"a": {"$regex": "("}}), Some("$regex"), Some("a")),
            (json!({"a": {"$regex": "a", "$options": "q"}}), Some("$options"), Some("a")),
            (json!({"a": {"$options": "i"}}), Some("$options"), Some("a")),
            (json!({"a": {"$not": 1}}), Some("$not"), Some("a")),
            (json!({"a": {"$size": -1}}), Some("$size"), Some("a")),
            (json!({"a": {"$type": "text"}}), Some("$type"), Some("a")),
            (json!({"a": {"$elemMatch": {"$foo": 1}}}), Some("$foo"), Some("a")),
        ];
        for (filter, operator, path) in cases {
            let error = error(filter.clone());
            assert_eq!(error.kind(), ErrorKind::InvalidFilter, "{filter}");
            assert_eq!(
                (error.context().detail("operator"), error.context().path()),
                (operator, path),
                "{filter}"
            );
        }
    }

    #[test]
    fn patterns_are_bounded() {
        for pattern in ["a".repeat(20_000), "(a{1000}){1000}".into(), "(".repeat(100) + &")".repeat(100)] {
            let filter = Filter::from(json!({"a": {"$regex": pattern}}));
            assert_eq!(filter.matches(&json!({})).unwrap_err().kind(), ErrorKind::InvalidFilter);
        }
    }

    #[test]
    fn depth_is_bounded_and_lists_are_flat() {
        let leaf = || Filter::from(json!({"a": 1}));
        let flat = (0..1000).fold(leaf(), |filter, _| filter.and(leaf()));
        assert!(flat.condition().is_ok());
        let deep = (0..1000).fold(leaf(), |filter, _| filter.negate().and(leaf()));
        assert_eq!(deep.condition().unwrap_err().kind(), ErrorKind::InvalidFilter);
        let deep = (0..100).fold(json!({"a": 1}), |filter, _| json!({"$and": [filter, {"b": 1}]}));
        assert_eq!(Filter::from(deep).condition().unwrap_err().kind(), ErrorKind::InvalidFilter);
    }

    #[test]
    fn the_order_in_which_a_filter_is_written_does_not_count() {
        let one = Filter::from(json!({"$and": [{"b": {"$in": [2, 1]}}, {"a": 1}]}));
        let other = Filter::from(json!({"a": {"$eq": 1}, "b": {"$in": [1, 2]}}));
        assert_eq!(one.to_string(), other.to_string());
        assert_ne!(one.to_string(), Filter::everything().to_string());
    }

    #[test]
    fn a_path_is_never_taken_for_an_operator() {
        let filter = Filter::from(json!({"/$a/b": 1}));
        assert_eq!(filter.to_string(), r#"{"/$a/b":{"$eq":1}}"#);
        assert!(Filter::from(filter.to_json().unwrap()).matches(&json!({"$a": {"b": 1}})).unwrap());
    }

    /// That the properties below say something: enough of the filters match something, and not everything.
    #[test]
    fn filters_to_test_with_select() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let (cases, mut matched) = (1000, 0);
        for _ in 0..cases {
            let (filter, document) = (filters(), documents()).new_tree(&mut runner).unwrap().current();
            matched += usize::from(Filter::from(filter).matches(&document).unwrap());
        }
        println!("filters: {matched} of {cases} match");
        assert!((cases / 10..cases * 9 / 10).contains(&matched));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Where it lies, and as a tree that has been opened: the same answer.
        #[test]
        fn bytes_and_tree_agree(filter in filters(), document in documents()) {
            let filter = Filter::from(filter);
            let condition = filter.condition().unwrap();
            let bytes = body(&document);
            let lying = condition.matches(Raw::new(&bytes).unwrap()).unwrap();
            let tree = Node::from_value(document.clone()).unwrap();
            prop_assert_eq!(condition.matches(Twig::new(&tree)).unwrap(), lying);
            let mut half = Node::Raw(Raw::new(&bytes).unwrap());
            half.expand().unwrap();
            prop_assert_eq!(condition.matches(Twig::new(&half)).unwrap(), lying);
            prop_assert_eq!(filter.matches(&document).unwrap(), lying);
        }

        #[test]
        fn reads_back_as_the_same_filter(filter in filters(), document in documents()) {
            let filter = Filter::from(filter);
            let again = Filter::from(filter.to_json().unwrap());
            prop_assert_eq!(again.to_string(), filter.to_string());
            prop_assert_eq!(again.matches(&document).unwrap(), filter.matches(&document).unwrap());
            prop_assert_eq!(filter.clone().negate().matches(&document).unwrap(), !filter.matches(&document).unwrap());
        }

        #[test]
        fn any_bytes_match_or_are_refused(filter in filters(), bytes in proptest::collection::vec(prop_oneof![0..9_u8, 0x40..0x48_u8, any::<u8>()], 0..40)) {
            let filter = Filter::from(filter);
            if let Ok(raw) = Raw::new(&bytes) {
                let _ = filter.condition().unwrap().matches(raw);
            }
        }
    }

    #[test]
    fn bits_of_integers() {
        let cases = [
            (json!({"$bitsAllSet": 5}), json!(7), true),
            (json!({"$bitsAllSet": 5}), json!(4), false),
            (json!({"$bitsAllSet": [0, 2]}), json!(5.0), true),
            (json!({"$bitsAllSet": []}), json!(0), true),
            (json!({"$bitsAllSet": []}), json!("0"), false),
            (json!({"$bitsAnySet": []}), json!(1), false),
            (json!({"$bitsAllClear": 5}), json!(2), true),
            (json!({"$bitsAllClear": 5}), json!(1), false),
            (json!({"$bitsAnySet": 5}), json!(4), true),
            (json!({"$bitsAnyClear": 5}), json!(5), false),
            (json!({"$bitsAnyClear": 5}), json!(4), true),
            (json!({"$bitsAllSet": 1}), json!(1.5), false),
            (json!({"$bitsAllSet": 1}), json!(1e300), false),
            (json!({"$bitsAllSet": [0, 63, 64, 200, 9_000_000_000_u64]}), json!(-1), true),
            (json!({"$bitsAllSet": [63]}), json!(u64::MAX), true),
            (json!({"$bitsAllSet": [64]}), json!(u64::MAX), false),
            (json!({"$bitsAllSet": [63, 64]}), json!(i64::MIN), true),
            (json!({"$bitsAnySet": [0]}), json!([2, 3]), true),
            (json!({"$not": {"$bitsAnySet": [0]}}), json!(null), true),
        ];
        for (test, value, so) in cases {
            let filter = Filter::from(json!({"a": test}));
            assert_eq!(filter.matches(&json!({"a": value})).unwrap(), so, "{filter} of {value}");
            let again = Filter::from(filter.to_json().unwrap());
            assert_eq!(again.to_string(), filter.to_string());
        }
        for operand in
            [json!(-1), json!(1.5), json!("1"), json!([-1]), json!([0.5]), json!([[0]]), json!(null)]
        {
            let error = Filter::from(json!({"a": {"$bitsAnySet": operand}})).matches(&json!({})).unwrap_err();
            assert_eq!(
                (error.kind(), error.context().detail("operator")),
                (ErrorKind::InvalidFilter, Some("$bitsAnySet"))
            );
        }
    }
}
