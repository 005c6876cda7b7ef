//! How large a record is, what its topic takes, and an exception cut to it. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::dead_letter::{HEADER_OVERHEAD, OVERHEAD};
use super::{Format, OutputRecord, decode_exception, encode_exception};
use crate::domain::{AttributeValue, Exception, Str};

/// The one attribute of an exception whose attributes were cut: `true`.
pub const CUT: &str = "orderwatch_cut";

/// The longest record that each topic takes, in bytes. What is not known is not bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds(BTreeMap<Str, usize>);

impl Bounds {
    /// As the broker tells them.
    pub fn new(by_topic: BTreeMap<Str, usize>) -> Self {
        Bounds(by_topic)
    }

    /// What a topic takes.
    pub fn of(&self, topic: &str) -> Option<usize> {
        self.0.get(topic).copied()
    }

    /// A topic takes no more than this.
    pub fn set(&mut self, topic: Str, max_bytes: usize) {
        self.0.insert(topic, max_bytes);
    }

    /// What every topic takes.
    pub fn least(&self) -> Option<usize> {
        self.0.values().copied().min()
    }

    /// The record's size and what its topic takes, where that is less.
    pub fn exceeded(&self, record: &OutputRecord) -> Option<(usize, usize)> {
        let (size, max) = (size(record), self.of(&record.topic)?);
        (size > max).then_some((size, max))
    }
}

/// A record's size on the wire, rather too large than too small.
fn size(record: &OutputRecord) -> usize {
    let of = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers = record.headers.iter().map(|(name, value)| HEADER_OVERHEAD + name.len() + of(value));
    OVERHEAD + of(&record.key) + of(&record.value) + headers.sum::<usize>()
}

/// The exception that a record carries, where it carries one.
pub fn exception_of(record: &OutputRecord) -> Option<(Exception, Format)> {
    let (_, content_type) = record.headers.iter().find(|(name, _)| name == "content-type")?;
    let format = Format::of_content_type(content_type.as_ref()?)?;
    Some((decode_exception(record.value.as_ref()?, format).ok()?, format))
}

/// The record without its exception's attributes, [`CUT`] in their place; `None` where it has none to cut. An order's
/// attributes are what can be large: all else is a policy's words and bounded names.
pub fn cut(record: &OutputRecord) -> Option<OutputRecord> {
    let (mut exception, format) = exception_of(record)?;
    if exception.attributes.is_empty() {
        return None;
    }
    exception.attributes = vec![(Str::new_static(CUT), AttributeValue::Bool(true))];
    Some(OutputRecord { value: Some(Bytes::from(encode_exception(&exception, format))), ..record.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Encoder, EncoderConfig, samples};
    use crate::engine::Transition;

    fn records(format: Format) -> Vec<OutputRecord> {
        let encoder = Encoder::new(EncoderConfig {
            sla: "sla".into(),
            backlog: "backlog".into(),
            reconciliation: "reconciliation".into(),
            current: "current".into(),
            routes: BTreeMap::new(),
            group_id: "group".into(),
            replay: None,
            format,
        });
        let long = (Str::new("note"), AttributeValue::Text("x".repeat(5_000).into()));
        let exception = Exception { attributes: vec![long], ..samples::sla() };
        encoder.transition(&Transition::Publish(Box::new(exception)), 3)
    }

    #[test]
    fn an_exception_is_cut_to_what_its_topic_takes_and_says_so() {
        let bounds = Bounds::new([("sla".into(), 2_000)].into());
        for format in [Format::Json, Format::Protobuf] {
            let [history, current] = <[OutputRecord; 2]>::try_from(records(format)).unwrap();
            assert_eq!(bounds.exceeded(&current), None, "nobody knows what it takes");
            let (size, max) = bounds.exceeded(&history).unwrap();
            assert!(size > 5_000 && max == 2_000, "{size} {max}");
            let short = cut(&history).unwrap();
            assert_eq!(bounds.exceeded(&short), None);
            assert_eq!(
                (&short.key, &short.headers),
                (&history.key, &history.headers),
                "the same state of the same exception"
            );
            let (exception, _) = exception_of(&short).unwrap();
            assert_eq!(exception.attributes, [(CUT.into(), AttributeValue::Bool(true))]);
            assert_eq!(
                Exception { attributes: vec![], ..exception },
                Exception { attributes: vec![], ..samples::sla() }
            );
        }
    }

    #[test]
    fn what_carries_no_exception_is_not_cut() {
        let dead = OutputRecord {
            topic: "sla".into(),
            partition: None,
            key: None,
            value: Some(Bytes::from("x".repeat(9_000))),
            headers: Vec::new(),
        };
        assert_eq!(cut(&dead), None);
    }
}
