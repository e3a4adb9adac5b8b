//! Whether bytes are a body.

use crate::encoding::body::error::{BodyError, Fault};
use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::{Raw, check_keys, malformed_value, utf8};
use crate::encoding::body::token::{self, Token};

/// The value that `bytes` are, after a look at every byte: whatever the format calls malformed is refused, and what
/// exceeds the limits. Does not recurse. Costs O(n), O(n log n) for objects with many keys out of order.
pub(crate) fn validate(bytes: &[u8], limits: Limits) -> Result<Raw<'_>, BodyError> {
    if bytes.len() > limits.size {
        return Err(BodyError::new(Fault::TooLarge { limit: limits.size }));
    }
    let whole = Raw::new(bytes)?;
    let mut open = Vec::new();
    match walk(whole.token(), &mut open, limits) {
        Ok(()) => Ok(whole),
        Err(error) => Err(open.iter().rev().fold(error, |error, container| container.locate(error))),
    }
}

/// On an error, `open` are the containers around it.
fn walk<'a>(whole: Token<'a>, open: &mut Vec<Container<'a>>, limits: Limits) -> Result<(), BodyError> {
    check(whole, open, limits)?;
    while let Some(container) = open.last_mut() {
        match container.next()? {
            Some(child) => check(child, open, limits)?,
            None => {
                open.pop();
            }
        }
    }
    Ok(())
}

/// Checks a value but for its children, and opens it if it is a container.
fn check<'a>(token: Token<'a>, open: &mut Vec<Container<'a>>, limits: Limits) -> Result<(), BodyError> {
    let container = match token {
        Token::Array(content) => Container { rest: content, at: At::Element { read: 0 } },
        Token::Object(content) => {
            check_keys(content)?;
            Container { rest: content, at: At::Member { key: &[] } }
        }
        Token::String(string) => return utf8(string).map(drop),
        _ => return Ok(()),
    };
    if open.len() >= limits.depth {
        return Err(BodyError::new(Fault::TooDeep { limit: limits.depth }));
    }
    open.push(container);
    Ok(())
}

struct Container<'a> {
    rest: &'a [u8],
    at: At<'a>,
}

/// The child that was read last.
enum At<'a> {
    Element { read: usize },
    Member { key: &'a [u8] },
}

impl<'a> Container<'a> {
    fn next(&mut self) -> Result<Option<Token<'a>>, BodyError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        match &mut self.at {
            At::Element { read } => *read += 1,
            At::Member { key } => {
                *key = token::take_counted(&mut self.rest).ok_or_else(malformed_value)?;
                utf8(key)?;
            }
        }
        token::take(&mut self.rest).map(Some).ok_or_else(malformed_value)
    }

    fn locate(&self, error: BodyError) -> BodyError {
        match self.at {
            At::Element { read } => error.under_index(read.saturating_sub(1)),
            At::Member { key } => error.under_key_bytes(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> (Fault, String) {
        let error = validate(bytes, Limits::default()).unwrap_err();
        (error.fault().clone(), error.path())
    }

    #[test]
    fn what_the_format_calls_malformed() {
        for malformed in [
            &[][..],
            &[0x09],
            &[0x3f],
            &[0x00, 0x00],       // bytes after the value
            &[0x03, 0x7f],       // an integer with a tag of its own
            &[0x03, 0xff, 0x00], // a varint longer than it needs to be
            &[0x03],             // cut short
            &[0x04, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // below the least integer
            &[0x05, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f], // an infinity
            &[0x05, 1, 0, 0, 0, 0, 0, 0xf0, 0x7f], // NaN
            &[0x05, 0, 0, 0],
            &[0x06, 0x01, b'a'], // a string with a tag of its own
            &[0x41, 0xff],       // not UTF-8
            &[0x42, b'a'],
            &[0x07, 0x02, 0x80],                               // leaves the bytes
            &[0x07, 0x02, 0x42, b'a'],                         // leaves its container
            &[0x08, 0x02, 0x01, b'a'],                         // a key without a value
            &[0x08, 0x03, 0x01, 0xff, 0x80],                   // a key that is not UTF-8
            &[0x08, 0x06, 0x01, b'a', 0x80, 0x01, b'a', 0x81], // a key twice
        ] {
            assert!(matches!(fault(malformed).0, Fault::Malformed { .. }), "{malformed:x?}");
        }
    }

    #[test]
    fn the_path_leads_to_the_fault() {
        // {"a": [0, {"b": <not UTF-8>}]}
        assert_eq!(fault(&[0x08, 11, 1, b'a', 0x07, 7, 0x80, 0x08, 4, 1, b'b', 0x41, 0xff]).1, "/a/1/b");
        // {"a": {"k": 0, "k": 1}}
        assert_eq!(fault(&[0x08, 10, 1, b'a', 0x08, 6, 1, b'k', 0x80, 1, b'k', 0x81]).1, "/a/k");
    }

    #[test]
    fn limits() {
        let nested = |depth: usize| {
            let mut bytes = vec![0x80];
            for _ in 0..depth {
                let mut outer = vec![0x07];
                crate::encoding::body::varint::push(&mut outer, bytes.len() as u64);
                outer.append(&mut bytes);
                bytes = outer;
            }
            bytes
        };
        assert!(validate(&nested(128), Limits::default()).is_ok());
        assert_eq!(fault(&nested(129)).0, Fault::TooDeep { limit: 128 });
        assert_eq!(fault(&nested(129)).1, "/0".repeat(128));
        // A bomb: it must cost neither stack nor memory.
        assert_eq!(fault(&nested(20_000)).0, Fault::TooDeep { limit: 128 });
        let small = Limits { size: 3, ..Limits::default() };
        assert!(validate(&nested(1), small).is_ok());
        assert_eq!(*validate(&nested(2), small).unwrap_err().fault(), Fault::TooLarge { limit: 3 });
    }
}
