//! The merge behind typed writes without a store around it, for benches.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::encoding::body::de::from_body;
use crate::encoding::body::limits::Limits;
use crate::encoding::body::noting::from_body_noting;
use crate::encoding::body::raw::Raw;
use crate::encoding::body::ser::{append_body, to_body};
use crate::encoding::merge::keys::ArrayKeys;
use crate::encoding::merge::typed::merge_noted;
use crate::error::error::Result;

/// A value as it is stored.
///
/// # Errors
/// `NotRepresentable`, `TooDeep` or `TooLarge` when it cannot be.
pub fn stored<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    Ok(to_body(value, Limits::default())?)
}

/// A stored value as a type sees it.
///
/// # Errors
/// `Mismatch` when the type does not see it.
pub fn seen<T: DeserializeOwned>(stored: &[u8]) -> Result<T> {
    Ok(from_body(Raw::new(stored)?)?)
}

/// What [`Collection::update`](crate::Collection::update) makes of a stored value.
///
/// # Errors
/// As there, as far as the value is concerned.
pub fn update<T: Serialize + DeserializeOwned>(
    stored: &[u8],
    change: impl FnOnce(&mut T),
) -> Result<Vec<u8>> {
    let limits = Limits::default();
    let (mut value, notes) = from_body_noting::<T>(Raw::new(stored)?)?;
    let mut bodies = to_body(&value, limits)?;
    let length = bodies.len();
    change(&mut value);
    append_body(&mut bodies, &value, limits)?;
    let (before, after) = bodies.split_at(length);
    let reread = |body: Raw<'_>| to_body(&from_body::<T>(body).ok()?, limits).ok();
    let keys = ArrayKeys::none();
    Ok(merge_noted(&notes, Raw::new(before)?, Raw::new(after)?, limits, &keys, &reread)?.into_owned())
}
