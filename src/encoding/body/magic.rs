//! Names by which serde_json's own types make themselves known to its own formats. They are stable in fact: a change would
//! break every pair of serde_json versions in one program.

/// The struct, and its one field, as which a `Number` serializes under `arbitrary_precision`; the field's value is text.
pub(super) const NUMBER: &str = "$serde_json::private::Number";
/// The struct, and its one field, as which a `RawValue` serializes, and the newtype as which it deserializes; the
/// field's value is JSON text.
pub(super) const RAW_VALUE: &str = "$serde_json::private::RawValue";
