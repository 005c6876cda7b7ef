//! Texts that are one order's own, as they are spelled: out, after the order's id, or as a UUID's bytes. A text has one
//! spelling, so two are the same where these are.

use smol_str::SmolStrBuilder;

use crate::domain::Str;

use super::bytes::{Reader, put_varint};
use super::spelled;

/// A text as it is spelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Own<'a> {
    Out(&'a [u8]),
    AfterId(&'a [u8]),
    Uuid([u8; 16]),
}

impl<'a> Own<'a> {
    /// How a text of this order is spelled.
    pub fn of(text: &'a str, order_id: &str) -> Self {
        if let Some(uuid) = uuid_bytes(text) {
            return Own::Uuid(uuid);
        }
        match text.strip_prefix(order_id).filter(|_| !order_id.is_empty()) {
            Some(rest) => Own::AfterId(rest.as_bytes()),
            None => Own::Out(text.as_bytes()),
        }
    }

    pub fn write(self, out: &mut Vec<u8>) {
        let (how, rest) = match &self {
            Own::Out(bytes) => ((bytes.len() as u64) << 2 | spelled::OUT, *bytes),
            Own::AfterId(bytes) => ((bytes.len() as u64) << 2 | spelled::AFTER_ID, *bytes),
            Own::Uuid(bytes) => (spelled::UUID, bytes.as_slice()),
        };
        put_varint(out, how);
        out.extend_from_slice(rest);
    }

    pub fn read(from: &mut Reader<'a>) -> Self {
        let told = from.varint();
        Own::read_told(from, told)
    }

    /// The same where the number before it was read.
    pub fn read_told(from: &mut Reader<'a>, told: u64) -> Self {
        match told & 3 {
            spelled::OUT => Own::Out(from.bytes(told >> 2)),
            spelled::AFTER_ID => Own::AfterId(from.bytes(told >> 2)),
            _ => Own::Uuid(from.array()),
        }
    }

    pub fn text(self, order_id: &str) -> Str {
        match self {
            Own::Out(bytes) => Str::new(as_text(bytes)),
            Own::AfterId(rest) => {
                let mut text = SmolStrBuilder::new();
                text.push_str(order_id);
                text.push_str(as_text(rest));
                text.finish()
            }
            Own::Uuid(bytes) => uuid_text(bytes),
        }
    }
}

fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The bytes of a UUID as it is commonly written: any other spelling could not be told from it afterwards.
fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 16];
    let mut digits = text.iter().enumerate();
    for byte in &mut bytes {
        for _ in 0..2 {
            let (mut at, mut digit) = digits.next()?;
            if matches!(at, 8 | 13 | 18 | 23) {
                if *digit != b'-' {
                    return None;
                }
                (at, digit) = digits.next()?;
            }
            debug_assert!(at < 36);
            let nibble = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *byte = *byte << 4 | nibble;
        }
    }
    Some(bytes)
}

fn uuid_text(bytes: [u8; 16]) -> Str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    /// Where the digits of each byte are.
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let mut text = [b'-'; 36];
    for (byte, place) in bytes.into_iter().zip(PLACES) {
        text[place] = DIGITS[usize::from(byte >> 4)];
        text[place + 1] = DIGITS[usize::from(byte & 15)];
    }
    Str::new(std::str::from_utf8(&text).unwrap_or_default())
}
