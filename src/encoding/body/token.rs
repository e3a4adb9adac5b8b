//! One step of reading: the value at the front, its children still as bytes.

use crate::encoding::body::{tag, varint};

/// A value whose text is unchecked and whose children are unread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    /// Always below zero.
    Negative(i64),
    /// Always finite.
    Float(f64),
    /// Not known to be UTF-8.
    String(&'a [u8]),
    /// The elements, one after the other.
    Array(&'a [u8]),
    /// The members: key length, key, value, one after the other.
    Object(&'a [u8]),
}

/// Takes the value at the front; `None` where there is none or its own bytes are malformed. A container is taken whole,
/// whatever is in it, so skipping costs the same for every value.
#[inline]
pub(super) fn take<'a>(bytes: &mut &'a [u8]) -> Option<Token<'a>> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    match first {
        tag::SMALL..=tag::SMALL_END => Some(Token::Unsigned(u64::from(first - tag::SMALL))),
        tag::SHORT_STRING..=tag::SHORT_STRING_END => {
            let (string, rest) = rest.split_at_checked(usize::from(first - tag::SHORT_STRING))?;
            *bytes = rest;
            Some(Token::String(string))
        }
        _ => take_tagged(first, bytes),
    }
}

/// What follows a tag that holds nothing but itself.
fn take_tagged<'a>(tag: u8, bytes: &mut &'a [u8]) -> Option<Token<'a>> {
    Some(match tag {
        tag::NULL => Token::Null,
        tag::FALSE => Token::Bool(false),
        tag::TRUE => Token::Bool(true),
        tag::UNSIGNED => Token::Unsigned(varint::take(bytes).filter(|&n| n > tag::SMALL_MAX)?),
        // -1 - m is the complement of m.
        tag::NEGATIVE => Token::Negative(!i64::try_from(varint::take(bytes)?).ok()?),
        tag::FLOAT => {
            let (float, rest) = bytes.split_first_chunk()?;
            *bytes = rest;
            Token::Float(Some(f64::from_le_bytes(*float)).filter(|float| float.is_finite())?)
        }
        tag::STRING => {
            Token::String(take_counted(bytes).filter(|string| string.len() > tag::SHORT_STRING_MAX)?)
        }
        tag::ARRAY => Token::Array(take_counted(bytes)?),
        tag::OBJECT => Token::Object(take_counted(bytes)?),
        _ => return None,
    })
}

/// Takes a varint and as many bytes: the content of a container, or the key of a member.
#[inline]
pub(super) fn take_counted<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = varint::take(bytes)?;
    let (taken, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    Some(taken)
}

/// Takes the member at the front: its key, which is not known to be UTF-8, and its value.
#[inline]
pub(super) fn take_member<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], Token<'a>)> {
    Some((take_counted(bytes)?, take(bytes)?))
}
