//! A change in one view of a document, made on another.

use crate::encoding::body::error::BodyError;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::{Kind, Raw};
use crate::encoding::body::writer::Writer;

/// `base` with the difference from `before` to `after` made on it: members of objects at every depth that are in neither of them, or
/// equal in both, stay as they are in `base`; everything else is as in `after`.
pub(crate) fn merge(
    base: Raw<'_>,
    before: Raw<'_>,
    after: Raw<'_>,
    limits: Limits,
) -> Result<Vec<u8>, BodyError> {
    let mut writer = Writer::new(limits);
    write(&mut writer, base, before, after)?;
    writer.finish()
}

fn write(writer: &mut Writer, base: Raw<'_>, before: Raw<'_>, after: Raw<'_>) -> Result<(), BodyError> {
    if before.bytes() == after.bytes() {
        return writer.raw(base);
    }
    if [base, before, after].iter().any(|value| value.kind() != Kind::Object) {
        return writer.raw(after);
    }
    let object = writer.begin_object()?;
    for member in base.members() {
        let (key, value) = member?;
        match (before.get(key)?, after.get(key)?) {
            (None, None) => {
                writer.key(key)?;
                writer.raw(value)?;
            }
            (Some(before), Some(after)) => {
                writer.key(key)?;
                write(writer, value, before, after)?;
            }
            (None, Some(after)) => {
                writer.key(key)?;
                writer.raw(after)?;
            }
            (Some(_), None) => {}
        }
    }
    for member in after.members() {
        let (key, value) = member?;
        let is_new =
            base.get(key)?.is_none() && before.get(key)?.is_none_or(|before| before.bytes() != value.bytes());
        if is_new {
            writer.key(key)?;
            writer.raw(value)?;
        }
    }
    writer.end(object)
}
