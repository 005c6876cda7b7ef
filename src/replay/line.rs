//! One line of a dump: what `kcat -C -J` writes, with `payload_base64` and `key_base64` for what is not UTF-8.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;

use super::plain::{self, Plain, Quoted};

/// A header's name and value.
pub type Header<'a> = (Cow<'a, str>, Option<Cow<'a, [u8]>>);

/// A record as the dump holds it.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The topic it lay on.
    pub topic: Cow<'a, str>,
    /// Its partition; not negative.
    pub partition: i32,
    /// Its offset; not negative.
    pub offset: i64,
    /// The record's timestamp; `None` where it has none.
    pub timestamp: Option<Timestamp>,
    /// Its key.
    pub key: Option<Cow<'a, [u8]>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Cow<'a, [u8]>>,
    /// Its headers, in order.
    pub headers: Vec<Header<'a>>,
}

/// Where a record's line says that it lies.
#[derive(Debug, PartialEq, Eq)]
pub struct LinePlace<'a> {
    /// The topic.
    pub topic: Cow<'a, str>,
    /// The partition; not negative.
    pub partition: i32,
    /// The offset; not negative.
    pub offset: i64,
}

/// Borrows a string where it holds no escapes. (`Option<Cow<str>>` by itself always copies.)
#[derive(Debug)]
struct Text<'a>(Cow<'a, str>);

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    topic: Text<'a>,
    partition: i32,
    offset: i64,
    #[serde(default)]
    ts: Option<i64>,
    #[serde(default, borrow)]
    key: Option<Text<'a>>,
    #[serde(default, borrow)]
    key_base64: Option<Text<'a>>,
    #[serde(default, borrow)]
    payload: Option<Text<'a>>,
    #[serde(default, borrow)]
    payload_base64: Option<Text<'a>>,
    #[serde(default, borrow)]
    headers: Option<Vec<Option<Text<'a>>>>,
}

#[derive(Serialize)]
struct WrittenFields<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Option<Cow<'a, str>>>,
}

impl<'a> LinePlace<'a> {
    /// Checks a whole line as [`Line::parse`] does, and reads no more of it than this.
    ///
    /// # Errors
    /// Those of [`Line::parse`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        if let Some(Plain { topic, partition, offset, .. }) = plain::read(bytes) {
            return Ok(LinePlace { topic: Cow::Borrowed(topic), partition, offset });
        }
        let Line { topic, partition, offset, .. } = Line::parse_any(bytes)?;
        Ok(LinePlace { topic, partition, offset })
    }
}

impl<'a> Line<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// It is not a JSON object with the fields of a record; the text says what is wrong, without the place.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        match plain::read(bytes) {
            Some(plain) => Ok(Line::plainly(plain)),
            None => Line::parse_any(bytes),
        }
    }

    fn plainly(plain: Plain<'a>) -> Self {
        Line {
            topic: Cow::Borrowed(plain.topic),
            partition: plain.partition,
            offset: plain.offset,
            timestamp: plain.ts.map(Timestamp::from_millis),
            key: plain.key.map(Quoted::bytes),
            value: plain.payload.map(Quoted::bytes),
            headers: Vec::new(),
        }
    }

    fn parse_any(bytes: &'a [u8]) -> Result<Self, String> {
        let fields: Fields<'a> = serde_json::from_slice(bytes).map_err(|e| explain(&e, bytes))?;
        if fields.partition < 0 {
            return Err(format!("partition is {}, below 0", fields.partition));
        }
        if fields.offset < 0 {
            return Err(format!("offset is {}, below 0", fields.offset));
        }
        Ok(Line {
            topic: fields.topic.0,
            partition: fields.partition,
            offset: fields.offset,
            // Kafka's own word for "no timestamp" is -1.
            timestamp: fields.ts.filter(|ts| *ts >= 0).map(Timestamp::from_millis),
            key: bytes_of(fields.key, fields.key_base64, "key")?,
            value: bytes_of(fields.payload, fields.payload_base64, "payload")?,
            headers: headers_of(fields.headers.unwrap_or_default())?,
        })
    }

    /// Writes the line, with its line feed, so that [`Line::parse`] gives the same record back (but for the value of a
    /// header that is not UTF-8, which a dump has no way to write).
    pub fn write(&self, out: &mut Vec<u8>) {
        let (key, key_base64) = text_or_base64(self.key.as_deref());
        let (payload, payload_base64) = text_or_base64(self.value.as_deref());
        let mut headers = Vec::with_capacity(self.headers.len() * 2);
        for (name, value) in &self.headers {
            headers.push(Some(Cow::Borrowed(name.as_ref())));
            headers.push(value.as_deref().map(String::from_utf8_lossy));
        }
        let fields = WrittenFields {
            topic: &self.topic,
            partition: self.partition,
            offset: self.offset,
            ts: self.timestamp.map(Timestamp::as_millis),
            key,
            key_base64,
            payload,
            payload_base64,
            headers,
        };
        // Strings and integers into memory: neither can fail.
        if serde_json::to_writer(&mut *out, &fields).is_ok() {
            out.push(b'\n');
        }
    }
}

fn bytes_of<'a>(text: Option<Text<'a>>, base64: Option<Text<'a>>, name: &str) -> Result<Option<Cow<'a, [u8]>>, String> {
    match (text, base64) {
        (Some(_), Some(_)) => Err(format!("both {name} and {name}_base64 are given")),
        (None, Some(Text(encoded))) => match BASE64.decode(encoded.as_bytes()) {
            Ok(bytes) => Ok(Some(Cow::Owned(bytes))),
            Err(e) => Err(format!("{name}_base64 is not base64: {e}")),
        },
        (Some(Text(Cow::Borrowed(text))), None) => Ok(Some(Cow::Borrowed(text.as_bytes()))),
        (Some(Text(Cow::Owned(text))), None) => Ok(Some(Cow::Owned(text.into_bytes()))),
        (None, None) => Ok(None),
    }
}

fn headers_of<'a>(flat: Vec<Option<Text<'a>>>) -> Result<Vec<Header<'a>>, String> {
    let mut headers = Vec::with_capacity(flat.len() / 2);
    let mut items = flat.into_iter();
    while let Some(name) = items.next() {
        let Some(Text(name)) = name else { return Err("a header's name is null".into()) };
        let Some(value) = items.next() else { return Err(format!("header `{name}` has no value beside it")) };
        headers.push((name, bytes_of(value, None, "header")?));
    }
    Ok(headers)
}

fn text_or_base64(bytes: Option<&[u8]>) -> (Option<&str>, Option<String>) {
    match bytes.map(|b| (b, std::str::from_utf8(b))) {
        None => (None, None),
        Some((_, Ok(text))) => (Some(text), None),
        Some((bytes, Err(_))) => (None, Some(BASE64.encode(bytes))),
    }
}

/// serde's words, with the column alone (the caller knows the line of the file) and a hint where it helps.
fn explain(error: &serde_json::Error, bytes: &[u8]) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    let hint = match std::str::from_utf8(bytes) {
        Ok(_) => "",
        Err(_) => " (the line is not UTF-8: a binary value goes into payload_base64)",
    };
    format!("column {}: {text}{hint}", error.column())
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Line<'_>, String> {
        Line::parse(text.as_bytes())
    }

    #[test]
    fn reads_what_kcat_writes() {
        let line = parse(
            r#"{"topic":"orders","partition":3,"offset":120,"tstype":"create","ts":1763719200000,"broker":1,
                "headers":["trace","a\u0062","empty",null],"key":"o-1","payload":"{\"a\":1}"}"#,
        )
        .unwrap();
        assert_eq!((&*line.topic, line.partition, line.offset), ("orders", 3, 120));
        assert_eq!(line.timestamp, Some(Timestamp::from_millis(1_763_719_200_000)));
        assert_eq!(line.key.as_deref(), Some(&b"o-1"[..]));
        assert_eq!(line.value.as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(line.headers.len(), 2);
        assert_eq!(line.headers[0].1.as_deref(), Some(&b"ab"[..]));
        assert_eq!(line.headers[1].1, None);
    }

    #[test]
    fn reads_binary_values_tombstones_and_missing_times() {
        let line =
            parse(r#"{"topic":"t","partition":0,"offset":0,"ts":-1,"key_base64":"/w==","payload_base64":"AP8="}"#);
        let line = line.unwrap();
        assert_eq!(
            (line.timestamp, line.key.as_deref(), line.value.as_deref()),
            (None, Some(&[255][..]), Some(&[0, 255][..]))
        );
        let line = parse(r#"{"topic":"t","partition":0,"offset":0,"key":null,"payload":null}"#).unwrap();
        assert_eq!((line.timestamp, line.key, line.value), (None, None, None));
    }

    /// Every line that is plain, and every one that is a byte off, is what serde says that it is.
    #[test]
    fn a_plain_line_says_what_serde_reads() {
        let plain = [
            r#"{"topic":"orders","partition":3,"offset":120,"tstype":"create","ts":1763719200000,"broker":1,"key":"o-1","payload":"{\"a\":\"\\n\\\"\"}\t\/\b\f\r\n"}"#,
            r#"{ "offset" : 0, "partition": 0, "payload": "", "topic": "tä" } "#,
            "{\"topic\":\"t\",\"partition\":0,\"offset\":999999999999999999,\"ts\":0}\r\n",
        ];
        let bytes = b"\"\\{}[]:,0-9.eunt \n\x01\x7f\xc3\xa4";
        let (mut read, mut left) = (0, 0);
        for text in plain {
            assert!(plain::read(text.as_bytes()).is_some(), "{text}");
            for at in 0..text.len() {
                for byte in bytes {
                    let [mut put, mut other] = [text.as_bytes().to_vec(), text.as_bytes().to_vec()];
                    other[at] = *byte;
                    put.insert(at, *byte);
                    for line in [text.as_bytes(), &text.as_bytes()[..at], &put, &other] {
                        let Some(plain) = plain::read(line) else {
                            left += 1;
                            continue;
                        };
                        read += 1;
                        assert_eq!(Line::parse_any(line).as_ref(), Ok(&Line::plainly(plain)), "{line:?}");
                    }
                }
            }
        }
        assert!(read > 1000 && left > 1000, "{read} {left}");
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, want) in [
            ("{", "EOF while parsing"),
            ("[]", "invalid length 0"),
            (r#"{"partition":0,"offset":0}"#, "missing field `topic`"),
            (r#"{"topic":"t","partition":-1,"offset":0}"#, "partition is -1"),
            (r#"{"topic":"t","partition":0,"offset":-5}"#, "offset is -5"),
            (r#"{"topic":"t","partition":0.5,"offset":0}"#, "floating point"),
            (r#"{"topic":"t","partition":0,"offset":0,"payload":{"a":1}}"#, "expected a string"),
            (r#"{"topic":"t","partition":0,"offset":0,"payload_base64":"?"}"#, "payload_base64 is not base64"),
            (r#"{"topic":"t","partition":0,"offset":0,"payload":"a","payload_base64":"YQ=="}"#, "both payload and"),
            (r#"{"topic":"t","partition":0,"offset":0,"headers":["a"]}"#, "header `a` has no value"),
            (r#"{"topic":"t","partition":0,"offset":0,"headers":[null,"a"]}"#, "name is null"),
        ] {
            let said = parse(text).expect_err(text);
            assert!(said.contains(want), "{text}: {said}");
        }
        let said =
            Line::parse(b"{\"topic\":\"t\",\"partition\":0,\"offset\":0,\"payload\":\"\xff\"}").expect_err("binary");
        assert!(said.contains("payload_base64"), "{said}");
    }

    #[test]
    fn writes_what_it_reads() {
        let line = Line {
            topic: "orders".into(),
            partition: 7,
            offset: 9,
            timestamp: Some(Timestamp::from_millis(5)),
            key: Some(Cow::Borrowed(b"o-1")),
            value: Some(Cow::Borrowed(&[0xff, 0, b'"'])),
            headers: vec![("h".into(), Some(Cow::Borrowed(b"v"))), ("n".into(), None)],
        };
        let mut written = Vec::new();
        line.write(&mut written);
        assert_eq!(written.pop(), Some(b'\n'));
        assert_eq!(Line::parse(&written).unwrap(), line);
    }
}
