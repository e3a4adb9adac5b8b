//! Points in time, as documents write them.

/// How a document writes a point in time.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Time {
    /// As text, RFC 3339: `2024-02-29T12:00:00.5+02:00`. Written in UTC, with `Z` and as many digits of a second as it takes.
    Rfc3339,
    /// As seconds since 1970 UTC. Written as an integer, rounded down.
    EpochSeconds,
    /// As milliseconds since 1970 UTC. Written as an integer, rounded down.
    EpochMillis,
    /// As microseconds since 1970 UTC. Written as an integer, rounded down.
    EpochMicros,
}

impl Time {
    /// Units in a second; `None` for text.
    pub(crate) fn units(self) -> Option<i128> {
        match self {
            Self::Rfc3339 => None,
            Self::EpochSeconds => Some(1),
            Self::EpochMillis => Some(1_000),
            Self::EpochMicros => Some(1_000_000),
        }
    }
}

const SECOND: i128 = 1_000_000_000;
const DAY: i64 = 86_400;

/// A point in time in the years 0 to 9999, in nanoseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instant(i128);

impl Instant {
    /// -719,528 days: the year 0.
    const FIRST: i128 = -719_528 * DAY as i128 * SECOND;
    /// 2,932,897 days: the year 10000.
    const END: i128 = 2_932_897 * DAY as i128 * SECOND;

    fn new(nanos: i128) -> Option<Self> {
        (Self::FIRST..Self::END).contains(&nanos).then_some(Self(nanos))
    }

    /// `count` of units of which a second has `units`.
    pub(crate) fn from_units(count: i128, units: i128) -> Option<Self> {
        Self::new(count.checked_mul(SECOND.checked_div(units)?)?)
    }

    /// As [`from_units`](Self::from_units), with a fraction.
    pub(crate) fn from_float(count: f64, units: i128) -> Option<Self> {
        // The whole part is exact; the fraction has what digits a float of this size has.
        let whole = count.floor();
        if !count.is_finite() {
            return None;
        }
        let nanos = (count - whole) * (SECOND.checked_div(units)? as f64);
        Self::new(Self::from_units(whole as i128, units)?.0.checked_add(nanos.round() as i128)?)
    }

    /// In units of which a second has `units`, rounded down.
    pub(crate) fn in_units(self, units: i128) -> i128 {
        SECOND.checked_div(units).map_or(0, |unit| self.0.div_euclid(unit))
    }

    pub(crate) fn to_rfc3339(self) -> String {
        let seconds = i64::try_from(self.0.div_euclid(SECOND)).unwrap_or_default();
        let nanos = self.0.rem_euclid(SECOND);
        let (year, month, day) = civil(seconds.div_euclid(DAY));
        let time = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if nanos != 0 {
            text.push_str(format!(".{nanos:09}").trim_end_matches('0'));
        }
        text.push('Z');
        text
    }
}

/// Reads RFC 3339. Digits beyond the nanosecond are dropped; a leap second is not accepted, nor is `24:00`.
pub(crate) fn parse(text: &str) -> Option<Instant> {
    let mut rest = text;
    let (year, month, day) =
        (number(&mut rest, 4, b'-')?, number(&mut rest, 2, b'-')?, number(&mut rest, 2, b' ')?);
    let (hour, minute) = (number(&mut rest, 2, b':')?, number(&mut rest, 2, b':')?);
    let second = digits(&mut rest, 2)?;
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let count = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let mut kept = fraction.get(..count.min(9)).filter(|kept| !kept.is_empty())?;
        nanos = digits(&mut kept, count.min(9))?;
        for _ in count..9 {
            nanos = nanos.checked_mul(10)?;
        }
        rest = fraction.get(count..)?;
    }
    let offset = if matches!(rest, "Z" | "z") {
        0
    } else {
        let sign = if rest.starts_with('+') { 1 } else { -1 };
        let mut zone = rest.strip_prefix(['+', '-'])?;
        let (hours, minutes) = (number(&mut zone, 2, b':')?, digits(&mut zone, 2)?);
        if !zone.is_empty() || hours > 23 || minutes > 59 {
            return None;
        }
        sign * (hours * 60 + minutes) * 60
    };
    let days = days(year, month, day)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days * DAY + hour * 3_600 + minute * 60 + second - offset;
    Instant::new(i128::from(seconds) * SECOND + i128::from(nanos))
}

/// Takes `count` digits and what ends them; a date may end in `T`, `t` or a space.
fn number(rest: &mut &str, count: usize, end: u8) -> Option<i64> {
    let number = digits(rest, count)?;
    *rest =
        if end == b' ' { rest.strip_prefix(['T', 't', ' ']) } else { rest.strip_prefix(char::from(end)) }?;
    Some(number)
}

fn digits(rest: &mut &str, count: usize) -> Option<i64> {
    let (digits, after) = rest.split_at_checked(count)?;
    *rest = after;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Days since 1970 of a date in the proleptic Gregorian calendar; `None` where there is no such date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // A year from March to February, so that a leap day comes last. 400 years have 146,097 days.
    let from_march = (month + 9) % 12;
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    // A day beyond the end of its month comes back as another date.
    (civil(days).1 == month).then_some(days)
}

/// Year, month and day.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> Option<i128> {
        parse(text).map(|instant| instant.in_units(1))
    }

    #[test]
    fn reads_rfc_3339() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("1969-12-31 23:59:59.9z"), Some(-1));
        assert_eq!(seconds("1985-04-12T23:20:50.52Z"), Some(482_196_050));
        assert_eq!(seconds("1996-12-19T16:39:57-08:00"), Some(851_042_397));
        assert_eq!(seconds("1937-01-01T12:00:27.87+00:20"), Some(-1_041_337_173));
        assert_eq!(seconds("0000-01-01T00:00:00Z"), Some(-62_167_219_200));
        assert_eq!(seconds("9999-12-31T23:59:59.999999999999Z"), Some(253_402_300_799));
        for refused in [
            "",
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "1990-12-31T23:59:60Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+0100",
            "2024-01-01T00:00:00+24:00",
            "2024-01-01T00:00:00Z ",
            "2024-01-01",
            "24-01-01T00:00:00Z",
            "+024-01-01T00:00:00Z",
            "2024-01-01T00:00:0éZ",
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(seconds(refused), None, "{refused}");
        }
        assert!(parse("2000-02-29T00:00:00Z").is_some());
    }

    #[test]
    fn writes_what_it_takes() {
        assert_eq!(parse("2024-02-29T12:00:00.500+02:00").unwrap().to_rfc3339(), "2024-02-29T10:00:00.5Z");
        assert_eq!(Instant::from_units(-1, 1_000_000).unwrap().to_rfc3339(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(Instant::from_units(253_402_300_800, 1), None);
        assert_eq!(Instant::from_units(i128::MAX, 1), None);
        assert_eq!(Instant::from_float(f64::NAN, 1), None);
        assert_eq!(Instant::from_float(1e300, 1), None);
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(nanos in Instant::FIRST..Instant::END) {
            let instant = Instant(nanos);
            prop_assert_eq!(parse(&instant.to_rfc3339()), Some(instant));
        }
    }
}
