//! One encoded value, read where it lies.

use crate::encoding::body::duplicates;
use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::tag;
use crate::encoding::body::token::{self, Token};

/// One encoded value, read where it lies. What is inside it may be malformed, so every look into it can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw<'a>(&'a [u8]);

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Null,
    Bool,
    /// Unsigned or negative, never a float.
    Integer,
    Float,
    String,
    Array,
    Object,
}

/// A value one level deep.
#[derive(Debug, Clone)]
pub(crate) enum View<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    /// Always below zero.
    Negative(i64),
    Float(f64),
    String(&'a str),
    Array(Elements<'a>),
    Object(Entries<'a>),
}

impl<'a> Raw<'a> {
    /// The value that `bytes` are, which must be one value and nothing more. Looks at the value's own bytes, not at its children.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, BodyError> {
        let mut rest = bytes;
        token::take(&mut rest).ok_or_else(malformed_value)?;
        if rest.is_empty() { Ok(Self(bytes)) } else { Err(BodyError::malformed("bytes after the value")) }
    }

    /// Takes the value at the front of `bytes`.
    #[inline]
    pub(super) fn take(bytes: &mut &'a [u8]) -> Option<Self> {
        let all = *bytes;
        token::take(bytes)?;
        all.get(..all.len() - bytes.len()).map(Self)
    }

    /// The value, encoded.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// What it is. The first byte says so.
    #[inline]
    pub(crate) fn kind(self) -> Kind {
        match self.0.first() {
            Some(&(tag::FALSE | tag::TRUE)) => Kind::Bool,
            Some(&(tag::UNSIGNED | tag::NEGATIVE | tag::SMALL..=tag::SMALL_END)) => Kind::Integer,
            Some(&tag::FLOAT) => Kind::Float,
            Some(&(tag::STRING | tag::SHORT_STRING..=tag::SHORT_STRING_END)) => Kind::String,
            Some(&tag::ARRAY) => Kind::Array,
            Some(&tag::OBJECT) => Kind::Object,
            // No other value has been taken for one.
            _ => Kind::Null,
        }
    }

    /// The value one level deep.
    pub(crate) fn view(self) -> Result<View<'a>, BodyError> {
        Ok(match self.token() {
            Token::Null => View::Null,
            Token::Bool(bool) => View::Bool(bool),
            Token::Unsigned(n) => View::Unsigned(n),
            Token::Negative(n) => View::Negative(n),
            Token::Float(float) => View::Float(float),
            Token::String(string) => View::String(utf8(string)?),
            Token::Array(content) => View::Array(Elements { rest: content }),
            Token::Object(content) => View::Object(Entries(UncheckedEntries { rest: content })),
        })
    }

    /// False or true, if it is that.
    pub(crate) fn as_bool(self) -> Option<bool> {
        match self.token() {
            Token::Bool(bool) => Some(bool),
            _ => None,
        }
    }

    /// The integer, if it is one from zero upwards.
    pub(crate) fn as_u64(self) -> Option<u64> {
        match self.token() {
            Token::Unsigned(n) => Some(n),
            _ => None,
        }
    }

    /// The integer, if it is one that fits.
    pub(crate) fn as_i64(self) -> Option<i64> {
        match self.token() {
            Token::Unsigned(n) => i64::try_from(n).ok(),
            Token::Negative(n) => Some(n),
            _ => None,
        }
    }

    /// The float, if it is one; an integer is not.
    pub(crate) fn as_f64(self) -> Option<f64> {
        match self.token() {
            Token::Float(float) => Some(float),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub(crate) fn as_str(self) -> Result<Option<&'a str>, BodyError> {
        match self.token() {
            Token::String(string) => utf8(string).map(Some),
            _ => Ok(None),
        }
    }

    /// The elements; none if it is not an array.
    pub(crate) fn elements(self) -> Elements<'a> {
        match self.token() {
            Token::Array(content) => Elements { rest: content },
            _ => Elements { rest: &[] },
        }
    }

    /// The members in their order; none if it is not an object.
    pub(crate) fn members(self) -> Entries<'a> {
        Entries(self.unchecked_members())
    }

    /// As [`members`](Self::members), with keys whose text is unchecked.
    #[inline]
    pub(crate) fn unchecked_members(self) -> UncheckedEntries<'a> {
        match self.token() {
            Token::Object(content) => UncheckedEntries { rest: content },
            _ => UncheckedEntries { rest: &[] },
        }
    }

    /// The member `key`, if it is an object that has one. Passes the members before it, without looking into them.
    pub(crate) fn get(self, key: &str) -> Result<Option<Raw<'a>>, BodyError> {
        for member in self.unchecked_members() {
            let (name, value) = member.ok_or_else(malformed_value)?;
            if name == key.as_bytes() {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Refuses what has more than `allowed` containers within each other. Looks at each value once, in constant memory but for
    /// one word a level; texts and keys are not checked.
    #[inline]
    pub(crate) fn check_depth(self, allowed: usize) -> Result<(), BodyError> {
        match self.0.first() {
            Some(&(tag::ARRAY | tag::OBJECT)) => self.check_levels(allowed),
            _ => Ok(()),
        }
    }

    fn check_levels(self, allowed: usize) -> Result<(), BodyError> {
        let (content, object) = match self.token() {
            Token::Array(content) => (content, false),
            Token::Object(content) => (content, true),
            _ => return Ok(()),
        };
        if allowed == 0 {
            return Err(BodyError::new(Fault::TooDeep { limit: allowed }));
        }
        let mut outer: Vec<(&[u8], bool)> = Vec::new();
        let (mut rest, mut in_object) = (content, object);
        loop {
            if rest.is_empty() {
                match outer.pop() {
                    Some(parent) => (rest, in_object) = parent,
                    None => return Ok(()),
                }
                continue;
            }
            if in_object {
                token::take_counted(&mut rest).ok_or_else(malformed_value)?;
            }
            let (content, object) = match token::take(&mut rest).ok_or_else(malformed_value)? {
                Token::Array(content) => (content, false),
                Token::Object(content) => (content, true),
                _ => continue,
            };
            if outer.len() + 1 >= allowed {
                return Err(BodyError::new(Fault::TooDeep { limit: allowed }));
            }
            outer.push((rest, in_object));
            (rest, in_object) = (content, object);
        }
    }

    /// Refuses an object that has a key twice.
    pub(super) fn check_keys(self) -> Result<(), BodyError> {
        match self.token() {
            Token::Object(content) => check_keys(content),
            _ => Ok(()),
        }
    }

    #[inline]
    pub(super) fn token(self) -> Token<'a> {
        // Both ways to make a `Raw` have read this token, so there is always one.
        token::take(&mut &*self.0).unwrap_or(Token::Null)
    }
}

/// The elements of an array. After an error there are no more.
#[derive(Debug, Clone)]
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Raw<'a>, BodyError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let element = Raw::take(&mut self.rest);
        if element.is_none() {
            self.rest = &[];
        }
        Some(element.ok_or_else(malformed_value))
    }
}

/// The members of an object, in their order. After an error there are no more.
#[derive(Debug, Clone)]
pub(crate) struct Entries<'a>(UncheckedEntries<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(&'a str, Raw<'a>), BodyError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let member = match self.0.next()? {
            Some((key, value)) => utf8(key).map(|key| (key, value)),
            None => Err(malformed_value()),
        };
        if member.is_err() {
            self.0.rest = &[];
        }
        Some(member)
    }
}

/// The members of an object, the text of whose keys is unchecked. After an error, `None`, there are no more.
#[derive(Debug, Clone)]
pub(crate) struct UncheckedEntries<'a> {
    rest: &'a [u8],
}

impl UncheckedEntries<'_> {
    /// Whether there are no more.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Passes the member at the front, if these are its bytes.
    #[inline]
    pub(crate) fn pass(&mut self, member: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(member);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

impl<'a> Iterator for UncheckedEntries<'a> {
    type Item = Option<(&'a [u8], Raw<'a>)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mut rest = self.rest;
        let member =
            token::take_counted(&mut rest).and_then(|key| Raw::take(&mut rest).map(|value| (key, value)));
        self.rest = if member.is_some() { rest } else { &[] };
        Some(member)
    }
}

/// Refuses members that have a key twice.
pub(super) fn check_keys(content: &[u8]) -> Result<(), BodyError> {
    match duplicates::find(content) {
        Ok(None) => Ok(()),
        Ok(Some(key)) => Err(key_twice(key)),
        Err(_) => Err(malformed_value()),
    }
}

#[cold]
pub(super) fn key_twice(key: &[u8]) -> BodyError {
    BodyError::malformed("a key occurs twice in its object").under_key_bytes(key)
}

#[inline]
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, BodyError> {
    std::str::from_utf8(bytes).map_err(|_| BodyError::malformed("text is not UTF-8"))
}

#[cold]
pub(super) fn malformed_value() -> BodyError {
    BodyError::malformed("a tag, a length or a number is not one that a writer makes")
}
