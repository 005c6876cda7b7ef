//! Numbers and texts as few bytes. What is read is what this process wrote; a reader past its end reads zeros.

/// Seven bits a byte, the lowest first.
pub(in crate::engine) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A number of either sign, small where its distance from zero is.
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_varint(out, (number << 1 ^ number >> 63) as u64);
}

/// Its length, and its bytes.
pub(in crate::engine) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    #[inline]
    pub fn varint(&mut self) -> u64 {
        let first = self.byte();
        if first < 0x80 { u64::from(first) } else { self.long_varint(first) }
    }

    fn long_varint(&mut self, first: u8) -> u64 {
        let mut number = u64::from(first & 0x7F);
        for shift in (7..64).step_by(7) {
            let byte = self.byte();
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    #[inline]
    pub fn signed(&mut self) -> i64 {
        let number = self.varint();
        (number >> 1) as i64 ^ -((number & 1) as i64)
    }

    #[inline]
    pub fn bytes(&mut self, length: u64) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(self.0.len().min(length as usize));
        self.0 = rest;
        bytes
    }

    /// What [`put_text`] wrote.
    pub fn own_text(&mut self) -> &'a str {
        let length = self.varint();
        self.text(length)
    }

    #[inline]
    pub fn text(&mut self, length: u64) -> &'a str {
        std::str::from_utf8(self.bytes(length)).unwrap_or_default()
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        self.bytes(N as u64).try_into().unwrap_or([0; N])
    }
}
