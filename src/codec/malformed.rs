//! Why a record's value is not an event. The record goes to the dead-letter topic with this.

use std::fmt::{self, Write};

macro_rules! codes {
    ($( $(#[$meta:meta])* $name:ident = $text:literal ),* $(,)?) => {
        /// What is wrong, as the header `orderwatch-error` and the metric's label `reason` spell it. Stable.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum MalformedCode { $( $(#[$meta])* #[doc = concat!("`", $text, "`")] $name ),* }

        impl MalformedCode {
            /// Every code.
            pub const ALL: &'static [MalformedCode] = &[ $( MalformedCode::$name ),* ];

            /// The code as headers and metrics spell it.
            pub const fn as_str(self) -> &'static str {
                match self { $( MalformedCode::$name => $text ),* }
            }
        }
    };
}

codes! {
    /// Key and value are longer than `max_record_bytes`.
    TooLarge = "too_large",
    /// A JSON value that is not UTF-8.
    NotUtf8 = "not_utf8",
    /// Not JSON.
    NotJson = "not_json",
    /// Not the Protobuf message that proto/ describes.
    BadProtobuf = "bad_protobuf",
    /// Nested deeper than any event.
    TooDeep = "too_deep",
    /// A field that every event, or every event of this stream, must have is missing, null or empty.
    MissingField = "missing_field",
    /// A field holds something else than the contract says.
    WrongType = "wrong_type",
    /// A field is there twice, so that two readers could take the event for two different ones.
    DuplicateField = "duplicate_field",
    /// A string is longer than the contract allows.
    TooLong = "too_long",
    /// More lines or attributes than the contract allows.
    TooMany = "too_many",
    /// An amount or a quantity below zero.
    Negative = "negative",
    /// A sum beyond 64 bits.
    Overflow = "overflow",
    /// Not RFC 3339 with an offset, not epoch milliseconds, or outside the years 0 to 9999.
    BadTime = "bad_time",
    /// Not three upper-case letters.
    BadCurrency = "bad_currency",
    /// A milestone that is computed and that no event may claim.
    ReservedType = "reserved_type",
    /// The record's key is missing or is not the id of what the event is about.
    KeyMismatch = "key_mismatch",
    /// event_time lies after the record's time by more than `max_future_skew`.
    TooFarInFuture = "too_far_in_future",
    /// event_time lies before the record's time by more than `max_past_skew`.
    TooFarInPast = "too_far_in_past",
}

impl fmt::Display for MalformedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A record that is no event, and why. It has changed nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Malformed {
    /// What is wrong.
    pub code: MalformedCode,
    /// Which field, what was there and what was expected. At most [`Malformed::MAX_DETAIL`] bytes.
    pub detail: String,
}

impl Malformed {
    /// The longest detail, in bytes.
    pub const MAX_DETAIL: usize = 400;

    /// Cuts a longer detail.
    pub fn new(code: MalformedCode, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if detail.len() > Self::MAX_DETAIL {
            let end = (0..=Self::MAX_DETAIL - '…'.len_utf8()).rev().find(|&i| detail.is_char_boundary(i));
            detail.truncate(end.unwrap_or(0));
            detail.push('…');
        }
        Malformed { code, detail }
    }
}

/// A piece of a record as a detail shows it: quoted, control characters escaped, at most some 40 characters.
pub(super) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 40;
        f.write_char('"')?;
        for c in self.0.chars().take(SHOWN) {
            write!(f, "{}", c.escape_debug())?;
        }
        f.write_str(if self.0.chars().nth(SHOWN).is_some() { "…\"" } else { "\"" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_cut_between_characters() {
        let cut = Malformed::new(MalformedCode::NotJson, "ü".repeat(1000));
        assert!(cut.detail.len() <= Malformed::MAX_DETAIL && cut.detail.ends_with("ü…"), "{}", cut.detail);
        assert_eq!(Malformed::new(MalformedCode::NotJson, "short").detail, "short");
        assert_eq!(Quoted("a\n\"\u{0}").to_string(), r#""a\n\"\0""#);
        assert_eq!(Quoted(&"x".repeat(41)).to_string(), format!("\"{}…\"", "x".repeat(40)));
    }

    #[test]
    fn codes_are_distinct_and_spelled_as_labels() {
        let all: std::collections::BTreeSet<_> = MalformedCode::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(all.len(), MalformedCode::ALL.len());
        assert!(all.iter().all(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'8')));
    }
}
