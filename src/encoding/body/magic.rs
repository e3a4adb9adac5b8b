//! Names by which serde_json's own types make themselves known to its own formats. They are stable in fact: a change would
//! break every pair of serde_json versions in one program.

use serde_json::{Map, Value};

use crate::encoding::body::error::BodyError;
use crate::encoding::body::token;

/// The struct, and its one field, as which a `Number` serializes under `arbitrary_precision`; the field's value is text.
pub(super) const NUMBER: &str = "$serde_json::private::Number";
/// The struct, and its one field, as which a `RawValue` serializes, and the newtype as which it deserializes; the
/// field's value is JSON text.
pub(super) const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Refuses to show an object to a visitor of any value where serde_json would take it for one of its own types, by the name of its first
/// member, and give another value than is there. It does so under its features only, and so does this.
#[inline]
pub(super) fn refuse_mistakable(content: &[u8]) -> Result<(), BodyError> {
    // Both names begin so, and are short enough for a length of one byte.
    if content.get(1) == Some(&b'$') { refuse_mistaken(content) } else { Ok(()) }
}

#[cold]
fn refuse_mistaken(mut content: &[u8]) -> Result<(), BodyError> {
    let key = token::take_counted(&mut content).unwrap_or_default();
    let Some(name) = [NUMBER, RAW_VALUE].into_iter().find(|name| name.as_bytes() == key) else {
        return Ok(());
    };
    let object = Map::from_iter([(name.to_owned(), Value::from("1"))]);
    match serde_json::from_str(&Value::Object(object).to_string()) {
        Ok(Value::Object(_)) => Ok(()),
        _ => Err(BodyError::mismatch("serde_json takes an object with this key for a value of its own")
            .under_key(name)),
    }
}
