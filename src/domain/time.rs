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
    /// The text is not RFC 3339, has no offset, or lies outside the years −9999 to 9999.
    pub fn parse_rfc3339(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<jiff::Timestamp>().map(|t| Timestamp(t.as_nanosecond().div_euclid(1_000_000) as i64))
    }

    /// The next instant: the smallest frontier that lies strictly past this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Timestamp(self.0.saturating_add(1))
    }
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
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
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
        serializer.collect_str(self)
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

    #[test]
    fn cuts_finer_digits_also_before_the_epoch() {
        assert_eq!(Timestamp::parse_rfc3339("1970-01-01T00:00:00.0019Z").unwrap().as_millis(), 1);
        assert_eq!(Timestamp::parse_rfc3339("1969-12-31T23:59:59.9991Z").unwrap().as_millis(), -1);
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX + Millis::new(1), Timestamp::MAX);
        assert_eq!(Millis::new(3_600_000).percent(80), Millis::new(2_880_000));
    }
}
