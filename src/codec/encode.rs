//! Transitions -> records: which topics a state of an exception goes to, under which key.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Format, OutputRecord, cloudevents, encode_exception};
use crate::domain::{Exception, ExceptionId, Kind, Str};
use crate::engine::Transition;

/// Where outputs go and how they are written.
#[derive(Clone, Debug)]
pub struct EncoderConfig {
    /// History of SLA exceptions.
    pub sla: Str,
    /// History of backlog exceptions.
    pub backlog: Str,
    /// History of findings.
    pub reconciliation: Str,
    /// Latest state by exception_id.
    pub current: Str,
    /// Topics of routes that have one of their own, by route.
    pub routes: BTreeMap<Str, Str>,
    /// The consumer group: part of `ce_source`.
    pub group_id: Str,
    /// The replay's name, where this is one: part of `ce_source`.
    pub replay: Option<Str>,
    /// How values are written.
    pub format: Format,
}

/// Makes the records of transitions.
#[derive(Clone, Debug)]
pub struct Encoder {
    config: EncoderConfig,
    source: Bytes,
}

impl Encoder {
    /// An encoder for one run.
    pub fn new(config: EncoderConfig) -> Self {
        let source = cloudevents::source(&config.group_id, config.replay.as_deref());
        Encoder { config, source }
    }

    /// The records of one transition of shard `shard`, in the order in which they are to be produced. Their bytes are
    /// shared.
    pub fn transition(&self, transition: &Transition, shard: i32) -> Vec<OutputRecord> {
        match transition {
            Transition::Publish(exception) => self.publish(exception, shard),
            Transition::Tombstone(exception_id) => vec![self.tombstone(exception_id, shard)],
        }
    }

    fn publish(&self, exception: &Exception, shard: i32) -> Vec<OutputRecord> {
        let mut records = self.history_of(exception);
        if let Some(OutputRecord { value, headers, .. }) = records.first().cloned() {
            let (topic, key) = (self.config.current.clone(), Some(key(&exception.exception_id)));
            records.push(OutputRecord { topic, partition: Some(shard), key, value, headers });
        }
        records
    }

    /// The records of one state for those who follow the histories: `exceptions-current` has it already.
    pub fn history_of(&self, exception: &Exception) -> Vec<OutputRecord> {
        let subject = Bytes::from(exception.subject.key(&exception.policy.id).to_string());
        let value = Bytes::from(encode_exception(exception, self.config.format));
        let headers = cloudevents::headers(exception, &self.source, &subject, self.config.format);
        let record = |topic: &Str| OutputRecord {
            topic: topic.clone(),
            partition: None,
            key: Some(subject.clone()),
            value: Some(value.clone()),
            headers: headers.clone(),
        };
        let history = self.history(exception.kind);
        let mut records = vec![record(history)];
        for route in exception.earlier_routes.iter().chain([&exception.route]) {
            // Two routes may share a topic, and a route's topic may be the kind's.
            if let Some(own) = self.config.routes.get(route)
                && records.iter().all(|r| r.topic != *own)
            {
                records.push(record(own));
            }
        }
        records
    }

    fn tombstone(&self, exception_id: &ExceptionId, shard: i32) -> OutputRecord {
        OutputRecord {
            topic: self.config.current.clone(),
            partition: Some(shard),
            key: Some(key(exception_id)),
            value: None,
            headers: Vec::new(),
        }
    }

    fn history(&self, kind: Kind) -> &Str {
        match kind {
            Kind::Sla => &self.config.sla,
            Kind::Backlog => &self.config.backlog,
            Kind::Reconciliation => &self.config.reconciliation,
        }
    }
}

fn key(exception_id: &ExceptionId) -> Bytes {
    Bytes::copy_from_slice(exception_id.as_bytes())
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
