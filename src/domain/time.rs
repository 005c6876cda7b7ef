//! Time as whole milliseconds; finer digits are cut. Time is always an argument, never read from a clock here.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A length of time in milliseconds; negative where one instant lies before another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Millis(i64);

impl Timestamp {
    /// Before every instant an event may carry.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// After every instant an event may carry.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// The instant `ms` milliseconds after the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Timestamp(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Parses RFC 3339 with an offset (`2026-11-21T10:00:00.000Z`). Digits finer than milliseconds are cut.
    ///
    /// # Errors
    /// The text is not RFC 3339, has no offset, or lies outside the years 0 to 9999.
    pub fn parse_rfc3339(text: &str) -> Result<Self, jiff::Error> {
        if let Some(ms) = plain_utc(text.as_bytes()) {
            return Ok(Timestamp(ms));
        }
        // jiff takes other spellings of ISO 8601 too, which another reader of the same topic would refuse.
        if !has_rfc3339_shape(text.as_bytes()) {
            return Err(jiff::Error::from_args(format_args!("not of the form 2026-11-21T10:00:00.000Z")));
        }
        text.parse::<jiff::Timestamp>().map(|t| Timestamp(t.as_nanosecond().div_euclid(1_000_000) as i64))
    }

    /// True where RFC 3339 can write it: from the year 0 to 9999-12-30T22:00:00Z, the last that jiff knows.
    pub const fn is_writable(self) -> bool {
        -62_167_219_200_000 <= self.0 && self.0 <= 253_402_207_200_000
    }

    /// As every output carries it, where it can be written: an exception has ten of them, and jiff's own printer costs some
    /// ten times as much.
    fn plainly(self) -> Option<[u8; 24]> {
        const DAY: i64 = 86_400_000;
        if !self.is_writable() {
            return None;
        }
        let (year, month, day) = date(self.0.div_euclid(DAY));
        let within = self.0.rem_euclid(DAY);
        let [hour, minute, second, ms] = [within / 3_600_000, within / 60_000 % 60, within / 1000 % 60, within % 1000];
        let digit = |n: i64, unit: i64| b'0' + (n / unit % 10) as u8;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let numbers =
            [(0, year, 4), (5, month, 2), (8, day, 2), (11, hour, 2), (14, minute, 2), (17, second, 2), (20, ms, 3)];
        for (at, number, digits) in numbers {
            let units = [1000, 100, 10, 1];
            let units = units.iter().skip(units.len() - digits);
            for (byte, unit) in text.iter_mut().skip(at).zip(units) {
                *byte = digit(number, *unit);
            }
        }
        Some(text)
    }

    /// The next instant: the smallest frontier that lies strictly past this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Timestamp(self.0.saturating_add(1))
    }
}

/// What nearly every producer writes, `2026-11-21T10:00:00.000Z`, a day that every month has: an event's time is read in
/// the hot path, and jiff's own parser, which decides about all else, costs some ten times as much.
fn plain_utc(text: &[u8]) -> Option<i64> {
    let (seconds, fraction) = text.split_first_chunk::<19>()?;
    let two = |tens: u8, ones: u8| i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
    let fraction = match fraction {
        [b'Z'] => 0,
        [b'.', a, b, c, b'Z'] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => {
            two(*a, *b) * 10 + i64::from(c - b'0')
        }
        _ => return None,
    };
    let shape = b"0000-00-00T00:00:00";
    let is_plain = |(byte, like): (&u8, &u8)| if *like == b'0' { byte.is_ascii_digit() } else { byte == like };
    // Without a branch for each byte.
    if !seconds.iter().zip(shape).fold(true, |all, pair| all & is_plain(pair)) {
        return None;
    }
    let [y0, y1, y2, y3, _, m0, m1, _, d0, d1, _, h0, h1, _, n0, n1, _, s0, s1] = *seconds;
    let (year, month, day) = (two(y0, y1) * 100 + two(y2, y3), two(m0, m1), two(d0, d1));
    let (hour, minute, second) = (two(h0, h1), two(n0, n1), two(s0, s1));
    let is_valid = (1..=12).contains(&month) && (1..=28).contains(&day) && hour < 24 && minute < 60 && second < 60;
    if !is_valid {
        return None;
    }
    Some((((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + fraction)
}

/// Days from the epoch in the Gregorian calendar, from the year 0 on: a year is counted from March, so that the day that not
/// every year has is its last.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// The year, month and day that lies so many days after the epoch: [`days_since_1970`] the other way.
const fn date(days: i64) -> (i64, i64, i64) {
    const OF_400_YEARS: i64 = 146_097;
    let since = days + 719_468;
    let of_era = since.rem_euclid(OF_400_YEARS);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = since.div_euclid(OF_400_YEARS) * 400 + year_of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// `DDDD-DD-DDTDD:DD:DD`, then perhaps a point and digits, then `Z` or `+DD:DD`. The letters may be small, as RFC 3339
/// allows. Whether the numbers make a date is jiff's to say.
fn has_rfc3339_shape(text: &[u8]) -> bool {
    fn fits(text: &[u8], shape: &[u8]) -> bool {
        text.len() == shape.len()
            && text.iter().zip(shape).all(|(t, s)| match s {
                b'0' => t.is_ascii_digit(),
                b'+' => matches!(t, b'+' | b'-'),
                _ => t.eq_ignore_ascii_case(s),
            })
    }
    let Some((seconds, rest)) = text.split_at_checked(19) else { return false };
    let offset = match rest.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            fraction.get(digits..).unwrap_or_default()
        }
        None => rest,
    };
    fits(seconds, b"0000-00-00T00:00:00") && (fits(offset, b"Z") || fits(offset, b"+00:00"))
}

impl Millis {
    /// No time at all.
    pub const ZERO: Millis = Millis(0);

    /// `ms` milliseconds.
    pub const fn new(ms: i64) -> Self {
        Millis(ms)
    }

    /// `s` seconds.
    pub const fn from_secs(s: i64) -> Self {
        Millis(s * 1000)
    }

    /// Whole milliseconds.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// `percent` hundredths of this length, rounded down to a millisecond.
    #[must_use]
    pub const fn percent(self, percent: u8) -> Self {
        Millis((self.0 as i128 * percent as i128).div_euclid(100) as i64)
    }

    /// Seconds with a fraction, for metrics.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

// Saturating: a policy of a thousand years on an event of the year 9999 must not wrap into the past.
impl Add<Millis> for Timestamp {
    type Output = Timestamp;
    fn add(self, rhs: Millis) -> Timestamp {
        Timestamp(self.0.saturating_add(rhs.0))
    }
}

impl Sub<Millis> for Timestamp {
    type Output = Timestamp;
    fn sub(self, rhs: Millis) -> Timestamp {
        Timestamp(self.0.saturating_sub(rhs.0))
    }
}

impl Sub for Timestamp {
    type Output = Millis;
    fn sub(self, rhs: Timestamp) -> Millis {
        Millis(self.0.saturating_sub(rhs.0))
    }
}

impl Add for Millis {
    type Output = Millis;
    fn add(self, rhs: Millis) -> Millis {
        Millis(self.0.saturating_add(rhs.0))
    }
}

impl Sub for Millis {
    type Output = Millis;
    fn sub(self, rhs: Millis) -> Millis {
        Millis(self.0.saturating_sub(rhs.0))
    }
}

/// RFC 3339 in UTC with exactly three digits of fraction, as every output carries it.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.plainly(), jiff::Timestamp::from_millisecond(self.0)) {
            (Some(text), _) => f.write_str(std::str::from_utf8(&text).unwrap_or_default()),
            (None, Ok(t)) => write!(f, "{t:.3}"),
            (None, Err(_)) => write!(f, "{}ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.plainly() {
            Some(text) => serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default()),
            None => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Timestamp::parse_rfc3339(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_three_digits_and_reads_them_back() {
        let t = Timestamp::from_millis(1_763_719_200_000);
        assert_eq!(t.to_string(), "2025-11-21T10:00:00.000Z");
        assert_eq!(Timestamp::parse_rfc3339(&t.to_string()).unwrap(), t);
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_by_hand_is_what_jiff_reads(
            ms in -62_167_219_200_000_i64..253_402_207_200_000,
            spoilt in 0..40_usize,
            with in "[0-9TZ:.+-]",
        ) {
            let mut text = Timestamp::from_millis(ms).to_string();
            let by_hand = plain_utc(text.as_bytes());
            proptest::prop_assert!(by_hand.is_none_or(|read| read == ms), "{text}");
            proptest::prop_assert_eq!(by_hand.is_some(), &text[8..10] <= "28", "{}", text);
            if spoilt < text.len() {
                text.replace_range(spoilt..=spoilt, &with);
            }
            let jiff = text.parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond());
            proptest::prop_assert!(plain_utc(text.as_bytes()).is_none_or(|read| Some(read) == jiff), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_by_hand_is_what_jiff_writes(ms in -62_167_219_200_000_i64..=253_402_207_200_000) {
            let time = Timestamp::from_millis(ms);
            let jiff = format!("{:.3}", jiff::Timestamp::from_millisecond(ms).unwrap());
            proptest::prop_assert_eq!(time.plainly().map(|text| text.to_vec()), Some(jiff.into_bytes()));
            proptest::prop_assert_eq!(serde_json::to_string(&time).unwrap(), format!("\"{time}\""));
        }
    }

    #[test]
    fn every_day_of_400_years_has_its_date() {
        let year_of = |days| date(days).0;
        for days in days_since_1970(1600, 1, 1)..days_since_1970(2001, 1, 1) {
            let (year, month, day) = date(days);
            assert_eq!(days_since_1970(year, month, day), days);
            assert!((1..=12).contains(&month) && (1..=31).contains(&day) && year_of(days) <= year_of(days + 1));
        }
    }

    #[test]
    fn cuts_finer_digits_also_before_the_epoch() {
        assert_eq!(Timestamp::parse_rfc3339("1970-01-01T00:00:00.0019Z").unwrap().as_millis(), 1);
        assert_eq!(Timestamp::parse_rfc3339("1969-12-31T23:59:59.9991Z").unwrap().as_millis(), -1);
    }

    #[test]
    fn takes_rfc3339_and_no_other_spelling() {
        let at = |text: &str| Timestamp::parse_rfc3339(text).map(Timestamp::as_millis).ok();
        assert_eq!(at("2025-11-21T11:00:00+01:00"), Some(1_763_719_200_000));
        assert_eq!(at("2025-11-21t10:00:00.5z"), Some(1_763_719_200_500));
        assert_eq!(at("2025-11-21T10:00:00-00:00"), Some(1_763_719_200_000));
        for refused in [
            "",
            "2025-11-21",
            "2025-11-21T10:00:00",
            "2025-11-21 10:00:00Z",
            "2025-11-21T10:00Z",
            "20251121T100000Z",
            "2025-11-21T10:00:00.Z",
            "2025-11-21T10:00:00,5Z",
            "2025-11-21T10:00:00+01",
            "2025-11-21T10:00:00+0100",
            "2025-11-21T10:00:00Z[Europe/Berlin]",
            "2025-02-29T10:00:00Z",
            "2025-11-21T24:00:00Z",
            "+002025-11-21T10:00:00Z",
            "2025-11-21T10:00:0\u{662}Z",
        ] {
            assert_eq!(at(refused), None, "{refused}");
        }
    }

    #[test]
    fn what_is_writable_prints_and_reads_back() {
        for ms in [-62_167_219_200_000, -1, 0, 253_402_207_200_000] {
            let t = Timestamp::from_millis(ms);
            assert!(t.is_writable(), "{t}");
            assert_eq!(Timestamp::parse_rfc3339(&t.to_string()).unwrap(), t);
        }
        for ms in [i64::MIN, -62_167_219_200_001, 253_402_207_200_001, i64::MAX] {
            let t = Timestamp::from_millis(ms);
            assert!(!t.is_writable() && Timestamp::parse_rfc3339(&t.to_string()).is_err(), "{t}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX + Millis::new(1), Timestamp::MAX);
        assert_eq!(Millis::new(3_600_000).percent(80), Millis::new(2_880_000));
    }
}
