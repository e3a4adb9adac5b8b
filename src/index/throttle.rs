//! How much the thread that builds indexes works.

use std::time::Duration;

/// The longest that one step of work makes it rest.
const LONGEST: Duration = Duration::from_secs(60);

/// How much the thread that builds indexes works, so that something is left for others; see [`Builder::build_throttle`](crate::Builder::build_throttle).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Throttle {
    /// It never rests.
    Off,
    /// So many hundredths of the time, from 1 to 100: with 50 it rests after each step for as long as that has taken.
    Share(u8),
    /// At most so many documents in a second.
    DocumentsPerSecond(u32),
}

impl Default for Throttle {
    fn default() -> Self {
        Self::Share(50)
    }
}

impl Throttle {
    /// Whether it lets anything be done, and no more than everything.
    pub(crate) const fn is_sound(self) -> bool {
        match self {
            Self::Off => true,
            Self::Share(share) => share >= 1 && share <= 100,
            Self::DocumentsPerSecond(documents) => documents >= 1,
        }
    }

    /// The most documents of one step, of so many.
    pub(crate) fn batch(self, documents: usize) -> usize {
        match self {
            Self::DocumentsPerSecond(most) => {
                documents.min(usize::try_from(most).unwrap_or(usize::MAX)).max(1)
            }
            Self::Off | Self::Share(_) => documents,
        }
    }

    /// How long to rest after a step that has taken so long, for so many documents.
    pub(crate) fn rest(self, worked: Duration, documents: u64) -> Duration {
        let rest = match self {
            Self::Off => Duration::ZERO,
            Self::Share(share) => {
                let share = u32::from(share.clamp(1, 100));
                worked.saturating_mul(100_u32.saturating_sub(share)) / share
            }
            Self::DocumentsPerSecond(most) => {
                let micros = documents.saturating_mul(1_000_000) / u64::from(most.max(1));
                Duration::from_micros(micros).saturating_sub(worked)
            }
        };
        rest.min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_as_it_is_told() {
        let worked = Duration::from_millis(30);
        let rest = |throttle: Throttle| throttle.rest(worked, 64).as_millis();
        assert_eq!(rest(Throttle::default()), 30);
        assert_eq!(rest(Throttle::Share(25)), 90);
        assert_eq!(rest(Throttle::Share(100)) + rest(Throttle::Off), 0);
        assert_eq!(rest(Throttle::DocumentsPerSecond(640)), 70);
        assert_eq!(rest(Throttle::DocumentsPerSecond(1_000_000)), 0);
        assert_eq!(Throttle::Share(1).rest(Duration::from_secs(5), 1), LONGEST);
        assert_eq!(Throttle::DocumentsPerSecond(5).batch(64), 5);
        let unsound = [Throttle::Share(0), Throttle::Share(101), Throttle::DocumentsPerSecond(0)];
        assert!(!unsound.into_iter().any(Throttle::is_sound));
    }
}
