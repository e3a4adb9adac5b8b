//! Merges as a program makes them, on values, for tests.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::encoding::body::limits::Limits;
use crate::encoding::body::raw::Raw;
use crate::encoding::merge::error::MergeError;
use crate::encoding::merge::keys::ArrayKeys;
use crate::encoding::merge::testing::{body, json, view};
use crate::encoding::merge::typed::merge;

/// Changes a stored value through `T`, and checks that `T` reads what was written.
pub(super) fn change<T: DeserializeOwned + Serialize>(
    base: Value,
    change: impl FnOnce(&mut T),
) -> Result<Value, MergeError> {
    let mut typed: T = serde_json::from_value(base.clone()).unwrap();
    let before = serde_json::to_value(&typed).unwrap();
    change(&mut typed);
    let after = serde_json::to_value(&typed).unwrap();
    let result = merge_values(base, before, after.clone(), &ArrayKeys::none(), view::<T>)?;
    assert_eq!(view::<T>(result.clone()), Some(after), "{result}");
    Ok(result)
}

pub(super) fn merge_values(
    base: Value,
    before: Value,
    after: Value,
    keys: &ArrayKeys,
    view: impl Fn(Value) -> Option<Value>,
) -> Result<Value, MergeError> {
    let (base, before, after) = (body(base), body(before), body(after));
    let reread = |raw: Raw<'_>| view(raw.to_value().ok()?).map(body);
    let [base, before, after] = [&base, &before, &after].map(|body| Raw::new(body).unwrap());
    merge(base, before, after, Limits::default(), keys, &reread).map(|merged| json(&merged))
}
