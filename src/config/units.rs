//! Words and figures of the configuration: durations, sizes, percents, instants. Text in, value out; an error says what
//! is wrong in a few words, and the caller says where.

use std::str::FromStr;

use crate::domain::{Millis, Timestamp};

/// Longest first: the order in which the units of one duration must come.
const DURATION_UNITS: [(&str, i64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

const SIZE_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

/// `5m`, `1h30m`, `500ms`: whole numbers with the units ms, s, m, h, d and w, the longest unit first.
///
/// # Errors
/// Anything else, a negative length, or more than 64 bits of milliseconds.
pub fn duration(text: &str) -> Result<Millis, String> {
    if text.starts_with('-') {
        return Err("it cannot be negative".to_owned());
    }
    if text.starts_with('P') {
        return Err("it is written `1h30m` here, not `PT1H30M`".to_owned());
    }
    let mut rest = text;
    let mut total: i64 = 0;
    let mut smallest_yet = i64::MAX;
    while !rest.is_empty() {
        let (number, after) = split_at_first(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_at_first(after, |c| !c.is_ascii_alphabetic());
        if number.is_empty() {
            return Err(match unit {
                "" => "it is written as whole numbers with units, without spaces or fractions".to_owned(),
                _ => format!("a number is missing before `{unit}`"),
            });
        }
        let Some((_, factor)) = DURATION_UNITS.into_iter().find(|(name, _)| *name == unit) else {
            return Err(no_unit(unit, after));
        };
        if factor >= smallest_yet {
            return Err("its units must run from the longest to the shortest, each once".to_owned());
        }
        let part = number.parse::<i64>().ok().and_then(|n| n.checked_mul(factor));
        total = part.and_then(|p| total.checked_add(p)).ok_or_else(|| "it is too long".to_owned())?;
        smallest_yet = factor;
        rest = after;
    }
    if smallest_yet == i64::MAX { Err("it is empty".to_owned()) } else { Ok(Millis::new(total)) }
}

/// Why what follows a number is no unit of a duration.
fn no_unit(unit: &str, after: &str) -> String {
    let meant = match unit.to_ascii_lowercase().as_str() {
        "" if after.starts_with(' ') => return "it is written without spaces, such as `1h30m`".to_owned(),
        "" if after.starts_with(['.', ',']) => return "its numbers are whole: `1h30m`, not `1.5h`".to_owned(),
        "" => return "a unit is missing: ms, s, m, h, d or w".to_owned(),
        "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "w" | "week" | "weeks" => "w",
        _ => return format!("`{unit}` is no unit: ms, s, m, h, d or w"),
    };
    format!("`{unit}` is no unit: did you mean `{meant}`?")
}

/// The inverse of [`duration`], with the longest units that fit.
pub fn format_duration(length: Millis) -> String {
    let mut rest = length.get();
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, factor) in DURATION_UNITS.into_iter().filter(|(unit, _)| *unit != "w") {
        if rest / factor > 0 {
            out.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    out
}

/// `1MiB`, `500kB`, or plain bytes.
///
/// # Errors
/// Anything else, or more than fits the machine.
pub fn byte_size(text: &str) -> Result<usize, String> {
    let (number, unit) = split_at_first(text, |c| !c.is_ascii_digit());
    let factor = match unit {
        "" => 1,
        _ => match SIZE_UNITS.into_iter().find(|(name, _)| *name == unit) {
            Some((_, factor)) => factor,
            None => return Err(format!("`{unit}` is no unit: B, kB, KiB, MB, MiB, GB or GiB")),
        },
    };
    let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor));
    bytes.and_then(|b| usize::try_from(b).ok()).ok_or_else(|| "it is no whole number, or too large".to_owned())
}

/// `80%`, from 1 to 99.
///
/// # Errors
/// Anything else.
pub fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').ok_or("the percent sign is missing")?;
    let n = number.parse::<u8>().map_err(|_| "it is no whole number".to_owned())?;
    if (1..=99).contains(&n) { Ok(n) } else { Err("it must lie between 1% and 99%".to_owned()) }
}

/// `2026-11-21T10:00:00Z`: RFC 3339 with an offset.
///
/// # Errors
/// Anything else.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).map_err(|_| "it is not RFC 3339 with an offset".to_owned())
}

/// A whole number.
///
/// # Errors
/// Anything else, or one out of `T`'s range.
pub fn integer<T: FromStr>(text: &str) -> Result<T, String> {
    // Rust's parser takes a leading plus; nobody means one.
    match text.parse::<T>() {
        Ok(n) if !text.starts_with('+') => Ok(n),
        _ => Err("it is no whole number in range".to_owned()),
    }
}

fn split_at_first(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        let ok = [
            ("0s", 0),
            ("500ms", 500),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("400d", 34_560_000_000),
            ("2w", 1_209_600_000),
            ("1d12h", 129_600_000),
            ("106751991167d", 106_751_991_167 * 86_400_000),
        ];
        for (text, ms) in ok {
            assert_eq!(duration(text), Ok(Millis::new(ms)), "{text}");
        }
        let bad = [
            ("", "it is empty"),
            ("5", "a unit is missing: ms, s, m, h, d or w"),
            ("m", "a number is missing before `m`"),
            ("5 m", "it is written without spaces, such as `1h30m`"),
            ("5min", "`min` is no unit: did you mean `m`?"),
            ("1H", "`H` is no unit: did you mean `h`?"),
            ("2months", "`months` is no unit: ms, s, m, h, d or w"),
            ("1.5h", "its numbers are whole: `1h30m`, not `1.5h`"),
            ("PT1H", "it is written `1h30m` here, not `PT1H30M`"),
            ("-5m", "it cannot be negative"),
            ("30m1h", "its units must run from the longest to the shortest, each once"),
            ("1h1h", "its units must run from the longest to the shortest, each once"),
            ("99999999999999999999s", "it is too long"),
            ("9223372036854775807s", "it is too long"),
            ("106751991168d", "it is too long"),
            ("５m", "it is written as whole numbers with units, without spaces or fractions"),
        ];
        for (text, why) in bad {
            assert_eq!(duration(text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn sizes_and_percents() {
        assert_eq!(byte_size("1MiB"), Ok(1 << 20));
        assert_eq!(byte_size("1048576"), Ok(1 << 20));
        assert_eq!(byte_size("0"), Ok(0));
        for bad in ["", "MiB", "1mb", "1.5MiB", "-1", "99999999999GiB", "1 MiB"] {
            assert!(byte_size(bad).is_err(), "{bad}");
        }
        assert_eq!(percent("1%"), Ok(1));
        assert_eq!(percent("99%"), Ok(99));
        for bad in ["0%", "100%", "80", "0.8", "80 %", "-5%", "999%", "%"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_formatted_duration_reads_back(ms in 0..i64::MAX) {
            prop_assert_eq!(duration(&format_duration(Millis::new(ms))), Ok(Millis::new(ms)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _ = (duration(&text), byte_size(&text), percent(&text), instant(&text));
        }
    }
}
