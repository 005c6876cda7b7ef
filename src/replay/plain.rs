//! The lines that nearly every dump is made of, read in one pass.
//!
//! It knows the plain shape alone: fields of strings and whole numbers, each of ours once, no headers, no base64, no `\u`. Of
//! all else it says nothing (`None`): [`super::line`] asks serde, and that words the error where there is one. Where it does
//! read a line, serde would read the same.

use std::borrow::Cow;

/// What a plain line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Plain<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition; not negative.
    pub partition: i32,
    /// The offset; not negative.
    pub offset: i64,
    /// The timestamp, as it is told.
    pub ts: Option<i64>,
    /// The key.
    pub key: Option<Quoted<'a>>,
    /// The value.
    pub payload: Option<Quoted<'a>>,
}

/// A JSON string as it stands between its quotes. Its escapes are sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quoted<'a> {
    text: &'a str,
    is_escaped: bool,
}

/// Reads a line.
pub fn read(bytes: &[u8]) -> Option<Plain<'_>> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).ok()?;
    // No string may hold one, and between values none but white space, which is not plain either. Without a branch for each
    // byte: many are looked at together.
    if bytes.iter().fold(false, |found, byte| found | (*byte < b' ')) {
        return None;
    }
    let mut cursor = Cursor { text, at: 0 };
    let (mut plain, mut topic, mut partition, mut offset) = (Plain::default(), None, None, None);
    cursor.take(b'{')?;
    loop {
        let name = cursor.quoted()?.plain()?;
        cursor.take(b':')?;
        match name {
            "topic" => once(&mut topic, cursor.quoted()?.plain()?)?,
            "partition" => once(&mut partition, i32::try_from(cursor.count()?).ok()?)?,
            "offset" => once(&mut offset, cursor.count()?)?,
            "ts" => once(&mut plain.ts, cursor.count()?)?,
            "key" => once(&mut plain.key, cursor.quoted()?)?,
            "payload" => once(&mut plain.payload, cursor.quoted()?)?,
            "headers" | "key_base64" | "payload_base64" => return None,
            // What `kcat` tells besides.
            _ if cursor.peek()? == b'"' => drop(cursor.quoted()?),
            _ => drop(cursor.count()?),
        }
        match cursor.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    cursor.peek().is_none().then_some(Plain { topic: topic?, partition: partition?, offset: offset?, ..plain })
}

fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// A place in a line.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The first byte of what comes next, white space passed.
    fn peek(&mut self) -> Option<u8> {
        while self.text.as_bytes().get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn quoted(&mut self) -> Option<Quoted<'a>> {
        self.take(b'"')?;
        let (start, mut is_escaped) = (self.at, false);
        loop {
            self.at += before_special(self.text.as_bytes().get(self.at..)?)?;
            if self.text.as_bytes().get(self.at) == Some(&b'"') {
                let text = self.text.get(start..self.at)?;
                self.at += 1;
                return Some(Quoted { text, is_escaped });
            }
            unescaped(*self.text.as_bytes().get(self.at + 1)?)?;
            is_escaped = true;
            self.at += 2;
        }
    }

    /// A whole number from zero on, as JSON writes it, that 64 bits surely hold. A fraction or an exponent after it is no end
    /// of a value.
    fn count(&mut self) -> Option<i64> {
        const DIGITS_MAX: usize = 18;
        self.peek()?;
        let rest = self.text.as_bytes().get(self.at..)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > DIGITS_MAX || (rest.first() == Some(&b'0') && digits > 1) {
            return None;
        }
        self.at += digits;
        Some(rest.iter().take(digits).fold(0, |number, byte| number * 10 + i64::from(byte - b'0')))
    }
}

impl<'a> Quoted<'a> {
    /// The text itself, where it has no escapes.
    pub fn plain(self) -> Option<&'a str> {
        (!self.is_escaped).then_some(self.text)
    }

    /// What it says.
    pub fn bytes(self) -> Cow<'a, [u8]> {
        let quoted = self.text.as_bytes();
        if !self.is_escaped {
            return Cow::Borrowed(quoted);
        }
        let mut bytes = Vec::with_capacity(quoted.len());
        let mut rest = quoted;
        while let Some(at) = before_special(rest) {
            let (before, special) = rest.split_at(at);
            bytes.extend_from_slice(before);
            bytes.extend(special.get(1).and_then(|byte| unescaped(*byte)));
            rest = special.get(2..).unwrap_or_default();
        }
        bytes.extend_from_slice(rest);
        Cow::Owned(bytes)
    }
}

/// What stands for itself behind a backslash, or for a control character.
fn unescaped(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' | b'/' => Some(byte),
        b'n' => Some(b'\n'),
        b't' => Some(b'\t'),
        b'r' => Some(b'\r'),
        b'b' => Some(0x08),
        b'f' => Some(0x0c),
        _ => None,
    }
}

/// How many bytes lie before the first quote or backslash: eight are looked at together.
fn before_special(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    for (word, at) in words.iter().zip((0..).step_by(8)) {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
    }
    let in_rest = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some(bytes.len() - rest.len() + in_rest)
}

const ONES: u64 = u64::MAX / 0xff;

/// The lowest bit that is set belongs to the first byte that is zero; those above it may not.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}
