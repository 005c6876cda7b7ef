//! The lines that nearly every dump is made of, read in one pass.
//!
//! It knows the plain shape alone: fields of strings and whole numbers, each of ours once, no headers, no base64, no `\u`. Of
//! all else it says nothing (`None`): [`super::line`] asks serde, and that words the error where there is one. Where it does
//! read a line, serde would read the same.

use std::borrow::Cow;

use crate::codec::event::cursor::{Cursor, before_first, unescaped};

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
    let mut cursor = Cursor::new(std::str::from_utf8(bytes).ok()?);
    let (mut plain, mut topic, mut partition, mut offset) = (Plain::default(), None, None, None);
    cursor.object(|cursor, name| match name {
        b"topic" => once(&mut topic, cursor.string()?),
        b"partition" => once(&mut partition, i32::try_from(cursor.count()?).ok()?),
        b"offset" => once(&mut offset, cursor.count()?),
        b"ts" => once(&mut plain.ts, cursor.count()?),
        b"key" => once(&mut plain.key, Quoted::read(cursor)?),
        b"payload" => once(&mut plain.payload, Quoted::read(cursor)?),
        b"headers" | b"key_base64" | b"payload_base64" => None,
        // What `kcat` tells besides.
        _ if cursor.peek()? == b'"' => cursor.escaped().map(drop),
        _ => cursor.count().map(drop),
    })?;
    cursor.end()?;
    Some(Plain { topic: topic?, partition: partition?, offset: offset?, ..plain })
}

fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

impl<'a> Quoted<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        cursor.escaped().map(|(text, is_escaped)| Quoted { text, is_escaped })
    }

    /// What it says.
    pub fn bytes(self) -> Cow<'a, [u8]> {
        let quoted = self.text.as_bytes();
        if !self.is_escaped {
            return Cow::Borrowed(quoted);
        }
        let mut bytes = Vec::with_capacity(quoted.len());
        let mut rest = quoted;
        while let Some(at) = before_first([b'"', b'\\'], rest) {
            let (before, special) = rest.split_at(at);
            bytes.extend_from_slice(before);
            bytes.extend(special.get(1).and_then(|byte| unescaped(*byte)));
            rest = special.get(2..).unwrap_or_default();
        }
        bytes.extend_from_slice(rest);
        Cow::Owned(bytes)
    }
}
