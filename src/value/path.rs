//! Paths into a document.

use std::fmt;
use std::str::FromStr;

use crate::error::error::Error;
use crate::error::kind::ErrorKind;

/// Where something is within a document: the names of members and the indexes of elements that lead there.
///
/// Written in one of two ways, everywhere in PivotDB. With a leading `/` it is a JSON Pointer (RFC 6901): `/a/b`, where
/// `~1` stands for `/` and `~0` for `~`, and in which a name may be empty or hold dots. Otherwise it is names
/// with dots between them: `a.b`. The empty text is the whole document.
///
/// A path is a list of names and compared as such: `a` is above `a.b` and has nothing to do with `ab`. An element of a list is
/// named by its index, from `0`.
///
/// ```
/// use pivotdb::Path;
///
/// assert_eq!(Path::new("contact.phone")?, Path::new("/contact/phone")?);
/// assert_eq!(Path::new("/a.b/$x")?.names().collect::<Vec<_>>(), ["a.b", "$x"]);
/// assert_eq!(Path::new("/contact/phone")?.to_string(), "contact.phone");
/// assert_eq!(Path::new("/a.b")?.to_string(), "/a.b");
/// # Ok::<(), pivotdb::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<Box<str>>);

impl Path {
    /// The most names a path may have: no document nests deeper.
    pub const MAX_NAMES: usize = 128;

    /// The path written as `text`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPath`] where `text` is neither of the two ways of writing one.
    pub fn new(text: &str) -> Result<Self, Error> {
        Ok(Self::parse(text)?)
    }

    /// The whole document.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The path of exactly these names, whatever characters they hold.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPath`] where there are more than [`Path::MAX_NAMES`].
    pub fn from_names<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Result<Self, Error> {
        let path = Self(names.into_iter().map(|name| name.into().into_boxed_str()).collect());
        if path.0.len() > Self::MAX_NAMES {
            return Err(InvalidPath { text: path.to_string(), flaw: Flaw::TooLong }.into());
        }
        Ok(path)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPath> {
        let flawed = |flaw| InvalidPath { text: text.to_owned(), flaw };
        if text.is_empty() {
            return Ok(Self::root());
        }
        let (separator, names) = match text.strip_prefix('/') {
            Some(pointer) => ('/', pointer),
            None => ('.', text),
        };
        if names.split(separator).nth(Self::MAX_NAMES).is_some() {
            return Err(flawed(Flaw::TooLong));
        }
        let mut path = Vec::new();
        for name in names.split(separator) {
            if separator == '/' {
                path.push(unescape(name).ok_or_else(|| flawed(Flaw::Escape))?.into_boxed_str());
            } else if name.is_empty() {
                return Err(flawed(Flaw::EmptyName));
            } else {
                path.push(name.into());
            }
        }
        Ok(Self(path))
    }

    /// The names, from the outermost.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator + Clone {
        self.0.iter().map(|name| &**name)
    }

    /// Whether this is the whole document.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The innermost name; `None` for the whole document.
    #[must_use]
    pub fn last(&self) -> Option<&str> {
        self.0.last().map(|name| &**name)
    }

    /// The path without its innermost name; `None` for the whole document.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, above)| Self(above.to_vec()))
    }

    /// The path of the first `len` names; the whole path where there are not as many.
    #[must_use]
    pub fn prefix(&self, len: usize) -> Self {
        Self(self.0.iter().take(len).cloned().collect())
    }

    /// The path of `name` within what is at this path.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let mut names = self.0.clone();
        names.push(name.into());
        Self(names)
    }

    /// The path that leads here and then along `inner`.
    #[must_use]
    pub fn join(&self, inner: &Self) -> Self {
        Self(self.0.iter().chain(&inner.0).cloned().collect())
    }

    /// The path from `above` to here; the same path where `above` is not above it.
    #[must_use]
    pub(crate) fn without(&self, above: &Self) -> Self {
        Self(self.0.strip_prefix(above.0.as_slice()).unwrap_or(&self.0).to_vec())
    }

    /// Whether `other` is this path, or within what is at this path.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Whether a change at one of the two can be seen at the other.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }
}

/// The index that `name` is when it meets a list: digits only, without leading zeros.
pub(crate) fn as_index(name: &str) -> Option<usize> {
    let canonical = name == "0" || !name.starts_with('0');
    if canonical && name.bytes().all(|byte| byte.is_ascii_digit()) { name.parse().ok() } else { None }
}

fn unescape(name: &str) -> Option<String> {
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('~') {
        plain.push_str(before);
        rest = if let Some(after) = after.strip_prefix('0') {
            plain.push('~');
            after
        } else {
            plain.push('/');
            after.strip_prefix('1')?
        };
    }
    plain.push_str(rest);
    Some(plain)
}

impl fmt::Display for Path {
    /// Dotted where that reads back as this path, as a JSON Pointer otherwise: each path has one text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dotted = self.names().all(|name| !name.is_empty() && !name.contains('.'))
            && self.0.first().is_some_and(|name| !name.starts_with('/'));
        for (position, name) in self.names().enumerate() {
            if !dotted {
                write!(f, "/{}", name.replace('~', "~0").replace('/', "~1"))?;
            } else if position > 0 {
                write!(f, ".{name}")?;
            } else {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::new(text)
    }
}

/// What names a path: a text as [`Path`] reads it, or a path.
///
/// Calls that describe something (an op, an index, a filter) take it and report a malformed path when they are
/// registered or first used, together with what it was part of.
pub trait ToPath {
    /// The path.
    ///
    /// # Errors
    /// Where the text is malformed.
    fn to_path(&self) -> Result<Path, InvalidPath>;
}

impl ToPath for str {
    fn to_path(&self) -> Result<Path, InvalidPath> {
        Path::parse(self)
    }
}

impl ToPath for String {
    fn to_path(&self) -> Result<Path, InvalidPath> {
        Path::parse(self)
    }
}

impl ToPath for Path {
    fn to_path(&self) -> Result<Path, InvalidPath> {
        Ok(self.clone())
    }
}

impl<P: ToPath + ?Sized> ToPath for &P {
    fn to_path(&self) -> Result<Path, InvalidPath> {
        (**self).to_path()
    }
}

/// A text that is not a path, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed path: {flaw}: {text:?}")]
pub struct InvalidPath {
    text: String,
    flaw: Flaw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Flaw {
    #[error("a name between dots is empty")]
    EmptyName,
    #[error("~ is followed by neither 0 nor 1")]
    Escape,
    #[error("more than 128 names")]
    TooLong,
}

impl InvalidPath {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<InvalidPath> for Error {
    fn from(error: InvalidPath) -> Self {
        Self::new(ErrorKind::InvalidPath, "malformed path").with_path(&error.text).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        Path::new(text).unwrap().names().map(str::to_owned).collect()
    }

    #[test]
    fn reads_both_ways_of_writing() {
        assert_eq!(names("a.b.0"), ["a", "b", "0"]);
        assert_eq!(names("/a/b/0"), ["a", "b", "0"]);
        assert_eq!(names("/a.b/$x"), ["a.b", "$x"]);
        assert_eq!(names("$x"), ["$x"]);
        assert_eq!(names("~.a/b"), ["~", "a/b"]);
        assert_eq!(names("/~0/~1/~01"), ["~", "/", "~1"]);
        assert_eq!(names("/"), [""]);
        assert_eq!(names("/a//b"), ["a", "", "b"]);
        assert!(names("").is_empty());
    }

    #[test]
    fn refuses_what_is_neither() {
        for text in [".", "a.", ".a", "a..b", "/~", "/~2", "/a~/b"] {
            let error = Path::new(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidPath, "{text}");
            assert_eq!(error.context().path(), Some(text));
        }
        assert!(Path::new(&"a.".repeat(Path::MAX_NAMES)).is_err());
        assert!(Path::new(&"/a".repeat(Path::MAX_NAMES + 1)).is_err());
        assert_eq!(names(&"/a".repeat(Path::MAX_NAMES)).len(), Path::MAX_NAMES);
    }

    #[test]
    fn compares_names_not_text() {
        let path = |text| Path::new(text).unwrap();
        assert!(path("a").contains(&path("a.b")));
        assert!(!path("a").contains(&path("ab")));
        assert!(path("").contains(&path("a")));
        assert!(path("a.b").overlaps(&path("a")));
        assert!(!path("a.b").overlaps(&path("a.c")));
        assert_eq!(path("a.b").parent(), Some(path("a")));
        assert_eq!(path("a").child("b.c"), path("/a/b.c"));
    }

    #[test]
    fn an_index_has_one_form() {
        assert_eq!(as_index("0"), Some(0));
        assert_eq!(as_index("10"), Some(10));
        for name in ["", "00", "01", "+1", "-1", "1a", "99999999999999999999999"] {
            assert_eq!(as_index(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_displays(names in proptest::collection::vec("[ab./~$0]{0,3}", 0..5)) {
            let path = Path::from_names(names.clone()).unwrap();
            prop_assert_eq!(path.names().collect::<Vec<_>>(), names);
            prop_assert_eq!(Path::new(&path.to_string()).unwrap(), path);
        }

        #[test]
        fn has_one_text(text in "[ab./~01]{0,8}") {
            if let Ok(path) = Path::new(&text) {
                let canonical = path.to_string();
                prop_assert_eq!(Path::new(&canonical).unwrap().to_string(), canonical);
            }
        }
    }
}
