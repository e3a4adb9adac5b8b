//! Entity tags and preconditions (RFC 9110, sections 8.8.3 and 13).

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use pivotdb::Document;

use crate::failure::Failure;

/// The entity tag of a document: its revision, and when it was inserted, since one that is deleted and made anew begins again at
/// revision 1.
pub fn tag<T>(document: &Document<T>) -> String {
    format!("\"{:x}-{}\"", document.created().as_micros(), document.revision())
}

/// What a request says of the state that it may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    None,
    /// `If-Match`: it must have one of these tags.
    Match(Tags),
    /// `If-None-Match`: it must have none of these.
    NoneMatch(Tags),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tags {
    /// `*`: whatever there is.
    Any,
    These(Vec<String>),
}

impl Precondition {
    /// `If-Match` comes before `If-None-Match`, as the RFC says.
    pub fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        if let Some(tags) = tags(headers, &IF_MATCH)? {
            return Ok(Self::Match(tags));
        }
        Ok(tags(headers, &IF_NONE_MATCH)?.map_or(Self::None, Self::NoneMatch))
    }

    /// Whether it holds where there is what has this tag, or nothing.
    pub fn holds(&self, current: Option<&str>) -> bool {
        match self {
            Self::None => true,
            Self::Match(tags) => current.is_some_and(|current| tags.have(current, false)),
            Self::NoneMatch(tags) => !current.is_some_and(|current| tags.have(current, true)),
        }
    }

    /// As [`holds`](Self::holds), of something that is there.
    pub fn check(&self, current: &str) -> Result<(), Failure> {
        if self.holds(Some(current)) { Ok(()) } else { Err(Failure::PreconditionFailed) }
    }
}

impl Tags {
    /// A weak tag equals no strong one, unless the comparison is weak.
    fn have(&self, current: &str, weakly: bool) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|tag| match tag.strip_prefix("W/") {
                Some(tag) => weakly && tag == current,
                None => tag == current,
            }),
        }
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Failure> {
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        let value = value.to_str().map_err(|_| Failure::BadRequest("an entity tag is not ASCII".into()))?;
        if value.trim() == "*" {
            return Ok(Some(Tags::Any));
        }
        // Our own tags have no commas; those of others match nothing here, in pieces or whole.
        tags.extend(value.split(',').map(|tag| tag.trim().to_owned()));
    }
    Ok((!tags.is_empty()).then_some(Tags::These(tags)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn precondition(name: HeaderName, value: &str) -> Precondition {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        Precondition::of(&headers).unwrap()
    }

    #[test]
    fn matches() {
        let one = precondition(IF_MATCH, "\"a-1\", \"a-2\"");
        assert!(one.holds(Some("\"a-2\"")) && !one.holds(Some("\"a-3\"")) && !one.holds(None));
        let any = precondition(IF_MATCH, "*");
        assert!(any.holds(Some("\"a-1\"")) && !any.holds(None));
        assert!(!precondition(IF_MATCH, "W/\"a-1\"").holds(Some("\"a-1\"")), "compared strongly");
        assert!(Precondition::of(&HeaderMap::new()).unwrap().holds(None));
    }

    #[test]
    fn none_matches() {
        let none = precondition(IF_NONE_MATCH, "*");
        assert!(none.holds(None) && !none.holds(Some("\"a-1\"")));
        let other = precondition(IF_NONE_MATCH, "W/\"a-1\"");
        assert!(!other.holds(Some("\"a-1\"")) && other.holds(Some("\"a-2\"")), "compared weakly");
    }
}
