//! Fingerprints, section 5 of the [format](crate::documentation::format).

use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

use crate::model::stamp::{Fingerprint, Stamp};
use crate::value::canonical;

/// The stamp of the documents of `kind` before its first step.
pub(crate) fn root(kind: &str) -> Stamp {
    let mut hash = Xxh3::new();
    hash.update(b"pivotdb:1:");
    hash.update(kind.as_bytes());
    Stamp { schema_version: 1, fingerprint: finish(&hash) }
}

/// The stamp after a step, in canonical form, taken from `parent`. Of a reason to redefine it only counts that there is one.
pub(crate) fn after(parent: Stamp, step: &Value) -> Stamp {
    let mut text = String::new();
    match step.as_object().filter(|step| step.get("redefines").is_some_and(Value::is_string)) {
        Some(members) => {
            let mut members = members.clone();
            members.insert("redefines".to_owned(), Value::Bool(true));
            canonical::write(&Value::Object(members), &mut text);
        }
        None => canonical::write(step, &mut text),
    }
    let mut hash = Xxh3::new();
    hash.update(&parent.fingerprint.get().to_le_bytes());
    hash.update(text.as_bytes());
    Stamp { schema_version: parent.schema_version.saturating_add(1), fingerprint: finish(&hash) }
}

/// The first 8 bytes of the little-endian digest, as a little-endian number: its lower half.
fn finish(hash: &Xxh3) -> Fingerprint {
    Fingerprint::new(hash.digest128() as u64)
}
