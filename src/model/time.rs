//! Points in time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time to the microsecond, as the wall clock of the writing machine gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
            Err(before) => Self(i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us)),
        }
    }

    /// Microseconds since 1970 UTC; negative before it.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970 UTC; negative before it.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// As the standard library's type; `None` where that type cannot express it.
    #[must_use]
    pub fn to_system_time(self) -> Option<SystemTime> {
        let distance = Duration::from_micros(self.0.unsigned_abs());
        if self.0 < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_on_both_sides_of_1970() {
        assert_eq!(Timestamp::from_micros(0).to_system_time(), Some(UNIX_EPOCH));
        let before = Timestamp::from_micros(-1_500_000).to_system_time().unwrap();
        assert_eq!(UNIX_EPOCH.duration_since(before).unwrap(), Duration::from_millis(1500));
        assert!(Timestamp::now() > Timestamp::from_micros(0));
    }
}
