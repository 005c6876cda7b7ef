//! A place in a JSON text, and what of the plain shape follows it. Whatever is not plain is `None`, be it JSON or not.

use serde_json::Deserializer;

use super::json::Skipped;

/// A place in a text.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// So that no string needs to be searched for any.
    has_no_specials: bool,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Self {
        // Without a branch for each byte: many are looked at together.
        let has_no_specials = !text.as_bytes().iter().fold(false, |found, byte| found | is_special(byte));
        Cursor { text, at: 0, has_no_specials }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The first byte of what comes next, white space passed.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        match self.text.as_bytes().get(self.at) {
            Some(byte) if *byte > b' ' => Some(*byte),
            _ => self.peek_far(),
        }
    }

    #[cold]
    fn peek_far(&mut self) -> Option<u8> {
        let spaces = self.rest().iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
        self.at += spaces;
        self.rest().first().copied()
    }

    #[inline]
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Whether another member or element follows; the list ends with `close`.
    fn goes_on(&mut self, close: u8) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        (byte == b',' || byte == close).then_some(byte == b',')
    }

    /// An object; `member` reads the value of each name.
    pub fn object(&mut self, mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? == b'}' {
            return self.take(b'}');
        }
        loop {
            let name = self.quoted()?;
            self.take(b':')?;
            member(self, name)?;
            if !self.goes_on(b'}')? {
                return Some(());
            }
        }
    }

    /// An array; `element` reads each value.
    pub fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.peek()? == b']' {
            return self.take(b']');
        }
        loop {
            element(self)?;
            if !self.goes_on(b']')? {
                return Some(());
            }
        }
    }

    /// A string's bytes, without escapes.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let rest = self.rest();
        let text = rest.get(..before_first([b'"'], rest)?)?;
        self.at += text.len() + 1;
        // Between values a control character is white space; here it is nothing that JSON knows.
        (self.has_no_specials || !text.iter().any(is_special)).then_some(text)
    }

    /// A string without escapes.
    pub fn string(&mut self) -> Option<&'a str> {
        let length = self.quoted()?.len();
        let end = self.at.checked_sub(1)?;
        self.text.get(end.checked_sub(length)?..end)
    }

    /// A string as it stands between its quotes, and whether it has escapes: of these none by number.
    pub fn escaped(&mut self) -> Option<(&'a str, bool)> {
        self.take(b'"')?;
        let (start, mut is_escaped) = (self.at, false);
        loop {
            self.at += before_first([b'"', b'\\'], self.rest())?;
            if self.rest().first() == Some(&b'"') {
                break;
            }
            unescaped(*self.rest().get(1)?)?;
            is_escaped = true;
            self.at += 2;
        }
        let text = self.text.get(start..self.at)?;
        self.at += 1;
        let is_sound = self.has_no_specials || !text.bytes().fold(false, |found, byte| found | (byte < b' '));
        is_sound.then_some((text, is_escaped))
    }

    /// A string of at most so many bytes; `Some(None)` where it is empty or null.
    pub fn text(&mut self, max: usize) -> Option<Option<&'a str>> {
        if self.peek()? == b'n' {
            return self.null().map(|()| None);
        }
        let text = self.string()?;
        (text.len() <= max).then_some(Some(text).filter(|text| !text.is_empty()))
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.peek()?;
        self.rest().starts_with(word).then(|| self.at += word.len())
    }

    pub fn null(&mut self) -> Option<()> {
        self.word(b"null")
    }

    pub fn boolean(&mut self) -> Option<bool> {
        self.word(b"true").map(|()| true).or_else(|| self.word(b"false").map(|()| false))
    }

    /// A whole number that 64 bits surely hold, as JSON writes it. A fraction or an exponent after it is refused by whoever
    /// looks what follows.
    pub fn integer(&mut self) -> Option<i64> {
        if self.peek()? != b'-' {
            return self.digits();
        }
        self.at += 1;
        // -0 is no whole number to serde_json.
        self.digits().filter(|magnitude| *magnitude > 0).map(|magnitude| -magnitude)
    }

    /// A whole number from zero on.
    pub fn count(&mut self) -> Option<i64> {
        self.peek()?;
        self.digits()
    }

    fn digits(&mut self) -> Option<i64> {
        const DIGITS_MAX: usize = 18;
        let (mut digits, mut number) = (0, 0);
        for byte in self.rest().iter().take(DIGITS_MAX).take_while(|byte| byte.is_ascii_digit()) {
            number = number * 10 + i64::from(byte - b'0');
            digits += 1;
        }
        let is_plain = match self.rest().first()? {
            b'0' => digits == 1,
            _ => (1..=DIGITS_MAX).contains(&digits),
        };
        self.at += digits;
        is_plain.then_some(number)
    }

    /// Any value, read past.
    pub fn skip(&mut self) -> Option<()> {
        let value = self.peek().map(|_| self.at)?;
        if self.string().is_some() {
            return Some(());
        }
        self.at = value;
        let mut values = Deserializer::from_str(self.text.get(value..)?).into_iter::<Skipped>();
        values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(())
    }

    /// Nothing but white space follows.
    pub fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }
}

/// A backslash or a control character.
fn is_special(byte: &u8) -> bool {
    *byte == b'\\' || *byte < b' '
}

/// What stands for itself behind a backslash, or for a control character.
pub(crate) fn unescaped(byte: u8) -> Option<u8> {
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

/// How many bytes lie before the first of these: eight are looked at together.
#[inline]
pub(crate) fn before_first<const N: usize>(wanted: [u8; N], bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    for (word, at) in words.iter().zip((0..).step_by(8)) {
        let word = u64::from_le_bytes(*word);
        let found = wanted.iter().fold(0, |found, byte| found | zeros(word ^ (ONES * u64::from(*byte))));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
    }
    before_first_in_few(&wanted, rest).map(|at| bytes.len() - rest.len() + at)
}

#[cold]
fn before_first_in_few(wanted: &[u8], bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| wanted.contains(byte))
}

const ONES: u64 = u64::MAX / 0xff;

/// The lowest bit that is set belongs to the first byte that is zero; those above it may not.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}
