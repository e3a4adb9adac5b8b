//! Trying again what others were quicker with.

use std::thread;
use std::time::Duration;

/// How often it is tried in all. Each failure means that somebody else has succeeded, so only one that meets others without pause
/// fails so often.
pub(crate) const TRIES: u32 = 1000;

/// After so many failures there is a wait before the next try, the longer the more there were, so that those who keep getting in each
/// other's way get out of it.
const EAGER_TRIES: u32 = 4;
const LONGEST_WAIT: Duration = Duration::from_millis(5);

/// Gives others time after the `tries`th try has failed.
pub(crate) fn pause_after(tries: u32) {
    if tries <= EAGER_TRIES {
        thread::yield_now();
    } else {
        thread::sleep((Duration::from_micros(50) * tries).min(LONGEST_WAIT));
    }
}
