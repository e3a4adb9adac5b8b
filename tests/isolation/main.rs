//! Transactions and snapshots: what nobody may ever see.
//!
//! With the feature `testing` and `-- --nocapture` every named anomaly and every harness prints one line: how often it was run, what
//! it found, and that it found the fault that was planted for it in the same run. `PIVOTDB_SEED` repeats a run as far as threads
//! allow; `PIVOTDB_LONG=20` makes it about twenty times as long.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![cfg_attr(
    feature = "testing",
    expect(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a harness that cannot go on says where"
    )
)]

mod anomalies;
#[path = "../support/backends.rs"]
mod backends;
mod calls;
mod each;

#[cfg(feature = "testing")]
mod bank;
#[cfg(feature = "testing")]
mod chance;
#[cfg(feature = "testing")]
mod durable;
#[cfg(feature = "testing")]
mod histories;
#[cfg(feature = "testing")]
mod interleavings;
#[cfg(feature = "testing")]
mod named;
#[cfg(feature = "testing")]
mod neutral;
#[cfg(feature = "testing")]
mod progress;
#[cfg(feature = "testing")]
mod registers;
#[cfg(feature = "testing")]
mod report;
#[cfg(feature = "testing")]
mod scans;
#[cfg(feature = "testing")]
mod serial;
#[cfg(feature = "testing")]
mod stores;
