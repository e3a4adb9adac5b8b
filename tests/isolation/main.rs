//! Transactions and snapshots: what nobody may ever see.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod anomalies;
mod calls;
#[cfg(feature = "testing")]
mod durable;
